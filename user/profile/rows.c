/* SPDX-License-Identifier: BSD-2-Clause */
/* What was counted: kinds, windows, rows, locks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/impl.h"

/* ── kinds ──────────────────────────────────────────────────────────────────────────────────── */

static const struct profile_kind_info kinds[PROFILE_KIND_COUNT] = {
	[PROFILE_CPU] = { "cpu", "on-CPU", "samples", "where CPU time is spent", true, 1 },
	[PROFILE_OFFCPU] = { "offcpu", "off-CPU", "µs", "where threads are blocked", false, 1000 },
	[PROFILE_LOCK] = { "lock", "lock waits", "µs", "where threads wait for a futex", false,
			   1000 },
	[PROFILE_WAKE] = { "wake", "wake-ups", "µs", "who ends those waits", false, 1000 },
	[PROFILE_SPAWN] = { "spawn", "thread creation", "threads", "who creates threads", true, 1 },
	[PROFILE_RUNQ] = { "runq", "run queue", "µs", "where threads wait for a CPU", false, 1000 },
};

const struct profile_kind_info *profile_kind_info(enum profile_kind kind)
{
	if ((unsigned)kind >= PROFILE_KIND_COUNT || !kinds[kind].name)
		return NULL;
	return &kinds[kind];
}

int profile_kind_by_name(const char *name, enum profile_kind *ret_kind)
{
	for (unsigned k = 1; k < PROFILE_KIND_COUNT; k++) {
		if (strcmp(kinds[k].name, name) == 0) {
			*ret_kind = (enum profile_kind)k;
			return 0;
		}
	}
	return -EINVAL;
}

uint64_t profile_row_weight(const struct profile_row *row)
{
	const struct profile_kind_info *kind = profile_kind_info((enum profile_kind)row->kind);

	if (!kind || kind->by_count)
		return row->count;
	return row->value / kind->divisor;
}

/* ── windows ────────────────────────────────────────────────────────────────────────────────── */

static bool window_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_window *a = l->key;
	const struct profile_window *b = table_at(&l->p->windows, struct profile_window, id);

	return a->start_ns == b->start_ns && a->end_ns == b->end_ns;
}

uint32_t profile_window(struct profile *p, uint64_t start_ns, uint64_t end_ns)
{
	struct profile_window w = { .start_ns = start_ns, .end_ns = end_ns };

	return table_intern(p, &p->windows, hash_mix(start_ns, end_ns), window_equal, &w, &w,
			    sizeof(w));
}

const struct profile_window *profile_window_at(const struct profile *p, uint32_t id)
{
	return table_get(&p->windows, struct profile_window, id);
}

/* ── rows ───────────────────────────────────────────────────────────────────────────────────── */

static bool row_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_row *a = l->key;
	const struct profile_row *b = table_at(&l->p->rows, struct profile_row, id);

	return a->stack == b->stack && a->thread == b->thread && a->window == b->window &&
	       a->kind == b->kind;
}

void profile_add(struct profile *p, uint32_t window, uint32_t thread, enum profile_kind kind,
		 uint32_t stack, uint64_t count, uint64_t value)
{
	struct profile_row key = {
		.window = window, .thread = thread, .stack = stack, .kind = (uint8_t)kind
	};
	uint64_t hash = hash_mix((uint64_t)thread << 32 | stack, (uint64_t)window << 8 | key.kind);
	uint32_t id = table_intern(p, &p->rows, hash, row_equal, &key, &key, sizeof(key));
	struct profile_row *row;

	if (!id)
		return;
	row = table_at(&p->rows, struct profile_row, id);
	row->count += count;
	row->value += value;
}

/* ── merging windows ────────────────────────────────────────────────────────────────────────── */

struct window_order {
	struct profile_window w;
	uint32_t id;
};

