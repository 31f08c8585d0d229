/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_HELP_H
#define TPROF_HELP_H

#include <stdio.h>

#include "cmd/cmd.h"

/* The help of one command, or of tprof as a whole (c == NULL). */
void help_print(const struct cmd *c, FILE *out);
/* Its man page in man(7) macros; c == NULL: tprof(1). */
void man_print(const struct cmd *c, FILE *out);
/* Completion for "bash" or "zsh"; -EINVAL for another shell. */
int completion_print(const char *shell, FILE *out);

#endif
