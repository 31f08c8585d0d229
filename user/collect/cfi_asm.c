// SPDX-License-Identifier: BSD-2-Clause
#include "collect/cfi_asm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect/cfi_insn.h"
#include "collect/cfi_rows.h"

enum { RAX = 0, RBX = 3, RSP = 4, RBP = 5, REX_W = 8 };

#define MAX_PASSES 8
#define MAX_FRAME  (1 << 20)

/*
 *	start ─→ state of its first instruction: CFA = rsp + 8
 *	      ─→ each instruction passes its state on to the next and to where it jumps
 *	      ─→ ret, or a jump out: CFA must be rsp + 8 again, rbp and rbx as they came
 */
struct state {
	uint32_t function; /* 1 + where its function begins; 0: not reached */
	int32_t offset;	   /* CFA - rsp, or CFA - rbp */
	int16_t fp, base;  /* where the caller's rbp and rbx are saved, from the CFA; 0: not */
	bool by_fp;
	bool decoded;
};

struct code {
	uint64_t address;
	const uint8_t *bytes;
	size_t size;
	struct state *states; /* by offset */
	uint8_t *bad;	      /* by a function's offset */
	bool changed, any_bad;
};

static void spoil(struct code *c, const struct state *s)
{
	c->changed |= !c->bad[s->function - 1];
	c->bad[s->function - 1] = 1;
	c->any_bad = true;
}

static bool same(const struct state *a, const struct state *b)
{
	return a->offset == b->offset && a->fp == b->fp && a->base == b->base &&
	       a->by_fp == b->by_fp;
}

/* The state at `at`, as somebody who comes there has it. */
static void pass_on(struct code *c, size_t at, const struct state *s)
{
	struct state *to = &c->states[at];

	if (to->function) {
		if (!same(to, s)) {
			spoil(c, s);
			spoil(c, to);
		} else if (to->function != s->function &&
			   (c->bad[to->function - 1] || c->bad[s->function - 1])) {
			spoil(c, s); /* what shares code shares its fate */
			spoil(c, to);
		}
		return;
	}
	*to = *s;
	to->decoded = false;
	c->changed = true;
}

static void leave_function(struct code *c, const struct state *s)
{
	if (s->by_fp || s->offset != 8 || s->fp || s->base)
		spoil(c, s);
}

static void jump(struct code *c, size_t next, int64_t distance, const struct state *s)
{
	int64_t to = (int64_t)next + distance;

	if (to < 0 || to >= (int64_t)c->size)
		leave_function(c, s);
	else
		pass_on(c, (size_t)to, s);
}

/* ── what an instruction does to the state ──────────────────────────────────────────────────── */

static void push(struct state *s, int reg)
{
	if (!s->by_fp)
		s->offset += 8;
	if (s->by_fp || reg < 0)
		return;
	if (reg == RBP && !s->fp)
		s->fp = (int16_t)-s->offset;
	if (reg == RBX && !s->base)
		s->base = (int16_t)-s->offset;
}

/* A saved register is back when it is popped from where it was pushed. */
static bool pop(struct state *s, int reg)
{
	if (reg == RSP)
		return false;
	if (reg == RBP) {
		if (!s->by_fp && s->fp != -s->offset)
			return false;
		if (s->by_fp && s->fp != -s->offset)
			return false;
		/* with the CFA by rbp, rsp is where rbp was saved: the frame's last pop */
		s->by_fp = false;
		s->fp = 0;
	}
	if (reg == RBX) {
		if (s->by_fp ? !s->base : s->base != -s->offset)
			return false;
		s->base = 0;
	}
	if (!s->by_fp)
		s->offset -= 8;
	return s->offset >= 8;
}

static bool add_sp(struct state *s, int64_t by)
{
	if (s->by_fp)
		return true;
	if (by > MAX_FRAME || by < -MAX_FRAME)
		return false;
	s->offset -= (int32_t)by;
	return s->offset >= 8 && s->offset <= MAX_FRAME;
}

/* Register to register moves of 64 bits. */
static bool move(struct state *s, int to, int from)
{
	if (to == RBP && from == RSP && !s->by_fp && s->fp) {
		s->by_fp = true;
		return true;
	}
	if (to == RSP && from == RBP && s->by_fp) {
		s->by_fp = false;
		return true;
	}
	return to != RSP && (to != RBP || s->fp) && (to != RBX || s->base);
}

