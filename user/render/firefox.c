// SPDX-License-Identifier: BSD-2-Clause
/*
 * The Firefox Profiler's processed format, version 50: each thread has tables of its own, columns as
 * arrays. When within its window (a second) a sample was taken is not recorded: samples are spread
 * evenly over it, stack by stack.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "profile/tree.h"
#include "render/formats.h"
#include "render/page.h"
#include "render/render.h"
#include "render/subset.h"

enum {
	GECKO_VERSION = 30,
	PROCESSED_VERSION = 50,
	SAMPLES_MAX = 200000, /* above, samples of one stack and window are one with a weight */
	NO_STRING = -1,
};

struct category {
	const char *name, *colour;
};

/* By enum profile_label_type. */
static const struct category categories[] = {
	[PROFILE_LABEL_THREAD] = { "Other", "grey" },
	[PROFILE_LABEL_MARK] = { "Truncated", "red" },
	[PROFILE_LABEL_USER] = { "User", "yellow" },
	[PROFILE_LABEL_KERNEL] = { "Kernel", "orange" },
	[PROFILE_LABEL_JIT] = { "JIT", "green" },
	[PROFILE_LABEL_INLINE] = { "Inlined", "blue" },
};

enum { CATEGORIES = sizeof(categories) / sizeof(*categories) };

struct exporter {
	const struct render_input *in;
	struct page page;
	struct page_side side;
	struct json j;
	struct page_row *rows;
	size_t row_count;
	bool weights; /* too many samples: one a stack and window */

	/* Of the thread being written. */
	struct subset stacks, funcs, strings;
	struct subset resources; /* the functions' modules */
};

/* ── which stacks, functions and strings a thread needs ─────────────────────────────────────── */

static void need_func(struct exporter *e, uint32_t label)
{
	const struct page_label *l = &e->page.labels[label];

	if (e->funcs.numbers[label])
		return;
	subset_add(&e->funcs, label);
	subset_add(&e->strings, l->text);
	subset_add(&e->strings, l->module);
	subset_add(&e->resources, l->module);
}

static void need_stack(struct exporter *e, uint32_t node)
{
	if (!node || e->stacks.numbers[node])
		return;
	need_stack(e, e->page.nodes[node].parent); /* at most PAGE_DEPTH_MAX deep */
	subset_add(&e->stacks, node);
	need_func(e, e->page.nodes[node].label);
}

static void begin_thread(struct exporter *e, const struct page_row *rows, size_t n)
{
	subset_clear(&e->stacks);
	subset_clear(&e->funcs);
	subset_clear(&e->strings);
	subset_clear(&e->resources);
	for (size_t i = 0; i < n; i++)
		need_stack(e, rows[i].node);
}

/* ── columns ────────────────────────────────────────────────────────────────────────────────── */

/* A column of n equal values; value < −1 is null. */
static void constant(struct json *j, const char *key, size_t n, int64_t value)
{
	char text[24] = "null";

	if (value >= NO_STRING)
		snprintf(text, sizeof(text), "%lld", (long long)value);
	json_array(j, key);
	json_repeat(j, text, n);
	json_end(j);
}

enum { NONE = -2 };

static void flags(struct json *j, const char *key, size_t n)
{
	json_array(j, key);
	json_repeat(j, "false", n);
	json_end(j);
}

static const struct page_label *func_label(const struct exporter *e, uint32_t func)
{
	return &e->page.labels[e->funcs.list[func]];
}

static void put_categories(struct exporter *e, const char *key)
{
	json_array(&e->j, key);
	for (uint32_t i = 0; i < e->funcs.count; i++)
		json_u64(&e->j, NULL, func_label(e, i)->type);
	json_end(&e->j);
}

