// SPDX-License-Identifier: BSD-2-Clause
/* Strings, labels and the prefix tree of a page. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "render/label_stacks.h"
#include "render/page.h"

struct text_key {
	const struct page *page;
	const char *text;
};

static bool text_equal(const void *ctx, uint32_t id)
{
	const struct text_key *k = ctx;

	return strcmp(k->page->strings[id - 1], k->text) == 0;
}

/* Takes over text, which is malloc'ed and may be NULL. */
static uint32_t keep_string(struct page *g, char *text)
{
	struct text_key key = { .page = g, .text = text };
	uint64_t hash;
	uint32_t id;

	if (!text)
		return UINT32_MAX;
	hash = hash_bytes(text, strlen(text), 0);
	id = map_find(&g->string_index, hash, text_equal, &key);
	if (id) {
		free(text);
		return id - 1;
	}
	if (array_room(&g->strings, g->string_count, &g->string_cap, sizeof(*g->strings))) {
		free(text);
		return UINT32_MAX;
	}
	g->strings[g->string_count++] = text;
	return map_insert(&g->string_index, hash, g->string_count) ? UINT32_MAX
								   : g->string_count - 1;
}

uint32_t page_string(struct page *g, const char *s)
{
	struct buf b = BUF_INIT;

	buf_addstr(&b, "");
	buf_add_printable(&b, s, NULL);
	if (b.failed) {
		buf_release(&b);
		return UINT32_MAX;
	}
	return keep_string(g, b.data ? b.data : strdup(""));
}

int page_init(struct page *g)
{
	*g = (struct page){ 0 };
	if (page_string(g, "") == 0)
		return 0;
	page_release(g);
	return -ENOMEM;
}

void page_release(struct page *g)
{
	for (size_t i = 0; i < g->string_count; i++)
		free(g->strings[i]);
	free(g->strings);
	map_release(&g->string_index);
	free(g->labels);
	map64_release(&g->label_index);
	free(g->paths.labels);
	free(g->paths.list);
	free(g->nodes);
	*g = (struct page){ 0 };
}

uint32_t page_label(struct page *g, const struct page_label *label)
{
	uint64_t key = (uint64_t)label->text << 32 | (uint64_t)label->module << 3 | label->type;
	uint64_t *number = map64_at(&g->label_index, key + 1);

	if (!number)
		return UINT32_MAX;
	if (!*number) {
		if (array_room(&g->labels, g->label_count, &g->label_cap, sizeof(*g->labels)))
			return UINT32_MAX;
		g->labels[g->label_count++] = *label;
		*number = g->label_count;
	}
	return *number - 1;
}

/* ── from paths to the tree ─────────────────────────────────────────────────────────────────── */

int page_add_path(struct page *g, const uint32_t *labels, uint32_t n, uint32_t *node)
{
	struct page_paths *s = &g->paths;
	int err;

	err = array_room(&s->labels, s->label_count + n, &s->label_cap, sizeof(*s->labels));
	if (!err)
		err = array_room(&s->list, s->count, &s->cap, sizeof(*s->list));
	if (err)
		return err;
	if (n)
		memcpy(s->labels + s->label_count, labels, n * sizeof(*labels));
	s->list[s->count++] = (struct page_path){ s->label_count, n, node };
	s->label_count += n;
	return 0;
}

static int by_text(const void *a, const void *b, void *ctx)
{
	const struct page *g = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = strcmp(g->strings[g->labels[x].text], g->strings[g->labels[y].text]);

	if (order)
		return order;
	return x < y ? -1 : x > y;
}

/* Each label's place in the order of names, and paths rewritten to places: sorting compares numbers. */
static uint32_t *rank_labels(struct page *g)
{
	uint32_t *labels = calloc(g->label_count + 1, sizeof(*labels));
	uint32_t *ranks = calloc(g->label_count + 1, sizeof(*ranks));

	if (labels && ranks) {
		for (uint32_t i = 0; i < g->label_count; i++)
			labels[i] = i;
		qsort_r(labels, g->label_count, sizeof(*labels), by_text, g);
		for (uint32_t i = 0; i < g->label_count; i++)
			ranks[labels[i]] = i;
		for (size_t i = 0; i < g->paths.label_count; i++)
			g->paths.labels[i] = ranks[g->paths.labels[i]];
	} else {
		free(labels);
		labels = NULL;
	}
	free(ranks);
	return labels;
}

static uint32_t common(const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb)
{
	uint32_t n = na < nb ? na : nb, i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

static int by_labels(const void *a, const void *b, void *ctx)
{
	const struct page_path *x = a, *y = b;
	const uint32_t *labels = ctx, *p = labels + x->first, *q = labels + y->first;
	uint32_t i = common(p, x->count, q, y->count);

	if (i < x->count && i < y->count)
		return p[i] < q[i] ? -1 : 1;
	return x->count < y->count ? -1 : x->count > y->count;
}

/* Sorted paths lie in preorder: each goes on from where it leaves the one before. */
static int lay_nodes(struct page *g, const uint32_t *label_of_rank)
{
	const struct page_paths *s = &g->paths;
	const uint32_t *before = s->labels;
	uint32_t before_count = 0;
	uint32_t *trail = calloc(PAGE_DEPTH_MAX + 1, sizeof(*trail)); /* nodes of the path */

	if (!trail)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++) {
		const uint32_t *path = s->labels + s->list[i].first;
		uint32_t n = s->list[i].count, depth = common(before, before_count, path, n);

		for (; depth < n; depth++) {
			g->nodes[g->node_count] =
				(struct page_node){ trail[depth], label_of_rank[path[depth]],
						    depth + 1 };
			trail[depth + 1] = g->node_count++;
		}
		*s->list[i].node = trail[n];
		before = path;
		before_count = n;
	}
	free(trail);
	return 0;
}

int page_build(struct page *g)
{
	uint32_t *label_of_rank = rank_labels(g);
	int err = -ENOMEM;

	g->nodes = calloc(g->paths.label_count + 1, sizeof(*g->nodes));
	if (label_of_rank && g->nodes) {
		g->node_count = 1;
		if (g->paths.count)
			qsort_r(g->paths.list, g->paths.count, sizeof(*g->paths.list), by_labels,
				g->paths.labels);
		err = lay_nodes(g, label_of_rank);
	}
	free(label_of_rank);
	return err;
}

/* ── as text ────────────────────────────────────────────────────────────────────────────────── */

void page_put_number(struct buf *out, uint64_t v)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (; v >= 32; v >>= 5)
		buf_addch(out, digits[32 | (v & 31)]);
	buf_addch(out, digits[v]);
}

void page_put_labels(const struct page *g, struct buf *out)
{
	for (size_t i = 0; i < g->label_count; i++) {
		page_put_number(out, g->labels[i].text);
		page_put_number(out, g->labels[i].module);
		page_put_number(out, g->labels[i].type);
	}
}

void page_put_tree(const struct page *g, struct buf *out)
{
	for (size_t i = 1; i < g->node_count; i++) {
		page_put_number(out, g->nodes[i - 1].depth + 1 - g->nodes[i].depth);
		page_put_number(out, g->nodes[i].label);
	}
}
