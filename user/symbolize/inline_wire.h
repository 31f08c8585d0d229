/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_INLINE_WIRE_H
#define TPROF_INLINE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/query.h"

struct buf;

/*
 * Asks for inlined calls and source lines in a child process of its own: debug files are the
 * target's, and libdw was not made for enemies. The child can open nothing, has no privilege, few system
 * calls, its memory and time limited, and may crash; then its file's inlined calls stay unexpanded.
 *
 * Its answer is a row of 32-bit words:
 *
 *	INLINE_STRING  length  bytes…              strings are numbered from 1 as they come
 *	INLINE_SPOT    query  lines  { function file line inlined } × lines     query = index
 */
enum { INLINE_STRING = 1, INLINE_SPOT = 2 };

struct inline_request {
	int fd, alt_fd; /* alt_fd -1 = none */
	const struct query *q;
	size_t n;
	bool lines;
	bool (*cancelled)(void *ctx); /* may be NULL */
	void *ctx;
	int timeout_ms;
};

/* Appends the child's answer. 0, -ECANCELED, -ETIMEDOUT, -EFAULT (it crashed), -EPERM (it
 * tried what its filter of system calls forbids), or negative errno. */
int inline_ask(const struct inline_request *r, struct buf *answer);

#endif
