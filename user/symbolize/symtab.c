/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symtab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/demangle.h"
#include "symbolize/image.h"

/* Pairs of symbol and covered query that one table may cost; a real one has a few per query. */
#define MAX_WORK 20000000ull

struct symbol {
	uint64_t start, end; /* equal: size unknown */
	uint32_t name, section;
	bool function, visible, global;
	bool valid;
};

struct symtab_hit {
	struct symbol best;  /* covers the address */
	struct symbol below; /* without size, the nearest below */
	uint64_t floor;	     /* start of the nearest symbol of any sort below */
	char *fallback;	     /* name of `below`, for symtab_finish */
	uint64_t fallback_start;
};

struct scan {
	struct symtab *st;
	const struct image *img;
	const struct image_section *strings;
	bool complete; /* static functions included: what lies between two symbols has no other name */
	uint64_t work;
};

int symtab_init(struct symtab *st)
{
	st->hits = calloc(st->count + 1, sizeof(*st->hits));
	return st->hits != NULL ? 0 : -ENOMEM;
}

void symtab_release(struct symtab *st)
{
	for (size_t i = 0; st->hits != NULL && i < st->count; i++)
		free(st->hits[i].fallback);
	free(st->hits);
	st->hits = NULL;
}

static bool wanted_type(const struct symtab *st, unsigned type)
{
	if (st->what == SYMTAB_DATA)
		return type == STT_OBJECT || type == STT_COMMON;
	return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

/* $x, $d, $a, $t and such tell disassemblers code from data; .L are compilers' labels. */
static bool is_marker(struct scan *s, const struct symbol *sym)
{
	char name[3];

	s->work += 8; /* a system call */
	image_string(s->img, s->strings, sym->name, name, sizeof(name));
	return name[0] == '$' || name[0] == '\0' || (name[0] == '.' && name[1] == 'L');
}

/* Ties: fewer leading underscores, then exported for good, then by the alphabet. */
static bool better_name(const struct scan *s, const struct symbol *a, const struct symbol *b)
{
	char x[256], y[256];

	image_string(s->img, s->strings, a->name, x, sizeof(x));
	image_string(s->img, s->strings, b->name, y, sizeof(y));
	if (strspn(x, "_") != strspn(y, "_"))
		return strspn(x, "_") < strspn(y, "_");
	if (a->global != b->global)
		return a->global;
	return strcmp(x, y) < 0;
}

static bool better(const struct scan *s, const struct symbol *a, const struct symbol *b)
{
	if (!b->valid)
		return true;
	if (a->function != b->function)
		return a->function;
	if (a->start != b->start)
		return a->start > b->start;
	if (a->visible != b->visible)
		return a->visible;
	return a->name != b->name && better_name(s, a, b);
}

static void offer_sized(struct scan *s, const struct symbol *sym, size_t i)
{
	struct symtab *st = s->st;

	for (; i < st->count && st->queries[i].addr < sym->end; i++) {
		struct symbol *best = &st->hits[i].best;

		if (++s->work > MAX_WORK)
			return;
		if (!st->queries[i].named && better(s, sym, best))
			*best = *sym;
	}
}

static int visit(void *ctx, size_t index, const GElf_Sym *gs)
{
	struct scan *s = ctx;
	struct symtab *st = s->st;
	unsigned type = GELF_ST_TYPE(gs->st_info), bind = GELF_ST_BIND(gs->st_info);
	struct symbol sym = { .start = gs->st_value,
			      .end = gs->st_value + gs->st_size,
			      .name = gs->st_name,
			      .section = gs->st_shndx,
			      .function = type != STT_NOTYPE,
			      .visible = bind != STB_LOCAL,
			      .global = bind == STB_GLOBAL || bind == STB_GNU_UNIQUE,
			      .valid = true };
	struct symtab_hit *hit;
	size_t i;

	(void)index;
	if (gs->st_shndx == SHN_UNDEF || gs->st_name == 0 || !wanted_type(st, type) ||
	    sym.end < sym.start || sym.start > st->queries[st->count - 1].addr)
		return 0;
	i = query_lower_bound(st->queries, st->count, sym.start);
	if (type == STT_NOTYPE && is_marker(s, &sym))
		return 0;
	hit = &st->hits[i];
	if (sym.start > hit->floor)
		hit->floor = sym.start;
	if (sym.end > sym.start)
		offer_sized(s, &sym, i);
	else if (s->complete && (sym.start > hit->below.start ||
				 (sym.start == hit->below.start && better(s, &sym, &hit->below))))
		hit->below = sym;
	return s->work > MAX_WORK ? -E2BIG : 0;
}

static void name_best(struct scan *s, struct query *q, const struct symbol *sym)
{
	char name[DEMANGLE_MAX];

	if (image_string(s->img, s->strings, sym->name, name, sizeof(name)) == 0)
		return;
	s->st->name(s->st->ctx, q, name, sym->start);
	q->named = true;
}

static void keep_fallback(struct scan *s, const struct query *q, struct symtab_hit *hit)
{
	const struct image_section *sec;
	char name[DEMANGLE_MAX];

	if (!hit->below.valid || hit->below.start < hit->floor ||
	    hit->below.start < hit->fallback_start || hit->below.section >= s->img->section_count)
		return;
	sec = &s->img->sections[hit->below.section];
	if (q->addr < sec->header.sh_addr || q->addr - sec->header.sh_addr >= sec->header.sh_size)
		return;
	if (image_string(s->img, s->strings, hit->below.name, name, sizeof(name)) == 0)
		return;
	free(hit->fallback);
	hit->fallback = strdup(name);
	hit->fallback_start = hit->below.start;
}

/* A symbol below one query is below all later ones, too. */
static void harvest(struct scan *s)
{
	struct symtab *st = s->st;
	struct symbol below = { 0 };
	uint64_t floor = 0;

	for (size_t i = 0; i < st->count; i++) {
		struct symtab_hit *hit = &st->hits[i];

		if (hit->below.valid && (!below.valid || hit->below.start >= below.start))
			below = hit->below;
		if (hit->floor > floor)
			floor = hit->floor;
		hit->below = below;
		hit->floor = floor;
		if (st->queries[i].named)
			continue;
		if (hit->best.valid)
			name_best(s, &st->queries[i], &hit->best);
		else
			keep_fallback(s, &st->queries[i], hit);
	}
}

int symtab_scan(struct symtab *st, const struct image *img, const struct image_section *table)
{
	struct scan s = { .st = st, .img = img };
	int err;

	if (st->count == 0 || table->header.sh_link >= img->section_count)
		return 0;
	s.strings = &img->sections[table->header.sh_link];
	s.complete = table->header.sh_type == SHT_SYMTAB;
	for (size_t i = 0; i < st->count; i++) {
		st->hits[i].best = st->hits[i].below = (struct symbol){ 0 };
		st->hits[i].floor = 0;
	}
	err = image_each_symbol(img, table, visit, &s);
	harvest(&s);
	return err == -ENOMEM ? err : 0;
}

void symtab_finish(struct symtab *st)
{
	for (size_t i = 0; i < st->count; i++) {
		if (st->queries[i].named || st->hits[i].fallback == NULL)
			continue;
		st->name(st->ctx, &st->queries[i], st->hits[i].fallback,
			 st->hits[i].fallback_start);
		st->queries[i].named = true;
	}
}