/* Opcodes whose ModRM names a general register that they write: in `rm` or in `reg`. */
static int written(const struct insn *i)
{
	uint8_t op = i->opcode;

	if (i->map == 1 && ((op >= 0x40 && op <= 0x4f) || op == 0xaf ||
			    (op >= 0xb6 && op <= 0xb8) || (op >= 0xbc && op <= 0xbf)))
		return i->reg;
	if (i->map == 1 && i->mod == 3 && ((op >= 0x90 && op <= 0x9f) || op == 0xc0 || op == 0xc1))
		return i->rm;
	if (i->map != 0 || !i->has_modrm)
		return -1;
	if (op == 0x63 || op == 0x69 || op == 0x6b || op == 0x8a || op == 0x8b || op == 0x8d ||
	    (op < 0x38 && (op & 7) >= 2))
		return i->reg;
	if (i->mod != 3)
		return -1;
	if (op == 0x38 || op == 0x39 || op == 0x3a || op == 0x3b || op == 0x84 || op == 0x85 ||
	    (op >= 0xd8 && op <= 0xdf) ||
	    ((op == 0x80 || op == 0x81 || op == 0x83) && i->reg == 7) ||
	    ((op == 0xf6 || op == 0xf7) && (i->reg & 7) != 2 && (i->reg & 7) != 3) ||
	    (op == 0xff && (i->reg & 7) > 1))
		return -1;
	return i->rm;
}

static bool arithmetic(const struct insn *i, struct state *s)
{
	int reg = written(i);

	/* add, sub, and of rsp with a number */
	if (i->map == 0 && (i->opcode == 0x81 || i->opcode == 0x83) && i->mod == 3 &&
	    i->rm == RSP && i->rex & REX_W) {
		if ((i->reg & 7) == 7)
			return true;
		if ((i->reg & 7) == 4)
			return s->by_fp;
		if ((i->reg & 7) == 0)
			return add_sp(s, i->immediate);
		return (i->reg & 7) == 5 && add_sp(s, -i->immediate);
	}
	/* lea of rsp */
	if (i->map == 0 && i->opcode == 0x8d && i->reg == RSP && i->rex & REX_W) {
		if (i->base == RSP)
			return add_sp(s, i->displacement);
		if (i->base != RBP || !s->by_fp)
			return false;
		return true;
	}
	if (reg == RSP)
		return s->by_fp;
	if (reg == RBP)
		return s->fp && !s->by_fp;
	return reg != RBX || s->base;
}

/* Where code goes on. */
enum flow { FLOW_NEXT, FLOW_END, FLOW_UNKNOWN };

static enum flow apply(struct code *c, const struct insn *i, size_t next, struct state *s)
{
	uint8_t op = i->opcode;
	int reg = (op & 7) | (i->rex & 1 ? 8 : 0);

	if (i->map == 1 && op >= 0x80 && op <= 0x8f) {
		jump(c, next, i->immediate, s);
		return FLOW_NEXT;
	}
	if (i->map == 1 && op == 0x0b) /* ud2 */
		return FLOW_END;
	if (i->map != 0)
		return arithmetic(i, s) ? FLOW_NEXT : FLOW_UNKNOWN;
	if (op >= 0x50 && op <= 0x57) {
		push(s, reg);
		return i->operand16 ? FLOW_UNKNOWN : FLOW_NEXT;
	}
	if (op >= 0x58 && op <= 0x5f)
		return pop(s, reg) && !i->operand16 ? FLOW_NEXT : FLOW_UNKNOWN;
	if ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3)) {
		jump(c, next, i->immediate, s);
		return FLOW_NEXT;
	}
	switch (op) {
	case 0x68:
	case 0x6a:
	case 0x9c: push(s, -1); return FLOW_NEXT;
	case 0x9d: return pop(s, RAX) ? FLOW_NEXT : FLOW_UNKNOWN;
	case 0x89:
	case 0x8b:
		if (i->mod == 3 && i->rex & REX_W)
			return move(s, op == 0x89 ? i->rm : i->reg, op == 0x89 ? i->reg : i->rm)
				       ? FLOW_NEXT
				       : FLOW_UNKNOWN;
		break;
	case 0xc9:
		if (!s->by_fp || !s->fp)
			return FLOW_UNKNOWN;
		s->by_fp = false;
		s->offset = -s->fp;
		return pop(s, RBP) ? FLOW_NEXT : FLOW_UNKNOWN;
	case 0xc3: leave_function(c, s); return FLOW_END;
	case 0xe9:
	case 0xeb: jump(c, next, i->immediate, s); return FLOW_END;
	case 0xf4: return FLOW_END;
	case 0xff:
		if ((i->reg & 7) == 6)
			push(s, -1);
		if ((i->reg & 7) == 4)
			leave_function(c, s);
		return (i->reg & 7) == 4 ? FLOW_END : FLOW_NEXT;
	case 0x8f:
	case 0x87:
	case 0xc2:
	case 0xc8:
	case 0xca:
	case 0xcb:
	case 0xcf: return FLOW_UNKNOWN;
	}
	if (op >= 0x91 && op <= 0x97) /* xchg with rax */
		return reg == RSP || reg == RBP || reg == RBX ? FLOW_UNKNOWN : FLOW_NEXT;
	if (op >= 0xb0 && op <= 0xbf)
		return (reg == RBP && !s->fp) || (reg == RBP && s->by_fp) || reg == RSP ||
				       (reg == RBX && !s->base)
			       ? FLOW_UNKNOWN
			       : FLOW_NEXT;
	return arithmetic(i, s) ? FLOW_NEXT : FLOW_UNKNOWN;
}

