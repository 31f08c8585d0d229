/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_JSON_H
#define TPROF_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/*
 * Streams JSON (RFC 8259) into a buf: it places commas and escapes. Strings are made valid UTF-8
 * (bad bytes become U+FFFD); '<', '>', '&', U+2028 and U+2029 are written as \uXXXX, so that the
 * text is inert inside an HTML <script> too. Depth at most 32.
 *
 *	struct json j = {.out = &buf};
 *	json_object(&j, NULL);
 *	json_string(&j, "comm", comm);
 *	json_end(&j);
 *
 * `key` is NULL inside arrays and at the top. NaN and infinities are written as null.
 */
struct json {
	struct buf *out;
	uint8_t depth;
	bool indent; /* one member a line, for people; set before the first call */
	char close[32];
	bool filled[33];
};

void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end(struct json *j); /* the innermost open object or array */
void json_string(struct json *j, const char *key, const char *value); /* NULL value: null */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key, double value, int decimals);
/* value / 1000, with three decimals */
void json_thousandths(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
/* In an array: the same value n times, as JSON text ("null", "0"). */
void json_repeat(struct json *j, const char *text, size_t n);

#endif
