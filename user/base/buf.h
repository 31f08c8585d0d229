/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_BUF_H
#define TPROF_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A growing byte buffer. `data` is always NUL-terminated once anything was added, and may hold NULs.
 * Running out of memory is sticky: `failed` is set, later additions do nothing, and the owner looks
 * once at the end. Init with BUF_INIT, give back with buf_release.
 */
struct buf {
	char *data;
	size_t len, cap;
	bool failed;
};

#define BUF_INIT  \
	{         \
		0 \
	}

void buf_add(struct buf *b, const void *bytes, size_t len);
/* Room for n bytes at the end, and the NUL: the caller writes them and adds to len. NULL = failed. */
char *buf_room(struct buf *b, size_t n);
void buf_addstr(struct buf *b, const char *s);
void buf_addch(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s with &, <, >, " and ' as entities, control characters and invalid UTF-8 as U+FFFD: inert in
 * element content and in quoted attributes. */
void buf_add_xml(struct buf *b, const char *s);
/* Name bytes safe for a terminal or a line format: control characters, bidi marks and invalid UTF-8
 * become \xNN escapes; every byte of `also` is escaped too (";\n" for folded). NULL = none. */
void buf_add_printable(struct buf *b, const char *s, const char *also);
/* Empties, keeps the memory. */
void buf_clear(struct buf *b);
void buf_release(struct buf *b);
/* The whole of a file (at most max bytes, -EFBIG above), appended. 0 or negative errno. */
int buf_read_fd(struct buf *b, int fd, size_t max);
/* All of it to fd, through short writes and EINTR. 0 or negative errno. */
int buf_write_fd(const struct buf *b, int fd);

#endif
