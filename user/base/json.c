/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

static void newline(struct json *j)
{
	if (!j->indent)
		return;
	buf_addch(j->out, '\n');
	for (unsigned i = 0; i < j->depth; i++)
		buf_addstr(j->out, "  ");
}

/* Characters that RFC 8259 wants escaped, those that would end an HTML <script>, and those that would
 * do something to a terminal or turn text around (of the basic plane: one \u). */
static bool needs_escape(uint32_t point)
{
	if (point >= 0x7f)
		return point < 0x10000 && utf8_is_unsafe(point);
	return point < 0x20 || point == '"' || point == '\\' || point == '<' || point == '>' ||
	       point == '&';
}

static void add_escape(struct buf *out, uint32_t point)
{
	static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
		if (point == (unsigned char)shorts[i]) {
			buf_addch(out, '\\');
			buf_addch(out, shorts[i + 1]);
			return;
		}
	}
	buf_printf(out, "\\u%04x", point);
}

static void add_quoted(struct buf *out, const char *s)
{
	size_t left = strlen(s), n;
	const char *plain = s; /* begin of what needs no change */

	buf_addch(out, '"');
	for (; left; s += n, left -= n) {
		uint32_t point;

		n = utf8_next(s, left, &point);
		if (point != UTF8_INVALID && !needs_escape(point))
			continue;
		buf_add(out, plain, (size_t)(s - plain));
		if (point == UTF8_INVALID)
			buf_addstr(out, "\xef\xbf\xbd");
		else
			add_escape(out, point);
		plain = s + n;
	}
	buf_add(out, plain, (size_t)(s - plain));
	buf_addch(out, '"');
}

/* What stands before each value: a comma, a line break, the key. */
static void begin(struct json *j, const char *key)
{
	if (j->filled[j->depth])
		buf_addch(j->out, ',');
	if (j->depth)
		newline(j);
	j->filled[j->depth] = true;
	if (!key)
		return;
	add_quoted(j->out, key);
	buf_addstr(j->out, j->indent ? ": " : ":");
}

/* In an array, on one line: a comma is all that stands before it. */
static bool is_column(const struct json *j, const char *key)
{
	return !key && !j->indent && j->filled[j->depth];
}

static void open_level(struct json *j, const char *key, char first, char last)
{
	begin(j, key);
	if (j->depth >= sizeof(j->close)) {
		j->out->failed = true; /* a programming error, made visible */
		return;
	}
	buf_addch(j->out, first);
	j->close[j->depth++] = last;
	j->filled[j->depth] = false;
}

void json_object(struct json *j, const char *key)
{
	open_level(j, key, '{', '}');
}

void json_array(struct json *j, const char *key)
{
	open_level(j, key, '[', ']');
}

void json_end(struct json *j)
{
	bool filled = j->filled[j->depth];

	if (j->depth == 0)
		return;
	j->depth--;
	if (filled)
		newline(j);
	buf_addch(j->out, j->close[j->depth]);
	if (j->depth == 0 && j->indent)
		buf_addch(j->out, '\n');
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin(j, key);
	if (value)
		add_quoted(j->out, value);
	else
		buf_addstr(j->out, "null");
}

enum { DIGITS_MOST = 24 };

/* Ends at digits + at, which it returns less what the number takes. By hand: exports of large recordings
 * are millions of these. */
static size_t put_digits(char *digits, size_t at, uint64_t value)
{
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	return at;
}

/* digits[at … DIGITS_MOST). What is copied is longer, so that its size is a constant. */
static void add_digits(struct json *j, const char *key, char digits[2 * DIGITS_MOST], size_t at)
{
	char *room;

	if (is_column(j, key))
		digits[--at] = ',';
	else
		begin(j, key);
	room = buf_room(j->out, DIGITS_MOST);
	if (!room)
		return;
	memcpy(room, digits + at, DIGITS_MOST);
	j->out->len += DIGITS_MOST - at;
	j->out->data[j->out->len] = '\0';
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	char digits[2 * DIGITS_MOST] = "";

	add_digits(j, key, digits, put_digits(digits, DIGITS_MOST, value));
}

void json_thousandths(struct json *j, const char *key, uint64_t value)
{
	char digits[2 * DIGITS_MOST] = "";
	size_t at = put_digits(digits, DIGITS_MOST, value % 1000 + 1000);

	digits[at] = '.';
	add_digits(j, key, digits, put_digits(digits, at, value / 1000));
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	if (value >= 0) {
		json_u64(j, key, (uint64_t)value);
		return;
	}
	begin(j, key);
	buf_printf(j->out, "%lld", (long long)value);
}

void json_double(struct json *j, const char *key, double value, int decimals)
{
	begin(j, key);
	if (isfinite(value))
		buf_printf(j->out, "%.*f", decimals, value);
	else
		buf_addstr(j->out, "null");
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin(j, key);
	buf_addstr(j->out, value ? "true" : "false");
}

void json_repeat(struct json *j, const char *text, size_t n)
{
	char many[1024] = "";
	size_t one = strlen(text) + 1, fit = one < sizeof(many) ? (sizeof(many) - 1) / one : 0;

	for (; n && (j->indent || !j->filled[j->depth] || !fit); n--) {
		begin(j, NULL);
		buf_addstr(j->out, text);
	}
	for (size_t i = 0; n && i < fit; i++) {
		many[i * one] = ',';
		memcpy(many + i * one + 1, text, one - 1);
	}
	for (size_t now; n; n -= now) {
		now = n < fit ? n : fit;
		buf_add(j->out, many, now * one);
	}
}
