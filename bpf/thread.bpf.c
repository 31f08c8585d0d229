// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "waits.bpf.h"

/*
 * The record of every thread of a target, and how threads come and go.
 *
 * The index is a set-associative table in an array, not a hash map: it is asked twice at each
 * context switch, and a thread's birth and death may cost next to nothing (hash insert and delete
 * alone would be 2 to 3 % of pthread_create + join).
 */
#define CLONE_THREAD 0x00010000ULL

struct thread_index_map thread_index SEC(".maps");
struct threads_map threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 512);
	__type(key, struct tprof_gone_key);
	__type(value, struct tprof_gone);
} gone SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32); /* tgid */
	__type(value, struct tprof_rest);
} rest SEC(".maps");

/* Nothing counts from before. */
volatile __u64 waits_start_ns = 0;
/* Set by user space until all hooks are attached, and again before it detaches: all begin and end to
 * count at the same time. */
volatile bool waits_stopped = false;
/* There are records for user space to take. */
volatile bool threads_exited = false;
/* Every thread that was there at the start has been looked at. */
volatile bool waits_looked = false;

__noinline int thread_note(__u32 kernel_tid)
{
	struct tprof_thread *t = thread_find(kernel_tid);

	if (t)
		t->noted = true;
	return 0;
}

__noinline __u64 thread_stack(__u32 slot, __u32 task_flags)
{
	struct tprof_thread *t = thread_in(slot);
	struct task_id id;

	if (!t)
		return 0;
	thread_id(t, &id);
	id.flags = task_flags;
	return stack_take_user(&id);
}

__noinline int row_add(__u32 slot, __u32 row, __u64 stack, __u64 object, __u64 ns)
{
	struct tprof_thread *t = thread_in(slot);
	struct tprof_count_key key = { .stack = stack, .object = object, .kind = row & 0xff };
	__u32 shift = row >> 8 & 31;

	if (!t)
		return 0;
	key.start = t->start_ns;
	key.tgid = t->tgid;
	key.tid = t->tid;
	key.process = t->process;
	t->noted = true;
	count_add(&key, 1ULL << shift, ns << shift);
	return 0;
}

/* ── making room ────────────────────────────────────────────────────────────────────────────── */

#define EACH_BYTE(b) ((b)*0x0101010101010101ULL)

/* 8 characters, of which each digit becomes '0'. */
static __always_inline __u64 digits_to_zeros(__u64 text)
{
	__u64 value = text ^ EACH_BYTE('0'); /* digits: 0 … 9, all others more */
	__u64 more = ((value & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f - 9)) | value;
	__u64 digits = (~more & EACH_BYTE(0x80)) >> 7;

	return text - (value & digits * 0xff);
}

static __always_inline void gone_key(const struct tprof_thread *t, struct tprof_gone_key *key)
{
	key->tgid = t->tgid;
	key->process = t->process;
	key->creator_stack = t->creator_stack;
	key->flags = t->flags & (TPROF_THREAD_CREATED | TPROF_THREAD_FORKED | TPROF_THREAD_EXEC);
	key->flags |= t->tid == t->tgid ? TPROF_THREAD_LEADER : 0;
	key->second = t->exit_ns / 1000000000;
	for (int i = 0; i < 2; i++)
		((__u64 *)key->comm)[i] = digits_to_zeros(((const __u64 *)t->comm)[i]);
}

/* Of this CPU: no atomic operations. */
static __always_inline void gone_sum(struct tprof_gone *g, const struct tprof_thread *t)
{
	__u64 lived_us = (t->exit_ns - t->start_ns) / 1000;

	g->threads++;
	g->cpu_ns += t->cpu_ns;
	g->runq_ns += t->runq_ns;
	g->offcpu_ns += t->offcpu_ns;
	g->voluntary += t->voluntary;
	g->involuntary += t->involuntary;
	g->futex_waits += t->futex_waits;
	g->futex_ns += t->futex_ns;
	lived_us = lived_us > 0xffffffff ? 0xffffffff : lived_us;
	g->lifetimes[bounded(log2_u32(lived_us), TPROF_GONE_LIFETIMES - 1)]++;
}

/* User space did not come in time to read this record: its sums stay right all the same. */
__noinline int gone_add(__u32 slot)
{
	static const struct tprof_gone none;
	struct tprof_thread *t = thread_in(slot);
	struct tprof_gone_key key = {};
	struct tprof_gone *g;

	if (!t)
		return 0;
	gone_key(t, &key);
	g = bpf_map_lookup_elem(&gone, &key);
	if (!g) {
		bpf_map_update_elem(&gone, &key, &none, BPF_NOEXIST);
		g = bpf_map_lookup_elem(&gone, &key);
	}
	if (g)
		gone_sum(g, t);
	else
		loss_add(TPROF_LOSS_THREADS_FULL);
	return 0;
}

