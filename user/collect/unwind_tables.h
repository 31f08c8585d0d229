/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_UNWIND_TABLES_H
#define TPROF_UNWIND_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct diag;

/*
 * Unwind tables of the objects that targets execute, in the kernel's maps. Shared by all processes;
 * built when asked for, the hottest first; the least used thrown out when memory runs short.
 *
 *	unwind_tables_add()     this object may be needed; fd stays the caller's and open
 *	unwind_tables_load()    builds all that were added: before recording starts
 *	unwind_tables_tick()    builds what was asked for since, hottest first, for about 100 ms; to be
 *	                        called often: when there is nothing to do it returns at once
 */
struct unwind_tables;

struct unwind_tables_maps {
	int objects, chunks, rules; /* descriptors of bpf/unwind.bpf.c's maps; stay the caller's */
	volatile uint32_t *epoch;   /* its unwind_epoch; NULL is fine */
};

struct unwind_tables_stats {
	size_t objects;	   /* added */
	size_t loaded;	   /* have a table now */
	size_t no_cfi;	   /* have no CFI: walked by frame pointer */
	size_t failed;	   /* could not be read or are too large */
	size_t memory;	   /* bytes of kernel memory for tables */
	size_t evictions;  /* tables thrown out for want of memory */
	size_t refused;	   /* tables not built, as all others were in use */
	size_t rules_full; /* rules that had no room: stacks are cut there */
	uint64_t build_ns;
};

int unwind_tables_new(struct unwind_tables **ret_tables, const struct unwind_tables_maps *maps,
		      size_t memory, struct diag *d);
void unwind_tables_free(struct unwind_tables *t); /* NULL is fine */

/* Lazily: its table is built when a walk first asked for it; else at the next tick. */
int unwind_tables_add(struct unwind_tables *t, uint32_t object, int fd, bool lazily);
int unwind_tables_load(struct unwind_tables *t, struct diag *d);
int unwind_tables_tick(struct unwind_tables *t, uint64_t now_ns, struct diag *d);

void unwind_tables_get_stats(const struct unwind_tables *t, struct unwind_tables_stats *ret_stats);

#endif
