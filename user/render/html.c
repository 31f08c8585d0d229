// SPDX-License-Identifier: BSD-2-Clause
/*
 * The interactive flame graph: one HTML file with its data as JSON inside. Texts of the profile stand
 * only in that JSON, where json.c makes them inert, and reach the page as text, never as markup.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/json.h"
#include "profile/finding.h"
#include "profile/tree.h"
#include "render/diff.h"
#include "render/diff_rule.h"
#include "render/formats.h"
#include "render/page.h"
#include "render/render.h"

/* A text of the profile, printable. */
static void put_text(struct json *j, const char *key, const char *text)
{
	struct buf b = BUF_INIT;

	buf_add_printable(&b, text, NULL);
	json_string(j, key, b.data ? b.data : "");
	j->out->failed |= b.failed;
	buf_release(&b);
}

static void put_id(struct json *j, const char *key, const struct profile *p, uint32_t string)
{
	put_text(j, key, profile_str(p, string));
}

static void put_start(struct json *j, const struct profile_info *info)
{
	time_t seconds = (time_t)(info->start_realtime_ns / 1000000000);
	char text[40] = "";
	struct tm tm;

	if (seconds && gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_string(j, "start", text);
}

static void put_about(struct json *j, const struct profile *p, const char *file)
{
	const struct profile_info *info = profile_info_const(p);

	put_text(j, "file", file ? file : "");
	put_id(j, "target", p, info->target);
	put_id(j, "host", p, info->host);
	put_id(j, "kernel", p, info->kernel);
	put_id(j, "event", p, info->event);
	json_u64(j, "cpus", info->cpus);
	json_u64(j, "hz", info->hz);
	put_start(j, info);
	json_double(j, "seconds", (double)info->duration_ns / 1e9, 3);
	json_double(j, "share", info->stack_share_ppm ? (double)info->stack_share_ppm / 1e6 : 1.0,
		    6);
}

static void put_quality(struct json *j, const struct profile *p)
{
	size_t count;
	const struct profile_loss *losses = profile_losses(p, &count);
	const uint32_t *notes;

	json_object(j, "losses");
	for (size_t i = 0; i < count; i++)
		json_u64(j, profile_str(p, losses[i].name), losses[i].count);
	json_end(j);
	notes = profile_notes(p, &count);
	json_array(j, "notes");
	for (size_t i = 0; i < count; i++)
		put_id(j, NULL, p, notes[i]);
	json_end(j);
}

static void put_findings(struct json *j, struct page_side *s, const struct findings *findings)
{
	json_array(j, "findings");
	for (size_t i = 0; findings && i < findings->count; i++) {
		const struct finding *f = &findings->list[i];

		json_object(j, NULL);
		json_string(j, "id", f->id);
		json_string(j, "severity", finding_severity_name(f->severity));
		put_text(j, "title", f->title);
		put_text(j, "advice", f->advice ? f->advice : "");
		if (f->stack && s->nodes[f->stack])
			json_u64(j, "node", s->nodes[f->stack]);
		json_end(j);
	}
	json_end(j);
}

static void put_threads(struct json *j, const struct page_side *s)
{
	struct profile *p = s->profile;

	json_array(j, "threads");
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct profile_thread *t = profile_thread_at(p, s->threads[i].thread);
		const struct profile_process *process =
			t && t->process ? profile_process_at(p, t->process) : NULL;

		json_array(j, NULL);
		put_id(j, NULL, p, s->threads[i].name);
		json_i64(j, NULL, t ? t->tid : 0);
		json_i64(j, NULL, process ? process->pid : 0);
		json_u64(j, NULL, s->threads[i].more);
		json_end(j);
	}
	json_end(j);
}

static void put_windows(struct json *j, const struct page_side *s)
{
	json_array(j, "windows");
	for (size_t i = 0; i < s->window_count; i++) {
		json_u64(j, NULL, s->windows[i].start_ns / 1000000);
		json_u64(j, NULL, s->windows[i].end_ns / 1000000);
	}
	json_end(j);
}

/* Numbers in base 64 need no escaping: they go out as they are. */
static void put_codes(struct json *j, const char *key, struct buf *codes)
{
	json_string(j, key, codes->data ? codes->data : "");
	j->out->failed |= codes->failed;
	buf_clear(codes);
}

/* What a comparison takes for chance; `own` as label, self, total, label … */
static int put_rule(struct json *j, const struct diff_input *in, enum profile_kind kind,
		    struct page *g)
{
	struct diff_rule rule;
	int err = diff_rule_init(&rule, in, kind, g);

	json_object(j, "rule");
	json_double(j, "errors", rule.errors, 3);
	json_double(j, "least", rule.least, 3);
	json_double(j, "noise", rule.noise, 3);
	json_array(j, "event");
	json_double(j, NULL, rule.event[0], 6);
	json_double(j, NULL, rule.event[1], 6);
	json_end(j);
	json_array(j, "own");
	for (size_t i = 0; i < g->label_count && !err; i++) {
		if (rule.own[i].total <= 0)
			continue;
		json_u64(j, NULL, i);
		json_double(j, NULL, rule.own[i].self, 3);
		json_double(j, NULL, rule.own[i].total, 3);
	}
	json_end(j);
	json_end(j);
	diff_rule_release(&rule);
	return err;
}

