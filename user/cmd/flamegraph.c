// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "cmd/load.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "render/render.h"

static const struct cmd_option flamegraph_rows[] = {
	{ .short_name = 'o',
	  .long_name = "output",
	  .argument = "FILE",
	  .fallback_text = "the recording's name with .html",
	  .help = "write it here; .svg makes a static picture; - is stdout",
	  .parse = option_text,
	  .field = offsetof(struct view_options, output) },
	{ .long_name = "kind",
	  .argument = "KIND",
	  .fallback = "cpu",
	  .help = "what the page shows first, and the picture alone",
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

/* "dir/x.tprof" → "dir/x.html" */
static char *html_name(const char *path)
{
	size_t len = strlen(path);
	char *name;

	if (len > 6 && !strcmp(path + len - 6, ".tprof"))
		len -= 6;
	return asprintf(&name, "%.*s.html", (int)len, path) < 0 ? NULL : name;
}

static const struct renderer *choose(const char *output)
{
	const struct renderer *r = renderer_by_path(output);

	return r && !strcmp(r->format, "svg") ? r : renderer_by_format("html");
}

static int draw(const struct view_options *o, const struct recording *r, const char *output)
{
	const struct render_input in = { .kind = o->kind, .by_thread = o->by_thread };
	int code = recording_render(r, choose(output), in, output);

	if (!code && strcmp(output, "-") != 0)
		printf("%s\n", output);
	return code ? code : output_finish_stdout();
}

static int flamegraph_run(const struct cmd *self, int argc, char **argv)
{
	struct view_options o = { 0 };
	int first = options_parse(self, argc, argv, &o), code;
	struct recording r = { 0 };
	char *name = NULL;

	if (first < 0)
		return options_exit(first);
	code = load_operand(self, argc, argv, first, &r);
	r.frames = &o.frames;
	if (code)
		return code;
	name = o.output ? strdup(o.output) : html_name(r.path);
	if (name) {
		load_note_empty(&r, o.kind);
		code = draw(&o, &r, name);
	} else {
		code = output_error(&(struct diag){ 0 }, -ENOMEM);
	}
	free(name);
	recording_release(&r);
	return code;
}

const struct cmd cmd_flamegraph = {
	.name = "flamegraph",
	.synopsis = "FILE [-o OUT.html|OUT.svg] [options]",
	.about = "draw a recording as an interactive page or a picture",
	.description =
		"Writes one self-contained HTML page, that needs no network and no server, and "
		"prints its name. In it: zoom, search, callers and callees, threads over time, all "
		"kinds that were recorded. With an output that ends in .svg: a static picture.\n\n"
		"FILE@10s-20s shows a part of the time.",
	.examples = "tprof flamegraph x.tprof\twrites x.html\n"
		    "tprof flamegraph x.tprof --kind lock -o locks.svg\twhere threads wait for "
		    "locks, as a picture",
	.options = flamegraph_rows,
	.run = flamegraph_run,
};
