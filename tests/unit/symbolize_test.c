/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "elf_of.h"
#include "symbolize/symbolize.h"

static const char library[] =
	"#include <stdlib.h>\n"
	"int lock_word = 1; static int counters[16] = {1}; long zeros[100];\n"
	"__attribute__((noinline)) static int hidden(int x) { return x * counters[x & 15] + 3; }\n"
	"int shown(int x) { return hidden(x) + lock_word + (int)zeros[1]; }\n"
	"int __shown(int x) __attribute__((alias(\"shown\")));\n"
	"int stub_user(void) { return abs(rand()); }\n"
	"__asm__(\".text\\n.globl bare\\nbare: nop; nop; nop; nop\\nafter_bare: nop; nop\\n\"\n"
	"	\".section .odd,\\\"ax\\\"\\nlast: nop; nop\\n.text\");\n";

static void build(const char *flags)
{
	scratch_make();
	scratch_write("lib.c", library);
	scratch_run("cc -O1 -fPIC -shared -Wl,--build-id -Wl,-z,lazy %s -o lib.so lib.c", flags);
}

TEST(symbolize__names_from_the_symbol_table)
{
	struct profile *p = profile_new();
	uint32_t m;

	build("");
	m = module_for(p, "lib.so", NULL);
	EXPECT_STR(named(p, m, nm("lib.so", "hidden") + 2), "hidden");
	EXPECT_STR(named(p, m, nm("lib.so", "shown")), "shown"); /* not __shown */
	EXPECT_STR(named(p, m, nm("lib.so", "shown") - 1), "hidden");
	profile_free(p);
	scratch_remove();
}

TEST(symbolize__symbols_without_a_size_end_at_the_next_and_with_their_section)
{
	struct profile *p = profile_new();
	uint32_t m;

	build("");
	m = module_for(p, "lib.so", NULL);
	EXPECT_STR(named(p, m, nm("lib.so", "bare") + 3), "bare");
	EXPECT_STR(named(p, m, nm("lib.so", "after_bare") + 1), "after_bare");
	EXPECT_STR(named(p, m, nm("lib.so", "last") + 1), "last");
	EXPECT_STR(named(p, m, nm("lib.so", "last") + 2), ""); /* beyond .odd */
	profile_free(p);
	scratch_remove();
}

TEST(symbolize__reads_the_build_id)
{
	struct profile *p = profile_new();
	uint32_t m;

	build("-Wl,--build-id=0x00ff1234abcd5678");
	m = module_for(p, "lib.so", NULL);
	named(p, m, nm("lib.so", "shown"));
	EXPECT_STR(profile_str(p, profile_module_at(p, m)->build_id), "00ff1234abcd5678");
	profile_free(p);
	scratch_remove();
}

TEST(symbolize__stripped_leaves_exported_names_and_no_others)
{
	struct profile *p = profile_new();
	uint64_t hidden;
	uint32_t m;

	build("");
	hidden = nm("lib.so", "hidden");
	scratch_run("strip lib.so");
	m = module_for(p, "lib.so", NULL);
	EXPECT_STR(named(p, m, nm("lib.so", "shown")), "shown");
	EXPECT_STR(named(p, m, hidden), "");
	profile_free(p);
	scratch_remove();
}

TEST(symbolize__stubs_are_named_after_what_they_call)
{
	struct profile *p = profile_new();
	char line[32] = "";
	uint32_t m;

	build("-fcf-protection=none");
	scratch_run("objdump -d --no-show-raw-insn lib.so | sed -n 's/^0*\\([0-9a-f]*\\) "
		    "<rand@plt>:/\\1/p' > addr");
	FILE *f = fopen(scratch_path("addr"), "re");
	EXPECT_PTR(fgets(line, sizeof(line), f));
	fclose(f);
	scratch_run("strip lib.so");
	m = module_for(p, "lib.so", NULL);
	EXPECT_STR(named(p, m, strtoull(line, NULL, 16)), "rand@plt");
	EXPECT_STR(named(p, m, strtoull(line, NULL, 16) + 5), "rand@plt");
	profile_free(p);
	scratch_remove();
}

