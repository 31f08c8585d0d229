/* SPDX-License-Identifier: BSD-2-Clause */
/* Recordings that are none, that somebody changed, or whose bytes went wrong. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "recording.h"
#include "store/store.h"

/* ── reading what should not be trusted ─────────────────────────────────────────────────────── */

static void put(const void *bytes, size_t len)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	EXPECT_EQ(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void cannot_read(int want, const char *words)
{
	struct profile *q = NULL;
	struct diag d = { 0 };

	EXPECT_EQ(store_read(path, &q, &d), want);
	EXPECT_NULL(q);
	EXPECT_CONTAINS(d.text, words);
	EXPECT_CONTAINS(d.text, path);
	EXPECT_NULL(strchr(d.text, '\n'));
}

TEST(store_read__says_what_is_no_recording)
{
	enter();
	cannot_read(-ENOENT, "No such file");
	put("", 0);
	cannot_read(-EBADMSG, "is empty");
	put("#!/bin/sh\n", 10);
	cannot_read(-EBADMSG, "is not a recording of tprof");
	unlink(path);
	query("CREATE TABLE strings(id INTEGER PRIMARY KEY, text)");
	cannot_read(-EBADMSG, "is not a recording of tprof");
	unlink(path);
	EXPECT_EQ(mkfifo(path, 0600), 0);
	cannot_read(-EBADMSG, "is not a file");
	leave();
}

TEST(store_read__wants_the_version_that_wrote_it)
{
	struct profile *p = rich();

	enter();
	EXPECT_EQ(store_write(p, path, NULL), 0);
	query("PRAGMA user_version = 2");
	cannot_read(-EPROTONOSUPPORT, "written by a newer tprof");
	query("PRAGMA user_version = 0");
	cannot_read(-EBADMSG, "damaged");
	profile_free(p);
	leave();
}

TEST(store_read__refuses_what_does_not_fit)
{
	static const char *const harm[] = {
		"UPDATE stacks SET frames = x'FFFFFFFF' WHERE id = 1",
		"UPDATE stacks SET frames = x'00000000' WHERE id = 1",
		"UPDATE stacks SET frames = x'010000' WHERE id = 1",
		"UPDATE stacks SET frames = 'text' WHERE id = 1",
		"UPDATE stacks SET end = 200 WHERE id = 1",
		"UPDATE stacks SET id = 1000 WHERE id = 1",
		"DELETE FROM strings WHERE id = 2",
		"DELETE FROM recording",
		"INSERT INTO recording SELECT 2, tprof_version, host, kernel, arch, cpus, event, hz,"
		" start_realtime_ns, duration_ns, target, system_wide, waits, threads_traced,"
		" live_at_start, live_at_end, stack_share_ppm FROM recording",
		"UPDATE strings SET text = x'41' WHERE id = 1",
		"UPDATE strings SET text = NULL WHERE id = 1",
		"UPDATE counts SET stack = 999999 WHERE id = 1",
		"UPDATE counts SET stack = -1 WHERE id = 1",
		"UPDATE counts SET kind = 0 WHERE id = 1",
		"UPDATE counts SET kind = 99 WHERE id = 1",
		"UPDATE counts SET count = 1.5 WHERE id = 1",
		"UPDATE counts SET value = -1 WHERE id = 1",
		"UPDATE counts SET value = 1 << 61",
		"UPDATE lines SET depth = 5 WHERE id = 1",
		"UPDATE lines SET frame = NULL WHERE id = 1",
		"UPDATE locks SET histogram = x'00' WHERE id = 1",
		"UPDATE locks SET histogram = zeroblob(257) WHERE id = 1",
		"UPDATE lock_users SET role = 4 WHERE id = 1",
		"UPDATE processes SET pid = 5000000000 WHERE id = 1",
		"UPDATE threads SET created = 2 WHERE id = 1",
		"UPDATE windows SET end_ns = 0 WHERE id = 2",
		"UPDATE recording SET hz = 99999999999",
		"DROP TABLE churn",
		"DROP TABLE notes; CREATE VIEW notes AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL "
		"SELECT n + 1 FROM r) SELECT n AS id, 'x' AS text FROM r",
		"DROP TABLE notes; CREATE TABLE notes(id INTEGER PRIMARY KEY, "
		"text TEXT AS (printf('%.*c', 1000000, 'x'))); INSERT INTO notes(id) VALUES(1)",
		"DROP TABLE notes; CREATE VIRTUAL TABLE notes USING fts5(id, text)",
		"DROP TABLE notes; CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT) WITHOUT ROWID",
		"DROP TABLE notes; CREATE TABLE notes(id, text TEXT);"
		"INSERT INTO notes VALUES(1, 'a'), (1, 'b')",
	};
	struct profile *p = rich();

	enter();
	for (size_t i = 0; i < sizeof(harm) / sizeof(*harm); i++) {
		struct profile *q = NULL;

		EXPECT_EQ(store_write(p, path, NULL), 0);
		query(harm[i]);
		if (store_read(path, &q, NULL) == 0)
			fail_msg("accepted: %s", harm[i]);
		cannot_read(-EBADMSG, "damaged");
	}
	profile_free(p);
	leave();
}

/* Additions of others are none of our business. */
TEST(store_read__takes_columns_tables_and_indexes_that_it_does_not_know)
{
	struct profile *p = rich(), *q = NULL;

	enter();
	EXPECT_EQ(store_write(p, path, NULL), 0);
	query("ALTER TABLE threads ADD COLUMN colour TEXT DEFAULT 'red';"
	      "CREATE TABLE mine(x); CREATE INDEX i ON counts(stack); PRAGMA journal_mode=WAL");
	EXPECT_EQ(store_read(path, &q, NULL), 0);
	EXPECT_CONTAINS(folded(q), "main;_start;main;read_[k] 3\n");
	profile_free(p);
	profile_free(q);
	leave();
}

/* ── bytes gone wrong ───────────────────────────────────────────────────────────────────────── */

static char *image_of(struct profile *p, size_t *ret_len)
{
	struct buf b = BUF_INIT;
	int fd;

	EXPECT_EQ(store_write(p, path, NULL), 0);
	fd = open(path, O_RDONLY);
	EXPECT_EQ(buf_read_fd(&b, fd, SIZE_MAX), 0);
	close(fd);
	*ret_len = b.len;
	return b.data;
}

/* Enough to have several pages and overflow chains in one table. */
static struct profile *large(void)
{
	struct profile *p = rich();
	char text[256];

	for (int i = 0; i < 400; i++) {
		snprintf(text, sizeof(text), "main;_start;main;f%d;g%d;h%d %d\n", i % 7, i % 50, i,
			 i + 1);
		profile_of_kind(p, PROFILE_CPU, text);
	}
	return p;
}

TEST(store_read__lives_with_a_cut_at_any_place)
{
	struct profile *p = large(), *q = NULL;
	struct diag d;
	size_t len;
	char *image;

	enter();
	image = image_of(p, &len);
	for (size_t cut = 0; cut < len; cut += cut < 200 ? 7 : 1021) {
		put(image, cut);
		d = (struct diag){ 0 };
		EXPECT_EQ(store_read(path, &q, &d), -EBADMSG);
		EXPECT(strlen(d.text) > 10);
	}
	free(image);
	profile_free(p);
	leave();
}

/* xorshift: the same bytes each time. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

TEST(store_read__lives_with_wrong_bytes)
{
	struct profile *p = large(), *q;
	uint64_t seed = 42;
	size_t len, good = 0;
	char *image, *copy;

	enter();
	image = image_of(p, &len);
	copy = malloc(len);
	EXPECT_PTR(copy);
	for (int round = 0; round < 600; round++) {
		int err;

		memcpy(copy, image, len);
		for (uint64_t n = 1 + next_random(&seed) % 8; n-- > 0;) {
			/* Half of them in page headers and cell pointers, where it hurts. */
			size_t at = next_random(&seed) % len;

			if (next_random(&seed) & 1)
				at = (at & ~(size_t)4095) + next_random(&seed) % 24;
			copy[at] = (char)next_random(&seed);
		}
		put(copy, len);
		q = NULL;
		err = store_read(path, &q, NULL);
		EXPECT(err == 0 || err == -EBADMSG || err == -EPROTONOSUPPORT);
		if (!err) {
			good++;
			folded(q);
		}
		profile_free(q);
	}
	EXPECT(good < 600);
	free(copy);
	free(image);
	profile_free(p);
	leave();
}

