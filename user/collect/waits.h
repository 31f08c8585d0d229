/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_WAITS_H
#define TPROF_WAITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map64.h"
#include "collect/impl.h"

struct bpf_link;
struct diag;

/*
 * Waits, locks and threads: BPF's records → profile.
 *
 *	threads (mapped) ── exited, five times a second ┐
 *	                 └─ all others, at the end ─────┼─→ waits_thread.c ─→ threads, blocks, churn
 *	gone, rest ──────── what had no room, at the end┘
 *	locks ───────────── at the end ─→ waits_lock.c ─→ locks, owners
 *	counts ──────────── drain.c ─→ waits_row() ─→ rows, waiters, wakers
 */

/* Threads of one group made from one stack: summed here because groups are known late. */
struct waits_spawn {
	uint32_t process, group, stack;
	uint64_t created, exited;
};

/* Where a lock lies: in this object's data, so far above its first byte. */
struct waits_place {
	uint64_t offset;
	uint32_t object; /* 0 = in none */
	bool looked;
};

struct waits {
	struct bpf_link *links[8];
	size_t link_count;

	/* BPF's arrays, mapped: the first from the begin on, the others when something is in them */
	struct tprof_thread_bucket *index;		 /* NULL = nothing is recorded */
	struct tprof_thread *records[TPROF_THREAD_WAYS]; /* of all buckets */
	struct tprof_lock *locks;
	struct waits_place *places; /* of each lock */
	uint32_t *used;		    /* the slots of locks that there are */
	uint32_t used_count, made;  /* as of BPF's locks_made */
	uint64_t place_ns;	    /* when to look for more */

	struct waits_spawn *spawns;
	size_t spawn_count, spawn_cap;
	struct map64 spawn_at; /* hash → index + 1, the first of those with this hash */
	struct map64
		inner_tids;  /* (process or 0, number in its namespace) → thread of the profile */
	struct map64 shared; /* place in shared memory → lock of the profile */
	struct map64 aliases; /* (process, address) of a lock that is shared → that lock */
	struct map64 frames;  /* number on the wire + 2^32 → frame of the profile */
	uint32_t syscall_module;
	uint64_t gone_ns; /* when `gone` was read last */
};

/* Maps `locks`; false: it cannot be done. */
bool waits_map_locks(struct collect *c);
/* Brings `used` up to date: the array is large, and mostly empty. */
void waits_look(struct collect *c);

/* Before loading: which programs, how large the maps. */
void waits_configure(struct collect *c);
/* After loading. */
int waits_new(struct collect *c, struct diag *d);
int waits_attach(struct collect *c, struct diag *d);
/* Attached: from started_ns on all hooks count, at once. */
int waits_go(struct collect *c, struct diag *d);
/* Takes the records of threads that are gone. */
int waits_reap(struct collect *c);
/* From here on nothing counts: the states that threads are in have lasted until now. */
void waits_stop(struct collect *c);
void waits_detach(struct collect *c);
/* Detached, counts drained: what still lives, what still waits, locks, sums. */
int waits_finish(struct collect *c);
void waits_free(struct collect *c);

/* A row of counts, with the lock's side of it. Returns the stack that it stands under. */
uint32_t waits_row(struct collect *c, const struct orphan *row, uint32_t stack);

/* ── waits_thread.c ─────────────────────────────────────────────────────────────────────────── */

/* The record of a thread that is gone (exit_ns) or lives at `now`. */
int waits_thread(struct collect *c, const struct tprof_thread *t, uint64_t now);
/* Sums of threads without a record of their own: those that exited before this time. */
int waits_gone(struct collect *c, uint64_t before);
/* Threads that had no record at all. */
int waits_rest(struct collect *c);
/* Spawns whose stack was not taken go where the others of their group come from. */
void waits_spawns(struct collect *c);

/* ── waits_lock.c ───────────────────────────────────────────────────────────────────────────── */

int waits_locks(struct collect *c);
/* The profile's lock at this address of this process. 0 = out of memory. */
uint32_t waits_lock(struct collect *c, uint32_t process, uint64_t address);
/* The same of a lock at this address of whatever process, in memory that it shares; 0 also: none is known. */
uint32_t waits_lock_foreign(struct collect *c, uint64_t address);
/* This lock is the one at this place (a hash, not 0) of shared memory, whichever process waits. */
void waits_lock_shared(struct collect *c, const struct tprof_lock_key *key, uint64_t place);
/* A wait that is still going on. */
void waits_lock_open(struct collect *c, uint32_t process, const struct tprof_thread *t,
		     uint64_t ns);

/* ── waits_place.c ──────────────────────────────────────────────────────────────────────────── */

/* Where the locks lie that were not looked at before. */
void waits_place(struct collect *c);
void waits_place_soon(struct collect *c, uint64_t now);
/* The same at once, for those that processes may share: before they are spoken of. */
void waits_place_shared(struct collect *c);

#endif
