/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_FORMATS_H
#define TPROF_FORMATS_H

struct buf;
struct render_input;

/* The verbs behind the rows of render.c, one file each. Each appends to out; 0 or -ENOMEM. */
int render_json(const struct render_input *in, struct buf *out);
int render_text(const struct render_input *in, struct buf *out);
int render_firefox(const struct render_input *in, struct buf *out);
int render_folded(const struct render_input *in, struct buf *out);
int render_html(const struct render_input *in, struct buf *out);
int render_pprof(const struct render_input *in, struct buf *out);
int render_speedscope(const struct render_input *in, struct buf *out);
int render_svg(const struct render_input *in, struct buf *out);

#endif
