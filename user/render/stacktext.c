// SPDX-License-Identifier: BSD-2-Clause
#include "render/stacktext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "profile/tree.h"
#include "render/label_stacks.h"

/* Labels without the thread's, root first; free(). NULL = out of memory. */
static struct profile_label *stack_labels(struct profile *p, uint32_t stack, size_t *ret_count)
{
	const struct profile_row row = { .stack = stack, .kind = PROFILE_CPU };
	struct profile_label *labels = calloc(LABELS_MAX, sizeof(*labels));
	size_t n;

	if (!labels)
		return NULL;
	n = profile_labels(p, &row, false, labels, LABELS_MAX);
	if (!n) {
		free(labels);
		return NULL;
	}
	memmove(labels, labels + 1, (n - 1) * sizeof(*labels));
	*ret_count = n - 1;
	return labels;
}

static void add_label(struct profile *p, const struct profile_label *label, const char *also,
		      struct buf *out)
{
	buf_add_printable(out, profile_str(p, label->text), also);
	buf_addstr(out, profile_label_suffix(label->type));
}

int stacktext_folded(struct profile *p, uint32_t stack, struct buf *out)
{
	size_t n;
	struct profile_label *labels = stack_labels(p, stack, &n);

	if (!labels)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addch(out, ';');
		add_label(p, &labels[i], ";\n", out);
	}
	free(labels);
	return out->failed ? -ENOMEM : 0;
}

static bool in_module(const struct profile *p, const struct profile_label *label,
		      const char *const *names)
{
	const char *name, *slash;

	if (!label->module)
		return false;
	name = profile_str(p, profile_module_at(p, label->module)->name);
	slash = strrchr(name, '/');
	name = slash ? slash + 1 : name;
	for (; *names; names++)
		if (!strncmp(name, *names, strlen(*names)))
			return true;
	return false;
}

/* HotSpot's interpreter and stubs: "_complete_monitor_locking_Java", "monitorenter_nofpu Runtime1 stub". */
static bool is_jvm_stub(const char *name)
{
	size_t n = strlen(name);

	return !strcmp(name, "Interpreter") || !strncmp(name, "StubRoutines", 12) ||
	       (n > 6 && name[0] == '_' && !strcmp(name + n - 5, "_Java")) ||
	       (n > 14 && !strcmp(name + n - 14, " Runtime1 stub"));
}

enum plumbing { PLUMBING_NONE, PLUMBING_SYSTEM, PLUMBING_JVM };

/* What stands in everybody's stacks, or in those of everybody in Java, and so tells nothing. */
static bool is_plumbing(const struct profile *p, const struct profile_label *label,
			enum plumbing most)
{
	static const char *const system[] = { "libc.",	  "libc-",  "libpthread",
					      "ld-linux", "[vdso]", NULL };
	static const char *const jvm[] = { "libjvm.so", "libjli", NULL };
	const char *name = profile_str(p, label->text);

	if (most >= PLUMBING_JVM &&
	    (in_module(p, label, jvm) || (label->type == PROFILE_LABEL_JIT && is_jvm_stub(name))))
		return true;
	return most >= PLUMBING_SYSTEM &&
	       (label->type == PROFILE_LABEL_KERNEL || label->type == PROFILE_LABEL_MARK ||
		in_module(p, label, system) || !strcmp(name, "_start"));
}

/* How many frames from labels[at - 1] towards the root are the same one. */
static size_t same_frames(const struct profile_label *labels, size_t at, size_t root)
{
	size_t n = 1;

	while (at - n > root && labels[at - 1 - n].text == labels[at - 1].text &&
	       labels[at - 1 - n].type == labels[at - 1].type)
		n++;
	return n;
}

/* The part of labels[0 … n - 1] without plumbing on its ends: [*ret_root, end). */
static size_t trim(const struct profile *p, const struct profile_label *labels, size_t n,
		   enum plumbing most, size_t *ret_root)
{
	size_t root = 0, at = n;

	while (at > 0 && is_plumbing(p, &labels[at - 1], most))
		at--;
	while (root < at && is_plumbing(p, &labels[root], most))
		root++;
	*ret_root = root;
	return at;
}

int stacktext_short(struct profile *p, uint32_t stack, size_t frames, struct buf *out)
{
	size_t n, root, at;
	struct profile_label *labels = stack_labels(p, stack, &n);

	if (!labels)
		return -ENOMEM;
	/* Nothing but plumbing? Then that. */
	for (enum plumbing most = PLUMBING_JVM;; most--) {
		at = trim(p, labels, n, most, &root);
		if (at > root || most == PLUMBING_NONE)
			break;
	}
	if (n && labels[0].type == PROFILE_LABEL_MARK && !root)
		root = 1;
	for (size_t shown = 0; at > root && shown < frames; shown++) {
		size_t same = same_frames(labels, at, root);

		if (shown)
			buf_addstr(out, " < ");
		add_label(p, &labels[at - 1], NULL, out);
		if (same > 1)
			buf_printf(out, " ×%zu", same);
		at -= same;
	}
	if (at > root)
		buf_addstr(out, " < …");
	free(labels);
	return out->failed ? -ENOMEM : 0;
}
