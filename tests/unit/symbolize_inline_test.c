/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf_of.h"
#include "symbolize/symbolize.h"

static const char source[] = "static volatile int sink;\n"
			     "#define INLINE static inline __attribute__((always_inline))\n"
			     "INLINE void inner(int x) { sink = x;\n" /* line 3 */
			     "  __asm__ volatile(\"mark: nop\");\n"   /* line 4 */
			     "}\n"
			     "INLINE void middle(int x) {\n"
			     "  inner(x + 1); }\n" /* line 7 */
			     "void outer(int x) {\n"
			     "  sink = 3;\n"
			     "  middle(x); }\n" /* line 10 */
			     "void plain(void) { sink = 1; }\n";

/* "inner@3 middle@7 outer@10": functions innermost first; '*' marks the inlined ones. */
static const char *expanded(struct profile *p, uint32_t module, uint64_t offset, bool lines)
{
	static char text[512];
	uint32_t frame = profile_frame(p, module, offset);
	const struct profile_frame *f;

	text[0] = '\0';
	EXPECT_EQ(
		symbolize(p, &(struct symbolize_options){ .inlines = true, .lines = lines }, NULL),
		0);
	f = profile_frame_at(p, frame);
	for (uint32_t i = 0; i < f->lines; i++) {
		const struct profile_line *l = profile_line_at(p, f->first_line + i);
		const char *file = strrchr(profile_str(p, l->file), '/');
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s%s", len ? " " : "",
			 profile_str(p, l->function), l->inlined ? "*" : "");
		len = strlen(text);
		if (l->line)
			snprintf(text + len, sizeof(text) - len, "@%s:%u",
				 file ? file + 1 : profile_str(p, l->file), l->line);
	}
	return text;
}

static void build(const char *compiler, const char *name)
{
	scratch_make();
	scratch_write(name, source);
	scratch_run("%s -O1 -g -fPIC -shared -Wl,--build-id=0xabcdef0123456789 -o lib.so %s",
		    compiler, name);
}

TEST(inline__calls_are_expanded_innermost_first)
{
	struct profile *p = profile_new();
	uint32_t m;

	build("cc", "a.c");
	m = module_for(p, "lib.so", NULL);
	EXPECT_STR(expanded(p, m, nm("lib.so", "mark"), false), "inner* middle* outer");
	EXPECT_STR(expanded(p, m, nm("lib.so", "plain"), false), "plain");
	profile_free(p);
	scratch_remove();
}

TEST(inline__lines)
{
	struct profile *p = profile_new();
	uint32_t m;

	build("cc", "a.c");
	m = module_for(p, "lib.so", NULL);
	EXPECT_STR(expanded(p, m, nm("lib.so", "mark"), true),
		   "inner*@a.c:4 middle*@a.c:7 outer@a.c:10");
	profile_free(p);
	scratch_remove();
}

TEST(inline__from_a_separate_debug_file)
{
	struct profile *p = profile_new();
	uint64_t mark;

	build("cc", "a.c");
	mark = nm("lib.so", "mark");
	scratch_run("mkdir -p root/usr/lib/debug/.build-id/ab; strip --only-keep-debug -o "
		    "root/usr/lib/debug/.build-id/ab/cdef0123456789.debug lib.so; strip lib.so");
	EXPECT_STR(expanded(p, module_for(p, "lib.so", scratch_path("root")), mark, false),
		   "inner* middle* outer");
	profile_free(p);
	scratch_remove();
}

TEST(inline__cpp_names_are_whole)
{
	static const char cpp[] =
		"namespace n { struct S { static int v; __attribute__((always_inline)) "
		"static inline void in(int x) { v = x; "
		"__asm__ volatile(\"mark: nop\"); } void f(int); };\n"
		"int S::v; void S::f(int x) { in(x); } }\n";
	struct profile *p = profile_new();

	scratch_make();
	scratch_write("a.cc", cpp);
	scratch_run("c++ -O1 -g -fPIC -shared -o lib.so a.cc");
	EXPECT_STR(expanded(p, module_for(p, "lib.so", NULL), nm("lib.so", "mark"), false),
		   "n::S::in* n::S::f");
	profile_free(p);
	scratch_remove();
}

/* The file is broken behind the sections that name functions: they stay named, calls unexpanded. */
TEST(inline__broken_debug_info_costs_only_the_expansion)
{
	struct profile *p = profile_new();

	build("cc", "a.c");
	scratch_run("head -c 200 /dev/urandom > junk; "
		    "objcopy --update-section .debug_abbrev=junk lib.so");
	EXPECT_STR(expanded(p, module_for(p, "lib.so", NULL), nm("lib.so", "mark"), false),
		   "outer");
	profile_free(p);
	scratch_remove();
}
