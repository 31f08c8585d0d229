// SPDX-License-Identifier: BSD-2-Clause
/* comm;root;…;leaf COUNT: the lines that FlameGraph, inferno and speedscope read. */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "render/formats.h"
#include "render/render.h"
#include "render/label_stacks.h"

/* Every text is escaped once: by string id, where its escaped form stands in `text`. */
struct names {
	struct profile *profile;
	struct buf text;
	struct name {
		size_t start, len;
		bool made;
	} * names;
};

static int names_init(struct names *n, struct profile *p)
{
	*n = (struct names){ .profile = p };
	n->names = calloc(profile_string_count(p) + 1, sizeof(*n->names));
	return n->names ? 0 : -ENOMEM;
}

static void names_release(struct names *n)
{
	buf_release(&n->text);
	free(n->names);
}

static void add_name(struct names *n, uint32_t id, struct buf *out)
{
	struct name *name = &n->names[id];

	if (!name->made) {
		name->start = n->text.len;
		buf_add_printable(&n->text, profile_str(n->profile, id), ";\n");
		name->len = n->text.len - name->start;
		name->made = true;
	}
	if (name->len)
		buf_add(out, n->text.data + name->start, name->len);
}

/* printf would be most of the time of a large export. */
static void add_number(struct buf *out, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = '0' + v % 10;
		v /= 10;
	} while (v);
	buf_add(out, digits + i, sizeof(digits) - i);
}

static void add_line(struct names *n, const struct label_stacks *s, const struct label_stack *stack,
		     struct buf *out)
{
	const struct profile_label *labels = &s->labels[stack->first];

	for (uint32_t i = 0; i < stack->count; i++) {
		if (i)
			buf_addch(out, ';');
		add_name(n, labels[i].text, out);
		buf_addstr(out, profile_label_suffix(labels[i].type));
	}
	buf_addch(out, ' ');
	add_number(out, stack->weight);
	buf_addch(out, '\n');
}

int render_folded(const struct render_input *in, struct buf *out)
{
	struct profile_filter filter = { .kind = in->kind,
					 .from_ns = in->from_ns,
					 .to_ns = in->to_ns };
	struct label_stacks stacks;
	struct names names;
	int err;

	err = label_stacks_build(in->profile, &filter, in->by_thread, &stacks);
	if (err)
		return err;
	err = names_init(&names, in->profile);
	if (!err) {
		for (size_t i = 0; i < stacks.count; i++)
			add_line(&names, &stacks, &stacks.list[i], out);
		if (out->failed || names.text.failed)
			err = -ENOMEM;
		names_release(&names);
	}
	label_stacks_release(&stacks);
	return err;
}
