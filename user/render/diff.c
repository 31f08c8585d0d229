// SPDX-License-Identifier: BSD-2-Clause
/* A comparison as a table for people, and as JSON. */
#include "render/diff.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/layout.h"
#include "profile/finding.h"
#include "profile/tree.h"

enum { ROWS = 20, NAME_LEAST = 24, COLUMNS = 48 };

const struct diff_renderer diff_renderers[] = {
	{ .format = "text", .extension = ".txt", .render = render_diff_text },
	{ .format = "json", .extension = ".json", .render = render_diff_json },
	{ .format = "html", .extension = ".html", .render = render_diff_html },
	{ .format = "svg", .extension = ".svg", .render = render_diff_svg },
	{ 0 },
};

const struct diff_renderer *diff_renderer_by_format(const char *format)
{
	for (const struct diff_renderer *r = diff_renderers; r->format; r++) {
		if (strcmp(r->format, format) == 0)
			return r;
	}
	return NULL;
}

const struct diff_renderer *diff_renderer_by_path(const char *path)
{
	size_t len = strlen(path);

	for (const struct diff_renderer *r = diff_renderers; r->format; r++) {
		size_t n = strlen(r->extension);

		if (len > n && strcmp(path + len - n, r->extension) == 0)
			return r;
	}
	return NULL;
}

/* ── units ──────────────────────────────────────────────────────────────────────────────────── */

static bool events_by_time(const struct diff_input *in)
{
	enum profile_kind kind = in->side[1].kind;

	return in->normalize == PROFILE_BY_TIME && (kind == PROFILE_WAKE || kind == PROFILE_SPAWN);
}

/* As shown: percent, or events a second. */
static double shown(const struct diff_input *in, double value)
{
	if (in->normalize == PROFILE_BY_TOTAL)
		return 100 * value;
	return events_by_time(in) ? value : value / 1e7;
}

static const char *unit(const struct diff_input *in)
{
	if (in->normalize == PROFILE_BY_TOTAL)
		return "% of all";
	if (events_by_time(in))
		return "a second";
	return in->side[1].kind == PROFILE_CPU ? "% of one CPU" : "% of the time, all threads";
}

static double weight_sum(const struct render_input *side, enum profile_kind kind)
{
	struct profile_filter f = { .kind = kind, .from_ns = side->from_ns, .to_ns = side->to_ns };
	size_t count;
	const struct profile_row *rows = profile_rows(side->profile, &count);
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		if (profile_filter_match(side->profile, &f, &rows[i]))
			sum += (double)profile_row_weight(&rows[i]);
	}
	return sum;
}

double diff_scale(const struct diff_input *in, enum profile_kind kind)
{
	double a = in->diff->seconds[0], b = in->diff->seconds[1];

	if (in->normalize == PROFILE_BY_TOTAL) {
		a = weight_sum(&in->side[0], kind);
		b = weight_sum(&in->side[1], kind);
	} else if (kind == PROFILE_CPU) { /* samples of another frequency weigh another time */
		a *= profile_info(in->side[0].profile)->hz;
		b *= profile_info(in->side[1].profile)->hz;
	}
	return a > 0 && b > 0 ? b / a : 1;
}

/* ── findings: the same when they say the same but for the numbers ──────────────────────────── */

static const char *skip_number(const char *s)
{
	while (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1])))
		s++;
	return s;
}

/* What is found stands before ": ", by how much and by whom after it. */
static bool same_but_numbers(const char *a, const char *b)
{
	for (;;) {
		a = skip_number(a);
		b = skip_number(b);
		if (*a != *b)
			return false;
		if (!*a || (*a == ':' && a[1] == ' ' && b[1] == ' '))
			return true;
		a++;
		b++;
	}
}

static bool has_finding(const struct findings *all, const struct finding *f)
{
	for (size_t i = 0; i < all->count; i++) {
		if (strcmp(all->list[i].id, f->id) == 0 &&
		    same_but_numbers(all->list[i].title, f->title))
			return true;
	}
	return false;
}

