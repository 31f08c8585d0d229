/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PROCINFO_H
#define TPROF_PROCINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct profile;

/* What /proc says of a process or thread. All strings in it are the target's: hostile. */
struct procinfo {
	pid_t tgid;
	pid_t ns_pid; /* its own number: the last of NSpid */
	uid_t uid;    /* effective */
	char state;   /* 'R', 'S', 'Z', … */
	bool kernel_thread;
	char comm[64];
};

/* 0, -ESRCH (no such task), or another negative errno. */
int procinfo_read(pid_t pid, struct procinfo *ret_info);

/* Fills comm, cmdline, exe, cgroup, container, ns_pid and uid of a process of the profile from what
 * can be read; what cannot stays as it was. */
void procinfo_fill(struct profile *p, uint32_t process, pid_t pid);

/* The name of a thread into ret_comm: 0 or negative errno. */
int procinfo_comm(pid_t tgid, pid_t tid, char ret_comm[64]);
/* How many threads a process has; 0 = it is gone. */
uint32_t procinfo_threads(pid_t pid);

/* The container's id in a cgroup path, 64 hex digits as Docker, containerd, podman and CRI-O write
 * it; length 0 = none. */
size_t procinfo_container(const char *cgroup, const char **ret_id);

#endif
