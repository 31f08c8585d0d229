/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SUMMARY_H
#define TPROF_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "profile/tree.h"

/*
 * A profile in numbers, computed once for all reports (text, json, html). Ids are the profile's.
 * Percent of CPU is of one CPU over the whole recording, as in top: two busy threads are 200.
 */
struct summary_block {
	uint32_t syscall; /* string */
	uint64_t count, ns;
};

struct summary_thread {
	uint32_t thread;
	double cpu_seconds, cpu_percent;
	uint32_t top_function;		 /* string: most samples at the leaf, 0 = none */
	size_t first_block, block_count; /* of `blocks`, most time first */
};

/* Threads of one group (profile_thread.group) together. */
struct summary_group {
	uint32_t group; /* string */
	size_t threads;
	double cpu_seconds, cpu_percent;
	uint64_t offcpu_ns;
	uint32_t blocked_in; /* string: where most of the time was slept, 0 = nowhere */
	uint64_t blocked_ns;
};

/* A stack and what was counted there. */
struct summary_stack {
	uint32_t stack;
	uint64_t count, ns;
};

/* Threads made and gone, by name. */
struct summary_churn_group {
	uint32_t name; /* string */
	uint64_t created, exited;
	size_t first_creator, creator_count; /* of `creators`, most first */
};

struct summary_owner {
	uint32_t thread;
	uint64_t waits;
};

struct summary_lock {
	uint32_t lock;
	size_t first_waiter, waiter_count; /* of `lock_stacks`, most time first */
	size_t first_waker, waker_count;   /* of `lock_stacks`, most wake-ups first */
	size_t first_owner, owner_count;   /* of `owners`, most waits first */
};

struct summary {
	struct profile *profile;
	double seconds;
	uint64_t samples;
	double cpu_seconds, cpu_percent;
	struct {
		uint64_t complete, truncated;
	} stacks[PROFILE_KIND_COUNT];
	uint64_t lost; /* sum of all losses */

	uint64_t voluntary, involuntary, offcpu_ns, runq_ns;
	uint64_t created, exited, forked;
	uint64_t lifetime_p50_ns, lifetime_p90_ns, lifetime_p99_ns, lifetime_max_ns;

	struct summary_thread *threads; /* most CPU first, then most blocked time */
	size_t thread_count;
	struct summary_block *blocks;
	struct summary_group *groups; /* most CPU first */
	size_t group_count;
	struct profile_function *functions; /* most self first */
	size_t function_count;
	struct summary_churn_group *churn_groups; /* most created first */
	size_t churn_group_count;
	struct summary_stack *creators;
	struct summary_lock *locks; /* most wait first */
	size_t lock_count;
	struct summary_stack *lock_stacks;
	struct summary_owner *owners;
};

/* 0 or -ENOMEM. */
int summary_new(struct summary **ret_summary, struct profile *p);
void summary_free(struct summary *s); /* NULL is fine */

/* Is this process what was asked for, and not a child of it? */
bool summary_is_target(const struct summary *s, const struct profile_process *process);

#endif
