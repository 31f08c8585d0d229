/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_MAPSET_H
#define TPROF_MAPSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "wire.h"

/* What a process executes: mappings, sorted, disjoint. Zeroed = empty. */
struct mapset {
	struct tprof_mapping *list;
	size_t count, cap;
};

#define MAPSET_MAX  16384 /* what is more is left out */
#define MAPSET_MANY 1024  /* from here on neighbouring JIT memory is one piece */

/* Puts m in: what it covers goes, what it covers in part is cut. False: it was there as it is, or there
 * is no room for it. */
bool mapset_insert(struct mapset *s, const struct tprof_mapping *m);
/* The mapping that an address lies in, or NULL. */
const struct tprof_mapping *mapset_find(const struct mapset *s, uint64_t address);
/* Makes `to`, which is empty, like `from`. */
bool mapset_copy(struct mapset *to, const struct mapset *from);
void mapset_release(struct mapset *s);

#endif
