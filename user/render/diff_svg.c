// SPDX-License-Identifier: BSD-2-Clause
/* A comparison as a static SVG: as wide as the larger side, red what grew, blue what shrank. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "profile/tree.h"
#include "render/diff.h"
#include "render/diff_rule.h"
#include "render/page.h"
#include "render/svg.h"

/* The weights of one side at the nodes where its stacks end. */
static void add_side(const struct page_side *s, enum profile_kind kind, double *self)
{
	struct profile_filter filter = { .kind = kind, .from_ns = s->from_ns, .to_ns = s->to_ns };
	size_t count;
	const struct profile_row *rows = profile_rows(s->profile, &count);

	for (size_t i = 0; i < count; i++) {
		if (profile_filter_match(s->profile, &filter, &rows[i]))
			self[s->nodes[rows[i].stack]] += (double)profile_row_weight(&rows[i]);
	}
}

/* Nodes stand before their children, so that one pass from the end sums up. self: B's, then A's. */
static void fill_nodes(const struct page *g, const double *self, double scale_a,
		       const struct diff_rule *rule, struct svg_node *nodes)
{
	size_t n = g->node_count;

	for (size_t i = n; i-- > 0;) {
		const struct page_node *from = &g->nodes[i];
		const struct page_label *label = i ? &g->labels[from->label] : NULL;
		struct svg_node *to = &nodes[i];
		double b = self[i], a = self[n + i] * scale_a;

		to->text = i ? g->strings[label->text] : "all";
		to->module = i ? g->strings[label->module] : "";
		to->type = i ? (uint8_t)label->type : PROFILE_LABEL_THREAD;
		to->noise = i ? diff_rule_noise(rule, from->label) : rule->noise;
		to->value[0] += b;
		to->value[1] += a;
		to->width += fmax(a, b);
		if (i) {
			nodes[from->parent].value[0] += to->value[0];
			nodes[from->parent].value[1] += to->value[1];
			nodes[from->parent].width += to->width;
			to->sibling = nodes[from->parent].child;
			nodes[from->parent].child = (uint32_t)i;
		}
	}
}

static int draw(const struct diff_input *in, const struct page *g, const struct diff_rule *rule,
		const double *self, struct buf *out)
{
	const struct profile_kind_info *info = profile_kind_info(in->side[1].kind);
	struct svg_node *nodes = calloc(g->node_count, sizeof(*nodes));
	struct buf about = BUF_INIT, quality = BUF_INIT;
	int err = -ENOMEM;

	buf_printf(&about, "%s: A %s, %.1f s; B %s, %.1f s; width: the larger of both", info->title,
		   in->side[0].file ? in->side[0].file : "", in->diff->seconds[0],
		   in->side[1].file ? in->side[1].file : "", in->diff->seconds[1]);
	buf_printf(&quality, "A scaled by %s · tprof " TPROF_VERSION,
		   in->normalize == PROFILE_BY_TIME ? "time" : "total");
	if (nodes && !about.failed && !quality.failed) {
		fill_nodes(g, self, diff_scale(in, in->side[1].kind), rule, nodes);
		if (!(nodes[0].width > 0)) {
			nodes[0].width = 1;
			nodes[0].text = "nothing recorded";
		}
		err = svg_draw(
			&(struct svg_picture){
				.nodes = nodes,
				.count = g->node_count,
				.title = "B against A",
				.about = about.data,
				.quality = quality.data,
				.unit = info->by_count ? info->unit : "s",
				.divisor = info->by_count ? 1 : 1e9 / info->divisor,
				.decimals = info->by_count ? 0 : 3,
				.diff = true,
				.errors = rule->errors,
				.least = rule->least,
				.event_weight = { rule->event[0], rule->event[1] },
			},
			out);
	}
	buf_release(&about);
	buf_release(&quality);
	free(nodes);
	return err;
}

int render_diff_svg(const struct diff_input *in, struct buf *out)
{
	struct page_side side[2] = { { 0 } };
	struct diff_rule rule = { 0 };
	double *self = NULL;
	struct page page;
	int err;

	err = page_init(&page);
	if (err)
		return err;
	for (int i = 1; i >= 0 && !err; i--)
		err = page_side_init(&side[i], &page, in->side[i].profile, in->side[i].from_ns,
				     in->side[i].to_ns);
	if (!err)
		err = page_build(&page);
	if (!err)
		err = diff_rule_init(&rule, in, in->side[1].kind, &page);
	if (!err) {
		self = calloc(2 * page.node_count, sizeof(*self));
		err = self ? 0 : -ENOMEM;
	}
	if (!err) {
		add_side(&side[1], in->side[1].kind, self);
		add_side(&side[0], in->side[1].kind, self + page.node_count);
		err = draw(in, &page, &rule, self, out);
	}
	free(self);
	diff_rule_release(&rule);
	page_side_release(&side[0]);
	page_side_release(&side[1]);
	page_release(&page);
	return err;
}
