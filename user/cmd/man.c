// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "cmd/help.h"

/* Text as roff: no line begins a request, hyphens that people type stay hyphens. */
static void put_text(FILE *out, const char *s, size_t n)
{
	bool line_start = true;

	for (size_t i = 0; i < n; i++) {
		if (line_start && (s[i] == '.' || s[i] == '\''))
			fputs("\\&", out);
		line_start = s[i] == '\n';
		if (s[i] == '\\')
			fputs("\\e", out);
		else if (s[i] == '-')
			fputs("\\-", out);
		else
			fputc(s[i], out);
	}
}

static void put(FILE *out, const char *s)
{
	put_text(out, s, strlen(s));
}

static void put_paragraphs(FILE *out, const char *text)
{
	for (bool first = true; *text; first = false) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);

		if (!first)
			fputs(".PP\n", out);
		put_text(out, text, n);
		fputc('\n', out);
		text += n + (end ? 2 : 0);
	}
}

/* Each choice with what it is, as a list within the option's text. */
static void put_choices(FILE *out, const struct cmd_option *o)
{
	const char *word;

	fputs(".RS\n", out);
	for (size_t i = 0; (word = o->choice(i)); i++) {
		fprintf(out, ".TP 12\n\\fB%s\\fR\n", word);
		put(out, o->choice_about(i));
		fputc('\n', out);
	}
	fputs(".RE\n", out);
}

static void put_option(FILE *out, const struct cmd_option *o)
{
	const char *fallback = o->fallback_text ? o->fallback_text : o->fallback, *word;

	fputs(".TP\n", out);
	if (o->short_name)
		fprintf(out, "\\fB\\-%c\\fR, ", o->short_name);
	fputs("\\fB\\-\\-", out);
	put(out, o->long_name);
	fputs("\\fR", out);
	if (o->argument) {
		fputs(" \\fI", out);
		put(out, o->argument);
		fputs("\\fR", out);
	}
	fputc('\n', out);
	put(out, o->help);
	if (o->choice && !o->choice_about)
		for (size_t i = 0; (word = o->choice(i)); i++)
			fprintf(out, "%s\\fB%s\\fR", i ? ", " : ": ", word);
	if (fallback) {
		fputs(". Default: ", out);
		put(out, fallback);
	}
	fputs(".\n", out);
	if (o->choice && o->choice_about)
		put_choices(out, o);
}

static void put_examples(FILE *out, const char *examples)
{
	fputs(".SH EXAMPLES\n", out);
	while (*examples) {
		size_t n = strcspn(examples, "\n"), command = strcspn(examples, "\t");

		fputs(".TP\n\\fB", out);
		put_text(out, examples, command);
		fputs("\\fR\n", out);
		put_text(out, examples + command + 1, n - command - 1);
		fputc('\n', out);
		examples += n + (examples[n] == '\n');
	}
}

static void put_exit_status(FILE *out)
{
	fputs(".SH EXIT STATUS\n"
	      ".TP\n0\ndone\n"
	      ".TP\n1\ncould not; one line on standard error says why and what to do\n"
	      ".TP\n2\nwrong usage\n",
	      out);
}

static void put_see_also(FILE *out, const struct cmd *but)
{
	bool first = true;

	fputs(".SH SEE ALSO\n", out);
	if (but) {
		fputs("\\fBtprof\\fR(1)", out);
		first = false;
	}
	for (const struct cmd *const *c = commands; *c; c++) {
		if (*c == but)
			continue;
		fprintf(out, "%s\\fBtprof\\-%s\\fR(1)", first ? "" : ",\n", (*c)->name);
		first = false;
	}
	fputc('\n', out);
}

static void put_command(FILE *out, const struct cmd *c)
{
	fprintf(out, ".TH tprof\\-%s 1 \"\" \"tprof " TPROF_VERSION "\" \"tprof\"\n", c->name);
	fprintf(out, ".SH NAME\ntprof\\-%s \\- ", c->name);
	put(out, c->about);
	fprintf(out, "\n.SH SYNOPSIS\n\\fBtprof %s\\fR ", c->name);
	put(out, c->synopsis);
	fputs("\n.SH DESCRIPTION\n", out);
	put_paragraphs(out, c->description);
	fputs(".SH OPTIONS\n", out);
	for (const struct cmd_option *o = c->options; o->long_name; o++)
		put_option(out, o);
	fputs(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint the help.\n", out);
	put_exit_status(out);
	if (c->examples)
		put_examples(out, c->examples);
	put_see_also(out, c);
}

static void put_overview(FILE *out)
{
	fputs(".TH tprof 1 \"\" \"tprof " TPROF_VERSION "\" \"tprof\"\n"
	      ".SH NAME\ntprof \\- why a process burns CPU and what its threads wait for\n"
	      ".SH SYNOPSIS\n\\fBtprof\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n.br\n"
	      "\\fBtprof \\-\\-version\\fR\n"
	      ".SH DESCRIPTION\n"
	      "tprof samples the stacks of a live process by BPF, measures its futex waits, "
	      "context switches and thread creation in the kernel, and turns them into flame "
	      "graphs, numbers and findings. Nothing in the process is changed or stopped, and "
	      "it needs no frame pointers.\n"
	      ".PP\n"
	      "A recording is made with \\fBtprof record\\fR and is one file, a SQLite database; "
	      "the other commands read it.\n"
	      ".SH COMMANDS\n",
	      out);
	for (const struct cmd *const *c = commands; *c; c++) {
		fprintf(out, ".TP\n\\fBtprof\\-%s\\fR(1)\n", (*c)->name);
		put(out, (*c)->about);
		fputs(".\n", out);
	}
	put_exit_status(out);
	fputs(".SH ENVIRONMENT\n"
	      ".TP\n\\fBNO_COLOR\\fR\nno colour, even on a terminal\n"
	      ".TP\n\\fBCOLUMNS\\fR\nwidth of the report in place of the terminal's\n"
	      ".TP\n\\fBSUDO_UID\\fR, \\fBSUDO_GID\\fR\nwho owns the files that are written\n",
	      out);
	put_see_also(out, NULL);
}

void man_print(const struct cmd *c, FILE *out)
{
	if (c)
		put_command(out, c);
	else
		put_overview(out);
}
