// SPDX-License-Identifier: BSD-2-Clause
/* Threads' records → threads, blocks and churn of the profile. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/map.h"
#include "base/clock.h"
#include "collect/syscalls.h"
#include "collect/waits.h"
#include "profile/profile.h"
#include "tprof.skel.h"

/* ── who made how many ──────────────────────────────────────────────────────────────────────── */

static struct waits_spawn *spawn_at(struct waits *w, uint32_t process, uint32_t group,
				    uint32_t stack)
{
	const uint32_t key[3] = { process, group, stack };
	uint64_t hash = hash_bytes(key, sizeof(key), 0) | 1;
	struct waits_spawn *s;

	for (;; hash += 2) {
		uint64_t *at = map64_at(&w->spawn_at, hash ?: 1);

		if (!at)
			return NULL;
		if (!*at) {
			if (array_room(&w->spawns, w->spawn_count, &w->spawn_cap,
				       sizeof(*w->spawns)))
				return NULL;
			*at = ++w->spawn_count;
			s = &w->spawns[*at - 1];
			*s = (struct waits_spawn){ process, group, stack, 0, 0 };
			return s;
		}
		s = &w->spawns[*at - 1];
		if (s->process == process && s->group == group && s->stack == stack)
			return s;
	}
}

static bool same_group(const struct waits_spawn *a, const struct waits_spawn *b)
{
	return a->process == b->process && a->group == b->group;
}

/* Largest-remainder would be fairer by one; the last of the group takes what rounding leaves. */
static void spread(struct waits *w, size_t unknown)
{
	struct waits_spawn *u = &w->spawns[unknown], *last = NULL;
	uint64_t known = 0, created = u->created, exited = u->exited;

	for (size_t i = 0; i < w->spawn_count; i++)
		known += w->spawns[i].stack && same_group(&w->spawns[i], u) ? w->spawns[i].created
									    : 0;
	for (size_t i = 0; i < w->spawn_count && known; i++) {
		struct waits_spawn *s = &w->spawns[i];
		uint64_t weight = s->created, part;

		if (!s->stack || !weight || !same_group(s, u))
			continue;
		part = (uint64_t)((double)created * (double)weight / (double)known);
		s->created += part;
		u->created -= part;
		part = (uint64_t)((double)exited * (double)weight / (double)known);
		s->exited += part;
		u->exited -= part;
		last = s;
	}
	if (!last)
		return;
	last->created += u->created;
	last->exited += u->exited;
	u->created = u->exited = 0;
}

void waits_spawns(struct collect *c)
{
	struct waits *w = c->waits;

	for (size_t i = 0; i < w->spawn_count; i++) {
		if (!w->spawns[i].stack && w->spawns[i].created)
			spread(w, i);
	}
	for (size_t i = 0; i < w->spawn_count; i++) {
		const struct waits_spawn *s = &w->spawns[i];

		if (s->created || s->exited)
			profile_spawn_add(c->profile, s->process, s->group, s->stack, s->created,
					  s->exited);
	}
}

/* ── the state that a living thread is in ───────────────────────────────────────────────────── */

/* It has lasted until now; of a thread that is woken and not yet on a CPU, as sleep and then run queue. */
struct open_state {
	uint64_t cpu_ns, slept_ns, queued_ns;
	bool asleep;
};

static struct open_state open_state(const struct tprof_thread *t, uint64_t now)
{
	uint64_t ns = now > t->since_ns ? now - t->since_ns : 0, until = now;
	struct open_state s = { 0 };

	if (t->state == TPROF_THREAD_RUNNING)
		s.cpu_ns = ns;
	else if (t->state == TPROF_THREAD_RUNNABLE)
		s.queued_ns = ns;
	s.asleep = t->state == TPROF_THREAD_BLOCKED || t->state == TPROF_THREAD_WOKEN;
	if (!s.asleep)
		return s;
	/* where the moment is not noted it sleeps often, and for how long it is queued now is nothing */
	if (t->woken_ns && t->woken_ns < now)
		until = t->woken_ns;
	s.slept_ns = until > t->since_ns ? until - t->since_ns : 0;
	s.queued_ns = ns - s.slept_ns;
	return s;
}

