/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PLT_H
#define TPROF_PLT_H

#include <stddef.h>

#include "symbolize/query.h"
#include "symbolize/symtab.h"

struct image;

/*
 * Names queries that lie in a procedure linkage table after the function that the stub jumps to:
 * "memcpy@plt". A stub is known by the GOT slot that its code loads, whatever linker laid it out.
 * 0 or -ENOMEM.
 */
int plt_names(const struct image *img, struct query *q, size_t n, symtab_name_fn name, void *ctx);

#endif