static size_t width_of(const struct diff_input *in)
{
	return in->side[1].width ? in->side[1].width : 100;
}

/* Findings of one side that the other has not; nothing where a side is a part of a recording, which
 * has none of its own. */
static void put_findings(const struct diff_input *in, int side, const char *title, struct buf *out)
{
	const struct findings *mine = in->side[side].findings, *others = in->side[!side].findings;
	size_t n = 0;

	for (size_t i = 0; mine && others && i < mine->count; i++) {
		struct buf line = BUF_INIT;

		if (has_finding(others, &mine->list[i]))
			continue;
		if (n++ == 0)
			buf_printf(out, "\n%s\n", title);
		buf_printf(out, "  %-8s", finding_severity_name(mine->list[i].severity));
		buf_add_printable(&line, mine->list[i].title, NULL);
		layout_wrap(out, line.data ? line.data : "", 10, 10, width_of(in));
		out->failed |= line.failed;
		buf_release(&line);
	}
}

/* ── the table ──────────────────────────────────────────────────────────────────────────────── */

static double change_of(const struct profile_change *c)
{
	return c->value[1] - c->value[0];
}

/* Whichever of self and total is certain says whether it grew. */
static double direction(const struct profile_diff_function *f)
{
	if (f->self.significant)
		return change_of(&f->self);
	return f->total.significant ? change_of(&f->total) : 0;
}

static void put_change(const struct diff_input *in, const struct profile_change *c, struct buf *out)
{
	double change = shown(in, change_of(c));

	buf_printf(out, "%8.2f %8.2f ", shown(in, c->value[0]), shown(in, c->value[1]));
	if (c->significant)
		buf_printf(out, "%+8.2f  ", change);
	else
		buf_printf(out, "%8s  ", "=");
}

static void put_row(const struct diff_input *in, const struct profile_diff_function *f,
		    struct buf *out)
{
	size_t width = width_of(in);
	struct buf name = BUF_INIT;

	put_change(in, &f->self, out);
	put_change(in, &f->total, out);
	buf_add_printable(&name, f->name, NULL);
	buf_addstr(&name, profile_label_suffix(f->type));
	if (*f->module) {
		buf_addstr(&name, "  ");
		buf_add_printable(&name, f->module, NULL);
	}
	layout_last(out, name.data ? name.data : "",
		    width > COLUMNS + 8 + NAME_LEAST ? width - COLUMNS - 8 : NAME_LEAST);
	buf_addch(out, '\n');
	out->failed |= name.failed;
	buf_release(&name);
}

/* Returns how many there are in all. */
static size_t put_rows(const struct diff_input *in, int sign, const char *title, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in->diff->count; i++) {
		const struct profile_diff_function *f = &in->diff->functions[i];

		if (direction(f) * sign <= 0)
			continue;
		if (n == 0)
			buf_printf(out,
				   "\n%s\n  self A   self B   change   total A  total B   change  "
				   "function\n",
				   title);
		if (n++ < ROWS)
			put_row(in, f, out);
	}
	if (n > ROWS)
		buf_printf(out, "… and %zu more\n", n - ROWS);
	return n;
}

static void put_side(const struct render_input *side, double seconds, struct buf *out)
{
	buf_add_printable(out, side->file ? side->file : "recording", NULL);
	buf_printf(out, " (%.1f s)", seconds);
}

static void put_head(const struct diff_input *in, struct buf *out)
{
	const struct profile_diff *d = in->diff;

	buf_addstr(out, "A: ");
	put_side(&in->side[0], d->seconds[0], out);
	buf_addstr(out, "\nB: ");
	put_side(&in->side[1], d->seconds[1], out);
	buf_printf(out, "\n%s, %s", profile_kind_info(in->side[1].kind)->title, unit(in));
	if (in->normalize == PROFILE_BY_TIME)
		buf_printf(out, ": all %.2f → %.2f%s", shown(in, d->all.value[0]),
			   shown(in, d->all.value[1]),
			   d->all.significant ? "" : " (no significant change)");
	buf_addch(out, '\n');
}

