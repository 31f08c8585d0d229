/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_COLLECT_IMPL_H
#define TPROF_COLLECT_IMPL_H

/*
 * The inside of a struct collect, for the files of collect/ only.
 *
 *	targets ─→ load ─→ cpus (samples) ─→ ring ──→ decode ─→ stacks by id ─┐
 *	                   mmap_events ────→ procs ─→ BPF's mappings          ├─→ profile
 *	                                       └─→ objects ─→ unwind tables   │
 *	                                     counts ─→ drain ─────────────────┘
 */

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map64.h"
#include "collect/collect.h"
#include "collect/command.h"
#include "collect/cpus.h"
#include "collect/mmap_events.h"
#include "wire.h"

struct objects;
struct waits;
struct procs;
struct programs;
struct proc;
struct unwind_tables;
struct ring_buffer;
struct tprof; /* the skeleton */

/* A target that was named. */
struct target {
	pid_t pid, tid; /* tid 0: the whole process */
	int pidfd;	/* -1: a thread, or pidfds are not to be had */
	bool gone;
};

/* Counts whose stack has not arrived (yet). */
struct orphan {
	uint64_t stack, object;
	uint32_t window, thread;
	uint32_t kind;
	uint64_t count, value;
};

struct collect {
	struct collect_options o; /* the arrays stay the caller's until collect_new returns */
	struct profile *profile;

	struct programs *programs;
	struct tprof *skel;
	struct tprof_mapping *mappings; /* of BPF, mapped */
	size_t mappings_size;
	int barrier_fd; /* a map whose update waits for running programs */

	struct target *targets;
	size_t target_count;
	struct command command;

	struct cpus cpus;
	struct mmap_events mmap_events;
	struct objects *objects;
	struct procs *procs;
	struct unwind_tables *unwind;
	struct waits *waits;

	int epoll_fd, timer_fd;
	struct ring_buffer *ring;

	struct map64 stacks; /* stack id → stack of the profile */
	struct orphan *orphans;
	size_t orphan_count, orphan_cap;
	uint32_t kernel_module;

	uint64_t started_ns, stopped_ns; /* 0 = not yet */
	uint64_t window_ns;		 /* begin of the second that is being counted */
	bool drain_now;			 /* a buffer of counts fills up */
	uint64_t samples;
	struct drain_buffers *drain;
};

/* ── decode.c: what comes through the ring ──────────────────────────────────────────────────── */

/* Decodes what is there. 0 or negative errno. */
int decode_ring(struct collect *c);
/* ring_buffer_sample_fn */
int decode_event(void *ctx, void *data, size_t size);
/* The profile's stack of this id, 0 = it has not come (yet). */
uint32_t decode_stack(struct collect *c, uint64_t stack);

/* ── drain.c: counts → rows ─────────────────────────────────────────────────────────────────── */

int drain_init(struct collect *c);
void drain_release(struct collect *c);
/* Switches buffers, waits for programs that still write the old one, decodes the ring, adds the
 * counts to the window that ends now. */
int drain_counts(struct collect *c);
/* The same for both buffers, when all programs are detached. */
int drain_last(struct collect *c);
/* At the end: rows whose stack never came. */
void drain_orphans(struct collect *c);
/* One count → row of the present window. */
int drain_row(struct collect *c, const struct tprof_count_key *key,
	      const struct tprof_count *count);
/* Named losses → profile. */
void drain_losses(struct collect *c);

/* The thread of a count or record; made when it is new. comm: its name (of the profile's strings), or 0:
 * then /proc is asked where it has none yet. 0 = out of memory. */
uint32_t collect_thread(struct collect *c, pid_t tgid, uint32_t process, pid_t tid, uint64_t start,
			uint32_t comm);

/* ── load.c ─────────────────────────────────────────────────────────────────────────────────── */

/* Opens, sizes and configures the programs; makes their maps, and begins to load them. */
int load_begin(struct collect *c, struct diag *d);
/* The programs are loaded. */
int load_end(struct collect *c, struct diag *d);
/* Are children of targets made targets by programs of their own? */
bool load_follows(const struct collect *c);
void load_release(struct collect *c);

/* ── targets.c ──────────────────────────────────────────────────────────────────────────────── */

/* Checks who is to be recorded. */
int targets_check(struct collect *c, struct diag *d);
/* Tells BPF, reads their mappings. */
int targets_register(struct collect *c, struct diag *d);
/* True once nobody is left who was named. */
bool targets_gone(struct collect *c);
void targets_release(struct collect *c);

#endif
