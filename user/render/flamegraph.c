// SPDX-License-Identifier: BSD-2-Clause
/* One kind of one recording as a static SVG. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "profile/tree.h"
#include "render/formats.h"
#include "render/render.h"
#include "render/svg.h"

static void fill_node(const struct profile *p, const struct profile_node *from, struct svg_node *to)
{
	const struct profile_label *l = &from->label;

	*to = (struct svg_node){
		.text = profile_str(p, l->text),
		.module = l->module ? profile_str(p, profile_module_at(p, l->module)->name) : "",
		.type = l->type,
		.child = from->child,
		.sibling = from->sibling,
		.width = (double)from->total,
		.value = { (double)from->total },
	};
}

/* "14.1 s", or the part of it that is shown: "9.0–14.0 s". */
static void put_time(const struct render_input *in, struct buf *out)
{
	uint64_t end = profile_info_const(in->profile)->duration_ns;

	if (in->from_ns || in->to_ns)
		buf_printf(out, "%.1f–", (double)in->from_ns / 1e9);
	if (in->to_ns && in->to_ns < end)
		end = in->to_ns;
	buf_printf(out, "%.1f s", (double)end / 1e9);
}

static void put_about(const struct render_input *in, struct buf *out)
{
	const struct profile *p = in->profile;
	const struct profile_info *info = profile_info_const(p);
	time_t start = (time_t)(info->start_realtime_ns / 1000000000);
	char when[40] = "";
	struct tm tm;

	if (start && gmtime_r(&start, &tm))
		strftime(when, sizeof(when), ", %Y-%m-%d %H:%M:%S UTC", &tm);
	buf_printf(out, "%s, ", profile_kind_info(in->kind)->title);
	put_time(in, out);
	buf_printf(out, " of %s%s on %s, Linux %s", profile_str(p, info->target), when,
		   profile_str(p, info->host), profile_str(p, info->kernel));
}

static void put_quality(const struct profile *p, const struct profile_filter *f, struct buf *out)
{
	const struct profile_info *info = profile_info_const(p);
	uint64_t complete, truncated, lost = 0;
	const struct profile_loss *losses;
	size_t count;

	profile_completeness(p, f, &complete, &truncated);
	if (complete + truncated)
		buf_printf(out, "%.1f %% of %llu stacks complete · ",
			   100.0 * (double)complete / (double)(complete + truncated),
			   (unsigned long long)complete + truncated);
	losses = profile_losses(p, &count);
	for (size_t i = 0; i < count; i++)
		lost += losses[i].count;
	if (lost)
		buf_printf(out, "%llu lost", (unsigned long long)lost);
	else
		buf_addstr(out, "nothing lost");
	buf_printf(out, " · sampled at %u Hz (%s) · tprof " TPROF_VERSION, info->hz,
		   profile_str(p, info->event));
}

static void put_title(struct profile *p, const char *file, struct buf *out)
{
	size_t count;
	const struct profile_process *processes = profile_processes(p, &count);

	if (count == 1)
		buf_printf(out, "%s (%d)", profile_str(p, processes[0].comm), processes[0].pid);
	else
		buf_addstr(out, file ? file : profile_str(p, profile_info(p)->target));
}

/* µs are read as seconds, counts as they are. */
static void set_unit(struct svg_picture *pic, enum profile_kind kind)
{
	const struct profile_kind_info *info = profile_kind_info(kind);

	pic->unit = info->by_count ? info->unit : "s";
	pic->divisor = info->by_count ? 1 : 1e9 / info->divisor;
	pic->decimals = info->by_count ? 0 : 3;
}

static int draw_tree(const struct render_input *in, const struct profile_filter *filter,
		     const struct profile_tree *tree, struct buf *out)
{
	struct svg_node *nodes = calloc(tree->count + 1, sizeof(*nodes));
	struct buf title = BUF_INIT, about = BUF_INIT, quality = BUF_INIT;
	struct svg_picture pic = { .nodes = nodes, .count = tree->count };
	int err = -ENOMEM;

	put_title(in->profile, in->file, &title);
	put_about(in, &about);
	put_quality(in->profile, filter, &quality);
	if (nodes && !title.failed && !about.failed && !quality.failed) {
		for (size_t i = 0; i < tree->count; i++)
			fill_node(in->profile, &tree->nodes[i], &nodes[i]);
		nodes[0].text = tree->nodes[0].total ? "all" : "nothing recorded";
		nodes[0].width = tree->nodes[0].total ? nodes[0].width : 1;
		pic.title = title.data ? title.data : "";
		pic.about = about.data;
		pic.quality = quality.data;
		set_unit(&pic, in->kind);
		err = svg_draw(&pic, out);
	}
	buf_release(&title);
	buf_release(&about);
	buf_release(&quality);
	free(nodes);
	return err;
}

int render_svg(const struct render_input *in, struct buf *out)
{
	struct profile_filter filter = { .kind = in->kind,
					 .from_ns = in->from_ns,
					 .to_ns = in->to_ns };
	struct profile_tree tree;
	int err;

	err = profile_tree_build(in->profile, &filter, in->by_thread, &tree);
	if (err)
		return err;
	err = draw_tree(in, &filter, &tree, out);
	profile_tree_release(&tree);
	return err;
}
