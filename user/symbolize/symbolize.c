/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symbolize.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "profile/profile.h"
#include "symbolize/apart.h"
#include "symbolize/debuginfod.h"
#include "symbolize/demangle.h"
#include "symbolize/symbolizer.h"

/* Which resolvers are asked about a module of this type, in turn, while frames are without names. */
static const struct {
	enum profile_module_type type;
	resolve_fn resolve;
} resolvers[] = {
	{ PROFILE_MODULE_KERNEL, resolve_kernel },
	{ PROFILE_MODULE_VDSO, resolve_vdso },
	{ PROFILE_MODULE_FILE, resolve_elf },
	{ PROFILE_MODULE_JIT, resolve_jit },
};

static uint32_t name_of(struct symbolizer *s, const char *symbol)
{
	char name[DEMANGLE_MAX];
	size_t len = strlen(symbol);

	if (s->last_name && strcmp(s->last, symbol) == 0)
		return s->last_name;
	s->last_name = profile_string_n(s->profile, name, demangle(symbol, name, sizeof(name)));
	if (len < sizeof(s->last))
		memcpy(s->last, symbol, len + 1);
	else
		s->last[0] = '\0';
	return s->last_name;
}

void symbolizer_name(struct symbolizer *s, uint32_t frame, const char *symbol)
{
	struct profile_line line = { .function = name_of(s, symbol) };

	profile_frame_name(s->profile, frame, &line, 1);
}

/*
 * Queries grouped by module:
 *
 *	queries  │ module 1's … │ module 2's … │ module 3's … │
 *	first[m] ┘              └ first[m + 1]
 */
struct groups {
	struct query *queries;
	size_t *first; /* modules + 2 of them */
	uint32_t modules;
};

typedef bool (*query_fn)(const struct profile *p, size_t i, uint32_t *ret_module,
			 struct query *ret_query);

static bool frame_query(const struct profile *p, size_t i, uint32_t *ret_module,
			struct query *ret_query)
{
	const struct profile_frame *f = profile_frame_at(p, (uint32_t)i + 1);

	*ret_module = f->module;
	*ret_query =
		(struct query){ .offset = f->offset, .addr = f->offset, .id = (uint32_t)i + 1 };
	return f->lines == 0 && f->module != 0;
}

static bool lock_query(const struct profile *p, size_t i, uint32_t *ret_module,
		       struct query *ret_query)
{
	const struct profile_lock *l = profile_lock_at(p, (uint32_t)i + 1);

	*ret_module = l->module;
	*ret_query = (struct query){ .offset = l->module_offset, .id = (uint32_t)i + 1 };
	return l->name == 0 && l->module != 0;
}

static void groups_release(struct groups *g)
{
	free(g->queries);
	free(g->first);
}

static int groups_build(struct groups *g, const struct profile *p, size_t count, query_fn get)
{
	struct query q;
	uint32_t module;
	size_t modules;

	profile_modules(p, &modules);
	g->modules = (uint32_t)modules;
	g->queries = calloc(count + 1, sizeof(*g->queries));
	g->first = calloc(modules + 3, sizeof(*g->first));
	if (g->queries == NULL || g->first == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (get(p, i, &module, &q) && module <= modules)
			g->first[module + 2]++;
	for (size_t m = 2; m < modules + 3; m++)
		g->first[m] += g->first[m - 1];
	for (size_t i = 0; i < count; i++)
		if (get(p, i, &module, &q) && module <= modules)
			g->queries[g->first[module + 1]++] = q;
	for (size_t m = 1; m <= modules; m++)
		query_sort(g->queries + g->first[m], g->first[m + 1] - g->first[m]);
	return 0;
}

static int resolve_module(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	uint8_t type = profile_module_at(s->profile, module)->type;
	int err = 0;

	if (type == PROFILE_MODULE_KERNEL && s->options->kernel_named)
		return 0;
	for (size_t i = 0; i < sizeof(resolvers) / sizeof(resolvers[0]) && err == 0; i++)
		if (resolvers[i].type == type && query_unnamed(q, n) > 0)
			err = resolvers[i].resolve(s, module, q, n);
	if (err == 0 && type == PROFILE_MODULE_FILE && (s->options->inlines || s->options->lines))
		err = refine_inline(s, module, q, n);
	return err;
}

static int resolve_one(struct symbolizer *s, uint32_t module, struct query *q, size_t n,
		       resolve_fn resolve)
{
	bool locks = resolve == resolve_locks;
	int err;

	if (s->apart)
		apart_begin(s->apart, module, locks);
	err = resolve(s, module, q, n);
	if (s->apart)
		apart_tell(s->apart, module, q, n, locks);
	return err;
}

static int resolve_groups(struct symbolizer *s, const struct groups *g, resolve_fn resolve)
{
	const struct symbolize_options *o = s->options;
	int err = 0;

	for (uint32_t m = 1; m <= g->modules && err == 0; m++) {
		size_t n = g->first[m + 1] - g->first[m];

		if (o->cancelled != NULL && o->cancelled(o->ctx))
			return -ECANCELED;
		if (n > 0 && m >= s->from)
			err = resolve_one(s, m, g->queries + g->first[m], n, resolve);
		if (o->progress != NULL)
			o->progress(o->ctx, m, g->modules);
	}
	return err;
}

static int resolve_all(struct symbolizer *s, size_t count, query_fn get, resolve_fn resolve)
{
	struct groups g = { 0 };
	int err = groups_build(&g, s->profile, count, get);

	if (err == 0)
		err = resolve_groups(s, &g, resolve);
	groups_release(&g);
	return err;
}

static int resolve_kernel_only(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	return profile_module_at(s->profile, module)->type == PROFILE_MODULE_KERNEL
		       ? resolve_kernel(s, module, q, n)
		       : 0;
}

int symbolize_kernel(struct profile *p, const struct symbolize_kernel *from, struct diag *d)
{
	const struct symbolize_options none = { 0 };
	struct symbolizer s = { .profile = p, .options = &none, .kernel = from };
	size_t frames;
	int err;

	profile_frames(p, &frames);
	err = resolve_all(&s, frames, frame_query, resolve_kernel_only);
	if (err)
		diag_set(d, err, "out of memory while naming functions");
	return err;
}

int symbolizer_frames(struct symbolizer *s)
{
	size_t frames;

	profile_frames(s->profile, &frames);
	return resolve_all(s, frames, frame_query, resolve_module);
}

int symbolizer_locks(struct symbolizer *s)
{
	size_t locks;

	profile_locks(s->profile, &locks);
	return resolve_all(s, locks, lock_query, resolve_locks);
}

int symbolize(struct profile *p, const struct symbolize_options *o, struct diag *d)
{
	struct symbolizer s = { .profile = p,
				.options = o,
				.inline_ms = SYMBOLIZER_INLINE_MS,
				.fetch_ms = DEBUGINFOD_MS };
	int err = symbolizer_frames(&s);

	if (err == 0)
		err = symbolizer_locks(&s);
	if (err == 0)
		err = unnamed_note(&s);
	if (err == 0)
		err = profile_error(p);
	if (err == -ENOMEM)
		diag_set(d, err, "out of memory while naming functions");
	return err;
}