/* scale: what a comparison multiplies this side's weights with. */
static int put_kind(struct json *j, struct page_side *s, enum profile_kind kind, double scale,
		    const struct diff_input *rule)
{
	const struct profile_filter filter = { .kind = kind,
					       .from_ns = s->from_ns,
					       .to_ns = s->to_ns };
	uint64_t complete, truncated, weight;
	struct buf codes = BUF_INIT;
	int err;

	err = page_put_rows(s, kind, &codes, &weight);
	if (!err) {
		profile_completeness(s->profile, &filter, &complete, &truncated);
		json_object(j, profile_kind_info(kind)->name);
		json_u64(j, "complete", complete);
		json_u64(j, "truncated", truncated);
		json_u64(j, "weight", weight);
		if (scale != 1)
			json_double(j, "scale", scale, 9);
		put_codes(j, "rows", &codes);
		if (rule)
			err = put_rule(j, rule, kind, s->page);
		json_end(j);
	}
	buf_release(&codes);
	return err;
}

/* What a page shows: one recording, or B (first) against A. */
struct document {
	const struct render_input *in[2];
	const struct diff_input *diff; /* NULL: one recording */
	struct page page;
	struct page_side side[2];
	int sides;
};

static int put_profile(struct json *j, struct document *d, int i)
{
	struct page_side *s = &d->side[i];
	int err = 0;

	json_object(j, NULL);
	put_about(j, s->profile, d->in[i]->file);
	put_quality(j, s->profile);
	put_findings(j, s, d->in[i]->findings);
	put_threads(j, s);
	put_windows(j, s);
	json_object(j, "kinds");
	for (int kind = 1; kind < PROFILE_KIND_COUNT && !err; kind++)
		err = put_kind(j, s, kind, i ? diff_scale(d->diff, kind) : 1, i ? NULL : d->diff);
	json_end(j);
	json_end(j);
	return err;
}

static void put_kinds(struct json *j)
{
	json_array(j, "kinds");
	for (int kind = 1; kind < PROFILE_KIND_COUNT; kind++) {
		const struct profile_kind_info *info = profile_kind_info(kind);

		json_object(j, NULL);
		json_string(j, "name", info->name);
		json_string(j, "title", info->title);
		json_string(j, "unit", info->unit);
		json_string(j, "about", info->about);
		json_end(j);
	}
	json_end(j);
}

static void put_page(struct json *j, const struct page *g)
{
	struct buf codes = BUF_INIT;

	json_array(j, "strings");
	for (size_t i = 0; i < g->string_count; i++)
		json_string(j, NULL, g->strings[i]);
	json_end(j);
	page_put_labels(g, &codes);
	put_codes(j, "labels", &codes);
	page_put_tree(g, &codes);
	put_codes(j, "tree", &codes);
	buf_release(&codes);
}

/* "redis-server (1234)"; with several processes the target as it was asked for. */
static void put_title(struct json *j, struct profile *p, const char *file)
{
	size_t count;
	const struct profile_process *processes = profile_processes(p, &count);
	struct buf b = BUF_INIT;

	if (count == 1)
		buf_printf(&b, "%s (%d)", profile_str(p, processes[0].comm), processes[0].pid);
	else if (profile_info(p)->target)
		buf_addstr(&b, profile_str(p, profile_info(p)->target));
	else
		buf_addstr(&b, file ? file : "recording");
	put_text(j, "title", b.data ? b.data : "");
	j->out->failed |= b.failed;
	buf_release(&b);
}

static int put_data(struct document *d, struct buf *out)
{
	struct json j = { .out = out };
	int err = 0;

	json_object(&j, NULL);
	json_u64(&j, "format", 1);
	json_string(&j, "version", TPROF_VERSION);
	put_title(&j, d->in[0]->profile, d->in[0]->file);
	json_string(&j, "kind", profile_kind_info(d->in[0]->kind)->name);
	json_string(&j, "group", d->in[0]->by_thread ? "thread" : "pool");
	if (d->diff) {
		json_string(&j, "normalize",
			    d->diff->normalize == PROFILE_BY_TIME ? "time" : "total");
		json_bool(&j, "whole", d->in[0]->findings && d->in[1]->findings);
	}
	put_kinds(&j);
	json_array(&j, "profiles");
	for (int i = 0; i < d->sides && !err; i++)
		err = put_profile(&j, d, i);
	json_end(&j);
	put_page(&j, &d->page);
	json_end(&j);
	return err;
}

static int put_document(struct document *d, struct buf *out)
{
	int err;

	buf_printf(out,
		   "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		   "<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n"
		   "<meta name=\"viewport\" content=\"width=device-width\">\n"
		   "<title>tprof</title>\n<style>",
		   page_policy);
	buf_addstr(out, page_style);
	buf_addstr(out, "</style>\n</head>\n<body>\n");
	buf_addstr(out, page_body);
	buf_addstr(out, "<script type=\"application/json\" id=\"data\">");
	err = put_data(d, out);
	buf_addstr(out, "</script>\n<script>");
	buf_addstr(out, page_script);
	buf_addstr(out, "</script>\n</body>\n</html>\n");
	if (err)
		return err;
	return out->failed ? -ENOMEM : 0;
}

static int render_document(struct document *d, struct buf *out)
{
	int err = page_init(&d->page);

	if (err)
		return err;
	for (int i = 0; i < d->sides && !err; i++)
		err = page_side_init(&d->side[i], &d->page, d->in[i]->profile, d->in[i]->from_ns,
				     d->in[i]->to_ns);
	if (!err)
		err = page_build(&d->page);
	if (!err)
		err = put_document(d, out);
	for (int i = 0; i < d->sides; i++)
		page_side_release(&d->side[i]);
	page_release(&d->page);
	return err;
}

int render_html(const struct render_input *in, struct buf *out)
{
	return render_document(&(struct document){ .in = { in }, .sides = 1 }, out);
}

int render_diff_html(const struct diff_input *in, struct buf *out)
{
	struct document d = { .in = { &in->side[1], &in->side[0] }, .diff = in, .sides = 2 };

	return render_document(&d, out);
}
