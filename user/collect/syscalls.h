/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYSCALLS_H
#define TPROF_SYSCALLS_H

#include <stddef.h>
#include <stdint.h>

/* What a thread sleeps in, by its number on the wire: a system call's name, "page fault / disk" …
 * Written to `room` (of at least 32 bytes) where the name is not a constant. */
const char *syscalls_name(int32_t nr, char *room, size_t size);

#endif
