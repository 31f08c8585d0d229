// SPDX-License-Identifier: BSD-2-Clause
#include "render/render.h"

#include <string.h>

#include "render/formats.h"

const struct renderer renderers[] = {
	{
		.format = "folded",
		.extension = ".folded",
		.about =
			"one line a stack, root first, and its count: for FlameGraph, inferno, grep",
		.render = render_folded,
	},
	{
		.format = "html",
		.extension = ".html",
		.about = "an interactive flame graph in one file, for any browser",
		.findings = true,
		.render = render_html,
	},
	{
		.format = "svg",
		.extension = ".svg",
		.about = "a static flame graph: for mails, tickets and READMEs",
		.render = render_svg,
	},
	{
		.format = "pprof",
		.extension = ".pb.gz",
		.about =
			"gzipped protobuf with every recorded kind: for go tool pprof, Pyroscope, Parca",
		.render = render_pprof,
	},
	{
		.format = "speedscope",
		.extension = ".speedscope.json",
		.about = "for speedscope.app, each recorded kind as a profile",
		.render = render_speedscope,
	},
	{
		.format = "firefox",
		.extension = ".firefox.json",
		.about = "for profiler.firefox.com, one kind, each thread as a track",
		.render = render_firefox,
	},
	{
		.format = "json",
		.extension = ".json",
		.about = "the report for scripts: stable keys",
		.report = true,
		.findings = true,
		.render = render_json,
	},
	{
		.format = "text",
		.extension = ".txt",
		.about = "the report for people",
		.report = true,
		.findings = true,
		.render = render_text,
	},
	{ 0 },
};

const struct renderer *renderer_by_format(const char *format)
{
	for (const struct renderer *r = renderers; r->format; r++) {
		if (strcmp(r->format, format) == 0)
			return r;
	}
	return NULL;
}

static bool ends_with(const char *path, const char *end)
{
	size_t len = strlen(path), n = strlen(end);

	return len > n && strcmp(path + len - n, end) == 0;
}

const struct renderer *renderer_by_path(const char *path)
{
	const struct renderer *best = NULL;

	for (const struct renderer *r = renderers; r->format; r++) {
		if (!r->extension || !ends_with(path, r->extension))
			continue;
		if (!best || strlen(r->extension) > strlen(best->extension))
			best = r;
	}
	return best;
}
