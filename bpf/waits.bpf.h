/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_WAITS_BPF_H
#define TPROF_WAITS_BPF_H

/*
 * What sched, futex and thread share.
 *
 *	           sched_switch: prev                 sched_waking
 *	RUNNING ──────────────────────→ BLOCKED ──────────────────────→ WOKEN
 *	   ↑  └──(preempted, yielded)──→ RUNNABLE                          │
 *	   └──────────────────────────────┴── sched_switch: next ──────────┘
 *
 * Sums are written when a thread gets its CPU back. When it was woken is noted at sched_waking if the
 * sleep's stack was taken, which has the waker's taken too, or if it slept on another CPU. Of all others the
 * scheduler has noted when they were queued.
 *
 * One record per thread of a target holds its state, since when, and every exact total. The record
 * is found once per hook and then written by pointer: no map is updated per event.
 */

#include "tprof.bpf.h"

/* ── the waiting task's registers ───────────────────────────────────────────────────────────── */

/* What of them tells in which system call a task is, copied: on old kernels there is no pointer. */
struct wait_regs {
	__s32 nr; /* < 0: in none */
	__u64 sp, arg[4];
};

#if defined(__TARGET_ARCH_x86)
#define NR_futex  202
#define REGS_NR	  orig_ax
#define REGS_SP	  sp
#define REGS_ARG0 di
#define REGS_ARG1 si
#define REGS_ARG2 dx
#define REGS_ARG3 r10
#elif defined(__TARGET_ARCH_arm64)
#define NR_futex  98
#define REGS_NR	  syscallno
#define REGS_SP	  sp
#define REGS_ARG0 orig_x0
#define REGS_ARG1 regs[1]
#define REGS_ARG2 regs[2]
#define REGS_ARG3 regs[3]
#endif
#define NR_futex_waitv	 449 /* the same everywhere from 424 on */
#define NR_futex_wake	 454
#define NR_futex_wait	 455
#define NR_futex_requeue 456

/* READ: how a field of the registers is read. Field by field: a copy of them all (168 bytes) is too
 * much for a stack of 512 bytes that is shared by all calls. */
#define REGS_DIRECT(regs, field) ((regs)->field)
#define WAIT_REGS(regs, ret, READ)                      \
	({                                              \
		(ret)->nr = (__s32)READ(regs, REGS_NR); \
		(ret)->sp = READ(regs, REGS_SP);        \
		(ret)->arg[0] = READ(regs, REGS_ARG0);  \
		(ret)->arg[1] = READ(regs, REGS_ARG1);  \
		(ret)->arg[2] = READ(regs, REGS_ARG2);  \
		(ret)->arg[3] = READ(regs, REGS_ARG3);  \
	})

/* `task` is a BTF pointer to a task with user registers. */
static __always_inline void task_wait_regs(struct task_struct *task, struct wait_regs *ret)
{
	/* dd6e10fbd9fb ("bpf: Add bpf_task_pt_regs() helper", 5.15) */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		const struct pt_regs *direct = (void *)bpf_task_pt_regs(task);

		WAIT_REGS(direct, ret, REGS_DIRECT);
	} else {
		const struct pt_regs *regs =
			(void *)((char *)task->stack + KERNEL_STACK_SIZE - sizeof(*regs));

		WAIT_REGS(regs, ret, BPF_CORE_READ);
	}
}

extern volatile __u64 waits_start_ns;
extern volatile bool waits_stopped;

/* ── thread.bpf.c ───────────────────────────────────────────────────────────────────────────── */

struct thread_index_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TPROF_THREAD_BUCKETS);
	__type(key, __u32);
	__type(value, struct tprof_thread_bucket);
};

struct threads_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TPROF_MAX_THREADS);
	__type(key, __u32);
	__type(value, struct tprof_thread);
};

extern struct thread_index_map thread_index SEC(".maps");
extern struct threads_map threads SEC(".maps");

static __always_inline struct tprof_thread *thread_in(__u32 slot)
{
	return bpf_map_lookup_elem(&threads, &slot);
}

static __always_inline struct tprof_thread_bucket *bucket_at(__u32 slot)
{
	__u32 bucket = TPROF_THREAD_BUCKET(slot);

	return bpf_map_lookup_elem(&thread_index, &bucket);
}

/* In its bucket; the mask is for the verifier. */
static __always_inline __u32 way_of(__u32 slot)
{
	return TPROF_THREAD_WAY(slot) & (TPROF_THREAD_WAYS - 1);
}

/* 1 or 0, without a branch, of which the verifier would follow both sides for each way. */
static __always_inline __u32 way_is(const struct tprof_thread_bucket *b, __u32 way,
				    __u32 kernel_tid)
{
	__u64 other = (__u64)(*(const volatile __u32 *)&b->tid[way] ^ kernel_tid) - 1;

	barrier_var(other);
	return other >> 63;
}

/*
 * The slot of this thread's record, or NO_THREAD; the number is the kernel's (task->pid). Asked twice at
 * each switch, so inline: calls and their returns are what hooks spend most of their time with, where
 * returns are guarded (AMD's "Safe RET").
 */
