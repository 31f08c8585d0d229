/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_MAPS_H
#define TPROF_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One executable mapping of a process, as the kernel tells it. */
struct map_entry {
	uint64_t start, end, offset;
	uint64_t dev, inode; /* makedev() of what maps says; inode 0 = no file */
	const char *path;    /* as the target sees it, unescaped; "[vdso]"; "" = none */
};

/*
 * The executable mappings of a process, ascending. Asks with the PROCMAP_QUERY ioctl (6.11) where it
 * is there, else reads the text. Both are hostile in size: at most `max` entries, -E2BIG above (what
 * was told stays told). entry() may return a negative errno to stop. The path is valid during the
 * call only.
 */
int maps_read(pid_t pid, size_t max, int (*entry)(void *ctx, const struct map_entry *e), void *ctx);

/* The executable mapping at an address: 0, -ENOENT (nothing there), -ENOTTY (no PROCMAP_QUERY: read
 * all), or another negative errno. */
int maps_query(pid_t pid, uint64_t address, int (*entry)(void *ctx, const struct map_entry *e),
	       void *ctx);

/* One line of a maps file, cut at its newline; changed in place. False: malformed or not executable. */
bool maps_parse_line(char *line, struct map_entry *ret_entry);

#endif
