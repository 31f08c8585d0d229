// SPDX-License-Identifier: BSD-2-Clause
/*
 * Row by row against libdw's own answer: at the beginning of every row, and in its last byte, the
 * rule must say what dwarf_cfi_addrframe says. A sample of the machine's ELF files; with
 * UNWIND_FULL=1 (make test-unwind-full) all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collect/cfi.h"
#include "collect/cfi_asm.h"

#define SAMPLE_SECONDS 6

struct oracle {
	Elf *elf;
	Dwarf_CFI *cfi;
	size_t rows, compared, gaps, differ, register_after_expression, into_handler;
	const char *path;
};

static int64_t number(const Dwarf_Op *op)
{
	return (int64_t)op->number;
}

/* Where a register is, as one number: kind in the upper bits, offset from the CFA in the lower. */
enum where { SAME, UNDEFINED, AT_CFA, IN_REGISTER, OTHER };

static enum where where(Dwarf_Frame *f, int reg, int64_t *ret_value)
{
	Dwarf_Op memory[3], *ops;
	size_t n;

	*ret_value = 0;
	if (dwarf_frame_register(f, reg, memory, &ops, &n))
		return OTHER;
	if (n == 0)
		return ops ? UNDEFINED : SAME;
	if (ops[0].atom == DW_OP_call_frame_cfa && n == 1)
		return AT_CFA;
	if (ops[0].atom == DW_OP_call_frame_cfa && n == 2 && ops[1].atom == DW_OP_plus_uconst) {
		*ret_value = number(&ops[1]);
		return AT_CFA;
	}
	if (n == 1 && (ops[0].atom == DW_OP_regx ||
		       (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31))) {
		*ret_value = ops[0].atom == DW_OP_regx ? number(&ops[0])
						       : (int64_t)ops[0].atom - DW_OP_reg0;
		return IN_REGISTER;
	}
	if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa) { /* an expression begins with the CFA */
		ops++;
		n = 1;
	}
	if (n == 1 && ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		*ret_value = (int64_t)(ops[0].atom - DW_OP_breg0) << 32 |
			     (int64_t)(uint32_t)number(&ops[0]);
		return OTHER;
	}
	return OTHER;
}

static bool same_cfa(const struct tprof_rule *r, const Dwarf_Op *ops, size_t n)
{
	bool x = ops[0].atom == DW_OP_bregx;
	uint64_t reg = x ? ops[0].number : (uint64_t)ops[0].atom - DW_OP_breg0;
	int64_t offset = (int64_t)(x ? ops[0].number2 : ops[0].number), extra = 0;

	if (n > 2)
		extra = ops[2].atom == DW_OP_plus_uconst ? number(&ops[2])
							 : (int64_t)ops[2].atom - DW_OP_lit0;
	switch (r->cfa) {
	case TPROF_CFA_SP: return n == 1 && reg == 7 && offset == r->offset;
	case TPROF_CFA_FP: return n == 1 && reg == 6 && offset == r->offset;
	case TPROF_CFA_BASE: return n == 1 && reg == 3 && offset == r->offset;
	case TPROF_CFA_REGISTER: return n == 1 && reg == r->reg && offset == r->offset;
	case TPROF_CFA_SP_DEREF:
	case TPROF_CFA_FP_DEREF:
		return n > 1 && ops[1].atom == DW_OP_deref && offset == r->offset &&
		       reg == (r->cfa == TPROF_CFA_SP_DEREF ? 7 : 6) && extra == r->extra;
	case TPROF_CFA_PLT:
		return n == 9 && reg == 7 && offset == r->offset &&
		       ops[4].atom - DW_OP_lit0 == r->extra;
	}
	return false;
}

static bool same_fp(const struct tprof_rule *r, Dwarf_Frame *f)
{
	int64_t value;
	enum where w = where(f, 6, &value);

	switch (r->fp) {
	case TPROF_FP_SAME: return w == SAME;
	case TPROF_FP_AT_CFA: return w == AT_CFA && (int16_t)value == r->fp_offset;
	case TPROF_FP_AT_FP:
	case TPROF_FP_AT_SP:
		return w == OTHER && (int16_t)value == r->fp_offset &&
		       value >> 32 == (r->fp == TPROF_FP_AT_FP ? 6 : 7);
	case TPROF_FP_UNKNOWN: return w != SAME && w != AT_CFA;
	}
	return false;
}

static bool same_base(const struct tprof_rule *r, Dwarf_Frame *f)
{
	int64_t value;
	enum where w = where(f, 3, &value);

	/* elfutils means to begin with "same value" for rbx, but says it of register 0 (its
	 * x86_64_abi_cfi): what a program does not mention is "undefined" there */
	if (r->base_offset == 0)
		return w == SAME || w == UNDEFINED;
	if (r->base_offset == TPROF_BASE_UNKNOWN)
		return w != SAME && w != AT_CFA;
	return w == AT_CFA && (int16_t)value == r->base_offset;
}

