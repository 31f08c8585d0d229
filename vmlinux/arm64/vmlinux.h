/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_VMLINUX_ARM64_H
#define TPROF_VMLINUX_ARM64_H

#include "../common.h"

/* Its layout is ABI. */
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};

/* What the kernel keeps on its stack begins with the user's part. The size is that of 5.10, the only
 * kernel for which it counts (orig_addr_limit … exit_rcu). */
struct pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
	__u64 orig_x0;
	__s32 syscallno;
	__u32 unused;
	__u64 tail[6];
};

typedef struct user_pt_regs bpf_user_pt_regs_t;

struct bpf_perf_event_data {
	bpf_user_pt_regs_t regs;
	__u64 sample_period;
	__u64 addr;
};

/* Where the user registers stand when bpf_task_pt_regs (5.15) is not there: the top of the kernel
 * stack, with 4 KB pages. */
#define KERNEL_STACK_SIZE 16384

#define REGS_USER_MODE(regs) (((regs)->pstate & 0xf) == 0)

#endif
