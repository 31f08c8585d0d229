/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_LABEL_STACKS_H
#define TPROF_LABEL_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/tree.h"

/*
 * The stacks of one kind as people read them, equal ones merged, in order of first appearance.
 *
 *	list:    { first 0, count 3, weight 7 }  { first 3, count 2, weight 1 }
 *	labels:  redis  main  read               redis  main
 */
struct label_stack {
	size_t first;
	uint32_t count;
	uint64_t weight; /* profile_row_weight */
};

struct label_stacks {
	struct label_stack *list;
	size_t count;
	struct profile_label *labels; /* root first; labels[first] is the thread */
	size_t label_count;
};

/* 0 or -ENOMEM. Release with label_stacks_release. */
int label_stacks_build(struct profile *p, const struct profile_filter *f, bool by_thread,
		       struct label_stacks *ret_stacks);
void label_stacks_release(struct label_stacks *s);

/* The most labels that a stack is shown with; deeper ones are cut at the leaf. */
enum { LABELS_MAX = 4096 };

#endif
