// SPDX-License-Identifier: BSD-2-Clause
/*
 * Unwind tables of real files: what is in them, which stay when memory is short, what has no room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect/cfi.h"
#include "collect/unwind_chunks.h"
#include "fake_bpf.h"
#include "walk.h"

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"

/* The row of this file offset. */
static struct tprof_row row_at(const struct walk *w, uint32_t object, uint64_t pc)
{
	const struct tprof_object *o = fake_map_at(w->objects_fd, object);
	uint64_t index = o->first + (pc >> TPROF_TEXT_PAGE_SHIFT) - o->base;
	const union tprof_chunk *pages =
		fake_map_at(w->chunks_fd, o->chunk + (uint32_t)(index / TPROF_CHUNK_PAGES));
	struct tprof_page page = pages->pages[index % TPROF_CHUNK_PAGES];
	const union tprof_chunk *rows = fake_map_at(w->chunks_fd, page.chunk);
	uint32_t n = 0;

	while (n < page.count && rows->rows[page.first + n].pc <= (pc & TPROF_TEXT_PAGE_MASK))
		n++;
	assert_true(n);
	return rows->rows[page.first + n - 1];
}

static void table_says_what_the_rows_say(void **unused)
{
	struct walk w = { 0 };
	struct unwind_tables *t;
	struct unwind_tables_stats stats;
	int fd = open(LIBC, O_RDONLY | O_CLOEXEC);
	const struct tprof_object *o;
	struct cfi c = { 0 };

	(void)unused;
	walk_open(&w, &t, 4 << 20);
	assert_int_equal(unwind_tables_add(t, 1, fd, false), 0);
	assert_int_equal(unwind_tables_load(t, NULL), 0);
	assert_int_equal(cfi_read_fd(&c, fd, NULL), 0);
	o = fake_map_at(w.objects_fd, 1);
	assert_int_equal(o->flags, TPROF_OBJECT_LOADED);
	for (size_t i = 0; i < c.count; i++) {
		const struct tprof_rule *want = &c.rules[c.rows[i].rule], *got;
		struct tprof_row row = row_at(&w, 1, c.rows[i].pc);

		got = fake_map_at(w.rules_fd, row.rule);
		assert_int_equal(row.pc, c.rows[i].pc & TPROF_TEXT_PAGE_MASK);
		assert_memory_equal(got, want, sizeof(*got));
	}
	unwind_tables_get_stats(t, &stats);
	assert_int_equal(stats.loaded, 1);
	/* at most 8 bytes a row, all told */
	assert_true(stats.memory <= c.count * 8 + 2 * CHUNK_MEMORY);
	cfi_release(&c);
	unwind_tables_free(t);
	close(fd);
	fake_reset();
}

static void least_used_makes_room(void **unused)
{
	struct walk w = { 0 };
	struct unwind_tables *t;
	struct unwind_tables_stats stats;
	int fd = open(LIBC, O_RDONLY | O_CLOEXEC);
	uint64_t now = 1;
	uint32_t i;

	(void)unused;
	walk_open(&w, &t, 3 * 69632); /* 3 chunks: one libc */
	for (i = 1; i <= 3; i++)
		assert_int_equal(unwind_tables_add(t, i, fd, true), 0);
	for (int round = 0; round < 12; round++) {
		uint32_t wanted = 1 + (uint32_t)round % 3;
		struct tprof_object *o = fake_map_at(w.objects_fd, wanted);

		if (!(o->flags & TPROF_OBJECT_LOADED))
			o->hits = 5;
		for (i = 0; i < 4; i++) { /* some seconds go by */
			now += 1100000000;
			assert_int_equal(unwind_tables_tick(t, now, NULL), 0);
		}
		o = fake_map_at(w.objects_fd, wanted);
		assert_int_equal(o->flags, TPROF_OBJECT_LOADED);
		unwind_tables_get_stats(t, &stats);
		assert_true(stats.memory <= 3 * 69632);
		assert_int_equal(stats.loaded, 1);
	}
	assert_int_equal(stats.evictions, 11);
	unwind_tables_free(t);
	close(fd);
	fake_reset();
}

/* There is room for one only: it is that of the object which walks asked for most. */
static void hottest_goes_first(void **unused)
{
	struct walk w = { 0 };
	struct unwind_tables *t;
	int fd = open(LIBC, O_RDONLY | O_CLOEXEC);
	static const uint64_t hits[] = { 0, 3, 9, 5, 0 };

	(void)unused;
	walk_open(&w, &t, 3 * CHUNK_MEMORY);
	for (uint32_t i = 1; i < 5; i++)
		unwind_tables_add(t, i, fd, true);
	for (uint32_t i = 1; i < 5; i++)
		((struct tprof_object *)fake_map_at(w.objects_fd, i))->hits = hits[i];
	assert_int_equal(unwind_tables_tick(t, 1, NULL), 0);
	for (uint32_t i = 1; i < 5; i++) {
		const struct tprof_object *o = fake_map_at(w.objects_fd, i);

		assert_int_equal(o->flags & TPROF_OBJECT_LOADED, i == 2);
	}
	unwind_tables_free(t);
	close(fd);
	fake_reset();
}

