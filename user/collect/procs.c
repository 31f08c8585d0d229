// SPDX-License-Identifier: BSD-2-Clause
#include "collect/procs_impl.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "collect/objects.h"
#include "collect/procinfo.h"
#include "profile/profile.h"

#define GONE_SWEEPS 3 /* so long stacks and records of what is gone may still arrive */

struct procs *procs_new(const struct procs_options *o)
{
	struct procs *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->o = *o;
	s->slices.size = o->mappings_size;
	if (o->short_lived && journal_init(&s->journal) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

static void proc_free(struct proc *p)
{
	mapset_release(&p->maps);
	mapset_release(&p->before);
	free(p);
}

void procs_free(struct procs *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		proc_free(s->list[i]);
	}
	free(s->list);
	map64_release(&s->by_pid);
	map64_release(&s->ids);
	slices_release(&s->slices);
	journal_release(&s->journal);
	free(s);
}

size_t procs_without_maps(const struct procs *s)
{
	return s->without_maps;
}

/* ── who is who ─────────────────────────────────────────────────────────────────────────────── */

struct proc *procs_find(const struct procs *s, pid_t pid)
{
	/* map64 makes what it does not find: an entry of 0 */
	uint64_t *at = map64_at((struct map64 *)&s->by_pid, (uint32_t)pid);

	return at ? (struct proc *)(uintptr_t)*at : NULL;
}

/* The incarnation of this pid, or NULL. */
static struct proc *find_exact(const struct procs *s, pid_t pid, uint32_t process)
{
	struct proc *p = procs_find(s, pid);

	while (p && p->process != process)
		p = p->older;
	return p;
}

static uint64_t *id_of(struct procs *s, pid_t pid, uint32_t process)
{
	return map64_at(&s->ids, (uint64_t)(uint32_t)pid << 32 | process);
}

static struct proc *proc_alloc(struct procs *s, pid_t pid)
{
	uint64_t *latest = map64_at(&s->by_pid, (uint32_t)pid);
	struct proc *p;

	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct proc **list = reallocarray(s->list, cap, sizeof(struct proc *));

		if (!list)
			return NULL;
		s->list = list;
		s->cap = cap;
	}
	p = latest ? calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return NULL;
	p->pid = pid;
	s->list[s->count++] = p;
	return p;
}

/* In front of the chain of its pid. */
static void proc_link(struct procs *s, struct proc *p)
{
	uint64_t *latest = map64_at(&s->by_pid, (uint32_t)p->pid);

	p->older = (struct proc *)(uintptr_t)*latest;
	*latest = (uintptr_t)p;
}

/* Out of the chain of its pid. */
static void proc_unlink(struct procs *s, struct proc *p)
{
	uint64_t *latest = map64_at(&s->by_pid, (uint32_t)p->pid);
	struct proc *at = latest ? (struct proc *)(uintptr_t)*latest : NULL;

	if (latest && at == p) {
		*latest = (uintptr_t)p->older;
		return;
	}
	while (at && at->older != p)
		at = at->older;
	if (at)
		at->older = p->older;
}

/* Same process, another program: its mappings and its name are new, its totals go on. */
static void proc_execed(struct procs *s, struct proc *p, uint32_t comm)
{
	struct profile_process *at = profile_process_at(s->o.profile, p->id);
	uint32_t leader = profile_thread(s->o.profile, p->id, p->pid, p->start);
	struct profile_thread *t = leader ? profile_thread_at(s->o.profile, leader) : NULL;

	if (at)
		at->group_of_exec++;
	if (!t || !comm)
		return;
	t->comm = comm;
	t->group = profile_group_name(s->o.profile, profile_str(s->o.profile, comm));
}

/* Same start time as before: it has exec'ed. Else the PID was given to another process. */
static void proc_identify(struct procs *s, struct proc *p, const struct proc_news *news)
{
	struct proc *older = p->older;
	uint64_t *id = id_of(s, p->pid, news->process);
	struct profile_process *at;
	uint32_t name = 0;

	p->process = news->process;
	p->parent = news->parent;
	p->start = news->start;
	if (news->comm && *news->comm)
		name = profile_string_n(s->o.profile, news->comm, strnlen(news->comm, 16));
	if (id && *id) {
		p->id = (uint32_t)*id;
	} else if (older && older->id &&
		   (!news->start || !older->start || older->start == news->start)) {
		p->id = older->id;
		p->start = older->start;
		proc_execed(s, p, name);
	} else {
		p->id = profile_process(s->o.profile, p->pid, news->start);
	}
	if (id)
		*id = p->id;
	at = profile_process_at(s->o.profile, p->id);
	if (at && name)
		at->comm = name;
}

/* ── coming and going ───────────────────────────────────────────────────────────────────────── */

struct proc *procs_add(struct procs *s, pid_t pid)
{
	struct proc *p = proc_alloc(s, pid);

	if (!p)
		return NULL;
	proc_link(s, p);
	p->sampled = true;
	p->id = profile_process(s->o.profile, pid, 0);
	procinfo_fill(s->o.profile, p->id, pid);
	procs_read_maps(s, p);
	return p;
}

static void slice_give(struct procs *s, struct proc *p)
{
	if (p->slots)
		slices_give(&s->slices, p->first, p->slots);
	p->slots = 0;
}

/* What is in BPF's table under its pid is the next incarnation's business. */
static void proc_gone(struct procs *s, struct proc *p)
{
	p->gone = 1;
	p->dirty = false;
	slice_give(s, p);
}

