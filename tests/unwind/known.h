/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_KNOWN_H
#define TPROF_KNOWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The frames of a stopped thread of a live process, which the caller traces, by libdw's own unwinder:
 * leaf first, lowered as frames are. Negative when it did not come to the end.
 */
ssize_t known_frames(pid_t pid, pid_t tid, uint64_t *ret_pcs, size_t most);

#endif
