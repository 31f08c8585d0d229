// SPDX-License-Identifier: BSD-2-Clause
#include "base/layout.h"

#include <string.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/utf8.h"

/* Bytes of the character at s, and the columns that it takes. */
static size_t next_char(const char *s, size_t *ret_columns)
{
	uint32_t point;
	size_t n = utf8_next(s, strnlen(s, 4), &point);
	int columns = point == UTF8_INVALID ? -1 : wcwidth((wchar_t)point);

	*ret_columns = columns < 0 ? 1 : (size_t)columns;
	return n;
}

static size_t columns_of(const char *s, const char *end)
{
	size_t columns, sum = 0;

	for (; s < end; sum += columns)
		s += next_char(s, &columns);
	return sum;
}

size_t layout_columns(const char *s)
{
	return columns_of(s, s + strlen(s));
}

/* The longest prefix of s within `limit` columns, in bytes. */
static size_t prefix(const char *s, size_t limit, size_t *ret_columns)
{
	const char *p = s;
	size_t n, columns;

	for (*ret_columns = 0; *p; p += n, *ret_columns += columns) {
		n = next_char(p, &columns);
		if (*ret_columns + columns > limit)
			break;
	}
	return p - s;
}

void layout_spaces(struct buf *b, size_t n)
{
	while (n--)
		buf_addch(b, ' ');
}

size_t layout_last(struct buf *b, const char *s, size_t columns)
{
	size_t taken, n = prefix(s, columns, &taken);

	if (!s[n]) {
		buf_add(b, s, n);
		return taken;
	}
	if (!columns)
		return 0;
	buf_add(b, s, prefix(s, columns - 1, &taken));
	buf_addstr(b, "…");
	return taken + 1;
}

void layout_cell(struct buf *b, const char *s, size_t columns, enum layout_align align)
{
	size_t wide = layout_columns(s);

	if (align == LAYOUT_RIGHT && wide < columns)
		layout_spaces(b, columns - wide);
	wide = layout_last(b, s, columns);
	if (align == LAYOUT_LEFT)
		layout_spaces(b, columns - wide);
}

void layout_wrap(struct buf *b, const char *s, size_t at, size_t indent, size_t width)
{
	bool begun = at > indent;

	layout_spaces(b, at < indent ? indent - at : 0);
	at = at < indent ? indent : at;
	while (*s) {
		size_t n = strcspn(s, " \n"), columns = columns_of(s, s + n);

		if (begun && at + 1 + columns > width) {
			buf_addch(b, '\n');
			layout_spaces(b, indent);
			at = indent;
		} else if (begun) {
			buf_addch(b, ' ');
			at++;
		}
		buf_add(b, s, n);
		begun = true;
		at += columns;
		s += n;
		s += strspn(s, " \n");
	}
	buf_addch(b, '\n');
}
