// SPDX-License-Identifier: BSD-2-Clause
#include "render/diff_rule.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "profile/tree.h"

static int by_text(const void *a, const void *b, void *ctx)
{
	const struct page *g = ctx;
	const struct page_label *x = &g->labels[*(const uint32_t *)a];
	const struct page_label *y = &g->labels[*(const uint32_t *)b];

	return x->text < y->text ? -1 : x->text > y->text;
}

/* Labels of a page by text, to find those that show one function. */
static uint32_t *sorted_labels(struct page *g)
{
	uint32_t *labels = calloc(g->label_count + 1, sizeof(*labels));

	for (size_t i = 0; labels && i < g->label_count; i++)
		labels[i] = (uint32_t)i;
	if (labels)
		qsort_r(labels, g->label_count, sizeof(*labels), by_text, g);
	return labels;
}

static size_t first_of_text(const struct page *g, const uint32_t *labels, uint32_t text)
{
	size_t low = 0, high = g->label_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (g->labels[labels[middle]].text < text)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Σ weight and Σ events of one side. */
static void sum_side(const struct render_input *side, enum profile_kind kind, double *ret_weight,
		     double *ret_events)
{
	struct profile_filter f = { .kind = kind, .from_ns = side->from_ns, .to_ns = side->to_ns };
	size_t count;
	const struct profile_row *rows = profile_rows(side->profile, &count);

	*ret_weight = *ret_events = 0;
	for (size_t i = 0; i < count; i++) {
		if (!profile_filter_match(side->profile, &f, &rows[i]))
			continue;
		*ret_weight += (double)profile_row_weight(&rows[i]);
		*ret_events += (double)rows[i].count;
	}
}

/* How many times more a value of profile_diff varies than events of r->event would. */
static double noise_of(const struct diff_rule *r, const struct profile_change *c, double unit)
{
	double expected = unit * (c->value[0] * r->event[1] + c->value[1] * r->event[0]);

	return expected > 0 ? unit * c->error * unit * c->error / expected : 0;
}

static int set_own(struct diff_rule *r, const struct profile_diff_function *f, double unit,
		   struct page *g, const uint32_t *labels)
{
	uint32_t text = page_string(g, f->name), module = page_string(g, f->module);
	struct diff_noise noise = { .self = (float)noise_of(r, &f->self, unit),
				    .total = (float)noise_of(r, &f->total, unit) };

	if (text == UINT32_MAX || module == UINT32_MAX)
		return -ENOMEM;
	for (size_t i = first_of_text(g, labels, text); i < g->label_count; i++) {
		const struct page_label *l = &g->labels[labels[i]];

		if (l->text != text)
			break;
		if (l->type == f->type &&
		    strcmp(base_name(g->strings[l->module]), g->strings[module]) == 0)
			r->own[labels[i]] = noise;
	}
	return 0;
}

/* unit: what turns profile_diff's values into weights as the page has them. */
static int set_all(struct diff_rule *r, const struct profile_diff *d, double unit, struct page *g)
{
	uint32_t *labels = sorted_labels(g);
	int err = labels && r->own ? 0 : -ENOMEM;

	for (size_t i = 0; i < d->count && !err; i++) {
		const struct profile_diff_function *f = &d->functions[i];

		if (unit * fmax(f->total.value[0], f->total.value[1]) >= r->least)
			err = set_own(r, f, unit, g, labels);
	}
	free(labels);
	return err;
}

static int set_rule(struct diff_rule *r, const struct diff_input *in, enum profile_kind kind,
		    const struct profile_diff *d, struct page *g)
{
	double weight[2], events[2], scale = diff_scale(in, kind), unit = 0;

	for (int i = 0; i < 2; i++)
		sum_side(&in->side[i], kind, &weight[i], &events[i]);
	weight[0] *= scale;
	r->event[0] = events[1] > 0 ? weight[1] / events[1] : 1;
	r->event[1] = events[0] > 0 ? weight[0] / events[0] : 1;
	for (int i = 0; i < 2; i++) {
		if (d->all.value[i] > 0)
			unit = weight[i] / d->all.value[i];
	}
	r->errors = d->errors;
	r->noise = d->scatter;
	r->least = d->least * fmax(weight[0], weight[1]);
	r->own = calloc(g->label_count + 1, sizeof(*r->own));
	return set_all(r, d, unit, g);
}

int diff_rule_init(struct diff_rule *r, const struct diff_input *in, enum profile_kind kind,
		   struct page *g)
{
	struct profile_diff_side side[2];
	struct profile_diff diff;
	int err;

	*r = (struct diff_rule){ 0 };
	if (kind == in->side[1].kind)
		return set_rule(r, in, kind, in->diff, g);
	for (int i = 0; i < 2; i++)
		side[i] = (struct profile_diff_side){ in->side[i].profile, in->side[i].from_ns,
						      in->side[i].to_ns };
	err = profile_diff(side, kind, in->normalize, &diff);
	if (err)
		return err;
	err = set_rule(r, in, kind, &diff, g);
	profile_diff_release(&diff);
	return err;
}

void diff_rule_release(struct diff_rule *r)
{
	free(r->own);
	*r = (struct diff_rule){ 0 };
}

double diff_rule_noise(const struct diff_rule *r, uint32_t label)
{
	return fmax(r->own[label].total, r->noise);
}
