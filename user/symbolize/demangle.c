/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/demangle.h"

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include <libiberty/demangle.h>

#define MAX_MANGLED 2048

/*
 * A mangled name of n bytes can stand for 2^n bytes (each substitution doubles). libiberty's
 * callback cannot say "enough", so sink_add() leaves by longjmp. What the demanglers hold is on their
 * stack, but for one thing: Rust's decodes an identifier in Punycode into memory that it frees behind
 * the callback. Only such a piece has bytes beyond ASCII: it is let through, and the next one leaves.
 */
struct sink {
	char *out;
	size_t len, cap;
	bool rust;
	jmp_buf full;
};

static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80)
			return false;
	}
	return true;
}

static void sink_add(const char *text, size_t len, void *opaque)
{
	struct sink *s = opaque;
	size_t room = s->cap - 1 - s->len;

	if (len > 0)
		memcpy(s->out + s->len, text, len < room ? len : room);
	s->len += len < room ? len : room;
	if (len > room && (!s->rust || is_ascii(text, len)))
		longjmp(s->full, 1);
}

static bool is_rust(const char *symbol)
{
	/* Legacy Rust is C++ with a last part of "17h" and 16 hex digits; "_R" is v0. */
	return strncmp(symbol, "_R", 2) == 0 || strstr(symbol, "17h") != NULL;
}

static bool run(const char *symbol, struct sink *s)
{
	const int options = DMGL_ANSI;

	if (setjmp(s->full) != 0)
		return true;
	s->rust = is_rust(symbol);
	if (s->rust && rust_demangle_callback(symbol, options, sink_add, s) != 0)
		return s->len > 0;
	s->rust = false;
	s->len = 0;
	if (strncmp(symbol, "_Z", 2) == 0 || strncmp(symbol, "_GLOBAL_", 8) == 0)
		return cplus_demangle_v3_callback(symbol, options, sink_add, s) != 0 && s->len > 0;
	return false;
}

/* Without its version: memcpy@@GLIBC_2.14. */
static size_t plain_length(const char *symbol)
{
	const char *at = strchr(symbol, '@');

	return at != NULL && at != symbol ? (size_t)(at - symbol) : strlen(symbol);
}

static bool is_stub(const char *symbol, size_t plain)
{
	return strcmp(symbol + plain, "@plt") == 0;
}

/* Ends out, which holds len bytes for the symbol's first `plain`; a stub stays told as one. */
static size_t finish(const char *symbol, size_t plain, char *out, size_t len, size_t cap)
{
	if (is_stub(symbol, plain) && len + strlen("@plt") < cap) {
		memcpy(out + len, "@plt", strlen("@plt"));
		len += strlen("@plt");
	}
	out[len] = '\0';
	return len;
}

size_t demangle(const char *symbol, char *out, size_t cap)
{
	char plain[MAX_MANGLED + 1];
	size_t len = plain_length(symbol);

	if (symbol[0] == '_' && len <= MAX_MANGLED) {
		struct sink s = { .out = out, .cap = cap };

		memcpy(plain, symbol, len);
		plain[len] = '\0';
		if (run(plain, &s))
			return finish(symbol, len, out, s.len, cap);
	}
	memcpy(out, symbol, len < cap ? len : cap - 1);
	return finish(symbol, len, out, len < cap ? len : cap - 1, cap);
}
