/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_DIAGNOSE_IMPL_H
#define TPROF_DIAGNOSE_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "profile/finding.h"
#include "profile/profile.h"
#include "profile/summary.h"
#include "profile/tree.h"

/* What all rules look at: computed once. */
struct process_facts {
	size_t threads, live_threads, idle_threads; /* all; at the end; idle of the live ones */
	double cpu_seconds;
	uint32_t hottest; /* index + 1 into summary->threads */
	double second;	  /* CPU seconds of the runner-up */
};

/* The one of several that has most; id 0 = none. */
struct most {
	uint32_t id;
	uint64_t weight;
};

/*
 * Where threads queue for a lock: one lock by its address, or (where each thread sleeps on a word of
 * its own, as Java's do) all that wait in one function.
 */
struct site {
	uint32_t process;
	uint32_t lock;	/* 0 = known by its function only */
	uint32_t where; /* string: the function that takes it, 0 = unknown */
	uint32_t module;
	size_t threads; /* that waited there */
	double waits, seconds, max_seconds;
	bool gil;		   /* it is that of Python */
	bool unsure;		   /* nothing but its ways tells that it is a lock */
	uint64_t wakes, own_wakes; /* all, and those by threads that wait here too */
	struct most stack;	   /* that waited longest, ns */
	struct most group;	   /* string: likewise */
	struct most waker;	   /* the stack that most wake-ups came from */
	struct most waker_group;   /* string: likewise */
	uint64_t rows_ns;	   /* all that have a stack, a group */
};

struct facts {
	struct profile *p;
	struct summary *summary;
	double seconds;
	unsigned cpus;
	struct process_facts *processes; /* by process id - 1 */
	size_t process_count;
	struct site *sites; /* most waiting first */
	size_t site_count;
};

struct verdict {
	struct findings found;
	double *shares; /* of time, by finding: what orders those of one severity */
	size_t cap;
	bool failed;
};

/* A rule adds findings or does not. Running out of memory shows in v->failed. */
typedef void (*rule_fn)(const struct facts *f, struct verdict *v);

void rule_hot_thread(const struct facts *f, struct verdict *v);
void rule_hot_function(const struct facts *f, struct verdict *v);
void rule_kernel_heavy(const struct facts *f, struct verdict *v);
void rule_thread_churn(const struct facts *f, struct verdict *v);
void rule_lock_contention(const struct facts *f, struct verdict *v);
void rule_switch_storm(const struct facts *f, struct verdict *v);
void rule_cpu_starvation(const struct facts *f, struct verdict *v);

/*
 * Adds a finding; both texts are taken over and released. `share`: the part of the recording's time
 * that it is about. NULL = out of memory.
 */
struct finding *verdict_add(struct verdict *v, const char *id, enum finding_severity severity,
			    double share, struct buf *title, struct buf *advice);
void finding_evidence(struct finding *fi, const char *key, double value); /* fi may be NULL */

/* Texts: names come from the target, so they are made harmless here. */
void say_string(struct buf *b, const struct facts *f, uint32_t string);
void say_function(struct buf *b, const struct facts *f, uint32_t name, uint32_t module);
void say_thread(struct buf *b, const struct facts *f, uint32_t thread); /* clerk (tid 17) */
/* " of comm (pid 1)" when there are several processes; else nothing. */
void say_process(struct buf *b, const struct facts *f, uint32_t process);

/* ── stacks.c: what a stack says ────────────────────────────────────────────────────────────── */

enum wait_sort {
	WAIT_UNKNOWN,
	WAIT_LOCKING_WORD,	/* in line for the lock at the word that it sleeps on */
	WAIT_LOCKING_ELSEWHERE, /* in line for a lock, asleep on another word */
	WAIT_GIL,		/* for Python's global interpreter lock */
	WAIT_PERHAPS_LOCKING,	/* for a lock, or idle: how it goes on tells */
	WAIT_IDLE,		/* until there is work, time has passed, another is done */
};

/* `seen`: a number for each frame, 0 at first; keeps what its name says. */
enum wait_sort stack_wait_sort(struct profile *p, uint16_t *seen, uint32_t stack);
/* The innermost function that is not plumbing (libc, locks, thread starts, JVM), or else the outermost
 * of the plumbing that a program calls itself; false = none. */
bool stack_culprit(struct profile *p, uint32_t stack, struct profile_label *ret_label);
bool is_plumbing(const struct profile *p, const struct profile_label *label);
/* The CPU stack with most weight that goes through this function; thread 0 = all. */
uint32_t heaviest_stack(struct profile *p, uint32_t thread, const struct profile_label *through);

/* ── contention.c ───────────────────────────────────────────────────────────────────────────── */

int find_sites(struct facts *f); /* 0 or -ENOMEM */

#endif
