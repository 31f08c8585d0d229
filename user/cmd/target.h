/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_TARGET_H
#define TPROF_TARGET_H

#include "cmd/record.h"

struct profile;

/* The target as it was asked for: "-p 1234,1250", "-- make -j4". NULL = out of memory; free(). */
char *target_text(const struct record_options *o);
/* The name of its recording: "redis-server-1234.tprof", "system.tprof". NULL = no memory; free(). */
char *target_file_name(const struct record_options *o, const struct profile *p);
/* Could the command be started? 0, or EXIT_NOT_FOUND or EXIT_NOT_RUNNABLE after a line on stderr. */
int target_check_command(char *const *command);

#endif