TEST(symbolize__notes_where_names_are_missing)
{
	struct profile *p = profile_new();
	uint32_t frame, thread, stack;
	const uint32_t *notes;
	size_t count;

	build("-Wl,--build-id=0xabcdef0123456789");
	frame = nm("lib.so", "hidden");
	scratch_run("strip lib.so");
	frame = profile_frame(p, module_for(p, "lib.so", NULL), frame);
	stack = profile_stack(p, &frame, 1, PROFILE_END_ROOT);
	thread = profile_thread(p, profile_process(p, 1, 1), 1, 1);
	profile_add(p, profile_window(p, 0, 1), thread, PROFILE_CPU, stack, 30, 30);
	profile_add(p, profile_window(p, 0, 1), thread, PROFILE_CPU, 0, 70, 70);
	EXPECT_EQ(symbolize(p, &(struct symbolize_options){ 0 }, NULL), 0);
	notes = profile_notes(p, &count);
	EXPECT_EQ(count, 1);
	EXPECT_CONTAINS(profile_str(p, notes[0]), "30 % of the CPU samples");
	EXPECT_CONTAINS(profile_str(p, notes[0]), "build ID abcdef0123456789");
	profile_free(p);
	scratch_remove();
}

/* ── separate debug files ───────────────────────────────────────────────────────────────────── */

static void check_hidden(const char *file, const char *root, uint64_t hidden, const char *want)
{
	struct profile *p = profile_new();

	EXPECT_STR(named(p, module_for(p, file, root), hidden), want);
	profile_free(p);
}

TEST(symbolize__debug_file_by_build_id_below_the_targets_root)
{
	uint64_t hidden;

	build("-Wl,--build-id=0xabcdef0123456789");
	hidden = nm("lib.so", "hidden");
	scratch_run("mkdir -p root/usr/lib/debug/.build-id/ab");
	scratch_run(
		"objcopy --only-keep-debug lib.so root/usr/lib/debug/.build-id/ab/cdef0123456789.debug");
	scratch_run("strip lib.so");
	check_hidden("lib.so", scratch_path("root"), hidden, "hidden");
	check_hidden("lib.so", NULL, hidden, "");
	scratch_remove();
}

TEST(symbolize__debug_file_with_another_build_id_is_not_believed)
{
	uint64_t hidden;

	build("-Wl,--build-id=0xabcdef0123456789");
	hidden = nm("lib.so", "hidden");
	scratch_run("mkdir -p root/usr/lib/debug/.build-id/ab");
	scratch_run("cc -shared -fPIC -Wl,--build-id=0xabcdef0123456780 -o other.so lib.c");
	scratch_run(
		"cp other.so root/usr/lib/debug/.build-id/ab/cdef0123456789.debug; strip lib.so");
	check_hidden("lib.so", scratch_path("root"), hidden, "");
	scratch_remove();
}

TEST(symbolize__debug_file_through_a_link_that_leads_out_of_the_root_is_not_read)
{
	uint64_t hidden;

	build("-Wl,--build-id=0xabcdef0123456789");
	hidden = nm("lib.so", "hidden");
	scratch_run(
		"mkdir -p root/usr/lib/debug/.build-id/ab; cp lib.so outside.debug; "
		"ln -s \"$PWD/outside.debug\" root/usr/lib/debug/.build-id/ab/cdef0123456789.debug; "
		"strip lib.so");
	check_hidden("lib.so", scratch_path("root"), hidden, "");
	scratch_remove();
}

TEST(symbolize__a_fifo_as_debug_file_does_not_hang)
{
	uint64_t hidden;

	build("-Wl,--build-id=0xabcdef0123456789");
	hidden = nm("lib.so", "hidden");
	scratch_run("mkdir -p root/usr/lib/debug/.build-id/ab; strip lib.so; "
		    "mkfifo root/usr/lib/debug/.build-id/ab/cdef0123456789.debug");
	check_hidden("lib.so", scratch_path("root"), hidden, "");
	scratch_remove();
}

