// SPDX-License-Identifier: BSD-2-Clause
#include "collect/slices.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"

static unsigned class_of(uint32_t count)
{
	unsigned c = 0;

	while (c < SLICE_CLASSES && (16U << c) < count)
		c++;
	return c;
}

static int push(struct slice_list *l, uint32_t first)
{
	if (array_room(&l->first, l->count, &l->cap, sizeof(*l->first)))
		return -ENOMEM;
	l->first[l->count++] = first;
	return 0;
}

int64_t slices_take(struct slices *s, uint32_t count)
{
	unsigned c = class_of(count);
	uint32_t first = s->used;

	if (c == SLICE_CLASSES)
		return -ENOSPC;
	if (s->free[c].count)
		return s->free[c].first[--s->free[c].count];
	if (s->size - s->used < 16U << c)
		return -ENOSPC;
	s->used += 16U << c;
	return first;
}

void slices_give(struct slices *s, uint32_t first, uint32_t count)
{
	/* out of memory: the slice is lost, which costs room and nothing else */
	if (class_of(count) < SLICE_CLASSES)
		(void)push(&s->waiting[class_of(count)], first);
}

void slices_settle(struct slices *s)
{
	for (unsigned c = 0; c < SLICE_CLASSES; c++) {
		struct slice_list *w = &s->waiting[c];

		for (size_t i = 0; i < w->count; i++)
			(void)push(&s->free[c], w->first[i]);
		w->count = 0;
	}
}

void slices_release(struct slices *s)
{
	for (unsigned c = 0; c < SLICE_CLASSES; c++) {
		free(s->free[c].first);
		free(s->waiting[c].first);
	}
	*s = (struct slices){ 0 };
}
