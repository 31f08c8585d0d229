// SPDX-License-Identifier: BSD-2-Clause
/*
 * An exception on its way into its handler. The functions of libgcc that end in __builtin_eh_return
 * (_Unwind_RaiseException, _Unwind_Resume, …) overwrite what they have saved themselves with the
 * registers of the handler's frame, the return address included; from then on their CFI, which is of
 * their caller, mixes the one's registers with the other's stack:
 *
 *	call install			the slots become those of the handler's frame
 *	mov ra(%rbp),%rsi		for the debugger: where the handler is, and the stack
 *	mov cfa(%rbp),%rdi		pointer of its frame, which nothing else keeps in one place
 *	call hook
 *	…
 *	mov %rsi,8(%rbp,%rax)		the handler's address goes where it will be popped from
 *	…				registers from their slots
 *	mov %rcx,%rsp; pop %rcx; jmp *%rcx	CFA: rcx + 8; rsp + 8; rsp, return address in rcx
 *
 * The last three rows give such a function away. From the call on, its caller is the handler's frame:
 * that is whom it will return to, and what lies between is not to be found any more.
 */
#include "collect/cfi_rows.h"

#include <string.h>

#include "collect/cfi_file.h"

#define MAX_TAIL  256 /* from the call to the end; 131 at most in GCC 12's */
#define MAX_LOADS 24  /* behind the call */
#define CALL_SIZE 5
#define RCX	  2 /* as DWARF counts */

static bool is_frame(const struct tprof_rule *r)
{
	return r->cfa == TPROF_CFA_FP && r->offset == 16 && r->fp == TPROF_FP_AT_CFA &&
	       r->fp_offset == -16 && !r->ra && r->ra_offset == -8;
}

bool cfi_catch_begins(const struct tprof_rule *before, const struct tprof_rule *r)
{
	return is_frame(before) && r->cfa == TPROF_CFA_REGISTER && r->reg == RCX &&
	       r->offset == 8 && r->fp == TPROF_FP_SAME && !r->ra && r->ra_offset == -8;
}

bool cfi_catch_goes_on(const struct tprof_rule *before, const struct tprof_rule *r)
{
	if (before->cfa == TPROF_CFA_REGISTER)
		return r->cfa == TPROF_CFA_SP && r->offset == 8 && !r->ra && r->ra_offset == -8;
	return before->cfa == TPROF_CFA_SP && before->offset == 8 && r->cfa == TPROF_CFA_SP &&
	       !r->offset && r->ra == RCX + 1;
}

/* mov n(%rbp),%rdi or %rsi, with 32 bits or 8. */
static bool find_load(const uint8_t *code, size_t size, uint8_t wide, uint8_t narrow,
		      int32_t *ret_offset)
{
	for (size_t i = 0; i + 7 <= size; i++) {
		if (code[i] != 0x48 || code[i + 1] != 0x8b)
			continue;
		if (code[i + 2] == wide)
			memcpy(ret_offset, code + i + 3, sizeof(*ret_offset));
		else if (code[i + 2] == narrow)
			*ret_offset = (int8_t)code[i + 3];
		else
			continue;
		return true;
	}
	return false;
}

/* Behind which byte of the code the call ends, 0 = there is none; where the stack pointer is. */
static size_t find_install(const uint8_t *code, size_t size, int32_t *ret_cfa)
{
	int32_t ra = 0;

	for (size_t at = size; at >= CALL_SIZE + MAX_LOADS; at--) {
		size_t end = at - MAX_LOADS;

		if (code[end - CALL_SIZE] == 0xe8 &&
		    find_load(code + end, MAX_LOADS, 0xbd, 0x7d, ret_cfa) &&
		    find_load(code + end, MAX_LOADS, 0xb5, 0x75, &ra) && ra - 8 == *ret_cfa)
			return end;
	}
	return 0;
}

/* mov %rsi,8(%rbp,%any). */
static size_t find_store(const uint8_t *code, size_t size, size_t from)
{
	for (size_t i = from; i + 5 <= size; i++) {
		if (!memcmp(code + i, "\x48\x89\x74", 3) && (code[i + 3] & 0xc7) == 5 &&
		    code[i + 4] == 8)
			return i + 5;
	}
	return 0;
}

int cfi_add_catch(struct cfi *c, struct cfi_file *f, const struct tprof_rule *before,
		  uint64_t start, uint64_t end)
{
	struct tprof_rule rule = *before;
	size_t size = end - start < MAX_TAIL ? end - start : MAX_TAIL, installed, stored;
	uint8_t code[MAX_TAIL];
	int err;

	if (cfi_file_read(f, c, end - size, code, size) != size)
		return 0;
	installed = find_install(code, size, &rule.offset);
	if (!installed)
		return 0;
	rule.cfa = TPROF_CFA_FP_DEREF;
	rule.fp = TPROF_FP_AT_FP;
	rule.fp_offset = 0;
	rule.base_offset = TPROF_BASE_UNKNOWN;
	/* from the call's last byte on, where it is looked up while it is under way */
	err = cfi_add_row(c, end - size + installed - 1, &rule);
	stored = find_store(code, size, installed);
	rule.ra = TPROF_RA_EXACT;
	return err || !stored ? err : cfi_add_row(c, end - size + stored, &rule);
}
