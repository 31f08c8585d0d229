// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "cmd/help.h"

/* getopt_long's values for the rows: past every short option. */
enum { ROW_VALUE = 0x1000, HELP_VALUE = 0x2000, MAX_ROWS = 40 };

/* The rows as getopt wants them: every row is found by its long name's value. */
struct getopt_tables {
	char shorts[2 + 2 * MAX_ROWS + 2];
	struct option longs[MAX_ROWS + 2];
};

static void fill_tables(const struct cmd *c, struct getopt_tables *t)
{
	char *s = t->shorts;
	size_t i;

	if (c->operands_end_options)
		*s++ = '+';
	*s++ = ':';
	*s++ = 'h';
	for (i = 0; i < MAX_ROWS && c->options[i].long_name; i++) {
		const struct cmd_option *o = &c->options[i];

		t->longs[i] = (struct option){ o->long_name,
					       o->argument ? required_argument : no_argument, NULL,
					       ROW_VALUE + (int)i };
		if (!o->short_name)
			continue;
		*s++ = o->short_name;
		if (o->argument)
			*s++ = ':';
	}
	t->longs[i++] = (struct option){ "help", no_argument, NULL, HELP_VALUE };
	t->longs[i] = (struct option){ 0 };
	*s = '\0';
}

static const struct cmd_option *row_by_value(const struct cmd *c, int value)
{
	if (value >= ROW_VALUE)
		return &c->options[value - ROW_VALUE];
	for (const struct cmd_option *o = c->options; o->long_name; o++)
		if (o->short_name == value)
			return o;
	return NULL;
}

int usage_error(const struct cmd *c, const char *fmt, ...)
{
	va_list ap;

	fputs("tprof: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": see 'tprof help%s%s'\n", c ? " " : "", c ? c->name : "");
	return EXIT_USAGE;
}

int options_exit(int parsed)
{
	switch (parsed) {
	case OPTIONS_HELP: return EXIT_DONE;
	case OPTIONS_NO_MEMORY: return EXIT_COULD_NOT;
	}
	return EXIT_USAGE;
}

static int take(const struct cmd *c, const struct cmd_option *o, const char *text, void *values)
{
	struct diag d = { 0 };
	int err = o->parse(o, text, (char *)values + o->field, &d);

	if (!err)
		return 0;
	if (err == -ENOMEM) {
		fputs("tprof: out of memory\n", stderr);
		return OPTIONS_NO_MEMORY;
	}
	usage_error(c, "--%s %s: %s", o->long_name, text, d.text);
	return OPTIONS_WRONG;
}

static int set_defaults(const struct cmd *c, void *values)
{
	int err;

	for (const struct cmd_option *o = c->options; o->long_name; o++) {
		if (!o->fallback)
			continue;
		err = take(c, o, o->fallback, values);
		if (err)
			return err;
	}
	return 0;
}

/* getopt has met something that is no option of ours, or one without its argument. */
static int unknown(const struct cmd *c, int what, char **argv)
{
	const struct cmd_option *o = optopt ? row_by_value(c, optopt) : NULL;

	if (what == ':' && o)
		usage_error(c, "option %s needs an argument (%s)", argv[optind - 1], o->argument);
	else if (o)
		usage_error(c, "option --%s takes no argument", o->long_name);
	else if (optopt && optopt < ROW_VALUE)
		usage_error(c, "unknown option -%c", optopt);
	else
		usage_error(c, "unknown or ambiguous option %s", argv[optind - 1]);
	return OPTIONS_WRONG;
}

int options_parse(const struct cmd *c, int argc, char **argv, void *values)
{
	const struct cmd_option *o;
	struct getopt_tables t;
	int value, err = set_defaults(c, values);

	if (err)
		return err;
	fill_tables(c, &t);
	optind = 0; /* GNU: begin anew, and look at the '+' again */
	opterr = 0;
	while ((value = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		if (value == 'h' || value == HELP_VALUE) {
			help_print(c, stdout);
			return OPTIONS_HELP;
		}
		o = row_by_value(c, value);
		if (!o) /* '?' or ':' */
			return unknown(c, value, argv);
		err = take(c, o, optarg, values);
		if (err)
			return err;
	}
	return optind;
}
