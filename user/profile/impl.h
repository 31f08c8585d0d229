/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PROFILE_IMPL_H
#define TPROF_PROFILE_IMPL_H

#include "base/arena.h"
#include "base/map.h"
#include "base/map64.h"
#include "profile/profile.h"
#include "profile/tree.h"

/*
 * The inside of the hub: seen by user/profile/ only.
 *
 *	table   list: [entry 1][entry 2][entry 3] …      id = index + 1, in order of arrival
 *	        map:  hash of the entry's key → id
 */
struct table {
	void *list;
	size_t count, cap;
	struct map map;
};

/* The labels of a frame, leaf first: a slice of label_slices. Thrown away when a frame is named. */
struct frame_labels {
	uint32_t first, count; /* count 0 = not made yet */
};

/* The root label of a thread, while its comm stays the same. */
struct thread_label {
	uint32_t comm, text;
};

struct profile {
	int error;
	uint64_t seed; /* of the hash of strings: targets choose names, they must not choose
			  collisions */
	struct arena arena;

	struct table strings; /* const char *; list[i] is NUL-terminated */
#define PROFILE_TABLE_MEMBER(name, type) struct table name;
	PROFILE_TABLES(PROFILE_TABLE_MEMBER)
	struct table losses;	   /* struct profile_loss */
	struct table notes;	   /* uint32_t, strings */
	struct table stack_frames; /* uint32_t, frames; stacks are slices of it */

	struct table labels; /* struct profile_label, interned: made of the frames when asked for */
	struct table label_slices;  /* uint32_t, labels */
	struct table frame_labels;  /* struct frame_labels, by frame */
	struct table thread_labels; /* struct thread_label, by thread */
	bool show_lines;	    /* labels of frames say file and line */

	struct profile_info info;
};

/* What an equal() callback of a map gets: the profile and the sought key. */
struct lookup {
	const struct profile *p;
	const void *key;
};

/* Entry id of a table of this type; the id is valid. */
#define table_at(table, type, id) (&((type *)(table)->list)[(id)-1])

/* The same for an id from elsewhere: NULL when there is no such entry. */
#define table_get(table, type, id) ((id)-1U < (table)->count ? table_at(table, type, id) : NULL)

/* Makes room for n more entries. false = out of memory, which is now the profile's error. */
bool table_reserve(struct profile *p, struct table *t, size_t n, size_t entry_size);
/* Appends an entry that has no key. Its id, or 0. */
uint32_t table_push(struct profile *p, struct table *t, const void *entry, size_t entry_size);
/* The id of the entry with this key, or of a copy of `entry` now added under it, or 0. */
uint32_t table_intern(struct profile *p, struct table *t, uint64_t hash, map_equal_fn equal,
		      const void *key, const void *entry, size_t entry_size);
void table_clear(struct table *t); /* empties, gives the memory back */

uint64_t hash_mix(uint64_t a, uint64_t b);

/*
 * Rows differ by window and thread, which most readers do not ask for: they are summed first, so
 * that each stack is walked once. Key: root label (want_root; else 1) << 32 | stack.
 */
int profile_sum_rows(struct profile *p, const struct profile_filter *f, bool want_root,
		     bool by_thread, struct map64 *sums);

/* A label's id, or 0 (also for text 0: then out of memory was met before). */
uint32_t label_id(struct profile *p, uint32_t text, uint32_t module, enum profile_label_type type);

/*
 * The labels of a frame as ids of `labels`, leaf first, made and kept at the first question. NULL
 * with *ret_count 0 = out of memory. Valid until a frame is added or named.
 */
const uint32_t *frame_label_ids(struct profile *p, uint32_t frame, uint32_t *ret_count);
/* The label at the root of a thread's stacks, and the mark of a stack that is not whole (0 =
 * whole). */
uint32_t thread_label_id(struct profile *p, uint32_t thread, bool by_thread);
uint32_t stack_mark_id(struct profile *p, uint32_t stack);

#endif
