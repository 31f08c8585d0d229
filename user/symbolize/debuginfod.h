/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_DEBUGINFOD_H
#define TPROF_DEBUGINFOD_H

#include <stdbool.h>

/* What all questions of a recording together may take. */
#define DEBUGINFOD_MS 60000

/*
 * Has debuginfod-find(1) fetch the debug file of this build ID from the servers in $DEBUGINFOD_URLS, or
 * from its cache. What that took goes off *left_ms; when servers cannot be asked it becomes negative, and
 * nothing is asked from then on. cancelled may be NULL. A descriptor, -ENOENT (none has it, no servers
 * are set, or it was tried before), -ENOEXEC (no debuginfod-find here), -ECANCELED, -ETIMEDOUT (nothing
 * is left), or what it met with: -ECONNREFUSED, -ETIME …; -EIO also for a file of more than 4 GB.
 */
int debuginfod_open(const char *build_id, int *left_ms, bool (*cancelled)(void *ctx), void *ctx);

#endif
