// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/summary_impl.h"

static int by_ns(const void *a, const void *b)
{
	const struct profile_lifetime *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

/* The smallest lifetime that at least this share of all lived at most. */
static uint64_t percentile(const struct profile_lifetime *sorted, size_t n, uint64_t total,
			   double share)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += sorted[i].count;
		if (sum >= share * total)
			return sorted[i].ns;
	}
	return n ? sorted[n - 1].ns : 0;
}

static int set_lifetimes(struct summary *s)
{
	size_t n;
	const struct profile_lifetime *from = profile_lifetimes(s->profile, &n);
	struct profile_lifetime *sorted;
	uint64_t total = 0;

	if (!n)
		return 0;
	sorted = calloc(n, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, from, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_ns);
	for (size_t i = 0; i < n; i++)
		total += sorted[i].count;
	s->lifetime_p50_ns = percentile(sorted, n, total, 0.5);
	s->lifetime_p90_ns = percentile(sorted, n, total, 0.9);
	s->lifetime_p99_ns = percentile(sorted, n, total, 0.99);
	s->lifetime_max_ns = sorted[n - 1].ns;
	free(sorted);
	return 0;
}

/* By name, then stack: processes of one name merge. */
static int by_group_and_stack(const void *a, const void *b)
{
	const struct profile_spawn *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

static int by_count(const void *a, const void *b)
{
	const struct summary_stack *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

static int by_created(const void *a, const void *b)
{
	const struct summary_churn_group *x = a, *y = b;

	if (x->created != y->created)
		return x->created > y->created ? -1 : 1;
	return (x->exited < y->exited) - (x->exited > y->exited);
}

/* The group that the spawns so far end with, when it is this one; else a new one behind it. */
static struct summary_churn_group *churn_group(struct summary *s, uint32_t name, size_t creators)
{
	struct summary_churn_group *last;

	if (s->churn_group_count) {
		last = &s->churn_groups[s->churn_group_count - 1];
		if (last->name == name)
			return last;
	}
	last = &s->churn_groups[s->churn_group_count++];
	*last = (struct summary_churn_group){ .name = name, .first_creator = creators };
	return last;
}

static void add_spawn(struct summary *s, const struct profile_spawn *spawn, size_t *creators)
{
	struct summary_churn_group *g = churn_group(s, spawn->group, *creators);
	struct summary_stack *last = g->creator_count ? &s->creators[*creators - 1] : NULL;

	g->created += spawn->created;
	g->exited += spawn->exited;
	if (!spawn->stack || !spawn->created)
		return;
	if (last && last->stack == spawn->stack) {
		last->count += spawn->created;
		return;
	}
	s->creators[(*creators)++] = (struct summary_stack){ spawn->stack, spawn->created, 0 };
	g->creator_count++;
}

static int set_churn_groups(struct summary *s)
{
	size_t n, creators = 0;
	const struct profile_spawn *from = profile_spawns(s->profile, &n);
	struct profile_spawn *sorted = calloc(n + 1, sizeof(*sorted));

	s->churn_groups = calloc(n + 1, sizeof(*s->churn_groups));
	s->creators = calloc(n + 1, sizeof(*s->creators));
	if (!sorted || !s->churn_groups || !s->creators) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = from[i];
	qsort(sorted, n, sizeof(*sorted), by_group_and_stack);
	for (size_t i = 0; i < n; i++)
		add_spawn(s, &sorted[i], &creators);
	for (size_t i = 0; i < s->churn_group_count; i++)
		qsort(s->creators + s->churn_groups[i].first_creator,
		      s->churn_groups[i].creator_count, sizeof(*s->creators), by_count);
	qsort(s->churn_groups, s->churn_group_count, sizeof(*s->churn_groups), by_created);
	free(sorted);
	return 0;
}

int summary_churn(struct summary *s)
{
	size_t n;
	const struct profile_churn *churn = profile_churn(s->profile, &n);
	const struct profile_process *processes;
	int err;

	for (size_t i = 0; i < n; i++) {
		s->created += churn[i].created;
		s->exited += churn[i].exited;
	}
	processes = profile_processes(s->profile, &n);
	for (size_t i = 0; i < n; i++)
		s->forked += processes[i].forked;
	err = set_lifetimes(s);
	return err ? err : set_churn_groups(s);
}
