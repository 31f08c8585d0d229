// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "diagnose/diagnose.h"
#include "profile/finding.h"
#include "store/store.h"

/* "10s-20s", "10s-", "-20s" behind the last '@' of a name that is no file as it stands. */
static int take_range(const char *range, struct recording *r)
{
	static const struct cmd_option time = { .max = 365ULL * 86400 * 1000000000 };
	char *copy = strdup(range), *dash = copy ? strchr(copy, '-') : NULL;
	int err = copy ? 0 : -ENOMEM;

	if (!err && (!dash || !range[1]))
		err = -EINVAL;
	if (!err) {
		*dash++ = '\0';
		if (*copy)
			err = option_duration(&time, copy, &r->from_ns, NULL);
		if (!err && *dash)
			err = option_duration(&time, dash, &r->to_ns, NULL);
		if (!err && r->to_ns && r->to_ns <= r->from_ns)
			err = -EINVAL;
	}
	free(copy);
	return err;
}

int load_recording(const struct cmd *c, const char *arg, struct recording *ret)
{
	const char *at = strrchr(arg, '@');
	struct diag d = { 0 };
	int err;

	*ret = (struct recording){ .path = strdup(arg) };
	err = ret->path ? 0 : -ENOMEM;
	if (!err && at && access(arg, F_OK)) {
		ret->path[at - arg] = '\0';
		if (take_range(at + 1, ret)) {
			recording_release(ret);
			return usage_error(c, "%s: a range such as @0s-60s expected", at);
		}
	}
	if (!err)
		err = store_read(ret->path, &ret->profile, &d);
	if (!err)
		return EXIT_DONE;
	if (!d.text[0])
		diag_errno(&d, err, "cannot read %s", arg);
	output_error(&d, err);
	recording_release(ret);
	return EXIT_COULD_NOT;
}

int load_operand(const struct cmd *c, int argc, char **argv, int first, struct recording *ret)
{
	if (first >= argc)
		return usage_error(c, "no recording named");
	if (argc - first > 1)
		return usage_error(c, "one recording at a time, not also %s", argv[first + 1]);
	return load_recording(c, argv[first], ret);
}

void recording_release(struct recording *r)
{
	profile_free(r->profile);
	free(r->path);
	*r = (struct recording){ 0 };
}

/* After the findings were made: they know functions by their names. */
static void show_frames(const struct recording *r)
{
	if (!r->frames)
		return;
	if (r->frames->no_inlines && !r->frames->inlines)
		profile_drop_inlined(r->profile);
	if (r->frames->lines)
		profile_show_lines(r->profile);
}

int recording_render(const struct recording *r, const struct renderer *format,
		     struct render_input in, const char *output)
{
	struct findings findings = { 0 };
	struct diag d = { 0 };
	int err = format->findings ? diagnose(r->profile, &findings) : 0;

	show_frames(r);
	in.findings = err ? NULL : &findings;
	in.profile = r->profile;
	in.from_ns = r->from_ns;
	in.to_ns = r->to_ns;
	in.file = r->path;
	in.width = output_columns(STDOUT_FILENO, 100);
	in.colour = !strcmp(output, "-") && output_colour(STDOUT_FILENO);
	if (!err)
		err = output_render(format, &in, output, &d);
	findings_release(&findings);
	return err ? output_error(&d, err) : EXIT_DONE;
}

void load_note_empty(const struct recording *r, enum profile_kind kind)
{
	const struct profile_info *info = profile_info_const(r->profile);
	const struct profile_kind_info *about = profile_kind_info(kind);
	const struct profile_row *rows;
	const char *why = "";
	size_t n;

	rows = profile_rows(r->profile, &n);
	for (size_t i = 0; i < n; i++)
		if (rows[i].kind == kind)
			return;
	if (kind == PROFILE_SPAWN && !info->threads_traced)
		why = ": it was recorded with --no-threads";
	else if (kind != PROFILE_CPU && kind != PROFILE_SPAWN && !info->waits)
		why = ": it was recorded with --no-waits";
	fprintf(stderr, "tprof: note: %s holds nothing of kind %s%s\n", r->path, about->name, why);
}
