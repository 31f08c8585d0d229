/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PAGE_H
#define TPROF_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/map64.h"
#include "profile/profile.h"

/*
 * The data of the interactive page, made compact: one prefix tree of all stacks of all kinds (and of
 * both recordings of a comparison), and rows that point into it.
 *
 *	strings  "", "main", "read", "libc.so.6"      as printable text
 *	labels   (text, module, type)                 what a frame shows
 *	nodes    (parent, label)                      written in preorder as (steps up, label)
 *	rows     (thread, window, node, weight)       by kind
 *
 * All are spoken of by number, from 0. Numbers are written in base 64, five bits a character;
 * user/render/page/data.js reads them. Numbering verbs return UINT32_MAX when out of memory.
 */
struct page {
	char **strings; /* [0] is "" */
	size_t string_count, string_cap;
	struct map string_index;

	struct page_label {
		uint32_t text, module;
		uint32_t type; /* enum profile_label_type */
	} * labels;
	size_t label_count, label_cap;
	struct map64 label_index;

	struct page_paths {
		uint32_t *labels;
		size_t label_count, label_cap;
		struct page_path {
			size_t first;
			uint32_t count;
			uint32_t *node; /* where the number of its last node is wanted */
		} * list;
		size_t count, cap;
	} paths;

	struct page_node {
		uint32_t parent, label, depth;
	} * nodes; /* in preorder, siblings by name; [0] is the root; made by page_build */
	size_t node_count;
};

enum { PAGE_DEPTH_MAX = 4096 };

int page_init(struct page *g); /* 0 or -ENOMEM */
void page_release(struct page *g);
uint32_t page_string(struct page *g, const char *s);
uint32_t page_label(struct page *g, const struct page_label *label);
/* A stack, root first, of at most PAGE_DEPTH_MAX labels. page_build will set *node. */
int page_add_path(struct page *g, const uint32_t *labels, uint32_t n, uint32_t *node);
int page_build(struct page *g); /* after the last path: 0 or -ENOMEM */

void page_put_number(struct buf *out, uint64_t v);
void page_put_labels(const struct page *g, struct buf *out);
void page_put_tree(const struct page *g, struct buf *out);

/* One recording in a page: where its ids went. */
struct page_side {
	struct page *page;
	struct profile *profile;
	uint64_t from_ns, to_ns; /* windows that begin in there; to 0 = to the end */
	struct map64 labels;	 /* the profile's labels → number + 1 */
	uint32_t *nodes;	 /* by stack id, once page_build ran; 0 = no row has it */
	uint32_t *entries;	 /* by thread id: its entry + 1, 0 = it has no rows */
	struct page_thread {
		uint32_t thread; /* the only one, or the first of them */
		uint32_t name;	 /* string of the profile */
		uint32_t more;	 /* how many threads stand here together; 0 = one */
	} * threads;
	size_t thread_count;
	uint32_t *order; /* by window id: its number in time */
	struct profile_window *windows;
	size_t window_count;
};

/* Puts all that the rows of p point to into the page. 0 or -ENOMEM; release in any case. */
int page_side_init(struct page_side *s, struct page *g, struct profile *p, uint64_t from_ns,
		   uint64_t to_ns);
void page_side_release(struct page_side *s);
/* Rows with numbers for ids, by (thread, window, node), equal places summed. */
struct page_row {
	uint32_t thread, window, node;
	struct profile_row sum;
};

/* list has room for all rows of the profile; returns how many are of this kind. */
size_t page_rows(struct page_side *s, enum profile_kind kind, struct page_row *list);
/* Writes the rows of one kind; their sum. 0 or -ENOMEM. */
int page_put_rows(struct page_side *s, enum profile_kind kind, struct buf *out,
		  uint64_t *ret_weight);

/* What shows the data: user/render/page/, embedded by page_files.c. */
extern const char page_style[], page_body[], page_script[];
extern const char page_policy[]; /* Content-Security-Policy: these and nothing else */

#endif