/* ── the passes ─────────────────────────────────────────────────────────────────────────────── */

static void run_from(struct code *c, size_t at)
{
	while (at < c->size && c->states[at].function && !c->states[at].decoded) {
		struct state s = c->states[at];
		struct insn i;
		enum flow flow;

		c->states[at].decoded = true;
		if (c->bad[s.function - 1])
			return;
		if (!insn_decode(c->bytes + at, c->size - at, &i)) {
			spoil(c, &s);
			return;
		}
		flow = apply(c, &i, at + i.size, &s);
		if (flow == FLOW_UNKNOWN)
			spoil(c, &s);
		if (flow != FLOW_NEXT)
			return;
		at += i.size;
		if (at >= c->size) /* runs out of the piece into what has CFI */
			leave_function(c, &s);
		else
			pass_on(c, at, &s);
	}
}

static void settle(struct code *c)
{
	for (int pass = 0; pass < MAX_PASSES; pass++) {
		c->changed = false;
		for (size_t at = 0; at < c->size; at++) {
			if (c->states[at].function && !c->states[at].decoded)
				run_from(c, at);
		}
		if (!c->changed)
			return;
	}
}

/* Padding: nop, int3, zeros, and the long nops. */
static size_t skip_padding(const struct code *c, size_t at)
{
	struct insn i;

	while (at < c->size) {
		uint8_t op = c->bytes[at];

		if (op == 0x90 || op == 0xcc || op == 0) {
			at++;
			continue;
		}
		if (!insn_decode(c->bytes + at, c->size - at, &i))
			break;
		if (!(i.map == 1 && i.opcode == 0x1f) && !(i.map == 0 && i.opcode == 0x90))
			break;
		at += i.size;
	}
	return at;
}

/* The first place after what is understood that may be a function's start. */
static size_t next_start(const struct code *c, size_t at)
{
	struct insn i;

	while (at < c->size) {
		size_t start;

		if (c->states[at].function) {
			if (!c->states[at].decoded || !insn_decode(c->bytes + at, c->size - at, &i))
				return c->size;
			at += i.size;
			continue;
		}
		start = skip_padding(c, at);
		if (start == at && at && (c->address + at) % 16) {
			at++;
			continue;
		}
		if (start < c->size && !c->states[start].function)
			return start;
		at = start;
	}
	return c->size;
}

static struct tprof_rule rule_of(const struct code *c, const struct state *s)
{
	struct tprof_rule r = { 0 };

	if (!s->function || c->bad[s->function - 1])
		return r;
	r.cfa = s->by_fp ? TPROF_CFA_FP : TPROF_CFA_SP;
	r.offset = s->offset;
	r.ra_offset = -8;
	r.fp = s->fp ? TPROF_FP_AT_CFA : TPROF_FP_SAME;
	r.fp_offset = s->fp;
	r.base_offset = s->base;
	return r;
}

static int add_rows(struct cfi *out, const struct code *c)
{
	static const struct tprof_rule none;
	size_t at = 0;
	int err = cfi_add_row(out, c->address, &none);

	while (at < c->size && !err) {
		const struct state *s = &c->states[at];
		struct tprof_rule rule = rule_of(c, s);
		struct insn i;

		err = cfi_add_row(out, c->address + at, &rule);
		if (s->function && s->decoded && insn_decode(c->bytes + at, c->size - at, &i))
			at += i.size;
		else
			at++;
	}
	return err;
}

int cfi_asm(struct cfi *out, uint64_t address, const uint8_t *bytes, size_t size)
{
	struct code c = { .address = address, .bytes = bytes, .size = size };
	int err = -ENOMEM;

	c.states = calloc(size, sizeof(*c.states));
	c.bad = calloc(size, 1);
	if (c.states && c.bad) {
		/* Behind a function that was not understood may lie more of it. */
		for (size_t at = next_start(&c, 0); at < size && !c.any_bad;
		     at = next_start(&c, at)) {
			c.states[at] = (struct state){ .function = (uint32_t)at + 1, .offset = 8 };
			settle(&c);
		}
		err = add_rows(out, &c);
	}
	free(c.states);
	free(c.bad);
	return err;
}
