// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/layout.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "collect/collect.h"

enum { MAX_CHECKS = 64, WHAT_COLUMN = 5, FOUND_COLUMN = 48 };

struct check_options {
	bool json;
};

static const struct cmd_option check_rows[] = {
	{ .long_name = "json",
	  .help = "print JSON",
	  .parse = option_true,
	  .field = offsetof(struct check_options, json) },
	{ 0 },
};

static bool works(const struct collect_check *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].required && !rows[i].ok)
			return false;
	return n > 0;
}

static void add_row(struct buf *b, const struct collect_check *row, unsigned width, bool colour)
{
	const char *mark = row->ok ? "yes" : row->required ? "NO" : "no";
	const char *style = row->ok ? "\033[32m" : row->required ? "\033[31m" : "\033[33m";
	size_t at = WHAT_COLUMN + layout_columns(row->what);

	buf_printf(b, "%s%-3s%s  %s", colour ? style : "", mark, colour ? "\033[0m" : "",
		   row->what);
	layout_wrap(b, row->found, at, at < FOUND_COLUMN - 1 ? FOUND_COLUMN : at + 1, width);
	if (!row->ok && row->remedy[0])
		layout_wrap(b, row->remedy, 0, WHAT_COLUMN, width);
}

static void add_table(struct buf *b, const struct collect_check *rows, size_t n)
{
	unsigned width = output_columns(STDOUT_FILENO, 100);
	bool colour = output_colour(STDOUT_FILENO);

	for (size_t i = 0; i < n; i++)
		add_row(b, &rows[i], width, colour);
	buf_addstr(b, works(rows, n) ? "\ntprof record works here.\n"
				     : "\ntprof record cannot work here: see each NO.\n");
}

static void add_json(struct buf *b, const struct collect_check *rows, size_t n)
{
	struct json j = { .out = b, .indent = true };

	json_object(&j, NULL);
	json_u64(&j, "format", 1);
	json_bool(&j, "works", works(rows, n));
	json_array(&j, "checks");
	for (size_t i = 0; i < n; i++) {
		json_object(&j, NULL);
		json_string(&j, "what", rows[i].what);
		json_bool(&j, "ok", rows[i].ok);
		json_bool(&j, "required", rows[i].required);
		json_string(&j, "found", rows[i].found);
		json_string(&j, "remedy", rows[i].ok ? "" : rows[i].remedy);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

static int check_run(const struct cmd *self, int argc, char **argv)
{
	struct check_options o = { 0 };
	struct collect_check rows[MAX_CHECKS] = { 0 };
	struct buf b = BUF_INIT;
	struct diag d = { 0 };
	int first = options_parse(self, argc, argv, &o), err;
	size_t n;

	if (first < 0)
		return options_exit(first);
	if (first < argc)
		return usage_error(self, "no operand expected, but %s given", argv[first]);
	n = collect_check(rows, MAX_CHECKS);
	(o.json ? add_json : add_table)(&b, rows, n);
	err = output_write(&b, "-", &d);
	buf_release(&b);
	if (err)
		return output_error(&d, err);
	return works(rows, n) ? EXIT_DONE : EXIT_COULD_NOT;
}

const struct cmd cmd_check = {
	.name = "check",
	.synopsis = "[--json]",
	.about = "say what this host allows, and what to do about each no",
	.description =
		"Loads and attaches tprof's programs for a moment and asks the kernel for all that "
		"record uses. Each line is a yes, a no (record works with less) or a NO (record "
		"cannot work), with the remedy. The exit status is 1 when record cannot work.",
	.examples = "sudo tprof check\twhat root may do here\n"
		    "tprof check\twhat you may do yourself",
	.options = check_rows,
	.privileged = true,
	.run = check_run,
};
