// SPDX-License-Identifier: BSD-2-Clause
#include "saved.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include "fake_bpf.h"

#define AROUND	 2 /* rows before and behind the one that is found */
#define MEMORY	 (1U << 20)
#define X	 "%" PRIx64
#define SP	 7
#define MAX_ROWS 4096

/* ── writing ────────────────────────────────────────────────────────────────────────────────── */

struct wanted {
	uint32_t object, page, row; /* row: index in the page */
};

struct wanted_rows {
	struct wanted list[MAX_ROWS];
	size_t count;
};

static struct tprof_page *page_of(const struct walk *w, uint32_t object, uint64_t offset)
{
	const struct tprof_object *o = fake_map_at(w->objects_fd, object);
	uint64_t index = (offset >> TPROF_TEXT_PAGE_SHIFT) - o->base;
	union tprof_chunk *chunk;

	if (!(o->flags & TPROF_OBJECT_LOADED) || index >= o->pages)
		return NULL;
	index += o->first;
	chunk = fake_map_at(w->chunks_fd, o->chunk + (uint32_t)(index / TPROF_CHUNK_PAGES));
	return chunk ? &chunk->pages[index % TPROF_CHUNK_PAGES] : NULL;
}

static const struct tprof_row *rows_of(const struct walk *w, const struct tprof_page *p)
{
	const union tprof_chunk *chunk = fake_map_at(w->chunks_fd, p->chunk);

	return &chunk->rows[p->first];
}

static int by_place(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if (x->page != y->page)
		return x->page < y->page ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static void want(struct wanted_rows *rows, const struct walk *w, uint64_t pc)
{
	for (size_t i = 0; i < w->mapping_count; i++) {
		const struct walk_mapping *m = &w->mappings[i];
		uint64_t offset = pc - m->start + m->offset;
		const struct tprof_page *p;
		uint32_t n = 0;

		if (pc < m->start || pc >= m->end || !m->object)
			continue;
		p = page_of(w, m->object, offset);
		while (p && n < p->count && rows_of(w, p)[n].pc <= (offset & TPROF_TEXT_PAGE_MASK))
			n++;
		for (uint32_t row = n > AROUND ? n - AROUND : 0;
		     p && row < p->count && row < n + AROUND && rows->count < MAX_ROWS; row++)
			rows->list[rows->count++] =
				(struct wanted){ m->object,
						 (uint32_t)(offset >> TPROF_TEXT_PAGE_SHIFT), row };
	}
}

static void write_rule(FILE *f, const struct walk *w, uint16_t index)
{
	const struct tprof_rule *r = fake_map_at(w->rules_fd, index);

	fprintf(f, "%u %u %u %u %d %d %d %d %d\n", r->cfa, r->fp, r->reg, r->ra, r->offset,
		r->extra, r->ra_offset, r->fp_offset, r->base_offset);
}

static void write_tables(FILE *f, const struct walk *w)
{
	struct wanted_rows *rows = calloc(1, sizeof(*rows));
	const struct wanted *before = NULL;

	for (size_t i = 0; rows && i < w->frames; i++)
		want(rows, w, w->pcs[i]);
	qsort(rows->list, rows->count, sizeof(rows->list[0]), by_place);
	for (size_t i = 0; i < rows->count; i++) {
		const struct wanted *r = &rows->list[i];
		const struct tprof_page *p =
			page_of(w, r->object, (uint64_t)r->page << TPROF_TEXT_PAGE_SHIFT);

		if (before && !memcmp(before, r, sizeof(*r)))
			continue;
		if (!before || before->object != r->object || before->page != r->page) {
			fprintf(f, "page %u %u ", r->object, r->page);
			write_rule(f, w, p->before);
		}
		fprintf(f, "row %u ", rows_of(w, p)[r->row].pc);
		write_rule(f, w, rows_of(w, p)[r->row].rule);
		before = r;
	}
	free(rows);
}

static void write_memory(FILE *f, const struct walk_memory *m, uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to && at - m->start + 8 <= m->size; at += 8) {
		uint64_t value;

		memcpy(&value, m->bytes + (at - m->start), 8);
		if ((at - from) % 64 == 0)
			fprintf(f, "%smemory " X, at == from ? "" : "\n", at);
		fprintf(f, " " X, value);
	}
	fputs("\n", f);
}

