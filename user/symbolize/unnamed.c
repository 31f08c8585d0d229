/* SPDX-License-Identifier: BSD-2-Clause */
/* Which modules leave how many CPU samples without a name: what to do about it goes into the notes. */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "profile/profile.h"

#define NOTES_MAX 3 /* the worst ones */
#define SHARE_MIN 3 /* percent of the CPU samples */

/* The module of the stack's leaf, if that frame is an unnamed one of a file. */
static uint32_t unnamed_leaf(const struct profile *p, uint32_t stack)
{
	const struct profile_stack *s = stack ? profile_stack_at(p, stack) : NULL;
	const struct profile_frame *f;

	if (!s || s->frames == 0)
		return 0;
	f = profile_frame_at(p, profile_stack_frames(p, s)[0]);
	if (f->lines > 0 || f->module == 0 ||
	    profile_module_at(p, f->module)->type != PROFILE_MODULE_FILE)
		return 0;
	return f->module;
}

static void note(struct profile *p, uint32_t module, unsigned percent)
{
	const struct profile_module *m = profile_module_at(p, module);
	const char *build_id = profile_str(p, m->build_id);
	char text[512];

	snprintf(text, sizeof(text),
		 "%u %% of the CPU samples end in functions without a name in %.200s: it is "
		 "stripped: install its debug symbols%s%.80s%s",
		 percent, profile_str(p, m->name), *build_id ? " (build ID " : "", build_id,
		 *build_id ? ")" : "");
	profile_note(p, text);
}

int unnamed_note(struct symbolizer *s)
{
	struct profile *p = s->profile;
	size_t modules, n;
	const struct profile_row *rows = profile_rows(p, &n);
	uint64_t *counts, all = 0;

	profile_modules(p, &modules);
	counts = calloc(modules + 1, sizeof(*counts));
	if (!counts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].kind != PROFILE_CPU)
			continue;
		all += rows[i].count;
		counts[unnamed_leaf(p, rows[i].stack)] += rows[i].count;
	}
	counts[0] = 0;
	for (int notes = 0; notes < NOTES_MAX; notes++) {
		uint32_t worst = 0;

		for (uint32_t m = 1; m <= modules; m++)
			if (counts[m] > counts[worst])
				worst = m;
		if (worst == 0 || counts[worst] * 100 < all * SHARE_MIN)
			break;
		note(p, worst, (unsigned)(counts[worst] * 100 / all));
		counts[worst] = 0;
	}
	free(counts);
	return 0;
}
