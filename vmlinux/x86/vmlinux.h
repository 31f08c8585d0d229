/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_VMLINUX_X86_H
#define TPROF_VMLINUX_X86_H

#include "../common.h"

/*
 * Without CO-RE: its layout is ABI, and in newer headers cs and ss are bit-fields in unions, of which
 * clang reads 2 bytes, which perf_event programs reject.
 */
struct pt_regs {
	long unsigned int r15, r14, r13, r12;
	long unsigned int bp, bx;
	long unsigned int r11, r10, r9, r8;
	long unsigned int ax, cx, dx, si, di;
	long unsigned int orig_ax;
	long unsigned int ip, cs, flags, sp, ss;
};

typedef struct pt_regs bpf_user_pt_regs_t;

struct bpf_perf_event_data {
	bpf_user_pt_regs_t regs;
	__u64 sample_period;
	__u64 addr;
};

/* Where the user registers stand when bpf_task_pt_regs (5.15) is not there: the top of the kernel
 * stack. KASAN kernels have larger ones; those of distributions do not. */
#define KERNEL_STACK_SIZE 16384

#define REGS_USER_MODE(regs) (((regs)->cs & 3) != 0)

#endif
