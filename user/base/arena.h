/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_ARENA_H
#define TPROF_ARENA_H

#include <stddef.h>

/* Bump allocation for many small things that die together. Zero-initialised is empty. */
struct arena_block;
struct arena {
	struct arena_block *head;
	size_t used; /* bytes handed out, for memory figures */
};

/* Zeroed memory aligned to 16, or NULL. */
void *arena_alloc(struct arena *a, size_t size);
/* A NUL-terminated copy of len bytes, or NULL. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
void arena_release(struct arena *a);

#endif
