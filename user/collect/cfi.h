/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CFI_H
#define TPROF_CFI_H

#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include "wire.h"
#include "base/map.h"

struct diag;

/*
 * Call frame information of one ELF file → sorted rows of unwind rules.
 *
 *	.eh_frame ─→ FDEs, sorted ─→ rows: file offset → rule ─→ gaps filled in ─→ unwind_tables
 *	             (cfi.c)         (cfi_rows.c, cfi_rule.c)    (cfi_gaps.c)
 *
 * The file is hostile: everything in it is checked, sizes are capped. Rows are sorted, each is in
 * force until the next; where nothing is known stands a row with rule 0.
 */
struct cfi_row {
	uint64_t pc;   /* file offset */
	uint32_t rule; /* index into rules */
};

/* What a rule could not say; X(enumerator, what it is). */
#define CFI_UNSUPPORTED(X)                                        \
	X(CFA_EXPRESSION, "CFA by another expression")            \
	X(CFA_OFFSET, "offset from the CFA's register too large") \
	X(RA_EXPRESSION, "return address by an expression")       \
	X(RA_SAME, "return address without a rule")               \
	X(RA_OFFSET, "return address too far from the CFA")       \
	X(SP, "stack pointer that is not the CFA")                \
	X(PROGRAM, "malformed or unknown CFA program")            \
	X(ROOM, "rule table full")

#define CFI_UNSUPPORTED_ENUM(name, about) CFI_NO_##name,
enum cfi_unsupported { CFI_UNSUPPORTED(CFI_UNSUPPORTED_ENUM) CFI_NO_COUNT };

struct cfi_segment { /* an executable PT_LOAD */
	uint64_t vaddr, size, offset;
};

#define CFI_MAX_SEGMENTS 16

/* Zero-initialised is empty. */
struct cfi {
	struct cfi_row *rows;
	size_t count, capacity;
	struct tprof_rule *rules; /* deduplicated; [0] is "no CFI" */
	size_t rule_count, rule_capacity;
	struct map rule_index;
	struct cfi_segment segments[CFI_MAX_SEGMENTS];
	size_t segment_count;
	/* for the survey */
	size_t fdes, bad_fdes;
	uint16_t machine; /* e_machine */
};

/* 0; -ENODATA no CFI in it; -ENOEXEC no ELF of a machine that is known; -E2BIG, -ENOMEM, … */
int cfi_read_fd(struct cfi *c, int fd, struct diag *d);
/* An ELF image in memory, such as the vdso; copied from while reading. */
int cfi_read_image(struct cfi *c, const void *image, size_t size, struct diag *d);
void cfi_release(struct cfi *c);

/* The rule in force at this file offset. Never NULL. */
const struct tprof_rule *cfi_find(const struct cfi *c, uint64_t offset);
const char *cfi_unsupported_name(enum cfi_unsupported what);

#endif
