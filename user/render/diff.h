/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_RENDER_DIFF_H
#define TPROF_RENDER_DIFF_H

#include "profile/diff.h"
#include "render/render.h"

/* What a renderer of a comparison may look at. */
struct diff_input {
	struct render_input side[2]; /* [0] is A, before; [1] is B, after; both of one kind */
	enum profile_normalize normalize;
	const struct profile_diff *diff;
};

struct diff_renderer {
	const char *format;
	const char *extension; /* of -o; NULL = none */
	int (*render)(const struct diff_input *in, struct buf *out);
};

/* text, json, html, svg; ended by format == NULL. */
extern const struct diff_renderer diff_renderers[];

const struct diff_renderer *diff_renderer_by_format(const char *format); /* NULL: none */
const struct diff_renderer *diff_renderer_by_path(const char *path);

/* What A's weights (profile_row_weight) of a kind are multiplied with to compare with B's. */
double diff_scale(const struct diff_input *in, enum profile_kind kind);

int render_diff_text(const struct diff_input *in, struct buf *out);
int render_diff_json(const struct diff_input *in, struct buf *out);
int render_diff_html(const struct diff_input *in, struct buf *out);
int render_diff_svg(const struct diff_input *in, struct buf *out);

#endif
