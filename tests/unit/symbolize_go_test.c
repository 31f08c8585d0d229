/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of stripped Go programs, from tables written here by hand (a real one: live/names_jit). */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "elf_of.h"

static const char code[] = ".text\n.globl first, second, last\n"
			   "first: .fill 16, 1, 0x90\n"
			   "second: .fill 32, 1, 0x90\n"
			   "last: .fill 16, 1, 0x90\n"
			   ".section .gopclntab, \"aw\"\ntable:\n";

/* Go 1.20: numbers of 4 bytes, counted from where the text begins. */
static const char go120[] = ".long 0xfffffff1; .byte 0, 0, 1, 8\n"
			    ".quad 2, 0, first, names - table, 0, 0, 0, functab - table\n"
			    "names: .asciz \"main.first\"\n"
			    "name2: .asciz \"main.(*Server).second\"\n"
			    "functab: .long 0, f1 - functab, second - first, f2 - functab\n"
			    ".long last - first\n"
			    "f1: .long 0, 0\n"
			    "f2: .long second - first, name2 - names\n";

/* Go 1.16: numbers of 8 bytes, addresses. */
static const char go116[] = ".long 0xfffffffa; .byte 0, 0, 1, 8\n"
			    ".quad 2, 0, names - table, 0, 0, 0, functab - table, 0\n"
			    "names: .asciz \"main.first\"\n"
			    "name2: .asciz \"main.(*Server).second\"\n"
			    "functab: .quad first, f1 - functab, second, f2 - functab, last\n"
			    "f1: .quad first; .long 0\n"
			    "f2: .quad second; .long name2 - names\n";

/* The names of first, second and what follows them, in a program without symbols: "a b ". */
static const char *named_by(const char *table, const char *link)
{
	static char text[512];
	struct profile *p = profile_new();
	uint64_t first, second, last;
	char source[4096];
	uint32_t m;

	snprintf(source, sizeof(source), "%s%s", code, table);
	scratch_make();
	scratch_write("a.s", source);
	scratch_run("cc -nostdlib %s -o prog a.s", link);
	first = nm("prog", "first") % 0x400000; /* of a program at a fixed address: its offset */
	second = nm("prog", "second") % 0x400000;
	last = nm("prog", "last") % 0x400000;
	scratch_run("strip prog");
	m = module_for(p, "prog", NULL);
	snprintf(text, sizeof(text), "%s", named(p, m, first + 15));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s", named(p, m, second));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s", named(p, m, last));
	profile_free(p);
	scratch_remove();
	return text;
}

TEST(go__a_stripped_program_keeps_its_names)
{
	EXPECT_STR(named_by(go120, "-no-pie -Wl,-e,first"), "main.first main.(*Server).second ");
	EXPECT_STR(named_by(go116, "-no-pie -Wl,-e,first"), "main.first main.(*Server).second ");
}

/* Where the text begins is then told by a relocation, not by the header. */
TEST(go__position_independent)
{
	EXPECT_STR(named_by(go120, "-shared -Wl,-Bsymbolic"), "main.first main.(*Server).second ");
}

TEST(go__tables_that_lie_name_nothing)
{
	static const char *const lies[] = {
		".long 0xfffffff1; .byte 0, 0, 1, 4; .fill 64, 1, 0\n", /* 32 bits */
		".long 0xfffffffb; .byte 0, 0, 1, 8; .fill 64, 1, 0\n", /* Go 1.2 */
		".long 0xfffffff1; .byte 0, 0, 1, 8; .quad 1 << 40, 0, first, 72, 0, 0, 0, 72\n"
		".fill 64, 1, 0\n",				 /* a million million functions */
		".long 0xfffffff1; .byte 0, 0, 1, 8; .quad 2\n", /* ends in its header */
		".long 0xfffffff1; .byte 0, 0, 1, 8; .quad 2, 0, first, 4000, 0, 0, 0, 72\n"
		".fill 64, 1, 0\n", /* names behind its end */
		/* functions whose name lies behind its end */
		".long 0xfffffff1; .byte 0, 0, 1, 8; .quad 2, 0, first, 72, 0, 0, 0, 72\n"
		".long 0, 0x7fffffff, 16, 20, 48; .long 16, 0x7fffffff\n",
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
		EXPECT_STR(named_by(lies[i], "-no-pie -Wl,-e,first"), "  ");
}
