/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames as people read them. A label is interned by text, module and type, and the labels of each
 * frame are kept, so that a tree over many stacks compares numbers and never texts.
 *
 *	frame ──→ frame_labels ──→ slice of label_slices ──→ labels
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "profile/impl.h"

const char *profile_label_suffix(enum profile_label_type type)
{
	switch (type) {
	case PROFILE_LABEL_KERNEL: return "_[k]";
	case PROFILE_LABEL_JIT: return "_[j]";
	case PROFILE_LABEL_INLINE: return "_[i]";
	case PROFILE_LABEL_THREAD:
	case PROFILE_LABEL_MARK:
	case PROFILE_LABEL_USER: break;
	}
	return "";
}

static bool label_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_label *a = l->key;
	const struct profile_label *b = table_at(&l->p->labels, struct profile_label, id);

	return a->text == b->text && a->module == b->module && a->type == b->type;
}

uint32_t label_id(struct profile *p, uint32_t text, uint32_t module, enum profile_label_type type)
{
	struct profile_label label = { .text = text, .module = module, .type = (uint8_t)type };
	uint64_t hash = hash_mix((uint64_t)text << 32 | module, label.type);

	if (!text)
		return 0;
	return table_intern(p, &p->labels, hash, label_equal, &label, &label, sizeof(label));
}

static enum profile_label_type label_type(const struct profile_module *m, bool inlined)
{
	if (inlined)
		return PROFILE_LABEL_INLINE;
	if (m->type == PROFILE_MODULE_KERNEL)
		return PROFILE_LABEL_KERNEL;
	return m->type == PROFILE_MODULE_JIT ? PROFILE_LABEL_JIT : PROFILE_LABEL_USER;
}

/* "[libc.so.6+0x1234]". Kernel addresses are kept to ourselves: they tell where the kernel lies. */
static uint32_t unnamed_text(struct profile *p, const struct profile_module *m, uint64_t offset)
{
	const char *name = profile_str(p, m->name), *slash = strrchr(name, '/');
	struct buf b = BUF_INIT;
	size_t len;
	uint32_t text;

	if (slash && slash[1])
		name = slash + 1;
	len = strlen(name);
	if (len > 1 && name[0] == '[' && name[len - 1] == ']') {
		name++;
		len -= 2;
	}
	buf_addch(&b, '[');
	buf_add(&b, name, len);
	if (m->type != PROFILE_MODULE_KERNEL)
		buf_printf(&b, "+0x%llx", (unsigned long long)offset);
	buf_addch(&b, ']');
	if (b.failed)
		p->error = -ENOMEM;
	text = b.failed ? 0 : profile_string_n(p, b.data, b.len);
	buf_release(&b);
	return text;
}

/* "read_all", or "read_all (io.c:17)". */
static uint32_t line_text(struct profile *p, const struct profile_line *line)
{
	uint32_t name = line->function ? line->function : profile_string(p, "[unknown]");
	const char *file = line->file ? profile_str(p, line->file) : NULL, *slash;
	struct buf b = BUF_INIT;

	if (!p->show_lines || !file || !line->line)
		return name;
	slash = strrchr(file, '/');
	buf_printf(&b, "%s (%s:%u)", profile_str(p, name), slash ? slash + 1 : file, line->line);
	if (b.failed)
		p->error = -ENOMEM;
	name = b.failed ? 0 : profile_string_n(p, b.data, b.len);
	buf_release(&b);
	return name;
}

/* Makes the labels of a frame: a new slice. */
static void make_labels(struct profile *p, uint32_t frame, struct frame_labels *slot)
{
	static const struct profile_module nowhere = { .type = PROFILE_MODULE_UNKNOWN };
	const struct profile_frame f = *profile_frame_at(p, frame);
	const struct profile_module *m = f.module ? profile_module_at(p, f.module) : &nowhere;
	uint32_t first = (uint32_t)p->label_slices.count, id;

	if (f.lines == 0) {
		id = label_id(p, unnamed_text(p, m, f.offset), f.module, label_type(m, false));
		table_push(p, &p->label_slices, &id, sizeof(id));
	}
	for (uint32_t i = 0; i < f.lines; i++) {
		const struct profile_line line = *profile_line_at(p, f.first_line + i);

		id = label_id(p, line_text(p, &line), f.module, label_type(m, line.inlined));
		table_push(p, &p->label_slices, &id, sizeof(id));
	}
	if (!p->error)
		*slot = (struct frame_labels){ first, (uint32_t)p->label_slices.count - first };
}

