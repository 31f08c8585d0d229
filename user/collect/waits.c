// SPDX-License-Identifier: BSD-2-Clause
#include "collect/waits.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/clock.h"
#include "collect/syscalls.h"
#include "profile/profile.h"
#include "tprof.skel.h"

#define INDEX_SIZE (TPROF_THREAD_BUCKETS * sizeof(struct tprof_thread_bucket))
#define LOCKS_SIZE (TPROF_MAX_LOCKS * sizeof(struct tprof_lock))
#define WAY_SIZE   (TPROF_THREAD_BUCKETS * sizeof(struct tprof_thread))

/* ── programs and maps ──────────────────────────────────────────────────────────────────────── */

static bool recorded(const struct collect *c)
{
	return c->o.waits || c->o.threads;
}

void waits_configure(struct collect *c)
{
	struct tprof *s = c->skel;

	bpf_program__set_autoload(s->progs.waits_switch, c->o.waits);
	bpf_program__set_autoload(s->progs.waits_wake, c->o.waits);
	bpf_program__set_autoload(s->progs.thread_new, c->o.threads);
	bpf_program__set_autoload(s->progs.thread_rename, c->o.threads);
	/* waits alone need these too: records of threads that are gone must be closed */
	bpf_program__set_autoload(s->progs.thread_exit, recorded(c));
	bpf_program__set_autoload(s->progs.thread_exec, recorded(c));
	bpf_program__set_autoload(s->progs.threads_look, recorded(c));
	if (recorded(c))
		return;
	bpf_map__set_max_entries(s->maps.thread_index, 1);
	bpf_map__set_max_entries(s->maps.threads, 1);
	bpf_map__set_max_entries(s->maps.gone, 1);
	bpf_map__set_max_entries(s->maps.rest, 1);
	bpf_map__set_max_entries(s->maps.locks, 1);
	bpf_map__set_max_entries(s->maps.locks_more, 1);
}

static void *map_array(const struct bpf_map *map, size_t from, size_t size)
{
	void *at =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), (off_t)from);

	return at == MAP_FAILED ? NULL : at;
}

/* The kernel enters each page of them, so they are mapped when something is in them: of a few threads
 * all records lie in the first way. */
_Static_assert(WAY_SIZE % 65536 == 0, "begins with a page, also where those are large");
static struct tprof_thread *record_at(struct collect *c, uint32_t bucket, uint32_t way)
{
	struct tprof_thread **records = &c->waits->records[way];

	if (!*records)
		*records = map_array(c->skel->maps.threads, way * WAY_SIZE, WAY_SIZE);
	return *records ? *records + bucket : NULL;
}

bool waits_map_locks(struct collect *c)
{
	struct waits *w = c->waits;

	if (!w->locks)
		w->locks = map_array(c->skel->maps.locks, 0, LOCKS_SIZE);
	return w->locks;
}

int waits_new(struct collect *c, struct diag *d)
{
	struct waits *w = calloc(1, sizeof(*w));

	c->waits = w;
	if (!w)
		return diag_errno(d, -ENOMEM, "waits");
	if (!recorded(c))
		return 0;
	w->index = map_array(c->skel->maps.thread_index, 0, INDEX_SIZE);
	w->places = calloc(TPROF_MAX_LOCKS, sizeof(*w->places));
	w->used = calloc(TPROF_MAX_LOCKS, sizeof(*w->used));
	if (!w->index || !w->places || !w->used)
		return diag_errno(d, -errno, "cannot map the threads' records");
	return 0;
}

void waits_free(struct collect *c)
{
	struct waits *w = c->waits;

	if (!w)
		return;
	waits_detach(c);
	if (w->index)
		munmap(w->index, INDEX_SIZE);
	for (size_t way = 0; way < TPROF_THREAD_WAYS; way++)
		if (w->records[way])
			munmap(w->records[way], WAY_SIZE);
	if (w->locks)
		munmap(w->locks, LOCKS_SIZE);
	free(w->places);
	free(w->used);
	free(w->spawns);
	map64_release(&w->spawn_at);
	map64_release(&w->inner_tids);
	map64_release(&w->shared);
	map64_release(&w->aliases);
	map64_release(&w->frames);
	free(w);
	c->waits = NULL;
}

/* ── attach ─────────────────────────────────────────────────────────────────────────────────── */

static int attach_one(struct waits *w, struct bpf_program *program, struct diag *d)
{
	struct bpf_link *link;

	if (!bpf_program__autoload(program))
		return 0;
	link = bpf_program__attach_trace(program);
	if (!link)
		return diag_errno(d, -errno, "cannot attach %s",
				  bpf_program__section_name(program));
	w->links[w->link_count++] = link;
	return 0;
}

