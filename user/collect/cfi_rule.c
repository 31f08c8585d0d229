// SPDX-License-Identifier: BSD-2-Clause
/* State of the CFI at a location → the rule that BPF follows. */
#include "collect/cfi_rows.h"

#include <dwarf.h>
#include <string.h>

struct tprof_rule cfi_rule_unsupported(enum cfi_unsupported what)
{
	return (struct tprof_rule){ .cfa = TPROF_CFA_UNSUPPORTED, .offset = (int32_t)what };
}

static const char *const unsupported_names[] = {
#define CFI_UNSUPPORTED_NAME(name, about) [CFI_NO_##name] = (about),
	CFI_UNSUPPORTED(CFI_UNSUPPORTED_NAME)
};

const char *cfi_unsupported_name(enum cfi_unsupported what)
{
	return what < CFI_NO_COUNT ? unsupported_names[what] : "?";
}

static bool fits16(int64_t v)
{
	return v >= INT16_MIN && v <= INT16_MAX;
}

static bool fits32(int64_t v)
{
	return v >= INT32_MIN && v <= INT32_MAX;
}

/* DW_OP_bregN offset. */
static bool take_breg(struct cfi_bytes *b, uint64_t *ret_register, int64_t *ret_offset)
{
	uint8_t op = (uint8_t)cfi_fixed(b, 1);

	if (op == DW_OP_bregx)
		*ret_register = cfi_uleb(b);
	else if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
		*ret_register = op - DW_OP_breg0;
	else
		return false;
	*ret_offset = cfi_sleb(b);
	return !b->bad;
}

/* The expression of the linker's PLT entries, which push nothing, then an index:
 * sp + offset + ((ip & 15) >= n) << 3. */
static bool is_plt(struct cfi_bytes b, const struct cfi_program *p, struct tprof_rule *r)
{
	static const uint8_t head[] = { DW_OP_lit15, DW_OP_and },
			     tail[] = { DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus };
	uint64_t reg;
	int64_t offset, zero;

	if (!take_breg(&b, &reg, &offset) || reg != p->machine->sp || !fits32(offset))
		return false;
	if (!take_breg(&b, &reg, &zero) || reg != p->machine->ra || zero)
		return false;
	if (b.end - b.at != 7 || memcmp(b.at, head, 2) != 0 || memcmp(b.at + 3, tail, 4) != 0)
		return false;
	if (b.at[2] < DW_OP_lit0 || b.at[2] > DW_OP_lit15)
		return false;
	r->cfa = TPROF_CFA_PLT;
	r->offset = (int32_t)offset;
	r->extra = b.at[2] - DW_OP_lit0;
	return true;
}

/* *(register + offset) + extra: frames that were realigned, or that keep the old sp on the stack. */
static bool is_deref(struct cfi_bytes b, const struct cfi_program *p, struct tprof_rule *r)
{
	uint64_t reg;
	int64_t offset, extra = 0;
	uint8_t op;

	if (!take_breg(&b, &reg, &offset) || (reg != p->machine->sp && reg != p->machine->fp))
		return false;
	if (cfi_fixed(&b, 1) != DW_OP_deref || b.bad)
		return false;
	if (b.at < b.end) {
		op = (uint8_t)cfi_fixed(&b, 1);
		if (op == DW_OP_plus_uconst) {
			extra = (int64_t)cfi_uleb(&b);
		} else if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
			extra = op - DW_OP_lit0;
			if (cfi_fixed(&b, 1) != DW_OP_plus)
				return false;
		} else {
			return false;
		}
	}
	if (b.bad || b.at < b.end || !fits32(offset) || !fits16(extra))
		return false;
	r->cfa = reg == p->machine->sp ? TPROF_CFA_SP_DEREF : TPROF_CFA_FP_DEREF;
	r->offset = (int32_t)offset;
	r->extra = (int16_t)extra;
	return true;
}

static int cfa_by_register(const struct cfi_program *p, uint64_t reg, int64_t offset,
			   struct tprof_rule *r)
{
	if (!fits32(offset) || reg > 31)
		return CFI_NO_CFA_OFFSET;
	r->offset = (int32_t)offset;
	r->reg = 0;
	if (reg == p->machine->sp) {
		r->cfa = TPROF_CFA_SP;
	} else if (reg == p->machine->fp) {
		r->cfa = TPROF_CFA_FP;
	} else if (reg == p->machine->base) {
		r->cfa = TPROF_CFA_BASE;
	} else {
		r->cfa = TPROF_CFA_REGISTER;
		r->reg = (uint8_t)reg;
	}
	return -1;
}

