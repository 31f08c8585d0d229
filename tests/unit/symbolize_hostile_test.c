/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF files that lie. Nothing here may crash, hang or take memory; that names are missing is fine. */
#include "test.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "elf_of.h"
#include "symbolize/symbolize.h"

struct lie {
	Elf64_Ehdr eh;
	Elf64_Shdr sections[64];
	Elf64_Phdr segments[16];
	size_t section_count, segment_count; /* the true ones */
	int fd;
};

static void get(const struct lie *l, void *bytes, size_t len, uint64_t at)
{
	EXPECT_EQ(pread(l->fd, bytes, len, (off_t)at), (ssize_t)len);
}

static void put(const struct lie *l, const void *bytes, size_t len, uint64_t at)
{
	EXPECT_EQ(pwrite(l->fd, bytes, len, (off_t)at), (ssize_t)len);
}

/* lib.so in a fresh scratch directory, its headers ready for lying. */
static struct lie open_lie(void)
{
	struct lie l;

	scratch_make();
	scratch_write("lib.c",
		      "int work(int x) { return x * 3; } int more(int x) { return x * 5; }\n");
	scratch_run("cc -O1 -g -fPIC -shared -o lib.so lib.c");
	l.fd = open(scratch_path("lib.so"), O_RDWR | O_CLOEXEC);
	get(&l, &l.eh, sizeof(l.eh), 0);
	EXPECT(l.eh.e_shnum <= 64 && l.eh.e_phnum <= 16);
	l.section_count = l.eh.e_shnum;
	l.segment_count = l.eh.e_phnum;
	get(&l, l.sections, l.eh.e_shnum * sizeof(Elf64_Shdr), l.eh.e_shoff);
	get(&l, l.segments, l.eh.e_phnum * sizeof(Elf64_Phdr), l.eh.e_phoff);
	return l;
}

static Elf64_Shdr *section_of(struct lie *l, uint32_t type)
{
	for (int i = l->eh.e_shnum - 1; i >= 0; i--)
		if (l->sections[i].sh_type == type)
			return &l->sections[i];
	fail_msg("no section of type %u", type);
	return NULL;
}

/* Writes the lies down; the name of work() then, in bounds of time and memory. */
static const char *told(struct lie *l)
{
	static char name[64];
	struct profile *p = profile_new();
	struct rusage before, after;
	uint64_t work = nm("lib.so", "work");

	put(l, l->segments, l->segment_count * sizeof(Elf64_Phdr), l->eh.e_phoff);
	put(l, l->sections, l->section_count * sizeof(Elf64_Shdr), l->eh.e_shoff);
	put(l, &l->eh, sizeof(l->eh), 0);
	close(l->fd);
	getrusage(RUSAGE_SELF, &before);
	alarm(30);
	snprintf(name, sizeof(name), "%s", named(p, module_for(p, "lib.so", NULL), work));
	alarm(0);
	getrusage(RUSAGE_SELF, &after);
	/* KB; what a sanitizer keeps of freed memory counts too */
	EXPECT(after.ru_maxrss - before.ru_maxrss < 64 << 10);
	profile_free(p);
	scratch_remove();
	return name;
}

TEST(hostile__string_table_of_4_gb)
{
	struct lie l = open_lie();

	for (int i = 0; i < l.eh.e_shnum; i++)
		if (l.sections[i].sh_type == SHT_STRTAB)
			l.sections[i].sh_size = 4ull << 30;
	EXPECT_EQ(ftruncate(l.fd, 10ll << 30), 0);
	EXPECT_STR(told(&l), "work");
}

TEST(hostile__symbol_table_of_10_gb)
{
	struct lie l = open_lie();

	section_of(&l, SHT_SYMTAB)->sh_size = 10ull << 30;
	EXPECT_EQ(ftruncate(l.fd, 20ll << 30), 0);
	EXPECT_STR(told(&l), "work");
}

TEST(hostile__sizes_that_wrap)
{
	struct lie l = open_lie();

	section_of(&l, SHT_SYMTAB)->sh_size = UINT64_MAX;
	section_of(&l, SHT_NOTE)->sh_size = UINT64_MAX - 3;
	for (int i = 0; i < l.eh.e_phnum; i++)
		if (l.segments[i].p_type == PT_NOTE)
			l.segments[i].p_filesz = UINT64_MAX - 7;
	EXPECT_STR(told(&l), "work");
}

