/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SAVED_H
#define TPROF_SAVED_H

#include <stdio.h>
#include "traced.h"

/*
 * A case as text: registers, memory, mappings, as much of the tables as its walk looked at, and the
 * frames that are right. What tools/record writes, data/ keeps and traced_test.c replays.
 */
struct saved {
	struct walk walk;
	uint64_t known[TPROF_MAX_USER_FRAMES]; /* leaf first, lowered as frames are */
	size_t count;
	void *bytes; /* of the walk's memory */
};

/* After traced_walk(). A stack that is longer than its last known frame needs is cut there. */
void saved_write(FILE *f, const struct traced *t, const uint64_t *known, size_t count,
		 const char *title);
/* Fills fake maps, so fake_reset() ends it, too. 0, or the number of the line that is wrong. */
int saved_read(struct saved *s, FILE *f);
void saved_release(struct saved *s);

#endif
