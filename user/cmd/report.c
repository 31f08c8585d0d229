// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/load.h"
#include "cmd/options.h"
#include "render/render.h"

struct report_options {
	bool json;
	const char *output;
	struct frame_options frames;
};

static const struct cmd_option report_rows[] = {
	{ .long_name = "json",
	  .help = "print JSON: the keys are stable, see docs/DESIGN.md",
	  .parse = option_true,
	  .field = offsetof(struct report_options, json) },
	{ .short_name = 'o',
	  .long_name = "output",
	  .argument = "FILE",
	  .fallback = "-",
	  .help = "write it here; - is stdout",
	  .parse = option_text,
	  .field = offsetof(struct report_options, output) },
	FRAME_OPTIONS(struct report_options),
	{ 0 },
};

static int report_run(const struct cmd *self, int argc, char **argv)
{
	struct report_options o = { 0 };
	int first = options_parse(self, argc, argv, &o), code;
	struct recording r = { 0 };

	if (first < 0)
		return options_exit(first);
	code = load_operand(self, argc, argv, first, &r);
	r.frames = &o.frames;
	if (!code && (r.from_ns || r.to_ns))
		code = usage_error(self, "the report is of the whole recording, without @range");
	if (!code)
		code = recording_render(&r, renderer_by_format(o.json ? "json" : "text"),
					(struct render_input){ .kind = PROFILE_CPU }, o.output);
	recording_release(&r);
	return code;
}

const struct cmd cmd_report = {
	.name = "report",
	.synopsis = "FILE [options]",
	.about = "print the summary and the findings of a recording",
	.description =
		"Prints what record printed: findings, most serious first; CPU used; threads with "
		"their share during the recording and what they were blocked in; functions; locks "
		"with who waited, who held and who woke; threads created and gone; how complete "
		"the stacks are and what was lost.\n\n"
		"The width is the terminal's, COLUMNS overrides it. NO_COLOR turns colour off.",
	.examples = "tprof report redis-server-1234.tprof\tthe report\n"
		    "tprof report --json x.tprof | jq .findings\tfor scripts",
	.options = report_rows,
	.run = report_run,
};
