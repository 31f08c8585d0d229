/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_MAP_H
#define TPROF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The index behind interning: hash → u32 ids of entries that the owner stores in an array. The map
 * holds no keys; `equal(ctx, id)` compares the sought key with entry `id`. Open addressing, linear
 * probing, power of two, at most 3/4 full. Ids are ≥ 1 (0 marks a free slot). No deletion.
 */
struct map {
	uint32_t *ids;
	uint32_t *tags; /* upper hash bits, compared before equal() is asked */
	size_t cap, count;
};

typedef bool (*map_equal_fn)(const void *ctx, uint32_t id);

/* The id under this hash that equal() accepts, or 0. */
uint32_t map_find(const struct map *m, uint64_t hash, map_equal_fn equal, const void *ctx);
/* Adds id (≥ 1) under hash; the caller has looked before. 0 or -ENOMEM. */
int map_insert(struct map *m, uint64_t hash, uint32_t id);
void map_release(struct map *m);

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);
uint64_t hash_u64(uint64_t v);

#endif
