// SPDX-License-Identifier: BSD-2-Clause
/*
 * A flame graph that any viewer shows: no script, the numbers in <title> as hover texts, colours by
 * class so that a reader in the dark gets a dark one. Frames too narrow to see are left out.
 */
#include "render/svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/utf8.h"
#include "profile/tree.h"

enum { WIDTH = 1200, MARGIN = 10, ROW = 17, HEAD = 52, FOOT = 44, SHADES = 4, STEPS = 5 };

static const double NARROW = 0.25;    /* px */
static const double CHAR_WIDTH = 6.4; /* of 11 px text, on average */

static const char STYLE[] =
	"<style>\n"
	"text{font:11px ui-sans-serif,system-ui,\"Segoe UI\",Roboto,\"Liberation Sans\",Verdana,"
	"sans-serif;fill:#1b1205}\n"
	".p{fill:#ffffff}.h{font-size:16px;font-weight:600}.h,.l{fill:#1a1d21}.a{fill:#626a75}\n"
	".t{fill:#dcdfe3}.m{fill:#d2d4d7}\n"
	".u0{fill:#f7cc84}.u1{fill:#f5bd7e}.u2{fill:#f3b189}.u3{fill:#f6d79b}\n"
	".k0{fill:#a9bff2}.k1{fill:#b7c8f4}.k2{fill:#9fb3ee}.k3{fill:#c2cff6}\n"
	".j0{fill:#9dd8ad}.j1{fill:#aadfb5}.j2{fill:#93d2a0}.j3{fill:#b5e3bd}\n"
	".i0{fill:#a3dcdd}.i1{fill:#b1e2e1}.i2{fill:#98d5d9}.i3{fill:#bce6e6}\n"
	".g0{fill:#e6e8eb}.g1{fill:#f9cdc9}.g2{fill:#f5aaa4}.g3{fill:#ef837b}.g4{fill:#e65a51}\n"
	".s1{fill:#cddcf9}.s2{fill:#a9c2f4}.s3{fill:#83a6ef}.s4{fill:#5f8aea}\n"
	"rect:hover{stroke:#1a1d21}\n"
	"@media(prefers-color-scheme:dark){.p{fill:#14171c}.h,.l{fill:#e7e9ec}.a{fill:#98a1ad}\n"
	".t{fill:#8b929c}.m{fill:#7d828a}.g0{fill:#9aa0a8}rect:hover{stroke:#fff}}\n"
	"</style>\n";

struct drawing {
	const struct svg_picture *picture;
	struct buf *out;
	double scale, most_change;
	uint32_t depth; /* of the deepest frame that is seen */
};

struct place {
	uint32_t node, depth;
	double x;
};

/* The frames wide enough to see, in preorder; the caller frees them. */
static struct place *place_nodes(const struct svg_picture *pic, double scale, size_t *ret_count)
{
	struct place *list = calloc(pic->count + 1, sizeof(*list));
	struct place *stack = calloc(pic->count + 1, sizeof(*stack));
	size_t n = 0, top = 0;

	if (list && stack)
		stack[top++] = (struct place){ 0 };
	while (top) {
		struct place at = stack[--top];
		const struct svg_node *node = &pic->nodes[at.node];
		double x = at.x;

		list[n++] = at;
		for (uint32_t c = node->child; c; c = pic->nodes[c].sibling) {
			if (pic->nodes[c].width * scale >= NARROW)
				stack[top++] = (struct place){ c, at.depth + 1, x };
			x += pic->nodes[c].width;
		}
	}
	free(stack);
	*ret_count = n;
	return list;
}

/* 0 when chance explains it. */
static double change_of(const struct svg_picture *pic, const struct svg_node *node)
{
	double change = node->value[0] - node->value[1];
	double variance = node->noise * (node->value[0] * pic->event_weight[0] +
					 node->value[1] * pic->event_weight[1]);

	return fabs(change) > fmax(pic->errors * sqrt(variance), pic->least) ? change : 0;
}

static void put_class(const struct drawing *d, const struct svg_node *node)
{
	static const char letter[] = {
		[PROFILE_LABEL_THREAD] = 't', [PROFILE_LABEL_MARK] = 'm',
		[PROFILE_LABEL_USER] = 'u',   [PROFILE_LABEL_KERNEL] = 'k',
		[PROFILE_LABEL_JIT] = 'j',    [PROFILE_LABEL_INLINE] = 'i',
	};
	const struct svg_picture *pic = d->picture;
	double change = change_of(pic, node);
	int step;

	if (pic->diff) {
		step = d->most_change > 0
			       ? (int)lround(sqrt(fabs(change) / d->most_change) * (STEPS - 1))
			       : 0;
		buf_printf(d->out, "%c%d", step && change < 0 ? 's' : 'g', step);
		return;
	}
	buf_addch(d->out, letter[node->type]);
	if (node->type != PROFILE_LABEL_THREAD && node->type != PROFILE_LABEL_MARK)
		buf_addch(d->out, '0' + hash_bytes(node->text, strlen(node->text), 0) % SHADES);
}

static double share(const struct svg_picture *pic, const struct svg_node *node, int side)
{
	double whole = pic->nodes[0].value[side];

	return whole > 0 ? 100 * node->value[side] / whole : 0;
}