static bool same_ra(const struct tprof_rule *r, Dwarf_Frame *f)
{
	int64_t value;
	enum where w = where(f, 16, &value);

	unsigned ra = r->ra & ~TPROF_RA_EXACT;

	return ra ? w == IN_REGISTER && value == (int64_t)ra - 1
		  : w == AT_CFA && (int16_t)value == r->ra_offset;
}

static bool agrees(const struct tprof_rule *r, Dwarf_Frame *f)
{
	bool signal = false;
	int64_t value;
	Dwarf_Op *ops;
	size_t n;

	dwarf_frame_info(f, NULL, NULL, &signal);
	if (r->cfa == TPROF_CFA_SIGNAL)
		return signal;
	if (r->cfa == TPROF_CFA_ROOT)
		return where(f, 16, &value) == UNDEFINED;
	if (r->cfa == TPROF_CFA_UNSUPPORTED) /* says so; counted in docs/unwinding.md */
		return true;
	if (r->cfa == TPROF_CFA_NONE || signal || dwarf_frame_cfa(f, &ops, &n) || !n)
		return false;
	return same_cfa(r, ops, n) && same_ra(r, f) && same_fp(r, f) && same_base(r, f);
}

/*
 * DW_CFA_def_cfa_register after a CFA by expression (libgcrypt's assembly has it, 14 places in all of
 * Debian's /usr): libgcc takes up the offset from before the expression, and the code is so; libdw
 * calls it invalid.
 */
static bool register_after_expression(const struct tprof_rule *r, Dwarf_Frame *f)
{
	Dwarf_Op *ops;
	size_t n;

	return r->cfa == TPROF_CFA_SP && dwarf_frame_cfa(f, &ops, &n);
}

/* An exception jumps into its handler (cfi_catch.c): on purpose not what the CFI says. */
static bool jumps_into_handler(const struct tprof_rule *r, Dwarf_Frame *f)
{
	struct tprof_rule frame = { .cfa = TPROF_CFA_FP, .offset = 16 };
	Dwarf_Op *ops;
	size_t n;

	return r->cfa == TPROF_CFA_FP_DEREF && r->fp == TPROF_FP_AT_FP && !r->fp_offset &&
	       r->base_offset == TPROF_BASE_UNKNOWN && !dwarf_frame_cfa(f, &ops, &n) && n &&
	       same_cfa(&frame, ops, n);
}

static void compare(struct oracle *o, const struct cfi *c, uint64_t offset)
{
	const struct tprof_rule *r = cfi_find(c, offset);
	Dwarf_Frame *f = NULL;

	for (size_t i = 0; i < c->segment_count; i++) {
		const struct cfi_segment *s = &c->segments[i];

		if (offset < s->offset || offset - s->offset >= s->size)
			continue;
		o->compared++;
		if (dwarf_cfi_addrframe(o->cfi, offset - s->offset + s->vaddr, &f)) {
			/* no CFI: then ours is what the gap's code says, or nothing */
			o->gaps++;
			return;
		}
		if (register_after_expression(r, f))
			o->register_after_expression++;
		else if (jumps_into_handler(r, f))
			o->into_handler++;
		else if (!agrees(r, f) && o->differ++ < 20) {
			print_message("# %s at 0x%lx: cfa %u %+d, ra %u %+d, fp %u %+d, base %+d\n",
				      o->path, (unsigned long)offset, r->cfa, r->offset, r->ra,
				      r->ra_offset, r->fp, r->fp_offset, r->base_offset);
		}
		free(f);
		return;
	}
}

static void compare_file(struct oracle *o, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct cfi c = { 0 };
	GElf_Ehdr header;

	if (fd < 0)
		return;
	o->path = path;
	o->elf = elf_begin(fd, ELF_C_READ, NULL);
	o->cfi = o->elf && elf_kind(o->elf) == ELF_K_ELF && gelf_getehdr(o->elf, &header) &&
				 header.e_machine == EM_X86_64 && header.e_type != ET_REL
			 ? dwarf_getcfi_elf(o->elf)
			 : NULL;
	if (o->cfi && !cfi_read_fd(&c, fd, NULL)) {
		for (size_t i = 0; i < c.count; i++) {
			compare(o, &c, c.rows[i].pc);
			if (i + 1 < c.count && c.rows[i + 1].pc > c.rows[i].pc + 1)
				compare(o, &c, c.rows[i + 1].pc - 1);
		}
		o->rows += c.count;
	}
	cfi_release(&c);
	if (o->cfi)
		dwarf_cfi_end(o->cfi);
	elf_end(o->elf);
	close(fd);
}

