/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums over rows: what a filter lets through, functions, completeness. */
#include "profile/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map64.h"
#include "profile/impl.h"

bool profile_filter_match(const struct profile *p, const struct profile_filter *f,
			  const struct profile_row *row)
{
	uint64_t start;

	if (row->kind != f->kind || (f->thread && row->thread != f->thread))
		return false;
	if (!f->from_ns && !f->to_ns)
		return true;
	start = row->window ? profile_window_at(p, row->window)->start_ns : 0;
	return start >= f->from_ns && (!f->to_ns || start < f->to_ns);
}

int profile_sum_rows(struct profile *p, const struct profile_filter *f, bool want_root,
		     bool by_thread, struct map64 *sums)
{
	for (uint32_t id = 1; id <= p->rows.count; id++) {
		const struct profile_row *row = table_at(&p->rows, struct profile_row, id);
		uint64_t weight = profile_row_weight(row), *sum;
		uint32_t root = 1;

		if (!weight || !profile_filter_match(p, f, row))
			continue;
		if (want_root)
			root = thread_label_id(p, row->thread, by_thread);
		sum = root ? map64_at(sums, (uint64_t)root << 32 | row->stack) : NULL;
		if (!sum)
			return -ENOMEM;
		*sum += weight;
	}
	return 0;
}

/* ── functions ──────────────────────────────────────────────────────────────────────────────── */

struct function_builder {
	struct profile *p;
	struct profile_function *list;
	size_t count, cap;
	struct map64 index; /* name << 32 | module → index + 1 */
	uint32_t *
		seen; /* by function: the stack that counted it last, so that recursion counts once */
	uint32_t *of_label; /* by label: index + 1, so that the index is asked once */
	size_t labels;
};

static bool grow_functions(struct function_builder *b)
{
	size_t cap = b->cap ? b->cap * 2 : 256;
	struct profile_function *list = reallocarray(b->list, cap, sizeof(*list));
	uint32_t *seen;

	if (!list)
		return false;
	b->list = list;
	seen = reallocarray(b->seen, cap, sizeof(*seen));
	if (!seen)
		return false;
	b->seen = seen;
	b->cap = cap;
	return true;
}

/* Labels are made while we walk. */
static bool follow_labels(struct function_builder *b)
{
	size_t had = b->labels, want = b->p->labels.count * 2 + 64;
	uint32_t *of_label;

	if (b->p->labels.count < had)
		return true;
	of_label = reallocarray(b->of_label, want, sizeof(*of_label));
	if (!of_label)
		return false;
	memset(of_label + had, 0, (want - had) * sizeof(*of_label));
	b->of_label = of_label;
	b->labels = want;
	return true;
}

/* Index + 1 of the function of a label, made when new; 0 = out of memory. */
static uint32_t look_up(struct function_builder *b, uint32_t label)
{
	const struct profile_label *l = table_at(&b->p->labels, struct profile_label, label);
	uint64_t *slot = map64_at(&b->index, (uint64_t)l->text << 32 | l->module);

	if (!slot || (!*slot && b->count == b->cap && !grow_functions(b)))
		return 0;
	if (!*slot) {
		b->list[b->count] = (struct profile_function){ .name = l->text,
							       .module = l->module,
							       .type = l->type };
		b->seen[b->count] = 0;
		*slot = ++b->count;
	}
	/* Inlined here, called there: it is a function like others. */
	if (b->list[*slot - 1].type == PROFILE_LABEL_INLINE)
		b->list[*slot - 1].type = l->type;
	return (uint32_t)*slot;
}

static struct profile_function *function_of(struct function_builder *b, uint32_t label)
{
	if (!follow_labels(b))
		return NULL;
	if (!b->of_label[label])
		b->of_label[label] = look_up(b, label);
	return b->of_label[label] ? &b->list[b->of_label[label] - 1] : NULL;
}

/* `serial` is another number for each stack, never 0. */
static bool count_stack(struct function_builder *b, uint32_t stack, uint64_t weight,
			uint32_t serial)
{
	const struct profile_stack *s = profile_stack_at(b->p, stack);
	bool leaf = true;

	for (uint32_t i = 0; i < s->frames; i++) {
		uint32_t n;
		const uint32_t *ids = frame_label_ids(b->p, profile_stack_frames(b->p, s)[i], &n);

		if (!ids)
			return false;
		for (uint32_t k = 0; k < n; k++, leaf = false) {
			struct profile_function *f = function_of(b, ids[k]);

			if (!f)
				return false;
			if (leaf)
				f->self += weight;
			if (b->seen[f - b->list] == serial)
				continue;
			b->seen[f - b->list] = serial;
			f->total += weight;
		}
	}
	return true;
}

static int most_self_first(const void *a, const void *b, void *ctx)
{
	const struct profile_function *x = a, *y = b;

	if (x->self != y->self)
		return x->self > y->self ? -1 : 1;
	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return strcmp(profile_str(ctx, x->name), profile_str(ctx, y->name));
}

int profile_functions(struct profile *p, const struct profile_filter *f,
		      struct profile_function **ret_functions, size_t *ret_count)
{
	struct function_builder b = { .p = p };
	struct map64 sums = { 0 };
	int err = profile_sum_rows(p, f, false, false, &sums);

	if (!err && !grow_functions(&b))
		err = -ENOMEM;
	for (size_t i = 0; i < sums.cap && !err; i++) {
		const struct map64_slot *s = &sums.slots[i];

		if (s->key && (uint32_t)s->key &&
		    !count_stack(&b, (uint32_t)s->key, s->value, (uint32_t)i + 1))
			err = -ENOMEM;
	}
	if (!err) {
		if (b.count)
			qsort_r(b.list, b.count, sizeof(*b.list), most_self_first, p);
		*ret_functions = b.list;
		*ret_count = b.count;
		b.list = NULL;
	}
	free(b.list);
	free(b.seen);
	free(b.of_label);
	map64_release(&b.index);
	map64_release(&sums);
	return err;
}

void profile_completeness(const struct profile *p, const struct profile_filter *f,
			  uint64_t *ret_complete, uint64_t *ret_truncated)
{
	uint64_t complete = 0, truncated = 0;

	for (uint32_t id = 1; id <= p->rows.count; id++) {
		const struct profile_row *r = table_at(&p->rows, struct profile_row, id);

		if (!profile_filter_match(p, f, r))
			continue;
		if (profile_stack_complete(p, r->stack))
			complete += r->count;
		else
			truncated += r->count;
	}
	*ret_complete = complete;
	*ret_truncated = truncated;
}
