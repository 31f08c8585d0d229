/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CFI_ROWS_H
#define TPROF_CFI_ROWS_H

/* Between the files that make up cfi.h: bytes, CFA programs, the state that they compute. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "collect/cfi.h"

/* A reader of hostile bytes: past the end it returns zeros and `bad` is set. */
struct cfi_bytes {
	const uint8_t *at, *end;
	bool bad;
};

uint64_t cfi_fixed(struct cfi_bytes *b, unsigned size); /* little endian, at most 8 bytes */
uint64_t cfi_uleb(struct cfi_bytes *b);
int64_t cfi_sleb(struct cfi_bytes *b);
/* A pointer in DW_EH_PE_ encoding; `address` is where b->at is loaded. An encoding that is not
 * supported sets bad. */
uint64_t cfi_pointer(struct cfi_bytes *b, uint8_t encoding, uint64_t address);

/* The registers whose rules are kept. */
enum cfi_kept { CFI_FP, CFI_SP, CFI_RA, CFI_BASE, CFI_KEPT };

struct cfi_machine {
	uint16_t machine;	  /* e_machine */
	uint8_t sp, fp, ra, base; /* DWARF numbers */
};

const struct cfi_machine *cfi_machine(uint16_t e_machine); /* NULL: not known */

enum cfi_where {
	CFI_SAME, /* not touched, or by default */
	CFI_UNDEFINED,
	CFI_AT_CFA,	/* saved at CFA + value */
	CFI_IS_CFA,	/* is CFA + value */
	CFI_REGISTER,	/* is in register `value` */
	CFI_EXPRESSION, /* saved where the expression says */
	CFI_VALUE,	/* is what the expression says */
};

struct cfi_saved {
	enum cfi_where where;
	int64_t value;
	struct cfi_bytes expression;
};

/* The state at one location. */
struct cfi_frame {
	bool by_expression;
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct cfi_bytes cfa_expression;
	struct cfi_saved saved[CFI_KEPT];
};

/* An FDE with what its CIE says. */
struct cfi_program {
	const struct cfi_machine *machine;
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra; /* return address column */
	uint8_t encoding;
	bool signal;
	struct cfi_bytes initial, code; /* CFA instructions of CIE and FDE */
	uint64_t code_address;		/* where code.at is loaded, for DW_CFA_set_loc */
	uint64_t start, end;		/* virtual addresses */
};

/* Runs the program: calls row() for each location where the state may change, ascending in
 * [start, end). False: the program is malformed or unknown from some location on. row() may return
 * false to stop. */
bool cfi_run(const struct cfi_program *p,
	     bool (*row)(void *ctx, uint64_t address, const struct cfi_frame *f), void *ctx);

/* The rule that says the same as the state. */
struct tprof_rule cfi_rule(const struct cfi_program *p, const struct cfi_frame *f);
struct tprof_rule cfi_rule_unsupported(enum cfi_unsupported what);

/* Adds a row: virtual addresses here, see cfi.c. */
int cfi_add_row(struct cfi *c, uint64_t pc, const struct tprof_rule *rule);

/* cfi_catch.c: exceptions on their way into a handler. Rows that give away a function which jumps into
 * one, and what must be added before the first of them, behind the row at `start`. */
struct cfi_file;
bool cfi_catch_begins(const struct tprof_rule *before, const struct tprof_rule *r);
bool cfi_catch_goes_on(const struct tprof_rule *before, const struct tprof_rule *r);
int cfi_add_catch(struct cfi *c, struct cfi_file *f, const struct tprof_rule *before,
		  uint64_t start, uint64_t end);

/* Puts rules where the CFI has gaps: roots at entry points, around system calls; where exceptions jump
 * into handlers. Rows are by virtual address still. */
int cfi_fill_gaps(struct cfi *c, struct cfi_file *f);

#endif
