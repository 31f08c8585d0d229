/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CMD_H
#define TPROF_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct cmd_option;
struct diag;

/* Exit codes: a contract (docs/DESIGN.md). */
enum { EXIT_DONE = 0, EXIT_COULD_NOT = 1, EXIT_USAGE = 2 };

/* As the shell tells it: the command was found but does not run, or was not found. */
enum { EXIT_NOT_RUNNABLE = 126, EXIT_NOT_FOUND = 127 };

/* Turns an argument into *field (option_u32 …, options.h). 0, -EINVAL or -ENOMEM; d then says what
 * was expected: "a whole number from 1 to 10000". */
typedef int (*option_parse_fn)(const struct cmd_option *o, const char *text, void *field,
			       struct diag *d);

/*
 * One option of a subcommand: parsing, usage, help, man pages and completion all come from these
 * rows. The fallback is parsed like an argument before the command line is, so that the default
 * shown is the default taken.
 */
struct cmd_option {
	char short_name;	   /* 0 = none */
	const char *long_name;	   /* never NULL */
	const char *argument;	   /* "PID[,PID…]"; NULL = a switch */
	const char *fallback;	   /* "99"; NULL = none */
	const char *help;	   /* one sentence, lower case, no full stop */
	option_parse_fn parse;	   /* of a switch: called with text NULL */
	size_t field;		   /* offset in the command's options */
	uint64_t min, max;	   /* for option_u32 and option_duration */
	const char *fallback_text; /* shown in place of fallback where that depends on others */
	/* The words that can be an argument, i = 0, 1, … up to NULL; for help and completion. */
	const char *(*choice)(size_t i);
	const char *(*choice_about)(size_t i); /* what each choice is, one line; may be NULL */
};

/* One subcommand; each cmd/NAME.c exports one `const struct cmd cmd_NAME`. */
struct cmd {
	const char *name;
	const char *synopsis; /* "[TARGET] [options] [-- CMD…]" */
	const char *about;    /* one line */
	const char
		*description; /* paragraphs, parted by "\n\n", for the man page and `tprof help` */
	const char *examples; /* lines "command\twhat it does" */
	const struct cmd_option *options; /* ended by a row of zeros */
	bool privileged;	   /* what the caller may, this may; others only read files */
	bool operands_end_options; /* what follows the first operand is not ours (record's CMD) */
	int (*run)(const struct cmd *self, int argc, char **argv); /* argv[0] = name; → exit code */
};

/* The dispatch table, ended by NULL; main.c hands it to those who list it. */
extern const struct cmd *const commands[];
const struct cmd *command_by_name(const char *name); /* NULL: none */

extern const struct cmd cmd_record, cmd_report, cmd_flamegraph, cmd_export, cmd_diff, cmd_check,
	cmd_help;

#endif