static void put_stack_table(struct exporter *e)
{
	const struct page_node *nodes = e->page.nodes;
	struct json *j = &e->j;

	json_object(j, "stackTable");
	json_array(j, "frame");
	for (uint32_t i = 0; i < e->stacks.count; i++)
		json_u64(j, NULL, subset_number(&e->funcs, nodes[e->stacks.list[i]].label));
	json_end(j);
	json_array(j, "prefix");
	for (uint32_t i = 0; i < e->stacks.count; i++) {
		uint32_t parent = nodes[e->stacks.list[i]].parent;

		if (parent)
			json_u64(j, NULL, subset_number(&e->stacks, parent));
		else
			json_string(j, NULL, NULL);
	}
	json_end(j);
	json_array(j, "category");
	for (uint32_t i = 0; i < e->stacks.count; i++)
		json_u64(j, NULL, e->page.labels[nodes[e->stacks.list[i]].label].type);
	json_end(j);
	constant(j, "subcategory", e->stacks.count, 0);
	json_u64(j, "length", e->stacks.count);
	json_end(j);
}

/* One frame a function: addresses are of no use without the files. */
static void put_frame_table(struct exporter *e)
{
	struct json *j = &e->j;
	size_t n = e->funcs.count;

	json_object(j, "frameTable");
	constant(j, "address", n, NO_STRING);
	constant(j, "inlineDepth", n, 0);
	put_categories(e, "category");
	constant(j, "subcategory", n, 0);
	json_array(j, "func");
	for (uint32_t i = 0; i < n; i++)
		json_u64(j, NULL, i);
	json_end(j);
	constant(j, "nativeSymbol", n, NONE);
	constant(j, "innerWindowID", n, NONE);
	constant(j, "implementation", n, NONE);
	constant(j, "line", n, NONE);
	constant(j, "column", n, NONE);
	json_u64(j, "length", n);
	json_end(j);
}

static void put_func_table(struct exporter *e)
{
	struct json *j = &e->j;
	size_t n = e->funcs.count;

	json_object(j, "funcTable");
	json_array(j, "name");
	for (uint32_t i = 0; i < n; i++)
		json_u64(j, NULL, subset_number(&e->strings, func_label(e, i)->text));
	json_end(j);
	flags(j, "isJS", n);
	flags(j, "relevantForJS", n);
	json_array(j, "resource");
	for (uint32_t i = 0; i < n; i++)
		json_u64(j, NULL, subset_number(&e->resources, func_label(e, i)->module));
	json_end(j);
	constant(j, "fileName", n, NONE);
	constant(j, "lineNumber", n, NONE);
	constant(j, "columnNumber", n, NONE);
	json_u64(j, "length", n);
	json_end(j);
}

/* A function's resource is its module. */
static void put_resource_table(struct exporter *e)
{
	struct json *j = &e->j;
	size_t n = e->resources.count;

	json_object(j, "resourceTable");
	constant(j, "lib", n, NONE);
	json_array(j, "name");
	for (uint32_t i = 0; i < n; i++)
		json_u64(j, NULL, subset_number(&e->strings, e->resources.list[i]));
	json_end(j);
	constant(j, "host", n, NONE);
	constant(j, "type", n, 1); /* a library */
	json_u64(j, "length", n);
	json_end(j);
}

static void put_strings(struct exporter *e)
{
	json_array(&e->j, "stringArray");
	for (uint32_t i = 0; i < e->strings.count; i++)
		json_string(&e->j, NULL, e->page.strings[e->strings.list[i]]);
	json_end(&e->j);
}

static void put_empty(struct json *j, const char *key, const char *const *columns)
{
	json_object(j, key);
	for (; *columns; columns++) {
		json_array(j, *columns);
		json_end(j);
	}
	json_u64(j, "length", 0);
	json_end(j);
}

/* ── samples ────────────────────────────────────────────────────────────────────────────────── */

static uint64_t repeats(const struct exporter *e, const struct page_row *row)
{
	if (e->weights || !profile_kind_info(e->in->kind)->by_count)
		return 1;
	return profile_row_weight(&row->sum);
}

static uint64_t window_samples(const struct exporter *e, const struct page_row *rows, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n && rows[i].window == rows[0].window; i++)
		sum += repeats(e, &rows[i]);
	return sum;
}

