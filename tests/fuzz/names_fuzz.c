/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>

#include "profile/profile.h"
#include "symbolize/names_wire.h"

/* What the child that names would say, had a hostile file taken it over. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(void *ctx, enum names_type type, const char *payload, size_t bytes)
{
	(void)ctx;
	(void)type;
	if (bytes > NAMES_MAX_BYTES || (bytes && !payload))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile *p = profile_new();
	struct profile_module m = { .type = PROFILE_MODULE_FILE, .fd = -1, .root_fd = -1 };
	struct names_reader r = { .p = p, .ask = ask };
	size_t used = 0, lines, frames;
	const struct profile_frame *f;

	m.name = profile_string(p, "/bin/true");
	for (uint64_t i = 0; i < 4; i++)
		profile_frame(p, profile_module(p, &m), 0x1000 + i);
	r.base = (uint32_t)profile_string_count(p);
	if (names_read(&r, (const char *)data, size, &used) == 0 && used > size)
		abort();
	profile_lines(p, &lines);
	f = profile_frames(p, &frames);
	for (size_t i = 0; i < frames; i++) {
		if (f[i].lines && f[i].first_line + f[i].lines > lines)
			abort();
		for (uint32_t l = 0; l < f[i].lines; l++)
			if (profile_line_at(p, f[i].first_line + l)->function >
			    profile_string_count(p))
				abort();
	}
	names_reader_release(&r);
	profile_free(p);
	return 0;
}
