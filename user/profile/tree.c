/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map64.h"
#include "profile/impl.h"

/*
 * The tree is not grown by looking up children: all stacks are written out as ranks (labels numbered
 * in order of name), sorted, and laid down one after the other, each from where it leaves the one
 * before. That takes no hash, and the children come out in order.
 *
 *	main  start  work  read          node of "read" = on from "work"
 *	main  start  work  write    ──→  same 3, then a new node beside "read"
 *	main  stop                  ──→  same 1, then a new node beside "start"
 */
struct path {
	uint64_t weight;
	size_t first; /* into steps */
	uint32_t count;
};

struct tree_builder {
	struct profile *p;
	struct path *paths;
	size_t path_count;
	uint32_t *steps; /* labels, then ranks; all paths one after the other */
	size_t step_count, step_cap;
	uint32_t *label_of_rank; /* ranks begin at 1 */
	struct profile_tree tree;
	size_t node_cap;
	uint32_t *nodes_at; /* by depth: the node of the path laid last; [0] = root */
};

static bool add_step(struct tree_builder *b, uint32_t label)
{
	if (b->step_count == b->step_cap) {
		size_t cap = b->step_cap ? b->step_cap * 2 : 4096;
		uint32_t *steps = reallocarray(b->steps, cap, sizeof(*steps));

		if (!steps)
			return false;
		b->steps = steps;
		b->step_cap = cap;
	}
	b->steps[b->step_count++] = label;
	return label != 0;
}

/* Writes out one stack as labels, root first. */
static bool add_path(struct tree_builder *b, uint32_t root, uint32_t stack, uint64_t weight)
{
	const struct profile_stack *s = stack ? profile_stack_at(b->p, stack) : NULL;
	struct path *path = &b->paths[b->path_count++];
	uint32_t mark = stack_mark_id(b->p, stack), n;

	*path = (struct path){ .weight = weight, .first = b->step_count };
	if (!add_step(b, root) || (mark && !add_step(b, mark)))
		return false;
	for (uint32_t i = s ? s->frames : 0; i-- > 0;) {
		const uint32_t *ids = frame_label_ids(b->p, profile_stack_frames(b->p, s)[i], &n);

		if (!ids)
			return false;
		while (n-- > 0)
			if (!add_step(b, ids[n]))
				return false;
	}
	path->count = (uint32_t)(b->step_count - path->first);
	if (path->count > b->tree.depth)
		b->tree.depth = path->count;
	return true;
}

static int by_name(const void *a, const void *b, void *ctx)
{
	const struct profile *p = ctx;
	const struct profile_label *x = table_at(&p->labels, struct profile_label, *(uint32_t *)a);
	const struct profile_label *y = table_at(&p->labels, struct profile_label, *(uint32_t *)b);
	int order = strcmp(profile_str(p, x->text), profile_str(p, y->text));

	if (order)
		return order;
	if (x->type != y->type)
		return x->type - y->type;
	return x->module < y->module ? -1 : x->module > y->module;
}

/* Numbers the labels in order of name and puts the numbers into the steps. */
static bool rank_steps(struct tree_builder *b)
{
	size_t n = b->p->labels.count;
	uint32_t *rank_of = calloc(n + 1, sizeof(*rank_of));

	b->label_of_rank = calloc(n + 1, sizeof(*b->label_of_rank));
	if (!rank_of || !b->label_of_rank) {
		free(rank_of);
		return false;
	}
	for (uint32_t i = 1; i <= n; i++)
		b->label_of_rank[i] = i;
	qsort_r(b->label_of_rank + 1, n, sizeof(*b->label_of_rank), by_name, b->p);
	for (uint32_t i = 1; i <= n; i++)
		rank_of[b->label_of_rank[i]] = i;
	for (size_t i = 0; i < b->step_count; i++)
		b->steps[i] = rank_of[b->steps[i]];
	free(rank_of);
	return true;
}

static int by_steps(const void *a, const void *b, void *ctx)
{
	const struct path *x = a, *y = b;
	const uint32_t *steps = ctx, *s = steps + x->first, *t = steps + y->first;
	uint32_t n = x->count < y->count ? x->count : y->count;

	for (uint32_t i = 0; i < n; i++)
		if (s[i] != t[i])
			return s[i] < t[i] ? -1 : 1;
	return x->count < y->count ? -1 : x->count > y->count;
}

