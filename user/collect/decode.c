// SPDX-License-Identifier: BSD-2-Clause
/* What comes through the ring: stacks, once each; news of processes. */
#include <bpf/libbpf.h>
#include <errno.h>

#include "collect/impl.h"
#include "collect/procs.h"
#include "collect/objects.h"
#include "profile/profile.h"

_Static_assert((int)TPROF_END_STUCK == (int)PROFILE_END_STUCK, "same numbers");
_Static_assert((int)TPROF_END_ROOT == (int)PROFILE_END_ROOT, "same numbers");
_Static_assert((int)TPROF_RUNQ == (int)PROFILE_RUNQ, "same numbers");

#define MAX_FRAMES (TPROF_MAX_KERNEL_FRAMES + TPROF_MAX_USER_FRAMES)

static uint32_t kernel_frame(struct collect *c, uint64_t address)
{
	if (!c->kernel_module) {
		struct profile_module m = {
			.name = profile_string(c->profile, "[kernel]"),
			.type = PROFILE_MODULE_KERNEL,
			.fd = -1,
			.root_fd = -1,
		};

		c->kernel_module = profile_module(c->profile, &m);
	}
	return profile_frame(c->profile, c->kernel_module, address);
}

static uint32_t user_frame(struct collect *c, struct proc *p, uint64_t frame)
{
	uint32_t module;

	if (!(frame & TPROF_FRAME_OBJECT))
		return procs_frame(c->procs, p, frame);
	module = objects_module(
		c->objects, (uint32_t)((frame & ~TPROF_FRAME_OBJECT) >> TPROF_FRAME_OFFSET_BITS));
	return profile_frame(c->profile, module, frame & TPROF_FRAME_OFFSET_MASK);
}

static int decode_stack_event(struct collect *c, const struct tprof_stack_event *e, size_t size)
{
	const uint64_t *from = (const uint64_t *)(e + 1);
	size_t users = e->user_frames, kernels = e->kernel_frames;
	uint32_t frames[MAX_FRAMES], n = 0;
	uint64_t *stack;
	struct proc *p;

	if (size < sizeof(*e) + (users + kernels) * sizeof(*from) || users + kernels > MAX_FRAMES)
		return 0;
	stack = map64_at(&c->stacks, e->stack);
	if (!stack)
		return -ENOMEM;
	if (*stack)
		return 0;
	p = procs_get(c->procs, (pid_t)e->head.tgid, e->head.process);
	if (!p)
		return -ENOMEM;
	/* return addresses lie behind the call: the leaf is none */
	for (size_t i = 0; i < kernels; i++)
		frames[n++] = kernel_frame(c, from[users + i] - (i > 0));
	for (size_t i = 0; i < users; i++)
		frames[n++] = user_frame(c, p, from[i]);
	*stack = profile_stack(c->profile, frames, n, (enum profile_stack_end)e->end);
	return 0;
}

uint32_t decode_stack(struct collect *c, uint64_t stack)
{
	uint64_t *at = stack ? map64_at(&c->stacks, stack) : NULL;

	return at ? (uint32_t)*at : 0;
}

static int decode_process(struct collect *c, const struct tprof_process_event *e)
{
	struct proc_news news = {
		.pid = (pid_t)e->head.tgid,
		.parent = (pid_t)e->parent_tgid,
		.process = e->head.process,
		.start = e->start,
		.comm = e->comm,
	};

	return procs_running(c->procs, &news) ? 0 : -ENOMEM;
}

static int decode_fork(struct collect *c, const struct tprof_fork_event *e)
{
	struct proc_news news = {
		.pid = (pid_t)e->head.tgid,
		.parent = (pid_t)e->parent_tgid,
		.process = e->head.process,
		.start = e->start,
		.comm = e->comm,
	};

	return procs_forked(c->procs, &news) ? 0 : -ENOMEM;
}

static void decode_unknown_pc(struct collect *c, const struct tprof_pc_event *e)
{
	struct proc *p = procs_find(c->procs, (pid_t)e->head.tgid);

	if (p && p->process == e->head.process)
		procs_unknown_pc(c->procs, p, e->pc);
}

/* Events are as long as BPF makes them; one that is shorter is not one of ours. */
int decode_event(void *ctx, void *data, size_t size)
{
	const struct tprof_event *e = data;
	struct collect *c = ctx;

	if (size < sizeof(*e))
		return 0;
	if (e->type == TPROF_EVENT_STACK && size >= sizeof(struct tprof_stack_event))
		return decode_stack_event(c, data, size);
	if (e->type == TPROF_EVENT_PROCESS && size >= sizeof(struct tprof_process_event))
		return decode_process(c, data);
	if (e->type == TPROF_EVENT_FORK && size >= sizeof(struct tprof_fork_event))
		return decode_fork(c, data);
	if (e->type == TPROF_EVENT_UNKNOWN_PC && size >= sizeof(struct tprof_pc_event))
		decode_unknown_pc(c, data);
	if (e->type == TPROF_EVENT_FULL)
		c->drain_now = true;
	return 0;
}

int decode_ring(struct collect *c)
{
	int n = ring_buffer__consume(c->ring);

	/* frames that BPF could not place may be placed from now on */
	procs_flush(c->procs);
	return n < 0 ? n : profile_error(c->profile);
}
