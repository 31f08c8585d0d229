/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map64.h"
#include "symbolize/dwarf_file.h"

#define MAX_DEPTH 256	     /* of nested entries */
#define MAX_SCOPE 2000	     /* bytes of a name's scopes */
#define MAX_DIES  200000000u /* looked at in one file */

/* What stands at one query. */
struct spot {
	Dwarf_Off function;		      /* its entry; 0 = none */
	Dwarf_Off calls[DWARF_MAX_LINES - 1]; /* inlined, outermost first */
	uint32_t call_count;
};

struct walk {
	const struct query *q;
	size_t n;
	bool lines;
	Dwarf *dw;
	Dwarf_Die unit;
	bool skip_classes;	/* where definitions stand outside of them */
	bool scoped;		/* functions stand in namespaces or classes */
	struct map64 qualified; /* entry → name, NULL-free */
	struct arena names;
	struct spot *spots;
	uint64_t dies;
	dwarf_lines_fn tell;
	void *ctx;
};

typedef void (*covered_fn)(struct walk *w, size_t i, Dwarf_Die *die);

/* Calls covered for each query in the entry's ranges; whether there is one. */
static bool each_covered(struct walk *w, Dwarf_Die *die, covered_fn covered)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	bool any = false;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		if (++w->dies > MAX_DIES)
			return any;
		for (size_t i = query_lower_bound(w->q, w->n, start);
		     i < w->n && w->q[i].addr < end; i++) {
			any = true;
			if (covered)
				covered(w, i, die);
			else
				return true;
		}
	}
	return any;
}

static void take_function(struct walk *w, size_t i, Dwarf_Die *die)
{
	w->spots[i] = (struct spot){ .function = dwarf_dieoffset(die) };
}

static void take_call(struct walk *w, size_t i, Dwarf_Die *die)
{
	struct spot *s = &w->spots[i];

	if (s->function != 0 && s->call_count < DWARF_MAX_LINES - 1)
		s->calls[s->call_count++] = dwarf_dieoffset(die);
}

/* Inside a function: calls nest, directly or through blocks. */
static void walk_calls(struct walk *w, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_inlined_subroutine:
			if (each_covered(w, &die, take_call))
				walk_calls(w, &die, depth + 1);
			break;
		case DW_TAG_lexical_block:
		case DW_TAG_try_block:
		case DW_TAG_catch_block:
			if (each_covered(w, &die, NULL))
				walk_calls(w, &die, depth + 1);
			break;
		default: break;
		}
	} while (++w->dies < MAX_DIES && dwarf_siblingof(&die, &die) == 0);
}

/* Functions stand in the unit, in namespaces, and in some languages in types. */
static void walk_functions(struct walk *w, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			if (each_covered(w, &die, take_function))
				walk_calls(w, &die, depth + 1);
			break;
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type:
			if (w->skip_classes)
				break;
			/* fall through */
		case DW_TAG_namespace:
		case DW_TAG_module: walk_functions(w, &die, depth + 1); break;
		default: break;
		}
	} while (++w->dies < MAX_DIES && dwarf_siblingof(&die, &die) == 0);
}

/* ── telling ────────────────────────────────────────────────────────────────────────────────── */

/* The entry that declares what this one is an instance of. */
static void to_origin(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	for (int hops = 0; hops < 8; hops++)
		if ((!dwarf_attr(die, DW_AT_abstract_origin, &attr) &&
		     !dwarf_attr(die, DW_AT_specification, &attr)) ||
		    !dwarf_formref_die(&attr, die))
			return;
}

static bool is_scope(Dwarf_Die *die)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_namespace:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type: return true;
	default: return false;
	}
}

/* "app::Engine::turn" from the names of the entries around it. Finding those means walking the unit
 * from its start: done once for each function. */
static const char *qualify(struct walk *w, Dwarf_Die *die, const char *name)
{
	struct buf b = BUF_INIT;
	Dwarf_Die *scopes = NULL;
	const char *text = name;
	int n = dwarf_getscopes_die(die, &scopes);

	for (int i = n - 1; i > 0; i--) {
		const char *scope = is_scope(&scopes[i]) ? dwarf_diename(&scopes[i]) : NULL;

		if (scope || dwarf_tag(&scopes[i]) == DW_TAG_namespace)
			buf_printf(&b, "%.1000s::", scope ? scope : "(anonymous namespace)");
	}
	if (b.len > 0 && b.len < MAX_SCOPE) {
		buf_addstr(&b, name);
		if (!b.failed)
			text = arena_strndup(&w->names, b.data, b.len);
	}
	buf_release(&b);
	free(scopes);
	return text ? text : name;
}

