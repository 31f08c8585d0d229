// SPDX-License-Identifier: BSD-2-Clause
#include "collect/unwind_chunks.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each insertion into an array of maps waits for an RCU grace period, some ms; those of several
 * threads share one. */
#define INSERTERS 16

struct chunk {
	int fd;		/* of the inner map while the chunk is open, else -1 */
	uint8_t *bytes; /* what it has, while open */
	uint32_t used;
	uint32_t tenants;
	bool inserted, dirty;
};

struct chunks {
	int outer_fd;
	uint32_t limit; /* how many the budget allows */
	uint32_t count; /* taken */
	uint32_t open;	/* index, or TPROF_MAX_CHUNKS */
	struct chunk list[TPROF_MAX_CHUNKS];
};

struct chunks *chunks_new(int outer_fd, size_t memory)
{
	struct chunks *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->outer_fd = outer_fd;
	c->limit = (uint32_t)(memory / CHUNK_MEMORY < TPROF_MAX_CHUNKS ? memory / CHUNK_MEMORY
								       : TPROF_MAX_CHUNKS);
	c->open = TPROF_MAX_CHUNKS;
	for (size_t i = 0; i < TPROF_MAX_CHUNKS; i++)
		c->list[i].fd = -1;
	return c;
}

static void seal(struct chunk *chunk)
{
	if (chunk->fd >= 0)
		close(chunk->fd);
	chunk->fd = -1;
	free(chunk->bytes);
	chunk->bytes = NULL;
}

void chunks_free(struct chunks *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < TPROF_MAX_CHUNKS; i++)
		seal(&c->list[i]);
	free(c);
}

size_t chunks_memory(const struct chunks *c)
{
	return (size_t)c->count * CHUNK_MEMORY;
}

static bool is_free(const struct chunk *chunk)
{
	return !chunk->tenants && !chunk->bytes && !chunk->inserted;
}

/* The first of n consecutive free ones, or TPROF_MAX_CHUNKS. */
static uint32_t find_free(const struct chunks *c, uint32_t n)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < TPROF_MAX_CHUNKS; i++) {
		run = is_free(&c->list[i]) ? run + 1 : 0;
		if (run == n)
			return i + 1 - n;
	}
	return TPROF_MAX_CHUNKS;
}

static int open_chunk(struct chunks *c, uint32_t index)
{
	struct chunk *chunk = &c->list[index];
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_chunk", sizeof(uint32_t),
				TPROF_CHUNK_SIZE, 1, NULL);

	if (fd < 0)
		return -errno;
	chunk->bytes = calloc(1, TPROF_CHUNK_SIZE);
	if (!chunk->bytes) {
		close(fd);
		return -ENOMEM;
	}
	chunk->fd = fd;
	chunk->used = 0;
	chunk->dirty = true;
	c->count++;
	return 0;
}

static int take_many(struct chunks *c, size_t size, struct chunk_space *ret)
{
	uint32_t n = (uint32_t)((size + TPROF_CHUNK_SIZE - 1) / TPROF_CHUNK_SIZE), first;
	int err = 0;

	if (n > c->limit || c->count > c->limit - n)
		return -ENOSPC;
	first = find_free(c, n);
	if (first == TPROF_MAX_CHUNKS)
		return -ENOSPC;
	for (uint32_t i = first; i < first + n && !err; i++) {
		err = open_chunk(c, i);
		if (err)
			break;
		c->list[i].tenants = 1;
		c->list[i].used = TPROF_CHUNK_SIZE;
	}
	if (err) {
		for (uint32_t i = first; i < first + n; i++)
			chunks_leave(c, i);
		return err;
	}
	*ret = (struct chunk_space){ .chunk = first, .bytes = c->list[first].bytes };
	return 0;
}

int chunks_take(struct chunks *c, size_t size, size_t align, struct chunk_space *ret)
{
	struct chunk *chunk;
	uint32_t at, index;
	int err;

	if (size > TPROF_CHUNK_SIZE)
		return take_many(c, size, ret);
	chunk = c->open < TPROF_MAX_CHUNKS ? &c->list[c->open] : NULL;
	at = chunk ? (uint32_t)((chunk->used + align - 1) / align * align) : 0;
	if (!chunk || !chunk->bytes || at + size > TPROF_CHUNK_SIZE) {
		index = find_free(c, 1);
		if (c->count >= c->limit || index == TPROF_MAX_CHUNKS)
			return -ENOSPC;
		err = open_chunk(c, index);
		if (err)
			return err;
		c->open = index;
		chunk = &c->list[index];
		at = 0;
	}
	*ret = (struct chunk_space){ .chunk = c->open, .at = at, .bytes = chunk->bytes + at };
	chunk->used = at + (uint32_t)size;
	chunk->tenants++;
	chunk->dirty = true;
	return 0;
}

void *chunks_bytes(struct chunks *c, uint32_t chunk)
{
	return chunk < TPROF_MAX_CHUNKS ? c->list[chunk].bytes : NULL;
}

/* ── making them visible ────────────────────────────────────────────────────────────────────── */

struct inserter {
	struct chunks *c;
	const uint32_t *chunks;
	size_t count, step;
	int err;
};

static void *insert_some(void *arg)
{
	struct inserter *in = arg;

	for (size_t i = 0; i < in->count && !in->err; i += in->step) {
		uint32_t index = in->chunks[i];
		struct chunk *chunk = &in->c->list[index];

		if (bpf_map_update_elem(in->c->outer_fd, &index, &chunk->fd, BPF_ANY))
			in->err = -errno;
		else
			chunk->inserted = true;
	}
	return NULL;
}

static int insert_all(struct chunks *c, const uint32_t *list, size_t n)
{
	struct inserter in[INSERTERS];
	pthread_t threads[INSERTERS];
	bool started[INSERTERS] = { false };
	size_t count = n < INSERTERS ? n : INSERTERS;
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		in[i] = (struct inserter){
			.c = c, .chunks = list + i, .count = n - i, .step = count
		};
		started[i] = count > 1 && !pthread_create(&threads[i], NULL, insert_some, &in[i]);
		if (!started[i])
			insert_some(&in[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (started[i])
			pthread_join(threads[i], NULL);
		if (in[i].err)
			err = in[i].err;
	}
	return err;
}

int chunks_commit(struct chunks *c)
{
	uint32_t *list = malloc(TPROF_MAX_CHUNKS * sizeof(*list)), zero = 0;
	size_t n = 0;
	int err = list ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < TPROF_MAX_CHUNKS && !err; i++) {
		struct chunk *chunk = &c->list[i];

		if (!chunk->dirty)
			continue;
		if (bpf_map_update_elem(chunk->fd, &zero, chunk->bytes, BPF_ANY))
			err = -errno;
		chunk->dirty = false;
		if (!chunk->inserted)
			list[n++] = i;
	}
	if (!err && n)
		err = insert_all(c, list, n);
	for (uint32_t i = 0; i < TPROF_MAX_CHUNKS; i++) {
		if (i != c->open && c->list[i].inserted)
			seal(&c->list[i]);
	}
	free(list);
	return err;
}

void chunks_leave(struct chunks *c, uint32_t index)
{
	struct chunk *chunk = &c->list[index];

	if (!chunk->tenants || --chunk->tenants)
		return;
	/* Taking it out waits until no program can be reading it. */
	if (chunk->inserted)
		bpf_map_delete_elem(c->outer_fd, &index);
	seal(chunk);
	chunk->inserted = chunk->dirty = false;
	if (c->open == index)
		c->open = TPROF_MAX_CHUNKS;
	c->count--;
}
