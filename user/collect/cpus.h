/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CPUS_H
#define TPROF_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_link;
struct bpf_program;
struct diag;

/*
 * One sampling event per online CPU, each running the program; CPUs that come and go while it
 * records are followed.
 */
struct cpus {
	struct bpf_link **links; /* by CPU; NULL = offline */
	unsigned *gone;		 /* by CPU: how often it went, and all events on it */
	size_t count;		 /* possible CPUs */
	struct bpf_program *program;
	bool cycles;	      /* hardware cycles; else cpu-clock */
	uint64_t period;      /* in cycles or ns */
	uint64_t ns_per_unit; /* of the period, in 2^-20 */
	int uevent_fd;	      /* tells of CPUs; -1 = only looked at now and then */
};

/* Finds out which event this host counts and how long its unit is. */
int cpus_init(struct cpus *cpus, unsigned hz, struct diag *d);
const char *cpus_event_name(const struct cpus *cpus); /* "cycles" or "cpu-clock" */
/* Opens and attaches on every CPU that is online. */
int cpus_attach(struct cpus *cpus, struct bpf_program *program, struct diag *d);
/* Attaches where a CPU came, detaches where one went. Did any? */
bool cpus_follow(struct cpus *cpus);
/* When uevent_fd is readable: CPUs that went and came at once are attached again too. */
bool cpus_uevent(struct cpus *cpus);
void cpus_detach(struct cpus *cpus);
void cpus_release(struct cpus *cpus);

/* "0-3,5" → mask[cpu] = true. How many are set. */
size_t cpus_parse_list(const char *list, bool *mask, size_t count);
/* Which are online now. */
size_t cpus_online(bool *mask, size_t count);

#endif
