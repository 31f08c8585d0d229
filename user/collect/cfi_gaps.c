// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rules for code that the CFI leaves out, only where the code itself says beyond doubt what holds:
 *
 *	after a system call	clone and clone3 of glibc end their CFI before `syscall`, because in
 *				the child it would be wrong. In the parent the stack is as before, the
				child begins here.
 *	at the entry point	that of ld.so has no CFI; one that begins as the ABI asks is a root.
 *	assembly		whose instructions can be followed (cfi_asm.c)
 *	sigreturn		`mov $15, %eax; syscall` is where signal handlers return to (musl). What is
 *				sampled in that system call stands behind the instruction.
 *	large gaps		that are full of `push %rbp; mov %rsp,%rbp` or the like: V8's builtins
 *				within node, Chromium, Go with C in it
 */
#include "collect/cfi_rows.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "collect/cfi_asm.h"
#include "collect/cfi_file.h"

#define MAX_SYSCALL_GAP 64
#define SYSCALL_SIZE	2
#define MAX_ENTRY_GAP	256
#define MIN_ASM		1
#define MAX_ASM		(16UL << 20)
#define LARGE_GAP	CFI_ASM_MAX
#define MAX_PIECES	64
#define MIN_PROLOGUES	4 /* of CFI_ASM_MAX bytes; such code has hundreds, assembly has none */

struct gaps {
	struct cfi old; /* rows to go through; rules are c's */
	struct cfi *c;
	struct cfi_file *f;
	size_t asm_left; /* bytes that may still be looked at */
};

static bool after_syscall(struct gaps *g, const struct tprof_rule *before, uint64_t start,
			  uint64_t end)
{
	uint8_t code[2];

	return before && before->cfa == TPROF_CFA_SP && before->offset == 8 && !before->ra &&
	       before->ra_offset == -8 && end - start <= MAX_SYSCALL_GAP &&
	       before->fp == TPROF_FP_SAME && !before->fp_offset &&
	       cfi_file_read(g->f, g->c, start, code, SYSCALL_SIZE) == SYSCALL_SIZE &&
	       !memcmp(code, "\x0f\x05", SYSCALL_SIZE);
}

/* Behind the instruction two return: the parent with the child's number, the child with 0. */
static int add_after_syscall(struct gaps *g, const struct tprof_rule *before, uint64_t start,
			     uint64_t end)
{
	struct tprof_rule rule = *before;
	int err = cfi_add_row(g->c, start, &rule);

	rule.extra = TPROF_SP_CLONE;
	rule.fp_offset = (int16_t)((start + SYSCALL_SIZE) & TPROF_SP_CLONE_MASK);
	if (!err && start + SYSCALL_SIZE < end)
		err = cfi_add_row(g->c, start + SYSCALL_SIZE, &rule);
	return err;
}

/* A gap behind glibc's trampoline for signal handlers, which ends with its system call. */
static bool after_sigreturn(struct gaps *g, const struct tprof_rule *before, uint64_t start)
{
	uint8_t code[SYSCALL_SIZE];

	return before && before->cfa == TPROF_CFA_SIGNAL && start > SYSCALL_SIZE &&
	       cfi_file_read(g->f, g->c, start - SYSCALL_SIZE, code, SYSCALL_SIZE) ==
		       SYSCALL_SIZE &&
	       !memcmp(code, "\x0f\x05", SYSCALL_SIZE);
}

/* xor %ebp,%ebp as the ABI asks, or ld.so's own beginning. */
static bool is_entry(struct gaps *g, uint64_t start, uint64_t end)
{
	static const struct {
		const char *bytes;
		size_t size;
	} starts[] = { { "\x31\xed", 2 },
		       { "\x48\x31\xed", 3 },
		       { "\x48\x89\xe7\xe8", 4 },
		       { "\xf3\x0f\x1e\xfa\x31\xed", 6 },
		       { "\xf3\x0f\x1e\xfa\x48\x31\xed", 7 } };
	uint64_t entry = g->f->header.e_entry;
	uint8_t code[8];

	if (entry < start || entry >= end || end - entry > MAX_ENTRY_GAP ||
	    cfi_file_read(g->f, g->c, entry, code, sizeof(code)) != sizeof(code))
		return false;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (!memcmp(code, starts[i].bytes, starts[i].size))
			return true;
	}
	return false;
}