/* ── which files ────────────────────────────────────────────────────────────────────────────── */

static char **files;
static size_t file_count;

static int add_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_F || st->st_size < 1024)
		return 0;
	if (file_count % 1024 == 0)
		files = realloc(files, (file_count + 1024) * sizeof(*files));
	files[file_count++] = strdup(path);
	return 0;
}

static void collect_files(void)
{
	uint64_t random = 88172645463325252ULL;

	nftw("/usr/bin", add_file, 16, FTW_PHYS);
	nftw("/usr/lib", add_file, 16, FTW_PHYS);
	/* the same shuffle each time, so that a sample is of all kinds */
	for (size_t i = file_count; i > 1; i--) {
		char *swap = files[i - 1];
		size_t j;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		j = random % i;
		files[i - 1] = files[j];
		files[j] = swap;
	}
}

static void release_files(void)
{
	for (size_t i = 0; i < file_count; i++)
		free(files[i]);
	free(files);
	files = NULL;
	file_count = 0;
}

static void rows_are_libdws(void **state)
{
	static const char *const always[] = { "/lib64/ld-linux-x86-64.so.2",
					      "/lib/x86_64-linux-gnu/libc.so.6",
					      "/lib/x86_64-linux-gnu/libcrypto.so.3" };
	bool full = getenv("UNWIND_FULL");
	struct oracle o = { 0 };
	time_t end = time(NULL) + SAMPLE_SECONDS;

	(void)state;
	elf_version(EV_CURRENT);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		compare_file(&o, always[i]);
	collect_files();
	for (size_t i = 0; i < file_count && (full || time(NULL) < end); i++)
		compare_file(&o, files[i]);
	release_files();
	print_message(
		"# %zu rows, %zu places compared (%zu without CFI), %zu disagree, %zu by libgcc, "
		"%zu into handlers\n",
		o.rows, o.compared, o.gaps, o.differ, o.register_after_expression, o.into_handler);
	assert_true(o.compared > 1000);
	assert_int_equal(o.differ, 0);
	assert_true(o.register_after_expression <= 14);
}

/* ── the follower of instructions against the compiler's CFI ────────────────────────────────── */

struct followed {
	size_t functions, understood, bytes, differ;
};

int cfi_add_row(struct cfi *c, uint64_t pc, const struct tprof_rule *rule);

static void follow(struct followed *f, int fd, const struct cfi *c, uint64_t start, uint64_t end)
{
	uint8_t *code = malloc(end - start);
	static const struct tprof_rule none;
	struct cfi out = { 0 };
	bool any = false;

	assert_int_equal(pread(fd, code, end - start, (off_t)start), end - start);
	assert_int_equal(cfi_add_row(&out, 0, &none), 0);
	assert_int_equal(cfi_asm(&out, start, code, end - start), 0);
	for (uint64_t pc = start; pc < end; pc++) {
		const struct tprof_rule *ours = cfi_find(&out, pc), *theirs = cfi_find(c, pc);

		if (ours->cfa == TPROF_CFA_NONE)
			continue;
		any = true;
		f->bytes++;
		if (ours->cfa != theirs->cfa || ours->offset != theirs->offset)
			f->differ++;
	}
	f->functions++;
	f->understood += any;
	cfi_release(&out);
	free(code);
}

static void follow_file(struct followed *f, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct cfi c = { 0 };

	if (fd >= 0 && !cfi_read_fd(&c, fd, NULL)) {
		for (size_t i = 0, j; i < c.count; i = j + 1) {
			const struct tprof_rule *r = &c.rules[c.rows[i].rule];

			for (j = i; j < c.count && c.rules[c.rows[j].rule].cfa;)
				j++;
			if (j > i && j < c.count && r->cfa == TPROF_CFA_SP && r->offset == 8 &&
			    c.rows[j].pc - c.rows[i].pc <= 4096)
				follow(f, fd, &c, c.rows[i].pc, c.rows[j].pc);
		}
	}
	cfi_release(&c);
	if (fd >= 0)
		close(fd);
}

static void following_agrees_with_cfi(void **state)
{
	struct followed f = { 0 };

	(void)state;
	follow_file(&f, "/lib/x86_64-linux-gnu/libcrypto.so.3");
	follow_file(&f, "/lib/x86_64-linux-gnu/libm.so.6");
	print_message("# %zu functions, %zu followed, %zu bytes, %zu differ\n", f.functions,
		      f.understood, f.bytes, f.differ);
	assert_true(f.understood > f.functions / 2);
	assert_int_equal(f.differ, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_libdws),
		cmocka_unit_test(following_agrees_with_cfi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
