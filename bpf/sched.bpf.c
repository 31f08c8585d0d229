// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "budget.bpf.h"

/*
 * Where threads' time goes: on a CPU, in the run queue, asleep, and in what. Two hooks see it all;
 * the system-call path pays nothing.
 *
 * Sums are exact. Stacks have a budget: see budget.bpf.h.
 */

/* ── the clock ──────────────────────────────────────────────────────────────────────────────── */

/*
 * To read a clock takes longer than all the rest of a hook. The scheduler has just read its own for
 * sched_switch, which counts the same nanoseconds as CLOCK_MONOTONIC from another begin, and which it
 * uses for how long tasks are queued: those are read instead. Needs CONFIG_FAIR_GROUP_SCHED and
 * CONFIG_SCHED_INFO, which distributions have.
 */
static __always_inline bool has_rq_clock(void)
{
	return bpf_core_field_exists(struct sched_entity, cfs_rq) &&
	       bpf_core_field_exists(struct sched_info, last_queued);
}

#define CLOCK_LOOK_NS	1000000
#define CLOCK_DRIFT_LOG 10 /* adjtimex(2) lets the one run 1/2000 faster than the other */

/* `rq_ns` is a little old when this comes, or much if the host took the CPU away between: so the least
 * that is seen is the true offset, and it may grow by no more than clocks drift. */
__noinline int clock_look(__u64 rq_ns)
{
	struct budget *here = budget_here();
	__u64 seen = bpf_ktime_get_ns() - rq_ns, most;
	struct tprof_budget *b = &here->b;

	if (!here)
		return 0;
	most = b->offset + ((rq_ns - b->rq_ns) >> CLOCK_DRIFT_LOG);
	b->offset = b->rq_ns && (__s64)(seen - most) > 0 ? most : seen;
	b->rq_ns = rq_ns;
	return 0;
}

/* In sched_switch, of this CPU, on which this task is; else 0. */
static __always_inline __u64 rq_clock(struct task_struct *task)
{
	return has_rq_clock() ? task->se.cfs_rq->rq->clock : 0;
}

/* CLOCK_MONOTONIC then. */
static __always_inline __u64 clock_switch(__u64 rq_ns)
{
	struct budget *here;

	if (!has_rq_clock())
		return bpf_ktime_get_ns();
	here = budget_here();
	if (!here)
		return 0;
	if (rq_ns - here->b.rq_ns > CLOCK_LOOK_NS)
		clock_look(rq_ns);
	return rq_ns + here->b.offset;
}

/* How long a task that gets its CPU now was in run queues since it left one; it may have been moved from
 * one to another. */
static __always_inline __u64 queued_ns(const struct tprof_thread *t, struct task_struct *task,
				       __u64 rq_ns)
{
	__u64 since;

	if (!has_rq_clock())
		return 0;
	since = task->sched_info.last_queued;
	return task_run_delay(task) - t->run_delay + (since && rq_ns > since ? rq_ns - since : 0);
}

/* ── what it sleeps in ──────────────────────────────────────────────────────────────────────── */

#define TASK_INTERRUPTIBLE  1U
#define TASK_STOPPED_TRACED 12U
#define TASK_DEAD	    128U
#define TASK_WAKING	    512U

static __always_inline __u64 block_note(struct tprof_thread *t, struct task_struct *task,
					__u32 state)
{
	struct wait_regs regs;

	t->wait_futex = 0;
	t->wait_owner = 0;
	t->woken_ns = 0;
	t->wait_end = WAIT_TIMEOUT; /* unless it has none, or somebody is seen to end it */
	if (task->flags & PF_KTHREAD) {
		t->wait_nr = TPROF_BLOCK_KERNEL;
		return 0;
	}
	if (state & TASK_STOPPED_TRACED) {
		t->wait_nr = TPROF_BLOCK_STOPPED;
		return 0;
	}
	task_wait_regs(task, &regs);
	t->wait_nr = regs.nr < 0 ? TPROF_BLOCK_FAULT
				 : regs.nr | (task_compat(task) ? TPROF_BLOCK_COMPAT : 0);
	if (state & TASK_INTERRUPTIBLE)
		futex_begin(t, &regs);
	return regs.sp ^ (__u64)(__u32)t->wait_nr << 48 ^ t->wait_futex << 16;
}

