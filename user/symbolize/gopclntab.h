/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_GOPCLNTAB_H
#define TPROF_GOPCLNTAB_H

#include <stddef.h>

#include "symbolize/query.h"
#include "symbolize/symtab.h"

struct image;

/*
 * Names queries (addr = virtual address, sorted) from the table that the Go runtime prints its own
 * tracebacks from, which stripping leaves in place. Layouts of Go 1.16, 1.18 and 1.20 and later. No
 * such table, or another one: nothing is named. 0 or -ENOMEM.
 */
int gopclntab_names(const struct image *img, struct query *q, size_t n, symtab_name_fn name,
		    void *ctx);

#endif
