// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "profile/summary_impl.h"

/* Rows of one lock and role lie together, then those of one stack (owners: of one thread). */
static int by_place(const void *a, const void *b)
{
	const struct profile_lock_row *x = a, *y = b;

	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	if (x->role != y->role)
		return x->role < y->role ? -1 : 1;
	if (x->role == PROFILE_OWNER)
		return (x->thread > y->thread) - (x->thread < y->thread);
	return (x->stack > y->stack) - (x->stack < y->stack);
}

static int by_wait(const void *a, const void *b, void *ctx)
{
	const struct summary_lock *x = a, *y = b;
	const struct profile_lock *s = profile_lock_at(ctx, x->lock);
	const struct profile_lock *t = profile_lock_at(ctx, y->lock);

	if (s->wait_ns != t->wait_ns)
		return s->wait_ns > t->wait_ns ? -1 : 1;
	return (x->lock > y->lock) - (x->lock < y->lock);
}

static int by_ns(const void *a, const void *b)
{
	const struct summary_stack *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

static int by_count(const void *a, const void *b)
{
	const struct summary_stack *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

static int by_waits(const void *a, const void *b)
{
	const struct summary_owner *x = a, *y = b;

	return (x->waits < y->waits) - (x->waits > y->waits);
}

/* Appends to the run [*first, *first + *count) that ends the array, or to its last entry. */
static void add_stack(struct summary *s, size_t *used, size_t *first, size_t *count,
		      const struct profile_lock_row *row)
{
	struct summary_stack *last = *count ? &s->lock_stacks[*used - 1] : NULL;

	if (!last)
		*first = *used;
	if (last && last->stack == row->stack) {
		last->count += row->count;
		last->ns += row->ns;
		return;
	}
	s->lock_stacks[(*used)++] = (struct summary_stack){ row->stack, row->count, row->ns };
	++*count;
}

static void add_owner(struct summary *s, size_t *used, struct summary_lock *lock,
		      const struct profile_lock_row *row)
{
	struct summary_owner *last = lock->owner_count ? &s->owners[*used - 1] : NULL;

	if (!last)
		lock->first_owner = *used;
	if (last && last->thread == row->thread) {
		last->waits += row->count;
		return;
	}
	s->owners[(*used)++] = (struct summary_owner){ row->thread, row->count };
	lock->owner_count++;
}

static void add_rows(struct summary *s, const struct profile_lock_row *rows, size_t n)
{
	size_t stacks = 0, owners = 0;

	for (size_t i = 0; i < n; i++) {
		struct summary_lock *lock;

		if (!rows[i].lock) /* a damaged recording may hold such */
			continue;
		lock = &s->locks[rows[i].lock - 1];
		switch (rows[i].role) {
		case PROFILE_WAITER:
			add_stack(s, &stacks, &lock->first_waiter, &lock->waiter_count, &rows[i]);
			break;
		case PROFILE_WAKER:
			add_stack(s, &stacks, &lock->first_waker, &lock->waker_count, &rows[i]);
			break;
		case PROFILE_OWNER: add_owner(s, &owners, lock, &rows[i]); break;
		}
	}
}

static void sort(struct summary *s)
{
	for (size_t i = 0; i < s->lock_count; i++) {
		const struct summary_lock *lock = &s->locks[i];

		qsort(s->lock_stacks + lock->first_waiter, lock->waiter_count,
		      sizeof(*s->lock_stacks), by_ns);
		qsort(s->lock_stacks + lock->first_waker, lock->waker_count,
		      sizeof(*s->lock_stacks), by_count);
		qsort(s->owners + lock->first_owner, lock->owner_count, sizeof(*s->owners),
		      by_waits);
	}
	qsort_r(s->locks, s->lock_count, sizeof(*s->locks), by_wait, s->profile);
}

int summary_locks(struct summary *s)
{
	size_t n;
	const struct profile_lock_row *from = profile_lock_rows(s->profile, &n);
	struct profile_lock_row *sorted = calloc(n + 1, sizeof(*sorted));

	profile_locks(s->profile, &s->lock_count);
	s->locks = calloc(s->lock_count + 1, sizeof(*s->locks));
	s->lock_stacks = calloc(n + 1, sizeof(*s->lock_stacks));
	s->owners = calloc(n + 1, sizeof(*s->owners));
	if (!sorted || !s->locks || !s->lock_stacks || !s->owners) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = from[i];
	qsort(sorted, n, sizeof(*sorted), by_place);
	for (size_t i = 0; i < s->lock_count; i++)
		s->locks[i].lock = i + 1;
	add_rows(s, sorted, n);
	sort(s);
	free(sorted);
	return 0;
}
