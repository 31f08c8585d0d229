/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_WALK_H
#define TPROF_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include "wire.h"
#include "collect/unwind_tables.h"

/* bpf/unwind.h natively: a walk over saved memory and registers by the tables in fake maps. */
struct walk_memory {
	uint64_t start;
	const uint8_t *bytes;
	size_t size;
	uint64_t read_end; /* out: so far up the walk has read */
};

struct walk_mapping {
	uint64_t start, end, offset;
	uint32_t object; /* 0: JIT */
};

#define WALK_MAPPINGS  256
#define WALK_REGISTERS 17 /* by DWARF number; 16 = return address column: ip */

struct walk {
	uint64_t registers[WALK_REGISTERS];
	struct walk_memory memory[8];
	size_t memory_count;
	struct walk_mapping mappings[WALK_MAPPINGS];
	size_t mapping_count;
	uint8_t code[48]; /* room for a piece of memory */
	int objects_fd, chunks_fd, rules_fd;
	/* out */
	uint64_t pcs[TPROF_MAX_USER_FRAMES]; /* lowered as frames are */
	size_t frames;
	int end;
	size_t reads;
};

void walk_open(struct walk *w, struct unwind_tables **ret_tables, size_t memory);
void walk_run(struct walk *w);

#endif
