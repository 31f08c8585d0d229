/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYMBOLIZE_DWARF_H
#define TPROF_SYMBOLIZE_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/query.h"

/* One function at an address. Strings are good during the call. */
struct dwarf_line {
	const char *function; /* raw symbol, or plain name; NULL = unknown */
	const char *file;     /* NULL = unknown, or not asked for */
	uint32_t line;	      /* 0 = unknown */
	bool inlined;	      /* into the next */
};

#define DWARF_MAX_LINES 32

/* Told what stands at a query: the innermost call first, the real function last. */
typedef void (*dwarf_lines_fn)(void *ctx, const struct query *q, const struct dwarf_line *lines,
			       size_t n);

/*
 * Looks up which inlined calls, and with `lines` which source lines, the queries (addr = virtual
 * address, sorted) lie in. fd is an ELF file with .debug_info, alt_fd what its .gnu_debugaltlink names
 * (-1 = none). Each compilation unit that a query lies in is walked once.
 *
 * It maps the files and trusts libdw: meant for a process that may crash (resolve_inline.c).
 * 0 or negative errno.
 */
int dwarf_lookup(int fd, int alt_fd, const struct query *q, size_t n, bool lines,
		 dwarf_lines_fn tell, void *ctx);

#endif