const uint32_t *frame_label_ids(struct profile *p, uint32_t frame, uint32_t *ret_count)
{
	struct table *t = &p->frame_labels;
	struct frame_labels *slot;

	*ret_count = 0;
	if (t->count < p->frames.count) {
		if (!table_reserve(p, t, p->frames.count - t->count, sizeof(*slot)))
			return NULL;
		memset((struct frame_labels *)t->list + t->count, 0,
		       (p->frames.count - t->count) * sizeof(*slot));
		t->count = p->frames.count;
	}
	slot = table_at(t, struct frame_labels, frame);
	if (!slot->count)
		make_labels(p, frame, slot);
	*ret_count = slot->count;
	return slot->count ? (const uint32_t *)p->label_slices.list + slot->first : NULL;
}

uint32_t profile_frame_label(struct profile *p, uint32_t frame)
{
	uint32_t n;
	const uint32_t *ids = frame_label_ids(p, frame, &n);

	return n ? table_at(&p->labels, struct profile_label, ids[n - 1])->text : 0;
}

/* ── the root label and the mark of truncated stacks ────────────────────────────────────────── */

static uint32_t thread_comm(struct profile *p, uint32_t thread)
{
	uint32_t comm = 0;

	if (thread) {
		const struct profile_thread *t = profile_thread_at(p, thread);

		comm = t->comm;
		if (!comm && t->process)
			comm = profile_process_at(p, t->process)->comm;
	}
	return comm ? comm : profile_string(p, "[unknown]");
}

/* "comm-tid", made once as long as comm stays. */
static uint32_t thread_text(struct profile *p, uint32_t thread, uint32_t comm)
{
	struct table *t = &p->thread_labels;
	struct thread_label *slot;
	char text[512];

	if (t->count < p->threads.count) {
		if (!table_reserve(p, t, p->threads.count - t->count, sizeof(*slot)))
			return 0;
		memset((struct thread_label *)t->list + t->count, 0,
		       (p->threads.count - t->count) * sizeof(*slot));
		t->count = p->threads.count;
	}
	slot = table_at(t, struct thread_label, thread);
	if (slot->comm == comm && slot->text)
		return slot->text;
	snprintf(text, sizeof(text), "%s-%d", profile_str(p, comm),
		 profile_thread_at(p, thread)->tid);
	*slot = (struct thread_label){ .comm = comm, .text = profile_string(p, text) };
	return slot->text;
}

uint32_t thread_label_id(struct profile *p, uint32_t thread, bool by_thread)
{
	uint32_t text = thread_comm(p, thread);

	if (by_thread && thread)
		text = thread_text(p, thread, text);
	return label_id(p, text, 0, PROFILE_LABEL_THREAD);
}

uint32_t stack_mark_id(struct profile *p, uint32_t stack)
{
	const char *mark = stack ? "[truncated]" : "[no stack]";

	if (profile_stack_complete(p, stack))
		return 0;
	return label_id(p, profile_string(p, mark), 0, PROFILE_LABEL_MARK);
}

/* ── the labels of one row ──────────────────────────────────────────────────────────────────── */

struct label_out {
	struct profile_label *labels;
	size_t count, max;
};

static void put_label(const struct profile *p, struct label_out *out, uint32_t id)
{
	if (id && out->count < out->max)
		out->labels[out->count++] = *table_at(&p->labels, struct profile_label, id);
}

size_t profile_labels(struct profile *p, const struct profile_row *row, bool by_thread,
		      struct profile_label *labels, size_t max)
{
	struct label_out out = { .labels = labels, .max = max };
	const struct profile_stack *s;

	put_label(p, &out, thread_label_id(p, row->thread, by_thread));
	put_label(p, &out, stack_mark_id(p, row->stack));
	if (!row->stack)
		return out.count;
	s = profile_stack_at(p, row->stack);
	for (uint32_t i = s->frames; i-- > 0 && out.count < max;) {
		uint32_t n;
		const uint32_t *ids = frame_label_ids(p, profile_stack_frames(p, s)[i], &n);

		while (n-- > 0)
			put_label(p, &out, ids[n]);
	}
	return out.count;
}
