/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/map.h"
#include "base/map64.h"
#include "base/utf8.h"

/* ── diag ───────────────────────────────────────────────────────────────────────────────────── */

TEST(diag_set__keeps_the_first_explanation)
{
	struct diag d = { 0 };

	EXPECT_EQ(diag_set(&d, -EPERM, "cannot load %s", "cpu"), -EPERM);
	EXPECT_EQ(diag_set(&d, -EINVAL, "cannot record"), -EINVAL);
	EXPECT_STR(d.text, "cannot load cpu");
}

TEST(diag__may_be_null_and_is_cut_at_its_end)
{
	struct diag d = { 0 };

	EXPECT_EQ(diag_set(NULL, -EIO, "x"), -EIO);
	EXPECT_EQ(diag_errno(NULL, -EIO, "x"), -EIO);
	diag_errno(&d, -ENOSPC, "%0600d", 1);
	EXPECT_EQ(strlen(d.text), sizeof(d.text) - 1);
}

TEST(diag_errno__appends_what_the_error_means)
{
	struct diag d = { 0 }, e = { 0 };

	diag_errno(&d, -ENOSPC, "cannot write %s", "x.tprof");
	EXPECT_STR(d.text, "cannot write x.tprof: No space left on device");
	diag_errno(&e, -99999, "odd");
	EXPECT_STR(e.text, "odd: unknown error");
}

/* ── buf ────────────────────────────────────────────────────────────────────────────────────── */

TEST(buf__grows_over_every_size)
{
	struct buf b = BUF_INIT;

	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "%d,", i % 10);
	EXPECT_EQ(b.len, 10000);
	EXPECT_EQ(strlen(b.data), 10000);
	buf_clear(&b);
	EXPECT_STR(b.data, "");
	buf_printf(&b, "%0300d", 7);
	EXPECT_EQ(b.len, 300);
	buf_release(&b);
}

static const char *xml(struct buf *b, const char *s)
{
	buf_clear(b);
	buf_add_xml(b, s);
	return b->data;
}

