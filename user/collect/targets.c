// SPDX-License-Identifier: BSD-2-Clause
/* Who is to be recorded: checked before anything is loaded, told to BPF, watched until gone. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/diag.h"
#include "collect/impl.h"
#include "collect/procinfo.h"
#include "collect/procs.h"
#include "profile/profile.h"
#include "tprof.skel.h"

static int check_info(const struct procinfo *info, pid_t pid, struct diag *d)
{
	if (info->state == 'Z' || info->state == 'X')
		return diag_set(d, -ESRCH,
				"process %d (%s) is a zombie: it has exited, only its parent can "
				"remove it",
				(int)pid, info->comm);
	if (info->kernel_thread)
		return diag_set(
			d, -EINVAL,
			"%d (%s) is a kernel thread: record the whole system with -a to see it",
			(int)pid, info->comm);
	if (info->tgid == getpid())
		return diag_set(d, -EINVAL, "%d is tprof itself: choose another process", (int)pid);
	return 0;
}

static int check_one(struct target *t, bool thread, pid_t pid, struct diag *d)
{
	struct procinfo info;
	int err = pid > 0 ? procinfo_read(pid, &info) : -ESRCH;

	if (err < 0)
		return diag_set(d, err,
				err == -ESRCH ? "no %s %d: see ps -eLf for what runs"
					      : "cannot look at %s %d: is /proc mounted?",
				thread ? "thread" : "process", (int)pid);
	err = check_info(&info, pid, d);
	if (err < 0)
		return err;
	if (!thread && info.tgid != pid)
		return diag_set(d, -ESRCH,
				"%d is a thread of process %d: use -p %d, or -t %d for it alone",
				(int)pid, (int)info.tgid, (int)info.tgid, (int)pid);
	*t = (struct target){ .pid = info.tgid, .tid = thread ? pid : 0, .pidfd = -1 };
	if (!thread)
		t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return 0;
}

int targets_check(struct collect *c, struct diag *d)
{
	const struct collect_options *o = &c->o;
	size_t n = o->pid_count + o->tid_count;
	int err = 0;

	if (!n && !o->all && !o->cgroup && !o->command)
		return diag_set(d, -EINVAL,
				"nothing to record: name a target with -p, -t, -a or -- CMD");
	c->targets = calloc(n + 1, sizeof(*c->targets));
	if (!c->targets)
		return diag_errno(d, -ENOMEM, "targets");
	for (size_t i = 0; i < o->pid_count && !err; i++)
		err = check_one(&c->targets[c->target_count++], false, o->pids[i], d);
	for (size_t i = 0; i < o->tid_count && !err; i++)
		err = check_one(&c->targets[c->target_count++], true, o->tids[i], d);
	return err;
}

static int register_id(int map_fd, pid_t id, struct diag *d)
{
	struct tprof_target none = { 0 };
	uint32_t key = (uint32_t)id;

	if (bpf_map_update_elem(map_fd, &key, &none, BPF_ANY) < 0)
		return diag_errno(d, -errno, "cannot register target %d", (int)id);
	return 0;
}

static int register_one(struct collect *c, int map_fd, pid_t pid, pid_t id, struct diag *d)
{
	int err = register_id(map_fd, id, d);

	if (err < 0)
		return err;
	if (!procs_find(c->procs, pid) && !procs_add(c->procs, pid))
		return diag_errno(d, -ENOMEM, "targets");
	return 0;
}

static void watch(struct collect *c, struct target *t)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };

	if (t->pidfd >= 0)
		epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, t->pidfd, &event);
}

int targets_register(struct collect *c, struct diag *d)
{
	int pids = bpf_map__fd(c->skel->maps.target_tgids);
	int tids = bpf_map__fd(c->skel->maps.target_tids);
	int err = 0;

	for (size_t i = 0; i < c->target_count && !err; i++) {
		struct target *t = &c->targets[i];

		err = register_one(c, t->tid ? tids : pids, t->pid, t->tid ? t->tid : t->pid, d);
		profile_info(c->profile)->live_at_start += t->tid ? 1 : procinfo_threads(t->pid);
		watch(c, t);
	}
	if (!err && c->command.pid) {
		/* what it maps now is tprof; what it will map, its first sample makes us read */
		err = register_id(pids, c->command.pid, d);
		profile_process(c->profile, c->command.pid, 0);
		profile_info(c->profile)->live_at_start += 1;
	}
	procs_flush(c->procs);
	return err;
}

/* A zombie is gone, too: a pidfd is readable then. */
static bool target_gone(struct target *t)
{
	struct pollfd exited = { .fd = t->pidfd, .events = POLLIN };

	if (t->gone)
		return true;
	if (t->pidfd >= 0)
		t->gone = poll(&exited, 1, 0) == 1;
	else
		t->gone = syscall(SYS_tgkill, t->pid, t->tid ? t->tid : t->pid, 0) < 0 &&
			  errno == ESRCH;
	return t->gone;
}

bool targets_gone(struct collect *c)
{
	bool any = c->o.all || c->o.cgroup;

	for (size_t i = 0; i < c->target_count; i++)
		any |= !target_gone(&c->targets[i]);
	if (c->command.pid)
		any |= !command_gone(&c->command);
	return !any;
}

void targets_release(struct collect *c)
{
	for (size_t i = 0; i < c->target_count; i++) {
		if (c->targets[i].pidfd >= 0)
			close(c->targets[i].pidfd);
	}
	free(c->targets);
	c->targets = NULL;
	c->target_count = 0;
}
