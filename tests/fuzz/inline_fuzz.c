/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>

#include "profile/profile.h"
#include "symbolize/inline_answer.h"
#include "symbolize/query.h"

/* What the child that reads debug information would answer, had a hostile file taken it over. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct profile *p)
{
	size_t lines, frames;
	const struct profile_frame *f = profile_frames(p, &frames);

	profile_lines(p, &lines);
	for (size_t i = 0; i < frames; i++) {
		if (f[i].lines && f[i].first_line + f[i].lines > lines)
			abort();
		for (uint32_t l = 0; l < f[i].lines; l++) {
			const struct profile_line *line = profile_line_at(p, f[i].first_line + l);

			if (!line->function || line->function > profile_string_count(p) ||
			    line->file > profile_string_count(p) ||
			    (line->inlined && l + 1 == f[i].lines))
				abort();
		}
	}
}

/* The first byte: are calls wanted. Two frames, of which one has a name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile *p = profile_new();
	struct profile_module m = { .type = PROFILE_MODULE_FILE, .fd = -1, .root_fd = -1 };
	struct profile_line line = { .function = profile_string(p, "known") };
	struct query q[2] = { { .offset = 0x1000 }, { .offset = 0x1001 } };
	uint32_t module;

	if (size > 0) {
		m.name = profile_string(p, "/bin/true");
		module = profile_module(p, &m);
		for (size_t i = 0; i < 2; i++)
			q[i].id = profile_frame(p, module, q[i].offset);
		profile_frame_name(p, q[0].id, &line, 1);
		inline_take(p, *data & 1, q, 2, (const char *)data + 1, size - 1);
		check(p);
	}
	profile_free(p);
	return 0;
}