/* Some bytes below the stack pointer, and as far up as the walk has read, and a little. */
static void write_memories(FILE *f, const struct traced *t)
{
	const struct walk *w = &t->walk;

	for (size_t i = 0; i < w->memory_count; i++) {
		const struct walk_memory *m = &w->memory[i];
		uint64_t from = (m->start + TRACED_BELOW - 256) & ~7ULL, to = m->read_end + 64;

		if (m->bytes == w->code)
			write_memory(f, m, m->start, m->start + m->size);
		else if (m->read_end)
			write_memory(f, m, from, to);
	}
}

void saved_write(FILE *f, const struct traced *t, const uint64_t *known, size_t count,
		 const char *title)
{
	const struct walk *w = &t->walk;

	fprintf(f, "# %s\nregisters", title);
	for (size_t i = 0; i < WALK_REGISTERS; i++)
		fprintf(f, " " X, w->registers[i]);
	fputs("\n", f);
	for (size_t i = 0; i < w->mapping_count; i++) {
		const struct walk_mapping *m = &w->mappings[i];
		bool used = false;

		for (size_t n = 0; n < w->frames; n++)
			used |= w->pcs[n] >= m->start && w->pcs[n] < m->end;
		if (used)
			fprintf(f, "mapping " X " " X " " X " %u # %s\n", m->start, m->end,
				m->offset, m->object,
				m->object ? t->files[m->object - 1].path : "JIT");
	}
	write_tables(f, w);
	write_memories(f, t);
	for (size_t i = 0; i < count; i++)
		fprintf(f, "frame " X "\n", known[i]);
}

/* ── reading ────────────────────────────────────────────────────────────────────────────────── */

struct reading {
	struct saved *s;
	uint32_t pages, rows, rules; /* taken of the two chunks and the rules */
	struct tprof_page *page;
};

/* Page tables in chunk 0, rows in chunk 1. */
static union tprof_chunk *chunk_at(struct reading *r, uint32_t index)
{
	return fake_map_at(r->s->walk.chunks_fd, index);
}

static int read_rule(struct reading *r, const char *text, uint16_t *ret_index)
{
	struct tprof_rule *rule = fake_map_at(r->s->walk.rules_fd, r->rules);
	int v[9];

	if (sscanf(text, "%d %d %d %d %d %d %d %d %d", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &v[6], &v[7], &v[8]) != 9)
		return -1;
	*rule = (struct tprof_rule){
		.cfa = (uint8_t)v[0],
		.fp = (uint8_t)v[1],
		.reg = (uint8_t)v[2],
		.ra = (uint8_t)v[3],
		.offset = v[4],
		.extra = (int16_t)v[5],
		.ra_offset = (int16_t)v[6],
		.fp_offset = (int16_t)v[7],
		.base_offset = (int16_t)v[8],
	};
	*ret_index = (uint16_t)r->rules++;
	return 0;
}

/* Pages of an object come in ascending order: its page table grows up to this one. */
static int read_page(struct reading *r, const char *text)
{
	uint32_t object, page, n;
	struct tprof_object *o;
	uint16_t rule;

	if (sscanf(text, "%" SCNu32 " %" SCNu32 " %n", &object, &page, &n) != 2 ||
	    read_rule(r, text + n, &rule))
		return -1;
	o = fake_map_at(r->s->walk.objects_fd, object);
	if (!o || page < o->base)
		return -1;
	if (!o->flags)
		*o = (struct tprof_object){ .first = r->pages,
					    .base = page,
					    .flags = TPROF_OBJECT_LOADED };
	r->pages += page + 1 - o->base - o->pages;
	o->pages = page + 1 - o->base;
	if (r->pages > TPROF_CHUNK_PAGES)
		return -1;
	r->page = &chunk_at(r, 0)->pages[o->first + o->pages - 1];
	*r->page = (struct tprof_page){ .chunk = 1, .first = (uint16_t)r->rows, .before = rule };
	return 0;
}

