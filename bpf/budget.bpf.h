/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_BUDGET_BPF_H
#define TPROF_BUDGET_BPF_H

#include "waits.bpf.h"

/*
 * Each CPU may spend 0.5 % of its time on stacks. Waits at one site (the same thread at the same depth
 * of its stack in the same system call on the same address) are alike; a site that comes seldom is
 * always taken, of one that comes n times a period one in 2^shift is taken,
 *
 *	shift = max(0, log2(n) + level)
 *
 * and its count and time are weighted by 2^shift. Which one is drawn by lot for each block of 2^shift
 * waits, before anything of their length can be known: each has the same chance, so the weighted sums
 * are unbiased, and counts are right to one block. n is looked at where a block or a period begins.
 * `level` grows while more than the budget is spent, and shrinks when there is room.
 */
#define BUDGET_PERIOD_NS 16777216ULL
#define BUDGET_NS	 (BUDGET_PERIOD_NS / 200)
#define LEVEL_MIN	 (-10) /* up to 1024 a period at one site, all are taken */
#define LEVEL_MAX	 16
#define SHIFT_MAX	 24
#define SITES		 512
#define SITE_PERIOD	 27 /* log2 ns: 134 ms */

struct site {
	__u32 period;
	__u16 now, before; /* waits in this period and in the one before */
	__u32 at, lot;	   /* waits of the present block so far; which one is taken */
	__u32 shift;	   /* log2 of the block's size */
};

struct budget {
	struct tprof_budget b;
	struct site sites[SITES];
};

struct budget_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct budget);
};

extern struct budget_map budget SEC(".maps");

static __always_inline struct budget *budget_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&budget, &zero);
}

static __always_inline void budget_turn(struct tprof_budget *b, __u64 now)
{
	__u64 passed = now - b->begin_ns;

	/* a thread's creation may have been a little before the present period began */
	if ((__s64)passed < (__s64)BUDGET_PERIOD_NS)
		return;
	/* after a pause the share is that of the whole time */
	if (b->spent_ns * (BUDGET_PERIOD_NS / BUDGET_NS) > passed)
		b->level += b->level < LEVEL_MAX;
	else if (b->spent_ns * (4 * BUDGET_PERIOD_NS / BUDGET_NS) < passed)
		b->level -= b->level > LEVEL_MIN;
	b->begin_ns = now;
	b->spent_ns = 0;
}

static __always_inline struct site *site_at(struct budget *budgets, __u64 site)
{
	__u32 index = hash_mix(site, 0) >> 20;

	return &budgets->sites[bounded(index, SITES - 1)];
}

/* One more wait here. Is it the first of a period? */
static __always_inline bool site_count(struct site *s, __u64 now)
{
	__u32 period = now >> SITE_PERIOD;
	bool turned = s->period != period;

	if (turned) {
		s->before = s->period + 1 == period ? s->now : 0;
		s->now = 0;
		s->period = period;
	}
	s->now += s->now != 0xffff;
	return turned;
}

/* How often this site comes: the busier of this period and the last. */
static __always_inline __u32 site_rate(const struct site *s)
{
	return s->now > s->before ? s->now : s->before;
}

static __always_inline __u32 random_next(struct tprof_budget *b)
{
	__u32 x = b->random ?: bpf_get_prandom_u32() | 1;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	b->random = x;
	return x;
}

static __always_inline bool block_done(const struct site *s)
{
	return s->at >> (s->shift & 31);
}

/* Where a block is complete, or a period begins: a new block follows, or the present one goes on if its size
 * is still right. */
static __always_inline void site_block(struct site *s, struct tprof_budget *b)
{
	__s32 shift = (__s32)log2_u32(site_rate(s)) + b->level;

	if (shift < 0)
		shift = 0;
	if (shift > SHIFT_MAX)
		shift = SHIFT_MAX;
	if (s->shift == (__u32)shift && !block_done(s))
		return;
	s->shift = shift;
	s->at = 0;
	s->lot = shift ? random_next(b) & ((1U << (shift & 31)) - 1) : 0;
}

/* budget_ask() without a call. */
static __always_inline __u32 budget_draw(__u64 site, __u64 now)
{
	struct budget *all = budget_here();
	struct tprof_budget *b = &all->b;
	struct site *s;

	if (!all)
		return NOT_TAKEN;
	budget_turn(b, now);
	b->waits++;
	s = site_at(all, site);
	if (site_count(s, now) || block_done(s))
		site_block(s, b);
	if (s->at++ != s->lot)
		return NOT_TAKEN;
	b->taken++;
	return s->shift;
}

#endif
