/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PROCS_H
#define TPROF_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/types.h>

#include "collect/mapset.h"
#include "wire.h"

struct map_entry;
struct objects;
struct profile;

/*
 * The processes that were seen, and what they execute.
 *
 *	(pid, incarnation) ──→ proc ──→ process of the profile
 *	                        └─ mappings ──→ slice of the BPF array, process entry
 *
 * An incarnation ends with exec or exit: the same PID with another one is another program. Two
 * incarnations with the same start time are one process of the profile that has exec'ed.
 */
struct proc {
	pid_t pid, parent; /* parent 0 = not known */
	uint32_t process;  /* incarnation; 0 = not seen by BPF yet */
	uint64_t start;	   /* task->start_time; 0 = not known yet */
	uint32_t id;	   /* of the profile */
	struct mapset maps;
	struct mapset before; /* asked when an address lies in none of these; read once */
	bool before_read;
	uint32_t first, slots; /* slice; slots 0 = none */
	uint32_t generation;
	bool dirty;   /* maps have changed since BPF was told */
	bool sampled; /* BPF asked for its mappings; until then /proc is not looked at */
	bool aside;   /* known from a count or a record only */
	uint8_t gone; /* 1 = it is, and counts on with every sweep */
	uint64_t
		next_read_ns; /* no whole read before: a huge maps file is not read again and again */
	uint32_t jit_module, unknown_module; /* made when needed */
	struct proc *older;		     /* of the same pid */
};

struct procs;

struct procs_options {
	struct profile *profile;
	struct objects *objects;
	int processes_fd, targets_fd;	/* BPF maps; targets -1: nobody is added to them */
	struct tprof_mapping *mappings; /* the array, mapped */
	uint32_t mappings_size;
	bool short_lived; /* processes come and go: keep a journal of mappings */
	/* Hands over, by procs_mmap, the mappings that were made up to now. */
	void (*take_mappings)(void *ctx);
	void *ctx;
};

struct procs *procs_new(const struct procs_options *o);
void procs_free(struct procs *s);

/* What an event tells of a process, as far as it does (0, NULL). */
struct proc_news {
	pid_t pid, parent;
	uint32_t process;
	uint64_t start;
	const char *comm; /* 16 bytes */
};

/* A process that is about to be recorded: reads what it maps. NULL = out of memory. */
struct proc *procs_add(struct procs *s, pid_t pid);
/* It runs: reads what it maps, if that was not done. NULL = out of memory. */
struct proc *procs_running(struct procs *s, const struct proc_news *news);
/* It was forked: maps what its parent maps. NULL = out of memory. */
struct proc *procs_forked(struct procs *s, const struct proc_news *news);
/* The process of a stack or a count; made when it is new. NULL = out of memory. */
struct proc *procs_get(struct procs *s, pid_t pid, uint32_t process);
/* The latest of this pid, or NULL. */
struct proc *procs_find(const struct procs *s, pid_t pid);

/* The process maps this from now on, whether it is known or not. */
void procs_mmap(struct procs *s, pid_t pid, const struct map_entry *e);
/* BPF met an address that it does not know. */
void procs_unknown_pc(struct procs *s, struct proc *p, uint64_t pc);
/* All mappings anew, for events were lost. */
void procs_reread(struct procs *s);

/* Frame of an address that BPF left bare: a frame of the profile. */
uint32_t procs_frame(struct procs *s, struct proc *p, uint64_t address);

/* Tells BPF what has changed. */
void procs_flush(struct procs *s);
/* Looks who is gone; slices given back before the last barrier become free. */
void procs_sweep(struct procs *s, uint64_t now);
/* Processes whose mappings did not fit. */
size_t procs_without_maps(const struct procs *s);
#endif
