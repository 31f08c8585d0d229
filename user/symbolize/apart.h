/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_APART_H
#define TPROF_APART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct profile;
struct query;
struct rootfile_via;
struct symbolize_options;

/*
 * The child that names, as it sees its parent:
 *
 *	parent: privileges, the profile      child: a copy of the profile, open files, nothing else
 *	        ←── names (names_wire.h) ───
 *	        ←── a file, please ─────────  parses ELF, .gnu_debugdata, Go's tables, perf maps;
 *	        ─── its descriptor ────────→  debug info in a child of its own (inline_wire.h)
 */
struct apart;

/* Debug files are opened by the parent; NULL of NULL: by this process. */
const struct rootfile_via *apart_via(const struct apart *a);
/* A descriptor or negative errno, as jit_map_open and debuginfod_open. */
int apart_perfmap(struct apart *a, uint32_t module);
int apart_fetch(struct apart *a, const char *build_id);

/* Which module comes now, and what became of it. */
void apart_begin(struct apart *a, uint32_t module, bool locks);
void apart_tell(struct apart *a, uint32_t module, const struct query *q, size_t n, bool locks);

/* The child's life: names from this module on, all frames and then all locks, or locks only. */
_Noreturn void apart_child(struct profile *p, const struct symbolize_options *o, int sock,
			   pid_t parent, uint32_t from, bool locks);

#endif