static void put_title(const struct drawing *d, const struct svg_node *node)
{
	const struct svg_picture *pic = d->picture;
	const char *slash = strrchr(node->module, '/');

	buf_addstr(d->out, "<title>");
	buf_add_xml(d->out, node->text);
	if (*node->module) {
		buf_addstr(d->out, " (");
		buf_add_xml(d->out, slash && slash[1] ? slash + 1 : node->module);
		buf_addch(d->out, ')');
	}
	buf_printf(d->out, ": %.*f %s, %.2f %%", pic->decimals, node->value[0] / pic->divisor,
		   pic->unit, share(pic, node, 0));
	if (pic->diff)
		buf_printf(d->out, " after, %.2f %% before (%+.2f)", share(pic, node, 1),
			   share(pic, node, 0) - share(pic, node, 1));
	buf_addstr(d->out, "</title>");
}

/* As many characters as fit, not bytes. */
static void put_text(const struct drawing *d, const char *text, double x, double y, double room)
{
	size_t max = room > 0 ? (size_t)(room / CHAR_WIDTH) : 0, len = strlen(text), at = 0, n = 0;
	struct buf cut = BUF_INIT;
	uint32_t point;

	while (at < len && n < max) {
		at += utf8_next(text + at, len - at, &point);
		n++;
	}
	if (n < 3 && at < len)
		return;
	buf_add(&cut, text, at < len && n > 2 ? at - 1 : at);
	buf_printf(d->out, "<text x=\"%.1f\" y=\"%.1f\">", x, y);
	buf_add_xml(d->out, cut.data ? cut.data : "");
	buf_addstr(d->out, at < len ? "…</text>" : "</text>");
	d->out->failed |= cut.failed;
	buf_release(&cut);
}

static void put_node(const struct drawing *d, const struct place *at)
{
	const struct svg_node *node = &d->picture->nodes[at->node];
	double x = MARGIN + at->x * d->scale, w = node->width * d->scale;
	double y = HEAD + (double)(d->depth - at->depth) * ROW;

	buf_printf(d->out, "<g>");
	put_title(d, node);
	buf_printf(d->out, "<rect class=\"");
	put_class(d, node);
	buf_printf(d->out, "\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\" rx=\"1\"/>", x, y,
		   w > 1 ? w - 0.5 : w, ROW - 1);
	if (w > 24)
		put_text(d, node->text, x + 3, y + 12, w - 6);
	buf_addstr(d->out, "</g>\n");
}

static void put_line(struct buf *out, const char *class, double y, const char *text)
{
	buf_printf(out, "<text class=\"%s\" x=\"%d\" y=\"%.0f\">", class, MARGIN, y);
	buf_add_xml(out, text);
	buf_addstr(out, "</text>\n");
}

static void put_legend(const struct drawing *d, double y)
{
	static const char *const kinds[][2] = { { "u0", "user" },     { "k0", "kernel" },
						{ "j0", "JIT" },      { "i0", "inlined" },
						{ "m", "truncated" }, { 0 } };
	static const char *const changes[][2] = {
		{ "g4", "grown" }, { "g0", "same, or within chance" }, { "s4", "shrunk" }, { 0 }
	};
	double x = MARGIN;

	for (const char *const(*l)[2] = d->picture->diff ? changes : kinds; (*l)[0]; l++) {
		buf_printf(d->out,
			   "<rect class=\"%s\" x=\"%.0f\" y=\"%.0f\" width=\"10\" height=\"10\" "
			   "rx=\"2\"/><text class=\"a\" x=\"%.0f\" y=\"%.0f\">%s</text>\n",
			   (*l)[0], x, y - 9, x + 15, y, (*l)[1]);
		x += 34 + CHAR_WIDTH * (double)strlen((*l)[1]);
	}
}

static void put_picture(const struct drawing *d, const struct place *places, size_t n)
{
	const struct svg_picture *pic = d->picture;
	double bottom = HEAD + (double)(d->depth + 1) * ROW;

	buf_printf(d->out,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
		   "viewBox=\"0 0 %d %.0f\">\n",
		   WIDTH, bottom + FOOT, WIDTH, bottom + FOOT);
	buf_addstr(d->out, STYLE);
	buf_addstr(d->out, "<rect class=\"p\" width=\"100%\" height=\"100%\"/>\n");
	put_line(d->out, "h", 22, pic->title);
	put_line(d->out, "a", 40, pic->about);
	for (size_t i = 0; i < n; i++)
		put_node(d, &places[i]);
	put_legend(d, bottom + 16);
	put_line(d->out, "a", bottom + 34, pic->quality);
	buf_addstr(d->out, "</svg>\n");
}

int svg_draw(const struct svg_picture *pic, struct buf *out)
{
	struct drawing d = { .picture = pic, .out = out };
	struct place *places;
	size_t n;

	if (pic->nodes[0].width > 0)
		d.scale = (WIDTH - 2 * MARGIN) / pic->nodes[0].width;
	places = place_nodes(pic, d.scale, &n);
	if (!places || !n) {
		free(places);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct svg_node *node = &pic->nodes[places[i].node];

		d.depth = places[i].depth > d.depth ? places[i].depth : d.depth;
		d.most_change = fmax(d.most_change, fabs(change_of(pic, node)));
	}
	put_picture(&d, places, n);
	free(places);
	return out->failed ? -ENOMEM : 0;
}
