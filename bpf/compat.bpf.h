/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_COMPAT_BPF_H
#define TPROF_COMPAT_BPF_H

/* CO-RE flavors: what changed its name or shape between 5.10 and today, each with the commit. */

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>

/* 2f064a59a11f ("sched: Change task_struct::state", 5.14): `state` became `__state`. */
struct task_struct___pre_5_14 {
	long state;
} __attribute__((preserve_access_index));

static __always_inline unsigned int task_state(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ((struct task_struct___pre_5_14 *)task, state);
}

/* 7f203bc89eb6 ("cgroup: Replace cgroup->ancestor_ids[] with ->ancestors[]", 6.1). */
struct cgroup___pre_6_1 {
	u64 ancestor_ids[1];
} __attribute__((preserve_access_index));

/* bpf_get_current_task_btf: 3ca1032ab7ab, 5.11. Without it the pointer can only be probe-read. */
static __always_inline struct task_struct *current_task(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return bpf_get_current_task_btf();
	return (void *)bpf_get_current_task();
}

/* The user registers of the current task, for bpf_probe_read_kernel; in whatever the task is now. */
static __always_inline const struct pt_regs *current_user_regs(void)
{
	/* dd6e10fbd9fb ("bpf: Add bpf_task_pt_regs() helper", 5.15) */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	struct task_struct *task = (void *)bpf_get_current_task();
	const char *stack = BPF_CORE_READ(task, stack);

	return (const void *)(stack + KERNEL_STACK_SIZE - sizeof(struct pt_regs));
}

/* task_state() of a BTF pointer: without a probe read. */
static __always_inline unsigned int task_state_direct(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return ((struct task_struct___pre_5_14 *)task)->state;
}

/* All its time in run queues until it last got a CPU; CONFIG_SCHED_INFO, else 0. */
static __always_inline __u64 task_run_delay(struct task_struct *task)
{
	return bpf_core_field_exists(task->sched_info.run_delay) ? task->sched_info.run_delay : 0;
}

#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT 0x0002U
static __always_inline bool task_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}
#elif defined(__TARGET_ARCH_arm64)
#define TIF_32BIT 22
static __always_inline bool task_compat(struct task_struct *task)
{
	return task->thread_info.flags >> TIF_32BIT & 1;
}
#endif

/* Has it a signal to take? By what is pending and not by TIF_SIGPENDING, whose number is each machine's
 * and was changed on x86 in 6.18 (generic TIF bits). `shared` is task->signal, which the caller follows
 * where he does so once. */
static __always_inline bool task_signalled(struct task_struct *task, struct signal_struct *shared)
{
	return (task->pending.signal.sig[0] | shared->shared_pending.signal.sig[0]) &
	       ~task->blocked.sig[0];
}

#endif
