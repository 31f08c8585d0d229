/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_STORE_IMPL_H
#define TPROF_STORE_IMPL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/*
 * The schema as rows: SQL, writing and reading are all made of these descriptions. docs/format.md
 * says what they mean (a test holds the two together).
 */

/* "tpro": tells file(1) and us whose database it is. */
#define STORE_APPLICATION_ID 0x7470726f
/* Grows when an older reader would misread a file; new tables and columns alone do not need it. */
#define STORE_VERSION 1

/* The tables in the order in which they are read: each refers only to those before it. */
enum store_id {
	STORE_NONE,
	STORE_STRINGS,
	STORE_PROCESSES,
	STORE_MODULES,
	STORE_FRAMES,
	STORE_LINES,
	STORE_STACKS,
	STORE_THREADS,
	STORE_WINDOWS,
	STORE_COUNTS,
	STORE_BLOCKS,
	STORE_LOCKS,
	STORE_LOCK_USERS,
	STORE_SPAWNS,
	STORE_LIFETIMES,
	STORE_CHURN,
	STORE_LOSSES,
	STORE_NOTES,
	STORE_RECORDING,
	STORE_COUNT
};

enum store_type {
	STORE_INT, /* unsigned of 1, 4 or 8 bytes; 8-byte ones are stored by their bits as signed */
	STORE_SUM, /* an 8-byte STORE_INT that readers add up: the sums must not wrap */
	STORE_SIGNED, /* of 4 bytes */
	STORE_BOOL,
	STORE_TEXT,  /* a string itself: in memory a const char * */
	STORE_BLOB,  /* bytes of fixed size */
	STORE_ARRAY, /* u32 values: in memory a struct store_array */
};

struct store_array {
	const uint32_t *values;
	uint32_t count;
};

struct store_column {
	const char *name;
	uint16_t offset, size; /* of the field in the entry */
	uint8_t type;	       /* enum store_type */
	uint8_t refers;	       /* enum store_id whose id it is (NULL in the file = 0 = none) */
	uint8_t min, max;      /* of an enum; max 0 = unlimited */
};

/* Where a walk over a table of the profile stands; zeros at the begin. */
struct store_cursor {
	size_t i;
	uint32_t sub;
};

/* A profile that is being read. */
struct store_reader {
	struct profile *p;
	/* Names of one frame come as rows of their own, one after the other. */
	uint32_t frame, line_count;
	struct profile_line lines[256];
};

struct store_table {
	const char *name;
	const struct store_column *columns;
	size_t column_count;
	/* Fills the next entry from the profile; false = there are no more. */
	bool (*next)(struct profile *p, struct store_cursor *at, void *entry);
	/*
	 * Adds an entry whose ids are those of the profile already. Its id there, any number ≥ 1 where
	 * nothing refers to it; 0 = refused, either out of memory (profile_error) or damaged.
	 */
	uint32_t (*add)(struct store_reader *r, const void *entry);
};

/* The memory that each entry of any table fits in. */
union store_entry {
	struct profile_process process;
	struct profile_thread thread;
	struct profile_lock lock;
	struct profile_info info;
	uint64_t align[64];
};

extern const struct store_table store_tables[STORE_COUNT];

/* SQL of views, for people with sqlite3. */
extern const char store_views[];

/* Names the frame whose lines were gathered. */
void store_flush_lines(struct store_reader *r);

#endif
