// SPDX-License-Identifier: BSD-2-Clause
/* What a process maps: the lines of /proc, the sorted set, the slices of BPF's array, the journal. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "collect/cpus.h"
#include "collect/journal.h"
#include "collect/maps.h"
#include "collect/mapset.h"
#include "collect/procinfo.h"
#include "collect/slices.h"

/* ── lines of /proc/PID/maps ────────────────────────────────────────────────────────────────── */

static bool parse(const char *line, struct map_entry *e)
{
	static char copy[512];

	snprintf(copy, sizeof(copy), "%s", line);
	return maps_parse_line(copy, e);
}

TEST(maps_parse_line__takes_executable_files)
{
	struct map_entry e;

	EXPECT(parse("7f01-7f03 r-xp 00001000 08:02 123 /usr/lib/a b.so", &e));
	EXPECT_EQ(e.start, 0x7f01);
	EXPECT_EQ(e.end, 0x7f03);
	EXPECT_EQ(e.offset, 0x1000);
	EXPECT_EQ(e.dev, makedev(8, 2));
	EXPECT_EQ(e.inode, 123);
	EXPECT_STR(e.path, "/usr/lib/a b.so");
}

TEST(maps_parse_line__brings_newlines_back)
{
	struct map_entry e;

	EXPECT(parse("1000-2000 r-xp 0 00:00 1 /a\\012b\\0129", &e));
	EXPECT_STR(e.path, "/a\nb\n9");
}

TEST(maps_parse_line__takes_anonymous_memory)
{
	struct map_entry e;

	EXPECT(parse("1000-2000 rwxp 0 00:00 0", &e));
	EXPECT_STR(e.path, "");
}

TEST(maps_parse_line__leaves_out_what_is_no_code)
{
	struct map_entry e;

	EXPECT(!parse("1000-2000 rw-p 0 00:00 0 [heap]", &e));
	EXPECT(!parse("2000-1000 r-xp 0 00:00 0", &e));
	EXPECT(!parse("", &e));
	EXPECT(!parse("nonsense", &e));
	EXPECT(!parse("1000-2000 r", &e));
}

static int count_entry(void *ctx, const struct map_entry *e)
{
	struct map_entry *found = ctx;
	uint64_t here = (uintptr_t)count_entry;

	if (here >= e->start && here < e->end)
		*found = *e;
	return 0;
}

TEST(maps_read__finds_this_function)
{
	struct map_entry e = { 0 };

	EXPECT_EQ(maps_read(getpid(), 1000, count_entry, &e), 0);
	EXPECT(e.inode != 0);
}

TEST(maps_read__stops_at_its_limit)
{
	struct map_entry e = { 0 };

	EXPECT_EQ(maps_read(getpid(), 1, count_entry, &e), -E2BIG);
}

/* ── the sorted set ─────────────────────────────────────────────────────────────────────────── */

static void insert(struct mapset *s, uint64_t start, uint64_t end, uint32_t object)
{
	struct tprof_mapping m = { .start = start, .end = end, .offset = start, .object = object };

	mapset_insert(s, &m);
}

/* "start-end:object@offset " for each. */
static const char *text(const struct mapset *s)
{
	static char out[512];
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->count; i++)
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%llu-%llu:%u@%llu",
					i ? " " : "", s->list[i].start, s->list[i].end,
					s->list[i].object, s->list[i].offset);
	return out;
}

TEST(mapset_insert__sorts)
{
	struct mapset s = { 0 };

	insert(&s, 30, 40, 3);
	insert(&s, 10, 20, 1);
	insert(&s, 20, 30, 2);
	EXPECT_STR(text(&s), "10-20:1@10 20-30:2@20 30-40:3@30");
	mapset_release(&s);
}

TEST(mapset_insert__replaces_what_it_covers)
{
	struct mapset s = { 0 };

	insert(&s, 10, 20, 1);
	insert(&s, 20, 30, 2);
	insert(&s, 5, 35, 3);
	EXPECT_STR(text(&s), "5-35:3@5");
	mapset_release(&s);
}

TEST(mapset_insert__cuts_what_it_covers_in_part)
{
	struct mapset s = { 0 };

	insert(&s, 10, 20, 1);
	insert(&s, 20, 30, 2);
	insert(&s, 15, 25, 3);
	EXPECT_STR(text(&s), "10-15:1@10 15-25:3@15 25-30:2@25");
	mapset_release(&s);
}

TEST(mapset_insert__splits_what_it_lies_in)
{
	struct mapset s = { 0 };

	insert(&s, 10, 40, 1);
	insert(&s, 20, 30, 2);
	EXPECT_STR(text(&s), "10-20:1@10 20-30:2@20 30-40:1@30");
	mapset_release(&s);
}

TEST(mapset_insert__joins_jit_memory_when_there_is_much)
{
	struct mapset s = { 0 };
	uint64_t libc = 0x7000000000, n;

	insert(&s, 0x1000, 0x3000, 1);
	for (n = 0; n < 40000; n++)
		insert(&s, 0x10000 + n * 0x2000, 0x11000 + n * 0x2000, 0);
	insert(&s, libc, libc + 0x1000, 2);
	EXPECT(s.count < 2 * MAPSET_MANY);
	EXPECT(mapset_find(&s, libc)->object == 2);
	EXPECT(!mapset_find(&s, 0x10000 + 39999 * 0x2000)->object);
	/* downwards, too, and a file within is a file */
	insert(&s, libc - 0x9000, libc - 0x8000, 0);
	insert(&s, libc - 0xb000, libc - 0xa000, 0);
	n = s.count;
	insert(&s, libc - 0xd000, libc - 0xc000, 0);
	EXPECT(s.count == n);
	insert(&s, libc - 0xb000, libc - 0xa000, 3);
	EXPECT(mapset_find(&s, libc - 0xb000)->object == 3);
	EXPECT(!mapset_find(&s, libc - 0xd000)->object);
	mapset_release(&s);
}

