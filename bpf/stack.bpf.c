// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tprof.bpf.h"

/*
 * The stack dictionary: a stack crosses to user space once, when first seen, and is an id from then
 * on. The id is a 64-bit hash over the process and all frames, so nobody has to hand out numbers.
 *
 *	frames → id → in `seen`? ── yes: nothing to send
 *	                 └─ no: to the ring; on success into `seen`
 *
 * `seen` is a 4-way set-associative cache in an array, not a hash map: no locks, no allocation, safe
 * in NMI. An id thrown out of it costs sending that stack again (user space knows it already), never
 * a loss; with a full ring the id is not marked, and its next occurrence tries again.
 */
#define SEEN_SETS 16384 /* × 32 bytes; user space may resize it, with config.seen_mask */
#define SEEN_WAYS 4

struct seen_set {
	__u64 id[SEEN_WAYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SEEN_SETS);
	__type(key, __u32);
	__type(value, struct seen_set);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

/* Two buffers of counts: `counts_active` says which one is written; user space flips it, waits until
 * no program can still be writing the other, and drains that. */
struct counts_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tprof_count_key);
	__type(value, struct tprof_count);
};

struct counts_map counts_0 SEC(".maps");
struct counts_map counts_1 SEC(".maps");

volatile __u32 counts_active = 0;
volatile __u64 counts_fill[2] = {}; /* entries made since the last drain; set to 0 by user space */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TPROF_LOSS_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

/* A sample can interrupt a program that is in the middle of a walk on the same CPU, an NMI that one
 * again: each level of nesting takes a slot of its own. */
struct walks_map walks SEC(".maps");

struct walk_busy {
	__u32 slot[WALK_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk_busy);
} walks_busy SEC(".maps");

__hidden void loss_add(enum tprof_loss loss)
{
	__u32 index = loss;
	__u64 *count = bpf_map_lookup_elem(&losses, &index);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* ── the ring ───────────────────────────────────────────────────────────────────────────────── */

static __always_inline __u64 ring_flags(bool urgent)
{
	if (urgent)
		return BPF_RB_FORCE_WAKEUP;
	/* a wake-up costs more than all the rest: only when a quarter is full */
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) * 4 >=
			       bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE)
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

__hidden void event_head(struct tprof_event *head, __u16 type, const struct task_id *id)
{
	head->type = type;
	head->reserved = 0;
	head->tgid = id->tgid;
	head->tid = id->tid;
	head->process = id->process;
	head->time_ns = bpf_ktime_get_ns();
}

__hidden long event_send(void *event, __u64 size, bool urgent)
{
	long err = bpf_ringbuf_output(&ring, event, size, ring_flags(urgent));

	if (err)
		loss_add(TPROF_LOSS_EVENTS);
	return err;
}

/* ── counts ─────────────────────────────────────────────────────────────────────────────────── */

static __always_inline void *counts_find(__u32 which, const struct tprof_count_key *key)
{
	return which ? bpf_map_lookup_elem(&counts_1, key) : bpf_map_lookup_elem(&counts_0, key);
}

static __always_inline long counts_insert(__u32 which, const struct tprof_count_key *key,
					  const struct tprof_count *count)
{
	return which ? bpf_map_update_elem(&counts_1, key, count, BPF_NOEXIST)
		     : bpf_map_update_elem(&counts_0, key, count, BPF_NOEXIST);
}

/* Tells user space once per buffer that it fills up. */
static __always_inline void counts_filled(__u32 which, const struct tprof_count_key *key)
{
	struct task_id id = { .tgid = key->tgid, .tid = key->tid, .process = key->process };
	struct tprof_event event = {};
	volatile __u64 *fill = which ? &counts_fill[1] : &counts_fill[0];

	__sync_fetch_and_add(fill, 1);
	if (*fill != config.counts_high)
		return;
	event_head(&event, TPROF_EVENT_FULL, &id);
	event_send(&event, sizeof(event), true);
}

__hidden void count_add(const struct tprof_count_key *key, __u64 count, __u64 value)
{
	const struct tprof_count first = { .count = count, .value = value };
	__u32 which = counts_active & 1;
	struct tprof_count *entry = counts_find(which, key);

	if (!entry) {
		if (!counts_insert(which, key, &first)) {
			counts_filled(which, key);
			return;
		}
		/* another CPU was faster, or the map is full, or an NMI hit a locked bucket */
		entry = counts_find(which, key);
	}
	if (!entry) {
		loss_add(TPROF_LOSS_MAP_FULL);
		if (key->kind == TPROF_CPU)
			loss_add(TPROF_LOSS_SAMPLES);
		return;
	}
	__sync_fetch_and_add(&entry->count, count);
	__sync_fetch_and_add(&entry->value, value);
}

/* ── stacks ─────────────────────────────────────────────────────────────────────────────────── */

static __always_inline bool seen_before(__u64 id, struct seen_set **ret_set)
{
	__u32 index = (__u32)id & config.seen_mask;
	struct seen_set *set = bpf_map_lookup_elem(&seen, &index);

	*ret_set = set;
	return set &&
	       (set->id[0] == id || set->id[1] == id || set->id[2] == id || set->id[3] == id);
}

/* The youngest comes first, the oldest falls out. */
static __always_inline void seen_add(struct seen_set *set, __u64 id)
{
	if (!set)
		return;
	set->id[3] = set->id[2];
	set->id[2] = set->id[1];
	set->id[1] = set->id[0];
	set->id[0] = id;
}

static __always_inline struct walk_busy *walks_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&walks_busy, &zero);
}

/* A free slot of this CPU, or WALK_SLOTS. Interrupting programs end before the interrupted goes on, so
 * looking and marking need not be one atomic operation. A global function: the verifier walks what follows
 * once, and not for each slot. */
