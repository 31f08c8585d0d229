/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYMBOLIZE_QUERY_H
#define TPROF_SYMBOLIZE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The addresses of one module that want names. Symbol tables go by them, once, in whatever order
 * they stand in their file: what is kept is what was asked for, not the tables.
 */
struct query {
	uint64_t offset; /* as the frame has it */
	uint64_t addr;	 /* where the resolver's symbols count from; sorted by it */
	uint32_t id;	 /* the frame (or lock) that asks */
	bool named;
};

void query_sort(struct query *q, size_t n);
/* Index of the first query at or above addr; n if there is none. Sorted queries only. */
size_t query_lower_bound(const struct query *q, size_t n, uint64_t addr);
size_t query_unnamed(const struct query *q, size_t n); /* how many */

#endif