__hidden void block_begin(struct tprof_thread *t, struct task_struct *task, __u32 state)
{
	block_note(t, task, state);
}

static __always_inline void stack_for(struct tprof_thread *t, struct task_struct *task, __u64 site,
				      __u64 now)
{
	__u64 begin;
	__u32 shift;

	t->wait_stack = 0;
	t->flags &= ~TPROF_THREAD_STACKED;
	shift = budget_draw(site, now);
	if (shift >= NOT_TAKEN)
		return;
	begin = bpf_ktime_get_ns(); /* now is a little older */
	t->wait_shift = shift;
	t->wait_stack = thread_stack(t->slot, task->flags);
	t->flags |= TPROF_THREAD_STACKED;
	budget_spend(begin);
}

/* ── the end of a sleep ─────────────────────────────────────────────────────────────────────── */

/* The first that is free or is of this system call, else the last. Without a branch, of which the verifier
 * would follow each. */
static __always_inline __u32 block_slot(const struct tprof_thread *t)
{
	__u32 before = 1, slot = 0;

#pragma unroll
	for (__u32 i = 0; i < TPROF_THREAD_BLOCKS - 1; i++) {
		__u64 other = (__u32)(t->block_nr[i] ^ t->wait_nr);

		/* negative if it is another one's; both are below 2^63 */
		other = (0 - other) & (0 - t->block_count[i]);
		barrier_var(other);
		before &= other >> 63;
		slot += before;
	}
	return bounded(slot, TPROF_THREAD_BLOCKS - 1);
}

static __always_inline void block_sum(struct tprof_thread *t, __u64 ns)
{
	__u32 i = block_slot(t), last = is_more(i, TPROF_THREAD_BLOCKS - 2);

	t->offcpu_ns += ns;
	t->block_nr[i] = last ? TPROF_BLOCK_OTHER : t->wait_nr;
	t->block_count[i]++;
	t->block_ns[i] += ns;
}

static __always_inline void block_rows(struct tprof_thread *t, __u64 ns)
{
	row_add(t->slot, ROW(TPROF_OFFCPU, t->wait_shift), t->wait_stack, (__u32)t->wait_nr, ns);
	if (t->wait_futex)
		row_add(t->slot, ROW(TPROF_LOCK, t->wait_shift), t->wait_stack, t->wait_futex, ns);
}

static __always_inline void block_add(struct tprof_thread *t, __u64 ns)
{
	block_sum(t, ns);
	if (t->wait_futex)
		futex_end(t->slot, ns);
}

/* All that there is to a sleep. Those that come by the thousand have no rows, and no call. */
__noinline int block_close(__u32 slot, __u64 ns)
{
	struct tprof_thread *t = thread_in(slot);

	if (!t)
		return 0;
	block_add(t, ns);
	if (t->flags & TPROF_THREAD_STACKED)
		block_rows(t, ns);
	return 0;
}

/* ── leaving the CPU ────────────────────────────────────────────────────────────────────────── */

static __always_inline bool asleep(const struct tprof_thread *t)
{
	return t->state == TPROF_THREAD_BLOCKED || t->state == TPROF_THREAD_WOKEN;
}

/*
 * On a CPU for so long, of which the scheduler says how much was its own: the rest had interrupts or,
 * in a virtual machine, the host. It was ready and did not run, so that is time in the run queue.
 */
static __always_inline void cpu_add(struct tprof_thread *t, struct task_struct *task, __u64 ns)
{
	__u64 sum = task->se.sum_exec_runtime, own = sum - t->exec_ns;

	/* what it had when it was first seen says nothing, but a new thread's sum begins with 0 */
	if (own > ns || !(t->exec_ns || t->flags & TPROF_THREAD_CREATED))
		own = ns;
	t->exec_ns = sum;
	t->run_delay = task_run_delay(task);
	t->cpu_ns += own;
	/* Its way back to a CPU was not seen: hooks do not run everywhere, and this was an interrupt's
	 * wake-up. What it did not run it has slept. */
	if (asleep(t))
		block_close(t->slot, ns - own);
	else
		t->runq_ns += ns - own;
}