/* Gives every thread of the targets its record, also those that will sleep all the time. */
static int look_at_all(struct collect *c, struct diag *d)
{
	struct bpf_link *link = bpf_program__attach_iter(c->skel->progs.threads_look, NULL);
	int err = link ? 0 : -errno, fd;
	char room[64];

	if (err < 0)
		return diag_errno(d, err, "cannot look at all tasks");
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		err = diag_errno(d, -errno, "cannot look at all tasks");
	while (fd >= 0 && read(fd, room, sizeof(room)) > 0)
		;
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	/* who is seen first from here on has come from elsewhere, into a cgroup for example */
	c->skel->bss->waits_looked = true;
	return err;
}

int waits_attach(struct collect *c, struct diag *d)
{
	struct tprof *s = c->skel;
	struct bpf_program *const programs[] = {
		s->progs.thread_exec, s->progs.thread_exit, s->progs.thread_rename,
		s->progs.thread_new,  s->progs.waits_wake,  s->progs.waits_switch,
	};
	int err = 0;

	if (!recorded(c))
		return 0;
	/* A hook that counts while another is not there yet takes a sleep for something else. */
	waits_stop(c);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]) && !err; i++)
		err = attach_one(c->waits, programs[i], d);
	return err;
}

int waits_go(struct collect *c, struct diag *d)
{
	if (!recorded(c))
		return 0;
	c->skel->bss->waits_start_ns = c->started_ns;
	__atomic_store_n(&c->skel->bss->waits_stopped, false, __ATOMIC_SEQ_CST);
	return look_at_all(c, d);
}

void waits_stop(struct collect *c)
{
	__atomic_store_n(&c->skel->bss->waits_stopped, true, __ATOMIC_SEQ_CST);
}

void waits_detach(struct collect *c)
{
	struct waits *w = c->waits;

	for (size_t i = 0; w && i < w->link_count; i++)
		bpf_link__destroy(w->links[i]);
	if (w)
		w->link_count = 0;
}

/* ── records ────────────────────────────────────────────────────────────────────────────────── */

/* Takes a copy of the record of a thread that is gone, and frees its way (see wire.h), whose claims were 1. */
static bool take_exited(struct tprof_thread_bucket *b, struct tprof_thread *r, uint32_t way,
			struct tprof_thread *ret)
{
	uint32_t one = 1;

	if (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) != TPROF_THREAD_EXITED)
		return false;
	if (!__atomic_compare_exchange_n(&b->claims[way], &one, 2, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return false;
	/* BPF may have been faster with another thread since we looked */
	if (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) != TPROF_THREAD_EXITED) {
		__atomic_sub_fetch(&b->claims[way], 1, __ATOMIC_RELEASE);
		return false;
	}
	*ret = *r;
	__atomic_store_n(&r->state, TPROF_THREAD_FREE, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&b->claims[way], 2, __ATOMIC_RELEASE);
	return true;
}

static int take_if_exited(struct collect *c, uint32_t bucket, uint32_t way)
{
	struct tprof_thread_bucket *b = &c->waits->index[bucket];
	struct tprof_thread *r, t;

	if (__atomic_load_n(&b->claims[way], __ATOMIC_ACQUIRE) != 1)
		return 0;
	r = record_at(c, bucket, way);
	if (!r)
		return -errno;
	return take_exited(b, r, way, &t) ? waits_thread(c, &t, t.exit_ns) : 0;
}

static bool in_use(const struct tprof_thread_bucket *b)
{
	uint32_t claims = 0;

	for (uint32_t way = 0; way < TPROF_THREAD_WAYS; way++)
		claims |= b->claims[way];
	return claims;
}

static int take_all_exited(struct collect *c)
{
	const struct tprof_thread_bucket *index = c->waits->index;
	int err = 0;

	for (uint32_t i = 0; index && i < TPROF_THREAD_BUCKETS && !err; i++) {
		if (!in_use(&index[i]))
			continue;
		for (uint32_t way = 0; way < TPROF_THREAD_WAYS && !err; way++)
			err = take_if_exited(c, i, way);
	}
	return err;
}

int waits_reap(struct collect *c)
{
	struct waits *w = c->waits;
	uint64_t now = clock_now();
	int err = 0;

	waits_place_soon(c, now);
	if (w->index && now - w->gone_ns > NSEC_PER_SEC) {
		w->gone_ns = now;
		err = waits_gone(c, now);
	}
	/* one that is set while this looks is taken with the next, or at the end */
	if (err < 0 || !__atomic_exchange_n(&c->skel->bss->threads_exited, false, __ATOMIC_SEQ_CST))
		return err;
	return take_all_exited(c);
}

static int take_if_living(struct collect *c, uint32_t bucket, uint32_t way, uint64_t now)
{
	const struct tprof_thread *r;
	struct tprof_thread t;

	if (!c->waits->index[bucket].tid[way])
		return 0;
	r = record_at(c, bucket, way);
	if (!r)
		return -errno;
	t = *r;
	return waits_thread(c, &t, now);
}

