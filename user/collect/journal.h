/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_JOURNAL_H
#define TPROF_JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collect/maps.h"

/*
 * The last mappings that anybody on the host made: a process that lives for a few milliseconds is gone
 * before its first sample arrives, and /proc with it. This still tells what it had mapped.
 */
#define JOURNAL_ENTRIES 16384 /* a second or two of a busy build host */

struct journal_entry {
	struct map_entry e;
	char *path; /* owned; e.path points to it */
};

struct journal {
	struct journal_entry *ring; /* NULL: not kept */
	pid_t *pids;		    /* whose entry it is, 0 = free: apart, as all are looked at */
	size_t next;
};

int journal_init(struct journal *j);
void journal_add(struct journal *j, pid_t pid, const struct map_entry *e);
/* Calls entry for what this process had mapped, oldest first. */
void journal_replay(const struct journal *j, pid_t pid,
		    int (*entry)(void *ctx, const struct map_entry *e), void *ctx);
void journal_release(struct journal *j);

#endif
