/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 *	head ──→ block ──→ block ──→ NULL      newest first; only the head is filled further,
 *	         [next|cap|at| bytes… ]        big pieces get a block of their own behind it
 */
struct arena_block {
	struct arena_block *next;
	size_t cap, at;
	alignas(16) char bytes[];
};

enum { ARENA_BLOCK = 64 * 1024, ARENA_ALIGN = 16 };

static struct arena_block *block_new(size_t cap)
{
	struct arena_block *b = malloc(sizeof(*b) + cap);

	if (!b)
		return NULL;
	*b = (struct arena_block){ .cap = cap };
	return b;
}

/* The block that has room for size bytes, or NULL. */
static struct arena_block *block_for(struct arena *a, size_t size)
{
	struct arena_block *b = a->head;

	if (b && size <= b->cap - b->at)
		return b;
	if (size > ARENA_BLOCK / 4 && b) {
		/* Keep filling the head: it may have much room left. */
		struct arena_block *own = block_new(size);

		if (!own)
			return NULL;
		own->next = b->next;
		b->next = own;
		return own;
	}
	b = block_new(size > ARENA_BLOCK ? size : ARENA_BLOCK);
	if (!b)
		return NULL;
	b->next = a->head;
	a->head = b;
	return b;
}

static void *arena_take(struct arena *a, size_t size, size_t align)
{
	struct arena_block *b;
	void *at;

	if (size > SIZE_MAX / 2)
		return NULL;
	if (a->head && align > 1) {
		size_t aligned = (a->head->at + align - 1) & ~(align - 1);

		a->head->at = aligned < a->head->cap ? aligned : a->head->cap;
	}
	b = block_for(a, size);
	if (!b)
		return NULL;
	at = b->bytes + b->at;
	b->at += size;
	a->used += size;
	return at;
}

void *arena_alloc(struct arena *a, size_t size)
{
	void *at = arena_take(a, size, ARENA_ALIGN);

	if (at)
		memset(at, 0, size);
	return at;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *copy = len < SIZE_MAX ? arena_take(a, len + 1, 1) : NULL;

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void arena_release(struct arena *a)
{
	struct arena_block *b = a->head;

	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	*a = (struct arena){ 0 };
}
