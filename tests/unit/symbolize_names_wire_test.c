/* SPDX-License-Identifier: BSD-2-Clause */
/* Naming in a child process: what it says, what it may say, and what becomes of its death. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "elf_of.h"
#include "symbolize/names_wire.h"
#include "symbolize/symbolize.h"

static const char *name_of(struct profile *p, uint32_t frame)
{
	const struct profile_frame *f = profile_frame_at(p, frame);

	return f->lines ? profile_str(p, profile_line_at(p, f->first_line)->function) : "";
}

TEST(symbolize_apart__names_as_symbolize_does)
{
	struct profile *p = profile_new();
	const struct symbolize_options o = { .inlines = true };
	uint32_t m, here, unknown;

	scratch_make();
	scratch_write("a.c", "int here(void) { return 1; }\n");
	scratch_run("cc -O1 -g -fPIC -shared -Wl,--build-id=0xabcdef0123456789 -o lib.so a.c");
	m = module_for(p, "lib.so", NULL);
	here = profile_frame(p, m, nm("lib.so", "here"));
	unknown = profile_frame(p, m, 1ULL << 40);
	EXPECT_EQ(symbolize_apart(p, &o, NULL), 0);
	EXPECT_STR(name_of(p, here), "here");
	EXPECT_STR(name_of(p, unknown), "");
	EXPECT_STR(profile_str(p, profile_module_at(p, m)->build_id), "abcdef0123456789");
	profile_free(p);
	scratch_remove();
}

TEST(symbolize_apart__asks_for_a_debug_file)
{
	struct profile *p = profile_new();
	const struct symbolize_options o = { 0 };
	uint32_t m, here;
	uint64_t at;

	scratch_make();
	scratch_write("a.c",
		      "__attribute__((noinline)) static int hidden(int x) { return x * 3; }\n"
		      "int here(int x) { return hidden(x) + 1; }\n");
	scratch_run("cc -O1 -g -fPIC -shared -Wl,--build-id=0xabcdef0123456789 -o lib.so a.c");
	at = nm("lib.so", "hidden");
	scratch_run("objcopy --only-keep-debug lib.so lib.debug && strip lib.so && "
		    "objcopy --add-gnu-debuglink=lib.debug lib.so && chmod 600 lib.debug");
	m = module_for(p, "lib.so", NULL);
	here = profile_frame(p, m, at);
	EXPECT_EQ(symbolize_apart(p, &o, NULL), 0);
	EXPECT_STR(name_of(p, here), "hidden");
	profile_free(p);
	scratch_remove();
}

/* ── what the child says ────────────────────────────────────────────────────────────────────── */

static struct profile *two_frames(void)
{
	struct profile *p = profile_new();
	struct profile_module m = { .type = PROFILE_MODULE_FILE, .fd = -1, .root_fd = -1 };

	m.name = profile_string(p, "/lib");
	profile_frame(p, profile_module(p, &m), 1);
	profile_frame(p, profile_module(p, &m), 2);
	return p;
}

/* One message of words to a new reader. */
static int says(enum names_type type, const uint32_t *words, size_t n)
{
	struct profile *p = two_frames();
	struct names_reader r = { .p = p, .base = (uint32_t)profile_string_count(p) };
	struct buf b = BUF_INIT;
	size_t used;
	int err;

	names_put(&b, NAMES_STRING, "text", 4);
	names_put(&b, type, words, n * sizeof(*words));
	err = names_read(&r, b.data, b.len, &used);
	names_reader_release(&r);
	buf_release(&b);
	profile_free(p);
	return err;
}

#define SAYS(type, ...)                               \
	says(type, (const uint32_t[]){ __VA_ARGS__ }, \
	     sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

TEST(names_read__takes_what_fits)
{
	EXPECT_EQ(SAYS(NAMES_FRAME, 1, 2, 0, 7, 0), 0);
	EXPECT_EQ(SAYS(NAMES_BUILD_ID, 1, 2), 0);
	EXPECT_EQ(SAYS(NAMES_AT, 1, 0), 0);
	EXPECT_EQ(SAYS(NAMES_END, 0), 0);
}

TEST(names_read__refuses_what_does_not)
{
	EXPECT_EQ(SAYS(NAMES_FRAME, 3, 2, 0, 7, 0), -EBADMSG);	/* no such frame */
	EXPECT_EQ(SAYS(NAMES_FRAME, 1, 99, 0, 7, 0), -EBADMSG); /* nor string */
	EXPECT_EQ(SAYS(NAMES_FRAME, 1), -EBADMSG);
	EXPECT_EQ(SAYS(NAMES_FRAME, 1, 2, 0), -EBADMSG);
	EXPECT_EQ(SAYS(NAMES_BUILD_ID, 9, 2), -EBADMSG);
	EXPECT_EQ(SAYS(NAMES_LOCK, 1, 2), -EBADMSG);
	EXPECT_EQ(SAYS(NAMES_AT, 0, 0), -EBADMSG);
	EXPECT_EQ(SAYS(NAMES_AT, 1, 2), -EBADMSG);
	EXPECT_EQ(SAYS(99, 1, 2), -EBADMSG);
}

/* Else a child that dies at one file again and again would never end. */
TEST(names_read__goes_forward_only)
{
	struct profile *p = two_frames();
	struct names_reader r = { .p = p, .module = 1 };
	struct buf b = BUF_INIT;
	size_t used;

	names_put(&b, NAMES_AT, (const uint32_t[]){ 1, 0 }, 8);
	EXPECT_EQ(names_read(&r, b.data, b.len, &used), -EBADMSG);
	buf_release(&b);
	profile_free(p);
}

TEST(names_read__waits_for_the_rest_of_a_message)
{
	struct profile *p = two_frames();
	struct names_reader r = { .p = p };
	struct buf b = BUF_INIT;
	size_t used = 1;

	names_put(&b, NAMES_NOTE, "a note", 6);
	for (size_t len = 0; len < b.len; len++) {
		EXPECT_EQ(names_read(&r, b.data, len, &used), 0);
		EXPECT_EQ(used, 0);
	}
	EXPECT_EQ(names_read(&r, b.data, b.len, &used), 0);
	EXPECT_EQ(used, b.len);
	buf_release(&b);
	profile_free(p);
}
