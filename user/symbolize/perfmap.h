/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PERFMAP_H
#define TPROF_PERFMAP_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/query.h"

typedef void (*perfmap_name_fn)(void *ctx, const struct query *q, const char *name);

/*
 * Names queries (addr = address in the process, sorted) from a perf map: lines "START SIZE NAME",
 * hexadecimal. Of several lines that cover an address the last one wins: runtimes append as they
 * compile. Of a file above 256 MB only its end is read. Control characters become '?'. 0 or negative
 * errno.
 */
int perfmap_names(int fd, struct query *q, size_t n, perfmap_name_fn name, void *ctx);

/*
 * Opens /tmp/perf-PID.map below the root of a process (AT_FDCWD: ours), where ns_pid is its PID as
 * it sees itself and uid its owner. An fd, or: -ENOENT, -ELOOP (a symbolic link), -EINVAL (no
 * regular file), -EPERM (owned by somebody else, or with a second name), or another negative errno.
 */
int perfmap_open(int root_fd, int32_t ns_pid, uint32_t uid);

/* "int java.lang.String.hashCode(char)" → "java.lang.String.hashCode", and hidden classes without
 * their addresses, in place; other names stay. */
void perfmap_tidy(char *name);

#endif
