// SPDX-License-Identifier: BSD-2-Clause
#include "collect/cfi.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/diag.h"
#include "collect/cfi_file.h"
#include "collect/cfi_rows.h"

#define MAX_ROWS  (64UL << 20)
#define MAX_RULES 65535
#define MAX_FDES  (16UL << 20)

/* ── rows and rules ─────────────────────────────────────────────────────────────────────────── */

struct sought {
	const struct cfi *c;
	const struct tprof_rule *rule;
};

static bool same_rule(const void *ctx, uint32_t id)
{
	const struct sought *s = ctx;

	return !memcmp(&s->c->rules[id - 1], s->rule, sizeof(*s->rule));
}

/* The rule's index, or -ENOMEM. */
static int64_t intern(struct cfi *c, const struct tprof_rule *rule)
{
	struct sought s = { .c = c, .rule = rule };
	uint64_t hash = hash_bytes(rule, sizeof(*rule), 0);
	uint32_t id = map_find(&c->rule_index, hash, same_rule, &s);
	struct tprof_rule full;

	if (id)
		return id - 1;
	if (c->rule_count >= MAX_RULES) {
		full = cfi_rule_unsupported(CFI_NO_ROOM);
		return c->rule_count == MAX_RULES ? -E2BIG : intern(c, &full);
	}
	if (array_room(&c->rules, c->rule_count, &c->rule_capacity, sizeof(*c->rules)))
		return -ENOMEM;
	c->rules[c->rule_count++] = *rule;
	if (map_insert(&c->rule_index, hash, (uint32_t)c->rule_count))
		return -ENOMEM;
	return (int64_t)c->rule_count - 1;
}

int cfi_add_row(struct cfi *c, uint64_t pc, const struct tprof_rule *rule)
{
	struct tprof_rule root = *rule;
	struct cfi_row *last = c->count ? &c->rows[c->count - 1] : NULL;
	int64_t index;

	if (root.cfa == TPROF_CFA_ROOT) /* becomes the file offset in the end; keeps roots apart */
		root.offset = (int32_t)pc;
	index = intern(c, &root);
	if (index < 0)
		return (int)index;
	if (last && last->pc == pc) {
		last->rule = (uint32_t)index;
		return 0;
	}
	if (last && last->rule == (uint32_t)index)
		return 0;
	if (c->count >= MAX_ROWS)
		return -E2BIG;
	if (array_room(&c->rows, c->count, &c->capacity, sizeof(*c->rows)))
		return -ENOMEM;
	c->rows[c->count++] = (struct cfi_row){ .pc = pc, .rule = (uint32_t)index };
	return 0;
}

/* ── from the section to sorted FDEs ────────────────────────────────────────────────────────── */

struct cie {
	uint64_t offset; /* in the section */
	struct cfi_program program;
	bool bad, augmented; /* augmented: FDEs have augmentation data, too */
};

struct fde {
	uint64_t start, end;
	uint32_t cie; /* index */
	uint32_t order;
	const uint8_t *code, *code_end;
	uint64_t address; /* where code is loaded */
};

struct reader {
	struct cfi *c;
	Elf_Data *data; /* of the section that is read */
	uint64_t data_address;
	struct cfi_file *f;
	struct cie *cies;
	size_t cie_first; /* of this section */
	size_t cie_count, cie_capacity;
	struct fde *fdes;
	size_t fde_count, fde_capacity;
};

static uint64_t address_of(const struct reader *r, const uint8_t *p)
{
	return r->data_address + (uint64_t)(p - (const uint8_t *)r->data->d_buf);
}

/* The augmentation, after 'z': P personality, L language data, R encoding of addresses, S signal
 * frame, B arm64 key. */