static uint32_t new_node(struct tree_builder *b, uint32_t label, uint32_t parent)
{
	struct profile_tree *t = &b->tree;

	if (t->count == b->node_cap) {
		size_t cap = b->node_cap ? b->node_cap * 2 : 256;
		struct profile_node *nodes =
			cap < UINT32_MAX ? reallocarray(t->nodes, cap, sizeof(*nodes)) : NULL;

		if (!nodes)
			return 0;
		t->nodes = nodes;
		b->node_cap = cap;
	}
	t->nodes[t->count] = (struct profile_node){
		.label = *table_at(&b->p->labels, struct profile_label, label), .parent = parent
	};
	return (uint32_t)t->count++;
}

/* Lays one path down, the first `shared` steps of which are those of the one before. */
static bool lay_path(struct tree_builder *b, const struct path *path, uint32_t shared,
		     uint32_t depth_before)
{
	const uint32_t *steps = b->steps + path->first;

	for (uint32_t d = shared; d < path->count; d++) {
		uint32_t parent = b->nodes_at[d];
		uint32_t id = new_node(b, b->label_of_rank[steps[d]], parent);

		if (!id)
			return false;
		if (d == shared && depth_before > shared)
			b->tree.nodes[b->nodes_at[d + 1]].sibling = id;
		else
			b->tree.nodes[parent].child = id;
		b->nodes_at[d + 1] = id;
	}
	b->tree.nodes[b->nodes_at[path->count]].self += path->weight;
	return true;
}

static bool lay_paths(struct tree_builder *b)
{
	const struct path *before = NULL;

	qsort_r(b->paths, b->path_count, sizeof(*b->paths), by_steps, b->steps);
	for (size_t i = 0; i < b->path_count; i++) {
		const struct path *path = &b->paths[i];
		uint32_t shared = 0;

		while (before && shared < before->count && shared < path->count &&
		       b->steps[before->first + shared] == b->steps[path->first + shared])
			shared++;
		if (!lay_path(b, path, shared, before ? before->count : 0))
			return false;
		before = path;
	}
	return true;
}

/* A child comes after its parent, so one walk from the end sums all. */
static void sum_totals(struct profile_tree *t)
{
	for (size_t i = t->count; i-- > 0;) {
		t->nodes[i].total += t->nodes[i].self;
		if (i)
			t->nodes[t->nodes[i].parent].total += t->nodes[i].total;
	}
}

static int build(struct tree_builder *b, const struct map64 *sums)
{
	uint32_t all = label_id(b->p, profile_string(b->p, "all"), 0, PROFILE_LABEL_MARK);

	b->paths = calloc(sums->count + 1, sizeof(*b->paths));
	if (!all || !b->paths)
		return -ENOMEM;
	for (size_t i = 0; i < sums->cap; i++) {
		const struct map64_slot *s = &sums->slots[i];

		if (s->key && !add_path(b, s->key >> 32, (uint32_t)s->key, s->value))
			return -ENOMEM;
	}
	b->nodes_at = calloc(b->tree.depth + 1, sizeof(*b->nodes_at));
	new_node(b, all, 0);
	if (!b->nodes_at || !b->tree.nodes || !rank_steps(b) || !lay_paths(b))
		return -ENOMEM;
	sum_totals(&b->tree);
	return 0;
}

int profile_tree_build(struct profile *p, const struct profile_filter *f, bool by_thread,
		       struct profile_tree *ret_tree)
{
	struct tree_builder b = { .p = p };
	struct map64 sums = { 0 };
	int err = profile_sum_rows(p, f, true, by_thread, &sums);

	if (!err)
		err = build(&b, &sums);
	if (err)
		profile_tree_release(&b.tree);
	else
		*ret_tree = b.tree;
	free(b.paths);
	free(b.steps);
	free(b.label_of_rank);
	free(b.nodes_at);
	map64_release(&sums);
	return err;
}

void profile_tree_release(struct profile_tree *t)
{
	free(t->nodes);
	*t = (struct profile_tree){ 0 };
}
