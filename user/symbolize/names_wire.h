/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_NAMES_WIRE_H
#define TPROF_NAMES_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct profile;
struct query;

/*
 * What the child that names functions tells its parent (apart.c): messages of a header and payload
 * in words of 32 bits. Both have the same profile at first; strings that the child added since are
 * sent in their order, and spoken of by the child's ids.
 *
 *	type  bytes │ payload
 */
enum names_type {
	NAMES_STRING = 1, /* text */
	NAMES_FRAME,	  /* frame { function file line inlined } … */
	NAMES_BUILD_ID,	  /* module string */
	NAMES_LOCK,	  /* lock string */
	NAMES_NOTE,	  /* text */
	NAMES_AT,	  /* module locks: begins with this one */
	NAMES_END,	  /* errno: all is done */
	/* Questions: the answer is a word, 0 or an errno, and with 0 a descriptor. */
	NAMES_OPEN,    /* root_fd path: an ELF file */
	NAMES_PERFMAP, /* module */
	NAMES_FETCH,   /* build ID: from a server */
};

struct names_header {
	uint32_t type, bytes;
};

#define NAMES_MAX_BYTES	 65536 /* of a payload */
#define NAMES_MAX_LINES	 512   /* of a frame */
#define NAMES_MAX_STRING 65536 /* longer ones are cut */

/* The child's side. */
struct names_writer {
	const struct profile *p;
	uint32_t strings, notes; /* sent so far */
	struct buf *out;
};

void names_put(struct buf *out, enum names_type type, const void *payload, size_t bytes);
/* All that the profile has about these queries of a module by now, and its new notes. */
void names_put_module(struct names_writer *w, uint32_t module, const struct query *q, size_t n,
		      bool locks);

/* The parent's side: bytes may be anything. */
struct names_reader {
	struct profile *p;
	uint32_t base;	   /* strings that both have */
	uint32_t *strings; /* the child's id - base - 1 → ours */
	size_t count, cap;
	uint64_t bytes;	 /* of strings */
	uint32_t module; /* where the child is; 0 = it has not begun */
	bool locks, ended;
	int end; /* the child's errno */
	/* A question: what is to be answered. */
	void (*ask)(void *ctx, enum names_type type, const char *payload, size_t bytes);
	/* It begins with another module. */
	void (*at)(void *ctx, uint32_t module);
	void *ctx;
};

/* Takes whole messages; *ret_used bytes of them. 0, -EBADMSG (nonsense) or -ENOMEM. */
int names_read(struct names_reader *r, const char *bytes, size_t len, size_t *ret_used);
void names_reader_release(struct names_reader *r);

#endif
