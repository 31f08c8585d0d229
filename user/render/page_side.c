// SPDX-License-Identifier: BSD-2-Clause
/* One recording in a page: its threads, windows and rows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/tree.h"
#include "render/label_stacks.h"
#include "render/page.h"

enum {
	THREADS_MAX = 400,    /* listed one by one; with more, the rest is listed by group */
	WINDOWS_MAX = 300,    /* a timeline cannot show more */
	ROWS_AT_LEAST = 50000 /* windows are merged when there are more rows … */
};

#define ROWS_PER_STACK 4 /* … and more than these for each stack: the page stays small */

/* ── stacks ─────────────────────────────────────────────────────────────────────────────────── */

static uint32_t side_label(struct page_side *s, const struct profile_label *l)
{
	uint64_t key = (uint64_t)l->text << 32 | (uint64_t)l->module << 3 | l->type;
	uint64_t *number = map64_at(&s->labels, key + 1);
	struct page_label label = { .type = l->type };
	const char *module = "";

	if (!number)
		return UINT32_MAX;
	if (!*number) {
		if (l->module)
			module = profile_str(s->profile,
					     profile_module_at(s->profile, l->module)->name);
		label.text = page_string(s->page, profile_str(s->profile, l->text));
		label.module = page_string(s->page, module);
		if (label.text == UINT32_MAX || label.module == UINT32_MAX)
			return UINT32_MAX;
		*number = (uint64_t)page_label(s->page, &label) + 1;
	}
	return (uint32_t)(*number - 1);
}

static int place_stack(struct page_side *s, uint32_t stack)
{
	struct profile_row row = { .stack = stack };
	struct profile_label labels[LABELS_MAX];
	uint32_t path[LABELS_MAX], length = 0;
	size_t n = profile_labels(s->profile, &row, false, labels, LABELS_MAX);

	for (size_t i = 1; i < n; i++) { /* [0] is the thread */
		path[length] = side_label(s, &labels[i]);
		if (path[length++] == UINT32_MAX)
			return -ENOMEM;
	}
	s->nodes[stack] = 1; /* placed: the number follows */
	return page_add_path(s->page, path, length, &s->nodes[stack]);
}

static bool has_row(const struct page_side *s, const struct profile_row *row)
{
	struct profile_filter f = { .kind = row->kind, .from_ns = s->from_ns, .to_ns = s->to_ns };

	return profile_filter_match(s->profile, &f, row);
}

static int place_stacks(struct page_side *s)
{
	size_t count;
	const struct profile_row *rows = profile_rows(s->profile, &count);

	for (size_t i = 0; i < count; i++) {
		int err = 0;

		if (!s->nodes[rows[i].stack] && has_row(s, &rows[i]))
			err = place_stack(s, rows[i].stack);
		if (err)
			return err;
	}
	return profile_error(s->profile);
}

/* ── threads: those with rows, most CPU first; when there are many, the rest by group ───────── */

struct ranked {
	uint64_t cpu_ns;
	uint32_t thread, group;
};

static int by_cpu(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->cpu_ns != y->cpu_ns)
		return x->cpu_ns > y->cpu_ns ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

static int by_group(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return by_cpu(a, b);
}

/* The threads that rows name; entries[] marks them. */
static size_t seen_threads(struct page_side *s, struct ranked *list)
{
	size_t count, n = 0;
	const struct profile_row *rows = profile_rows(s->profile, &count);

	for (size_t i = 0; i < count; i++) {
		const struct profile_thread *t = profile_thread_at(s->profile, rows[i].thread);

		if (!has_row(s, &rows[i]) || s->entries[rows[i].thread])
			continue;
		s->entries[rows[i].thread] = 1;
		list[n++] = (struct ranked){ .thread = rows[i].thread,
					     .cpu_ns = t ? t->cpu_ns : 0,
					     .group = t ? t->group : 0 };
	}
	return n;
}

static void list_threads(struct page_side *s, struct ranked *list, size_t n)
{
	size_t alone = n > THREADS_MAX ? THREADS_MAX / 2 : n;

	qsort(list, n, sizeof(*list), by_cpu);
	qsort(list + alone, n - alone, sizeof(*list), by_group);
	for (size_t i = 0; i < n; i++) {
		const struct profile_thread *t = profile_thread_at(s->profile, list[i].thread);
		struct page_thread *last = s->threads + s->thread_count - 1;

		if (i > alone && list[i].group == list[i - 1].group) {
			last->name = list[i].group;
			last->more = last->more ? last->more + 1 : 2;
		} else {
			s->threads[s->thread_count++] =
				(struct page_thread){ .thread = list[i].thread,
						      .name = t ? t->comm : 0 };
		}
		s->entries[list[i].thread] = s->thread_count;
	}
}

static int place_threads(struct page_side *s)
{
	struct ranked *list;
	size_t threads, n;

	profile_threads(s->profile, &threads);
	s->entries = calloc(threads + 1, sizeof(*s->entries));
	list = calloc(threads + 1, sizeof(*list));
	if (!s->entries || !list) {
		free(list);
		return -ENOMEM;
	}
	n = seen_threads(s, list);
	s->threads = calloc(n + 1, sizeof(*s->threads));
	if (s->threads)
		list_threads(s, list, n);
	free(list);
	return s->threads ? 0 : -ENOMEM;
}

/* ── windows, in time ───────────────────────────────────────────────────────────────────────── */

