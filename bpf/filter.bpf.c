// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tprof.bpf.h"

#define MAX_PIDNS    32 /* MAX_PID_NS_LEVEL */
#define MAX_CGROUP   64 /* deeper cgroups are not targets by their ancestors */
#define CLONE_THREAD 0x00010000ULL

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct tprof_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct tprof_target);
} target_tgids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct tprof_target);
} target_tids SEC(".maps");

/* The number of a task in tprof's PID namespace, 0 = it is not seen from there. */
static __always_inline __u32 pid_in_namespace(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);

	for (__u32 i = 0; i < MAX_PIDNS; i++) {
		if (!pid || i > level)
			break;
		/* numbers[] is as long as the level says: its address, not a CO-RE index */
		const char *at = (const char *)&pid->numbers + i * bpf_core_type_size(struct upid);
		struct upid *upid = (void *)at;
		struct pid_namespace *ns = BPF_CORE_READ(upid, ns);

		if (BPF_CORE_READ(ns, ns.inum) == config.pidns_inum)
			return BPF_CORE_READ(upid, nr);
	}
	return 0;
}

__hidden __u32 task_tgid(struct task_struct *task)
{
	if (config.pidns_inum == INIT_PIDNS)
		return BPF_CORE_READ(task, tgid);
	return pid_in_namespace(BPF_CORE_READ(task, group_leader));
}

/* Is the task in the cgroup asked for, or below it? */
static __always_inline bool in_cgroup(struct task_struct *task)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	__u32 level = config.cgroup_level;
	__u64 id = 0;

	if ((__u32)BPF_CORE_READ(cgroup, level) < level || level >= MAX_CGROUP)
		return false;
	if (bpf_core_field_exists(cgroup->ancestors)) {
		struct cgroup *above = NULL;

		bpf_core_read(&above, sizeof(above), (char *)&cgroup->ancestors + level * 8);
		id = BPF_CORE_READ(above, kn, id);
	} else {
		struct cgroup___pre_6_1 *old = (void *)cgroup;

		bpf_core_read(&id, sizeof(id), (char *)&old->ancestor_ids + level * 8);
	}
	return id == config.cgroup_id;
}

/* Claims a target at its first sight; another process with the same number is none. */
static __always_inline bool target_claim(struct tprof_target *target, __u64 start)
{
	if (!target)
		return false;
	if (!target->start)
		target->start = start;
	return target->start == start;
}

/* Never 0: that is "not claimed yet" in struct tprof_process. */
static __always_inline __u32 incarnation(__u64 leader_start, __u64 exec_id)
{
	__u32 process = (__u32)(leader_start >> 20) ^ ((__u32)exec_id << 24);

	return process ?: 1;
}

/*
 * The filter's one text: READ is how a field is read, for a BTF pointer directly, else by CO-RE
 * probe read. Cheapest questions first: most tasks end at the first hash lookup.
 */
#define FILTER(task, ret_id, READ)                                                                \
	({                                                                                        \
		struct tprof_target *target_ = NULL;                                              \
		__u32 tgid_ = READ(task, tgid), tid_ = READ(task, pid);                           \
		__u64 leader_start_;                                                              \
		bool is_ = tid_ != 0;                                                             \
                                                                                                  \
		if (is_ && config.pidns_inum != INIT_PIDNS) {                                     \
			tid_ = pid_in_namespace(task);                                            \
			tgid_ = tid_ ? pid_in_namespace(READ(task, group_leader)) : 0;            \
			is_ = tid_ && tgid_;                                                      \
		}                                                                                 \
		is_ = is_ && tgid_ != config.self_tgid;                                           \
		if (is_ && config.by_cgroup)                                                      \
			is_ = in_cgroup(task);                                                    \
		if (is_ && config.by_tid)                                                         \
			is_ = (target_ = bpf_map_lookup_elem(&target_tids, &tid_)) != NULL;       \
		else if (is_ && !config.all && !config.by_cgroup)                                 \
			is_ = (target_ = bpf_map_lookup_elem(&target_tgids, &tgid_)) != NULL;     \
		if (is_) {                                                                        \
			leader_start_ = BPF_CORE_READ(task, group_leader, start_time);            \
			(ret_id)->tgid = tgid_;                                                   \
			(ret_id)->tid = tid_;                                                     \
			(ret_id)->start = READ(task, start_time);                                 \
			(ret_id)->flags = READ(task, flags);                                      \
			(ret_id)->process = incarnation(leader_start_, READ(task, self_exec_id)); \
			if (target_)                                                              \
				is_ = target_claim(target_, config.by_tid ? (ret_id)->start       \
									  : leader_start_);       \
		}                                                                                 \
		is_;                                                                              \
	})

#define READ_DIRECT(object, field) ((object)->field)

__hidden bool filter_task(struct task_struct *task, struct task_id *ret_id)
{
	return FILTER(task, ret_id, READ_DIRECT);
}

__hidden bool filter_current(struct task_id *ret_id)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return FILTER(task, ret_id, BPF_CORE_READ);
}

/* Children of targets are targets, from before their first instruction. */
SEC("?tp_btf/task_newtask")
int BPF_PROG(follow_fork, struct task_struct *child, __u64 clone_flags)
{
	struct tprof_fork_event event = {};
	struct tprof_target target = {};
	struct task_id parent;
	__u32 tgid;

	if ((clone_flags & CLONE_THREAD) || !filter_current(&parent))
		return 0;
	tgid = task_tgid(child);
	if (!tgid)
		return 0;
	target.start = child->start_time;
	if (bpf_map_update_elem(&target_tgids, &tgid, &target, BPF_ANY))
		loss_add(TPROF_LOSS_TARGETS_FULL);

	struct task_id id = {
		.tgid = tgid,
		.tid = tgid,
		.process = incarnation(child->start_time, child->self_exec_id),
	};

	mapping_inherit(&parent, &id);
	event_head(&event.head, TPROF_EVENT_FORK, &id);
	event.start = child->start_time;
	event.parent_tgid = parent.tgid;
	bpf_probe_read_kernel_str(event.comm, sizeof(event.comm), child->comm);
	event_send(&event, sizeof(event), false);
	return 0;
}

/* Nothing of it will run again: its entry makes room. At its exit that would be too early, most of
 * that is still ahead then. In other PID namespaces it has no number left: user space does it. */
SEC("?tp_btf/sched_process_free")
int BPF_PROG(follow_free, struct task_struct *task)
{
	struct tprof_target *target;
	__u32 tgid = task->tgid;

	if (task->pid != task->tgid || config.pidns_inum != INIT_PIDNS)
		return 0;
	target = bpf_map_lookup_elem(&target_tgids, &tgid);
	if (target && target->start == task->start_time)
		bpf_map_delete_elem(&target_tgids, &tgid);
	return 0;
}
