/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_VMLINUX_COMMON_H
#define TPROF_VMLINUX_COMMON_H

/*
 * The few kernel types that tprof's BPF programs use, by hand, so that no build needs
 * /sys/kernel/btf. Every structure here is preserve_access_index: only names and types count, libbpf
 * finds the offsets of the running kernel. What changed its name between 5.10 and today has a flavor
 * in bpf/compat.bpf.h. Compiles six times faster than a full dump.
 */

#ifndef __VMLINUX_H__
#define __VMLINUX_H__
#endif

typedef signed char __s8;
typedef unsigned char __u8;
typedef short int __s16;
typedef short unsigned int __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long int __s64;
typedef long long unsigned int __u64;
typedef __s8 s8;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef __u16 __sum16;
typedef int pid_t;
typedef long unsigned int size_t;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

/* ── the BPF UAPI: values are ABI ───────────────────────────────────────────────────────────── */

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_HASH_OF_MAPS = 13,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
};

enum {
	BPF_F_NO_PREALLOC = 1,
	BPF_F_RDONLY_PROG = 128,
	BPF_F_MMAPABLE = 1024,
};

enum {
	BPF_F_SKIP_FIELD_MASK = 255,
	BPF_F_USER_STACK = 256,
};

enum { BPF_F_CURRENT_CPU = 4294967295ULL };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };

enum {
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
	BPF_RB_RING_SIZE = 1,
};

/* Asked with bpf_core_enum_value_exists: does the running kernel have this helper? */
enum bpf_func_id {
	BPF_FUNC_get_current_task_btf = 158,
	BPF_FUNC_task_pt_regs = 175,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pid_namespace;
struct linux_binprm;

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
	unsigned int level;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct kernfs_node {
	u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[1];
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct nsproxy {
	struct pid_namespace *pid_ns_for_children;
};

struct rq {
	u64 clock;
};

struct cfs_rq {
	struct rq *rq; /* CONFIG_FAIR_GROUP_SCHED */
};

struct sched_entity {
	u64 exec_start;
	u64 sum_exec_runtime;
	struct cfs_rq *cfs_rq; /* CONFIG_FAIR_GROUP_SCHED */
};

struct sched_info {
	long unsigned int pcount;
	long long unsigned int run_delay;
	long long unsigned int last_queued;
};

typedef struct {
	long unsigned int sig[1];
} sigset_t;

struct sigpending {
	sigset_t signal;
};

struct signal_struct {
	struct sigpending shared_pending;
	int nr_threads;
	int group_exit_code;
};

/* d4af56c5c7c6 ("mm: start tracking VMAs with maple tree", 6.1) */
struct maple_tree {
	void *ma_root;
};

enum maple_type {
	maple_range_64 = 2,
	maple_arange_64 = 3,
};

struct maple_range_64 {
	long unsigned int pivot[15];
	void *slot[16];
};

struct maple_arange_64 {
	long unsigned int pivot[9];
	void *slot[10];
};

struct super_block {
	u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	long unsigned int i_ino;
};

struct file {
	struct inode *f_inode;
};

struct vm_area_struct {
	long unsigned int vm_start, vm_end;
	struct mm_struct *vm_mm;
	long unsigned int vm_flags;
	long unsigned int vm_pgoff;
	struct file *vm_file;
};

typedef struct {
	void *vdso;
} mm_context_t;

struct mm_struct {
	struct maple_tree mm_mt;
	long unsigned int start_code;
	mm_context_t context;
};

struct thread_info {
	long unsigned int flags;
	u32 status; /* x86 */
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state; /* 5.14 on; before that `state`: see compat.bpf.h */
	void *stack;
	unsigned int flags;
	int on_cpu;
	int wake_cpu; /* where it ran last */
	struct sched_entity se;
	struct sched_info sched_info;
	struct mm_struct *mm;
	int exit_state;
	int exit_code;
	unsigned int in_iowait : 1;
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	long unsigned int nvcsw;
	long unsigned int nivcsw;
	u64 start_time;
	char comm[16];
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	sigset_t blocked;
	struct sigpending pending;
	u64 self_exec_id;
	struct css_set *cgroups;
};

/* iter/task, iter/bpf_map_elem */
struct seq_file;
struct bpf_map;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#define VM_EXEC 0x00000004UL

#define PF_EXITING     0x00000004U
#define PF_IO_WORKER   0x00000010U
#define PF_USER_WORKER 0x00004000U /* 6.4 on; before 5.18 "used async_schedule", modprobe at most */
#define PF_KTHREAD     0x00200000U

#endif
