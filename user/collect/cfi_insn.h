/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CFI_INSN_H
#define TPROF_CFI_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As much of an x86-64 instruction as it takes to follow the stack pointer. */
struct insn {
	uint8_t size;
	uint8_t map; /* 0: one byte, 1: 0f, 2: 0f 38, 3: 0f 3a; | INSN_VECTOR for VEX and EVEX */
	uint8_t opcode, rex;
	bool has_modrm, operand16;
	uint8_t mod, reg, rm; /* with REX bits */
	uint8_t base;	      /* of a memory operand: register, or 0xff: none or with an index */
	int32_t displacement;
	int64_t immediate; /* or a relative jump's distance */
};

#define INSN_VECTOR 8

/* False: not understood, or it goes on past the end. */
bool insn_decode(const uint8_t *code, size_t size, struct insn *ret);

#endif
