// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/load.h"
#include "cmd/options.h"
#include "render/render.h"

static const char *format_choice(size_t i)
{
	return renderers[i].format;
}

static const char *format_about(size_t i)
{
	return renderers[i].about;
}

static const struct cmd_option export_rows[] = {
	{ .short_name = 'f',
	  .long_name = "format",
	  .argument = "FORMAT",
	  .fallback_text = "by the extension of -o, else folded",
	  .help = "what is written",
	  .parse = option_text,
	  .choice = format_choice,
	  .choice_about = format_about,
	  .field = offsetof(struct view_options, format) },
	{ .short_name = 'o',
	  .long_name = "output",
	  .argument = "FILE",
	  .fallback = "-",
	  .help = "write it here; - is stdout",
	  .parse = option_text,
	  .field = offsetof(struct view_options, output) },
	{ .long_name = "kind",
	  .argument = "KIND",
	  .fallback = "cpu",
	  .help = "of which kind, in formats that have one",
	  .parse = option_kind,
	  .choice = option_kind_choice,
	  .choice_about = option_kind_about,
	  .field = offsetof(struct view_options, kind) },
	{ .long_name = "threads",
	  .help = "keep threads apart: comm-tid in place of comm",
	  .parse = option_true,
	  .field = offsetof(struct view_options, by_thread) },
	FRAME_OPTIONS(struct view_options),
	{ 0 },
};

static const struct renderer *choose(const struct view_options *o)
{
	const struct renderer *r;

	if (o->format)
		return renderer_by_format(o->format);
	r = renderer_by_path(o->output);
	return r ? r : renderer_by_format("folded");
}

static int export_run(const struct cmd *self, int argc, char **argv)
{
	struct view_options o = { 0 };
	int first = options_parse(self, argc, argv, &o), code;
	const struct renderer *format;
	struct recording r = { 0 };

	if (first < 0)
		return options_exit(first);
	format = choose(&o);
	if (!format)
		return usage_error(self, "unknown format %s", o.format);
	code = load_operand(self, argc, argv, first, &r);
	r.frames = &o.frames;
	if (!code && !format->report)
		load_note_empty(&r, o.kind);
	if (!code)
		code = recording_render(
			&r, format,
			(struct render_input){ .kind = o.kind, .by_thread = o.by_thread },
			o.output);
	recording_release(&r);
	return code;
}

const struct cmd cmd_export = {
	.name = "export",
	.synopsis = "FILE [-f FORMAT] [-o OUT] [options]",
	.about = "write a recording in the format of another tool",
	.description =
		"Writes the stacks of a recording for another tool. Folded lines are \"comm;root;…;leaf COUNT\": "
		"kernel frames end in _[k], inlined calls in _[i], JIT code in _[j]; a stack that "
		"does not reach its root begins with [truncated] after comm; a frame without a "
		"symbol is [module+0xoffset].\n\n"
		"Counts are samples (cpu), threads (spawn) or else microseconds. pprof and "
		"speedscope have every kind that was recorded; json and text are the report. "
		"FILE@10s-20s exports a part of the time. docs/formats.md tells of each format.",
	.examples = "tprof export x.tprof | grep malloc\tfolded stacks on stdout\n"
		    "tprof export x.tprof -f folded --kind offcpu | flamegraph.pl > x.svg\twhere "
		    "threads sleep",
	.options = export_rows,
	.run = export_run,
};
