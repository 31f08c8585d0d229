/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "profile/profile.h"
#include "symbolize/apart.h"
#include "symbolize/debugfile.h"
#include "symbolize/image.h"
#include "symbolize/inline_answer.h"
#include "symbolize/inline_wire.h"

static void note_failure(struct symbolizer *s, const struct profile_module *m, int err)
{
	char text[512];
	const char *why = err == -ETIMEDOUT ? "reading its debug info took too long"
			  : err == -EPERM ? "reading its debug info tried what it may not (SIGSYS)"
					  : "its debug info cannot be read";

	snprintf(text, sizeof(text), "inlined calls in %.200s are not shown: %s",
		 profile_str(s->profile, m->name), why);
	profile_note(s->profile, text);
}

static int ask(struct symbolizer *s, const struct profile_module *m, int fd, int alt_fd,
	       const struct query *q, size_t n)
{
	const struct inline_request request = { .fd = fd,
						.alt_fd = alt_fd,
						.q = q,
						.n = n,
						.lines = s->options->lines,
						.cancelled = s->options->cancelled,
						.ctx = s->options->ctx,
						.timeout_ms = s->inline_ms };
	struct buf answer = BUF_INIT;
	int64_t begin = clock_ms();
	int err;

	err = inline_ask(&request, &answer);
	s->inline_ms -= (int)(clock_ms() - begin);
	if (err == 0)
		inline_take(s->profile, s->options->inlines, q, n, answer.data, answer.len);
	else if (err != -ECANCELED && err != -ENOMEM)
		note_failure(s, m, err);
	buf_release(&answer);
	return err == -ECANCELED || err == -ENOMEM ? err : 0;
}

/* The debug info is the file's own, or in its separate debug file. */
static int ask_with_debug_info(struct symbolizer *s, const struct profile_module *m,
			       const struct image *own, const struct query *q, size_t n)
{
	bool here = image_section(own, ".debug_info") != NULL;
	struct image img;
	int err = 0, alt_fd, fd = m->fd;

	if (!here)
		fd = symbolizer_debug_file(s, m, own);
	if (fd < 0)
		return 0;
	if (image_open(&img, fd) == 0) {
		if (image_section(&img, ".debug_info") != NULL) {
			alt_fd = debugfile_open_alt(&img, m->root_fd, apart_via(s->apart));
			err = ask(s, m, fd, alt_fd, q, n);
			if (alt_fd >= 0)
				close(alt_fd);
		}
		image_close(&img);
	}
	if (!here)
		close(fd);
	return err;
}

/*
 * Nobody asks what was inlined where threads begin. Such frames are often all that a program has of the
 * C library, and not to ask saves reading 10 MB of its debug info.
 */
static bool is_worthwhile(const struct symbolizer *s, const struct query *q)
{
	const struct profile_frame *f = profile_frame_at(s->profile, q->id);
	uint32_t last = f->first_line + f->lines - 1;

	return s->options->lines || f->lines == 0 ||
	       !profile_is_root_name(
		       profile_str(s->profile, profile_line_at(s->profile, last)->function));
}

int refine_inline(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	const struct profile_module *m = profile_module_at(s->profile, module);
	struct image img;
	size_t inside = 0;
	int err = 0;

	if (m->fd <= 0 || s->inline_ms <= 0 || image_open(&img, m->fd) != 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (is_worthwhile(s, &q[i]) && image_vaddr(&img, q[i].offset, &q[i].addr)) {
			struct query here = q[i];

			q[i] = q[inside];
			q[inside++] = here;
		}
	query_sort(q, inside);
	if (inside > 0)
		err = ask_with_debug_info(s, m, &img, q, inside);
	image_close(&img);
	return err;
}
