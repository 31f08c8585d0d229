/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SANDBOX_H
#define TPROF_SANDBOX_H

#include <stdbool.h>

/*
 * Filters of system calls (seccomp), for the rest of this process's life and its children's. Filters
 * add up: a child can be held tighter than its parent, never wider. A kernel without seccomp holds
 * nothing: then the other walls stand alone.
 */

/* For tprof itself, once all is loaded: what it never does again fails with EPERM: run a program
 * (unless it may), trace or write to a process, load BPF programs or modules, mount, talk to the
 * network (unless it may), … */
int sandbox_fence(bool may_run);

/* For a child that names functions out of files: what is open is read; nothing is opened, sent or
 * run; it may fork children that do the same. Anything else ends it with SIGSYS. */
int sandbox_naming(void);

/* For a child that reads one file: neither forks nor has more descriptors. */
int sandbox_parsing(void);

#endif
