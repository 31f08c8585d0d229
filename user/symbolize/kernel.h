/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYMBOLIZE_KERNEL_H
#define TPROF_SYMBOLIZE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "symbolize/query.h"

typedef void (*kernel_name_fn)(void *ctx, const struct query *q, const char *name);

/*
 * Names queries (addr = kernel address, sorted) that have none yet from a file in the format of
 * /proc/kallsyms: the nearest symbol at or below, if it is code. A function of a kernel module is
 * "name [module]". 0 or negative errno.
 */
int kernel_names(int fd, struct query *q, size_t n, kernel_name_fn name, void *ctx);

/* Whether such a file shows all addresses as 0 (kernel.kptr_restrict): by its first page. */
bool kernel_hidden(int fd);

#endif