/* ── SQLite out of memory ───────────────────────────────────────────────────────────────────── */

/* The linker wraps malloc and its kin in this file, so that fail_allocation() reaches SQLite too. */
static void *sqlite_malloc(int n)
{
	size_t *at = malloc(sizeof(*at) * 2 + (size_t)n);

	if (!at)
		return NULL;
	at[0] = (size_t)n;
	return at + 2;
}

static void sqlite_free(void *p)
{
	free((size_t *)p - 2);
}

static void *sqlite_realloc(void *p, int n)
{
	size_t *at = realloc((size_t *)p - 2, sizeof(*at) * 2 + (size_t)n);

	if (!at)
		return NULL;
	at[0] = (size_t)n;
	return at + 2;
}

static int sqlite_size(void *p)
{
	return p ? (int)((size_t *)p)[-2] : 0;
}

static int sqlite_roundup(int n)
{
	return (n + 15) & ~15;
}

static int sqlite_init(void *ctx)
{
	(void)ctx;
	return SQLITE_OK;
}

static void sqlite_end(void *ctx)
{
	(void)ctx;
}

static void use_failing_memory(void)
{
	static const sqlite3_mem_methods methods = {
		sqlite_malloc,	sqlite_free, sqlite_realloc, sqlite_size,
		sqlite_roundup, sqlite_init, sqlite_end,     NULL,
	};

	EXPECT_EQ(sqlite3_shutdown(), SQLITE_OK);
	EXPECT_EQ(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
	EXPECT_EQ(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
	EXPECT_EQ(sqlite3_initialize(), SQLITE_OK);
}

/* The last test of this file: SQLite keeps this memory from here on. */
TEST(store__survives_sqlite_out_of_memory)
{
	struct profile *p = rich(), *q = NULL;
	size_t wrote = 0, read = 0;
	int err = 1;

	use_failing_memory();
	enter();
	/* Each site at first, then ever fewer: there are some thousands. */
	for (long n = 0; err; n += 1 + n / 20, wrote++) {
		fail_allocation(n);
		err = store_write(p, path, NULL);
		fail_allocation(-1);
		EXPECT(err == 0 || err == -ENOMEM);
	}
	err = 1;
	for (long n = 0; err; n += 1 + n / 20, read++) {
		fail_allocation(n);
		err = store_read(path, &q, NULL);
		fail_allocation(-1);
		if (err && err != -ENOMEM)
			fail_msg("site %ld: %s", n, strerror(-err));
	}
	EXPECT(wrote > 50 && read > 50);
	profile_free(p);
	profile_free(q);
	leave();
}