/* -1, or what is unsupported. */
static int make_cfa(const struct cfi_program *p, const struct cfi_frame *f, struct tprof_rule *r)
{
	struct cfi_bytes b = f->cfa_expression;
	uint64_t reg;
	int64_t offset;

	if (!f->by_expression)
		return cfa_by_register(p, f->cfa_register, f->cfa_offset, r);
	if (is_plt(f->cfa_expression, p, r) || is_deref(f->cfa_expression, p, r))
		return -1;
	if (take_breg(&b, &reg, &offset) && b.at == b.end)
		return cfa_by_register(p, reg, offset, r);
	return CFI_NO_CFA_EXPRESSION;
}

static int make_ra(const struct cfi_saved *ra, const struct cfi_program *p, struct tprof_rule *r)
{
	switch (ra->where) {
	case CFI_AT_CFA:
		if (!fits16(ra->value))
			return CFI_NO_RA_OFFSET;
		r->ra_offset = (int16_t)ra->value;
		return -1;
	case CFI_REGISTER:
		if (ra->value < 0 || ra->value > 31)
			return CFI_NO_RA_EXPRESSION;
		r->ra = (uint8_t)(1 + ra->value);
		return -1;
	case CFI_SAME:
		/* Where the return address is a register of its own it starts out in it. */
		if (p->ra != p->machine->ra || p->machine->ra > 30 || p->machine->sp != 31)
			return CFI_NO_RA_SAME;
		r->ra = (uint8_t)(1 + p->machine->ra);
		return -1;
	default: return CFI_NO_RA_EXPRESSION;
	}
}

static void make_fp(const struct cfi_saved *fp, const struct cfi_program *p, struct tprof_rule *r)
{
	struct cfi_bytes b = fp->expression;
	uint64_t reg;
	int64_t offset = fp->value;

	r->fp = TPROF_FP_UNKNOWN;
	if (fp->where == CFI_SAME) {
		r->fp = TPROF_FP_SAME;
	} else if (fp->where == CFI_AT_CFA && fits16(offset)) {
		r->fp = TPROF_FP_AT_CFA;
		r->fp_offset = (int16_t)offset;
	} else if (fp->where == CFI_EXPRESSION && take_breg(&b, &reg, &offset) && b.at == b.end &&
		   fits16(offset) && (reg == p->machine->fp || reg == p->machine->sp)) {
		r->fp = reg == p->machine->fp ? TPROF_FP_AT_FP : TPROF_FP_AT_SP;
		r->fp_offset = (int16_t)offset;
	}
}

static void make_base(const struct cfi_saved *base, struct tprof_rule *r)
{
	if (base->where == CFI_SAME)
		r->base_offset = 0;
	else if (base->where == CFI_AT_CFA && fits16(base->value) && base->value)
		r->base_offset = (int16_t)base->value;
	else
		r->base_offset = TPROF_BASE_UNKNOWN;
}

struct tprof_rule cfi_rule(const struct cfi_program *p, const struct cfi_frame *f)
{
	const struct cfi_saved *sp = &f->saved[CFI_SP];
	struct tprof_rule r = { 0 };
	int what;

	/* The 'S' of the augmentation says that the frame below was interrupted here. */
	if (p->signal)
		return (struct tprof_rule){ .cfa = TPROF_CFA_SIGNAL };
	if (f->saved[CFI_RA].where == CFI_UNDEFINED)
		return (struct tprof_rule){ .cfa = TPROF_CFA_ROOT };
	what = make_cfa(p, f, &r);
	if (what < 0)
		what = make_ra(&f->saved[CFI_RA], p, &r);
	if (what < 0 && sp->where != CFI_SAME && !(sp->where == CFI_IS_CFA && !sp->value))
		what = CFI_NO_SP;
	if (what >= 0)
		return cfi_rule_unsupported((enum cfi_unsupported)what);
	make_fp(&f->saved[CFI_FP], p, &r);
	make_base(&f->saved[CFI_BASE], &r);
	return r;
}
