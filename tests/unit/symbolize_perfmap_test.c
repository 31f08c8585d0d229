/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_of.h"
#include "symbolize/perfmap.h"
#include "symbolize/symbolize.h"

static char *found[8];

static void keep(void *ctx, const struct query *q, const char *name)
{
	(void)ctx;
	free(found[q->id]);
	found[q->id] = strdup(name);
}

static const char *name_in_fd(int fd, uint64_t addr)
{
	struct query q = { .addr = addr, .id = 1 };

	keep(NULL, &q, "");
	EXPECT_EQ(perfmap_names(fd, &q, 1, keep, NULL), 0);
	return found[1];
}

static const char *name_in(const char *text, uint64_t addr)
{
	int fd = memfd_create("map", MFD_CLOEXEC);
	const char *name;

	EXPECT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	name = name_in_fd(fd, addr);
	close(fd);
	return name;
}

TEST(perfmap__line_that_covers_the_address)
{
	static const char text[] = "1000 100 JS:~first /a b.js:1:2\n"
				   "0x00002000 0x0000000000000010 second\n";

	EXPECT_STR(name_in(text, 0x1000), "JS:~first /a b.js:1:2");
	EXPECT_STR(name_in(text, 0x10ff), "JS:~first /a b.js:1:2");
	EXPECT_STR(name_in(text, 0x1100), "");
	EXPECT_STR(name_in(text, 0x2008), "second");
	EXPECT_STR(name_in("1000 10 no newline", 0x1001), "");
}

TEST(perfmap__latest_entry_wins)
{
	EXPECT_STR(name_in("1000 100 old\n1040 40 new\n", 0x1050), "new");
	EXPECT_STR(name_in("1000 100 old\n1040 40 new\n", 0x1010), "old");
}

TEST(perfmap__java_names_lose_types)
{
	EXPECT_STR(name_in("1000 10 long Hot$Inner.f(long, java.lang.String)\n", 0x1000),
		   "Hot$Inner.f");
	EXPECT_STR(name_in("1000 10 void a.b.C.<init>()\n", 0x1000), "a.b.C.<init>");
	EXPECT_STR(name_in("1000 10 StubRoutines (1)\n", 0x1000), "StubRoutines (1)");
	EXPECT_STR(name_in("1000 10 py::f:/a (b)\n", 0x1000), "py::f:/a (b)");
}

TEST(perfmap__control_characters_do_not_get_through)
{
	EXPECT_STR(name_in("1000 10 a\033[2Jb\tc\r\n", 0x1000), "a?[2Jb?c");
}

TEST(perfmap__garbage_is_passed_over)
{
	EXPECT_STR(name_in("\n\n \nxyz\n1000\n1000 \n1000 10\n1000 10 \n"
			   "12345678123456789 10 wide\nffffffffffffffff 10 wraps\n1000 0 empty\n"
			   "1000 10 good\n",
			   0x1000),
		   "good");
}

/* A line longer than what is read at once: its name is cut, its rest is no line. */
TEST(perfmap__very_long_lines)
{
	size_t len = 300000;
	char *text = malloc(len + 64);

	memset(text, 'x', len);
	memcpy(text, "1000 10 ", 8);
	memcpy(text + 200000, " 2000 10 inside ", 16);
	strcpy(text + len, "\n3000 10 after\n");
	EXPECT_EQ(strlen(name_in(text, 0x1001)), 4000);
	EXPECT_STR(name_in(text, 0x2001), "");
	EXPECT_STR(name_in(text, 0x3001), "after");
	free(text);
}

TEST(perfmap__ten_sparse_gigabytes_take_no_time)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	EXPECT_EQ(ftruncate(fd, 10ll << 30), 0);
	EXPECT_EQ(pwrite(fd, "\n1000 10 end\n", 13, (10ll << 30) - 13), 13);
	EXPECT_STR(name_in_fd(fd, 0x1001), "end");
	close(fd);
}

/* ── which files are read at all ────────────────────────────────────────────────────────────── */

/* What perfmap_open says to the file that this shell command makes of $f. */
static int opened(const char *command)
{
	int fd, root;

	scratch_make();
	scratch_run("mkdir -p root/tmp; f=root/tmp/perf-7.map; %s", command);
	root = open(scratch_path("root"), O_PATH | O_CLOEXEC);
	fd = perfmap_open(root, 7, getuid() + 1000);
	close(root);
	if (fd >= 0)
		close(fd);
	scratch_remove();
	return fd < 0 ? fd : 0;
}

TEST(perfmap_open__regular_file_of_the_process_or_root)
{
	if (getuid() != 0)
		SKIP("chown needs root");
	EXPECT_EQ(opened("echo > $f; chown 1000 $f"), 0);
	EXPECT_EQ(opened("echo > $f"), 0);
}

TEST(perfmap_open__nothing_else)
{
	if (getuid() != 0)
		SKIP("chown needs root");
	EXPECT_EQ(opened("true"), -ENOENT);
	EXPECT_EQ(opened("echo > $f; chown 1001 $f"), -EPERM);
	EXPECT_EQ(opened("echo > x; ln -s ../../x $f"), -ELOOP);
	EXPECT_EQ(opened("echo > x; ln x $f"), -EPERM);
	EXPECT_EQ(opened("mkfifo $f"), -EINVAL);
	EXPECT_EQ(opened("mkdir $f"), -EINVAL);
	EXPECT_EQ(opened("mknod $f c 1 5"), -EINVAL);
	EXPECT_EQ(
		opened("rmdir root/tmp; mkdir out; echo > out/perf-7.map; ln -s ../../out root/tmp"),
		-ENOENT);
}

TEST(perfmap__names_of_hidden_classes_are_the_same_in_each_run)
{
	EXPECT_STR(name_in("1000 10 void Pool$$Lambda$2/0x00007fb455000c30.run()\n", 0x1000),
		   "Pool$$Lambda$2.run");
	EXPECT_STR(name_in("1000 10 JS:*f /0x00007fb4/x.js:1:2\n", 0x1000),
		   "JS:*f /0x00007fb4/x.js:1:2");
}

TEST(symbolize__jit_frames_by_the_perf_map_in_the_targets_root)
{
	struct profile *p = profile_new();
	struct profile_module m = { .type = PROFILE_MODULE_JIT, .fd = -1 };

	scratch_make();
	scratch_run("mkdir -p root/tmp; echo '5000 10 JS:*hot x.js:1:1' > root/tmp/perf-7.map");
	m.root_fd = open(scratch_path("root"), O_PATH | O_CLOEXEC);
	m.process = profile_process(p, 4711, 1);
	profile_process_at(p, m.process)->ns_pid = 7;
	profile_process_at(p, m.process)->uid = getuid();
	EXPECT_STR(named(p, profile_module(p, &m), 0x5008), "JS:*hot x.js:1:1");
	profile_free(p);
	scratch_remove();
}