static int take_living(struct collect *c, uint64_t now)
{
	int err = 0;

	for (uint32_t way = 0; way < TPROF_THREAD_WAYS && !err; way++)
		for (uint32_t i = 0; i < TPROF_THREAD_BUCKETS && !err; i++)
			err = take_if_living(c, i, way, now);
	return err;
}

static void finish_budget(struct collect *c)
{
	int cpus = libbpf_num_possible_cpus();
	size_t size = bpf_map__value_size(c->skel->maps.budget);
	char *b = cpus > 0 ? calloc((size_t)cpus, size) : NULL;
	uint64_t waits = 0, taken = 0;
	uint32_t zero = 0;

	if (b && bpf_map_lookup_elem(bpf_map__fd(c->skel->maps.budget), &zero, b) == 0) {
		for (int i = 0; i < cpus; i++) {
			/* it begins with what is for us */
			const struct tprof_budget *one = (const void *)(b + (size_t)i * size);

			waits += one->waits;
			taken += one->taken;
		}
	}
	free(b);
	profile_info(c->profile)->stack_share_ppm =
		waits ? (uint32_t)(taken * 1000000 / waits) : 1000000;
}

int waits_finish(struct collect *c)
{
	struct waits *w = c->waits;
	int err;

	if (!w || !w->index || !w->places)
		return 0;
	err = take_all_exited(c);
	if (!err)
		err = take_living(c, c->stopped_ns);
	if (!err)
		err = waits_gone(c, UINT64_MAX);
	if (!err)
		err = waits_rest(c);
	waits_place(c);
	if (!err)
		err = waits_locks(c);
	waits_spawns(c);
	finish_budget(c);
	return err;
}

/* ── rows ───────────────────────────────────────────────────────────────────────────────────── */

/* The system call that a thread sleeps in, as a kernel frame: a whole kernel stack at every wait
 * would cost more than it says. */
static uint32_t syscall_frame(struct collect *c, int32_t nr)
{
	struct waits *w = c->waits;
	uint64_t *at = map64_at(&w->frames, (1ULL << 32) + (uint32_t)nr);
	struct profile_line line = { 0 };
	char room[32];

	if (!at)
		return 0;
	if (*at)
		return (uint32_t)*at;
	if (!w->syscall_module) {
		struct profile_module m = {
			.name = profile_string(c->profile, "[syscall]"),
			.type = PROFILE_MODULE_KERNEL,
			.fd = -1,
			.root_fd = -1,
		};

		w->syscall_module = profile_module(c->profile, &m);
	}
	*at = profile_frame(c->profile, w->syscall_module, (uint32_t)nr);
	line.function = profile_string(c->profile, syscalls_name(nr, room, sizeof(room)));
	profile_frame_name(c->profile, (uint32_t)*at, &line, 1);
	return (uint32_t)*at;
}

static uint32_t under_syscall(struct collect *c, uint32_t stack, int32_t nr)
{
	uint32_t frames[TPROF_MAX_USER_FRAMES + 1];
	const struct profile_stack *s = stack ? profile_stack_at(c->profile, stack) : NULL;

	if (!s || s->frames > TPROF_MAX_USER_FRAMES)
		return stack;
	frames[0] = syscall_frame(c, nr);
	if (!frames[0]) /* memory has run out */
		return stack;
	if (s->frames)
		memcpy(&frames[1], profile_stack_frames(c->profile, s),
		       s->frames * sizeof(*frames));
	return profile_stack(c->profile, frames, s->frames + 1, (enum profile_stack_end)s->end);
}

/* Who wakes a thread of another process does so by memory that they share. */
static uint32_t row_lock(struct collect *c, const struct orphan *row, uint32_t process)
{
	return row->object & TPROF_OBJECT_FOREIGN
		       ? waits_lock_foreign(c, row->object & ~TPROF_OBJECT_FOREIGN)
		       : waits_lock(c, process, row->object);
}

uint32_t waits_row(struct collect *c, const struct orphan *row, uint32_t stack)
{
	const struct profile_thread *t = profile_thread_at(c->profile, row->thread);
	uint32_t lock;

	if (row->kind == TPROF_OFFCPU)
		return under_syscall(c, stack, (int32_t)row->object);
	if (!t || !row->object || (row->kind != TPROF_LOCK && row->kind != TPROF_WAKE))
		return stack;
	lock = row_lock(c, row, t->process);
	if (lock)
		profile_lock_add(c->profile, lock,
				 row->kind == TPROF_LOCK ? PROFILE_WAITER : PROFILE_WAKER,
				 row->thread, stack, row->count, row->value);
	return stack;
}