/* Claims a slot that is free (owners 0), or holds a thread that is gone (owners 1). */
__noinline int slot_claim(__u32 slot, __u32 owners)
{
	struct tprof_thread_bucket *b = bucket_at(slot);
	struct tprof_thread *t = thread_in(slot);
	volatile __u32 *claims;

	if (!b || !t)
		return false;
	claims = &b->claims[way_of(slot)];
	if (*claims != owners)
		return false;
	if (owners && *(volatile __u32 *)&t->state != TPROF_THREAD_EXITED)
		return false;
	__sync_fetch_and_add(claims, 1);
	if (*claims == owners + 1)
		return true;
	__sync_fetch_and_add(claims, -1);
	return false;
}

/* Takes the slot of a thread that is gone. */
__noinline int slot_reuse(__u32 slot)
{
	struct tprof_thread_bucket *b = bucket_at(slot);
	struct tprof_thread *t = thread_in(slot);

	if (!b || !t || !slot_claim(slot, 1))
		return false;
	gone_add(slot);
	t->state = TPROF_THREAD_FREE;
	__sync_fetch_and_add(&b->claims[way_of(slot)], -1);
	return true;
}

/* A slot for this thread, claimed, or NO_THREAD. */
__noinline __u32 slot_take(__u32 kernel_tid)
{
	__u32 bucket = TPROF_THREAD_BUCKET(kernel_tid);

	for (__u32 way = 0; way < TPROF_THREAD_WAYS; way++)
		if (slot_claim(TPROF_THREAD_SLOT(bucket, way), 0))
			return TPROF_THREAD_SLOT(bucket, way);
	for (__u32 way = 0; way < TPROF_THREAD_WAYS; way++)
		if (slot_reuse(TPROF_THREAD_SLOT(bucket, way)))
			return TPROF_THREAD_SLOT(bucket, way);
	loss_add(TPROF_LOSS_THREADS_FULL);
	return NO_THREAD;
}

/* A function of its own: it is 50 stores, which the verifier would walk on each path. */
__noinline int slot_clear(__u32 slot)
{
	struct tprof_thread *t = thread_in(slot);

	if (t)
		__builtin_memset(t, 0, sizeof(*t));
	return 0;
}

/*
 * From here on thread_slot() finds it. Two hooks, or a hook and the look at all tasks, may come to
 * the same task at once: who sees that there are two records withdraws his own, and gets false.
 */
__noinline int slot_publish(__u32 slot, __u32 kernel_tid)
{
	__u32 mine = way_of(slot), found = 0, zero = 0;
	struct tprof_thread_bucket *b = bucket_at(slot);

	if (!b)
		return false;
	*(volatile __u32 *)&b->tid[mine] = kernel_tid;
	/* A full barrier: the others are read after it. clang shall not see that it adds nothing: it
	 * would make an atomic OR of it, which 5.10 does not know (981f94c3e921, 5.12). */
	barrier_var(zero);
	__sync_fetch_and_add(&b->claims[mine], zero);
#pragma unroll
	for (__u32 way = 0; way < TPROF_THREAD_WAYS; way++)
		found += way_is(b, way, kernel_tid);
	if (found == 1)
		return true;
	*(volatile __u32 *)&b->tid[mine] = 0;
	__sync_fetch_and_add(&b->claims[mine], -1);
	return false;
}

static __noinline struct tprof_rest *rest_of(__u32 tgid)
{
	static const struct tprof_rest none;
	struct tprof_rest *r = bpf_map_lookup_elem(&rest, &tgid);

	if (r)
		return r;
	bpf_map_update_elem(&rest, &tgid, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&rest, &tgid);
}

/* ── making a record ────────────────────────────────────────────────────────────────────────── */

static __always_inline __u32 inner_tid(struct task_struct *task)
{
	/* Probe-read: 6.1 refuses a computed offset on a BTF pointer. */
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);

	if (!level)
		return task->pid;
	if (level > 32)
		return 0;
	return BPF_CORE_READ(
		(struct upid *)((char *)&pid->numbers + level * bpf_core_type_size(struct upid)),
		nr);
}