static void read_augmentation(const Dwarf_CIE *in, struct cie *ret)
{
	struct cfi_bytes b = { .at = in->augmentation_data,
			       .end = in->augmentation_data + in->augmentation_data_size };
	const char *a = in->augmentation ? in->augmentation : "";

	if (*a != 'z') {
		ret->bad = *a != '\0';
		return;
	}
	ret->augmented = true;
	for (a++; *a && !b.bad; a++) {
		switch (*a) {
		case 'P': {
			uint8_t encoding = (uint8_t)cfi_fixed(&b, 1);

			if (encoding == DW_EH_PE_aligned)
				b.bad = true;
			else /* its value does not matter, its length does */
				cfi_pointer(&b, encoding & 0x0f, 0);
			break;
		}
		case 'L': cfi_fixed(&b, 1); break;
		case 'R': ret->program.encoding = (uint8_t)cfi_fixed(&b, 1); break;
		case 'S': ret->program.signal = true; break;
		case 'B':
		case 'G': break;
		default: a += strlen(a) - 1; break; /* the rest is not known, its size is */
		}
	}
	ret->bad = b.bad;
}

static int add_cie(struct reader *r, uint64_t offset, const Dwarf_CIE *in)
{
	struct cie *cie;

	if (array_room(&r->cies, r->cie_count, &r->cie_capacity, sizeof(*r->cies)))
		return -ENOMEM;
	cie = &r->cies[r->cie_count++];
	*cie = (struct cie){
		.offset = offset,
		.program = { .machine = cfi_machine(r->c->machine),
			     .code_align = in->code_alignment_factor,
			     .data_align = in->data_alignment_factor,
			     .ra = in->return_address_register,
			     .initial = { .at = in->initial_instructions,
					  .end = in->initial_instructions_end } },
	};
	read_augmentation(in, cie);
	return 0;
}

