// SPDX-License-Identifier: BSD-2-Clause
#include "collect/mapset.h"

#include <stdlib.h>
#include <string.h>

/* The first mapping that ends above address. */
static size_t above(const struct mapset *s, uint64_t address)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->list[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool make_room(struct mapset *s, size_t more)
{
	size_t cap = s->cap ? s->cap : 32;
	struct tprof_mapping *list;

	if (s->count + more <= s->cap)
		return true;
	while (cap < s->count + more)
		cap *= 2;
	list = reallocarray(s->list, cap, sizeof(*list));
	if (!list)
		return false;
	s->list = list;
	s->cap = cap;
	return true;
}

static void splice(struct mapset *s, size_t at, size_t remove, const struct tprof_mapping *add,
		   size_t n)
{
	memmove(&s->list[at + n], &s->list[at + remove],
		(s->count - at - remove) * sizeof(*s->list));
	memcpy(&s->list[at], add, n * sizeof(*add));
	s->count += n - remove;
}

static bool is_jit(const struct mapset *s, size_t at, const struct tprof_mapping *m)
{
	return at < s->count && !s->list[at].object && s->list[at].flags == m->flags;
}

/*
 * JIT memory next to JIT memory, nothing known between them, is one piece once there are many: a
 * process that sets protections page by page shall not cost its libraries their places. Where it goes
 * in, `at`, ends above it. False: it cannot be had so.
 */
static bool join(struct mapset *s, size_t at, const struct tprof_mapping *m)
{
	if (at < s->count && s->list[at].start < m->end)
		return false; /* it covers something */
	if (at && is_jit(s, at - 1, m))
		s->list[at - 1].end = m->end;
	else if (is_jit(s, at, m))
		s->list[at].start = m->start;
	else
		return false;
	return true;
}

bool mapset_insert(struct mapset *s, const struct tprof_mapping *m)
{
	size_t at = above(s, m->start), after = at, n = 0;
	struct tprof_mapping pieces[3];

	if (!m->object && is_jit(s, at, m) && s->list[at].start <= m->start &&
	    s->list[at].end >= m->end)
		return false; /* known as it is */
	if (!m->object && s->count >= MAPSET_MANY && join(s, at, m))
		return true;
	if (s->count >= MAPSET_MAX || !make_room(s, 2))
		return false;
	while (after < s->count && s->list[after].start < m->end)
		after++;
	if (after - at == 1 && memcmp(&s->list[at], m, sizeof(*m)) == 0)
		return false;
	if (after > at && s->list[at].start < m->start) {
		pieces[n] = s->list[at];
		pieces[n++].end = m->start;
	}
	pieces[n++] = *m;
	if (after > at && s->list[after - 1].end > m->end) {
		pieces[n] = s->list[after - 1];
		pieces[n].offset += m->end - pieces[n].start;
		pieces[n++].start = m->end;
	}
	splice(s, at, after - at, pieces, n);
	return true;
}

const struct tprof_mapping *mapset_find(const struct mapset *s, uint64_t address)
{
	size_t at = above(s, address);

	return at < s->count && address >= s->list[at].start ? &s->list[at] : NULL;
}

bool mapset_copy(struct mapset *to, const struct mapset *from)
{
	if (!from->count || !make_room(to, from->count))
		return false;
	splice(to, 0, 0, from->list, from->count);
	return true;
}

void mapset_release(struct mapset *s)
{
	free(s->list);
	*s = (struct mapset){ 0 };
}
