/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_RENDER_H
#define TPROF_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

struct buf;
struct findings;

/* What a renderer may look at. A new output format is a new file and one row in render.c. */
struct render_input {
	struct profile *profile;
	const struct findings *findings; /* may be NULL: none were asked for */
	enum profile_kind kind;		 /* the kind for formats that show one */
	uint64_t from_ns, to_ns;	 /* windows that begin in [from, to); to 0 = to the end */
	bool by_thread;			 /* comm-tid in place of comm */
	bool colour;			 /* text: the output is a TTY that wants it */
	unsigned width;			 /* text: columns */
	const char *file; /* name of the recording for titles and "next command"; may be NULL */
};

struct renderer {
	const char *format;    /* -f NAME: "folded" */
	const char *extension; /* "-o x.folded" chooses it; ".folded" */
	const char *about;     /* one line for help */
	bool report;	       /* a report (text, json) and not an export of one kind */
	bool findings;	       /* shows findings: they are made for it */
	/* Appends to out. 0 or negative errno (-ENOMEM). */
	int (*render)(const struct render_input *in, struct buf *out);
};

/* The table, ended by format == NULL. */
extern const struct renderer renderers[];

const struct renderer *renderer_by_format(const char *format); /* NULL: none */
/* By the longest extension that the path ends in; NULL: none (".tprof" is no renderer's). */
const struct renderer *renderer_by_path(const char *path);

#endif
