/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/plt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/demangle.h"
#include "symbolize/image.h"

#define MAX_STUB 16

/* [endbr64] [bnd] jmp *disp32(%rip) */
static bool slot_x86(const struct image *img, const struct image_section *sec, uint64_t addr,
		     uint64_t *ret_slot)
{
	size_t entry = sec->header.sh_entsize == 8 ? 8 : MAX_STUB;
	uint64_t at = (addr - sec->header.sh_addr) / entry * entry;
	unsigned char code[MAX_STUB] = { 0 };
	int32_t disp;

	if (image_read(img, sec->header.sh_offset + at, code, entry) != (ssize_t)entry)
		return false;
	for (size_t i = 0; i + 6 <= entry; i++) {
		if (code[i] != 0xff || code[i + 1] != 0x25)
			continue;
		memcpy(&disp, code + i + 2, sizeof(disp));
		*ret_slot = sec->header.sh_addr + at + i + 6 + (uint64_t)(int64_t)disp;
		return true;
	}
	return false;
}

/* adrp x16, page; ldr x17, [x16, #offset]: looked for backwards from the address. */
static bool slot_arm64(const struct image *img, const struct image_section *sec, uint64_t addr,
		       uint64_t *ret_slot)
{
	uint64_t at = (addr - sec->header.sh_addr) & ~3ull;

	for (int back = 0; back < 5; back++, at -= 4) {
		uint64_t pc = sec->header.sh_addr + at, page;
		uint32_t code[2];

		if (image_read(img, sec->header.sh_offset + at, code, 8) != 8)
			return false;
		if ((code[0] & 0x9f00001f) == 0x90000010 && (code[1] & 0xffc003ff) == 0xf9400211) {
			page = (uint64_t)(code[0] >> 29 & 3) | (uint64_t)(code[0] >> 5 & 0x7ffff)
								       << 2;
			if ((page & (1u << 20)) != 0)
				page |= ~((1ull << 21) - 1);
			*ret_slot = (pc & ~0xfffull) + (page << 12) + (code[1] >> 10 & 0xfff) * 8;
			return true;
		}
		if (at < 4)
			break;
	}
	return false;
}

static bool slot_of(const struct image *img, const struct query *q, unsigned machine,
		    uint64_t *ret_slot)
{
	const struct image_section *sec = image_section_at(img, q->addr);

	if (q->named || sec == NULL || strncmp(sec->name, ".plt", 4) != 0)
		return false;
	if (machine == EM_X86_64)
		return slot_x86(img, sec, q->addr, ret_slot);
	if (machine == EM_AARCH64)
		return slot_arm64(img, sec, q->addr, ret_slot);
	return false;
}

struct slots {
	const struct image *img;
	const struct image_section *symbols; /* of the relocations being visited */
	struct query *q;
	struct query *slots; /* addr = slot, id = index into q */
	size_t count;
	symtab_name_fn name;
	void *ctx;
};

static void name_slot(struct slots *s, struct query *q, const GElf_Rela *rel)
{
	char symbol[DEMANGLE_MAX];
	uint64_t strings = s->symbols->header.sh_link;
	GElf_Sym sym;
	size_t len;

	if (q->named || strings >= s->img->section_count ||
	    !image_symbol(s->img, s->symbols, GELF_R_SYM(rel->r_info), &sym) || sym.st_name == 0)
		return;
	len = image_string(s->img, &s->img->sections[strings], sym.st_name, symbol,
			   sizeof(symbol) - sizeof("@plt"));
	if (len == 0)
		return;
	memcpy(symbol + len, "@plt", sizeof("@plt"));
	s->name(s->ctx, q, symbol, q->addr);
	q->named = true;
}

static int visit(void *ctx, const GElf_Rela *rel)
{
	struct slots *s = ctx;

	for (size_t i = query_lower_bound(s->slots, s->count, rel->r_offset);
	     i < s->count && s->slots[i].addr == rel->r_offset; i++)
		name_slot(s, &s->q[s->slots[i].id], rel);
	return 0;
}

static void each_table(struct slots *s, uint32_t type)
{
	const struct image_section *table = NULL;

	while ((table = image_section_of_type(s->img, type, table)) != NULL) {
		if ((table->header.sh_flags & SHF_ALLOC) == 0 ||
		    table->header.sh_link >= s->img->section_count)
			continue;
		s->symbols = &s->img->sections[table->header.sh_link];
		image_each_reloc(s->img, table, visit, s);
	}
}

int plt_names(const struct image *img, struct query *q, size_t n, symtab_name_fn name, void *ctx)
{
	struct slots s = { .img = img, .q = q, .name = name, .ctx = ctx };
	GElf_Ehdr eh;

	if (gelf_getehdr(img->elf, &eh) == NULL)
		return 0;
	s.slots = calloc(n + 1, sizeof(*s.slots));
	if (s.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct query *slot = &s.slots[s.count];

		if (slot_of(img, &q[i], eh.e_machine, &slot->addr)) {
			slot->id = (uint32_t)i;
			s.count++;
		}
	}
	if (s.count > 0) {
		query_sort(s.slots, s.count);
		each_table(&s, SHT_RELA);
		each_table(&s, SHT_REL);
	}
	free(s.slots);
	return 0;
}
