// SPDX-License-Identifier: BSD-2-Clause
/* Counts, once a second, from the buffer that is not written any more → rows of the profile. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "collect/impl.h"
#include "collect/procinfo.h"
#include "collect/procs.h"
#include "collect/waits.h"
#include "profile/profile.h"
#include "tprof.skel.h"

#define BATCH	    2048
#define MAX_WINDOWS 1200 /* then neighbours are merged to half as many: a day stays a small file */
#define MAX_ORPHANS (1U << 18)

struct drain_buffers {
	struct tprof_count_key keys[BATCH];
	struct tprof_count counts[BATCH];
};

int drain_init(struct collect *c)
{
	c->drain = malloc(sizeof(*c->drain));
	return c->drain ? 0 : -ENOMEM;
}

void drain_release(struct collect *c)
{
	free(c->drain);
	free(c->orphans);
	map64_release(&c->stacks);
}

/* ── threads ────────────────────────────────────────────────────────────────────────────────── */

/* Who is dead by now keeps its process's name. */
static void thread_name(struct collect *c, struct profile_thread *t, pid_t tgid, uint32_t known)
{
	const struct profile_process *process = profile_process_at(c->profile, t->process);
	char comm[64];

	if (known)
		t->comm = known;
	else if (procinfo_comm(tgid, t->tid, comm) == 0)
		t->comm = profile_string(c->profile, comm);
	else if (process)
		t->comm = process->comm;
	t->group = profile_group_name(c->profile, profile_str(c->profile, t->comm));
}

uint32_t collect_thread(struct collect *c, pid_t tgid, uint32_t process, pid_t tid, uint64_t start,
			uint32_t comm)
{
	struct proc *p = procs_get(c->procs, tgid, process);
	struct profile_thread *t;
	uint32_t id;

	if (!p)
		return 0;
	id = profile_thread(c->profile, p->id, tid, start);
	t = id ? profile_thread_at(c->profile, id) : NULL;
	if (t && (!t->comm || (comm && comm != t->comm)))
		thread_name(c, t, tgid, comm);
	return id;
}

/* ── rows ───────────────────────────────────────────────────────────────────────────────────── */

/* Its stack may still come: BPF sends it again with the next occurrence. */
static int orphan_add(struct collect *c, const struct orphan *o)
{
	if (c->orphan_count == MAX_ORPHANS)
		drain_orphans(c);
	if (array_room(&c->orphans, c->orphan_count, &c->orphan_cap, sizeof(*c->orphans)))
		return -ENOMEM;
	c->orphans[c->orphan_count++] = *o;
	return 0;
}

static void row_add(struct collect *c, const struct orphan *o)
{
	uint32_t stack = decode_stack(c, o->stack);

	if (!stack)
		stack = profile_stack(c->profile, NULL, 0, PROFILE_END_LOST);
	stack = waits_row(c, o, stack);
	profile_add(c->profile, o->window, o->thread, (enum profile_kind)o->kind, stack, o->count,
		    o->value);
}

void drain_orphans(struct collect *c)
{
	for (size_t i = 0; i < c->orphan_count; i++)
		row_add(c, &c->orphans[i]);
	c->orphan_count = 0;
}

static int drain_one(struct collect *c, uint32_t window, const struct tprof_count_key *key,
		     const struct tprof_count *count)
{
	struct orphan row = {
		.stack = key->stack,
		.object = key->object,
		.window = window,
		.kind = key->kind,
		.count = count->count,
		.value = count->value,
	};
	struct profile_thread *t;

	row.thread =
		collect_thread(c, (pid_t)key->tgid, key->process, (pid_t)key->tid, key->start, 0);
	if (!row.thread)
		return -ENOMEM;
	if (key->kind == TPROF_CPU) {
		t = profile_thread_at(c->profile, row.thread);
		c->samples += count->count;
		if (!t->cpu_exact)
			t->cpu_ns += count->value;
	}
	if (key->stack && !decode_stack(c, key->stack))
		return orphan_add(c, &row);
	row_add(c, &row);
	return 0;
}

