// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "cmd/output.h"
#include "cmd/record.h"
#include "cmd/target.h"
#include "render/render.h"
#include "store/store.h"

/* NULL: a recording. "-o -" streams what --format says. */
static const struct renderer *renderer_of(const struct record_options *o, const char *path)
{
	return strcmp(path, "-") ? renderer_by_path(path) : renderer_by_format(o->format);
}

int save_check(const struct record_options *o)
{
	struct diag d = { 0 };
	int err = 0;

	for (size_t i = 0; i < o->outputs.count && !err; i++)
		err = output_check(o->outputs.texts[i], !renderer_of(o, o->outputs.texts[i]), &d);
	if (!o->outputs.count)
		err = output_check("COMM-PID.tprof", true, &d);
	return err ? output_error(&d, err) : EXIT_DONE;
}

static const char *fallback_directory(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir == '/' ? dir : "/tmp";
}

/* What went wrong and where the recording is now: one line, as always. */
static int save_elsewhere(struct profile *p, const char *path, const struct diag *why)
{
	const char *slash = strrchr(path, '/');
	struct diag lost = { 0 };
	char *elsewhere;
	int err;

	diag_set(&lost, -EIO, "%s; the recording is lost", why->text);
	if (asprintf(&elsewhere, "%s/%d-%s", fallback_directory(), getpid(),
		     slash ? slash + 1 : path) < 0)
		return output_error(&lost, -ENOMEM);
	err = store_write(p, elsewhere, NULL);
	if (err)
		output_error(&lost, err);
	else
		fprintf(stderr, "tprof: %s; the recording is in %s instead\n", why->text,
			elsewhere);
	free(elsewhere);
	return EXIT_COULD_NOT;
}

static int save_one(const struct record_options *o, const struct render_input *in, const char *path)
{
	const struct renderer *r = renderer_of(o, path);
	struct diag d = { 0 };
	int err;

	if (r) {
		err = output_render(r, in, path, &d);
		return err ? output_error(&d, err) : EXIT_DONE;
	}
	err = store_write(in->profile, path, &d);
	if (!err)
		return EXIT_DONE;
	if (!d.text[0])
		diag_errno(&d, err, "cannot write %s", path);
	return save_elsewhere(in->profile, path, &d);
}

/* The report, unless stdout has something else to carry. */
static int print_report(const struct record_options *o, struct render_input *in)
{
	struct diag d = { 0 };
	int err;

	if (!o->json && o->quiet)
		return EXIT_DONE;
	for (size_t i = 0; i < o->outputs.count; i++)
		if (!strcmp(o->outputs.texts[i], "-"))
			return EXIT_DONE;
	in->width = output_columns(STDOUT_FILENO, 100);
	in->colour = output_colour(STDOUT_FILENO);
	err = output_render(renderer_by_format(o->json ? "json" : "text"), in, "-", &d);
	return err ? output_error(&d, err) : EXIT_DONE;
}

int save_recording(const struct record_options *o, struct profile *p,
		   const struct findings *findings)
{
	struct render_input in = { .profile = p, .findings = findings, .kind = o->kind };
	char *fallback = o->outputs.count ? NULL : target_file_name(o, p);
	int code = EXIT_DONE, printed;

	if (!o->outputs.count && !fallback)
		return output_error(&(struct diag){ 0 }, -ENOMEM);
	for (size_t i = 0; i < (fallback ? 1 : o->outputs.count); i++) {
		const char *path = fallback ? fallback : o->outputs.texts[i];

		if (!renderer_of(o, path) && !in.file)
			in.file = path;
		if (save_one(o, &in, path))
			code = EXIT_COULD_NOT;
	}
	if (code)
		in.file = NULL;
	printed = print_report(o, &in);
	free(fallback);
	return code ? code : printed;
}
