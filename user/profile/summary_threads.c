// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/map64.h"
#include "profile/impl.h"
#include "profile/summary_impl.h"

/* The function at a stack's leaf as people read it, innermost inlined call first; 0 = none. */
static uint32_t leaf_name(struct profile *p, uint32_t stack)
{
	const struct profile_stack *s = stack ? profile_stack_at(p, stack) : NULL;
	const uint32_t *labels;
	uint32_t n;

	if (!s || !s->frames)
		return 0;
	labels = frame_label_ids(p, profile_stack_frames(p, s)[0], &n);
	return labels ? table_at(&p->labels, struct profile_label, labels[0])->text : 0;
}

/* Sampled CPU time by thread, and samples by (thread, leaf function). */
static int sum_cpu_rows(struct summary *s, uint64_t *cpu_ns, struct map64 *leaves)
{
	size_t count;
	const struct profile_row *rows = profile_rows(s->profile, &count);

	for (size_t i = 0; i < count; i++) {
		uint32_t leaf;
		uint64_t *sum;

		if (rows[i].kind != PROFILE_CPU || !rows[i].thread)
			continue;
		cpu_ns[rows[i].thread - 1] += rows[i].value;
		leaf = leaf_name(s->profile, rows[i].stack);
		if (!leaf)
			continue;
		sum = map64_at(leaves, (uint64_t)rows[i].thread << 32 | leaf);
		if (!sum)
			return -ENOMEM;
		*sum += rows[i].count;
	}
	return profile_error(s->profile);
}

/* Which leaf function has the most samples; of equals the one whose name was seen first. */
static int set_top_functions(struct summary *s, const struct map64 *leaves)
{
	uint64_t *best = calloc(s->thread_count + 1, sizeof(*best));

	if (!best)
		return -ENOMEM;
	for (size_t i = 0; i < leaves->cap; i++) {
		const struct map64_slot *slot = &leaves->slots[i];
		uint32_t name = (uint32_t)slot->key, index = (uint32_t)(slot->key >> 32) - 1;

		if (!slot->key || slot->value < best[index])
			continue;
		if (slot->value == best[index] && s->threads[index].top_function < name)
			continue;
		best[index] = slot->value;
		s->threads[index].top_function = name;
	}
	free(best);
	return 0;
}

static int by_thread_then_time(const void *a, const void *b)
{
	const struct profile_block *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return (x->ns < y->ns) - (x->ns > y->ns);
}

static int set_blocks(struct summary *s)
{
	size_t count;
	const struct profile_block *from = profile_blocks(s->profile, &count);
	struct profile_block *sorted = calloc(count + 1, sizeof(*sorted));

	s->blocks = calloc(count + 1, sizeof(*s->blocks));
	if (!sorted || !s->blocks) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = from[i];
	qsort(sorted, count, sizeof(*sorted), by_thread_then_time);
	for (size_t i = 0; i < count; i++) {
		struct summary_thread *t;

		if (!sorted[i].thread) /* a damaged recording may hold such */
			continue;
		t = &s->threads[sorted[i].thread - 1];
		if (!t->block_count++)
			t->first_block = i;
		s->blocks[i] =
			(struct summary_block){ sorted[i].syscall, sorted[i].count, sorted[i].ns };
	}
	free(sorted);
	return 0;
}

static void add_totals(struct summary *s, const struct profile_thread *t)
{
	s->voluntary += t->voluntary_switches;
	s->involuntary += t->involuntary_switches;
	s->offcpu_ns += t->offcpu_ns;
	s->runq_ns += t->runq_ns;
}

static void set_times(struct summary *s, const uint64_t *sampled_ns)
{
	double percent = s->seconds > 0 ? 100 / s->seconds : 0;

	for (size_t i = 0; i < s->thread_count; i++) {
		const struct profile_thread *t = profile_thread_at(s->profile, i + 1);
		struct summary_thread *out = &s->threads[i];

		out->thread = i + 1;
		out->cpu_seconds = (t->cpu_exact ? t->cpu_ns : sampled_ns[i]) / 1e9;
		out->cpu_percent = out->cpu_seconds * percent;
		s->cpu_seconds += out->cpu_seconds;
		add_totals(s, t);
	}
	s->cpu_percent = s->cpu_seconds * percent;
}

