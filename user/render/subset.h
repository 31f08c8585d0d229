/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_RENDER_SUBSET_H
#define TPROF_RENDER_SUBSET_H

#include <stddef.h>
#include <stdint.h>

/* Some of the numbers 0 … most, numbered anew from 0 as they come: what a thread has of what all have. */
struct subset {
	uint32_t *numbers; /* by the number there; 0 = not in it, else number here + 1 */
	uint32_t *list;	   /* and back */
	uint32_t count;
};

/* 0 or -ENOMEM; subset_release() is right after either. */
int subset_init(struct subset *s, size_t most);
void subset_release(struct subset *s);
void subset_clear(struct subset *s);

/* Nothing if it is in it. */
static inline void subset_add(struct subset *s, uint32_t id)
{
	if (s->numbers[id])
		return;
	s->list[s->count++] = id;
	s->numbers[id] = s->count;
}

/* Of what is in it. */
static inline uint32_t subset_number(const struct subset *s, uint32_t id)
{
	return s->numbers[id] - 1;
}

#endif
