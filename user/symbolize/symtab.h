/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYMTAB_H
#define TPROF_SYMTAB_H

#include <stddef.h>

#include "symbolize/query.h"

struct image;
struct image_section;

enum symtab_what { SYMTAB_CODE, SYMTAB_DATA };

/* Told the raw symbol of a query, and where the symbol starts. */
typedef void (*symtab_name_fn)(void *ctx, const struct query *q, const char *symbol,
			       uint64_t start);

/*
 * Names queries (addr = virtual address) from ELF symbol tables, one after the other, first that
 * knows wins. Within a table: the innermost symbol that covers the address; functions before
 * untyped ones, exported before local ones, `read` before `__read`. Symbols without a size (hand
 * written assembly) reach to the next symbol, but not beyond their section, and only in a table with
 * static symbols, and only when no table knew better: symtab_finish.
 */
struct symtab {
	enum symtab_what what;
	struct query *queries;
	size_t count;
	symtab_name_fn name;
	void *ctx;
	struct symtab_hit *hits; /* own */
};

/* 0 or -ENOMEM. The queries stay the caller's. */
int symtab_init(struct symtab *st);
void symtab_release(struct symtab *st);
int symtab_scan(struct symtab *st, const struct image *img, const struct image_section *table);
void symtab_finish(struct symtab *st);

#endif
