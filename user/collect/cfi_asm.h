/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CFI_ASM_H
#define TPROF_CFI_ASM_H

#include <stddef.h>
#include <stdint.h>
#include "collect/cfi.h"

#define CFI_ASM_MAX (64U << 10) /* bytes that are looked at in one piece */

/*
 * Rules for x86-64 code without CFI, by following what its instructions do to the stack pointer.
 * Adds rows for [address, address + size). A function's rules are believed only if at each of its
 * returns the stack is again as at its entry, and nothing in it does something unforeseen to the
 * stack pointer; else its row says "no CFI".
 */
int cfi_asm(struct cfi *c, uint64_t address, const uint8_t *code, size_t size);

#endif
