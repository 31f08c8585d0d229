// SPDX-License-Identifier: BSD-2-Clause
#include "render/label_stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/map.h"

/* Rows of all windows that have the same first label and stack: their labels are made once. */
struct row_sum {
	struct profile_row row; /* the first of them, with their sums */
	uint32_t root;		/* comm, or the thread with by_thread */
};

struct builder {
	struct profile *profile;
	bool by_thread;

	struct row_sum *sums;
	size_t sum_count, sum_cap;
	struct map sum_index;

	struct label_stacks out;
	size_t list_cap, label_cap;
	struct map index;
};

struct sum_key {
	const struct builder *b;
	uint32_t root, stack;
};

static bool sum_equal(const void *ctx, uint32_t id)
{
	const struct sum_key *k = ctx;
	const struct row_sum *s = &k->b->sums[id - 1];

	return s->root == k->root && s->row.stack == k->stack;
}

static int sum_row(struct builder *b, const struct profile_row *row)
{
	const struct profile_thread *t = profile_thread_at(b->profile, row->thread);
	struct sum_key key = { .b = b, .stack = row->stack };
	uint64_t hash;
	uint32_t id;
	int err;

	key.root = b->by_thread || !t ? row->thread : t->comm;
	hash = hash_u64((uint64_t)key.root << 32 | key.stack);
	id = map_find(&b->sum_index, hash, sum_equal, &key);
	if (id) {
		b->sums[id - 1].row.count += row->count;
		b->sums[id - 1].row.value += row->value;
		return 0;
	}
	err = array_room(&b->sums, b->sum_count, &b->sum_cap, sizeof(*b->sums));
	if (err)
		return err;
	b->sums[b->sum_count++] = (struct row_sum){ .row = *row, .root = key.root };
	return map_insert(&b->sum_index, hash, b->sum_count);
}

/* Labels are equal when they read equal: addresses of one function in two modules merge. */
static bool label_reads_equal(const struct profile_label *a, const struct profile_label *b)
{
	return a->text == b->text && a->type == b->type;
}

static uint64_t labels_hash(const struct profile_label *labels, size_t n)
{
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++)
		hash = hash_u64(hash ^ ((uint64_t)labels[i].type << 32 | labels[i].text));
	return hash;
}

struct stack_key {
	const struct label_stacks *s;
	const struct profile_label *labels;
	uint32_t count;
};

static bool stack_equal(const void *ctx, uint32_t id)
{
	const struct stack_key *k = ctx;
	const struct label_stack *s = &k->s->list[id - 1];
	const struct profile_label *labels = &k->s->labels[s->first];

	if (s->count != k->count)
		return false;
	for (uint32_t i = 0; i < s->count; i++) {
		if (!label_reads_equal(&labels[i], &k->labels[i]))
			return false;
	}
	return true;
}

/* The labels were written behind the last ones already: a new stack keeps them there. */
static int keep_stack(struct builder *b, uint32_t count, uint64_t weight)
{
	struct label_stacks *s = &b->out;
	struct stack_key key = { .s = s, .labels = &s->labels[s->label_count], .count = count };
	uint64_t hash = labels_hash(key.labels, count);
	uint32_t id = map_find(&b->index, hash, stack_equal, &key);
	int err;

	if (id) {
		s->list[id - 1].weight += weight;
		return 0;
	}
	err = array_room(&s->list, s->count, &b->list_cap, sizeof(*s->list));
	if (err)
		return err;
	s->list[s->count++] =
		(struct label_stack){ .first = s->label_count, .count = count, .weight = weight };
	s->label_count += count;
	return map_insert(&b->index, hash, s->count);
}

static int add_sum(struct builder *b, const struct row_sum *sum)
{
	struct label_stacks *s = &b->out;
	uint64_t weight = profile_row_weight(&sum->row);
	size_t n;
	int err;

	if (!weight)
		return 0;
	err = array_room(&s->labels, s->label_count + LABELS_MAX, &b->label_cap,
			 sizeof(*s->labels));
	if (err)
		return err;
	n = profile_labels(b->profile, &sum->row, b->by_thread, &s->labels[s->label_count],
			   LABELS_MAX);
	return keep_stack(b, n, weight);
}

static int build(struct builder *b, const struct profile_filter *f)
{
	size_t count;
	const struct profile_row *rows = profile_rows(b->profile, &count);
	int err;

	for (size_t i = 0; i < count; i++) {
		if (!profile_filter_match(b->profile, f, &rows[i]))
			continue;
		err = sum_row(b, &rows[i]);
		if (err)
			return err;
	}
	for (size_t i = 0; i < b->sum_count; i++) {
		err = add_sum(b, &b->sums[i]);
		if (err)
			return err;
	}
	return profile_error(b->profile);
}

int label_stacks_build(struct profile *p, const struct profile_filter *f, bool by_thread,
		       struct label_stacks *ret_stacks)
{
	struct builder b = { .profile = p, .by_thread = by_thread };
	int err = build(&b, f);

	free(b.sums);
	map_release(&b.sum_index);
	map_release(&b.index);
	if (err) {
		label_stacks_release(&b.out);
		return err;
	}
	*ret_stacks = b.out;
	return 0;
}

void label_stacks_release(struct label_stacks *s)
{
	free(s->list);
	free(s->labels);
	memset(s, 0, sizeof(*s));
}
