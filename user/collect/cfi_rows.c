// SPDX-License-Identifier: BSD-2-Clause
#include "collect/cfi_rows.h"

#include <dwarf.h>
#include <elf.h>

#define MAX_REMEMBERED 16

static const struct cfi_machine machines[] = {
	{ .machine = EM_X86_64, .sp = 7, .fp = 6, .ra = 16, .base = 3 },
	{ .machine = EM_AARCH64, .sp = 31, .fp = 29, .ra = 30, .base = 19 },
};

const struct cfi_machine *cfi_machine(uint16_t e_machine)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (machines[i].machine == e_machine)
			return &machines[i];
	}
	return NULL;
}

/* ── bytes ──────────────────────────────────────────────────────────────────────────────────── */

uint64_t cfi_fixed(struct cfi_bytes *b, unsigned size)
{
	uint64_t v = 0;

	if ((size_t)(b->end - b->at) < size) {
		b->bad = true;
		b->at = b->end;
		return 0;
	}
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)b->at[i] << (8 * i);
	b->at += size;
	return v;
}

static uint64_t leb(struct cfi_bytes *b, bool with_sign)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		if (b->at == b->end || shift > 63) {
			b->bad = true;
			return 0;
		}
		byte = *b->at++;
		v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (with_sign && shift < 64 && byte & 0x40)
		v |= ~0ULL << shift;
	return v;
}

uint64_t cfi_uleb(struct cfi_bytes *b)
{
	return leb(b, false);
}

int64_t cfi_sleb(struct cfi_bytes *b)
{
	return (int64_t)leb(b, true);
}

uint64_t cfi_pointer(struct cfi_bytes *b, uint8_t encoding, uint64_t address)
{
	uint64_t v;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8: v = cfi_fixed(b, 8); break;
	case DW_EH_PE_udata4: v = cfi_fixed(b, 4); break;
	case DW_EH_PE_sdata4: v = (uint64_t)(int32_t)cfi_fixed(b, 4); break;
	case DW_EH_PE_udata2: v = cfi_fixed(b, 2); break;
	case DW_EH_PE_sdata2: v = (uint64_t)(int16_t)cfi_fixed(b, 2); break;
	case DW_EH_PE_uleb128: v = cfi_uleb(b); break;
	case DW_EH_PE_sleb128: v = (uint64_t)cfi_sleb(b); break;
	default: b->bad = true; return 0;
	}
	switch (encoding & 0xf0) {
	case DW_EH_PE_absptr: return v;
	case DW_EH_PE_pcrel: return v + address;
	}
	b->bad = true;
	return 0;
}

/* ── CFA programs ───────────────────────────────────────────────────────────────────────────── */

struct run {
	const struct cfi_program *p;
	struct cfi_frame now, initial;
	struct cfi_frame remembered[MAX_REMEMBERED];
	unsigned depth;
	uint64_t location;
	bool bad, stop;
	bool (*row)(void *ctx, uint64_t address, const struct cfi_frame *f);
	void *ctx;
};

static void set_saved(struct run *r, uint64_t reg, struct cfi_saved saved)
{
	if (reg == r->p->ra)
		r->now.saved[CFI_RA] = saved;
	if (reg == r->p->machine->fp)
		r->now.saved[CFI_FP] = saved;
	else if (reg == r->p->machine->sp)
		r->now.saved[CFI_SP] = saved;
	else if (reg == r->p->machine->base)
		r->now.saved[CFI_BASE] = saved;
}

static void restore(struct run *r, uint64_t reg)
{
	if (reg == r->p->ra)
		r->now.saved[CFI_RA] = r->initial.saved[CFI_RA];
	if (reg == r->p->machine->fp)
		r->now.saved[CFI_FP] = r->initial.saved[CFI_FP];
	else if (reg == r->p->machine->sp)
		r->now.saved[CFI_SP] = r->initial.saved[CFI_SP];
	else if (reg == r->p->machine->base)
		r->now.saved[CFI_BASE] = r->initial.saved[CFI_BASE];
}

static void set_cfa(struct run *r, uint64_t reg, int64_t offset)
{
	r->now.by_expression = false;
	r->now.cfa_register = reg;
	r->now.cfa_offset = offset;
}

static void advance(struct run *r, uint64_t location)
{
	if (location < r->location || location > r->p->end) {
		r->bad = true;
		return;
	}
	if (location == r->location)
		return;
	r->stop = !r->row(r->ctx, r->location, &r->now);
	r->location = location;
}

static struct cfi_bytes block(struct cfi_bytes *b)
{
	uint64_t size = cfi_uleb(b);
	struct cfi_bytes block = { .at = b->at, .end = b->at };

	if (size > (uint64_t)(b->end - b->at)) {
		b->bad = true;
		return block;
	}
	b->at += size;
	block.end = b->at;
	return block;
}

static void remember(struct run *r)
{
	if (r->depth == MAX_REMEMBERED)
		r->bad = true;
	else
		r->remembered[r->depth++] = r->now;
}

static void recall(struct run *r)
{
	if (!r->depth)
		r->bad = true;
	else
		r->now = r->remembered[--r->depth];
}

