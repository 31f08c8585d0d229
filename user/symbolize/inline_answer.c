/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/inline_answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "profile/profile.h"
#include "symbolize/dwarf.h"
#include "symbolize/inline_wire.h"

/* The child's answer, which may be anything. */
struct reader {
	struct profile *p;
	bool inlines;
	const struct query *q;
	size_t n;
	const char *at, *end;
	uint32_t *strings; /* number - 1 → string of the profile */
	size_t count, cap;
};

static uint32_t word(struct reader *r)
{
	uint32_t v = 0;

	if (r->end - r->at < (ptrdiff_t)sizeof(v)) {
		r->at = r->end;
		return 0;
	}
	memcpy(&v, r->at, sizeof(v));
	r->at += sizeof(v);
	return v;
}

static bool take_string(struct reader *r)
{
	uint32_t len = word(r);

	if (len > (size_t)(r->end - r->at))
		return false;
	if (array_room(&r->strings, r->count, &r->cap, sizeof(*r->strings)))
		return false;
	r->strings[r->count++] = profile_string_n(r->p, r->at, len);
	r->at += len;
	return true;
}

static uint32_t string_at(const struct reader *r, uint32_t number)
{
	return number >= 1 && number <= r->count ? r->strings[number - 1] : 0;
}

/* The function keeps the name that its symbol gave it; inlined calls come before it. */
static void name_spot(struct reader *r, uint32_t frame, struct profile_line *lines, uint32_t n)
{
	struct profile *p = r->p;
	const struct profile_frame *f = profile_frame_at(p, frame);
	struct profile_line *outer = &lines[n - 1];

	if (f->lines > 0)
		outer->function = profile_line_at(p, f->first_line + f->lines - 1)->function;
	if (outer->function != 0 && (n > 1 || outer->line != 0 || f->lines == 0))
		profile_frame_name(p, frame, lines, n);
}

static bool take_spot(struct reader *r)
{
	struct profile_line lines[DWARF_MAX_LINES], line = { 0 };
	uint32_t query = word(r), count = word(r), n = 0;

	if (query >= r->n || count == 0 || count > DWARF_MAX_LINES)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		line.function = string_at(r, word(r));
		line.file = string_at(r, word(r));
		line.line = word(r);
		line.inlined = word(r) != 0 && i + 1 < count;
		/* a call without a name says nothing; the last one may get its symbol's */
		if (line.function != 0 || i + 1 == count)
			lines[n++] = line;
	}
	if (!r->inlines)
		lines[0] = line, n = 1;
	name_spot(r, r->q[query].id, lines, n);
	return true;
}

bool inline_take(struct profile *p, bool inlines, const struct query *q, size_t n,
		 const char *bytes, size_t len)
{
	struct reader r = {
		.p = p, .inlines = inlines, .q = q, .n = n, .at = bytes, .end = bytes + len
	};
	bool good = true;

	while (good && r.at < r.end) {
		switch (word(&r)) {
		case INLINE_STRING: good = take_string(&r); break;
		case INLINE_SPOT: good = take_spot(&r); break;
		default: good = false;
		}
	}
	free(r.strings);
	return good;
}