/* mov $15,%rax (or %eax); syscall, at most 15 bytes of padding after `start`. */
static uint64_t find_sigreturn(struct gaps *g, uint64_t start, uint64_t end, uint64_t *ret_size)
{
	uint8_t code[32];
	size_t n = cfi_file_read(g->f, g->c, start, code,
				 end - start < sizeof(code) ? end - start : sizeof(code));

	for (size_t i = 0; i + 9 <= n && i < 16; i++) {
		if (!memcmp(code + i, "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9)) {
			*ret_size = 9;
			return start + i;
		}
	}
	return 0;
}

/* Hand-written assembly: pieces of it, at most CFI_ASM_MAX. */
static int fill_asm(struct gaps *g, uint64_t start, uint64_t end)
{
	static const struct tprof_rule none;
	uint64_t size = end - start < CFI_ASM_MAX ? end - start : CFI_ASM_MAX;
	uint8_t *code = size >= MIN_ASM && g->asm_left >= size ? malloc(size) : NULL;
	size_t n = code ? cfi_file_read(g->f, g->c, start, code, size) : 0;
	int err;

	g->asm_left -= n;
	err = n ? cfi_asm(g->c, start, code, n) : cfi_add_row(g->c, start, &none);
	if (!err && n && start + n < end)
		err = cfi_add_row(g->c, start + n, &none);
	free(code);
	return err;
}

/* push %rbp; mov %rsp,%rbp, or Go's before 1.21: mov %rbp,n(%rsp); lea n(%rsp),%rbp. */
static bool is_prologue(const uint8_t code[12])
{
	switch (code[0]) {
	case 0x55:
		return !memcmp(code + 1, "\x48\x89\xe5", 3) || !memcmp(code + 1, "\x48\x8b\xec", 3);
	case 0x48:
		return (!memcmp(code + 1, "\x89\x6c\x24", 3) &&
			!memcmp(code + 5, "\x48\x8d\x6c\x24", 4)) ||
		       (!memcmp(code + 1, "\x89\xac\x24", 3) &&
			!memcmp(code + 8, "\x48\x8d\xac\x24", 4));
	}
	return false;
}

static size_t prologues(const uint8_t *code, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i + 12 <= n; i++)
		count += is_prologue(code + i);
	return count;
}

/* By the beginning of [start, end); -1: that is not looked at any more. */
static int keeps_frames(struct gaps *g, uint64_t start, uint64_t end)
{
	uint64_t size = end - start < CFI_ASM_MAX ? end - start : CFI_ASM_MAX;
	uint8_t *code = g->asm_left >= size ? malloc(size) : NULL;
	size_t n = code ? cfi_file_read(g->f, g->c, start, code, size) : 0;
	int keeps = n ? prologues(code, n) >= MIN_PROLOGUES : -1;

	g->asm_left -= n;
	free(code);
	return keeps;
}

/*
 * Piece by piece: programs may have assembly in the middle. What is not looked at is as what stands
 * before it.
 */
static int fill_large(struct gaps *g, uint64_t start, uint64_t end)
{
	static const struct tprof_rule none, by_fp = { .cfa = TPROF_CFA_BY_FP };
	uint64_t piece = (end - start) / MAX_PIECES, to;
	int keeps = 0, now, err = 0;

	piece = piece < CFI_ASM_MAX ? CFI_ASM_MAX : piece;
	for (uint64_t at = start; at < end && !err; at = to) {
		to = end - at < piece + CFI_ASM_MAX / 2 ? end : at + piece;
		now = keeps_frames(g, at, to);
		keeps = now < 0 ? keeps : now;
		/* further on a piece begins in the middle of a function, which cannot be followed */
		if (keeps || at > start)
			err = cfi_add_row(g->c, at, keeps ? &by_fp : &none);
		else
			err = fill_asm(g, at, to);
	}
	return err;
}

