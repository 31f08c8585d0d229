// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tprof.bpf.h"

/*
 * The driver of the walk: for each frame finds the mapping, the object's table, the page, the row
 * and the rule, then takes one step (unwind.h). docs/unwinding.md has the tables' picture.
 *
 * The verifier sees one frame: unwind_frame() is a global function, looked at once, and the loop
 * around it only counts.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TPROF_MAX_OBJECTS);
	__type(key, __u32);
	__type(value, struct tprof_object);
} objects SEC(".maps");

struct chunk_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, TPROF_CHUNK_SIZE);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TPROF_MAX_CHUNKS);
	__type(key, __u32);
	__array(values, struct chunk_map);
} chunks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TPROF_MAX_RULES);
	__type(key, __u32);
	__type(value, struct tprof_rule);
} rules SEC(".maps");

/*
 * Programs run in loops: most frames of a sample were in an earlier one. The cache knows what all
 * the searching said about a pc, per CPU, direct-mapped. Used by the walk that nothing interrupts
 * (slot 0), so an entry is never half written. What a file's CFI says never changes, and `space`
 * changes with the mappings, so an entry never goes stale.
 */
#define CACHE_ENTRIES 2048

struct cached {
	__u64 space, pc;
	struct unwind_found found;
	__u32 epoch;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CACHE_ENTRIES);
	__type(key, __u32);
	__type(value, struct cached);
} unwind_cache SEC(".maps");

/* Raised by user space to hear again through `used` which objects are in use. */
volatile __u32 unwind_epoch = 1;

#if defined(__TARGET_ARCH_x86)
/* Place in struct pt_regs by DWARF number (rax rdx rcx rbx rsi rdi rbp rsp r8 … r15), 4 bits each. A
 * switch would be 16 paths for the verifier, three times in each frame. */
#define PT_REGS_ORDER 0x01236789f4ed5bcaULL
#define DWARF_RSP     7 /* too far up for 4 bits */

static __always_inline long leaf_register(const struct unwind_state *s, __u32 number, __u64 *to)
{
	const struct pt_regs *r =
		&((const struct unwind_scratch *)((const char *)s -
						  __builtin_offsetof(struct unwind_scratch, state)))
			 ->regs;
	__u32 at = PT_REGS_ORDER >> (number * 4 & 63) & 15;

	barrier_var(at);
	*to = ((const __u64 *)r)[at & 15];
	if (number == DWARF_RSP)
		*to = s->sp; /* which has not moved yet */
	return number > 15 ? -1 : 0;
}
#define BASE_REGISTER(regs) ((regs)->bx)
#define IS_COMPAT(regs)	    (((regs)->cs & 0xffff) == 0x23) /* __USER32_CS */
#else
static __always_inline long leaf_register(const struct unwind_state *s, __u32 number, __u64 *to)
{
	return -1;
}
#define BASE_REGISTER(regs) 0
#define IS_COMPAT(regs)	    0
#endif