TEST(mapset_insert__tells_whether_anything_changed)
{
	struct tprof_mapping m = { .start = 1, .end = 2 };
	struct mapset s = { 0 };

	EXPECT(mapset_insert(&s, &m));
	EXPECT(!mapset_insert(&s, &m));
	mapset_release(&s);
}

TEST(mapset_find__ends_are_outside)
{
	struct mapset s = { 0 };

	insert(&s, 10, 20, 1);
	insert(&s, 30, 40, 2);
	EXPECT_NULL(mapset_find(&s, 9));
	EXPECT_EQ(mapset_find(&s, 10)->object, 1);
	EXPECT_EQ(mapset_find(&s, 19)->object, 1);
	EXPECT_NULL(mapset_find(&s, 20));
	EXPECT_EQ(mapset_find(&s, 39)->object, 2);
	EXPECT_NULL(mapset_find(&s, 40));
	mapset_release(&s);
}

TEST(mapset_insert__is_bounded)
{
	struct mapset s = { 0 };

	for (uint64_t i = 1; i < MAPSET_MAX + 100; i++)
		insert(&s, i * 10, i * 10 + 5, 1);
	assert_in_range(s.count, MAPSET_MAX, MAPSET_MAX + 2);
	mapset_release(&s);
}

/* ── slices ─────────────────────────────────────────────────────────────────────────────────── */

TEST(slices_take__does_not_give_again_what_may_still_be_read)
{
	struct slices s = { .size = 64 };
	int64_t a = slices_take(&s, 10), b = slices_take(&s, 17);

	EXPECT_EQ(a, 0);
	EXPECT_EQ(b, 16);
	slices_give(&s, (uint32_t)a, 10);
	EXPECT_EQ(slices_take(&s, 1), 48);
	EXPECT_EQ(slices_take(&s, 1), -ENOSPC);
	slices_settle(&s);
	EXPECT_EQ(slices_take(&s, 16), 0);
	slices_release(&s);
}

TEST(slices_take__refuses_more_than_there_can_be)
{
	struct slices s = { .size = 1 << 20 };

	EXPECT_EQ(slices_take(&s, 65536), 0);
	EXPECT_EQ(slices_take(&s, 65537), -ENOSPC);
	slices_release(&s);
}

/* ── the journal ────────────────────────────────────────────────────────────────────────────── */

static int append(void *ctx, const struct map_entry *e)
{
	strcat(ctx, e->path);
	return 0;
}

TEST(journal_replay__tells_one_process_in_order)
{
	struct journal j = { 0 };
	char paths[64] = "";

	EXPECT_EQ(journal_init(&j), 0);
	journal_add(&j, 1, &(struct map_entry){ .path = "/a" });
	journal_add(&j, 2, &(struct map_entry){ .path = "/x" });
	journal_add(&j, 1, &(struct map_entry){ .path = "/b" });
	journal_replay(&j, 1, append, paths);
	EXPECT_STR(paths, "/a/b");
	journal_release(&j);
}

TEST(journal_add__forgets_the_oldest)
{
	struct journal j = { 0 };
	char paths[64] = "";

	EXPECT_EQ(journal_init(&j), 0);
	journal_add(&j, 1, &(struct map_entry){ .path = "/old" });
	for (int i = 0; i < JOURNAL_ENTRIES - 1; i++)
		journal_add(&j, 2, &(struct map_entry){ .path = "/x" });
	journal_add(&j, 1, &(struct map_entry){ .path = "/new" });
	journal_replay(&j, 1, append, paths);
	EXPECT_STR(paths, "/new");
	journal_release(&j);
}

/* ── small parsers ──────────────────────────────────────────────────────────────────────────── */

static const char *cpus(const char *list)
{
	static char out[9];
	bool mask[8];

	cpus_parse_list(list, mask, 8);
	for (int i = 0; i < 8; i++)
		out[i] = mask[i] ? '1' : '.';
	return out;
}

TEST(cpus_parse_list__takes_ranges)
{
	EXPECT_STR(cpus("0-3,5\n"), "1111.1..");
	EXPECT_STR(cpus("0"), "1.......");
	EXPECT_STR(cpus(""), "........");
	EXPECT_STR(cpus("6-99"), "......11");
	EXPECT_STR(cpus("x"), "........");
}

TEST(procinfo_container__finds_64_hex_digits)
{
	const char *id = NULL;
	char path[128], hex[65];

	memset(hex, 'a', 64);
	hex[64] = '\0';
	snprintf(path, sizeof(path), "/system.slice/docker-%s.scope", hex);
	EXPECT_EQ(procinfo_container(path, &id), 64);
	assert_ptr_equal(id, path + strlen("/system.slice/docker-"));
	EXPECT_EQ(procinfo_container("/user.slice", &id), 0);
	snprintf(path, sizeof(path), "/x-%sa", hex);
	EXPECT_EQ(procinfo_container(path, &id), 0);
}
