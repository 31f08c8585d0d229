/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the child process does that reads debug information (symbolize_inline_test asks it through the
 * child): here in this process, so that sanitizers and gcov see it.
 */
#include "test.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_of.h"
#include "symbolize/dwarf.h"
#include "symbolize/query.h"

static void tell(void *ctx, const struct query *q, const struct dwarf_line *lines, size_t n)
{
	char *text = ctx;

	for (size_t i = 0; i < n; i++) {
		const char *file = lines[i].file ? strrchr(lines[i].file, '/') : NULL;
		size_t len = strlen(text);

		snprintf(text + len, 1024 - len, "%s%s%s", len ? " " : "",
			 lines[i].function ? lines[i].function : "?", lines[i].inlined ? "*" : "");
		len = strlen(text);
		if (lines[i].line)
			snprintf(text + len, 1024 - len, "@%s:%u", file ? file + 1 : "?",
				 lines[i].line);
	}
	(void)q;
}

/* "inner*@a.c:3 outer@a.c:9" for the symbols of lib.so, in the order of their addresses. */
static const char *looked_up(const char *symbols, bool lines)
{
	static char text[1024];
	struct query q[8] = { 0 };
	char list[64], *next = list;
	int fd = open(scratch_path("lib.so"), O_RDONLY);
	size_t n = 0;

	EXPECT(fd >= 0);
	snprintf(list, sizeof(list), "%s", symbols);
	for (const char *s; (s = strsep(&next, " ")) != NULL; n++)
		q[n].offset = q[n].addr = nm("lib.so", s);
	query_sort(q, n);
	text[0] = '\0';
	EXPECT_EQ(dwarf_lookup(fd, -1, q, n, lines, tell, text), 0);
	close(fd);
	return text;
}

static void build(const char *flags, const char *source)
{
	scratch_make();
	scratch_write("a.cc", source);
	scratch_run("%s -g -fPIC -shared -o lib.so a.cc", flags);
}

#define MARK(name) "__asm__ volatile(\"" name ": nop\");"

TEST(dwarf__calls_in_blocks_and_twice_the_same)
{
	static const char source[] =
		"static volatile int sink;\n"
		"static inline __attribute__((always_inline)) void in(int x) {\n"
		"  sink = x; if (x == 1) " MARK("mark1") " else if (x == 2) " MARK(
			"mark2") " }\n"
				 "void outer(int x) {\n"
				 "  in(1);\n"
				 "  { int y = sink; if (x) { int z = y + sink; in(2); sink = z; } }\n"
				 "}\n";

	build("cc -x c -O1", source);
	EXPECT_STR(looked_up("mark1 mark2", true),
		   "in*@a.cc:3 outer@a.cc:5 in*@a.cc:3 outer@a.cc:6");
	EXPECT_STR(looked_up("mark2", false), "in* outer");
	scratch_remove();
}

/* Scopes: namespaces with and without a name, classes; functions that only their own file knows. */
TEST(dwarf__names_carry_their_scopes)
{
	static const char source[] =
		"static volatile int sink;\n"
		"#define IN static inline __attribute__((always_inline))\n"
		"namespace app { namespace {\n"
		"struct Engine { IN void turn(int x) { sink = x; " MARK(
			"mark1") " } };\n"
				 "IN void local(int x) { Engine::turn(x); " MARK(
					 "mark2") " }\n"
						  "} struct Box { template <class T> __attribute__((always_inline)) void put(T t) {\n"
						  "  try { local((int)t); } catch (int e) { sink = e; } " MARK(
							  "mark3") " } };\n"
								   "void drive(int x) { Box b; b.put(x); } }\n"
								   "extern \"C\" void plain(void) { sink = 1; }\n";

	build("c++ -O1", source);
	EXPECT_CONTAINS(looked_up("mark1", false), "Engine");
	EXPECT_CONTAINS(looked_up("mark1", false), "turn");
	EXPECT_CONTAINS(looked_up("mark2", false), "local");
	EXPECT_CONTAINS(looked_up("mark3", false), "put");
	EXPECT_STR(looked_up("plain", true), "plain@a.cc:9");
	scratch_remove();
}

