// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "cmd/help.h"
#include "cmd/options.h"

static void put_words(FILE *out, const struct cmd_option *o)
{
	const char *word;

	for (size_t i = 0; (word = o->choice(i)); i++)
		fprintf(out, "%s%s", i ? " " : "", word);
}

/* What bash offers for an option's argument: its words, processes, or files. */
static void bash_argument(FILE *out, const struct cmd_option *o)
{
	fputs("\t\t", out);
	if (o->short_name)
		fprintf(out, "-%c|", o->short_name);
	fprintf(out, "--%s) ", o->long_name);
	if (o->choice) {
		fputs("COMPREPLY=($(compgen -W '", out);
		put_words(out, o);
		fputs("' -- \"$cur\"))", out);
	} else if (!strncmp(o->argument, "PID", 3)) {
		fputs("COMPREPLY=($(compgen -W \"$(ps -eo pid=)\" -- \"$cur\"))", out);
	} else if (!strcmp(o->argument, "FILE")) {
		fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", out);
	} else {
		fputs("COMPREPLY=()", out);
	}
	fputs("; return ;;\n", out);
}

static void bash_command(FILE *out, const struct cmd *c)
{
	fprintf(out, "\t%s)\n\t\tcase $prev in\n", c->name);
	for (const struct cmd_option *o = c->options; o->long_name; o++)
		if (o->argument)
			bash_argument(out, o);
	fputs("\t\tesac\n\t\twords='--help", out);
	for (const struct cmd_option *o = c->options; o->long_name; o++)
		fprintf(out, " --%s", o->long_name);
	fputs("' ;;\n", out);
}

static void bash_print(FILE *out)
{
	fputs("# bash completion for tprof, made by 'tprof help --completion bash'\n"
	      "_tprof()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=''\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W '",
	      out);
	for (const struct cmd *const *c = commands; *c; c++)
		fprintf(out, "%s ", (*c)->name);
	fputs("--version --help' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n",
	      out);
	for (const struct cmd *const *c = commands; *c; c++)
		bash_command(out, *c);
	fputs("\tesac\n"
	      "\tcase $cur in\n"
	      "\t-*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
	      "\t*) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
	      "\tesac\n}\n"
	      "complete -o filenames -F _tprof tprof\n",
	      out);
}

/* Text inside _arguments' '…[…]…': quotes and brackets would end it. */
static void zsh_text(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", out);
		else if (*s == '[' || *s == ']' || *s == ':')
			fprintf(out, "\\%c", *s);
		else
			fputc(*s, out);
	}
}

static void zsh_option(FILE *out, const struct cmd_option *o)
{
	bool again = o->parse == option_texts; /* may be given several times */

	fputs("\t\t\t'", out);
	if (o->short_name && again)
		fprintf(out, "*'{-%c,--%s}'", o->short_name, o->long_name);
	else if (o->short_name)
		fprintf(out, "(-%c --%s)'{-%c,--%s}'", o->short_name, o->long_name, o->short_name,
			o->long_name);
	else
		fprintf(out, "--%s", o->long_name);
	fputc('[', out);
	zsh_text(out, o->help);
	fputc(']', out);
	if (o->argument) {
		fputs(":", out);
		zsh_text(out, o->argument);
		fputs(":", out);
		if (o->choice) {
			fputs("(", out);
			put_words(out, o);
			fputs(")", out);
		} else if (!strncmp(o->argument, "PID", 3)) {
			fputs("_pids", out);
		} else if (!strcmp(o->argument, "FILE")) {
			fputs("_files", out);
		}
	}
	fputs("' \\\n", out);
}

static void zsh_print(FILE *out)
{
	fputs("#compdef tprof\n# zsh completion for tprof, made by 'tprof help --completion zsh'\n"
	      "_tprof()\n{\n\tlocal -a commands\n\tcommands=(\n",
	      out);
	for (const struct cmd *const *c = commands; *c; c++) {
		fprintf(out, "\t\t'%s:", (*c)->name);
		zsh_text(out, (*c)->about);
		fputs("'\n", out);
	}
	fputs("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
	      "\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n",
	      out);
	for (const struct cmd *const *c = commands; *c; c++) {
		fprintf(out, "\t%s)\n\t\t_arguments -s -S \\\n", (*c)->name);
		for (const struct cmd_option *o = (*c)->options; o->long_name; o++)
			zsh_option(out, o);
		fputs("\t\t\t'(-h --help)'{-h,--help}'[help]' '*:file:_files' ;;\n", out);
	}
	fputs("\tesac\n}\n_tprof \"$@\"\n", out);
}

int completion_print(const char *shell, FILE *out)
{
	if (!strcmp(shell, "bash"))
		bash_print(out);
	else if (!strcmp(shell, "zsh"))
		zsh_print(out);
	else
		return -EINVAL;
	return 0;
}
