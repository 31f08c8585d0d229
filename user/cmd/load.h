/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_LOAD_H
#define TPROF_LOAD_H

#include "cmd/cmd.h"
#include "profile/profile.h"
#include "render/render.h"

/* What commands that show frames have in common: FRAME_OPTIONS are the rows for it. */
struct frame_options {
	bool inlines, no_inlines, lines;
};

#define FRAME_OPTIONS(type)                                                                  \
	{ .long_name = "inline",                                                             \
	  .help = "show inlined calls where the recording has them (default)",               \
	  .parse = option_true,                                                              \
	  .field = offsetof(type, frames.inlines) },                                         \
		{ .long_name = "no-inline",                                                  \
		  .help = "leave inlined calls out",                                         \
		  .parse = option_true,                                                      \
		  .field = offsetof(type, frames.no_inlines) },                              \
	{                                                                                    \
		.long_name = "lines",                                                        \
		.help = "tell functions with file and line, where record --lines kept them", \
		.parse = option_true, .field = offsetof(type, frames.lines)                  \
	}

/* A recording as named on the command line: "FILE", or "FILE@10s-20s" for a part of its time. */
struct recording {
	struct profile *profile;
	const struct frame_options *frames; /* how frames are shown; NULL = as recorded */
	char *path;
	uint64_t from_ns, to_ns; /* to 0 = to the end */
};

/* The one operand of a command, loaded. Says itself what is wrong; → exit code. */
int load_operand(const struct cmd *c, int argc, char **argv, int first, struct recording *ret);
int load_recording(const struct cmd *c, const char *arg, struct recording *ret);
void recording_release(struct recording *r);

/* What export and flamegraph have in common. */
struct view_options {
	enum profile_kind kind;
	bool by_thread;
	const char *format, *output;
	struct frame_options frames;
};

/* Findings, then the rendering to output; what `in` says of the recording is filled in here. Says
 * itself what went wrong; → exit code. */
int recording_render(const struct recording *r, const struct renderer *format,
		     struct render_input in, const char *output);
/* Notes on stderr when there is nothing of this kind to show, and why. */
void load_note_empty(const struct recording *r, enum profile_kind kind);

#endif