/* The same by the other compiler, and in the older format, where ranges stand elsewhere. */
TEST(dwarf__other_producers)
{
	static const char source[] =
		"static volatile int sink;\n"
		"static inline __attribute__((always_inline)) void in(int x) { sink = x; " MARK(
			"mark") " }\n"
				"void outer(int x) { in(x); }\n";

	build("clang -x c -O1", source);
	EXPECT_STR(looked_up("mark", false), "in* outer");
	scratch_remove();
	build("cc -x c -O1 -gdwarf-4 -ffunction-sections", source);
	EXPECT_STR(looked_up("mark", true), "in*@a.cc:2 outer@a.cc:3");
	scratch_remove();
}

TEST(dwarf__an_address_of_nobody_is_not_told)
{
	struct query q[] = { { .addr = 1 }, { .addr = UINT64_MAX - 1 } };
	char text[1024] = "";
	int fd;

	build("cc -x c", "int f(void) { return 1; }\n");
	fd = open(scratch_path("lib.so"), O_RDONLY);
	EXPECT_EQ(dwarf_lookup(fd, -1, q, 2, true, tell, text), 0);
	EXPECT_STR(text, "");
	/* Not an ELF file, as the file or as what its alternate link names. */
	close(fd);
	fd = open(scratch_path("a.cc"), O_RDONLY);
	EXPECT(dwarf_lookup(fd, fd, q, 2, true, tell, text) < 0);
	close(fd);
	scratch_remove();
}

static const char inlining[] =
	"static volatile int sink;\n"
	"static inline __attribute__((always_inline)) void in(int x) { sink = x; " MARK(
		"mark") " }\n"
			"void outer(int x) { in(x); }\n";

/* Where the section begins in lib.so: with its Elf64_Chdr. */
static off_t section_at(const char *wanted)
{
	int fd = open(scratch_path("lib.so"), O_RDONLY);
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t strings;
	off_t at = -1;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	EXPECT_EQ(elf_getshdrstrndx(elf, &strings), 0);
	while (at < 0 && (section = elf_nextscn(elf, section)) != NULL) {
		EXPECT(gelf_getshdr(section, &header) != NULL);
		if (strcmp(elf_strptr(elf, strings, header.sh_name), wanted) == 0)
			at = (off_t)header.sh_offset;
	}
	EXPECT(at > 0);
	EXPECT(header.sh_flags & SHF_COMPRESSED);
	elf_end(elf);
	close(fd);
	return at;
}

static void overwrite(off_t at, const void *bytes, size_t n)
{
	int fd = open(scratch_path("lib.so"), O_WRONLY);

	EXPECT_EQ(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

TEST(dwarf__compressed_sections)
{
	build("cc -x c -O1 -gz=zlib", inlining);
	EXPECT(section_at(".debug_info") > 0);
	EXPECT_STR(looked_up("mark", true), "in*@a.cc:2 outer@a.cc:3");
	scratch_remove();
}

/* No names then, and no more memory than what the section could hold. */
TEST(dwarf__compressed_sections_that_lie)
{
	static const uint64_t sizes[] = { 0, 1, 1ull << 20, 1ull << 40, UINT64_MAX };
	static const uint8_t noise[] = { 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a };
	static const uint32_t method = 77;
	struct query q[] = { { .addr = 1 } };
	char text[1024] = "";
	off_t at;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) + 2; i++) {
		int fd;

		build("cc -x c -O1 -gz=zlib", inlining);
		at = section_at(".debug_info");
		if (i < sizeof(sizes) / sizeof(sizes[0]))
			overwrite(at + (off_t)offsetof(Elf64_Chdr, ch_size), &sizes[i], 8);
		else if (i == sizeof(sizes) / sizeof(sizes[0]))
			overwrite(at + (off_t)sizeof(Elf64_Chdr) + 8, noise, sizeof(noise));
		else
			overwrite(at, &method, sizeof(method));
		fd = open(scratch_path("lib.so"), O_RDONLY);
		q[0].addr = nm("lib.so", "mark");
		(void)dwarf_lookup(fd, -1, q, 1, true, tell, text);
		EXPECT_STR(text, "");
		close(fd);
		scratch_remove();
	}
}
