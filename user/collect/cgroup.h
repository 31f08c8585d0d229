/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CGROUP_H
#define TPROF_CGROUP_H

#include <stdint.h>

struct diag;

/* The cgroup2 directory "path" (below the mount, or whole): its id and how deep it stands, 0 for the
 * root. Negative errno, explained. */
int cgroup_find(const char *path, uint64_t *ret_id, uint32_t *ret_level, struct diag *d);

#endif
