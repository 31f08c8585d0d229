// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tprof.bpf.h"

/*
 * One program on one event per CPU: cycles or cpu-clock. It asks whose the CPU is at that moment; an
 * event per task, inherited by its children, would miss threads that live for 10 ms.
 */
SEC("perf_event")
int cpu_sample(struct bpf_perf_event_data *ctx)
{
	struct tprof_count_key key = {};
	struct task_id id;

	if (!filter_current(&id))
		return 0;
	key.tgid = id.tgid;
	key.tid = id.tid;
	key.start = id.start;
	key.process = id.process;
	key.kind = TPROF_CPU;
	/* in user mode there are no kernel frames to ask for */
	key.stack = stack_take(ctx, &id,
			       REGS_USER_MODE(&ctx->regs) ? STACK_USER : STACK_USER | STACK_KERNEL);
	thread_note((__u32)bpf_get_current_pid_tgid());
	count_add(&key, 1, (ctx->sample_period * config.ns_per_unit) >> 20);
	return 0;
}
