/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PRIVILEGE_H
#define TPROF_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Capabilities of this process, by their numbers in <linux/capability.h>. Giving up is for good: a
 * child or a program that is run cannot have them either (PR_SET_NO_NEW_PRIVS).
 */

/* Whether this process may use it. */
bool privilege_held(int cap);

/* Keeps these capabilities as far as they are held, and gives all others up. 0 or negative errno. */
int privilege_keep(const int *caps, size_t count);

/* For a child that parses: another user than root (nobody), where there is a choice, and no
 * capability. 0 or negative errno. */
int privilege_drop_all(void);

#endif