static void put_times(struct exporter *e, const struct page_row *rows, size_t n)
{
	uint64_t at = 0, of = 0;

	json_array(&e->j, "time");
	for (size_t i = 0; i < n; i++) {
		const struct profile_window *w = &e->side.windows[rows[i].window];

		if (i == 0 || rows[i].window != rows[i - 1].window) {
			at = 0;
			of = window_samples(e, &rows[i], n - i);
		}
		for (uint64_t k = repeats(e, &rows[i]); k; k--, at++) {
			double ns =
				((double)at + 0.5) / (double)of * (double)(w->end_ns - w->start_ns);

			json_thousandths(&e->j, NULL, (w->start_ns + (uint64_t)ns + 500) / 1000);
		}
	}
	json_end(&e->j);
}

static void put_samples(struct exporter *e, const struct page_row *rows, size_t n)
{
	const struct profile_kind_info *info = profile_kind_info(e->in->kind);
	struct json *j = &e->j;
	uint64_t length = 0;

	json_object(j, "samples");
	json_array(j, "stack");
	for (size_t i = 0; i < n; i++) {
		for (uint64_t k = repeats(e, &rows[i]); k; k--, length++)
			json_u64(j, NULL, subset_number(&e->stacks, rows[i].node));
	}
	json_end(j);
	put_times(e, rows, n);
	json_array(j, "weight");
	for (size_t i = 0; i < n; i++) {
		uint64_t weight = profile_row_weight(&rows[i].sum), of = repeats(e, &rows[i]);

		for (uint64_t k = of; k; k--) {
			if (info->by_count)
				json_u64(j, NULL, of > 1 ? 1 : weight);
			else
				json_thousandths(j, NULL, weight);
		}
	}
	json_end(j);
	json_string(j, "weightType", info->by_count ? "samples" : "tracing-ms");
	json_u64(j, "length", length);
	json_end(j);
}

/* ── threads ────────────────────────────────────────────────────────────────────────────────── */

static void put_thread_about(struct exporter *e, uint32_t entry)
{
	const struct page_thread *listed = &e->side.threads[entry];
	struct profile *p = e->side.profile;
	const struct profile_thread *t =
		listed->thread ? profile_thread_at(p, listed->thread) : NULL;
	const struct profile_process *process =
		t && t->process ? profile_process_at(p, t->process) : NULL;
	struct buf text = BUF_INIT;
	struct json *j = &e->j;

	json_string(j, "processType", "default");
	json_u64(j, "processStartupTime", 0);
	json_string(j, "processShutdownTime", NULL);
	json_u64(j, "registerTime", 0);
	json_string(j, "unregisterTime", NULL);
	json_array(j, "pausedRanges");
	json_end(j);
	buf_add_printable(&text, profile_str(p, listed->name), NULL);
	if (listed->more)
		buf_printf(&text, " (%u threads)", listed->more);
	json_string(j, "name", text.data ? text.data : "");
	buf_clear(&text);
	json_bool(j, "isMainThread", process && t->tid == process->pid);
	buf_printf(&text, "%d", process ? process->pid : 0);
	json_string(j, "pid", text.data ? text.data : "");
	json_i64(j, "tid", t ? t->tid : 0);
	if (process) {
		buf_clear(&text);
		buf_add_printable(&text, profile_str(p, process->comm), NULL);
		json_string(j, "processName", text.data ? text.data : "");
	}
	j->out->failed |= text.failed;
	buf_release(&text);
}

static void put_thread(struct exporter *e, const struct page_row *rows, size_t n)
{
	static const char *const markers[] = { "data",	"name",	    "startTime", "endTime",
					       "phase", "category", NULL };
	static const char *const symbols[] = { "libIndex", "address", "name", "functionSize",
					       NULL };

	begin_thread(e, rows, n);
	json_object(&e->j, NULL);
	put_thread_about(e, rows[0].thread);
	put_samples(e, rows, n);
	put_empty(&e->j, "markers", markers);
	put_stack_table(e);
	put_frame_table(e);
	put_func_table(e);
	put_resource_table(e);
	put_empty(&e->j, "nativeSymbols", symbols);
	put_strings(e);
	json_end(&e->j);
}