__noinline __u32 walk_claim(void)
{
	struct walk_busy *busy = walks_here();

	if (!busy)
		return WALK_SLOTS;
	for (__u32 i = 0; i < WALK_SLOTS; i++) {
		if (!*(volatile __u32 *)&busy->slot[i]) {
			*(volatile __u32 *)&busy->slot[i] = 1;
			return i;
		}
	}
	return WALK_SLOTS;
}

/*
 * The parts of a capture are global functions: the verifier looks at each once, whatever program and
 * path calls it. They return nothing of use (5.10 wants int).
 */
__noinline int walk_begin(__u32 slot)
{
	struct unwind_scratch *w = walk_get(slot);
	struct task_struct *task;
	struct mm_struct *mm;

	if (!w)
		return false;
	w->unknown_pc = 0;
	/* One that ends has given its memory back: there is no user part any more. In the middle of
	 * exec there is none yet: the registers are still those of the program before. */
	task = (void *)bpf_get_current_task();
	mm = BPF_CORE_READ(task, mm);
	if (!mm || !BPF_CORE_READ(mm, start_code))
		return false;
	w->end = TPROF_END_MEMORY;
	return !bpf_probe_read_kernel(&w->regs, sizeof(w->regs), current_user_regs());
}

__noinline int walk_unknown(__u32 slot)
{
	struct unwind_scratch *w = walk_get(slot);

	if (w)
		mapping_unknown(&w->id, w->unknown_pc);
	return 0;
}

/* A loop in a loop: the verifier walks both once and not every frame. */
#define HASH_RUN 16

__noinline int walk_hash_run(__u32 slot, __u32 at, __u32 end)
{
	struct unwind_scratch *w = walk_get(slot);
	__u64 hash;

	if (!w)
		return 0;
	hash = w->hash;
	for (__u32 i = 0; i < HASH_RUN; i++) {
		__u32 index = at + i;

		barrier_var(index); /* the verifier must see the very number that is compared */
		if (index >= end || index >= TPROF_MAX_USER_FRAMES + TPROF_MAX_KERNEL_FRAMES)
			break;
		hash = hash_mix(hash, w->user[index]);
	}
	w->hash = hash;
	return 0;
}

__noinline int walk_hash_kernel(__u32 slot, __u32 first, __u32 frames)
{
	for (__u32 i = 0; i < TPROF_MAX_KERNEL_FRAMES; i += HASH_RUN) {
		if (i >= frames)
			break;
		walk_hash_run(slot, first + i, first + frames);
	}
	return 0;
}

__noinline int walk_send(__u32 slot, __u32 kernel_frames)
{
	struct unwind_scratch *w = walk_get(slot);
	struct seen_set *set;
	__u64 size;

	if (!w || seen_before(w->event.stack, &set))
		return 0;
	size = (w->frames + kernel_frames) * sizeof(__u64);
	if (size > sizeof(w->user))
		return 0;
	event_head(&w->event.head, TPROF_EVENT_STACK, &w->id);
	w->event.user_frames = w->frames;
	w->event.kernel_frames = kernel_frames;
	w->event.end = w->end;
	if (bpf_ringbuf_output(&ring, &w->event, sizeof(w->event) + size, ring_flags(false)))
		loss_add(TPROF_LOSS_STACKS);
	else
		seen_add(set, w->event.stack);
	return 0;
}

/* Right behind the user's frames; returns how many. */
static __always_inline __u32 take_kernel(void *ctx, struct unwind_scratch *w, __u32 slot)
{
	__u32 first = w->frames;
	long size;

	if (first > TPROF_MAX_USER_FRAMES)
		return 0;
	size = bpf_get_stack(ctx, &w->user[first], TPROF_MAX_KERNEL_FRAMES * sizeof(__u64), 0);
	if (size <= 0)
		return 0;
	walk_hash_kernel(slot, first, size / sizeof(__u64));
	return size / sizeof(__u64);
}

static __always_inline __u64 take(void *ctx, const struct task_id *id, __u32 flags, __u32 slot)
{
	struct unwind_scratch *w = walk_get(slot);
	__u32 kernel_frames = 0;

	if (!w)
		return 0;
	w->id = *id;
	w->frames = 0;
	w->hash = hash_mix(((__u64)id->process << 32) | id->tgid, 0);
	/* what has no user part is whole without it */
	w->end = TPROF_END_ROOT;
	if ((flags & STACK_USER) && !(id->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER)) &&
	    walk_begin(slot)) {
		mapping_process(slot);
		unwind_user(slot);
		if (w->unknown_pc)
			walk_unknown(slot);
	}
	if (flags & STACK_KERNEL)
		kernel_frames = take_kernel(ctx, w, slot);
	w->event.stack = hash_mix(w->hash, w->end) ?: 1;
	walk_send(slot, kernel_frames);
	return w->event.stack;
}

static __always_inline __u64 take_in_slot(void *ctx, const struct task_id *id, __u32 flags)
{
	struct walk_busy *busy = walks_here();
	__u32 slot = walk_claim();
	__u64 stack;

	if (!busy || slot >= WALK_SLOTS) {
		loss_add(TPROF_LOSS_NESTED);
		return 0;
	}
	stack = take(ctx, id, flags, slot);
	*(volatile __u32 *)&busy->slot[slot & (WALK_SLOTS - 1)] = 0;
	return stack;
}

__hidden __u64 stack_take(void *ctx, const struct task_id *id, __u32 flags)
{
	return take_in_slot(ctx, id, flags);
}

/* A function of its own: a flag that is an argument is a number like any other to the verifier. */
__hidden __u64 stack_take_user(const struct task_id *id)
{
	return take_in_slot(NULL, id, STACK_USER);
}
