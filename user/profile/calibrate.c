// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stacks of waits are a sample where they were thinned; what each thread waited in all is exact. So
 * the sample's weights are fitted to that: each thread's rows of a kind are multiplied by
 *
 *	what the thread waited in all ÷ the sum of its rows
 *
 * so that a thread's stacks sum up to its time whatever was thinned.
 */
#include <errno.h>
#include <stdlib.h>

#include "profile/impl.h"

struct measure {
	uint64_t count, ns;
};

/* By thread, of one kind. */
struct fit {
	struct measure exact, rows;
};

static void exact_blocks(const struct profile *p, struct fit *fits)
{
	for (uint32_t id = 1; id <= p->blocks.count; id++) {
		const struct profile_block *b = table_at(&p->blocks, struct profile_block, id);

		fits[b->thread].exact.count += b->count;
		fits[b->thread].exact.ns += b->ns;
	}
}

static void exact_futexes(const struct profile *p, struct fit *fits)
{
	for (uint32_t id = 1; id <= p->threads.count; id++) {
		const struct profile_thread *t = table_at(&p->threads, struct profile_thread, id);

		fits[id].exact = (struct measure){ t->futex_waits, t->futex_wait_ns };
	}
}

static uint64_t scale(uint64_t value, uint64_t exact, uint64_t sum)
{
	return sum && exact ? (uint64_t)((__uint128_t)value * exact / sum) : value;
}

static void scale_row(const struct fit *f, uint64_t *count, uint64_t *ns)
{
	*count = scale(*count, f->exact.count, f->rows.count);
	*ns = scale(*ns, f->exact.ns, f->rows.ns);
}

static void fit_rows(struct profile *p, enum profile_kind kind, struct fit *fits)
{
	struct profile_row *rows = p->rows.list;

	for (size_t i = 0; i < p->rows.count; i++) {
		if (rows[i].kind != kind)
			continue;
		fits[rows[i].thread].rows.count += rows[i].count;
		fits[rows[i].thread].rows.ns += rows[i].value;
	}
	for (size_t i = 0; i < p->rows.count; i++) {
		if (rows[i].kind == kind)
			scale_row(&fits[rows[i].thread], &rows[i].count, &rows[i].value);
	}
}

/* The same rows again, by lock. */
static void fit_waiters(struct profile *p, const struct fit *fits)
{
	struct profile_lock_row *rows = p->lock_rows.list;

	for (size_t i = 0; i < p->lock_rows.count; i++) {
		if (rows[i].role == PROFILE_WAITER)
			scale_row(&fits[rows[i].thread], &rows[i].count, &rows[i].ns);
	}
}

int profile_calibrate(struct profile *p)
{
	struct fit *offcpu = calloc(p->threads.count + 1, sizeof(*offcpu));
	struct fit *lock = calloc(p->threads.count + 1, sizeof(*lock));

	if (offcpu && lock) {
		exact_blocks(p, offcpu);
		fit_rows(p, PROFILE_OFFCPU, offcpu);
		exact_futexes(p, lock);
		fit_rows(p, PROFILE_LOCK, lock);
		fit_waiters(p, lock);
	} else {
		p->error = -ENOMEM;
	}
	free(offcpu);
	free(lock);
	return p->error;
}
