/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolize/demangle.h"
#include "symbolize/kernel.h"

static const char *plain(const char *symbol)
{
	static char name[DEMANGLE_MAX];

	demangle(symbol, name, sizeof(name));
	return name;
}

TEST(demangle__cpp_without_parameters_with_template_arguments)
{
	EXPECT_STR(plain("_ZNSt6vectorIiSaIiEE9push_backEOi"),
		   "std::vector<int, std::allocator<int> >::push_back");
	EXPECT_STR(plain("_ZN3foo3barEi"), "foo::bar");
	EXPECT_STR(plain("_ZN3foo3barEi.constprop.0"), "foo::bar");
	EXPECT_STR(plain("_ZZ4mainENKUliE_clEi"), "main::{lambda(int)#1}::operator()");
}

TEST(demangle__rust_without_hashes)
{
	EXPECT_STR(plain("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
	EXPECT_STR(plain("_RNvCs1234_7mycrate3foo"), "mycrate::foo");
}

TEST(demangle__versions_go)
{
	EXPECT_STR(plain("memcpy@@GLIBC_2.14"), "memcpy");
	EXPECT_STR(plain("main"), "main");
	EXPECT_STR(plain("rand@plt"), "rand@plt");
	EXPECT_STR(plain("_Znonsense"), "_Znonsense");
}

/* Each S_ level doubles the text: 30 of them stand for gigabytes. */
TEST(demangle__a_name_that_would_fill_memory_is_cut)
{
	char bomb[512] = "_Z1fI1AIiiE", digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len;

	for (int i = 0; i < 30; i++) {
		len = strlen(bomb);
		snprintf(bomb + len, sizeof(bomb) - len, "1AIS%.1s_S%.1s_E", &digits[i],
			 &digits[i]);
	}
	strcat(bomb, "Evv");
	EXPECT(strlen(plain(bomb)) < DEMANGLE_MAX);
}

/* ── the kernel's list ──────────────────────────────────────────────────────────────────────── */

static const char kallsyms[] = "0000000000001000 A irq_stack_union\n"
			       "ffffffff81000000 T _stext\n"
			       "ffffffff81000000 T startup_64\n"
			       "ffffffff81000100 t local_one\n"
			       "ffffffff81000200 T __do_it\n"
			       "ffffffff81000200 T do_it\n"
			       "ffffffff81000300 T _etext\n"
			       "ffffffff82000000 D some_data\n"
			       "ffffffffc0000000 t nft_do_chain\t[nf_tables]\n"
			       "ffffffffc0000800 t bpf_prog_12_x\t[bpf]\n";

static char *found[16];

static void keep(void *ctx, const struct query *q, const char *name)
{
	(void)ctx;
	free(found[q->id]);
	found[q->id] = strdup(name);
}

static const char *kernel_name(const char *text, uint64_t addr, bool *ret_hidden)
{
	struct query q = { .addr = addr, .id = 1 };
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);

	EXPECT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	lseek(fd, 0, SEEK_SET);
	keep(NULL, &q, "");
	if (ret_hidden)
		*ret_hidden = kernel_hidden(fd);
	EXPECT_EQ(kernel_names(fd, &q, 1, keep, NULL), 0);
	close(fd);
	return found[1];
}

TEST(kernel_names__nearest_code_symbol_below)
{
	EXPECT_STR(kernel_name(kallsyms, 0xffffffff81000005, NULL), "startup_64");
	EXPECT_STR(kernel_name(kallsyms, 0xffffffff81000100, NULL), "local_one");
	EXPECT_STR(kernel_name(kallsyms, 0xffffffff810002ff, NULL), "do_it");
	EXPECT_STR(kernel_name(kallsyms, 0xffffffffc0000010, NULL), "nft_do_chain [nf_tables]");
	EXPECT_STR(kernel_name(kallsyms, 0xffffffffc0000900, NULL), "bpf_prog_12_x [bpf]");
}

TEST(kernel_names__no_name_where_no_code_is_known)
{
	EXPECT_STR(kernel_name(kallsyms, 0xffffffff80ffffff, NULL), "");
	EXPECT_STR(kernel_name(kallsyms, 0xffffffff81000301, NULL), "");
	EXPECT_STR(kernel_name(kallsyms, 0xffffffff82000001, NULL), "");
	EXPECT_STR(kernel_name(kallsyms, 0xffffffffe0000000, NULL), "");
}

TEST(kernel_names__tells_hidden_addresses)
{
	bool hidden = false;

	kernel_name("0000000000000000 T a\n0000000000000000 t b\n", 0xffffffff81000005, &hidden);
	EXPECT(hidden);
	kernel_name(kallsyms, 0xffffffff81000005, &hidden);
	EXPECT(!hidden);
}

TEST(kernel_names__garbage_is_passed_over)
{
	EXPECT_STR(kernel_name("\n \nffffffff81000000\nffffffff81000000 T\nzz T x\n"
			       "ffffffff81000000 T good\n\xff\xff\xff",
			       0xffffffff81000001, NULL),
		   "good");
}
