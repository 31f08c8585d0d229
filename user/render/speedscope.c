// SPDX-License-Identifier: BSD-2-Clause
/* speedscope's own JSON: each recorded kind as one sampled profile, threads as outermost frames. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/map64.h"
#include "profile/tree.h"
#include "render/formats.h"
#include "render/label_stacks.h"
#include "render/render.h"

enum { KINDS = PROFILE_KIND_COUNT };

struct frames {
	struct profile *profile;
	struct map64 index; /* label → number + 1 */
	struct profile_label *list;
	size_t count, cap;
};

static uint32_t frame_number(struct frames *f, const struct profile_label *l)
{
	uint64_t *number = map64_at(
		&f->index, ((uint64_t)l->text << 32 | (uint64_t)l->module << 3 | l->type) + 1);

	if (!number || (!*number && array_room(&f->list, f->count, &f->cap, sizeof(*f->list))))
		return UINT32_MAX;
	if (!*number) {
		f->list[f->count++] = *l;
		*number = f->count;
	}
	return (uint32_t)(*number - 1);
}

static int number_frames(struct frames *f, const struct label_stacks *s)
{
	for (size_t i = 0; i < s->label_count; i++) {
		if (frame_number(f, &s->labels[i]) == UINT32_MAX)
			return -ENOMEM;
	}
	return 0;
}

static void put_frame(struct json *j, const struct profile *p, const struct profile_label *l)
{
	struct buf name = BUF_INIT;

	buf_addstr(&name, "");
	buf_add_printable(&name, profile_str(p, l->text), NULL);
	json_object(j, NULL);
	json_string(j, "name", name.data ? name.data : "");
	if (l->module) {
		buf_clear(&name);
		buf_add_printable(&name, profile_str(p, profile_module_at(p, l->module)->name),
				  NULL);
		json_string(j, "file", name.data ? name.data : "");
	}
	json_end(j);
	j->out->failed |= name.failed;
	buf_release(&name);
}

static void put_samples(struct json *j, struct frames *f, const struct label_stacks *s)
{
	json_array(j, "samples");
	for (size_t i = 0; i < s->count; i++) {
		json_array(j, NULL);
		for (uint32_t k = 0; k < s->list[i].count; k++)
			json_u64(j, NULL, frame_number(f, &s->labels[s->list[i].first + k]));
		json_end(j);
	}
	json_end(j);
}

/* Samples have a time each; µs are µs; the others are counts. */
static void put_profile(struct json *j, struct frames *f, enum profile_kind kind,
			const struct label_stacks *s)
{
	const struct profile_kind_info *info = profile_kind_info(kind);
	uint32_t hz = profile_info(f->profile)->hz;
	uint64_t scale = kind == PROFILE_CPU && hz ? 1000000 / hz : 1, total = 0;

	for (size_t i = 0; i < s->count; i++)
		total += s->list[i].weight * scale;
	json_object(j, NULL);
	json_string(j, "type", "sampled");
	json_string(j, "name", info->title);
	json_string(j, "unit", info->by_count && scale == 1 ? "none" : "microseconds");
	json_u64(j, "startValue", 0);
	json_u64(j, "endValue", total);
	put_samples(j, f, s);
	json_array(j, "weights");
	for (size_t i = 0; i < s->count; i++)
		json_u64(j, NULL, s->list[i].weight * scale);
	json_end(j);
	json_end(j);
}

static void put_document(const struct render_input *in, struct frames *f,
			 const struct label_stacks *stacks, struct buf *out)
{
	struct json j = { .out = out };
	uint64_t active = 0, shown = 0;

	json_object(&j, NULL);
	json_string(&j, "$schema", "https://www.speedscope.app/file-format-schema.json");
	json_string(&j, "exporter", "tprof " TPROF_VERSION);
	json_string(&j, "name", in->file ? in->file : "tprof");
	json_object(&j, "shared");
	json_array(&j, "frames");
	for (size_t i = 0; i < f->count; i++)
		put_frame(&j, in->profile, &f->list[i]);
	json_end(&j);
	json_end(&j);
	json_array(&j, "profiles");
	for (int kind = 1; kind < KINDS; kind++) {
		if (!stacks[kind].count && kind != (int)in->kind)
			continue;
		if (kind == (int)in->kind)
			active = shown;
		put_profile(&j, f, kind, &stacks[kind]);
		shown++;
	}
	json_end(&j);
	json_u64(&j, "activeProfileIndex", active);
	json_end(&j);
	buf_addch(out, '\n');
}

int render_speedscope(const struct render_input *in, struct buf *out)
{
	struct label_stacks stacks[KINDS] = { 0 };
	struct frames f = { .profile = in->profile };
	int err = 0;

	for (int kind = 1; kind < KINDS && !err; kind++) {
		struct profile_filter filter = { .kind = kind,
						 .from_ns = in->from_ns,
						 .to_ns = in->to_ns };

		err = label_stacks_build(in->profile, &filter, in->by_thread, &stacks[kind]);
		if (!err)
			err = number_frames(&f, &stacks[kind]);
	}
	if (!err) {
		put_document(in, &f, stacks, out);
		err = out->failed ? -ENOMEM : 0;
	}
	for (int kind = 1; kind < KINDS; kind++)
		label_stacks_release(&stacks[kind]);
	map64_release(&f.index);
	free(f.list);
	return err;
}