/* Instructions that say where a register is saved. False: it is none of them. */
static bool run_saved(struct run *r, struct cfi_bytes *b, uint8_t op)
{
	int64_t align = r->p->data_align;
	struct cfi_saved s = { 0 };
	uint64_t reg = cfi_uleb(b);

	switch (op) {
	case DW_CFA_offset_extended:
		s.where = CFI_AT_CFA;
		s.value = (int64_t)(cfi_uleb(b) * (uint64_t)align);
		break;
	case DW_CFA_offset_extended_sf:
		s.where = CFI_AT_CFA;
		s.value = (int64_t)((uint64_t)cfi_sleb(b) * (uint64_t)align);
		break;
	case DW_CFA_GNU_negative_offset_extended:
		s.where = CFI_AT_CFA;
		s.value = -(int64_t)(cfi_uleb(b) * (uint64_t)align & INT64_MAX);
		break;
	case DW_CFA_val_offset:
		s.where = CFI_IS_CFA;
		s.value = (int64_t)(cfi_uleb(b) * (uint64_t)align);
		break;
	case DW_CFA_val_offset_sf:
		s.where = CFI_IS_CFA;
		s.value = (int64_t)((uint64_t)cfi_sleb(b) * (uint64_t)align);
		break;
	case DW_CFA_undefined: s.where = CFI_UNDEFINED; break;
	case DW_CFA_same_value: s.where = CFI_SAME; break;
	case DW_CFA_register:
		s.where = CFI_REGISTER;
		s.value = (int64_t)cfi_uleb(b);
		break;
	case DW_CFA_expression:
		s.where = CFI_EXPRESSION;
		s.expression = block(b);
		break;
	case DW_CFA_val_expression:
		s.where = CFI_VALUE;
		s.expression = block(b);
		break;
	default: return false;
	}
	set_saved(r, reg, s);
	return true;
}

static void run_extended(struct run *r, struct cfi_bytes *b, uint8_t op)
{
	uint64_t unit = r->p->code_align, reg;
	int64_t align = r->p->data_align;

	switch (op) {
	case DW_CFA_nop: break;
	case DW_CFA_set_loc:
		advance(r, cfi_pointer(b, r->p->encoding,
				       r->p->code_address + (uint64_t)(b->at - r->p->code.at)));
		break;
	case DW_CFA_advance_loc1: advance(r, r->location + cfi_fixed(b, 1) * unit); break;
	case DW_CFA_advance_loc2: advance(r, r->location + cfi_fixed(b, 2) * unit); break;
	case DW_CFA_advance_loc4: advance(r, r->location + cfi_fixed(b, 4) * unit); break;
	case DW_CFA_MIPS_advance_loc8: advance(r, r->location + cfi_fixed(b, 8) * unit); break;
	case DW_CFA_restore_extended: restore(r, cfi_uleb(b)); break;
	case DW_CFA_remember_state: remember(r); break;
	case DW_CFA_restore_state: recall(r); break;
	case DW_CFA_def_cfa:
		reg = cfi_uleb(b);
		set_cfa(r, reg, (int64_t)cfi_uleb(b));
		break;
	case DW_CFA_def_cfa_sf:
		reg = cfi_uleb(b);
		set_cfa(r, reg, (int64_t)((uint64_t)cfi_sleb(b) * (uint64_t)align));
		break;
	case DW_CFA_def_cfa_register: set_cfa(r, cfi_uleb(b), r->now.cfa_offset); break;
	case DW_CFA_def_cfa_offset: set_cfa(r, r->now.cfa_register, (int64_t)cfi_uleb(b)); break;
	case DW_CFA_def_cfa_offset_sf:
		set_cfa(r, r->now.cfa_register, (int64_t)((uint64_t)cfi_sleb(b) * (uint64_t)align));
		break;
	case DW_CFA_def_cfa_expression:
		r->now.by_expression = true;
		r->now.cfa_expression = block(b);
		break;
	case DW_CFA_GNU_args_size: cfi_uleb(b); break;
	case DW_CFA_GNU_window_save: /* on arm64: the return address is signed or not */
		r->bad = r->p->machine->machine != EM_AARCH64;
		break;
	default:
		if (!run_saved(r, b, op))
			r->bad = true;
	}
}

static void run_bytes(struct run *r, struct cfi_bytes b)
{
	while (b.at < b.end && !b.bad && !r->bad && !r->stop) {
		uint8_t op = *b.at++, low = op & 0x3f;

		switch (op & 0xc0) {
		case DW_CFA_advance_loc: advance(r, r->location + low * r->p->code_align); break;
		case DW_CFA_offset:
			set_saved(r, low,
				  (struct cfi_saved){
					  .where = CFI_AT_CFA,
					  .value = (int64_t)(cfi_uleb(&b) *
							     (uint64_t)r->p->data_align) });
			break;
		case DW_CFA_restore: restore(r, low); break;
		default: run_extended(r, &b, op);
		}
	}
	r->bad |= b.bad;
}

bool cfi_run(const struct cfi_program *p,
	     bool (*row)(void *ctx, uint64_t address, const struct cfi_frame *f), void *ctx)
{
	struct run r = { .p = p, .location = p->start, .row = row, .ctx = ctx };

	run_bytes(&r, p->initial);
	if (r.location != p->start) /* a CIE has no business with locations */
		r.bad = true;
	r.initial = r.now;
	if (!r.bad && !r.stop)
		run_bytes(&r, p->code);
	if (r.stop)
		return true;
	if (!r.bad && r.location < p->end)
		row(ctx, r.location, &r.now);
	return !r.bad;
}
