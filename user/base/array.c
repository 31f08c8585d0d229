// SPDX-License-Identifier: BSD-2-Clause
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>

/* A pointer of any type. */
typedef void *__attribute__((may_alias)) any_pointer;

int array_room(void *array, size_t n, size_t *cap, size_t size)
{
	size_t want = n + n / 2 + 16;
	any_pointer *list = array;
	void *grown;

	if (n < *cap)
		return 0;
	grown = reallocarray(*list, want, size);
	if (!grown)
		return -ENOMEM;
	*list = grown;
	*cap = want;
	return 0;
}
