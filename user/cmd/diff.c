// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "cmd/load.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "diagnose/diagnose.h"
#include "profile/finding.h"
#include "render/diff.h"

struct diff_options {
	enum profile_kind kind;
	enum profile_normalize normalize;
	bool json;
	const char *output;
};

static const char *const normalizations[] = { "time", "total", NULL };

static const char *normalize_choice(size_t i)
{
	return normalizations[i];
}

static int option_normalize(const struct cmd_option *o, const char *text, void *field,
			    struct diag *d)
{
	(void)o;
	for (int i = 0; normalizations[i]; i++) {
		if (strcmp(text, normalizations[i]) == 0) {
			*(enum profile_normalize *)field = (enum profile_normalize)i;
			return 0;
		}
	}
	return diag_set(d, -EINVAL, "time or total expected");
}

static const struct cmd_option diff_rows[] = {
	{ .short_name = 'o',
	  .long_name = "output",
	  .argument = "FILE",
	  .fallback_text = "the table alone",
	  .help = "write a differential flame graph here: .html or .svg",
	  .parse = option_text,
	  .field = offsetof(struct diff_options, output) },
	{ .long_name = "normalize",
	  .argument = "BY",
	  .fallback = "time",
	  .help = "compare values a second (has it become more work?) or shares of all (does it "
		  "spend itself otherwise?)",
	  .parse = option_normalize,
	  .choice = normalize_choice,
	  .field = offsetof(struct diff_options, normalize) },
	{ .long_name = "kind",
	  .argument = "KIND",
	  .fallback = "cpu",
	  .help = "what is compared",
	  .parse = option_kind,
	  .choice = option_kind_choice,
	  .choice_about = option_kind_about,
	  .field = offsetof(struct diff_options, kind) },
	{ .long_name = "json",
	  .help = "print JSON: every function with both values, error and verdict",
	  .parse = option_true,
	  .field = offsetof(struct diff_options, json) },
	{ 0 },
};

struct comparison {
	struct recording recording[2];
	struct findings findings[2];
	struct diff_input in;
	struct profile_diff diff;
};

/* "before.tprof" twice would not tell which is which: the range belongs to the name. */
static int load_side(const struct cmd *self, struct comparison *c, int side, const char *arg,
		     const struct diff_options *o)
{
	struct recording *r = &c->recording[side];
	int code = load_recording(self, arg, r);

	if (code)
		return code;
	if (diagnose(r->profile, &c->findings[side]))
		return output_error(&(struct diag){ 0 }, -ENOMEM);
	c->in.side[side] = (struct render_input){
		.profile = r->profile,
		.findings = r->from_ns || r->to_ns ? NULL : &c->findings[side],
		.kind = o->kind,
		.from_ns = r->from_ns,
		.to_ns = r->to_ns,
		.width = output_columns(STDOUT_FILENO, 100),
		.colour = output_colour(STDOUT_FILENO),
		.file = arg,
	};
	return EXIT_DONE;
}

static bool has_program(struct profile *p, const char *comm)
{
	size_t n;
	const struct profile_process *processes = profile_processes(p, &n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(profile_str(p, processes[i].comm), comm) == 0)
			return true;
	}
	return false;
}

/* No process of one has the name of any of the other's. */
static void note_other_program(const struct comparison *c)
{
	struct profile *a = c->recording[0].profile, *b = c->recording[1].profile;
	size_t n, m;
	const struct profile_process *of_a = profile_processes(a, &n);
	const struct profile_process *of_b = profile_processes(b, &m);
	struct buf note = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (has_program(b, profile_str(a, of_a[i].comm)))
			return;
	}
	if (!n || !m)
		return;
	buf_add_printable(&note, profile_str(a, of_a[0].comm), NULL);
	buf_addstr(&note, " and ");
	buf_add_printable(&note, profile_str(b, of_b[0].comm), NULL);
	if (!note.failed)
		fprintf(stderr, "tprof: note: two programs are compared, %s\n", note.data);
	buf_release(&note);
}

static int put(const struct comparison *c, const struct diff_renderer *r, const char *path)
{
	struct buf out = BUF_INIT;
	struct diag d = { 0 };
	int err = r->render(&c->in, &out);

	if (err)
		diag_errno(&d, err, "cannot make the %s output", r->format);
	else
		err = output_write(&out, path, &d);
	buf_release(&out);
	return err ? output_error(&d, err) : EXIT_DONE;
}

static int compare(struct comparison *c, const struct diff_options *o,
		   const struct diff_renderer *picture)
{
	const struct profile_diff_side side[2] = {
		{ c->recording[0].profile, c->recording[0].from_ns, c->recording[0].to_ns },
		{ c->recording[1].profile, c->recording[1].from_ns, c->recording[1].to_ns },
	};
	int code = EXIT_DONE;

	if (profile_diff(side, o->kind, o->normalize, &c->diff))
		return output_error(&(struct diag){ 0 }, -ENOMEM);
	c->in.diff = &c->diff;
	c->in.normalize = o->normalize;
	note_other_program(c);
	for (int i = 0; i < 2; i++)
		load_note_empty(&c->recording[i], o->kind);
	if (picture)
		code = put(c, picture, o->output);
	if (!code && (!picture || strcmp(o->output, "-") != 0))
		code = put(c, diff_renderer_by_format(o->json ? "json" : "text"), "-");
	return code;
}

static int diff_run(const struct cmd *self, int argc, char **argv)
{
	struct diff_options o = { 0 };
	int first = options_parse(self, argc, argv, &o), code = EXIT_DONE;
	const struct diff_renderer *picture = NULL;
	struct comparison c = { 0 };

	if (first < 0)
		return options_exit(first);
	if (argc - first != 2)
		return usage_error(self, "two recordings expected: before and after");
	if (o.output) {
		picture = strcmp(o.output, "-") ? diff_renderer_by_path(o.output)
						: diff_renderer_by_format("html");
		if (!picture)
			return usage_error(self, "%s: a name in .html or .svg expected", o.output);
	}
	for (int i = 0; i < 2 && !code; i++)
		code = load_side(self, &c, i, argv[first + i], &o);
	if (!code)
		code = compare(&c, &o, picture);
	for (int i = 0; i < 2; i++) {
		recording_release(&c.recording[i]);
		findings_release(&c.findings[i]);
	}
	profile_diff_release(&c.diff);
	return code ? code : output_finish_stdout();
}

const struct cmd cmd_diff = {
	.name = "diff",
	.synopsis = "A B [-o OUT] [options]",
	.about = "compare two recordings: what grew, what shrank",
	.description =
		"Prints which functions take more and which take less in B than in A, by self and "
		"total, and which findings are gone and new. Two parts of one recording compare "
		"as FILE@0s-60s and FILE@300s-360s.\n\n"
		"A change counts only when it can hardly be chance: its size is held against how "
		"much the values scatter from second to second, so that two recordings of a steady "
		"program show none. docs/diff.md has the rule.",
	.examples = "tprof diff morning.tprof now.tprof\twhat has grown since this morning\n"
		    "tprof diff x.tprof@0s-60s x.tprof@540s-600s -o grown.html\tearly against "
		    "late, as a flame graph",
	.options = diff_rows,
	.run = diff_run,
};