static int read_row(struct reading *r, const char *text)
{
	uint32_t pc, n;
	uint16_t rule;

	if (!r->page || sscanf(text, "%" SCNu32 " %n", &pc, &n) != 1 ||
	    read_rule(r, text + n, &rule) || r->rows >= TPROF_CHUNK_ROWS)
		return -1;
	chunk_at(r, 1)->rows[r->rows++] = (struct tprof_row){ .pc = (uint16_t)pc, .rule = rule };
	r->page->count++;
	return 0;
}

/* Lines that go on where the one before ended are one piece. */
static int read_memory(struct reading *r, char *text)
{
	struct walk *w = &r->s->walk;
	struct walk_memory *m = w->memory_count ? &w->memory[w->memory_count - 1] : NULL;
	uint8_t *to = m ? (uint8_t *)m->bytes + m->size : r->s->bytes;
	uint64_t at = strtoull(text, &text, 16);

	if (!m || m->start + m->size != at) {
		if (w->memory_count == sizeof(w->memory) / sizeof(w->memory[0]))
			return -1;
		m = &w->memory[w->memory_count++];
		*m = (struct walk_memory){ .start = at, .bytes = to };
	}
	while (*text == ' ' && to + 8 <= (uint8_t *)r->s->bytes + MEMORY) {
		uint64_t value = strtoull(text, &text, 16);

		memcpy(to, &value, 8);
		to += 8;
		m->size += 8;
	}
	return *text == '\n' ? 0 : -1;
}

static int read_mapping(struct reading *r, const char *text)
{
	struct walk *w = &r->s->walk;
	struct walk_mapping *m = &w->mappings[w->mapping_count];

	if (w->mapping_count == WALK_MAPPINGS)
		return -1;
	w->mapping_count++;
	return sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNu32, &m->start, &m->end,
		      &m->offset, &m->object) == 4
		       ? 0
		       : -1;
}

static int read_registers(struct reading *r, char *text)
{
	for (size_t i = 0; i < WALK_REGISTERS; i++)
		r->s->walk.registers[i] = strtoull(text, &text, 16);
	return *text == '\n' ? 0 : -1;
}

static int read_frame(struct reading *r, const char *text)
{
	if (r->s->count == TPROF_MAX_USER_FRAMES)
		return -1;
	r->s->known[r->s->count++] = strtoull(text, NULL, 16);
	return 0;
}

static int read_line(struct reading *r, char *line)
{
	char *text = strchr(line, ' ');

	if (*line == '#')
		return 0;
	if (!text)
		return -1;
	*text++ = '\0';
	if (!strcmp(line, "registers"))
		return read_registers(r, text);
	if (!strcmp(line, "mapping"))
		return read_mapping(r, text);
	if (!strcmp(line, "page"))
		return read_page(r, text);
	if (!strcmp(line, "row"))
		return read_row(r, text);
	if (!strcmp(line, "memory"))
		return read_memory(r, text);
	return strcmp(line, "frame") ? -1 : read_frame(r, text);
}

int saved_read(struct saved *s, FILE *f)
{
	struct reading r = { .s = s };
	struct unwind_tables *none;
	char line[4096];

	*s = (struct saved){ .bytes = malloc(MEMORY) };
	walk_open(&s->walk, &none, 0);
	unwind_tables_free(none);
	for (uint32_t i = 0; i < 2; i++) {
		int fd = fake_map(TPROF_CHUNK_SIZE, 1);

		bpf_map_update_elem(s->walk.chunks_fd, &i, &fd, 0);
	}
	for (int n = 1; fgets(line, sizeof(line), f); n++) {
		if (read_line(&r, line))
			return n;
	}
	return 0;
}

void saved_release(struct saved *s)
{
	free(s->bytes);
	fake_reset();
}
