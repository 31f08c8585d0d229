/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/gopclntab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/demangle.h"
#include "symbolize/image.h"

#define MAX_FUNCTIONS (8u << 20)
#define CHUNK	      8192 /* entries of the function table read at once */

/*
 *	header     magic, sizes, offsets of the parts below
 *	functab    nfunc × (entry, offset of its func), sorted, then the end of the last one
 *	func       entry, offset of its name, …
 *	names      NUL-terminated
 */
enum go_layout { GO_1_16, GO_1_18 };

struct pclntab {
	const struct image *img;
	uint64_t at, size; /* in the file */
	enum go_layout layout;
	uint64_t functions, text, names, functab; /* the last two from the table's start */
	size_t field;				  /* bytes of one number of the functab */
};

static bool read_header(const struct image *img, const struct image_section *s,
			struct pclntab *ret_table)
{
	uint64_t words[8] = { 0 };
	struct pclntab t = { .img = img, .at = s->header.sh_offset, .size = s->header.sh_size };
	uint32_t magic;
	char head[8];

	if (image_read(img, t.at, head, sizeof(head)) != sizeof(head) ||
	    image_read(img, t.at + 8, words, sizeof(words)) != sizeof(words))
		return false;
	memcpy(&magic, head, sizeof(magic));
	/* 32-bit programs are told from others by the pointer size, and passed over */
	if (head[4] != 0 || head[5] != 0 || head[7] != 8)
		return false;
	t.functions = words[0];
	switch (magic) {
	case 0xfffffffa:
		t.layout = GO_1_16;
		t.names = words[2];
		t.functab = words[6];
		t.field = 8;
		break;
	case 0xfffffff0:
	case 0xfffffff1:
		t.layout = GO_1_18;
		t.text = words[2];
		t.names = words[3];
		t.functab = words[7];
		t.field = 4;
		break;
	default: return false;
	}
	*ret_table = t;
	return t.functions <= MAX_FUNCTIONS && t.names < t.size && t.functab < t.size;
}

static const struct image_section *find_section(const struct image *img)
{
	const struct image_section *s = image_section(img, ".gopclntab");

	return s != NULL ? s : image_section(img, ".data.rel.ro.gopclntab");
}

struct text_start {
	uint64_t slot, value;
};

static int take_relocation(void *ctx, const GElf_Rela *rel)
{
	struct text_start *t = ctx;

	if (rel->r_offset != t->slot)
		return 0;
	t->value = (uint64_t)rel->r_addend;
	return 1;
}

/* In a position independent program the header's text start is filled in when it is loaded. */
static uint64_t relocated_text(const struct image *img, const struct image_section *pclntab)
{
	struct text_start t = { .slot = pclntab->header.sh_addr + 24 };
	const struct image_section *s = NULL;

	while ((s = image_section_of_type(img, SHT_RELA, s)) != NULL)
		if (image_each_reloc(img, s, take_relocation, &t) == 1)
			return t.value;
	s = image_section(img, ".text");
	return s != NULL ? s->header.sh_addr : 0;
}

static uint64_t field_at(const struct pclntab *t, const char *bytes)
{
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (t->field == 8) {
		memcpy(&wide, bytes, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, bytes, sizeof(narrow));
	return narrow;
}

/* The name of the function whose func stands at this offset from the functab. */
static size_t read_name(const struct pclntab *t, uint64_t func, char *name, size_t cap)
{
	uint64_t at = t->functab + func + (t->layout == GO_1_16 ? 8 : 4);
	uint32_t offset;
	ssize_t n;

	if (func > t->size || at + 4 > t->size ||
	    image_read(t->img, t->at + at, &offset, sizeof(offset)) != sizeof(offset) ||
	    offset >= t->size - t->names)
		return 0;
	n = image_read(t->img, t->at + t->names + offset, name, cap - 1);
	name[n > 0 ? n : 0] = '\0';
	return strlen(name);
}

struct go_namer {
	const struct pclntab *t;
	struct query *q;
	size_t n;
	symtab_name_fn name;
	void *ctx;
};

static void name_range(struct go_namer *g, uint64_t start, uint64_t end, uint64_t func)
{
	char name[DEMANGLE_MAX];

	for (size_t i = query_lower_bound(g->q, g->n, start); i < g->n && g->q[i].addr < end; i++) {
		if (g->q[i].named || read_name(g->t, func, name, sizeof(name)) == 0)
			continue;
		g->name(g->ctx, &g->q[i], name, start);
		g->q[i].named = true;
	}
}

/* Chunks overlap by one entry: a function ends where the next one begins. */
static int walk_functab(struct go_namer *g)
{
	const struct pclntab *t = g->t;
	size_t pair = 2 * t->field;
	char *bytes = malloc(pair * (CHUNK + 1));

	if (bytes == NULL)
		return -ENOMEM;
	for (uint64_t first = 0; first < t->functions; first += CHUNK) {
		uint64_t left = t->functions - first, count = left < CHUNK ? left : CHUNK;
		size_t want = (size_t)count * pair + t->field;

		if (t->functab + first * pair + want > t->size ||
		    image_read(t->img, t->at + t->functab + first * pair, bytes, want) !=
			    (ssize_t)want)
			break;
		for (uint64_t i = 0; i < count; i++) {
			const char *at = bytes + i * pair;

			name_range(g, t->text + field_at(t, at), t->text + field_at(t, at + pair),
				   field_at(t, at + t->field));
		}
	}
	free(bytes);
	return 0;
}

int gopclntab_names(const struct image *img, struct query *q, size_t n, symtab_name_fn name,
		    void *ctx)
{
	const struct image_section *s = find_section(img);
	struct pclntab t;
	struct go_namer g = { .t = &t, .q = q, .n = n, .name = name, .ctx = ctx };

	if (s == NULL || !img->is64 || !read_header(img, s, &t))
		return 0;
	if (t.layout == GO_1_18 && t.text == 0)
		t.text = relocated_text(img, s);
	return walk_functab(&g);
}