static __always_inline void switch_out(struct tprof_thread *t, struct task_struct *task,
				       bool preempted, __u64 now)
{
	__u32 state = task_state_direct(task);
	__u64 site = ((__u64)t->kernel_tid << 32) | 2, voluntary;
	bool slept;

	/* a leader that an exec has outlived bears the number of who exec'ed */
	if ((state & TASK_DEAD) && t->start_ns != task->start_time)
		return;
	cpu_add(t, task, thread_elapsed(t, now));
	if (state & TASK_DEAD) {
		t->exit_ns = now;
		thread_finish(t->slot);
		return;
	}
	voluntary = task->nvcsw - t->voluntary_base;
	/* who wakes it at this very moment has changed its state already, but it counts as a sleep */
	slept = !preempted && (state || voluntary != t->voluntary);
	t->voluntary = voluntary;
	t->involuntary = task->nivcsw - t->involuntary_base;
	t->state = TPROF_THREAD_RUNNABLE;
	if (slept) {
		site = block_note(t, task, state ?: TASK_INTERRUPTIBLE);
		t->state = TPROF_THREAD_BLOCKED;
	}
	if (slept && (!state || state == TASK_WAKING)) {
		t->state = TPROF_THREAD_WOKEN;
		t->wait_end = WAIT_WOKEN;
		t->woken_ns = now;
	}
	stack_for(t, task, site, now);
}

/* ── waking up ──────────────────────────────────────────────────────────────────────────────── */

/*
 * Does the current task wake by what it does in a system call, or has an interrupt come upon it, and
 * it has nothing to do with this? Interrupts run on the stack of their CPU; only one that came in
 * user mode runs on the task's, and then the task is in no system call. (The preemption count would
 * tell too, but is a per-CPU symbol that needs CONFIG_KALLSYMS_ALL.) The context is an array on the
 * kernel stack in use; its address goes through the map to become a number.
 */
static __always_inline bool on_stack(void *ctx, void *stack)
{
	struct budget *all = budget_here();

	if (!all)
		return false;
	*(void *volatile *)&all->b.scratch = ctx;
	return *(volatile __u64 *)&all->b.scratch - (__u64)stack < KERNEL_STACK_SIZE;
}

/* How the current task comes to wake another one. */
enum waker {
	WAKER_INTERRUPT, /* it does not: something has interrupted it */
	WAKER_TASK,	 /* in a system call, or in the kernel all the time */
	WAKER_FUTEX, /* in a system call that wakes who waits for a futex, and does nothing else */
	WAKER_EXIT,  /* exits: pthread_join's futex, or SIGCHLD to another process */
};

static __always_inline enum waker waker_by(__u32 flags, __s32 nr)
{
	if (flags & PF_EXITING)
		return WAKER_EXIT;
	if (flags & PF_KTHREAD)
		return WAKER_TASK;
	if (nr == NR_futex || nr == NR_futex_wake || nr == NR_futex_requeue)
		return WAKER_FUTEX;
	return nr >= 0 ? WAKER_TASK : WAKER_INTERRUPT;
}

static __always_inline enum waker who_wakes(void *ctx)
{
	/* bpf_get_current_task_btf: 3ca1032ab7ab, 5.11; its fields are read without a call */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		struct task_struct *task = bpf_get_current_task_btf();
		const struct pt_regs *regs = (void *)bpf_task_pt_regs(task);

		if (!on_stack(ctx, task->stack))
			return WAKER_INTERRUPT;
		return waker_by(task->flags, (__s32)regs->REGS_NR);
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();

		if (!on_stack(ctx, BPF_CORE_READ(task, stack)))
			return WAKER_INTERRUPT;
		return waker_by(BPF_CORE_READ(task, flags),
				(__s32)BPF_CORE_READ(current_user_regs(), REGS_NR));
	}
}

/* The wake-up's side of a wait whose stack was taken: the waker, if a target's thread woke. */
static __always_inline void waker_row(const struct tprof_thread *t, __u64 ns)
{
	struct tprof_thread *waker = thread_find((__u32)bpf_get_current_pid_tgid());
	__u64 object = t->wait_futex;

	if (!waker)
		return;
	if (object && waker->tgid != t->tgid)
		object |= TPROF_OBJECT_FOREIGN;
	row_add(waker->slot, ROW(TPROF_WAKE, t->wait_shift), thread_stack(waker->slot, 0), object,
		ns);
}

/* A signal marks the task before it wakes it; a timeout comes from an interrupt. Most are woken by who can
 * send no signal to this thread. */