TEST(buf_add_xml__leaves_nothing_active)
{
	struct buf b = BUF_INIT;

	EXPECT_STR(xml(&b, "</script><b a='\"'>&"),
		   "&lt;/script&gt;&lt;b a=&#39;&quot;&#39;&gt;&amp;");
	EXPECT_STR(xml(&b, "ü€\U0001f600"), "ü€\U0001f600");
	EXPECT_STR(xml(&b, "a\nb\x1b"), "a\xef\xbf\xbd"
					"b\xef\xbf\xbd");
	EXPECT_STR(xml(&b, "\xff\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	EXPECT_STR(xml(&b, "\u202e"), "\xef\xbf\xbd");
	buf_release(&b);
}

static const char *printable(struct buf *b, const char *s, const char *also)
{
	buf_clear(b);
	buf_add_printable(b, s, also);
	return b->data;
}

TEST(buf_add_printable__escapes_what_moves_cursors_or_ends_lines)
{
	struct buf b = BUF_INIT;

	EXPECT_STR(printable(&b, "a;b\n\x1b[31mü", ";"), "a\\x3bb\\x0a\\x1b[31mü");
	EXPECT_STR(printable(&b, "cut\xc3", NULL), "cut\\xc3");
	EXPECT_STR(printable(&b, "\u202e\xc2\x85", NULL), "\\xe2\\x80\\xae\\xc2\\x85");
	EXPECT_STR(printable(&b, "\xed\xa0\x80", NULL), "\\xed\\xa0\\x80");
	buf_release(&b);
}

static int file_of(const char *bytes, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	EXPECT_EQ(write(fd, bytes, len), (ssize_t)len);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

TEST(buf_read_fd__takes_all_and_no_more_than_max)
{
	struct buf b = BUF_INIT;
	int fd = file_of("12345678", 8);

	buf_addstr(&b, "had:");
	EXPECT_EQ(buf_read_fd(&b, fd, 8), 0);
	EXPECT_STR(b.data, "had:12345678");
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(buf_read_fd(&b, fd, 7), -EFBIG);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	EXPECT_EQ(buf_read_fd(&b, fd, SIZE_MAX), 0);
	EXPECT_EQ(buf_read_fd(&b, -1, 10), -EBADF);
	close(fd);
	buf_release(&b);
}

TEST(buf_write_fd__reports_a_full_disk)
{
	struct buf b = BUF_INIT;
	FILE *full = fopen("/dev/full", "w");

	buf_addstr(&b, "x");
	EXPECT_PTR(full);
	EXPECT_EQ(buf_write_fd(&b, fileno(full)), -ENOSPC);
	fclose(full);
	b.failed = true;
	EXPECT_EQ(buf_write_fd(&b, 1), -ENOMEM);
	buf_release(&b);
}

TEST(buf__out_of_memory_is_sticky_and_keeps_what_was)
{
	struct buf b = BUF_INIT;

	buf_addstr(&b, "kept");
	fail_allocation(0);
	buf_printf(&b, "%0500d", 1);
	fail_allocation(-1);
	EXPECT(b.failed);
	buf_addstr(&b, "x");
	EXPECT_STR(b.data, "kept");
	buf_release(&b);
}

/* ── arena ──────────────────────────────────────────────────────────────────────────────────── */

TEST(arena__gives_zeroed_aligned_memory_of_all_sizes)
{
	struct arena a = { 0 };

	for (size_t size = 0; size < 200000; size = size * 2 + 1) {
		unsigned char *m = arena_alloc(&a, size);

		EXPECT_PTR(m);
		EXPECT_EQ((uintptr_t)m % 16, 0);
		for (size_t i = 0; i < size; i++)
			EXPECT_EQ(m[i], 0);
		memset(m, 0xff, size);
		EXPECT_STR(arena_strndup(&a, "abc", 2), "ab");
	}
	EXPECT_NULL(arena_alloc(&a, SIZE_MAX - 8));
	EXPECT_NULL(arena_strndup(&a, "", SIZE_MAX));
	arena_release(&a);
	arena_release(&a);
}

/* ── map ────────────────────────────────────────────────────────────────────────────────────── */

static bool is_id(const void *ctx, uint32_t id)
{
	return id == *(const uint32_t *)ctx;
}

TEST(array_room__grows_and_keeps_all_when_it_cannot)
{
	uint32_t *list = NULL;
	size_t cap = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		EXPECT_EQ(array_room(&list, i, &cap, sizeof(*list)), 0);
		EXPECT(cap > i);
		list[i] = i;
	}
	fail_allocation(0);
	EXPECT_EQ(array_room(&list, 1U << 20, &cap, sizeof(*list)), -ENOMEM);
	fail_allocation(-1);
	EXPECT(cap < 2000);
	for (uint32_t i = 0; i < 1000; i++)
		EXPECT_EQ(list[i], i);
	free(list);
}

TEST(map__finds_all_although_every_hash_collides)
{
	struct map m = { 0 };
	uint32_t missing = 1001;

	EXPECT_EQ(map_find(&m, 7, is_id, &missing), 0);
	for (uint32_t id = 1; id <= 1000; id++)
		EXPECT_EQ(map_insert(&m, 7, id), 0);
	for (uint32_t id = 1; id <= 1000; id++)
		EXPECT_EQ(map_find(&m, 7, is_id, &id), id);
	EXPECT_EQ(map_find(&m, 7, is_id, &missing), 0);
	map_release(&m);
}

/* Growing takes two allocations: each fails once. */
TEST(map__keeps_what_it_had_when_it_cannot_grow)
{
	for (long site = 0; site < 2; site++) {
		struct map m = { 0 };
		uint32_t full = 12; /* 3/4 of 16 */

		for (uint32_t id = 1; id <= full; id++)
			EXPECT_EQ(map_insert(&m, hash_u64(id), id), 0);
		fail_allocation(site);
		EXPECT_EQ(map_insert(&m, hash_u64(13), 13), -ENOMEM);
		fail_allocation(-1);
		for (uint32_t id = 1; id <= full; id++)
			EXPECT_EQ(map_find(&m, hash_u64(id), is_id, &id), id);
		EXPECT_EQ(map_insert(&m, hash_u64(13), 13), 0);
		map_release(&m);
	}
}

TEST(hash_bytes__tells_length_seed_and_tail_apart)
{
	const char zeros[32] = { 0 };

	for (size_t a = 0; a < 32; a++)
		for (size_t b = a + 1; b < 32; b++)
			EXPECT(hash_bytes(zeros, a, 1) != hash_bytes(zeros, b, 1));
	EXPECT(hash_bytes("abc", 3, 1) != hash_bytes("abc", 3, 2));
	EXPECT(hash_bytes("abcdefghi", 9, 1) != hash_bytes("abcdefghj", 9, 1));
}

TEST(map64__sums_many_keys)
{
	struct map64 m = { 0 };

	for (uint64_t round = 1; round <= 3; round++)
		for (uint64_t k = 1; k <= 10000; k++)
			*map64_at(&m, k << 32 | k) += k;
	EXPECT_EQ(m.count, 10000);
	for (uint64_t k = 1; k <= 10000; k++)
		EXPECT_EQ(*map64_at(&m, k << 32 | k), 3 * k);
	map64_release(&m);
}

/* ── utf8 ───────────────────────────────────────────────────────────────────────────────────── */

TEST(utf8_next__knows_the_limits)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint32_t point;
		size_t taken;
	} rows[] = {
		{ "a", 1, 'a', 1 },
		{ "\xc2\x80", 2, 0x80, 2 },
		{ "\xdf\xbf", 2, 0x7ff, 2 },
		{ "\xe0\xa0\x80", 3, 0x800, 3 },
		{ "\xef\xbf\xbf", 3, 0xffff, 3 },
		{ "\xf0\x90\x80\x80", 4, 0x10000, 4 },
		{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff, 4 },
		{ "\xf4\x90\x80\x80", 4, UTF8_INVALID, 1 }, /* above the last */
		{ "\xc1\xbf", 2, UTF8_INVALID, 1 },	    /* overlong */
		{ "\xe0\x9f\xbf", 3, UTF8_INVALID, 1 },	    /* overlong */
		{ "\xed\xa0\x80", 3, UTF8_INVALID, 1 },	    /* surrogate */
		{ "\xe2\x82", 2, UTF8_INVALID, 1 },	    /* cut */
		{ "\x80", 1, UTF8_INVALID, 1 },		    /* stray */
		{ "\xe2\x28\xa1", 3, UTF8_INVALID, 1 },	    /* broken */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint32_t point;

		EXPECT_EQ(utf8_next(rows[i].bytes, rows[i].len, &point), rows[i].taken);
		EXPECT_EQ(point, rows[i].point);
	}
}

