/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_OUTPUT_H
#define TPROF_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct diag;
struct render_input;
struct renderer;

/* Where results go. "-" is stdout everywhere. */

/* Could a file of this name be written? Asked before a recording, so that it is not made in vain.
 * A recording must be a plain file. 0, or negative errno with d filled. */
int output_check(const char *path, bool must_be_file, struct diag *d);
/*
 * Writes b to path. A regular file is written to a temporary one beside it and renamed, 0600 and
 * given to SUDO_UID; what is no regular file (/dev/null, a pipe) is written into.
 */
int output_write(const struct buf *b, const char *path, struct diag *d);
/* Renders and writes. */
int output_render(const struct renderer *r, const struct render_input *in, const char *path,
		  struct diag *d);
/* Flushes stdout; → exit code. A reader that went away (EPIPE) is none of our troubles. */
int output_finish_stdout(void);
/* Prints "tprof: …" on stderr from d (or from err, where d is empty), of out of memory
 * the first one only; → EXIT_COULD_NOT. */
int output_error(const struct diag *d, int err);
/* Columns of the terminal at fd; COLUMNS in the environment overrides; `otherwise` when neither. */
unsigned output_columns(int fd, unsigned otherwise);
/* fd is a terminal that wants colour (NO_COLOR, TERM=dumb). */
bool output_colour(int fd);

#endif
