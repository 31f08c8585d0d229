/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_UTF8_H
#define TPROF_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID UINT32_MAX

/*
 * The code point at s (len ≥ 1 bytes are there) and how many bytes it takes. Overlong forms,
 * surrogates and values above U+10FFFF are invalid: UTF8_INVALID, one byte.
 */
size_t utf8_next(const char *s, size_t len, uint32_t *ret_point);

/* C0, DEL, C1, line and paragraph separators, bidi marks and overrides, noncharacters: what could
 * move a cursor, end a line or turn text around. */
bool utf8_is_unsafe(uint32_t point);

#endif
