/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SLICES_H
#define TPROF_SLICES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Hands out slices of the one array `mappings`, by size classes:
 *
 *	[ 16 ][ 64        ][ 16 ][ 32    ]………… never used yet …………
 *
 * A slice given back may still be read by a program that runs, so it waits until slices_settle().
 */
#define SLICE_CLASSES 13 /* 16 << 0 … 16 << 12 = 65,536 */

struct slice_list {
	uint32_t *first;
	size_t count, cap;
};

struct slices {
	uint32_t size, used;
	struct slice_list free[SLICE_CLASSES], waiting[SLICE_CLASSES];
};

/* Index of the first of at least `count` entries; -ENOSPC or -ENOMEM. */
int64_t slices_take(struct slices *s, uint32_t count);
void slices_give(struct slices *s, uint32_t first, uint32_t count);
/* What was given back before is read by nobody any more. */
void slices_settle(struct slices *s);
void slices_release(struct slices *s);

#endif
