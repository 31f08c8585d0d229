/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_MMAP_EVENTS_H
#define TPROF_MMAP_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cpus;
struct diag;
struct map_entry;

/*
 * The kernel tells of every executable mapping that is made (PERF_RECORD_MMAP2), so that dlopen, exec
 * and a library in the place of another are seen without reading maps again. One small ring per CPU;
 * it is looked at with every tick and causes no wake-up before it is half full.
 *
 * With mappings the kernel tells of each thread that comes or goes, unasked, which is most of what
 * sampling alone costs a program that makes threads all the time. Where more than MMAP_EVENTS_TASKS of these come a second the events
 * rest for a while, and maps are read anew with each tick in their place.
 */
#define MMAP_EVENTS_TASKS 10000

struct mmap_ring {
	int fd;	       /* -1: none on this CPU */
	unsigned gone; /* as in struct cpus, when it was opened */
	void *base;
};

struct mmap_events {
	struct mmap_ring *rings; /* by CPU */
	size_t count;
	size_t size;	   /* of a ring's data, a power of two */
	uint64_t tasks;	   /* that came or went, since … */
	uint64_t since_ns; /* CLOCK_MONOTONIC */
	uint64_t rest_ns;  /* how long the present or next rest is */
	bool resting;
};

int mmap_events_open(struct mmap_events *m, const struct cpus *cpus, struct diag *d);
/* Opens on CPUs that came, anew on those that went in between; to be read before. */
void mmap_events_follow(struct mmap_events *m, const struct cpus *cpus);
/* Calls entry for each new mapping, `lost` once for each ring that lost some, and while they rest. */
void mmap_events_read(struct mmap_events *m,
		      void (*entry)(void *ctx, pid_t pid, const struct map_entry *e),
		      void (*lost)(void *ctx), void *ctx);
void mmap_events_release(struct mmap_events *m);

#endif
