/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_STORE_H
#define TPROF_STORE_H

struct profile;
struct diag;

/*
 * profile ↔ .tprof, a SQLite database (docs/format.md). Written to a temporary file in the same
 * directory, synced, then renamed: the name holds the whole recording or what it held before.
 * The file is 0600 and, under sudo, belongs to SUDO_UID:SUDO_GID.
 */
int store_write(struct profile *p, const char *path, struct diag *d);

/*
 * Reads a recording. The file is not trusted: ids are range-checked, sizes capped. Negative errno:
 * -ENOENT …, -EBADMSG not a recording or a damaged one, -EPROTONOSUPPORT written by a newer version.
 */
int store_read(const char *path, struct profile **ret_profile, struct diag *d);

#endif
