// SPDX-License-Identifier: BSD-2-Clause
/*
 * An ELF image of a hostile program → rows. Whatever it is: no crash, rows sorted, rules in range. A
 * first byte of 0xc1 makes the rest code for the follower of instructions.
 */
#include <stdint.h>
#include <stdlib.h>

#include "collect/cfi.h"
#include "collect/cfi_asm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct cfi *c)
{
	for (size_t i = 0; i < c->count; i++) {
		if (c->rows[i].rule >= c->rule_count || (i && c->rows[i].pc <= c->rows[i - 1].pc))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cfi c = { 0 };

	if (size && data[0] == 0xc1)
		cfi_asm(&c, 0x1000, data + 1, size - 1 < CFI_ASM_MAX ? size - 1 : CFI_ASM_MAX);
	else
		cfi_read_image(&c, data, size, NULL);
	check(&c);
	cfi_release(&c);
	return 0;
}
