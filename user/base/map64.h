/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_MAP64_H
#define TPROF_MAP64_H

#include <stddef.h>
#include <stdint.h>

/* u64 → u64, for sums and small lookups in inner loops. Keys are never 0. No deletion. */
struct map64 {
	struct map64_slot *slots;
	size_t cap, count;
};

struct map64_slot {
	uint64_t key, value; /* key 0 = free */
};

/* The value under key, made as 0 when new; NULL = out of memory. Valid until the next call. */
uint64_t *map64_at(struct map64 *m, uint64_t key);
void map64_release(struct map64 *m);

#endif