static __always_inline struct tprof_thread *
record_take(struct task_struct *task, const struct task_id *id, __u32 state, __u64 since)
{
	__u32 slot = slot_take(task->pid);
	struct tprof_thread *t = thread_in(slot);

	if (!t)
		return NULL;
	slot_clear(slot);
	t->slot = slot;
	t->since_ns = since;
	t->kernel_tid = task->pid;
	t->tgid = id->tgid;
	t->tid = id->tid;
	t->process = id->process;
	t->start_ns = id->start;
	*(volatile __u32 *)&t->state = state;
	return t;
}

/* Of a task that has lived before. */
static __always_inline struct tprof_thread *
thread_add(struct task_struct *task, const struct task_id *id, __u32 state, __u64 since)
{
	struct tprof_thread *t = record_take(task, id, state, since);

	if (!t)
		return NULL;
	t->inner_tid = inner_tid(task);
	t->voluntary_base = task->nvcsw;
	t->involuntary_base = task->nivcsw;
	t->run_delay = task_run_delay(task);
	bpf_probe_read_kernel_str(t->comm, sizeof(t->comm), task->comm);
	return slot_publish(t->slot, task->pid) ? t : thread_find(task->pid);
}

__hidden struct tprof_thread *thread_first(struct task_struct *task, __u32 state)
{
	struct tprof_thread *t;
	struct task_id id = {};

	/* exiting: it has had its record, and the record is closed */
	if ((task->flags & PF_EXITING) || !filter_task(task, &id))
		return NULL;
	t = thread_add(task, &id, state, waits_looked ? bpf_ktime_get_ns() : waits_start_ns);
	if (t && state == TPROF_THREAD_BLOCKED)
		block_begin(t, task, 0);
	return t;
}

/* ── coming and going ───────────────────────────────────────────────────────────────────────── */

/* The filter's answer is known where a thread of a target makes another one. */
static __always_inline bool new_id(struct task_struct *task, __u64 clone_flags,
				   const struct tprof_thread *creator, struct task_id *ret_id)
{
	if (!creator || !(clone_flags & CLONE_THREAD) || config.by_tid ||
	    config.pidns_inum != INIT_PIDNS)
		return filter_task(task, ret_id);
	thread_id(creator, ret_id);
	ret_id->tid = task->pid;
	ret_id->start = task->start_time;
	return true;
}

/* Who made it. Returns the stack's id, 0 = was not taken. */
static __always_inline __u64 creator_stack(struct tprof_thread *creator, __u64 clone_flags,
					   __u64 now)
{
	__u32 shift = budget_ask(((__u64)creator->kernel_tid << 32) | 1, now);
	__u64 begin, stack;

	if (shift >= NOT_TAKEN)
		return 0;
	begin = bpf_ktime_get_ns(); /* now is a little older */
	stack = thread_stack(creator->slot, 0);
	creator->noted = true;
	if (clone_flags & CLONE_THREAD)
		row_add(creator->slot, ROW(TPROF_SPAWN, shift), stack, 0, 1);
	budget_spend(begin);
	return stack;
}

static __always_inline void rest_created(__u32 tgid, __u64 clone_flags)
{
	struct tprof_rest *r = rest_of(tgid);

	if (r && (clone_flags & CLONE_THREAD))
		__sync_fetch_and_add(&r->created, 1);
}

/* In the creator's context. The name is still the creator's. */
SEC("?tp_btf/task_newtask")
int BPF_PROG(thread_new, struct task_struct *task, __u64 clone_flags)
{
	struct tprof_thread *t, *creator = thread_find((__u32)bpf_get_current_pid_tgid());
	struct task_id id = {};
	__u64 now, stack;

	if (waits_stopped || !new_id(task, clone_flags, creator, &id))
		return 0;
	now = task->start_time; /* a moment ago, and read already */
	stack = creator ? creator_stack(creator, clone_flags, now) : 0;
	t = record_take(task, &id, TPROF_THREAD_RUNNABLE, now);
	if (!t) {
		rest_created(id.tgid, clone_flags);
		return 0;
	}
	t->flags = clone_flags & CLONE_THREAD ? TPROF_THREAD_CREATED : TPROF_THREAD_FORKED;
	t->creator_stack = stack;
	if (creator && creator->inner_tid == creator->kernel_tid) {
		t->inner_tid = task->pid;
		__builtin_memcpy(t->comm, creator->comm, sizeof(t->comm));
	} else {
		t->inner_tid = inner_tid(task);
		bpf_probe_read_kernel_str(t->comm, sizeof(t->comm), task->comm);
	}
	if (creator)
		t->creator_tid = creator->tid;
	slot_publish(t->slot, task->pid);
	return 0;
}

