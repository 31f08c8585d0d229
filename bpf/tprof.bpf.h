/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_BPF_H
#define TPROF_BPF_H

/*
 * What the BPF objects share. One .bpf.c per concern; each map is owned by the file that defines it,
 * the others call its __hidden functions. Linked by `bpftool gen object` into one.
 *
 *	cpu ────┐
 *	sched ──┤              ┌─ unwind (user frames, by CFI or frame pointer) ── mappings
 *	futex ──┼─→ filter ─→ stack ─→ counts, ring
 *	thread ─┘
 *	kernel (names of its functions, for user space)
 */

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "compat.bpf.h"
#include "wire.h"
#include "unwind.h"

/* Defined in filter.bpf.c. */
extern const volatile struct tprof_config config;

/* The initial PID namespace's inode number: PROC_PID_INIT_INO, ABI since 3.8. */
#define INIT_PIDNS 0xeffffffcU

/* A task as the maps speak of it. */
struct task_id {
	__u32 tgid, tid; /* in tprof's PID namespace */
	__u32 process;	 /* incarnation, as in struct tprof_count_key; never 0 */
	__u32 flags;	 /* task->flags (PF_…) */
	__u64 start;	 /* task->start_time */
};

/* ── filter.bpf.c ─────────────────────────────────────────────────────────────────────────────
 * Is this task a target? Asked before any other work. False also for tprof itself, the idle tasks
 * and tasks that tprof's PID namespace does not see. `task` must be a BTF pointer: the argument of a
 * tp_btf program. */
bool filter_task(struct task_struct *task, struct task_id *ret_id);
/* The same for the current task, in every kind of program. */
bool filter_current(struct task_id *ret_id);
/* The PID of a task's process in tprof's PID namespace, 0 = it is not seen from there. */
__u32 task_tgid(struct task_struct *task);

/* ── stack.bpf.c ──────────────────────────────────────────────────────────────────────────────
 * Takes the stack of the current task, sends it to user space unless it was sent lately, returns its
 * id: 0 = could not be taken. A kernel thread or a task without memory has no user part. */
#define STACK_USER   1U
#define STACK_KERNEL 2U
__u64 stack_take(void *ctx, const struct task_id *id, __u32 flags);
/* The same with STACK_USER. */
__u64 stack_take_user(const struct task_id *id);

/* Adds to the active one of the two buffers of counts. The key must have been zeroed as a whole. */
void count_add(const struct tprof_count_key *key, __u64 count, __u64 value);

/* Sends an event, head filled by event_head(); counts TPROF_LOSS_EVENTS when the ring is full.
 * `urgent` wakes tprof at once; else it looks in about every 200 ms, and when the ring fills up. */
long event_send(void *event, __u64 size, bool urgent);
void event_head(struct tprof_event *head, __u16 type, const struct task_id *id);

void loss_add(enum tprof_loss loss);

/* ── thread.bpf.c ─────────────────────────────────────────────────────────────────────────────
 * A sample names this thread: its record, if it has one, will not be summed up with others'. */
int thread_note(__u32 kernel_tid);

/* ── the walk over user frames ────────────────────────────────────────────────────────────────
 * Owned by stack.bpf.c, one per CPU and level of nesting. Global functions take scalars only (5.10
 * rejects pointer arguments there): they find it again by its slot with walk_get(). */
#define WALK_SLOTS 4

/* What all the searching says about a pc. */
struct unwind_found {
	__u64 frame;
	struct tprof_rule rule;
	__u32 row; /* file offset where the rule begins */
};

struct unwind_scratch {
	struct task_id id; /* whose stack it is */
	/* in: the user registers */
	struct pt_regs regs;
	/* in: the slice of `mappings`, by mapping_process() */
	__u32 map_first, map_count;
	__u32 low, high;	      /* where in it a pc is sought still */
	struct tprof_mapping mapping; /* that held the frame before: looked at first */
	__u64 space;		      /* identity of that slice, over processes and refreshes */
	__u64 node, words[32], word;  /* of the kernel's tree of mappings */
	struct tprof_file file;	      /* sought in it */
	struct unwind_state state;
	struct unwind_found found; /* about state.ip */
	/* out */
	__u64 unknown_pc; /* the first code address outside all mappings, or 0 */
	__u32 frames;
	__u32 end;  /* enum tprof_stack_end */
	__u64 hash; /* over the frames, for the stack's id */
	/* the event to send; the kernel's frames go right behind the user's */
	struct tprof_stack_event event;
	__u64 user[TPROF_MAX_USER_FRAMES + TPROF_MAX_KERNEL_FRAMES];
};

struct walks_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALK_SLOTS);
	__type(key, __u32);
	__type(value, struct unwind_scratch);
};

extern struct walks_map walks SEC(".maps");

/* Of this CPU; never NULL below WALK_SLOTS. Inline: calls may be 8 deep only. */
static __always_inline struct unwind_scratch *walk_get(__u32 slot)
{
	return bpf_map_lookup_elem(&walks, &slot);
}

static __always_inline __u64 hash_mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

/* ── mappings.bpf.c ───────────────────────────────────────────────────────────────────────────
 * Finds the slice of this process; tells user space about a process that has none. */
int mapping_process(__u32 slot);
/* A child maps what its parent does, until it execs. */
void mapping_inherit(const struct task_id *parent, const struct task_id *child);
/* The current task, a target, has exec'ed: tells user space before it is sampled. */
void mapping_exec(const struct task_id *id);
/* Tells user space once per generation that the process maps code it does not know. */
void mapping_unknown(const struct task_id *id, __u64 pc);
/* Looks for the executable mapping that pc lies in. Whether there is one; it then is w->mapping. */
int mapping_find(__u32 slot, __u64 pc);
/* The same in the kernel's own mappings of the current task, for what user space has not told yet. In
 * steps, side by side: the calls of a walk share 512 bytes of stack, and each takes 32 at least. */
#define MAPPING_LEVELS 7
int mapping_root(__u32 slot);
int mapping_descend(__u32 slot, __u64 pc);
int mapping_take(__u32 slot, __u64 pc);

static __always_inline int mapping_ask(__u32 slot, __u64 pc)
{
	if (!mapping_root(slot))
		return 0;
	for (int i = 0; i < MAPPING_LEVELS; i++) {
		if (mapping_descend(slot, pc))
			break;
	}
	return mapping_take(slot, pc);
}

/* ── unwind.bpf.c ─────────────────────────────────────────────────────────────────────────────
 * Walks from w->regs into w->user; fills frames, end, hash and unknown_pc. `w` is the scratch of
 * this slot. */
int unwind_user(__u32 slot);

#endif