#define NO_THREAD 0xffffffffU
static __always_inline __u32 thread_slot(__u32 kernel_tid)
{
	__u32 bucket = TPROF_THREAD_BUCKET(kernel_tid), found = 0;
	struct tprof_thread_bucket *b = bucket_at(bucket);

	if (!b || !kernel_tid)
		return NO_THREAD;
#pragma unroll
	for (__u32 way = 0; way < TPROF_THREAD_WAYS; way++)
		found |= way_is(b, way, kernel_tid) * (TPROF_THREAD_SLOT(bucket, way) + 1);
	return found - 1;
}

/* Of a thread that has one. NULL: not a target's. */
static __always_inline struct tprof_thread *thread_find(__u32 kernel_tid)
{
	return thread_in(thread_slot(kernel_tid)); /* NULL for NO_THREAD: out of bounds */
}

/* A target that has no record gets one, as one that has been in `state` since the recording began, or since
 * now if it was no target then. NULL: no target, or no room (counted). Asked where a task leaves its CPU, and
 * once of all; not where tasks are woken or get a CPU, so that those of others, which are most of a host's, cost
 * one look into the index there. */
struct tprof_thread *thread_first(struct task_struct *task, __u32 state);

static __always_inline struct tprof_thread *thread_get(struct task_struct *task, __u32 state)
{
	return thread_find(task->pid) ?: thread_first(task, state);
}

/* What follows is asked by the slot of a thread's record: global functions take numbers only, and the verifier
 * looks at them once, whatever path calls them.
 *
 * The user's stack of this thread, the current one, which has these task->flags; see stack_take(). */
__u64 thread_stack(__u32 slot, __u32 task_flags);

/* Counts what took this thread so long. One that stands for 1 << shift such is counted so often. */
#define ROW(kind, shift) ((kind) | (shift) << 8)
int row_add(__u32 slot, __u32 row, __u64 stack, __u64 object, __u64 ns);

/* The record in this slot is complete; user space takes it from the array. */
int thread_finish(__u32 slot);

/* 1 if v is more than most, else 0; both below 2^63. BPF has only branches for that, which the verifier
 * would walk both. */
static __always_inline __u32 is_more(__u64 v, __u64 most)
{
	__u64 less = most - v;

	barrier_var(less);
	return less >> 63;
}

/* log2 of v, 0 for 0 */
static __always_inline __u32 log2_u32(__u32 v)
{
	__u32 r = is_more(v, 0xffff) << 4, s;

	v >>= r;
	s = is_more(v, 0xff) << 3;
	v >>= s;
	r |= s;
	s = is_more(v, 0xf) << 2;
	v >>= s;
	r |= s;
	s = is_more(v, 0x3) << 1;
	v >>= s;
	return r | s | (v >> 1);
}

static __always_inline void thread_id(const struct tprof_thread *t, struct task_id *ret_id)
{
	ret_id->tgid = t->tgid;
	ret_id->tid = t->tid;
	ret_id->process = t->process;
	ret_id->flags = 0;
	ret_id->start = t->start_ns;
}

/* Adds the time in the state that ends now, and says how long that was. */
static __always_inline __u64 thread_elapsed(struct tprof_thread *t, __u64 now)
{
	__u64 since = t->since_ns;

	t->since_ns = now;
	return now > since ? now - since : 0;
}

/* ── sched.bpf.c ──────────────────────────────────────────────────────────────────────────────
 * Notes in which system call the task sleeps. */
void block_begin(struct tprof_thread *t, struct task_struct *task, __u32 state);

/* ── budget.bpf.c ─────────────────────────────────────────────────────────────────────────────
 * The budget for stacks. Is this wait's stack taken? `site` tells where waits are alike. It stands
 * for 1 << the result such waits; NOT_TAKEN: no. */
#define NOT_TAKEN 32U
__u32 budget_ask(__u64 site, __u64 now);
/* Does this come more than some 500 times a second on this CPU? */
int budget_often(__u64 site, __u64 now);
/* The work that the answer led to was begun at `begin`. */
void budget_spend(__u64 begin);

/* ── futex.bpf.c ──────────────────────────────────────────────────────────────────────────────
 * Fills what the thread waits for, if this system call is a futex wait. */
void futex_note(struct tprof_thread *t, const struct wait_regs *regs);
static __always_inline void futex_begin(struct tprof_thread *t, const struct wait_regs *regs)
{
	if (t->wait_nr == NR_futex || t->wait_nr == NR_futex_wait || t->wait_nr == NR_futex_waitv)
		futex_note(t, regs);
}

/* The futex wait of the thread in this slot ends (its since_ns is now) after ns, as its wait_end says. */
enum wait_end { WAIT_WOKEN, WAIT_TIMEOUT, WAIT_SIGNAL };
int futex_end(__u32 slot, __u64 ns);

/* An index of an array in a map: clang may not move the mask to where the verifier (6.1 and before)
 * loses the bound. */
static __always_inline __u32 bounded(__u32 index, __u32 mask)
{
	barrier_var(index);
	return index & mask;
}

#endif