/* ── the two buffers ────────────────────────────────────────────────────────────────────────── */

/* Returns when no program that runs can still hold the old index: an update of a map of maps waits
 * for that (1ae80cf31938, 4.18). */
static void barrier(struct collect *c)
{
	uint32_t zero = 0;
	int fd = bpf_map__fd(c->skel->maps.losses);

	bpf_map_update_elem(c->barrier_fd, &zero, &fd, BPF_ANY);
}

static int drain_map(struct collect *c, int fd, uint32_t window)
{
	struct drain_buffers *b = c->drain;
	uint32_t position;
	bool first = true;
	int err = 0;

	while (!err) {
		uint32_t n = BATCH;

		err = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &position, &position,
						      b->keys, b->counts, &n, NULL);
		err = err < 0 ? -errno : 0;
		if (err && err != -ENOENT)
			break;
		for (uint32_t i = 0; i < n; i++) {
			int failed = drain_one(c, window, &b->keys[i], &b->counts[i]);

			err = failed ? failed : err;
		}
		first = false;
	}
	return err == -ENOENT ? 0 : err;
}

static uint32_t window_of(struct collect *c)
{
	uint64_t begin = (c->window_ns - c->started_ns) / NSEC_PER_SEC * NSEC_PER_SEC;
	uint64_t end = begin + NSEC_PER_SEC;
	size_t windows;

	if (c->stopped_ns && c->stopped_ns - c->started_ns < end)
		end = c->stopped_ns - c->started_ns;
	profile_windows(c->profile, &windows);
	if (windows > MAX_WINDOWS && !c->orphan_count)
		profile_merge_windows(c->profile, MAX_WINDOWS / 2);
	return profile_window(c->profile, begin, end);
}

int drain_row(struct collect *c, const struct tprof_count_key *key, const struct tprof_count *count)
{
	return drain_one(c, window_of(c), key, count);
}

static int counts_fd(const struct collect *c, uint32_t which)
{
	return bpf_map__fd(which ? c->skel->maps.counts_1 : c->skel->maps.counts_0);
}

int drain_counts(struct collect *c)
{
	uint32_t old = c->skel->bss->counts_active & 1, window = window_of(c);
	int err;

	c->drain_now = false;
	waits_place_shared(c);
	__atomic_store_n(&c->skel->bss->counts_active, !old, __ATOMIC_SEQ_CST);
	barrier(c);
	/* every stack that these counts name was sent before they were counted */
	err = decode_ring(c);
	if (!err)
		err = drain_map(c, counts_fd(c, old), window);
	__atomic_store_n(&c->skel->bss->counts_fill[old], 0, __ATOMIC_SEQ_CST);
	return err;
}

int drain_last(struct collect *c)
{
	uint32_t window = window_of(c);
	int err;

	waits_place_shared(c);
	barrier(c);
	err = decode_ring(c);
	/* both: a program that was slow may have written after the last switch */
	for (uint32_t i = 0; i < 2 && !err; i++)
		err = drain_map(c, counts_fd(c, i), window);
	return err;
}

/* ── losses ─────────────────────────────────────────────────────────────────────────────────── */

#define LOSS_NAME(name, key, about) [TPROF_LOSS_##name] = key,
static const char *const loss_names[] = { TPROF_LOSSES(LOSS_NAME) };

void drain_losses(struct collect *c)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = cpus > 0 ? calloc((size_t)cpus, sizeof(*values)) : NULL;

	for (uint32_t i = 0; values && i < TPROF_LOSS_COUNT; i++) {
		uint64_t sum = 0;

		if (bpf_map_lookup_elem(bpf_map__fd(c->skel->maps.losses), &i, values) < 0)
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			sum += values[cpu];
		profile_loss_add(c->profile, loss_names[i], sum);
	}
	free(values);
}
