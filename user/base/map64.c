/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/map64.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/map.h"

static struct map64_slot *find(const struct map64 *m, uint64_t key)
{
	size_t mask = m->cap - 1, i = hash_u64(key) & mask;

	while (m->slots[i].key && m->slots[i].key != key)
		i = (i + 1) & mask;
	return &m->slots[i];
}

static bool grow(struct map64 *m)
{
	struct map64 bigger = { .cap = m->cap ? m->cap * 4 : 64, .count = m->count };

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].key)
			*find(&bigger, m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return true;
}

uint64_t *map64_at(struct map64 *m, uint64_t key)
{
	struct map64_slot *s;

	if (m->cap) {
		s = find(m, key);
		if (s->key)
			return &s->value;
	}
	if (m->count >= m->cap / 2 && !grow(m))
		return NULL;
	s = find(m, key);
	s->key = key;
	m->count++;
	return &s->value;
}

void map64_release(struct map64 *m)
{
	free(m->slots);
	*m = (struct map64){ 0 };
}
