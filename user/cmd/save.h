/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SAVE_H
#define TPROF_SAVE_H

struct findings;
struct profile;
struct record_options;

/* Where record's results go. Both say themselves what went wrong; → exit code. */

/* Before the recording: could all of it be written? */
int save_check(const struct record_options *o);
/* Writes every -o (or the default), then the report to stdout. A recording that cannot be written
 * where it was asked for is tried in $TMPDIR or /tmp, so that it is not lost. */
int save_recording(const struct record_options *o, struct profile *p,
		   const struct findings *findings);

#endif
