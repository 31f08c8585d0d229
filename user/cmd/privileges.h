/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CMD_PRIVILEGES_H
#define TPROF_CMD_PRIVILEGES_H

#include <stdbool.h>

/*
 * Root for as short as possible (docs/privileges.md). Each step keeps less than the one before:
 *
 *	start ─→ attached ─→ stopped ─→ named
 *
 * 0 or negative errno.
 */
int privileges_attached(bool command, bool jvm, bool debuginfod);
int privileges_stopped(bool command);
int privileges_named(bool command);

/* For commands that read recordings: files are read and written as the caller may, nothing else. */
int privileges_reading(void);

#endif