/* Functions that only their own file knows have no linkage name, and thereby no scope in it. */
static const char *plain_name(struct walk *w, const Dwarf_Die *instance)
{
	Dwarf_Die die = *instance;
	const char *name;
	uint64_t *known;

	to_origin(&die);
	name = dwarf_diename(&die);
	known = name && w->scoped ? map64_at(&w->qualified, dwarf_dieoffset(&die) + 1) : NULL;
	if (!known)
		return name;
	if (!*known)
		*known = (uint64_t)(uintptr_t)qualify(w, &die, name);
	return (const char *)(uintptr_t)*known; // NOLINT(performance-no-int-to-ptr)
}

static const char *function_name(struct walk *w, Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		return dwarf_formstring(&attr);
	return plain_name(w, die);
}

static uint32_t number(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Word value = 0;

	if (dwarf_attr(die, name, &attr) == NULL || dwarf_formudata(&attr, &value) != 0)
		return 0;
	return value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* Where the call stands: a line of the function that it was inlined into. */
static void call_site(struct walk *w, Dwarf_Die *call, struct dwarf_line *ret_line)
{
	Dwarf_Files *files;
	size_t count;
	uint32_t file = number(call, DW_AT_call_file);

	ret_line->line = number(call, DW_AT_call_line);
	if (dwarf_getsrcfiles(&w->unit, &files, &count) == 0 && file < count)
		ret_line->file = dwarf_filesrc(files, file, NULL, NULL);
}

static void address_site(struct walk *w, uint64_t addr, struct dwarf_line *ret_line)
{
	Dwarf_Line *line = dwarf_getsrc_die(&w->unit, addr);
	int number = 0;

	if (line == NULL || dwarf_lineno(line, &number) != 0)
		return;
	ret_line->line = number > 0 ? (uint32_t)number : 0;
	ret_line->file = dwarf_linesrc(line, NULL, NULL);
}

/* Each function's line is where the next inner one was called; the innermost one's is the address's. */
static void tell_spot(struct walk *w, size_t i)
{
	const struct spot *s = &w->spots[i];
	struct dwarf_line lines[DWARF_MAX_LINES] = { 0 };
	size_t n = 0;
	Dwarf_Die die;

	if (w->lines)
		address_site(w, w->q[i].addr, &lines[0]);
	for (uint32_t c = s->call_count; c-- > 0; n++) {
		if (dwarf_offdie(w->dw, s->calls[c], &die) == NULL)
			continue;
		lines[n].function = function_name(w, &die);
		lines[n].inlined = true;
		if (w->lines)
			call_site(w, &die, &lines[n + 1]);
	}
	if (dwarf_offdie(w->dw, s->function, &die) != NULL)
		lines[n].function = function_name(w, &die);
	w->tell(w->ctx, &w->q[i], lines, n + 1);
}

static void tell_unit(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->spots[i].function == 0)
			continue;
		tell_spot(w, i);
		w->spots[i].function = 0;
	}
}

/* ── units ──────────────────────────────────────────────────────────────────────────────────── */

static bool is_c(int language)
{
	return language == DW_LANG_C || language == DW_LANG_C89 || language == DW_LANG_C99 ||
	       language == DW_LANG_C11;
}

static bool is_cpp(int language)
{
	return language == DW_LANG_C_plus_plus || language == DW_LANG_C_plus_plus_03 ||
	       language == DW_LANG_C_plus_plus_11 || language == DW_LANG_C_plus_plus_14;
}

static void take_language(struct walk *w)
{
	int language = dwarf_srclang(&w->unit);

	w->skip_classes = is_c(language) || is_cpp(language);
	w->scoped = !is_c(language);
}

static void walk_units(struct walk *w)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die sub;
	uint8_t type;

	while (dwarf_get_units(w->dw, cu, &cu, NULL, &type, &w->unit, &sub) == 0) {
		if (++w->dies > MAX_DIES)
			return;
		if (type != DW_UT_compile || !each_covered(w, &w->unit, NULL))
			continue;
		take_language(w);
		walk_functions(w, &w->unit, 0);
		tell_unit(w);
	}
}

int dwarf_lookup(int fd, int alt_fd, const struct query *q, size_t n, bool lines,
		 dwarf_lines_fn tell, void *ctx)
{
	struct walk w = { .q = q, .n = n, .lines = lines, .tell = tell, .ctx = ctx };
	struct dwarf_file file, alt = { 0 };
	int err = -ENOENT;

	if (dwarf_file_open(&file, fd, lines) && alt_fd >= 0 &&
	    dwarf_file_open(&alt, alt_fd, lines))
		dwarf_setalt(file.dw, alt.dw);
	w.dw = file.dw;
	w.spots = calloc(n + 1, sizeof(*w.spots));
	if (w.dw != NULL)
		err = w.spots != NULL ? 0 : -ENOMEM;
	if (err == 0)
		walk_units(&w);
	free(w.spots);
	map64_release(&w.qualified);
	arena_release(&w.names);
	dwarf_file_close(&file);
	dwarf_file_close(&alt);
	return err;
}
