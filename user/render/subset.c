/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/subset.h"

#include <errno.h>
#include <stdlib.h>

int subset_init(struct subset *s, size_t most)
{
	s->count = 0;
	s->numbers = calloc(most + 1, sizeof(*s->numbers));
	s->list = calloc(most + 1, sizeof(*s->list));
	return s->numbers && s->list ? 0 : -ENOMEM;
}

void subset_release(struct subset *s)
{
	free(s->numbers);
	free(s->list);
}

void subset_clear(struct subset *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		s->numbers[s->list[i]] = 0;
	s->count = 0;
}
