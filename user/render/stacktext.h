/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_STACKTEXT_H
#define TPROF_STACKTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct profile;

/* One stack as in folded output, without the thread: "root;…;leaf". 0 or -ENOMEM. */
int stacktext_folded(struct profile *p, uint32_t stack, struct buf *out);
/* The few frames nearest the leaf that say most, caller last: "write < log_line < worker < …".
 * Frames of the kernel, of libc and of the JVM on both ends are left out where others stand between.
 * 0 or -ENOMEM. */
int stacktext_short(struct profile *p, uint32_t stack, size_t frames, struct buf *out);

#endif
