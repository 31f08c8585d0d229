// SPDX-License-Identifier: BSD-2-Clause
#include "walk.h"

#include <stdlib.h>
#include <string.h>

#include "fake_bpf.h"

static struct walk *walking;

static int read_memory(void *to, size_t size, uint64_t address)
{
	walking->reads++;
	for (size_t i = 0; i < walking->memory_count; i++) {
		struct walk_memory *m = &walking->memory[i];

		if (address >= m->start && address - m->start <= m->size &&
		    size <= m->size - (address - m->start)) {
			memcpy(to, m->bytes + (address - m->start), size);
			if (address + size > m->read_end)
				m->read_end = address + size;
			return 0;
		}
	}
	return -1;
}

static int read_register(uint32_t number, __u64 *to)
{
	if (number >= WALK_REGISTERS - 1)
		return -1;
	*to = walking->registers[number];
	return 0;
}

#define UNWIND_READ(to, size, address) read_memory(to, size, address)
#define UNWIND_REGISTER(s, number, to) read_register(number, to)
#define UNWIND_CHUNK(index)	       fake_map_at(walking->chunks_fd, index)
#define UNWIND_RULE(index)	       fake_map_at(walking->rules_fd, index)
#include "unwind.h"

void walk_open(struct walk *w, struct unwind_tables **ret_tables, size_t memory)
{
	struct unwind_tables_maps maps = { 0 };

	maps.objects = w->objects_fd = fake_map(sizeof(struct tprof_object), 512);
	maps.chunks = w->chunks_fd = fake_map_of_maps(TPROF_MAX_CHUNKS);
	maps.rules = w->rules_fd = fake_map(sizeof(struct tprof_rule), TPROF_MAX_RULES);
	if (unwind_tables_new(ret_tables, &maps, memory, NULL))
		abort();
}

static const struct walk_mapping *find(const struct walk *w, uint64_t pc)
{
	for (size_t i = 0; i < w->mapping_count; i++) {
		if (pc >= w->mappings[i].start && pc < w->mappings[i].end)
			return &w->mappings[i];
	}
	return NULL;
}

static int by_fp(struct unwind_state *s)
{
	static const struct tprof_rule signal = { .cfa = TPROF_CFA_SIGNAL };

	return unwind_at_sigreturn(s) ? unwind_step(s, &signal, 0) : unwind_by_fp(s);
}

/* What unwind.bpf.c does for a frame. */
static int frame(struct walk *w, struct unwind_state *s)
{
	uint64_t pc = s->flags & UNWIND_EXACT ? s->ip : s->ip - 1;
	const struct walk_mapping *m = find(w, pc);
	const struct tprof_object *o;
	const struct tprof_rule *rule;
	__u32 row = 0;

	if (pc < TPROF_LEAST_PC || pc >= TPROF_MOST_PC)
		return TPROF_END_NO_RULE;
	w->pcs[w->frames++] = pc;
	if (!m)
		return TPROF_END_NO_TABLE;
	o = fake_map_at(w->objects_fd, m->object);
	if (!m->object || (o && o->flags & TPROF_OBJECT_NO_CFI))
		return by_fp(s);
	if (!o || !(o->flags & TPROF_OBJECT_LOADED))
		return TPROF_END_NO_TABLE;
	rule = unwind_find(o, pc - m->start + m->offset, &row);
	if (rule && rule->cfa == TPROF_CFA_BY_FP)
		return by_fp(s);
	return rule ? unwind_step(s, rule, row) : TPROF_END_NO_RULE;
}

void walk_run(struct walk *w)
{
	struct unwind_state s = { .ip = w->registers[16],
				  .sp = w->registers[7],
				  .fp = w->registers[6],
				  .base = w->registers[3],
				  .flags = UNWIND_EXACT | UNWIND_LEAF };

	walking = w;
	w->frames = 0;
	w->reads = 0;
	w->end = 0;
	while (!w->end && w->frames < TPROF_MAX_USER_FRAMES)
		w->end = frame(w, &s);
	if (!w->end)
		w->end = TPROF_END_DEPTH;
}
