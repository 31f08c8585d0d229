/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where threads queue. A futex wait alone does not tell a lock from an idle pool: the type of the
 * lock, the names on the waiters' stacks, and who wakes whom do.
 *
 *	stack says                  mutex, rwlock        other types
 *	locking, at this word       by address           by address
 *	locking, elsewhere          by function          by function (JVM monitors, ReentrantLock, GIL)
 *	Python's GIL                by process           by process
 *	perhaps locking             by function, if it behaves like a lock
 *	idle                        by address           no
 *	nothing                     by address           "other": by address, if it behaves like a lock
 */
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/map64.h"
#include "diagnose/impl.h"

/* What is summed up by site, to find the one that has most. */
enum sum { BY_STACK, BY_GROUP, BY_WAKER, BY_WAKER_GROUP, SUMS };

struct finder {
	struct facts *f;
	bool *has_rows;		 /* by lock: its waiters are known */
	struct map64 index;	 /* key → site + 1 */
	struct map64 seen;	 /* site << 32 | thread */
	struct map64 sums[SUMS]; /* site << 32 | id → weight */
	struct stack_says {
		uint8_t sort; /* enum wait_sort + 1, 0 = not looked at yet */
		bool placed;  /* the culprit was looked for */
		struct profile_label culprit;
	} * stacks;		/* by stack */
	uint16_t *frames;	/* for stack_wait_sort */
	uint32_t *site_of_lock; /* number of a site where it is waited for, 0 = none */
	size_t cap;
};

static enum wait_sort sort_of(struct finder *s, uint32_t stack)
{
	if (!stack)
		return WAIT_UNKNOWN;
	if (!s->stacks[stack - 1].sort)
		s->stacks[stack - 1].sort =
			(uint8_t)(stack_wait_sort(s->f->p, s->frames, stack) + 1);
	return (enum wait_sort)(s->stacks[stack - 1].sort - 1);
}

/* Zeros where nothing but plumbing stands. */
static struct profile_label culprit_of(struct finder *s, uint32_t stack)
{
	struct stack_says *says = stack ? &s->stacks[stack - 1] : NULL;

	if (!says)
		return (struct profile_label){ 0 };
	if (!says->placed)
		stack_culprit(s->f->p, stack, &says->culprit);
	says->placed = true;
	return says->culprit;
}

/* The site under this key, made when new; NULL = out of memory. */
static struct site *site_at(struct finder *s, uint64_t key, const struct site *fresh)
{
	uint64_t *slot = map64_at(&s->index, key);
	struct facts *f = s->f;

	if (!slot)
		return NULL;
	if (!*slot) {
		if (array_room(&f->sites, f->site_count, &s->cap, sizeof(*f->sites)))
			return NULL;
		f->sites[f->site_count] = *fresh;
		*slot = ++f->site_count;
	}
	return &f->sites[*slot - 1];
}

static bool is_lock_by_type(const struct profile_lock *l)
{
	return l->type == PROFILE_LOCK_MUTEX || l->type == PROFILE_LOCK_RWLOCK;
}

/* What sites are known by: a lock's id, or one of these with the process and the function. */
#define FUNCTION_KEY (1ULL << 63)
#define GIL_KEY	     (1ULL << 62)

enum place { PLACE_NONE, PLACE_ADDRESS, PLACE_FUNCTION, PLACE_GIL };

static enum place place_of(const struct profile_lock *l, enum wait_sort sort, bool *ret_unsure)
{
	*ret_unsure = sort == WAIT_PERHAPS_LOCKING ||
		      (sort == WAIT_UNKNOWN && l->type == PROFILE_LOCK_OTHER);
	switch (sort) {
	case WAIT_LOCKING_WORD: return PLACE_ADDRESS;
	case WAIT_GIL: return PLACE_GIL;
	case WAIT_LOCKING_ELSEWHERE:
	case WAIT_PERHAPS_LOCKING: return PLACE_FUNCTION;
	case WAIT_UNKNOWN:
	case WAIT_IDLE: break;
	}
	return is_lock_by_type(l) || *ret_unsure ? PLACE_ADDRESS : PLACE_NONE;
}

/* Where this row belongs; *ret_site NULL = nowhere, it is no wait for a lock. false = out of memory. */
static bool site_of_row(struct finder *s, const struct profile_lock_row *r, struct site **ret_site)
{
	const struct profile_lock *l = profile_lock_at(s->f->p, r->lock);
	struct site fresh = { .process = l->process };
	uint64_t key = r->lock;
	struct profile_label label;

	*ret_site = NULL;
	switch (place_of(l, sort_of(s, r->stack), &fresh.unsure)) {
	case PLACE_NONE: return true;
	case PLACE_ADDRESS: fresh.lock = r->lock; break;
	case PLACE_GIL:
		fresh.gil = true;
		key = GIL_KEY | l->process;
		break;
	case PLACE_FUNCTION:
		label = culprit_of(s, r->stack);
		fresh.where = label.text;
		fresh.module = label.module;
		key = FUNCTION_KEY | (uint64_t)l->process << 32 | label.text;
		break;
	}
	*ret_site = site_at(s, key, &fresh);
	if (*ret_site)
		(*ret_site)->unsure = (*ret_site)->unsure && fresh.unsure;
	return *ret_site != NULL;
}