/* ── groups ─────────────────────────────────────────────────────────────────────────────────── */

static int by_group_cpu(const void *a, const void *b)
{
	const struct summary_group *x = a, *y = b;

	if (x->cpu_seconds != y->cpu_seconds)
		return x->cpu_seconds > y->cpu_seconds ? -1 : 1;
	return (x->offcpu_ns < y->offcpu_ns) - (x->offcpu_ns > y->offcpu_ns);
}

/* The group of a thread; one without a name stands alone. */
static struct summary_group *group_of(struct summary *s, struct map64 *index, uint32_t thread)
{
	const struct profile_thread *t = profile_thread_at(s->profile, thread);
	uint64_t *slot = map64_at(index, (uint64_t)t->group + 1);

	if (!slot)
		return NULL;
	if (!*slot) {
		s->groups[s->group_count].group = t->group;
		*slot = ++s->group_count;
	}
	return &s->groups[*slot - 1];
}

static int add_to_group(struct summary *s, struct map64 *index, struct map64 *slept,
			const struct summary_thread *t)
{
	struct summary_group *g = group_of(s, index, t->thread);

	if (!g)
		return -ENOMEM;
	g->threads++;
	g->cpu_seconds += t->cpu_seconds;
	g->cpu_percent += t->cpu_percent;
	g->offcpu_ns += profile_thread_at(s->profile, t->thread)->offcpu_ns;
	for (size_t i = 0; i < t->block_count; i++) {
		const struct summary_block *b = &s->blocks[t->first_block + i];
		uint64_t *sum = map64_at(slept, (uint64_t)(g - s->groups + 1) << 32 | b->syscall);

		if (!sum)
			return -ENOMEM;
		*sum += b->ns;
		if (*sum > g->blocked_ns) {
			g->blocked_ns = *sum;
			g->blocked_in = b->syscall;
		}
	}
	return 0;
}

static int set_groups(struct summary *s)
{
	struct map64 index = { 0 }, slept = { 0 };
	int err = 0;

	s->groups = calloc(s->thread_count + 1, sizeof(*s->groups));
	if (!s->groups)
		return -ENOMEM;
	for (size_t i = 0; i < s->thread_count && !err; i++)
		err = add_to_group(s, &index, &slept, &s->threads[i]);
	qsort(s->groups, s->group_count, sizeof(*s->groups), by_group_cpu);
	map64_release(&index);
	map64_release(&slept);
	return err;
}

/* Most CPU first, then most blocked time, then lowest TID: the order does not depend on luck. */
static int by_cpu(const void *a, const void *b, void *ctx)
{
	const struct summary_thread *x = a, *y = b;
	const struct profile_thread *s, *t;

	if (x->cpu_seconds != y->cpu_seconds)
		return x->cpu_seconds > y->cpu_seconds ? -1 : 1;
	s = profile_thread_at(ctx, x->thread);
	t = profile_thread_at(ctx, y->thread);
	if (s->offcpu_ns != t->offcpu_ns)
		return s->offcpu_ns > t->offcpu_ns ? -1 : 1;
	return (s->tid > t->tid) - (s->tid < t->tid);
}

int summary_threads(struct summary *s)
{
	struct map64 leaves = { 0 };
	uint64_t *cpu_ns;
	int err = -ENOMEM;

	profile_threads(s->profile, &s->thread_count);
	s->threads = calloc(s->thread_count + 1, sizeof(*s->threads));
	cpu_ns = calloc(s->thread_count + 1, sizeof(*cpu_ns));
	if (!s->threads || !cpu_ns)
		goto out;
	err = sum_cpu_rows(s, cpu_ns, &leaves);
	if (!err)
		err = set_top_functions(s, &leaves);
	if (err)
		goto out;
	set_times(s, cpu_ns);
	err = set_blocks(s);
	if (!err)
		err = set_groups(s);
	if (!err)
		qsort_r(s->threads, s->thread_count, sizeof(*s->threads), by_cpu, s->profile);
out:
	map64_release(&leaves);
	free(cpu_ns);
	return err;
}
