/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

/* Room for more bytes and the NUL. */
static bool buf_reserve(struct buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 64;
	char *data;

	if (b->failed)
		return false;
	if (more < b->cap - b->len)
		return true;
	if (more > SIZE_MAX / 4 - b->len)
		goto fail;
	while (cap <= b->len + more)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		goto fail;
	b->data = data;
	b->cap = cap;
	return true;
fail:
	b->failed = true;
	return false;
}

char *buf_room(struct buf *b, size_t n)
{
	return buf_reserve(b, n) ? b->data + b->len : NULL;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_addstr(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addch(struct buf *b, char c)
{
	if (!buf_reserve(b, 1))
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	int len;

	if (!buf_reserve(b, 63))
		return;
	va_start(args, fmt);
	len = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
	va_end(args);
	if (len >= 0 && (size_t)len >= b->cap - b->len) {
		if (!buf_reserve(b, (size_t)len)) {
			b->data[b->len] = '\0';
			return;
		}
		va_start(args, fmt);
		len = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
		va_end(args);
	}
	if (len < 0)
		b->failed = true;
	else
		b->len += (size_t)len;
}

static const char *xml_entity(uint32_t point)
{
	switch (point) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return point == UTF8_INVALID || utf8_is_unsafe(point) ? "\xef\xbf\xbd" : NULL;
	}
}

void buf_add_xml(struct buf *b, const char *s)
{
	size_t left = strlen(s), n;

	for (; left; s += n, left -= n) {
		uint32_t point;
		const char *entity;

		n = utf8_next(s, left, &point);
		entity = xml_entity(point);
		if (entity)
			buf_addstr(b, entity);
		else
			buf_add(b, s, n);
	}
}

void buf_add_printable(struct buf *b, const char *s, const char *also)
{
	size_t left = strlen(s), n;

	for (; left; s += n, left -= n) {
		uint32_t point;

		n = utf8_next(s, left, &point);
		if (point != UTF8_INVALID && !utf8_is_unsafe(point) &&
		    !(n == 1 && also && strchr(also, *s))) {
			buf_add(b, s, n);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			buf_printf(b, "\\x%02x", (unsigned char)s[i]);
	}
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

int buf_read_fd(struct buf *b, int fd, size_t max)
{
	size_t start = b->len;

	for (;;) {
		size_t had = b->len - start, room;
		ssize_t n;

		if (!buf_reserve(b, 4096))
			return -ENOMEM;
		room = b->cap - b->len - 1;
		/* One byte more than allowed tells a file of exactly max bytes from a longer one.
		 */
		if (room > max - had && max - had < SIZE_MAX)
			room = max - had + 1;
		n = read(fd, b->data + b->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if ((size_t)n > max - had) {
			b->data[b->len] = '\0';
			return -EFBIG;
		}
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (n == 0)
			return 0;
	}
}

int buf_write_fd(const struct buf *b, int fd)
{
	size_t done = 0;

	if (b->failed)
		return -ENOMEM;
	while (done < b->len) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}