TEST(symbolize__debug_file_by_debuglink_when_the_crc_is_right)
{
	uint64_t hidden;

	build("-Wl,--build-id=none");
	hidden = nm("lib.so", "hidden");
	scratch_run(
		"mkdir .debug; objcopy --only-keep-debug lib.so .debug/lib.debug; strip lib.so; "
		"objcopy --add-gnu-debuglink=.debug/lib.debug lib.so");
	check_hidden("lib.so", NULL, hidden, "hidden");
	scratch_run("echo >> .debug/lib.debug");
	check_hidden("lib.so", NULL, hidden, "");
	scratch_remove();
}

TEST(symbolize__mini_debuginfo)
{
	uint64_t hidden;

	build("");
	hidden = nm("lib.so", "hidden");
	scratch_run("objcopy --only-keep-debug lib.so mini; strip lib.so; xz mini; "
		    "objcopy --add-section .gnu_debugdata=mini.xz lib.so");
	check_hidden("lib.so", NULL, hidden, "hidden");
	scratch_remove();
}

/* A debuginfod-find that finds what stands in a directory, and one that answers with another file. */
static const char *fetched(const char *script, bool asked)
{
	static char name[64];
	struct profile *p = profile_new();
	char path[4096], *old = strdup(getenv("PATH"));
	uint32_t id;
	const struct profile_frame *f;

	scratch_write("bin/debuginfod-find", script);
	scratch_run("chmod +x bin/debuginfod-find");
	snprintf(path, sizeof(path), "%s:%s", scratch_path("bin"), old);
	setenv("PATH", path, 1);
	setenv("SCRATCH", scratch_path(""), 1);
	id = profile_frame(p, module_for(p, "bare.so", NULL), nm("lib.so", "hidden"));
	EXPECT_EQ(symbolize(p, &(struct symbolize_options){ .debuginfod = asked }, NULL), 0);
	f = profile_frame_at(p, id);
	snprintf(name, sizeof(name), "%s",
		 f->lines ? profile_str(p, profile_line_at(p, f->first_line)->function) : "");
	setenv("PATH", old, 1);
	free(old);
	profile_free(p);
	return name;
}

TEST(symbolize__debug_file_from_a_server_only_when_asked_for)
{
	static const char good[] = "#!/bin/sh\n[ \"$1 $2\" = 'debuginfo abcdef0123456789' ] &&"
				   " echo \"$SCRATCH/lib.so\"\n";
	static const char limited[] = "#!/bin/bash\n[ \"$(ulimit -f)\" = 4194304 ] &&"
				      " [ $DEBUGINFOD_MAXTIME = 55 ] &&"
				      " echo \"$SCRATCH/lib.so\"\n";
	static const char other[] = "#!/bin/sh\necho \"$SCRATCH/other.so\"\n";

	build("-Wl,--build-id=0xabcdef0123456789");
	scratch_run("mkdir bin; strip -o bare.so lib.so; "
		    "cc -shared -fPIC -Wl,--build-id=0xabcdef0123456780 -o other.so lib.c");
	setenv("DEBUGINFOD_URLS", "http://127.0.0.1:1", 1);
	EXPECT_STR(fetched(good, true), "hidden");
	EXPECT_STR(fetched(good, false), "");
	EXPECT_STR(fetched(other, true), "");
	EXPECT_STR(fetched(limited, true), "hidden");
	unsetenv("DEBUGINFOD_URLS");
	EXPECT_STR(fetched(good, true), "");
	scratch_remove();
}

/* ── other resolvers ────────────────────────────────────────────────────────────────────────── */

