// SPDX-License-Identifier: BSD-2-Clause
/* Where call frame information is found in a file, and files in which it is not. (What it says:
 * unwind/cfi_test.) */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "collect/cfi.h"
#include "elf_of.h"

static const char source[] =
	"int g(int); int f(int x) { char big[300]; big[x] = 1; return g(big[2]); }\n"
	"int g(int x) { return x > 9 ? f(x - 1) + 1 : 0; }\n";

static void build(const char *flags)
{
	scratch_make();
	scratch_write("a.c", source);
	scratch_run("cc -O1 -fPIC -shared -nostdlib %s -o lib.so a.c", flags);
}

/* Bytes of lib.so from `at` on become these. */
static void patch(long at, const void *bytes, size_t n)
{
	FILE *f = fopen(scratch_path("lib.so"), "r+");

	EXPECT_PTR(f);
	EXPECT_EQ(fseek(f, at, SEEK_SET), 0);
	EXPECT_EQ(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static int read_lib(struct cfi *c)
{
	int fd = open(scratch_path("lib.so"), O_RDONLY);
	int err = cfi_read_fd(c, fd, NULL);

	EXPECT(fd >= 0);
	close(fd);
	return err;
}

static void expect_same(const struct cfi *a, const struct cfi *b)
{
	EXPECT(a->count > 4);
	EXPECT_EQ(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		EXPECT_EQ(a->rows[i].pc, b->rows[i].pc);
		EXPECT_EQ(memcmp(&a->rules[a->rows[i].rule], &b->rules[b->rows[i].rule],
				 sizeof(*a->rules)),
			  0);
	}
}

/* sstrip and packers take the section headers: .eh_frame_hdr is found by its program header. */
TEST(cfi_file__without_section_headers)
{
	struct cfi whole = { 0 }, bare = { 0 };
	static const char none[sizeof(Elf64_Off)];

	build("");
	EXPECT_EQ(read_lib(&whole), 0);
	patch(offsetof(Elf64_Ehdr, e_shoff), none, sizeof(none));
	patch(offsetof(Elf64_Ehdr, e_shnum), none, 2);
	patch(offsetof(Elf64_Ehdr, e_shstrndx), none, 2);
	EXPECT_EQ(read_lib(&bare), 0);
	expect_same(&whole, &bare);
	cfi_release(&whole);
	cfi_release(&bare);
	scratch_remove();
}

TEST(cfi_file__from_memory_as_from_the_file)
{
	struct cfi of_file = { 0 }, of_memory = { 0 };
	static char bytes[1 << 20];
	FILE *f;
	size_t n;

	build("");
	EXPECT_EQ(read_lib(&of_file), 0);
	f = fopen(scratch_path("lib.so"), "r");
	EXPECT_PTR(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	EXPECT_EQ(cfi_read_image(&of_memory, bytes, n, NULL), 0);
	expect_same(&of_file, &of_memory);
	cfi_release(&of_file);
	cfi_release(&of_memory);
	scratch_remove();
}

/* Without .eh_frame, .debug_frame will do, compressed too: the same rows. */
TEST(cfi_file__debug_frame)
{
	struct cfi plain = { 0 }, packed = { 0 };

	build("-g -fno-asynchronous-unwind-tables -fno-unwind-tables");
	EXPECT_EQ(read_lib(&plain), 0);
	scratch_run("objcopy --compress-debug-sections=zlib lib.so");
	scratch_run("readelf -SW lib.so | grep -q 'debug_frame.* C '");
	EXPECT_EQ(read_lib(&packed), 0);
	expect_same(&plain, &packed);
	cfi_release(&plain);
	cfi_release(&packed);
	scratch_remove();
}

static void expect_refused(int want)
{
	struct cfi c = { 0 };
	int err = read_lib(&c);

	EXPECT_EQ(err, want);
	cfi_release(&c);
}

TEST(cfi_file__not_what_it_takes)
{
	static const uint16_t machine = EM_68K, many = 0x7fff;
	static const char class32 = ELFCLASS32;

	build("-fno-asynchronous-unwind-tables -fno-unwind-tables");
	expect_refused(-ENODATA);
	patch(offsetof(Elf64_Ehdr, e_machine), &machine, sizeof(machine));
	expect_refused(-ENOEXEC);
	scratch_remove();

	build("");
	patch(EI_CLASS, &class32, 1);
	expect_refused(-ENOEXEC);
	scratch_remove();

	build(""); /* program headers beyond its end */
	patch(offsetof(Elf64_Ehdr, e_phnum), &many, sizeof(many));
	expect_refused(-ENOEXEC);
	scratch_remove();

	scratch_make();
	scratch_write("lib.so", "#!/bin/sh\n");
	expect_refused(-ENOEXEC);
	scratch_run("rm lib.so; mkdir lib.so");
	expect_refused(-ENOEXEC);
	scratch_remove();
}

/* A file that is cut off anywhere is refused, or what was whole of it is read; it is never believed. */
TEST(cfi_file__cut_off_anywhere)
{
	struct stat whole;

	build("");
	EXPECT_EQ(stat(scratch_path("lib.so"), &whole), 0);
	for (off_t size = whole.st_size - 1; size > 0; size -= size > 4096 ? 257 : 31) {
		struct cfi c = { 0 };

		EXPECT_EQ(truncate(scratch_path("lib.so"), size), 0);
		if (read_lib(&c) == 0)
			EXPECT_PTR(cfi_find(&c, 0x1000));
		cfi_release(&c);
	}
	scratch_remove();
}

/* Of lib.so's symbol: how the caller's frame is found there. */
static unsigned cfa_at(const struct cfi *c, const char *symbol)
{
	return cfi_find(c, nm("lib.so", symbol))->cfa;
}

/* 300 KB without CFI between functions that have some: two thirds keep frame pointers, as V8's builtins
 * do within node, and Go before 1.21 within a program that has C in it; the rest is assembly whose stack
 * pointer cannot be followed. */
TEST(cfi_gaps__large_ones_by_frame_pointer_where_code_keeps_it)
{
	struct cfi c = { 0 };

	scratch_make();
	scratch_write("a.s",
		      ".globl f, frames, go, inner, g\n"
		      "f: .cfi_startproc; ret; .cfi_endproc\n"
		      "frames: .rept 1500; push %rbp; mov %rsp,%rbp; mov %rdi,%rsp; .skip 64,0x90\n"
		      "pop %rbp; ret; .endr\n"
		      "go: .rept 1500; sub $32,%rsp; mov %rbp,24(%rsp); lea 24(%rsp),%rbp\n"
		      "mov %rdi,%rsp; .skip 64,0x90; ret; .endr\n"
		      "inner: push %rbp; mov %rsp,%rbp; ret\n"
		      ".rept 1500; mov %rdi,%rsp; .fill 32,2,0xc089; ret; .endr\n"
		      "g: .cfi_startproc; ret; .cfi_endproc\n");
	scratch_run("cc -shared -nostdlib -o lib.so a.s");
	EXPECT_EQ(read_lib(&c), 0);
	EXPECT_EQ(cfa_at(&c, "f"), TPROF_CFA_SP);
	EXPECT_EQ(cfa_at(&c, "frames"), TPROF_CFA_BY_FP);
	EXPECT_EQ(cfi_find(&c, nm("lib.so", "go") + 80000)->cfa, TPROF_CFA_BY_FP);
	EXPECT_EQ(cfi_find(&c, nm("lib.so", "inner") - 20000)->cfa, TPROF_CFA_BY_FP);
	EXPECT_EQ(cfi_find(&c, nm("lib.so", "g") - 20000)->cfa, TPROF_CFA_NONE);
	EXPECT_EQ(cfa_at(&c, "g"), TPROF_CFA_SP);
	cfi_release(&c);
	scratch_remove();
}