static void tables_in_use_stay(void **unused)
{
	struct walk w = { 0 };
	struct unwind_tables *t;
	struct unwind_tables_stats stats;
	int fd = open(LIBC, O_RDONLY | O_CLOEXEC);
	uint64_t now = 1;

	(void)unused;
	walk_open(&w, &t, 3 * 69632);
	unwind_tables_add(t, 1, fd, false);
	unwind_tables_add(t, 2, fd, true);
	assert_int_equal(unwind_tables_load(t, NULL), 0);
	for (int round = 0; round < 5; round++) {
		struct tprof_object *o = fake_map_at(w.objects_fd, 1);

		o->used = 1; /* each second anew */
		o = fake_map_at(w.objects_fd, 2);
		o->hits++;
		now += 1100000000;
		assert_int_equal(unwind_tables_tick(t, now, NULL), 0);
	}
	unwind_tables_get_stats(t, &stats);
	assert_int_equal(stats.evictions, 0);
	assert_true(stats.refused > 0);
	assert_int_equal(((struct tprof_object *)fake_map_at(w.objects_fd, 1))->flags,
			 TPROF_OBJECT_LOADED);
	unwind_tables_free(t);
	close(fd);
	fake_reset();
}

/* ── more rules than there is room for ──────────────────────────────────────────────────────── */

/* A library whose every instruction has a rule of its own. */
static int many_rules(unsigned rules)
{
	char path[256], command[600];
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/rules.%d", getenv("TMPDIR") ?: "/tmp", (int)getpid());
	snprintf(command, sizeof(command), "cc -x assembler -shared -nostdlib -o %s -", path);
	f = popen(command, "w");
	assert_non_null(f);
	fputs(".globl f\n.type f,@function\nf:\n.cfi_startproc\n", f);
	for (unsigned i = 0; i < rules; i++)
		fprintf(f, "nop\n.cfi_def_cfa_offset %u\n", 16 + 8 * i);
	fputs("nop\n.cfi_endproc\n.size f,.-f\n.section .note.GNU-stack\n", f);
	assert_int_equal(pclose(f), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* Each row has its very rule, or the one that stands for those without room: how many of these. */
static size_t rows_without_room(const struct walk *w, uint32_t object, const struct cfi *c)
{
	size_t full = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct tprof_rule *want = &c->rules[c->rows[i].rule];
		const struct tprof_rule *got =
			fake_map_at(w->rules_fd, row_at(w, object, c->rows[i].pc).rule);

		if (!memcmp(got, want, sizeof(*got)))
			continue;
		assert_int_equal(got->cfa, TPROF_CFA_UNSUPPORTED);
		assert_int_equal(got->offset, CFI_NO_ROOM);
		full++;
	}
	return full;
}

static void rules_without_room_are_counted(void **unused)
{
	struct walk w = { 0 };
	struct unwind_tables *t;
	struct unwind_tables_stats stats;
	int fds[2] = { many_rules(TPROF_MAX_RULES + 100), open(LIBC, O_RDONLY | O_CLOEXEC) };

	(void)unused;
	walk_open(&w, &t, 16 << 20);
	for (uint32_t i = 0; i < 2; i++) {
		struct cfi c = { 0 };
		size_t before, full;

		unwind_tables_get_stats(t, &stats);
		before = stats.rules_full;
		assert_int_equal(unwind_tables_add(t, i + 1, fds[i], false), 0);
		assert_int_equal(unwind_tables_load(t, NULL), 0);
		assert_int_equal(cfi_read_fd(&c, fds[i], NULL), 0);
		full = rows_without_room(&w, i + 1, &c);
		unwind_tables_get_stats(t, &stats);
		assert_int_equal(stats.loaded, i + 1);
		/* two rules are not the file's own; some of libc's are in the first file, too */
		assert_in_range(full, i ? 1000 : 100, i ? c.count : 110);
		assert_in_range(stats.rules_full - before, i ? 100 : full, i ? c.rule_count : full);
		cfi_release(&c);
		close(fds[i]);
	}
	unwind_tables_free(t);
	fake_reset();
}

/* What a library as large as libjvm may take: tprof is not the target's load, and starts soon. */
static void tables_are_built_in_time(void **unused)
{
	static const char *const small[] = { "/bin/ls", LIBC, "/lib64/ld-linux-x86-64.so.2",
					     "/lib/x86_64-linux-gnu/libselinux.so.1" };
	static const char *const large[] = { "/usr/lib/jvm/default-java/lib/server/libjvm.so",
					     "/usr/sbin/mariadbd" };
	struct timespec a, b;

	(void)unused;
	for (size_t which = 0; which < 3; which++) {
		const char *const *paths = which ? &large[which - 1] : small;
		struct unwind_tables *t;
		struct walk w = { 0 };
		double ms, most = which ? 500 : 50;
		int fds[4], n = 0;

		walk_open(&w, &t, 64 << 20);
		for (int i = 0; i < (which ? 1 : 4); i++) {
			fds[n] = open(paths[i], O_RDONLY | O_CLOEXEC);
			if (fds[n] >= 0)
				unwind_tables_add(t, (uint32_t)n + 1, fds[n], false), n++;
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a); /* others may be at work here, too */
		assert_int_equal(unwind_tables_load(t, NULL), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
		ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
		if (n)
			print_message("# %s: %.1f ms\n", paths[0], ms);
#ifndef __SANITIZE_ADDRESS__
		assert_true(ms < most);
#else
		(void)most;
#endif
		unwind_tables_free(t);
		while (n)
			close(fds[--n]);
		fake_reset();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_says_what_the_rows_say),
		cmocka_unit_test(least_used_makes_room),
		cmocka_unit_test(hottest_goes_first),
		cmocka_unit_test(tables_in_use_stay),
		cmocka_unit_test(rules_without_room_are_counted),
		cmocka_unit_test(tables_are_built_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
