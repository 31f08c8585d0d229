/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_LEAST = 16 };

/* A slot is chosen by the low bits of the tag, so that growing needs no keys. */
static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

uint32_t map_find(const struct map *m, uint64_t hash, map_equal_fn equal, const void *ctx)
{
	uint32_t tag = tag_of(hash);
	size_t mask = m->cap - 1;

	if (m->cap == 0)
		return 0;
	for (size_t i = tag & mask; m->ids[i]; i = (i + 1) & mask)
		if (m->tags[i] == tag && equal(ctx, m->ids[i]))
			return m->ids[i];
	return 0;
}

static void map_place(struct map *m, uint32_t tag, uint32_t id)
{
	size_t mask = m->cap - 1, i = tag & mask;

	while (m->ids[i])
		i = (i + 1) & mask;
	m->ids[i] = id;
	m->tags[i] = tag;
}

static int map_grow(struct map *m)
{
	size_t cap = m->cap ? m->cap * 2 : MAP_LEAST, had = m->cap;
	uint32_t *ids = calloc(cap, sizeof(*ids)), *tags = malloc(cap * sizeof(*tags));
	uint32_t *old_ids = m->ids, *old_tags = m->tags;

	if (!ids || !tags) {
		free(ids);
		free(tags);
		return -ENOMEM;
	}
	m->ids = ids;
	m->tags = tags;
	m->cap = cap;
	for (size_t i = 0; i < had; i++)
		if (old_ids[i])
			map_place(m, old_tags[i], old_ids[i]);
	free(old_ids);
	free(old_tags);
	return 0;
}

int map_insert(struct map *m, uint64_t hash, uint32_t id)
{
	int err;

	if (m->count + 1 > m->cap / 4 * 3) {
		err = map_grow(m);
		if (err)
			return err;
	}
	map_place(m, tag_of(hash), id);
	m->count++;
	return 0;
}

void map_release(struct map *m)
{
	free(m->ids);
	free(m->tags);
	*m = (struct map){ 0 };
}

/* Multiply to 128 bits and fold: each input bit reaches each output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 wide = (unsigned __int128)a * b;

	return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

/* Odd constants with half of their bits set: fractions of sqrt(2), sqrt(3). */
#define MIX_A 0x6a09e667f3bcc909ULL
#define MIX_B 0xbb67ae8584caa73bULL

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	const unsigned char *at = data;
	uint64_t h = seed ^ mix(len ^ MIX_A, MIX_B), word;

	for (; len >= sizeof(word); len -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		h = mix(h ^ word ^ MIX_A, MIX_B);
	}
	if (len) {
		word = 0;
		memcpy(&word, at, len);
		h = mix(h ^ word ^ MIX_A, MIX_B);
	}
	return mix(h ^ MIX_B, MIX_A);
}

uint64_t hash_u64(uint64_t v)
{
	return mix(mix(v ^ MIX_A, MIX_B) ^ MIX_B, MIX_A);
}
