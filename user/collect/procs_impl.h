/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PROCS_IMPL_H
#define TPROF_PROCS_IMPL_H

/* The inside of a struct procs: procs.c has who is who and who lives, procs_memory.c what they map. */

#include "base/map64.h"
#include "collect/journal.h"
#include "collect/procs.h"
#include "collect/slices.h"

struct procs {
	struct procs_options o;
	struct slices slices;
	struct journal journal;
	struct proc **list;
	size_t count, cap;
	struct map64 by_pid; /* → struct proc *: the latest */
	struct map64 ids;    /* pid << 32 | incarnation → process of the profile, for ever */
	size_t without_maps;
};

/* Reads all that it maps; the next time may come when this one's cost has become small beside the time. */
void procs_read_maps(struct procs *s, struct proc *p);
/* Maps what the other one does, if it maps nothing yet. */
void procs_copy_maps(struct proc *p, const struct proc *from);
/* Maps what the journal of the last mappings has of it. */
void procs_replay_maps(struct procs *s, struct proc *p);

#endif
