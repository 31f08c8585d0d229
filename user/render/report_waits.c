// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "base/buf.h"
#include "render/report_text.h"

enum { MAX_LOCKS = 5, MAX_IDLE = 3, MAX_CHURN_GROUPS = 4, LOCK_DETAILS = 3 };

/* ── locks ──────────────────────────────────────────────────────────────────────────────────── */

/* A wait that nothing else explains than that somebody else holds it. The others may be a thread
 * that has nothing to do. */
static bool is_contention(const struct profile_lock *l)
{
	return l->type == PROFILE_LOCK_MUTEX || l->type == PROFILE_LOCK_RWLOCK;
}

static void add_owner(struct text_report *r, const struct summary_lock *s)
{
	const struct summary_owner *o = &r->summary->owners[s->first_owner];
	const struct profile_thread *t;
	uint64_t all = 0;

	if (!s->owner_count || !o->thread)
		return;
	for (size_t i = 0; i < s->owner_count; i++)
		all += o[i].waits;
	t = profile_thread_at(r->profile, o->thread);
	text_style(r, TEXT_DIM);
	buf_addstr(r->out, "            held by   ");
	text_plain(r);
	text_last(r, t->comm, 20);
	buf_printf(r->out, " (%d)", t->tid);
	if (s->owner_count > 1)
		buf_printf(r->out, " in %.0f%% of the waits, and %zu more",
			   all ? 100.0 * o->waits / all : 0, s->owner_count - 1);
	buf_addch(r->out, '\n');
}

static void add_lock(struct text_report *r, const struct summary_lock *s, bool details)
{
	const struct profile_lock *l = profile_lock_at(r->profile, s->lock);
	char text[UNITS_MAX];

	text_number(r, units_time(text, l->wait_ns), 10);
	text_number(r, units_count(text, l->waits), 10);
	text_number(r, units_time(text, l->max_wait_ns), 11);
	buf_printf(r->out, "  %-10s", profile_lock_type_name(l->type));
	if (l->name) {
		text_last(r, l->name, text_rest(r, 43));
	} else {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)l->address);
		buf_addstr(r->out, text);
	}
	buf_addch(r->out, '\n');
	if (!details)
		return;
	if (s->waiter_count)
		text_stack(r, "            waits at  ",
			   r->summary->lock_stacks[s->first_waiter].stack);
	add_owner(r, s);
	if (s->waker_count)
		text_stack(r, "            woken by  ",
			   r->summary->lock_stacks[s->first_waker].stack);
}

/* A wait this short in sum nobody has felt. */
static bool lock_matters(const struct text_report *r, const struct profile_lock *l)
{
	return l->waits && l->wait_ns >= r->info->duration_ns / 1000;
}

static size_t add_locks_of(struct text_report *r, bool contention, size_t max)
{
	const struct summary *s = r->summary;
	size_t shown = 0;

	for (size_t i = 0; i < s->lock_count && shown < max; i++) {
		const struct profile_lock *l = profile_lock_at(r->profile, s->locks[i].lock);

		if (is_contention(l) != contention || !lock_matters(r, l))
			continue;
		add_lock(r, &s->locks[i], shown < LOCK_DETAILS);
		shown++;
	}
	return shown;
}

void text_locks(struct text_report *r)
{
	size_t shown;

	if (!r->summary->lock_count)
		return;
	text_heading(r, "Locks", "time is summed over all waiters; condvar, park … may be idle");
	text_style(r, TEXT_DIM);
	buf_addstr(r->out, "    WAITED     WAITS    LONGEST  TYPE      NAME\n");
	text_plain(r);
	shown = add_locks_of(r, true, MAX_LOCKS);
	shown += add_locks_of(r, false, MAX_IDLE);
	if (r->summary->lock_count > shown)
		buf_printf(r->out, "            %zu more, waited for less\n",
			   r->summary->lock_count - shown);
}

/* ── threads that come and go ───────────────────────────────────────────────────────────────── */

static void add_churn_group(struct text_report *r, const struct summary_churn_group *g)
{
	char text[UNITS_MAX];

	text_number(r, units_count(text, g->created), 10);
	text_number(r, units_count(text, g->exited), 10);
	buf_addstr(r->out, "  ");
	text_last(r, g->name, text_rest(r, 22));
	buf_addch(r->out, '\n');
	if (g->creator_count)
		text_stack(r, "            made by   ",
			   r->summary->creators[g->first_creator].stack);
}

static void add_churn_totals(struct text_report *r)
{
	const struct summary *s = r->summary;
	char created[UNITS_MAX], exited[UNITS_MAX], rate[UNITS_MAX];
	struct buf line = BUF_INIT;

	buf_printf(&line, "%s created (%s), %s exited", units_count(created, s->created),
		   units_rate(rate, s->seconds > 0 ? s->created / s->seconds : 0),
		   units_count(exited, s->exited));
	if (!r->info->system_wide)
		buf_printf(&line, "; alive: %u at the start, %u at the end", r->info->live_at_start,
			   r->info->live_at_end);
	if (s->forked)
		buf_printf(&line, "; processes forked: %s", units_count(created, s->forked));
	text_wrapped(r, &line, 0, 2);
}

static void add_lifetimes(struct text_report *r)
{
	const struct summary *s = r->summary;
	char p50[UNITS_MAX], p99[UNITS_MAX], max[UNITS_MAX];
	struct buf line = BUF_INIT;

	if (!s->lifetime_max_ns)
		return;
	buf_printf(&line, "half of them lived under %s, 99%% under %s, the longest %s",
		   units_time(p50, s->lifetime_p50_ns), units_time(p99, s->lifetime_p99_ns),
		   units_time(max, s->lifetime_max_ns));
	text_wrapped(r, &line, 0, 2);
}

void text_churn(struct text_report *r)
{
	const struct summary *s = r->summary;

	if (!s->created && !s->exited && !s->forked)
		return;
	text_heading(r, "Threads created and gone", NULL);
	add_churn_totals(r);
	add_lifetimes(r);
	if (!s->churn_group_count)
		return;
	text_style(r, TEXT_DIM);
	buf_addstr(r->out, "   CREATED    EXITED  NAME\n");
	text_plain(r);
	for (size_t i = 0; i < s->churn_group_count && i < MAX_CHURN_GROUPS; i++)
		add_churn_group(r, &s->churn_groups[i]);
}

/* ── switches ───────────────────────────────────────────────────────────────────────────────── */

void text_switches(struct text_report *r)
{
	const struct summary *s = r->summary;
	char voluntary[UNITS_MAX], involuntary[UNITS_MAX], rate[UNITS_MAX], waited[UNITS_MAX];
	uint64_t all = s->voluntary + s->involuntary;
	struct buf line = BUF_INIT;

	if (!all)
		return;
	buf_addch(r->out, '\n');
	text_style(r, TEXT_BOLD);
	buf_addstr(r->out, "Switches");
	text_plain(r);
	buf_printf(&line, "%s voluntary, %s involuntary (%s); runnable without a CPU for %s",
		   units_count(voluntary, s->voluntary), units_count(involuntary, s->involuntary),
		   units_rate(rate, s->seconds > 0 ? all / s->seconds : 0),
		   units_time(waited, s->runq_ns));
	text_wrapped(r, &line, 8, 10);
}
