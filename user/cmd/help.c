// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/help.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/layout.h"
#include "cmd/options.h"
#include "cmd/output.h"

enum { OPTION_COLUMN = 30, COMMAND_COLUMN = 14, CHOICE_COLUMNS = 12 };

const struct cmd *command_by_name(const char *name)
{
	for (const struct cmd *const *c = commands; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

/* Calls add for every paragraph of a text parted by "\n\n". */
static void add_paragraphs(struct buf *b, const char *text, unsigned width)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);
		char *paragraph = strndup(text, n);

		if (!paragraph)
			return;
		buf_addch(b, '\n');
		layout_wrap(b, paragraph, 0, 0, width);
		free(paragraph);
		text += n + (end ? 2 : 0);
	}
}

static void add_choices(struct buf *b, const struct cmd_option *o)
{
	const char *word;

	for (size_t i = 0; (word = o->choice(i)); i++)
		buf_printf(b, "%s%s", i ? ", " : ": ", word);
}

/* A line for each choice, below the option's. */
static void add_choices_about(struct buf *b, const struct cmd_option *o, unsigned width)
{
	const size_t names = 10, texts = names + CHOICE_COLUMNS;
	const char *word;

	for (size_t i = 0; (word = o->choice(i)); i++) {
		layout_spaces(b, names);
		layout_cell(b, word, CHOICE_COLUMNS, LAYOUT_LEFT);
		layout_wrap(b, o->choice_about(i), texts, texts, width);
	}
}

static void add_option(struct buf *b, const struct cmd_option *o, unsigned width)
{
	struct buf left = BUF_INIT, right = BUF_INIT;
	const char *fallback = o->fallback_text ? o->fallback_text : o->fallback;
	size_t at;

	if (o->short_name)
		buf_printf(&left, "  -%c, --%s", o->short_name, o->long_name);
	else
		buf_printf(&left, "      --%s", o->long_name);
	if (o->argument)
		buf_printf(&left, " %s", o->argument);
	buf_addstr(&right, o->help);
	if (o->choice && !o->choice_about)
		add_choices(&right, o);
	if (fallback)
		buf_printf(&right, " (default %s)", fallback);
	if (left.failed || right.failed)
		goto out;
	buf_add(b, left.data, left.len);
	at = layout_columns(left.data);
	if (at + 2 > OPTION_COLUMN) {
		buf_addch(b, '\n');
		at = 0;
	}
	layout_wrap(b, right.data, at, OPTION_COLUMN, width);
	if (o->choice && o->choice_about)
		add_choices_about(b, o, width);
out:
	buf_release(&left);
	buf_release(&right);
}

static void add_examples(struct buf *b, const char *examples, unsigned width)
{
	while (*examples) {
		size_t n = strcspn(examples, "\n"), command = strcspn(examples, "\t");
		char *what = strndup(examples + command + 1, n - command - 1);

		buf_printf(b, "  %.*s\n", (int)command, examples);
		if (what)
			layout_wrap(b, what, 0, 6, width);
		free(what);
		examples += n + (examples[n] == '\n');
	}
}

static void add_command_help(struct buf *b, const struct cmd *c, unsigned width)
{
	buf_printf(b, "usage: tprof %s %s\n", c->name, c->synopsis);
	add_paragraphs(b, c->description, width);
	buf_addstr(b, "\nOptions:\n");
	for (const struct cmd_option *o = c->options; o->long_name; o++)
		add_option(b, o, width);
	buf_printf(b, "  -h, --help%*sthis text\n", OPTION_COLUMN - 12, "");
	if (c->examples) {
		buf_addstr(b, "\nExamples:\n");
		add_examples(b, c->examples, width);
	}
}

static void add_overview(struct buf *b, unsigned width)
{
	buf_addstr(b, "tprof tells why a process burns CPU and what its threads wait for.\n\n"
		      "usage: tprof COMMAND [options]\n\n");
	for (const struct cmd *const *c = commands; *c; c++) {
		buf_printf(b, "  %-*s", COMMAND_COLUMN - 2, (*c)->name);
		layout_wrap(b, (*c)->about, COMMAND_COLUMN, COMMAND_COLUMN, width);
	}
	buf_addstr(b, "\nBegin with:  tprof record -p PID -d 10\n"
		      "Then read:   tprof help record, or man tprof\n");
}

void help_print(const struct cmd *c, FILE *out)
{
	struct buf b = BUF_INIT;
	unsigned width = output_columns(fileno(out), 80);

	width = width < 100 ? width : 100;
	if (c)
		add_command_help(&b, c, width);
	else
		add_overview(&b, width);
	if (!b.failed)
		fwrite(b.data, 1, b.len, out);
	fflush(out);
	buf_release(&b);
}

struct help_options {
	bool man;
	const char *completion;
};

static const char *completion_choice(size_t i)
{
	static const char *const shells[] = { "bash", "zsh", NULL };

	return shells[i];
}

static const struct cmd_option help_options[] = {
	{ .long_name = "man",
	  .help = "print the manual page (of tprof, or of COMMAND) as man(7) source",
	  .parse = option_true,
	  .field = offsetof(struct help_options, man) },
	{ .long_name = "completion",
	  .argument = "SHELL",
	  .help = "print the completion script for SHELL",
	  .parse = option_text,
	  .choice = completion_choice,
	  .field = offsetof(struct help_options, completion) },
	{ 0 },
};

static int help_run(const struct cmd *self, int argc, char **argv)
{
	struct help_options o = { 0 };
	const struct cmd *c = NULL;
	int first = options_parse(self, argc, argv, &o);

	if (first < 0)
		return options_exit(first);
	if (argc - first > 1)
		return usage_error(self, "one command at a time");
	if (first < argc) {
		c = command_by_name(argv[first]);
		if (!c)
			return usage_error(NULL, "unknown command %s", argv[first]);
	}
	if (o.completion && completion_print(o.completion, stdout))
		return usage_error(self, "--completion %s: bash or zsh expected", o.completion);
	if (o.completion)
		return output_finish_stdout();
	if (o.man)
		man_print(c, stdout);
	else
		help_print(c, stdout);
	return output_finish_stdout();
}

const struct cmd cmd_help = {
	.name = "help",
	.synopsis = "[COMMAND]",
	.about = "explain tprof or one of its commands",
	.description = "Prints what COMMAND does, its options and their defaults. Without COMMAND, "
		       "lists the commands.",
	.examples = "tprof help record\tall options of record\n"
		    "tprof help --man record | man -l -\tthe same as a manual page",
	.options = help_options,
	.run = help_run,
};
