/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/query.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const struct query *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

void query_sort(struct query *q, size_t n)
{
	if (n > 1)
		qsort(q, n, sizeof(*q), compare);
}

size_t query_lower_bound(const struct query *q, size_t n, uint64_t addr)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (q[mid].addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t query_unnamed(const struct query *q, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += !q[i].named;
	return count;
}