static int open_row(struct collect *c, const struct tprof_thread *t, uint32_t kind, uint64_t object,
		    uint64_t ns)
{
	const struct tprof_count_key key = {
		.stack = t->wait_stack,
		.object = object,
		.start = t->start_ns,
		.tgid = t->tgid,
		.tid = t->tid,
		.kind = kind,
		.process = t->process,
	};
	uint64_t weight = 1ULL << t->wait_shift;
	const struct tprof_count count = { .count = weight, .value = ns * weight };

	return drain_row(c, &key, &count);
}

/* A wait in progress counts. */
static int add_open_wait(struct collect *c, uint32_t thread, const struct tprof_thread *t,
			 const struct open_state *s)
{
	char room[32];
	int err = 0;

	if (s->asleep) {
		profile_block_add(
			c->profile, thread,
			profile_string(c->profile, syscalls_name(t->wait_nr, room, sizeof(room))),
			1, s->slept_ns);
		if (t->wait_futex)
			waits_lock_open(c, profile_thread_at(c->profile, thread)->process, t,
					s->slept_ns);
	}
	if (!(t->flags & TPROF_THREAD_STACKED))
		return 0;
	if (s->asleep)
		err = open_row(c, t, TPROF_OFFCPU, (uint32_t)t->wait_nr, s->slept_ns);
	if (!err && s->asleep && t->wait_futex)
		err = open_row(c, t, TPROF_LOCK, t->wait_futex, s->slept_ns);
	if (!err && s->queued_ns)
		err = open_row(c, t, TPROF_RUNQ, 0, s->queued_ns);
	return err;
}

/* ── one record ─────────────────────────────────────────────────────────────────────────────── */

static uint32_t second_of(const struct collect *c, uint64_t ns)
{
	return ns > c->started_ns ? (uint32_t)((ns - c->started_ns) / NSEC_PER_SEC) : 0;
}

/* The stack was sent before the thread began: it is here, or in the ring. */
static uint32_t creator_stack(struct collect *c, uint64_t stack)
{
	uint32_t id = decode_stack(c, stack);

	if (stack && !id && decode_ring(c) == 0)
		id = decode_stack(c, stack);
	return id;
}

/* A process that ends is no thread that ends: processes are counted apart. */
static void add_churn(struct collect *c, uint32_t process, uint32_t group,
		      const struct tprof_thread *t)
{
	bool created = t->flags & TPROF_THREAD_CREATED;
	bool exited = t->exit_ns && t->tid != t->tgid && !(t->flags & TPROF_THREAD_EXEC);
	struct waits_spawn *s;

	if (!c->o.threads || (!created && !exited))
		return;
	if (created)
		profile_churn_add(c->profile, process, second_of(c, t->start_ns), 1, 0);
	if (exited) {
		profile_churn_add(c->profile, process, second_of(c, t->exit_ns), 0, 1);
		profile_lifetime_add(c->profile, process, t->exit_ns - t->start_ns, 1);
	}
	s = spawn_at(c->waits, process, group, created ? creator_stack(c, t->creator_stack) : 0);
	if (s) {
		s->created += created;
		s->exited += exited;
	}
}

static void add_blocks(struct collect *c, uint32_t thread, const struct tprof_thread *t)
{
	char room[32];

	for (int i = 0; i < TPROF_THREAD_BLOCKS; i++) {
		const char *name = syscalls_name(t->block_nr[i], room, sizeof(room));

		if (t->block_count[i])
			profile_block_add(c->profile, thread, profile_string(c->profile, name),
					  t->block_count[i], t->block_ns[i]);
	}
}