SEC("?tp_btf/task_rename")
int BPF_PROG(thread_rename, struct task_struct *task, const char *comm)
{
	struct tprof_thread *t = thread_find(task->pid);

	if (!t || waits_stopped)
		return 0;
	bpf_probe_read_kernel_str(t->comm, sizeof(t->comm), comm);
	t->flags |= TPROF_THREAD_COMM;
	return 0;
}

__noinline int thread_finish(__u32 slot)
{
	struct tprof_thread_bucket *b = bucket_at(slot);
	struct tprof_thread *t = thread_in(slot);

	if (!b || !t)
		return 0;
	*(volatile __u32 *)&b->tid[way_of(slot)] = 0;
	/* Thousands a second that nothing else names are summed up at once: user space would do no
	 * more than that, for far more. */
	if ((t->flags & TPROF_THREAD_CREATED) && !t->noted && !(t->flags & TPROF_THREAD_EXEC) &&
	    budget_often(t->tgid, t->exit_ns)) {
		gone_add(slot);
		*(volatile __u32 *)&t->state = TPROF_THREAD_FREE;
		__sync_fetch_and_add(&b->claims[way_of(slot)], -1);
		return 0;
	}
	*(volatile __u32 *)&t->state = TPROF_THREAD_EXITED;
	if (!threads_exited)
		threads_exited = true;
	return 0;
}

/* It exits. From Linux 6.16 on most of the work of that is still ahead (the memory is given back), so
 * its record goes on until it leaves the CPU for the last time: see switch_out(). */
static __always_inline void thread_close(__u32 kernel_tid, struct task_struct *task, __u32 flags)
{
	__u32 slot = thread_slot(kernel_tid);
	struct tprof_thread *t = thread_in(slot);
	bool whole = flags || !config.waits;
	__u64 now;

	if (!t)
		return;
	now = whole ? bpf_ktime_get_ns() : t->since_ns; /* its last switch tells the true time */
	if (whole && t->state == TPROF_THREAD_RUNNING)
		t->cpu_ns += thread_elapsed(t, now);
	t->voluntary = task->nvcsw - t->voluntary_base;
	t->involuntary = task->nivcsw - t->involuntary_base;
	t->flags |= flags;
	t->exit_ns = now;
	if (whole)
		thread_finish(slot);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(thread_exit, struct task_struct *task)
{
	struct tprof_rest *r;
	struct task_id id = {};

	if (waits_stopped)
		return 0;
	if (thread_find(task->pid)) {
		thread_close(task->pid, task, 0);
		return 0;
	}
	/* only where there was no room, which is rare: asked last */
	if (!filter_task(task, &id))
		return 0;
	r = id.tid != id.tgid ? rest_of(id.tgid) : NULL;
	if (r)
		__sync_fetch_and_add(&r->exited, 1);
	return 0;
}

/* The program is another one from here on, and a thread that was not the leader now has the leader's
 * number: a new record begins. */
SEC("?tp_btf/sched_process_exec")
int BPF_PROG(thread_exec, struct task_struct *task, pid_t old_pid)
{
	__u64 now = bpf_ktime_get_ns();
	struct task_id id = {};

	if (waits_stopped)
		return 0;
	thread_close(old_pid, task, TPROF_THREAD_EXEC);
	/* the leader that it has outlived may not have left its CPU yet */
	thread_finish(thread_slot(task->pid));
	if (!filter_task(task, &id))
		return 0;
	thread_add(task, &id, TPROF_THREAD_RUNNING, now);
	if (config.follow) /* of a whole system most are over before they are sampled */
		mapping_exec(&id);
	return 0;
}

/* ── those that are there already ───────────────────────────────────────────────────────────── */

/* A global function: what it returns is any number to the verifier, which else would walk all that
 * follows for each of the three. */
__noinline int look_state(__u32 running, __u32 blocked)
{
	if (running)
		return TPROF_THREAD_RUNNING;
	return blocked ? TPROF_THREAD_BLOCKED : TPROF_THREAD_RUNNABLE;
}

/* Run once, right after the hooks are attached: threads that sleep all the time have a record too. A
 * thread that no hook has seen is in the state that it was in at the start. */
SEC("?iter/task")
int threads_look(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	bool running, blocked;

	if (!task)
		return 0;
	running = BPF_CORE_READ_BITFIELD_PROBED(task, on_cpu); /* of no stable size */
	blocked = task_state(task);
	thread_get(task, look_state(running, blocked));
	return 0;
}