struct dated {
	uint64_t start_ns;
	uint32_t id;
};

static int by_start(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static bool in_range(const struct page_side *s, const struct profile_window *w)
{
	return w->start_ns >= s->from_ns && (!s->to_ns || w->start_ns < s->to_ns);
}

/* dated: the windows in order; every `step` of them become one. */
static void merge_windows(struct page_side *s, const struct dated *dated, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i++) {
		const struct profile_window *w = profile_window_at(s->profile, dated[i].id);
		struct profile_window *to = &s->windows[i / step];

		if (i % step == 0)
			*to = *w;
		if (w->end_ns > to->end_ns)
			to->end_ns = w->end_ns;
		s->order[dated[i].id] = i / step;
	}
	s->window_count = (n + step - 1) / step;
}

/* Rows of merged windows merge too, at best `step` into one. */
static size_t window_step(struct page_side *s, size_t windows)
{
	size_t step = windows / WINDOWS_MAX + 1, stacks, rows, limit;

	profile_stacks(s->profile, &stacks);
	profile_rows(s->profile, &rows);
	limit = stacks * ROWS_PER_STACK;
	if (limit < ROWS_AT_LEAST)
		limit = ROWS_AT_LEAST;
	while (rows / step > limit && step < windows)
		step *= 2;
	return step;
}

static int place_windows(struct page_side *s)
{
	size_t count, n = 0;
	const struct profile_window *windows = profile_windows(s->profile, &count);
	struct dated *dated = calloc(count + 1, sizeof(*dated));

	s->order = calloc(count + 1, sizeof(*s->order));
	s->windows = calloc(count + 1, sizeof(*s->windows));
	if (!dated || !s->order || !s->windows) {
		free(dated);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (in_range(s, &windows[i]))
			dated[n++] = (struct dated){ windows[i].start_ns, i + 1 };
	}
	qsort(dated, n, sizeof(*dated), by_start);
	merge_windows(s, dated, n, window_step(s, n));
	if (!s->window_count) /* rows of no window have one to lie in */
		s->windows[s->window_count++].end_ns = profile_info(s->profile)->duration_ns;
	free(dated);
	return 0;
}

int page_side_init(struct page_side *s, struct page *g, struct profile *p, uint64_t from_ns,
		   uint64_t to_ns)
{
	size_t stacks;
	int err;

	*s = (struct page_side){ .page = g, .profile = p, .from_ns = from_ns, .to_ns = to_ns };
	profile_stacks(p, &stacks);
	s->nodes = calloc(stacks + 1, sizeof(*s->nodes));
	if (!s->nodes)
		return -ENOMEM;
	err = place_stacks(s);
	if (!err)
		err = place_threads(s);
	return err ? err : place_windows(s);
}

void page_side_release(struct page_side *s)
{
	map64_release(&s->labels);
	free(s->nodes);
	free(s->entries);
	free(s->threads);
	free(s->order);
	free(s->windows);
	*s = (struct page_side){ 0 };
}

/* ── rows ───────────────────────────────────────────────────────────────────────────────────── */

static int by_place(const void *a, const void *b)
{
	const struct page_row *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->window != y->window)
		return x->window < y->window ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

size_t page_rows(struct page_side *s, enum profile_kind kind, struct page_row *list)
{
	size_t count, n = 0, merged = 0;
	const struct profile_row *rows = profile_rows(s->profile, &count);

	for (size_t i = 0; i < count; i++) {
		if (rows[i].kind != kind || !has_row(s, &rows[i]))
			continue;
		list[n++] = (struct page_row){ .thread = s->entries[rows[i].thread] - 1,
					       .window = s->order[rows[i].window],
					       .node = s->nodes[rows[i].stack],
					       .sum = rows[i] };
	}
	qsort(list, n, sizeof(*list), by_place);
	for (size_t i = 0; i < n; i++) {
		if (merged && by_place(&list[merged - 1], &list[i]) == 0) {
			list[merged - 1].sum.count += list[i].sum.count;
			list[merged - 1].sum.value += list[i].sum.value;
		} else {
			list[merged++] = list[i];
		}
	}
	return merged;
}

/* One group: rows of the same thread and window. Returns how many. */
static size_t put_group(const struct page_row *list, size_t n, struct buf *out,
			uint64_t *ret_weight)
{
	uint32_t node = 0;
	size_t size = 1;

	while (size < n && list[size].thread == list->thread && list[size].window == list->window)
		size++;
	page_put_number(out, size);
	for (size_t i = 0; i < size; i++) {
		uint64_t weight = profile_row_weight(&list[i].sum);

		page_put_number(out, list[i].node - node);
		page_put_number(out, weight);
		node = list[i].node;
		*ret_weight += weight;
	}
	return size;
}

int page_put_rows(struct page_side *s, enum profile_kind kind, struct buf *out,
		  uint64_t *ret_weight)
{
	uint32_t thread = 0, window = 0;
	struct page_row *list;
	size_t count, n;

	profile_rows(s->profile, &count);
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = page_rows(s, kind, list);
	*ret_weight = 0;
	for (size_t i = 0; i < n;) {
		page_put_number(out, list[i].thread - thread);
		page_put_number(out, list[i].window - (list[i].thread == thread ? window : 0));
		thread = list[i].thread;
		window = list[i].window;
		i += put_group(&list[i], n - i, out, ret_weight);
	}
	free(list);
	return out->failed ? -ENOMEM : 0;
}