/* Process 0: whichever it is of; for locks that processes share. */
static void remember_inner(struct collect *c, uint32_t process, uint32_t inner_tid, uint32_t thread)
{
	const uint32_t processes[] = { process, 0 };

	for (size_t i = 0; i < 2; i++) {
		uint64_t *at =
			map64_at(&c->waits->inner_tids, (uint64_t)processes[i] << 32 | inner_tid);

		if (at)
			*at = thread;
	}
}

static void add_totals(struct profile_thread *to, const struct tprof_thread *t)
{
	to->cpu_ns += t->cpu_ns;
	to->runq_ns += t->runq_ns;
	to->offcpu_ns += t->offcpu_ns;
	to->voluntary_switches += t->voluntary;
	to->involuntary_switches += t->involuntary;
	to->futex_waits += t->futex_waits;
	to->futex_wait_ns += t->futex_ns;
}

static void add_open(struct profile_thread *to, const struct tprof_thread *t,
		     const struct open_state *s)
{
	to->cpu_ns += s->cpu_ns;
	to->runq_ns += s->queued_ns;
	to->offcpu_ns += s->slept_ns;
	if (!s->asleep || !t->wait_futex)
		return;
	to->futex_waits++;
	to->futex_wait_ns += s->slept_ns;
}

int waits_thread(struct collect *c, const struct tprof_thread *t, uint64_t now)
{
	bool named = t->exit_ns || (t->flags & TPROF_THREAD_COMM);
	uint32_t comm =
		named ? profile_string_n(c->profile, t->comm, strnlen(t->comm, sizeof(t->comm)))
		      : 0;
	uint32_t id =
		collect_thread(c, (pid_t)t->tgid, t->process, (pid_t)t->tid, t->start_ns, comm);
	struct profile_thread *to = id ? profile_thread_at(c->profile, id) : NULL;
	struct open_state open = { 0 };

	if (!to)
		return -ENOMEM;
	if (c->o.waits && !to->cpu_exact) {
		/* what samples said until now */
		to->cpu_ns = 0;
		to->cpu_exact = true;
	}
	if (!t->exit_ns && c->o.waits)
		open = open_state(t, now);
	add_totals(to, t);
	add_open(to, t, &open);
	to->created |= (t->flags & (TPROF_THREAD_CREATED | TPROF_THREAD_FORKED)) != 0;
	if (!(t->flags & TPROF_THREAD_EXEC))
		to->exit_ns = t->exit_ns;
	remember_inner(c, to->process, t->inner_tid, id);
	add_churn(c, to->process, to->group, t);
	add_blocks(c, id, t);
	return add_open_wait(c, id, t, &open) ?: profile_error(c->profile);
}

/* ── without a record of their own ──────────────────────────────────────────────────────────── */

/* All that made room in one group are one thread of number 0 in the profile. */
static int add_gone(struct collect *c, const struct tprof_gone_key *key, const struct tprof_gone *g)
{
	struct tprof_thread t = {
		.tgid = key->tgid,
		.process = key->process,
		.cpu_ns = g->cpu_ns,
		.runq_ns = g->runq_ns,
		.offcpu_ns = g->offcpu_ns,
		.voluntary = g->voluntary,
		.involuntary = g->involuntary,
		.futex_waits = g->futex_waits,
		.futex_ns = g->futex_ns,
	};
	bool created = key->flags & TPROF_THREAD_CREATED,
	     exited = !(key->flags & (TPROF_THREAD_EXEC | TPROF_THREAD_LEADER));
	uint64_t ns = (uint64_t)key->second * NSEC_PER_SEC;
	struct profile_thread *to;
	struct waits_spawn *s;
	uint32_t comm = profile_string_n(c->profile, key->comm, strnlen(key->comm, 16));
	uint32_t group = profile_group_name(c->profile, profile_str(c->profile, comm));
	uint32_t id = collect_thread(c, (pid_t)key->tgid, key->process, 0, group, group);

	to = id ? profile_thread_at(c->profile, id) : NULL;
	if (!to)
		return -ENOMEM;
	to->group = group;
	to->cpu_exact = c->o.waits;
	to->exit_ns = ns;
	add_totals(to, &t);
	if (!c->o.threads || (!created && !exited))
		return 0;
	profile_churn_add(c->profile, to->process, second_of(c, ns), created ? g->threads : 0,
			  exited ? g->threads : 0);
	for (int i = 0; i < TPROF_GONE_LIFETIMES && exited; i++) {
		if (g->lifetimes[i])
			profile_lifetime_add(c->profile, to->process, 1500ULL << i,
					     g->lifetimes[i]);
	}
	s = spawn_at(c->waits, to->process, group,
		     created ? creator_stack(c, key->creator_stack) : 0);
	if (!s)
		return -ENOMEM;
	s->created += created ? g->threads : 0;
	s->exited += exited ? g->threads : 0;
	return 0;
}