static __always_inline const union tprof_chunk *chunk_get(__u32 index)
{
	void *inner = bpf_map_lookup_elem(&chunks, &index);
	__u32 zero = 0;

	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

static __always_inline const struct tprof_rule *rule_get(__u32 index)
{
	return bpf_map_lookup_elem(&rules, &index);
}

#define UNWIND_READ(to, size, address)	   bpf_probe_read_user(to, size, (const void *)(address))
#define UNWIND_REGISTER(state, number, to) leaf_register(state, number, to)
#define UNWIND_CHUNK(index)		   chunk_get(index)
#define UNWIND_RULE(index)		   rule_get(index)
#include "unwind.h"

/* ── tables ─────────────────────────────────────────────────────────────────────────────────── */

/* Wakes tprof for an object's first walk without a table; from the second on it sees the hits. */
static __always_inline void want_table(struct tprof_object *o, const struct task_id *id)
{
	struct tprof_event event = {};

	if (o->hits++)
		return;
	event_head(&event, TPROF_EVENT_NO_TABLE, id);
	event_send(&event, sizeof(event), true);
}

/* What to do at a pc of this object: 0 with the rule, or why the walk ends here. */
static __always_inline int object_rule(__u32 object, __u64 offset, struct unwind_scratch *w)
{
	struct unwind_found *found = &w->found;
	struct tprof_object *o = bpf_map_lookup_elem(&objects, &object);
	const struct tprof_rule *rule;

	if (!o)
		return TPROF_END_NO_TABLE;
	if (o->flags & TPROF_OBJECT_NO_CFI) {
		found->rule = (struct tprof_rule){ .cfa = TPROF_CFA_BY_FP };
		return 0;
	}
	if (!(o->flags & TPROF_OBJECT_LOADED)) {
		want_table(o, &w->id);
		return TPROF_END_NO_TABLE;
	}
	if (!o->used)
		o->used = 1;
	rule = unwind_find(o, offset, &found->row);
	if (!rule)
		return TPROF_END_NO_RULE;
	found->rule = *rule;
	return 0;
}

/*
 * Fills w->found for a pc, of which mapping_find() has said whether it is `known`; not 0: there is no
 * rule, but a frame. Where it lies, what it is and what follows from it are global functions: else the
 * verifier multiplies the paths of the one by those of the other.
 */
__noinline int unwind_look_up(__u32 slot, __u64 pc, __u32 known)
{
	struct unwind_scratch *w = walk_get(slot);
	const struct tprof_mapping *m;
	__u64 offset;

	if (!w)
		return TPROF_END_NO_TABLE;
	w->found.frame = pc & ~TPROF_FRAME_OBJECT;
	if (!known && !mapping_ask(slot, pc)) {
		if (!w->unknown_pc)
			w->unknown_pc = pc;
		return TPROF_END_NO_TABLE;
	}
	m = &w->mapping;
	if (!m->object) {
		w->found.rule = (struct tprof_rule){ .cfa = TPROF_CFA_BY_FP };
		return m->flags & TPROF_MAPPING_JIT ? 0 : TPROF_END_NO_RULE;
	}
	offset = pc - m->start + m->offset;
	w->found.frame = TPROF_FRAME_OBJECT | (__u64)m->object << TPROF_FRAME_OFFSET_BITS |
			 (offset & TPROF_FRAME_OFFSET_MASK);
	return object_rule(m->object, offset, w);
}

/* ── the walk ───────────────────────────────────────────────────────────────────────────────── */

static __always_inline void emit(struct unwind_scratch *w, __u64 frame)
{
	__u32 at = w->frames;

	if (at >= TPROF_MAX_USER_FRAMES)
		return;
	w->user[at] = frame;
	w->frames = at + 1;
	w->hash = hash_mix(w->hash, frame);
}

/* The entry of the cache where this pc belongs; only for the walk that nothing interrupts. */
static __always_inline struct cached *cache_at(const struct unwind_scratch *w, __u32 slot, __u64 pc)
{
	__u32 index = (hash_mix(w->space, pc) >> 32) % CACHE_ENTRIES;

	return slot == 0 ? bpf_map_lookup_elem(&unwind_cache, &index) : NULL;
}

/* Like unwind_look_up(), what was found before included. */
static __always_inline int look_up(struct unwind_scratch *w, __u32 slot, __u64 pc)
{
	struct cached *c = cache_at(w, slot, pc);
	int end;

	if (c && c->pc == pc && c->space == w->space && c->epoch == unwind_epoch) {
		w->found = c->found;
		return 0;
	}
	end = unwind_look_up(slot, pc, mapping_find(slot, pc));
	if (end || !c)
		return end;
	c->space = w->space;
	c->pc = pc;
	c->epoch = unwind_epoch;
	c->found = w->found;
	return 0;
}

/* One frame; returns how the walk ended there, 0 = it goes on. */
__noinline int unwind_frame(__u32 slot)
{
	struct unwind_scratch *w = walk_get(slot);
	struct tprof_rule *rule;
	__u64 pc;
	int end;

	if (!w)
		return TPROF_END_UNKNOWN + 1;
	pc = w->state.flags & UNWIND_EXACT ? w->state.ip : w->state.ip - 1;
	if (pc < TPROF_LEAST_PC || pc >= TPROF_MOST_PC)
		return w->frames ? TPROF_END_NO_RULE : TPROF_END_MEMORY;
	end = look_up(w, slot, pc);
	if (end) {
		emit(w, w->found.frame);
		return end;
	}
	rule = &w->found.rule;
	if (rule->cfa == TPROF_CFA_BY_FP && unwind_at_sigreturn(&w->state))
		*rule = (struct tprof_rule){ .cfa = TPROF_CFA_SIGNAL };
	/* Where a handler returns to is the trampoline's begin, nobody called it. */
	emit(w,
	     w->found.frame + (rule->cfa == TPROF_CFA_SIGNAL && !(w->state.flags & UNWIND_EXACT)));
	if (rule->cfa == TPROF_CFA_BY_FP)
		return unwind_by_fp(&w->state);
	return unwind_step(&w->state, rule, w->found.row);
}

/* A loop in a loop: the verifier walks both once and not every frame. */
#define RUN 32

__noinline int unwind_run(__u32 slot)
{
	int end = 0;

	for (int i = 0; i < RUN && !end; i++)
		end = unwind_frame(slot);
	return end;
}

__noinline int unwind_user(__u32 slot)
{
	struct unwind_scratch *w = walk_get(slot);
	const struct pt_regs *regs;
	int end = 0;

	if (!w)
		return 0;
	regs = &w->regs;
	w->state = (struct unwind_state){ .ip = PT_REGS_IP(regs),
					  .sp = PT_REGS_SP(regs),
					  .fp = PT_REGS_FP(regs),
					  .base = BASE_REGISTER(regs),
					  .flags = UNWIND_EXACT | UNWIND_LEAF };
	if (IS_COMPAT(regs)) {
		emit(w, w->state.ip);
		w->end = TPROF_END_UNSUPPORTED;
		return 0;
	}
	for (int i = 0; i < TPROF_MAX_USER_FRAMES / RUN && !end; i++)
		end = unwind_run(slot);
	w->end = end ?: TPROF_END_DEPTH;
	return 0;
}
