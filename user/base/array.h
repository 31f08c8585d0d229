/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_ARRAY_H
#define TPROF_ARRAY_H

#include <stddef.h>

/*
 * Makes room for entry n (0 …) in an array that is grown by half and may move:
 *
 *	if (array_room(&s->list, s->count, &s->cap, sizeof(*s->list)))
 *		return -ENOMEM;
 *	s->list[s->count++] = entry;
 *
 * array: the address of the pointer to it. 0, or -ENOMEM: it is as before.
 */
int array_room(void *array, size_t n, size_t *cap, size_t size);

#endif
