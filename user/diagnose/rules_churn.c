/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that are made and thrown away, or only made. */
#include <stdlib.h>

#include "diagnose/impl.h"

#define CHURN_LEAST    30  /* created and gone, in all … */
#define CHURN_MEDIUM   5.0 /* … and a second */
#define CHURN_HIGH     20.0
#define CHURN_STEADY   0.5 /* part of the seconds in which some were created: no mere start-up */
#define GROWTH_LEAST   100 /* more threads at the end … */
#define GROWTH_SECONDS 5   /* a start-up takes less */
#define GROWTH_STEADY  0.8
#define GROWTH_LATE    0.25 /* … of which this part came in the second half */

struct churn {
	uint64_t created, exited, late; /* late: created in the second half */
	uint32_t active, seconds;	/* seconds in which some were created, of how many */
};

static struct churn sum_churn(const struct facts *f, uint32_t process)
{
	struct churn c = { .seconds = f->seconds < 1e9 ? (uint32_t)f->seconds : 1000000000 };
	size_t n;
	const struct profile_churn *rows = profile_churn(f->p, &n);

	if (c.seconds < 1)
		c.seconds = 1;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].process != process)
			continue;
		c.created += rows[i].created;
		c.exited += rows[i].exited;
		c.active += rows[i].created > 0;
		if (rows[i].second * 2 >= c.seconds)
			c.late += rows[i].created;
	}
	return c;
}

/* The group of which most were created, and the stack that created most of it. */
struct group {
	uint32_t name, stack;
	uint64_t created;
};

static int by_name(const void *a, const void *b)
{
	const struct profile_spawn *x = a, *y = b;

	return (x->group > y->group) - (x->group < y->group);
}

static bool main_group(const struct facts *f, uint32_t process, struct group *ret_group)
{
	size_t n, mine = 0;
	const struct profile_spawn *all = profile_spawns(f->p, &n);
	struct profile_spawn *list = calloc(n + 1, sizeof(*list));
	struct group g = { 0 };
	uint64_t most = 0;

	if (!list)
		return false;
	for (size_t i = 0; i < n; i++)
		if (all[i].process == process)
			list[mine++] = all[i];
	if (mine)
		qsort(list, mine, sizeof(*list), by_name);
	for (size_t i = 0; i < mine; i++) {
		if (i == 0 || list[i].group != list[i - 1].group) {
			g = (struct group){ .name = list[i].group };
			most = 0;
		}
		g.created += list[i].created;
		if (list[i].stack && list[i].created > most) {
			most = list[i].created;
			g.stack = list[i].stack;
		}
		if (g.created > ret_group->created)
			*ret_group = g;
	}
	free(list);
	return true;
}

static void add_numbers(const struct facts *f, struct finding *fi, const struct churn *c)
{
	const struct profile_info *info = profile_info_const(f->p);

	finding_evidence(fi, "created", (double)c->created);
	finding_evidence(fi, "exited", (double)c->exited);
	finding_evidence(fi, "created_per_second", (double)c->created / f->seconds);
	finding_evidence(fi, "live_at_start", info->live_at_start);
	finding_evidence(fi, "live_at_end", info->live_at_end);
	if (c->exited)
		finding_evidence(fi, "lifetime_p50_ms", (double)f->summary->lifetime_p50_ns / 1e6);
}

static void say_group(struct buf *b, const struct facts *f, const struct group *g)
{
	struct profile_label creator;

	if (g->name) {
		buf_addstr(b, ", most of them ");
		say_string(b, f, g->name);
	}
	if (!stack_culprit(f->p, g->stack, &creator))
		return;
	buf_addstr(b, ", created by ");
	say_function(b, f, creator.text, creator.module);
}

static void report_churn(const struct facts *f, struct verdict *v, uint32_t process,
			 const struct churn *c, double rate)
{
	struct buf title = BUF_INIT, advice = BUF_INIT;
	struct group g = { 0 };
	struct finding *fi;

	v->failed = v->failed || !main_group(f, process, &g);
	buf_printf(&title, "%.0f threads a second", (double)c->created / f->seconds);
	say_process(&title, f, process);
	buf_printf(&title, " are created and thrown away (%llu in %.0f s)",
		   (unsigned long long)c->created, f->seconds);
	say_group(&title, f, &g);
	buf_addstr(&advice,
		   "A pool that keeps its threads does the same work without making them: in "
		   "Java ThreadPoolTaskExecutor or Executors.newFixedThreadPool in place of "
		   "SimpleAsyncTaskExecutor or new Thread.");
	fi = verdict_add(v, "thread-churn", rate >= CHURN_HIGH ? FINDING_HIGH : FINDING_MEDIUM,
			 rate / 1e3, &title, &advice);
	add_numbers(f, fi, c);
	if (fi)
		fi->stack = g.stack;
}

static void report_growth(const struct facts *f, struct verdict *v, uint32_t process,
			  const struct churn *c)
{
	struct buf title = BUF_INIT, advice = BUF_INIT;
	struct group g = { 0 };
	struct finding *fi;

	v->failed = v->failed || !main_group(f, process, &g);
	buf_printf(&title, "The threads");
	say_process(&title, f, process);
	buf_printf(&title, " become ever more: %llu created in %.0f s, %llu ended",
		   (unsigned long long)c->created, f->seconds, (unsigned long long)c->exited);
	say_group(&title, f, &g);
	buf_addstr(&advice,
		   "Threads that never end are a leak: see what they wait for (blocked in, "
		   "below), and who should have ended or reused them.");
	fi = verdict_add(v, "thread-churn", FINDING_MEDIUM,
			 (double)(c->created - c->exited) / f->seconds / 1e3, &title, &advice);
	add_numbers(f, fi, c);
	if (fi)
		fi->stack = g.stack;
}

void rule_thread_churn(const struct facts *f, struct verdict *v)
{
	for (uint32_t id = 1; id <= f->process_count; id++) {
		struct churn c = sum_churn(f, id);
		uint64_t both = c.created < c.exited ? c.created : c.exited;
		double rate = (double)both / f->seconds;

		if (c.active < CHURN_STEADY * c.seconds)
			continue;
		if (both >= CHURN_LEAST && rate >= CHURN_MEDIUM)
			report_churn(f, v, id, &c, rate);
		else if (c.created >= c.exited + GROWTH_LEAST && c.seconds >= GROWTH_SECONDS &&
			 c.active >= GROWTH_STEADY * c.seconds &&
			 (double)c.late >= GROWTH_LATE * (double)c.created)
			report_growth(f, v, id, &c);
	}
}
