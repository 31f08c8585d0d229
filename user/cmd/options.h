/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_OPTIONS_H
#define TPROF_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cmd/cmd.h"

/* What options_parse says besides the index of the first operand. */
enum { OPTIONS_WRONG = -1, OPTIONS_HELP = -2, OPTIONS_NO_MEMORY = -3 };

/*
 * Sets the defaults, then parses argv by c->options into *values (zeroed by the caller). The index
 * of the first operand; OPTIONS_WRONG or _NO_MEMORY after one line on stderr;
 * OPTIONS_HELP after the help.
 */
int options_parse(const struct cmd *c, int argc, char **argv, void *values);
/* "tprof: WHAT: see 'tprof help CMD'" on stderr; returns EXIT_USAGE. */
int usage_error(const struct cmd *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What options_parse returned, when negative, as an exit code. */
int options_exit(int parsed);

/* ── parsers: the type of the field stands beside ───────────────────────────────────────────── */

int option_true(const struct cmd_option *o, const char *text, void *field,
		struct diag *d); /* bool */
/* const char *, any text but the empty one. */
int option_text(const struct cmd_option *o, const char *text, void *field, struct diag *d);
/* uint32_t in [min, max] */
int option_u32(const struct cmd_option *o, const char *text, void *field, struct diag *d);
/* uint64_t ns in [min, max]: "10", "1.5", "10s", "500ms", "2m", "1h" */
int option_duration(const struct cmd_option *o, const char *text, void *field, struct diag *d);
/* uint64_t bytes in [min, max]: "65536", "64K", "64M", "1G" */
int option_size(const struct cmd_option *o, const char *text, void *field, struct diag *d);
/* enum profile_kind */
int option_kind(const struct cmd_option *o, const char *text, void *field, struct diag *d);
const char *option_kind_choice(size_t i);
const char *option_kind_about(size_t i); /* of the i-th choice */

/* Process or thread ids, in order, each once. */
struct id_list {
	pid_t *ids;
	size_t count;
};
int option_ids(const struct cmd_option *o, const char *text, void *field, struct diag *d);

/* Texts of an option that may be given several times. */
struct text_list {
	const char **texts;
	size_t count;
};
int option_texts(const struct cmd_option *o, const char *text, void *field, struct diag *d);

#endif
