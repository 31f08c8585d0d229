/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_UNWIND_CHUNKS_H
#define TPROF_UNWIND_CHUNKS_H

#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include "wire.h"

/*
 * The chunks of the unwind tables: 64 KB each, single values of inner maps. Space is handed out from
 * the one that is open; a chunk's memory goes back when its last tenant leaves.
 *
 *	chunks_take() … chunks_take()   space for an object's pages and rows, filled in user memory
 *	chunks_commit()                 makes it visible to BPF: only then may an object name it
 *	chunks_leave()                  after the object was taken out of `objects`
 */
struct chunks;

#define CHUNK_MEMORY (TPROF_CHUNK_SIZE + 4096) /* what one takes in the kernel */

struct chunks *chunks_new(int outer_fd, size_t memory); /* NULL = out of memory */
void chunks_free(struct chunks *c);

struct chunk_space {
	uint32_t chunk; /* the first one */
	uint32_t at;	/* in bytes there */
	void *bytes;	/* to be filled before chunks_commit; up to the chunk's end */
};

/* Space for `size` bytes at a multiple of `align`; never across chunks, unless it is larger than one:
 * then it takes consecutive chunks, from the first one's start, `bytes` is of the first one
 * (chunks_bytes for the others). The chunk has one more tenant then. -ENOSPC: over the budget. */
int chunks_take(struct chunks *c, size_t size, size_t align, struct chunk_space *ret_space);
void *chunks_bytes(struct chunks *c, uint32_t chunk); /* NULL when it was not taken lately */
int chunks_commit(struct chunks *c);
void chunks_leave(struct chunks *c, uint32_t chunk);
size_t chunks_memory(const struct chunks *c);

#endif