static int by_start(const void *a, const void *b)
{
	const struct window_order *x = a, *y = b;

	if (x->w.start_ns != y->w.start_ns)
		return x->w.start_ns < y->w.start_ns ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Every row again, in the window that its old one became part of. */
static void readd_rows(struct profile *p, const uint32_t *new_window)
{
	struct table old = p->rows;

	p->rows = (struct table){ 0 };
	for (uint32_t id = 1; id <= old.count; id++) {
		const struct profile_row *r = table_at(&old, struct profile_row, id);

		profile_add(p, new_window[r->window], r->thread, (enum profile_kind)r->kind,
			    r->stack, r->count, r->value);
	}
	if (p->error) {
		/* Half of the rows would be a lie; all of them in their old windows are not. */
		table_clear(&p->rows);
		p->rows = old;
		return;
	}
	table_clear(&old);
}

void profile_merge_windows(struct profile *p, uint32_t max)
{
	size_t n = p->windows.count, run = 1;
	struct window_order *order;
	uint32_t *new_window;
	struct table old = p->windows;

	if (n <= max || max == 0 || p->error)
		return;
	while ((n + run - 1) / run > max)
		run *= 2;
	order = calloc(n, sizeof(*order));
	new_window = calloc(n + 1, sizeof(*new_window));
	if (!order || !new_window) {
		p->error = -ENOMEM;
		goto out;
	}
	for (uint32_t id = 1; id <= n; id++)
		order[id - 1] =
			(struct window_order){ *table_at(&p->windows, struct profile_window, id),
					       id };
	qsort(order, n, sizeof(*order), by_start);
	p->windows = (struct table){ 0 };
	for (size_t i = 0; i < n; i += run) {
		size_t end = i + run < n ? i + run : n;
		uint64_t last = 0;
		uint32_t id;

		for (size_t k = i; k < end; k++)
			last = order[k].w.end_ns > last ? order[k].w.end_ns : last;
		id = profile_window(p, order[i].w.start_ns, last);
		for (size_t k = i; k < end; k++)
			new_window[order[k].id] = id;
	}
	if (!p->error)
		readd_rows(p, new_window);
	if (p->error) {
		table_clear(&p->windows);
		p->windows = old;
	} else {
		table_clear(&old);
	}
out:
	free(order);
	free(new_window);
}

/* ── locks ──────────────────────────────────────────────────────────────────────────────────── */

static const char *const lock_type_names[] = {
	[PROFILE_LOCK_OTHER] = "other",		[PROFILE_LOCK_MUTEX] = "mutex",
	[PROFILE_LOCK_RWLOCK] = "rwlock",	[PROFILE_LOCK_CONDVAR] = "condvar",
	[PROFILE_LOCK_SEMAPHORE] = "semaphore", [PROFILE_LOCK_BARRIER] = "barrier",
	[PROFILE_LOCK_JOIN] = "join",		[PROFILE_LOCK_PARK] = "park",
};

const char *profile_lock_type_name(enum profile_lock_type type)
{
	return (unsigned)type < sizeof(lock_type_names) / sizeof(*lock_type_names)
		       ? lock_type_names[type]
		       : "other";
}

static bool lock_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_lock *a = l->key;
	const struct profile_lock *b = table_at(&l->p->locks, struct profile_lock, id);

	return a->address == b->address && a->process == b->process;
}

uint32_t profile_lock(struct profile *p, uint32_t process, uint64_t address)
{
	struct profile_lock lock = { .process = process, .address = address };

	return table_intern(p, &p->locks, hash_mix(process, address), lock_equal, &lock, &lock,
			    sizeof(lock));
}

struct profile_lock *profile_lock_at(const struct profile *p, uint32_t id)
{
	return table_get(&p->locks, struct profile_lock, id);
}

static bool lock_row_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_lock_row *a = l->key;
	const struct profile_lock_row *b = table_at(&l->p->lock_rows, struct profile_lock_row, id);

	return a->lock == b->lock && a->stack == b->stack && a->thread == b->thread &&
	       a->role == b->role;
}

void profile_lock_add(struct profile *p, uint32_t lock, enum profile_lock_role role,
		      uint32_t thread, uint32_t stack, uint64_t count, uint64_t ns)
{
	struct profile_lock_row key = {
		.lock = lock, .thread = thread, .stack = stack, .role = (uint8_t)role
	};
	uint64_t hash = hash_mix((uint64_t)lock << 32 | stack, (uint64_t)thread << 8 | key.role);
	uint32_t id = table_intern(p, &p->lock_rows, hash, lock_row_equal, &key, &key, sizeof(key));
	struct profile_lock_row *row;

	if (!id)
		return;
	row = table_at(&p->lock_rows, struct profile_lock_row, id);
	row->count += count;
	row->ns += ns;
}