static void put_threads(struct exporter *e)
{
	size_t n;

	json_array(&e->j, "threads");
	for (size_t i = 0; i < e->row_count; i += n) {
		n = 1;
		while (i + n < e->row_count && e->rows[i + n].thread == e->rows[i].thread)
			n++;
		put_thread(e, &e->rows[i], n);
	}
	json_end(&e->j);
}

static void put_meta(struct exporter *e)
{
	const struct profile_info *info = profile_info(e->in->profile);
	struct json *j = &e->j;

	json_object(j, "meta");
	json_double(j, "interval", info->hz ? 1000.0 / info->hz : 1, 4);
	json_double(j, "startTime", (double)info->start_realtime_ns / 1e6, 3);
	json_u64(j, "processType", 0);
	json_array(j, "categories");
	for (int i = 0; i < CATEGORIES; i++) {
		json_object(j, NULL);
		json_string(j, "name", categories[i].name);
		json_string(j, "color", categories[i].colour);
		json_array(j, "subcategories");
		json_string(j, NULL, "Other");
		json_end(j);
		json_end(j);
	}
	json_end(j);
	json_string(j, "product", e->in->file ? e->in->file : "tprof");
	json_u64(j, "stackwalk", 1);
	json_u64(j, "version", GECKO_VERSION);
	json_u64(j, "preprocessedProfileVersion", PROCESSED_VERSION);
	json_bool(j, "symbolicationNotSupported", true);
	json_array(j, "markerSchema");
	json_end(j);
	json_string(j, "importedFrom", "tprof " TPROF_VERSION);
	json_bool(j, "usesOnlyOneStackType", true);
	json_bool(j, "doesNotUseFrameImplementation", true);
	json_bool(j, "sourceCodeIsNotOnSearchfox", true);
	json_bool(j, "keepProfileThreadOrder", true);
	json_end(j);
}

static int make_tables(struct exporter *e)
{
	uint64_t samples = 0;
	size_t count;
	int err;

	profile_rows(e->in->profile, &count);
	e->rows = calloc(count + 1, sizeof(*e->rows));
	err = e->rows ? subset_init(&e->stacks, e->page.node_count) : -ENOMEM;
	if (!err)
		err = subset_init(&e->funcs, e->page.label_count);
	if (!err)
		err = subset_init(&e->strings, e->page.string_count);
	if (!err)
		err = subset_init(&e->resources, e->page.string_count);
	if (err)
		return err;
	e->row_count = page_rows(&e->side, e->in->kind, e->rows);
	for (size_t i = 0; i < e->row_count; i++)
		samples += repeats(e, &e->rows[i]);
	e->weights = samples > SAMPLES_MAX;
	return 0;
}

static void free_tables(struct exporter *e)
{
	free(e->rows);
	subset_release(&e->stacks);
	subset_release(&e->funcs);
	subset_release(&e->strings);
	subset_release(&e->resources);
}

int render_firefox(const struct render_input *in, struct buf *out)
{
	struct exporter e = { .in = in, .j = { .out = out } };
	int err = page_init(&e.page);

	if (err)
		return err;
	err = page_side_init(&e.side, &e.page, in->profile, in->from_ns, in->to_ns);
	if (!err)
		err = page_build(&e.page);
	if (!err)
		err = make_tables(&e);
	if (!err) {
		json_object(&e.j, NULL);
		put_meta(&e);
		json_array(&e.j, "libs");
		json_end(&e.j);
		put_threads(&e);
		json_end(&e.j);
		buf_addch(out, '\n');
		err = out->failed ? -ENOMEM : 0;
	}
	free_tables(&e);
	page_side_release(&e.side);
	page_release(&e.page);
	return err;
}
