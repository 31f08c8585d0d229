/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PROGRAMS_H
#define TPROF_PROGRAMS_H

struct collect;
struct diag;

/*
 * The kernel verifies the programs, half of them in each of two threads, while tprof builds its first
 * tables. What a program is loaded from is an object of its own that shares all maps with c->skel.
 *
 *	c->skel   opened, configured ─→ maps made ─┬─→ tables, targets … ──────┐
 *	                                           ├─→ part 0: programs loaded ├─→ c->skel->progs
 *	                                           └─→ part 1: programs loaded ┘
 */

/* Opens c->skel. */
int programs_open(struct collect *c, struct diag *d);
/* Makes the maps of the configured c->skel, and begins to load its programs that are to be loaded. */
int programs_begin(struct collect *c, struct diag *d);
/* Waits until that is done: from here on c->skel->progs can be attached. A complaint of the kernel's is
 * in `why`, else that is empty. 0 or negative errno. */
int programs_end(struct collect *c, char *why, unsigned long why_size);
/* Detaches and gives back all, c->skel too. */
void programs_release(struct collect *c);

#endif
