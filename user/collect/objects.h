/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_OBJECTS_H
#define TPROF_OBJECTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct profile;
struct map_entry;

/*
 * The files (and the vdso) that targets execute, each opened once at first sight, so that it stays
 * readable when the target is gone and the file deleted or replaced.
 *
 *	frame in BPF: (object id, offset) ──→ object ──→ module of the profile
 *	                                        └─ fd ──→ unwind table, by object id
 *
 * Identity is (device, inode): the open file keeps the inode from being used again. Ids are those
 * of struct tprof_mapping, 1 … TPROF_MAX_OBJECTS - 1; they never change.
 */
struct objects;

/* What an object's arrival triggers: building its unwind table. `fd` stays the profile's. */
typedef void (*objects_new_fn)(void *ctx, uint32_t object, int fd, const struct map_entry *e);

struct objects *objects_new(struct profile *p, objects_new_fn on_new, void *ctx);
void objects_free(struct objects *o);

/* The object that this mapping of `pid` shows; 0 = none: anonymous memory, or a file that is no ELF
 * (a JIT's shared memory), or too many. */
uint32_t objects_get(struct objects *o, pid_t pid, const struct map_entry *e);
/* Its module in the profile. */
uint32_t objects_module(const struct objects *o, uint32_t object);
/* Open for reading, owned by the profile; -1 = could not be opened. */
int objects_fd(const struct objects *o, uint32_t object);
size_t objects_count(const struct objects *o); /* ids 1 … this are valid */
/* Files that could not be opened because too many were open already. */
size_t objects_unopened(const struct objects *o);
/* Mappings of files that had no room in the registry. */
size_t objects_refused(const struct objects *o);

#endif
