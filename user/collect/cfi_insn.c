// SPDX-License-Identifier: BSD-2-Clause
#include "collect/cfi_insn.h"

#include "collect/cfi_rows.h"

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

/* One-byte opcodes without ModRM and with an immediate, after Intel's appendix A. */
static bool one_byte_modrm(uint8_t op)
{
	if (op < 0x40)
		return (op & 7) < 4;
	return op == 0x63 || op == 0x69 || op == 0x6b || (op >= 0x80 && op <= 0x8f) || op == 0xc0 ||
	       op == 0xc1 || op == 0xc6 || op == 0xc7 || (op >= 0xd0 && op <= 0xd3) ||
	       (op >= 0xd8 && op <= 0xdf) || op == 0xf6 || op == 0xf7 || op >= 0xfe;
}

static bool one_byte_invalid(uint8_t op)
{
	return (op < 0x40 && (op & 7) > 5) || op == 0x60 || op == 0x61 || op == 0x82 ||
	       op == 0x9a || op == 0xce || (op >= 0xd4 && op <= 0xd6) || op == 0xea;
}

/* Size of the immediate; `z` is that of operands: 4, or 2 with the 66 prefix. */
static unsigned one_byte_immediate(const struct insn *i, unsigned z)
{
	uint8_t op = i->opcode;

	if (op < 0x40)
		return (op & 7) == 4 ? 1 : (op & 7) == 5 ? z : 0;
	if ((op >= 0x70 && op <= 0x7f) || op == 0x6a || op == 0x6b || op == 0x80 || op == 0x83 ||
	    op == 0xa8 || (op >= 0xb0 && op <= 0xb7) || op == 0xc0 || op == 0xc1 || op == 0xc6 ||
	    op == 0xcd || (op >= 0xe0 && op <= 0xe7) || op == 0xeb)
		return 1;
	if (op == 0x68 || op == 0x69 || op == 0x81 || op == 0xa9 || op == 0xc7)
		return z;
	if (op >= 0xb8 && op <= 0xbf)
		return i->rex & REX_W ? 8 : z;
	if (op == 0xe8 || op == 0xe9)
		return 4;
	if (op >= 0xa0 && op <= 0xa3)
		return 8;
	if (op == 0xc2 || op == 0xca)
		return 2;
	if (op == 0xc8)
		return 3;
	if ((op == 0xf6 || op == 0xf7) && (i->reg & 7) < 2)
		return op == 0xf6 ? 1 : z;
	return 0;
}

static bool map1_modrm(uint8_t op)
{
	return !((op >= 0x05 && op <= 0x0b) || op == 0x0e || (op >= 0x30 && op <= 0x37) ||
		 op == 0x77 || (op >= 0x80 && op <= 0x8f) || (op >= 0xa0 && op <= 0xa2) ||
		 (op >= 0xa8 && op <= 0xaa) || (op >= 0xc8 && op <= 0xcf));
}

