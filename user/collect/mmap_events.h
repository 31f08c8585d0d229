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
 */
struct mmap_ring {
	int fd;	       /* -1: none on this CPU */
	unsigned gone; /* as in struct cpus, when it was opened */
	void *base;
};

struct mmap_events {
	struct mmap_ring *rings; /* by CPU */
	size_t count;
	size_t size; /* of a ring's data, a power of two */
};

int mmap_events_open(struct mmap_events *m, const struct cpus *cpus, struct diag *d);
/* Opens on CPUs that came, anew on those that went in between; to be read before. */
void mmap_events_follow(struct mmap_events *m, const struct cpus *cpus);
/* Calls entry for each new mapping, `lost` once for each ring that lost some. */
void mmap_events_read(struct mmap_events *m,
		      void (*entry)(void *ctx, pid_t pid, const struct map_entry *e),
		      void (*lost)(void *ctx), void *ctx);
void mmap_events_release(struct mmap_events *m);

#endif
