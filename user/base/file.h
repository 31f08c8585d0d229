/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_FILE_H
#define TPROF_FILE_H

#include <stddef.h>

struct diag;

/*
 * Makes `path` a file of these bytes, whole or not at all: they are written to a file without a name
 * (or, where the file system has no such thing, with a random one) in the same directory, synced, and
 * renamed. 0600; under sudo it belongs to SUDO_UID:SUDO_GID. 0 or negative errno with d filled.
 */
int file_replace(const char *path, const void *data, size_t len, struct diag *d);

#endif