/* ── json ───────────────────────────────────────────────────────────────────────────────────── */

TEST(json__places_commas_and_escapes)
{
	struct buf b = BUF_INIT;
	struct json j = { .out = &b };

	json_object(&j, NULL);
	json_string(&j, "s", "</script>\"\\\n\x01\xff\u2028\u202e\xc2\x85\u00e4\U0001f600");
	json_string(&j, "none", NULL);
	json_array(&j, "list");
	json_u64(&j, NULL, UINT64_MAX);
	json_i64(&j, NULL, INT64_MIN);
	json_object(&j, NULL);
	json_end(&j);
	json_end(&j);
	json_double(&j, "d", 1.005, 1);
	json_double(&j, "nan", NAN, 1);
	json_bool(&j, "b", true);
	json_end(&j);
	EXPECT_STR(
		b.data,
		"{\"s\":\"\\u003c/script\\u003e\\\"\\\\\\n\\u0001\xef\xbf\xbd\\u2028\\u202e\\u0085ä😀\","
		"\"none\":null,\"list\":[18446744073709551615,-9223372036854775808,{}],"
		"\"d\":1.0,\"nan\":null,\"b\":true}");
	buf_release(&b);
}

TEST(json__indents_for_people)
{
	struct buf b = BUF_INIT;
	struct json j = { .out = &b, .indent = true };

	json_object(&j, NULL);
	json_array(&j, "a");
	json_u64(&j, NULL, 1);
	json_u64(&j, NULL, 2);
	json_end(&j);
	json_array(&j, "empty");
	json_end(&j);
	json_end(&j);
	EXPECT_STR(b.data, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"empty\": []\n}\n");
	buf_release(&b);
}

TEST(json__too_deep_shows_as_failure)
{
	struct buf b = BUF_INIT;
	struct json j = { .out = &b };

	for (int i = 0; i < 40; i++)
		json_array(&j, NULL);
	EXPECT(b.failed);
	for (int i = 0; i < 40; i++)
		json_end(&j);
	buf_release(&b);
}