static __always_inline enum wait_end how_ended(const struct tprof_thread *t,
					       struct task_struct *task,
					       struct signal_struct *shared, enum waker waker)
{
	if (waker == WAKER_FUTEX ||
	    (waker == WAKER_EXIT && task->tgid == (__s32)(bpf_get_current_pid_tgid() >> 32)))
		return WAIT_WOKEN;
	if (task_signalled(task, shared))
		return WAIT_SIGNAL;
	return waker ? WAIT_WOKEN : t->wait_end; /* TIMEOUT only of what has one */
}

/* Of a sleep whose stack was taken: the waker's is to be had now only. */
static __always_inline void stacked_end(struct tprof_thread *t, enum waker waker)
{
	__u64 now = t->woken_ns;

	if (waker)
		waker_row(t, now > t->since_ns ? now - t->since_ns : 0);
	budget_spend(now);
}

/*
 * Is the moment of the wake-up to be read from the clock? The scheduler's own note of it will be made when
 * the task is queued. On this CPU that follows at once; to another one it may take an interrupt and a
 * processor that comes out of its sleep, 20 us in a virtual machine.
 */
static __always_inline bool queued_later(struct task_struct *task)
{
	return !has_rq_clock() || task->wake_cpu != (int)bpf_get_smp_processor_id();
}

SEC("?tp_btf/sched_waking")
int BPF_PROG(waits_wake, struct task_struct *task)
{
	enum waker waker = WAKER_TASK; /* unless it is asked: most futex waits have no timeout */
	struct signal_struct *shared = task->signal; /* first of all, as in waits_switch() */
	struct tprof_thread *t;
	bool stacked;

	if (waits_stopped)
		return 0;
	t = thread_find(task->pid);
	if (!t || t->state != TPROF_THREAD_BLOCKED)
		return 0;
	t->state = TPROF_THREAD_WOKEN;
	stacked = t->flags & TPROF_THREAD_STACKED;
	if (stacked || queued_later(task))
		t->woken_ns = bpf_ktime_get_ns();
	if (stacked || (t->wait_futex && t->wait_end == WAIT_TIMEOUT))
		waker = who_wakes(ctx);
	if (t->wait_futex)
		t->wait_end = how_ended(t, task, shared, waker);
	if (stacked)
		stacked_end(t, waker);
	return 0;
}

/* ── getting the CPU ────────────────────────────────────────────────────────────────────────── */

/* Of the ns since it left its CPU, at `since`, it has slept so many. */
static __always_inline __u64 slept_ns(const struct tprof_thread *t, struct task_struct *task,
				      __u64 since, __u64 ns, __u64 rq_ns)
{
	__u64 slept = t->woken_ns ? t->woken_ns - since : ns - queued_ns(t, task, rq_ns);

	return slept > ns ? 0 : slept;
}

static __always_inline void switch_in(struct tprof_thread *t, struct task_struct *task, __u64 now,
				      __u64 rq_ns)
{
	__u64 since = t->since_ns, ns = thread_elapsed(t, now), slept = 0;

	if (asleep(t)) {
		slept = slept_ns(t, task, since, ns, rq_ns);
		if (t->flags & TPROF_THREAD_STACKED)
			block_close(t->slot, slept);
		else
			block_add(t, slept);
	}
	t->state = TPROF_THREAD_RUNNING;
	t->runq_ns += ns - slept;
	if (!(t->flags & TPROF_THREAD_STACKED))
		return;
	t->flags &= ~TPROF_THREAD_STACKED;
	row_add(t->slot, ROW(TPROF_RUNQ, t->wait_shift), t->wait_stack, 0, ns - slept);
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(waits_switch, bool preempted, struct task_struct *prev, struct task_struct *next)
{
	/* First of all, though most need it not: for each pointer that is followed the verifier of 6.18
	 * looks through all types, on each path on which it is. */
	__u64 now = 0, rq_ns = rq_clock(prev);
	struct tprof_thread *t;

	if (waits_stopped)
		return 0;
	t = prev->pid ? thread_get(prev, TPROF_THREAD_RUNNING) : NULL;
	if (t) {
		now = clock_switch(rq_ns);
		switch_out(t, prev, preempted, now);
	}
	t = thread_find(next->pid);
	if (t) {
		now = now ?: clock_switch(rq_ns);
		switch_in(t, next, now, rq_ns);
	}
	return 0;
}