/* CIEs come in ascending order; FDEs mostly follow theirs. */
static const struct cie *find_cie(const struct reader *r, uint64_t offset)
{
	size_t low = r->cie_first, high = r->cie_count;

	if (high > low && r->cies[high - 1].offset == offset)
		return &r->cies[high - 1];
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->cies[middle].offset == offset)
			return &r->cies[middle];
		if (r->cies[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool parse_fde(const struct reader *r, const Dwarf_FDE *in, struct fde *ret)
{
	struct cfi_bytes b = { .at = in->start, .end = in->end };
	const struct cie *cie = find_cie(r, in->CIE_pointer);

	if (cie == NULL || cie->bad)
		return false;
	ret->cie = (uint32_t)(cie - r->cies);
	ret->start = cfi_pointer(&b, cie->program.encoding, address_of(r, b.at));
	ret->end = ret->start + cfi_pointer(&b, cie->program.encoding & 0x0f, 0);
	if (b.bad || ret->end <= ret->start)
		return false;
	if (r->data == r->f->debug && !ret->start) /* of code that the linker left out */
		return false;
	ret->code = b.at;
	ret->address = address_of(r, b.at);
	ret->code_end = b.end;
	return true;
}

static int add_fde(struct reader *r, const Dwarf_FDE *in)
{
	struct fde fde = { .order = (uint32_t)r->fde_count };

	r->c->fdes++;
	if (!parse_fde(r, in, &fde)) {
		r->c->bad_fdes++;
		return 0;
	}
	if (r->fde_count >= MAX_FDES)
		return -E2BIG;
	if (array_room(&r->fdes, r->fde_count, &r->fde_capacity, sizeof(*r->fdes)))
		return -ENOMEM;
	r->fdes[r->fde_count++] = fde;
	return 0;
}

static int read_section(struct reader *r, bool eh_frame)
{
	const unsigned char *ident = (const unsigned char *)r->f->header.e_ident;
	Dwarf_Off offset = 0, next = 0;
	int err = 0;

	for (; !err; offset = next) {
		Dwarf_CFI_Entry e;
		int found = dwarf_next_cfi(ident, r->data, eh_frame, offset, &next, &e);

		if (found > 0 || (found < 0 && next <= offset) || next == (Dwarf_Off)-1)
			break;
		if (found < 0) { /* this one is damaged, its length is known */
			r->c->bad_fdes++;
			continue;
		}
		if (dwarf_cfi_cie_p(&e))
			err = add_cie(r, offset, &e.cie);
		else
			err = add_fde(r, &e.fde);
	}
	return err;
}

/* What .eh_frame says goes before: it is read first. A program of a compiler without it may still have
 * some, by the C library's beginning of it. */
static int read_entries(struct reader *r)
{
	int err = 0;

	if (r->f->data) {
		r->data = r->f->data;
		r->data_address = r->f->data_address;
		err = read_section(r, true);
	}
	if (!err && r->f->debug) {
		r->data = r->f->debug;
		r->data_address = 0;
		r->cie_first = r->cie_count;
		err = read_section(r, false);
	}
	return err;
}

static int by_start(const void *a, const void *b)
{
	const struct fde *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* ── from FDEs to rows by virtual address ───────────────────────────────────────────────────── */

struct emit {
	struct cfi *c;
	const struct cfi_program *p;
	uint64_t limit; /* rows at and after it are the next FDE's */
	int err;
};

static bool emit_row(void *ctx, uint64_t address, const struct cfi_frame *f)
{
	struct emit *e = ctx;
	struct tprof_rule rule;

	if (address >= e->limit)
		return false;
	rule = cfi_rule(e->p, f);
	e->err = cfi_add_row(e->c, address, &rule);
	return !e->err;
}

/* Skips the augmentation data between an FDE's addresses and its instructions. */
static bool skip_augmentation(struct cfi_program *p)
{
	uint64_t size = cfi_uleb(&p->code);

	if (p->code.bad || size > (uint64_t)(p->code.end - p->code.at))
		return false;
	p->code.at += size;
	return true;
}

static int run_fde(struct reader *r, const struct fde *fde, uint64_t limit)
{
	struct tprof_rule malformed = cfi_rule_unsupported(CFI_NO_PROGRAM), none = { 0 };
	struct cfi_program p;
	struct emit e = { .c = r->c, .p = &p, .limit = limit };
	int err;

	if (fde->cie >= r->cie_count) /* never; the analyzer of clang-tidy wants to see it */
		return 0;
	p = r->cies[fde->cie].program;
	p.start = fde->start;
	p.end = fde->end;
	p.code = (struct cfi_bytes){ .at = fde->code, .end = fde->code_end };
	if (r->cies[fde->cie].augmented && !skip_augmentation(&p))
		return 0;
	p.code_address = fde->address + (uint64_t)(p.code.at - fde->code);
	if (!cfi_run(&p, emit_row, &e) && !e.err) {
		/* What was understood does not say where it ends: none of it is used. */
		while (r->c->count && r->c->rows[r->c->count - 1].pc > fde->start)
			r->c->count--;
		e.err = cfi_add_row(r->c, fde->start, &malformed);
	}
	err = e.err;
	if (!err && fde->end < limit)
		err = cfi_add_row(r->c, fde->end, &none);
	return err;
}

static int run_fdes(struct reader *r)
{
	struct tprof_rule none = { 0 };
	int err = cfi_add_row(r->c, 0, &none);

	if (r->fde_count)
		qsort(r->fdes, r->fde_count, sizeof(*r->fdes), by_start);
	for (size_t i = 0; i < r->fde_count && !err; i++) {
		const struct fde *fde = &r->fdes[i];
		uint64_t limit = UINT64_MAX;

		if (i && fde->start == r->fdes[i - 1].start) /* the first of equals */
			continue;
		for (size_t j = i + 1; j < r->fde_count && limit == UINT64_MAX; j++) {
			if (r->fdes[j].start > fde->start)
				limit = r->fdes[j].start;
		}
		err = run_fde(r, fde, limit);
	}
	return err;
}

/* ── from virtual addresses to file offsets ─────────────────────────────────────────────────── */

static int by_pc(const void *a, const void *b)
{
	const struct cfi_row *x = a, *y = b;

	return x->pc < y->pc ? -1 : x->pc > y->pc;
}

/* Roots carry where they stand: by file offset from here on. */
static int settle_rule(struct cfi *c, uint32_t index, uint64_t offset, uint32_t *ret_index)
{
	struct tprof_rule rule = c->rules[index];
	int64_t settled = index;

	if (rule.cfa == TPROF_CFA_ROOT) {
		rule.offset = (int32_t)offset;
		settled = intern(c, &rule);
	}
	if (settled < 0)
		return (int)settled;
	*ret_index = (uint32_t)settled;
	return 0;
}

static int append(struct cfi *to, struct cfi *c, uint64_t pc, uint32_t rule)
{
	int err;

	if (array_room(&to->rows, to->count, &to->capacity, sizeof(*to->rows)))
		return -ENOMEM;
	err = settle_rule(c, rule, pc, &to->rows[to->count].rule);
	if (err)
		return err;
	to->rows[to->count++].pc = pc;
	return 0;
}

static int append_segment(struct cfi *to, struct cfi *c, const struct cfi_segment *s)
{
	size_t low = 0, high = c->count;
	int err;

	while (low < high) { /* first row after the segment's start */
		size_t middle = low + (high - low) / 2;

		if (c->rows[middle].pc <= s->vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	err = append(to, c, s->offset, low ? c->rows[low - 1].rule : 0);
	for (; low < c->count && !err; low++) {
		uint64_t in = c->rows[low].pc - s->vaddr;

		if (in >= s->size)
			break;
		err = append(to, c, s->offset + in, c->rows[low].rule);
	}
	return err ? err : append(to, c, s->offset + s->size, 0);
}

static int to_offsets(struct cfi *c)
{
	struct cfi to = { 0 };
	size_t kept = 0;
	int err = 0;

	for (size_t i = 0; i < c->segment_count && !err; i++)
		err = append_segment(&to, c, &c->segments[i]);
	if (err) {
		free(to.rows);
		return err;
	}
	free(c->rows);
	c->rows = to.rows;
	c->count = to.count;
	c->capacity = to.capacity;
	for (size_t i = 1; i < c->count; i++) {
		if (c->rows[i].pc < c->rows[i - 1].pc) {
			qsort(c->rows, c->count, sizeof(*c->rows), by_pc);
			break;
		}
	}
	for (size_t i = 0; i < c->count;
	     i++) { /* of equal places the last, of equal rules the first */
		if (i + 1 < c->count && c->rows[i + 1].pc == c->rows[i].pc)
			continue;
		if (kept && c->rows[kept - 1].rule == c->rows[i].rule)
			continue;
		c->rows[kept++] = c->rows[i];
	}
	c->count = kept;
	return 0;
}

/* ── the whole ──────────────────────────────────────────────────────────────────────────────── */

static int read_file(struct cfi *c, struct cfi_file *f, struct diag *d)
{
	struct reader r = { .c = c, .f = f };
	struct tprof_rule none = { 0 };
	int err = cfi_file_open(f, c, d);
	bool has_cfi = !err;

	if (!err || err == -ENODATA)
		err = intern(c, &none) < 0 ? -ENOMEM : err;
	if (!err)
		err = read_entries(&r);
	if (!err)
		err = run_fdes(&r);
	if (!err)
		err = cfi_fill_gaps(c, f);
	if (!err)
		err = to_offsets(c);
	if (!err && has_cfi && !r.fde_count)
		err = -ENODATA;
	free(r.cies);
	free(r.fdes);
	cfi_file_release(f);
	return err;
}

int cfi_read_fd(struct cfi *c, int fd, struct diag *d)
{
	struct cfi_file f = { .fd = fd };

	return read_file(c, &f, d);
}

int cfi_read_image(struct cfi *c, const void *image, size_t size, struct diag *d)
{
	struct cfi_file f = { .fd = -1, .image = image, .size = size };

	return read_file(c, &f, d);
}

void cfi_release(struct cfi *c)
{
	free(c->rows);
	free(c->rules);
	map_release(&c->rule_index);
	*c = (struct cfi){ 0 };
}

const struct tprof_rule *cfi_find(const struct cfi *c, uint64_t offset)
{
	static const struct tprof_rule none;
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->rows[middle].pc <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &c->rules[c->rows[low - 1].rule] : &none;
}