TEST(hostile__offsets_beyond_the_end)
{
	struct lie l = open_lie();

	section_of(&l, SHT_SYMTAB)->sh_offset = UINT64_MAX - 100;
	section_of(&l, SHT_DYNSYM)->sh_offset = 1ull << 40;
	EXPECT_STR(told(&l), "");
}

TEST(hostile__tables_that_overlap)
{
	struct lie l = open_lie();
	Elf64_Shdr *symbols = section_of(&l, SHT_SYMTAB);

	l.sections[symbols->sh_link].sh_offset = symbols->sh_offset;
	section_of(&l, SHT_DYNSYM)->sh_offset = 0;
	told(&l);
}

TEST(hostile__links_to_nowhere)
{
	struct lie l = open_lie();

	for (int i = 0; i < l.eh.e_shnum; i++)
		l.sections[i].sh_link = 0xffffffff;
	l.eh.e_shstrndx = 0xfffe;
	EXPECT_STR(told(&l), "");
}

TEST(hostile__millions_of_sections_and_segments)
{
	struct lie l = open_lie();

	l.eh.e_shnum = 0;
	l.eh.e_shstrndx = SHN_XINDEX;
	EXPECT_EQ(ftruncate(l.fd, 20ll << 30), 0);
	l.sections[0].sh_size = 200000000;
	told(&l);
	l = open_lie();
	l.eh.e_phnum = PN_XNUM;
	l.sections[0].sh_info = 0xffffffff;
	told(&l);
}

/* Each of a million symbols covers every address. */
TEST(hostile__symbols_that_cover_everything)
{
	enum { SYMBOLS = 1000000, FRAMES = 1000 };
	struct lie l = open_lie();
	Elf64_Shdr *symbols = section_of(&l, SHT_SYMTAB);
	struct profile *p = profile_new();
	Elf64_Sym *table = calloc(SYMBOLS, sizeof(*table));
	uint32_t m;

	for (uint32_t i = 0; i < SYMBOLS; i++)
		table[i] = (Elf64_Sym){ .st_name = 1,
					.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					.st_shndx = 1,
					.st_value = i % 4096,
					.st_size = 1u << 30 };
	symbols->sh_offset = 1 << 20;
	symbols->sh_size = SYMBOLS * sizeof(*table);
	put(&l, table, SYMBOLS * sizeof(*table), 1 << 20);
	put(&l, l.sections, l.eh.e_shnum * sizeof(Elf64_Shdr), l.eh.e_shoff);
	close(l.fd);
	m = module_for(p, "lib.so", NULL);
	for (uint32_t i = 0; i < FRAMES; i++)
		profile_frame(p, m, 0x1000 + i % 0x200);
	alarm(30);
	named(p, m, 0x1100);
	alarm(0);
	free(table);
	profile_free(p);
	scratch_remove();
}

TEST(hostile__cut_anywhere)
{
	static char bytes[20000];
	struct lie l = open_lie();
	ssize_t size = pread(l.fd, bytes, sizeof(bytes), 0);
	struct symbolize_options options = { 0 };

	close(l.fd);
	for (ssize_t cut = 0; cut < size; cut += cut < 128 ? 1 : 97) {
		struct profile *p = profile_new();
		int fd = open(scratch_path("cut"), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

		EXPECT_EQ(write(fd, bytes, (size_t)cut), cut);
		close(fd);
		for (uint64_t at = 0; at < 0x3000; at += 0x100)
			profile_frame(p, module_for(p, "cut", NULL), at);
		EXPECT_EQ(symbolize(p, &options, NULL), 0);
		profile_free(p);
	}
	scratch_remove();
}

/* A memory-mapped reader would die of SIGBUS. */
TEST(hostile__shrinks_while_it_is_read)
{
	struct profile *p = profile_new();
	struct lie l = open_lie();
	uint32_t m = module_for(p, "lib.so", NULL);

	EXPECT_EQ(ftruncate(l.fd, 4000), 0);
	EXPECT_STR(named(p, m, 0x1100), "");
	close(l.fd);
	profile_free(p);
	scratch_remove();
}