static int fill_gap(struct gaps *g, const struct tprof_rule *before, uint64_t start, uint64_t end)
{
	static const struct tprof_rule none, root = { .cfa = TPROF_CFA_ROOT },
					     signal = { .cfa = TPROF_CFA_SIGNAL };
	uint64_t at, size = 0;
	int err;

	if (g->c->machine != EM_X86_64)
		return cfi_add_row(g->c, start, &none);
	if (end - start >= LARGE_GAP)
		return fill_large(g, start, end);
	if (after_syscall(g, before, start, end)) {
		return add_after_syscall(g, before, start, end);
	}
	if (after_sigreturn(g, before, start)) {
		err = cfi_add_row(g->c, start++, before);
		if (err || start == end)
			return err;
	}
	err = cfi_add_row(g->c, start, &none);
	if (!err && is_entry(g, start, end))
		return cfi_add_row(g->c, g->f->header.e_entry, &root);
	at = err ? 0 : find_sigreturn(g, start, end, &size);
	if (!at && !err)
		return fill_asm(g, start, end);
	if (at) { /* from the byte before, where its callers' return addresses are looked up */
		err = cfi_add_row(g->c, at > start ? at - 1 : at, &signal);
		if (!err && at + size + 1 < end) /* and the byte behind, where the kernel has it */
			err = cfi_add_row(g->c, at + size + 1, &none);
	}
	return err;
}

/* A gap as far as it is code: the first one reaches from 0 to the first FDE, the .init section and the
 * headers included. */
static int fill_gaps(struct gaps *g, const struct tprof_rule *before, uint64_t start, uint64_t end)
{
	static const struct tprof_rule none;
	const struct cfi_segment *s = g->c->segments;
	size_t i = 0;

	while (i < g->c->segment_count && start - s[i].vaddr >= s[i].size)
		i++;
	if (i < g->c->segment_count)
		return fill_gap(g, before, start, end);
	int err = cfi_add_row(g->c, start, &none);
	for (i = 0; i < g->c->segment_count && !err; i++) {
		if (s[i].vaddr > start && s[i].vaddr < end)
			err = fill_gap(g, NULL, s[i].vaddr,
				       end - s[i].vaddr < s[i].size ? end : s[i].vaddr + s[i].size);
	}
	return err;
}

int cfi_fill_gaps(struct cfi *c, struct cfi_file *f)
{
	struct gaps g = {
		.old = { .rows = c->rows, .count = c->count }, .c = c, .f = f, .asm_left = MAX_ASM
	};
	bool catches = false; /* a function that jumps into a handler is at its end */
	int err = 0;

	c->rows = NULL;
	c->count = c->capacity = 0;
	for (size_t i = 0; i < g.old.count && !err; i++) {
		const struct cfi_row *row = &g.old.rows[i];
		struct tprof_rule rule = c->rules[row->rule], before = { 0 };
		uint64_t end = i + 1 < g.old.count ? g.old.rows[i + 1].pc : UINT64_MAX;

		if (i)
			before = c->rules[g.old.rows[i - 1].rule];
		catches = catches && cfi_catch_goes_on(&before, &rule);
		if (cfi_catch_begins(&before, &rule)) {
			catches = true;
			err = cfi_add_catch(c, f, &before, g.old.rows[i - 1].pc, row->pc);
		}
		if (catches)
			rule.ra |= TPROF_RA_EXACT;
		if (rule.cfa == TPROF_CFA_NONE)
			err = fill_gaps(&g, i ? &before : NULL, row->pc, end);
		else if (!err)
			err = cfi_add_row(c, row->pc, &rule);
	}
	free(g.old.rows);
	return err;
}