static int gone_sum(struct collect *c, const struct tprof_gone_key *key, struct tprof_gone *of_cpu,
		    int cpus)
{
	for (int i = 1; i < cpus; i++) {
		of_cpu[0].threads += of_cpu[i].threads;
		of_cpu[0].cpu_ns += of_cpu[i].cpu_ns;
		of_cpu[0].runq_ns += of_cpu[i].runq_ns;
		of_cpu[0].offcpu_ns += of_cpu[i].offcpu_ns;
		of_cpu[0].voluntary += of_cpu[i].voluntary;
		of_cpu[0].involuntary += of_cpu[i].involuntary;
		of_cpu[0].futex_waits += of_cpu[i].futex_waits;
		of_cpu[0].futex_ns += of_cpu[i].futex_ns;
		for (int l = 0; l < TPROF_GONE_LIFETIMES; l++)
			of_cpu[0].lifetimes[l] += of_cpu[i].lifetimes[l];
	}
	return add_gone(c, key, of_cpu);
}

/* Entries of seconds that are over do not change any more. */
int waits_gone(struct collect *c, uint64_t before)
{
	int fd = bpf_map__fd(c->skel->maps.gone), err = 0, cpus = libbpf_num_possible_cpus();
	struct tprof_gone *of_cpu = cpus > 0 ? calloc((size_t)cpus, sizeof(*of_cpu)) : NULL;
	struct tprof_gone_key key, next;
	bool more = of_cpu && bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (more && !err) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (key.second >= before / NSEC_PER_SEC ||
		    bpf_map_lookup_elem(fd, &key, of_cpu) < 0)
			continue;
		err = gone_sum(c, &key, of_cpu, cpus);
		bpf_map_delete_elem(fd, &key);
	}
	free(of_cpu);
	return of_cpu ? err : -ENOMEM;
}

/* Of these only their number is known. */
static int add_rest(struct collect *c, uint32_t tgid, const struct tprof_rest *r)
{
	uint32_t id = profile_process(c->profile, (int32_t)tgid, 0);
	const struct profile_process *process = profile_process_at(c->profile, id);
	struct waits_spawn *s;

	if (!process)
		return -ENOMEM;
	s = spawn_at(c->waits, id,
		     profile_group_name(c->profile, profile_str(c->profile, process->comm)), 0);
	if (!s)
		return -ENOMEM;
	s->created += r->created;
	s->exited += r->exited;
	profile_churn_add(c->profile, id, second_of(c, c->stopped_ns), r->created, r->exited);
	return 0;
}

int waits_rest(struct collect *c)
{
	int fd = bpf_map__fd(c->skel->maps.rest), err = 0;
	uint32_t key, *last = NULL;
	struct tprof_rest r;

	while (c->o.threads && !err && bpf_map_get_next_key(fd, last, &key) == 0) {
		if (bpf_map_lookup_elem(fd, &key, &r) == 0)
			err = add_rest(c, key, &r);
		last = &key;
	}
	return err;
}
