// SPDX-License-Identifier: BSD-2-Clause
/* The facade: life of a recording. */
#include "collect/collect.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/clock.h"
#include "collect/command_hold.h"
#include "collect/impl.h"
#include "collect/maps.h"
#include "collect/objects.h"
#include "collect/procinfo.h"
#include "collect/procs.h"
#include "collect/unwind_tables.h"
#include "collect/waits.h"
#include "profile/profile.h"
#include "tprof.skel.h"

#define TICK_NS (200 * NSEC_PER_MSEC) /* what is urgent wakes us; a part of a second */

/* ── new ────────────────────────────────────────────────────────────────────────────────────── */

static int watch_fd(struct collect *c, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_waiting(struct collect *c, struct diag *d)
{
	int err;

	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	c->ring = ring_buffer__new(bpf_map__fd(c->skel->maps.ring), decode_event, c, NULL);
	if (c->epoll_fd < 0 || c->timer_fd < 0 || !c->ring)
		return diag_errno(d, -errno, "cannot wait for the ring buffer");
	err = watch_fd(c, ring_buffer__epoll_fd(c->ring));
	if (!err)
		err = watch_fd(c, c->timer_fd);
	return err < 0 ? diag_errno(d, err, "cannot wait for the ring buffer") : 0;
}

/* So that BPF knows it in processes whose mappings are not read yet. Where there is no room left those
 * wait, no more. */
static void tell_file(struct collect *c, uint32_t object, const struct map_entry *e)
{
	struct tprof_file key = {
		.inode = e->dev ? e->inode : 0,
		.dev = (uint64_t)major(e->dev) << 20 | minor(e->dev),
	};

	if (!e->dev && e->start <= UINT32_MAX)
		return; /* the vdso of 32-bit programs, which are not walked */
	(void)bpf_map_update_elem(bpf_map__fd(c->skel->maps.files), &key, &object, BPF_ANY);
}

static void on_object(void *ctx, uint32_t object, int fd, const struct map_entry *e)
{
	struct collect *c = ctx;

	tell_file(c, object, e);
	/* what a named target maps will be needed; of a whole system's files most never run */
	unwind_tables_add(c->unwind, object, fd, c->o.all || c->o.cgroup);
}

static int open_unwind(struct collect *c, struct diag *d)
{
	struct unwind_tables_maps maps = {
		.objects = bpf_map__fd(c->skel->maps.objects),
		.chunks = bpf_map__fd(c->skel->maps.chunks),
		.rules = bpf_map__fd(c->skel->maps.rules),
		.epoch = &c->skel->data->unwind_epoch,
	};

	return unwind_tables_new(&c->unwind, &maps, c->o.unwind_memory, d);
}

static void on_mmap(void *ctx, pid_t pid, const struct map_entry *e)
{
	struct collect *c = ctx;

	procs_mmap(c->procs, pid, e);
}

static void on_mmap_lost(void *ctx)
{
	struct collect *c = ctx;

	procs_reread(c->procs);
}

static void take_mappings(void *ctx)
{
	struct collect *c = ctx;

	mmap_events_read(&c->mmap_events, on_mmap, on_mmap_lost, c);
}

static int open_tables(struct collect *c, struct diag *d)
{
	struct procs_options o = { .profile = c->profile };
	int err = open_unwind(c, d);

	if (err < 0)
		return err;
	c->objects = objects_new(c->profile, on_object, c);
	o.objects = c->objects;
	o.processes_fd = bpf_map__fd(c->skel->maps.processes);
	o.targets_fd = load_follows(c) ? bpf_map__fd(c->skel->maps.target_tgids) : -1;
	o.mappings = c->mappings;
	o.take_mappings = take_mappings;
	o.ctx = c;
	o.short_lived = c->o.all || c->o.follow || c->o.cgroup || c->o.command;
	o.mappings_size = bpf_map__max_entries(c->skel->maps.mappings);
	c->procs = c->objects ? procs_new(&o) : NULL;
	if (!c->procs || drain_init(c) < 0)
		return diag_errno(d, -ENOMEM, "tables");
	return 0;
}

/* Those that are watched already stay so. */
static void watch_rings(struct collect *c)
{
	for (size_t i = 0; i < c->mmap_events.count; i++)
		if (c->mmap_events.rings[i].fd >= 0)
			(void)watch_fd(c, c->mmap_events.rings[i].fd);
}

static int prepare(struct collect *c, struct diag *d)
{
	int err = targets_check(c, d);

	if (!err)
		err = cpus_init(&c->cpus, c->o.hz, d);
	/* before anything is open that a child need not have */
	if (!err && c->o.command)
		err = command_fork(&c->command, c->o.command, d);
	if (!err)
		err = load_begin(c, d);
	if (!err)
		err = open_tables(c, d);
	if (!err)
		err = waits_new(c, d);
	if (!err)
		err = open_waiting(c, d);
	if (!err)
		err = mmap_events_open(&c->mmap_events, &c->cpus, d);
	watch_rings(c);
	if (!err)
		err = targets_register(c, d);
	if (!err)
		err = unwind_tables_load(c->unwind, d);
	return err ? err : load_end(c, d);
}

int collect_new(struct collect **ret_collect, const struct collect_options *o, struct profile *p,
		struct diag *d)
{
	struct collect *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return diag_errno(d, -ENOMEM, "recording");
	c->o = *o;
	c->profile = p;
	c->epoll_fd = c->timer_fd = c->cpus.uevent_fd = -1;
	err = prepare(c, d);
	if (err < 0) {
		collect_free(c);
		return err;
	}
	*ret_collect = c;
	return 0;
}

void collect_free(struct collect *c)
{
	if (!c)
		return;
	command_release(&c->command);
	cpus_release(&c->cpus);
	mmap_events_release(&c->mmap_events);
	ring_buffer__free(c->ring);
	procs_free(c->procs);
	objects_free(c->objects);
	unwind_tables_free(c->unwind);
	waits_free(c);
	drain_release(c);
	targets_release(c);
	load_release(c);
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	free(c);
}

/* ── work ───────────────────────────────────────────────────────────────────────────────────── */

/* Mappings first, then the stacks that lie in them, then the counts of those. */
static int work(struct collect *c)
{
	uint64_t now = clock_now();
	int err;

	take_mappings(c);
	err = decode_ring(c);
	if (!err && (c->drain_now || now >= c->window_ns + NSEC_PER_SEC)) {
		err = drain_counts(c);
		while (now >= c->window_ns + NSEC_PER_SEC)
			c->window_ns += NSEC_PER_SEC;
		procs_sweep(c->procs, now);
	}
	if (!err)
		err = unwind_tables_tick(c->unwind, now, NULL);
	return err ? err : waits_reap(c);
}

/* ── start ──────────────────────────────────────────────────────────────────────────────────── */

static void fill_info(struct collect *c)
{
	struct profile_info *info = profile_info(c->profile);
	bool *online = calloc(c->cpus.count, sizeof(*online));
	struct timespec now;
	struct utsname host;

	clock_gettime(CLOCK_REALTIME, &now);
	info->start_realtime_ns = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	info->cpus = online ? (uint32_t)cpus_online(online, c->cpus.count) : 0;
	free(online);
	info->event = profile_string(c->profile, cpus_event_name(&c->cpus));
	info->hz = c->o.hz;
	info->system_wide = c->o.all;
	info->waits = c->o.waits;
	info->threads_traced = c->o.threads;
	if (uname(&host) == 0) {
		info->host = profile_string(c->profile, host.nodename);
		info->kernel = profile_string(c->profile, host.release);
		info->arch = profile_string(c->profile, host.machine);
	}
}

static int attach_follow(struct collect *c, struct diag *d)
{
	struct tprof *s = c->skel;

	s->links.follow_free = bpf_program__attach_trace(s->progs.follow_free);
	if (s->links.follow_free)
		s->links.follow_fork = bpf_program__attach_trace(s->progs.follow_fork);
	if (!s->links.follow_free || !s->links.follow_fork)
		return diag_errno(d, -errno, "cannot attach to the hooks for new processes");
	return 0;
}

static int attach(struct collect *c, struct diag *d)
{
	int err = 0;

	if (load_follows(c))
		err = attach_follow(c, d);
	if (!err)
		err = waits_attach(c, d);
	if (err < 0)
		return err;
	/* attaching takes long on a busy machine: the recording begins when it is done */
	c->started_ns = c->window_ns = clock_now();
	err = waits_go(c, d);
	if (err < 0)
		return err;
	err = cpus_attach(&c->cpus, c->skel->progs.cpu_sample, d);
	if (!err && c->cpus.uevent_fd >= 0)
		(void)watch_fd(c, c->cpus.uevent_fd);
	return err;
}

static void command_idle(void *ctx)
{
	(void)work(ctx); /* what fails here fails again at the next poll, and is told there */
}

/* The command stands still: what it maps now can be unwound before it goes on. */
static void command_ready(void *ctx)
{
	struct collect *c = ctx;

	/* a switch or a sample has told of it, but where neither came */
	if (work(c) == 0 && !procs_find(c->procs, c->command.pid)) {
		(void)procs_add(c->procs, c->command.pid);
		procs_flush(c->procs);
	}
	(void)unwind_tables_load(c->unwind, NULL);
}

static int start_command(struct collect *c, struct diag *d)
{
	const struct hold_calls calls = { command_ready, command_idle, c };
	bool held = command_seize(&c->command);
	int err = command_go(&c->command, c->o.command, d);

	if (!err && held)
		command_hold(&c->command, &calls);
	return err;
}

int collect_start(struct collect *c, struct diag *d)
{
	struct itimerspec tick = {
		.it_interval.tv_nsec = TICK_NS,
		.it_value.tv_nsec = TICK_NS,
	};
	int err;

	fill_info(c);
	c->started_ns = c->window_ns = clock_now();
	err = attach(c, d);
	if (err < 0)
		return err;
	timerfd_settime(c->timer_fd, 0, &tick, NULL);
	return c->command.pid ? start_command(c, d) : 0;
}

/* ── poll ───────────────────────────────────────────────────────────────────────────────────── */

/* CPUs that came and went: their sampling events, and those of new mappings. */
static void follow_cpus(struct collect *c, bool tick)
{
	bool any = c->cpus.uevent_fd >= 0 ? cpus_uevent(&c->cpus) : tick && cpus_follow(&c->cpus);

	if (!any)
		return;
	take_mappings(c);
	mmap_events_follow(&c->mmap_events, &c->cpus);
	watch_rings(c);
}

int collect_poll(struct collect *c, int timeout_ms, struct diag *d)
{
	struct epoll_event events[8];
	uint64_t ticks;
	int err;

	if (epoll_wait(c->epoll_fd, events, 8, timeout_ms) < 0 && errno != EINTR)
		return diag_errno(d, -errno, "cannot wait");
	if (read(c->timer_fd, &ticks, sizeof(ticks)) < 0)
		ticks = 0;
	follow_cpus(c, ticks != 0);
	err = work(c);
	if (err < 0)
		return diag_errno(d, err, "cannot take over what was recorded");
	return targets_gone(c) ? 1 : 0;
}

int collect_fd(const struct collect *c)
{
	return c->epoll_fd;
}

uint64_t collect_samples(const struct collect *c)
{
	return c->samples;
}

pid_t collect_command_pid(const struct collect *c)
{
	return c->command.pid;
}

int collect_command_error(const struct collect *c)
{
	return c->command.exec_error;
}

int collect_command_status(const struct collect *c, int *ret_status)
{
	if (!c->command.reaped)
		return -ECHILD;
	*ret_status = c->command.status;
	return 0;
}

/* ── stop ───────────────────────────────────────────────────────────────────────────────────── */

/* Which stacks could not be walked for want of tables. */
static void finish_unwind(struct collect *c)
{
	struct unwind_tables_stats s;

	unwind_tables_get_stats(c->unwind, &s);
	profile_loss_add(c->profile, "unwind_tables", s.refused + s.rules_full);
	if (s.refused || s.evictions)
		profile_note(c->profile,
			     "Unwind tables did not fit into their memory: stacks may be cut "
			     "short. Raise --unwind-memory.");
	if (s.rules_full)
		profile_note(c->profile,
			     "All unwind rules are in use: stacks are cut short in files that were "
			     "seen late. Record fewer processes at once.");
}

/* What of the targets' memory is not known. */
static void finish_mappings(struct collect *c)
{
	size_t refused = objects_refused(c->objects);

	profile_loss_add(c->profile, "mappings", procs_without_maps(c->procs) + refused);
	if (refused)
		profile_note(
			c->profile,
			"More files were mapped than can be told apart (16,383): those that came "
			"later have no names. Record fewer processes at once.");
	if (objects_unopened(c->objects))
		profile_note(c->profile,
			     "Too many files to keep open: some names may be missing. Raise "
			     "the limit of open files (ulimit -n).");
}

/* The last name that each thread had, and what the profile says in numbers. */
static void finish(struct collect *c)
{
	struct profile_info *info = profile_info(c->profile);
	uint64_t now = clock_now();

	procs_sweep(c->procs, now);
	drain_orphans(c);
	if (c->o.waits && info->stack_share_ppm < 1000000)
		(void)profile_calibrate(c->profile); /* its error is the profile's */
	drain_losses(c);
	info->duration_ns = c->stopped_ns - c->started_ns;
	for (size_t i = 0; i < c->target_count; i++) {
		const struct target *t = &c->targets[i];

		info->live_at_end += t->gone ? 0 : t->tid ? 1 : procinfo_threads(t->pid);
	}
	if (c->command.pid && !c->command.reaped)
		info->live_at_end += procinfo_threads(c->command.pid);
	finish_unwind(c);
	finish_mappings(c);
}

int collect_stop(struct collect *c, struct diag *d)
{
	int err;

	if (!c->started_ns || c->stopped_ns)
		return 0;
	waits_stop(c);
	c->stopped_ns = clock_now();
	cpus_detach(&c->cpus);
	bpf_link__destroy(c->skel->links.follow_fork);
	bpf_link__destroy(c->skel->links.follow_free);
	c->skel->links.follow_fork = c->skel->links.follow_free = NULL;
	waits_detach(c);
	take_mappings(c);
	err = drain_last(c);
	if (!err)
		err = waits_finish(c);
	finish(c);
	if (!err)
		err = profile_error(c->profile);
	return err < 0 ? diag_errno(d, err, "cannot take over what was recorded") : 0;
}
