/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_TREE_H
#define TPROF_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/* Which rows count. Zero-initialised but for `kind` = all rows of that kind. */
struct profile_filter {
	enum profile_kind kind;
	uint64_t from_ns, to_ns; /* windows that begin in [from, to); to 0 = to the end */
	uint32_t thread;	 /* 0 = all */
};

/* Does this row count? */
bool profile_filter_match(const struct profile *p, const struct profile_filter *f,
			  const struct profile_row *row);

/* One frame as people read it: inlined calls stand as labels of their own. Persisted nowhere. */
enum profile_label_type {
	PROFILE_LABEL_THREAD, /* the root label: comm, or comm-tid */
	PROFILE_LABEL_MARK,   /* "[truncated]" */
	PROFILE_LABEL_USER,
	PROFILE_LABEL_KERNEL,
	PROFILE_LABEL_JIT,
	PROFILE_LABEL_INLINE,
};

struct profile_label {
	uint32_t text;	 /* string without suffix: "main", "[libc.so.6+0x1234]" */
	uint32_t module; /* 0 for thread and mark */
	uint8_t type;
};

/*
 * A frame without a name reads "[module+0xoffset]"; in the kernel just "[module]", for its addresses
 * are nobody's business. "[truncated]" marks a stack that is not whole, "[no stack]" a count whose
 * stack was not taken.
 *
 * The suffix that folded output gives this type: "_[k]", "_[j]", "_[i]" or "".
 */
const char *profile_label_suffix(enum profile_label_type type);

/*
 * The labels of a stack, root first: thread comm (or comm-tid with by_thread), "[truncated]" if so,
 * then the frames. Fills at most max labels (the rest is cut at the leaf), returns how many stand.
 */
size_t profile_labels(struct profile *p, const struct profile_row *row, bool by_thread,
		      struct profile_label *labels, size_t max);

/* The name of a frame's outermost or only line, else "[module+0xoffset]" (basename of the module). */
uint32_t profile_frame_label(struct profile *p, uint32_t frame);

/*
 * A call tree. Node 0 is the root ("all"). Children of one node are linked by `sibling`, in order
 * of name; a child's index is greater than its parent's.
 */
struct profile_node {
	struct profile_label label;
	uint32_t parent, child, sibling; /* node indices; 0 = none (the root is nobody's child) */
	uint64_t self, total;		 /* weights (profile_row_weight) */
};

struct profile_tree {
	struct profile_node *nodes;
	size_t count;
	uint32_t depth;
};

/* 0 or -ENOMEM. Release with profile_tree_release. */
int profile_tree_build(struct profile *p, const struct profile_filter *f, bool by_thread,
		       struct profile_tree *ret_tree);
void profile_tree_release(struct profile_tree *t);

/* Self and total of each function (by name and module), most self first; recursion counts once. */
struct profile_function {
	uint32_t name, module; /* string; module id */
	uint8_t type;	       /* enum profile_label_type */
	uint64_t self, total;
};

int profile_functions(struct profile *p, const struct profile_filter *f,
		      struct profile_function **ret_functions, size_t *ret_count); /* free() */

/* Complete and truncated, in count (samples, waits, …). */
void profile_completeness(const struct profile *p, const struct profile_filter *f,
			  uint64_t *ret_complete, uint64_t *ret_truncated);

#endif