int render_diff_text(const struct diff_input *in, struct buf *out)
{
	const struct profile_diff *d = in->diff;
	struct buf line = BUF_INIT;
	size_t rows;

	put_head(in, out);
	rows = put_rows(in, 1, "grew", out);
	rows += put_rows(in, -1, "shrank", out);
	buf_addch(out, '\n');
	if (rows)
		buf_printf(&line, "%zu of %zu functions changed", rows, d->count);
	else
		buf_printf(&line, "no function changed significantly (of %zu)", d->count);
	buf_printf(&line, "; = is a change below %.1f standard errors or %.1f %% of the whole",
		   d->errors, 100 * d->least);
	layout_wrap(out, line.data ? line.data : "", 0, 0, width_of(in));
	out->failed |= line.failed;
	buf_release(&line);
	put_findings(in, 0, "findings gone in B", out);
	put_findings(in, 1, "findings new in B", out);
	return out->failed ? -ENOMEM : 0;
}

/* ── JSON ───────────────────────────────────────────────────────────────────────────────────── */

static void json_change(struct json *j, const char *key, const struct diff_input *in,
			const struct profile_change *c)
{
	json_object(j, key);
	json_double(j, "a", shown(in, c->value[0]), 4);
	json_double(j, "b", shown(in, c->value[1]), 4);
	json_double(j, "error", shown(in, c->error), 4);
	json_bool(j, "significant", c->significant);
	json_end(j);
}

static void json_side(struct json *j, const char *key, const struct diff_input *in, int side)
{
	json_object(j, key);
	json_string(j, "file", in->side[side].file ? in->side[side].file : "");
	json_double(j, "seconds", in->diff->seconds[side], 3);
	json_end(j);
}

static void json_findings(struct json *j, const char *key, const struct diff_input *in, int side)
{
	const struct findings *mine = in->side[side].findings, *others = in->side[!side].findings;

	json_array(j, key);
	for (size_t i = 0; mine && others && i < mine->count; i++) {
		if (has_finding(others, &mine->list[i]))
			continue;
		json_object(j, NULL);
		json_string(j, "id", mine->list[i].id);
		json_string(j, "severity", finding_severity_name(mine->list[i].severity));
		json_string(j, "title", mine->list[i].title);
		json_end(j);
	}
	json_end(j);
}

static void json_functions(struct json *j, const struct diff_input *in)
{
	json_array(j, "functions");
	for (size_t i = 0; i < in->diff->count; i++) {
		const struct profile_diff_function *f = &in->diff->functions[i];

		json_object(j, NULL);
		json_string(j, "name", f->name);
		json_string(j, "module", f->module);
		json_change(j, "self", in, &f->self);
		json_change(j, "total", in, &f->total);
		json_end(j);
	}
	json_end(j);
}

int render_diff_json(const struct diff_input *in, struct buf *out)
{
	struct json j = { .out = out, .indent = true };

	json_object(&j, NULL);
	json_u64(&j, "format", 1);
	json_string(&j, "kind", profile_kind_info(in->side[1].kind)->name);
	json_string(&j, "normalize", in->normalize == PROFILE_BY_TIME ? "time" : "total");
	json_string(&j, "unit", unit(in));
	json_side(&j, "a", in, 0);
	json_side(&j, "b", in, 1);
	json_double(&j, "errors", in->diff->errors, 3);
	json_double(&j, "least", in->diff->least, 4);
	json_u64(&j, "significant", in->diff->significant);
	json_change(&j, "all", in, &in->diff->all);
	json_functions(&j, in);
	json_findings(&j, "findings_gone", in, 0);
	json_findings(&j, "findings_new", in, 1);
	json_end(&j);
	buf_addch(out, '\n');
	return out->failed ? -ENOMEM : 0;
}