static unsigned map1_immediate(uint8_t op)
{
	if (op >= 0x80 && op <= 0x8f)
		return 4;
	return (op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 ||
	       (op >= 0xc4 && op <= 0xc6);
}

static int64_t take_immediate(struct cfi_bytes *b, unsigned size)
{
	uint64_t v = cfi_fixed(b, size);

	return size == 0 || size == 8 ? (int64_t)v
				      : (int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size);
}

static void take_modrm(struct cfi_bytes *b, struct insn *i)
{
	uint8_t byte = (uint8_t)cfi_fixed(b, 1), sib = 0;
	bool has_sib;

	i->mod = byte >> 6;
	i->reg = (uint8_t)((byte >> 3 & 7) | (i->rex & REX_R ? 8 : 0));
	i->rm = (uint8_t)((byte & 7) | (i->rex & REX_B ? 8 : 0));
	i->base = 0xff;
	if (i->mod == 3)
		return;
	has_sib = (byte & 7) == 4;
	if (has_sib)
		sib = (uint8_t)cfi_fixed(b, 1);
	if (!has_sib && !(i->mod == 0 && (byte & 7) == 5))
		i->base = i->rm;
	else if (has_sib && (sib >> 3 & 7) == 4 && !(i->rex & REX_X))
		i->base = (uint8_t)((sib & 7) | (i->rex & REX_B ? 8 : 0));
	if (i->mod == 1)
		i->displacement = (int32_t)take_immediate(b, 1);
	else if (i->mod == 2 || (i->mod == 0 && ((byte & 7) == 5 || (has_sib && (sib & 7) == 5))))
		i->displacement = (int32_t)cfi_fixed(b, 4);
}

/* VEX (c4, c5) and EVEX (62): the opcode's map and the bits of REX, inverted. */
static void take_vector(struct cfi_bytes *b, struct insn *i, uint8_t escape)
{
	uint8_t p = (uint8_t)cfi_fixed(b, 1);

	i->rex = p & 0x80 ? 0 : REX_R;
	i->map = INSN_VECTOR | 1;
	if (escape != 0xc5) {
		i->map = (uint8_t)(INSN_VECTOR | (p & 7));
		i->rex |= (p & 0x40 ? 0 : REX_X) | (p & 0x20 ? 0 : REX_B);
		cfi_fixed(b, escape == 0x62 ? 2 : 1);
	}
	i->opcode = (uint8_t)cfi_fixed(b, 1);
}

static uint8_t take_prefixes(struct cfi_bytes *b, struct insn *i)
{
	for (int n = 0; n < 14; n++) {
		uint8_t op = (uint8_t)cfi_fixed(b, 1);

		if (op == 0x66)
			i->operand16 = true;
		else if (op != 0x67 && op != 0xf0 && op != 0xf2 && op != 0xf3 && op != 0x2e &&
			 op != 0x36 && op != 0x3e && op != 0x26 && op != 0x64 && op != 0x65)
			return op;
	}
	b->bad = true;
	return 0;
}

static void take_opcode(struct cfi_bytes *b, struct insn *i)
{
	uint8_t op = take_prefixes(b, i);

	if ((op & 0xf0) == 0x40) {
		i->rex = op & 15;
		op = (uint8_t)cfi_fixed(b, 1);
	}
	i->opcode = op;
	if (op == 0xc4 || op == 0xc5 || op == 0x62) {
		take_vector(b, i, op);
	} else if (op == 0x0f) {
		i->map = 1;
		i->opcode = (uint8_t)cfi_fixed(b, 1);
		if (i->opcode == 0x38 || i->opcode == 0x3a) {
			i->map = i->opcode == 0x38 ? 2 : 3;
			i->opcode = (uint8_t)cfi_fixed(b, 1);
		}
	}
}

bool insn_decode(const uint8_t *code, size_t size, struct insn *ret)
{
	struct cfi_bytes b = { .at = code, .end = code + (size < 15 ? size : 15) };
	struct insn i = { 0 };
	unsigned immediate = 0;

	take_opcode(&b, &i);
	if (i.map == 0) {
		i.has_modrm = one_byte_modrm(i.opcode);
		b.bad |= one_byte_invalid(i.opcode);
	} else {
		i.has_modrm = (i.map & 7) != 1 || map1_modrm(i.opcode);
		b.bad |= (i.map & 7) == 0 || (i.map & 7) == 7;
	}
	if (i.has_modrm)
		take_modrm(&b, &i);
	if (i.map == 0)
		immediate = one_byte_immediate(&i, i.operand16 && !(i.rex & REX_W) ? 2 : 4);
	else if ((i.map & 7) == 1)
		immediate = map1_immediate(i.opcode);
	else if ((i.map & 7) == 3)
		immediate = 1;
	i.immediate = take_immediate(&b, immediate);
	if (b.bad)
		return false;
	i.size = (uint8_t)(b.at - code);
	*ret = i;
	return true;
}