/* false = out of memory */
static bool add_to(struct finder *s, enum sum sum, uint64_t site, uint32_t id, uint64_t weight,
		   struct most *most)
{
	uint64_t *at = id ? map64_at(&s->sums[sum], site << 32 | id) : NULL;

	if (!at)
		return !id;
	*at += weight;
	if (*at > most->weight)
		*most = (struct most){ id, *at };
	return true;
}

static uint32_t group_of(const struct finder *s, uint32_t thread)
{
	const struct profile_thread *t = profile_thread_at(s->f->p, thread);

	return t ? t->group : 0;
}

static bool add_row(struct finder *s, const struct profile_lock_row *r)
{
	struct site *site;
	uint64_t *seen, number;

	s->has_rows[r->lock - 1] = true;
	if (!site_of_row(s, r, &site))
		return false;
	if (!site)
		return true;
	number = (uint64_t)(site - s->f->sites) + 1;
	s->site_of_lock[r->lock - 1] = (uint32_t)number;
	seen = map64_at(&s->seen, number << 32 | r->thread);
	if (!seen)
		return false;
	site->seconds += (double)r->ns / 1e9;
	site->waits += (double)r->count;
	site->threads += !*seen;
	*seen = 1;
	site->rows_ns += r->ns;
	return add_to(s, BY_STACK, number, r->stack, r->ns, &site->stack) &&
	       add_to(s, BY_GROUP, number, group_of(s, r->thread), r->ns, &site->group);
}

/* Whether those who wake wait there themselves. */
static bool add_wakes(struct finder *s, const struct profile_lock_row *r)
{
	uint64_t number = s->site_of_lock[r->lock - 1], *waits_too;
	struct site *site;

	if (!number)
		return true;
	site = &s->f->sites[number - 1];
	waits_too = map64_at(&s->seen, number << 32 | r->thread);
	if (!waits_too)
		return false;
	site->wakes += r->count;
	site->own_wakes += *waits_too ? r->count : 0;
	return add_to(s, BY_WAKER, number, r->stack, r->count, &site->waker) &&
	       add_to(s, BY_WAKER_GROUP, number, group_of(s, r->thread), r->count,
		      &site->waker_group);
}

/* Handed on often, and from one who waits there to another: a queue of work is filled by others. */
static bool behaves_like_a_lock(const struct facts *f, const struct site *s)
{
	return s->threads >= 2 && s->waits >= 50 * f->seconds && s->wakes &&
	       s->own_wakes * 10 >= s->wakes * 8;
}

/* A lock's own totals are exact; its rows need not be all. */
static void settle(struct finder *s, struct site *site)
{
	struct profile_label label;

	if (site->lock) {
		const struct profile_lock *l = profile_lock_at(s->f->p, site->lock);

		site->seconds = (double)l->wait_ns / 1e9;
		site->waits = (double)l->waits;
		site->max_seconds = (double)l->max_wait_ns / 1e9;
	}
	if (site->unsure && !behaves_like_a_lock(s->f, site))
		site->seconds = 0;
	if (site->where || site->gil)
		return;
	label = culprit_of(s, site->stack.id);
	site->where = label.text;
	site->module = label.module;
}

/* Locks whose waiters are not known (details dropped) count by their totals. */
static bool add_bare_locks(struct finder *s)
{
	size_t n;
	const struct profile_lock *locks = profile_locks(s->f->p, &n);

	for (uint32_t id = 1; id <= n; id++) {
		const struct profile_lock *l = &locks[id - 1];
		struct site fresh = { .process = l->process, .lock = id };

		if (is_lock_by_type(l) && !s->has_rows[id - 1] && !site_at(s, id, &fresh))
			return false;
	}
	return true;
}

static int longest_first(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return x->seconds < y->seconds ? 1 : x->seconds > y->seconds ? -1 : 0;
}

static int find(struct finder *s)
{
	struct facts *f = s->f;
	size_t n;
	const struct profile_lock_row *rows = profile_lock_rows(f->p, &n);

	for (size_t i = 0; i < n; i++)
		if (rows[i].role == PROFILE_WAITER && !add_row(s, &rows[i]))
			return -ENOMEM;
	if (!add_bare_locks(s))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (rows[i].role == PROFILE_WAKER && !add_wakes(s, &rows[i]))
			return -ENOMEM;
	for (size_t i = 0; i < f->site_count; i++)
		settle(s, &f->sites[i]);
	if (f->site_count)
		qsort(f->sites, f->site_count, sizeof(*f->sites), longest_first);
	return profile_error(f->p);
}

int find_sites(struct facts *f)
{
	struct finder s = { .f = f };
	size_t stacks, frames, locks;
	int err = -ENOMEM;

	profile_stacks(f->p, &stacks);
	profile_frames(f->p, &frames);
	profile_locks(f->p, &locks);
	s.stacks = calloc(stacks + 1, sizeof(*s.stacks));
	s.frames = calloc(frames + 1, sizeof(*s.frames));
	s.site_of_lock = calloc(locks + 1, sizeof(*s.site_of_lock));
	s.has_rows = calloc(locks + 1, sizeof(*s.has_rows));
	if (s.stacks && s.frames && s.site_of_lock && s.has_rows)
		err = find(&s);
	map64_release(&s.index);
	map64_release(&s.seen);
	for (size_t i = 0; i < SUMS; i++)
		map64_release(&s.sums[i]);
	free(s.stacks);
	free(s.frames);
	free(s.site_of_lock);
	free(s.has_rows);
	return err;
}