TEST(symbolize__locks_are_named_after_their_variable)
{
	struct profile *p = profile_new();
	uint32_t m, word, item, zero;

	build("");
	m = module_for(p, "lib.so", NULL);
	word = profile_lock(p, profile_process(p, 1, 1), 0x1000);
	profile_lock_at(p, word)->module = m;
	profile_lock_at(p, word)->module_offset = nm("lib.so", "lock_word");
	item = profile_lock(p, profile_process(p, 1, 1), 0x2000);
	profile_lock_at(p, item)->module = m;
	profile_lock_at(p, item)->module_offset = nm("lib.so", "counters") + 8;
	zero = profile_lock(p, profile_process(p, 1, 1), 0x3000);
	profile_lock_at(p, zero)->module = m;
	profile_lock_at(p, zero)->module_offset = nm("lib.so", "zeros") + 0x18;
	EXPECT_EQ(symbolize(p, &(struct symbolize_options){ 0 }, NULL), 0);
	EXPECT_STR(profile_str(p, profile_lock_at(p, word)->name), "lock_word");
	EXPECT_STR(profile_str(p, profile_lock_at(p, item)->name), "counters+0x8");
	EXPECT_STR(profile_str(p, profile_lock_at(p, zero)->name), "zeros+0x18");
	profile_free(p);
	scratch_remove();
}

TEST(symbolize__vdso)
{
	struct profile *p = profile_new();
	struct profile_module m = { .type = PROFILE_MODULE_VDSO, .fd = -1, .root_fd = -1 };
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)image;
	uint64_t offset;

	scratch_make();
	FILE *f = fopen(scratch_path("vdso"), "we");
	fwrite(image, 1, eh->e_shoff + (size_t)eh->e_shnum * eh->e_shentsize, f);
	fclose(f);
	offset = nm("vdso", "__vdso_clock_gettime@@LINUX_2.6");
	m.name = profile_string(p, "[vdso]");
	EXPECT_CONTAINS(named(p, profile_module(p, &m), offset + 1), "clock_gettime");
	profile_free(p);
	scratch_remove();
}

static bool out(void *ctx)
{
	return ++*(int *)ctx > 1;
}

TEST(symbolize__cancelled_keeps_what_is_named)
{
	struct profile *p = profile_new();
	int asked = 0;
	uint32_t a, b, m;

	build("");
	m = module_for(p, "lib.so", NULL);
	scratch_run("cp lib.so b.so");
	a = profile_frame(p, m, nm("lib.so", "shown"));
	b = profile_frame(p, module_for(p, "b.so", NULL), nm("lib.so", "shown"));
	EXPECT_EQ(
		symbolize(p, &(struct symbolize_options){ .cancelled = out, .ctx = &asked }, NULL),
		-ECANCELED);
	EXPECT_EQ(profile_frame_at(p, a)->lines, 1);
	EXPECT_EQ(profile_frame_at(p, b)->lines, 0);
	profile_free(p);
	scratch_remove();
}

/* ── out of memory ──────────────────────────────────────────────────────────────────────────── */

static void symbolize_once(void *ctx, bool will_fail)
{
	uint64_t *at = ctx;
	struct profile *p = profile_new();
	uint32_t frame;
	int err;

	if (!p)
		return;
	frame = profile_frame(p, module_for(p, "lib.so", NULL), at[0]);
	profile_frame(p, module_for(p, "lib.so", NULL), at[1]);
	err = symbolize(p, &(struct symbolize_options){ 0 }, NULL);
	EXPECT(err == 0 || err == -ENOMEM);
	if (!will_fail)
		EXPECT_EQ(profile_frame_at(p, frame)->lines, 1);
	profile_free(p);
}

TEST(symbolize__out_of_memory_anywhere)
{
	uint64_t at[2];

	build("-fcf-protection=none");
	at[0] = nm("lib.so", "shown");
	at[1] = nm("lib.so", "_init") + 0x20; /* a stub */
	EXPECT(fail_each_allocation(symbolize_once, at) > 10);
	scratch_remove();
}