static struct proc *proc_new(struct procs *s, const struct proc_news *news)
{
	struct proc *latest = procs_find(s, news->pid), *p;

	/* the one named as a target, before BPF saw it */
	if (latest && !latest->process && !latest->gone) {
		uint64_t *id = id_of(s, news->pid, news->process);

		latest->process = news->process;
		latest->start = news->start;
		if (news->start)
			latest->id = profile_process(s->o.profile, news->pid, news->start);
		if (id)
			*id = latest->id;
		latest->sampled = false; /* a command has exec'ed since it was looked at */
		return latest;
	}
	p = proc_alloc(s, news->pid);
	if (!p)
		return NULL;
	proc_link(s, p);
	proc_identify(s, p, news);
	if (latest && !latest->gone)
		proc_gone(s, latest);
	return p;
}

/* A count or a record came before the news of its incarnation, or after its end: nothing says that it
 * is the latest. It stands behind that, and has no mappings, until there is news. */
static struct proc *proc_aside(struct procs *s, struct proc *latest, uint32_t process)
{
	struct proc *p = proc_alloc(s, latest->pid);
	uint64_t *id = id_of(s, latest->pid, process);

	if (!p)
		return NULL;
	p->process = process;
	p->aside = true;
	p->gone = 1;
	p->id = id && *id ? (uint32_t)*id : latest->id;
	p->parent = latest->parent;
	p->older = latest->older;
	latest->older = p;
	return p;
}

/* There is news of it: it is the latest. */
static void proc_forward(struct procs *s, struct proc *p, const struct proc_news *news)
{
	struct proc *latest;

	proc_unlink(s, p);
	latest = procs_find(s, p->pid);
	proc_link(s, p);
	p->aside = false;
	p->gone = 0;
	proc_identify(s, p, news);
	if (latest && !latest->gone)
		proc_gone(s, latest);
}

static struct proc *proc_by_news(struct procs *s, const struct proc_news *news)
{
	struct proc *p = find_exact(s, news->pid, news->process);

	if (!p)
		return proc_new(s, news);
	if (p->aside)
		proc_forward(s, p, news);
	if (!p->parent) /* a count or a record came before its news */
		p->parent = news->parent;
	return p;
}

struct proc *procs_running(struct procs *s, const struct proc_news *news)
{
	struct proc *p = proc_by_news(s, news);

	if (!p || p->gone || p->sampled)
		return p;
	p->sampled = true;
	procinfo_fill(s->o.profile, p->id, p->pid);
	if (p->maps.count) {
		p->dirty = true; /* its parent's, and what it mapped since */
		return p;
	}
	procs_read_maps(s, p);
	if (p->maps.count)
		return p;
	/* gone already; what it mapped may wait to be read where this news came before it */
	procs_copy_maps(p, procs_find(s, news->parent));
	s->o.take_mappings(s->o.ctx);
	procs_replay_maps(s, p);
	return p;
}

struct proc *procs_forked(struct procs *s, const struct proc_news *news)
{
	struct proc *p = proc_by_news(s, news);
	struct profile_process *at;

	if (!p)
		return NULL;
	procs_copy_maps(p, procs_find(s, news->parent));
	at = profile_process_at(s->o.profile, p->id);
	if (at)
		at->forked = true;
	return p;
}

struct proc *procs_get(struct procs *s, pid_t pid, uint32_t process)
{
	struct proc_news news = { .pid = pid, .process = process };
	struct proc *p = find_exact(s, pid, process), *latest = procs_find(s, pid);

	if (p)
		return p;
	return latest && latest->process ? proc_aside(s, latest, process) : proc_new(s, &news);
}

/* ── who is gone ────────────────────────────────────────────────────────────────────────────── */

/* Unless BPF has done it already, or the PID is another target's by now. */
static void target_gone(struct procs *s, const struct proc *p)
{
	struct tprof_target target;
	uint32_t key = (uint32_t)p->pid;

	if (s->o.targets_fd >= 0 && bpf_map_lookup_elem(s->o.targets_fd, &key, &target) == 0 &&
	    target.start == p->start)
		bpf_map_delete_elem(s->o.targets_fd, &key);
}

static void proc_exited(struct procs *s, struct proc *p, uint64_t now)
{
	struct profile_process *at = profile_process_at(s->o.profile, p->id);
	uint32_t key = (uint32_t)p->pid;

	if (at && !at->exit_ns)
		at->exit_ns = now;
	if (p->sampled || (at && at->forked)) /* what was forked has its parent's from the start */
		bpf_map_delete_elem(s->o.processes_fd, &key);
	target_gone(s, p);
	proc_gone(s, p);
}

/* True: nothing refers to it any more. */
static bool proc_sweep(struct procs *s, struct proc *p, uint64_t now)
{
	if (p->gone)
		return ++p->gone > GONE_SWEEPS;
	if (kill(p->pid, 0) < 0 && errno == ESRCH)
		proc_exited(s, p, now);
	return false;
}

void procs_sweep(struct procs *s, uint64_t now)
{
	size_t left = 0;

	slices_settle(&s->slices);
	for (size_t i = 0; i < s->count; i++) {
		struct proc *p = s->list[i];

		if (!proc_sweep(s, p, now)) {
			s->list[left++] = p;
			continue;
		}
		proc_unlink(s, p);
		proc_free(p);
	}
	s->count = left;
}
