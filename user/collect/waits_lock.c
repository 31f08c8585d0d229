// SPDX-License-Identifier: BSD-2-Clause
/* Locks' records → locks and owners of the profile. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "base/map.h"
#include "collect/objects.h"
#include "collect/procs.h"
#include "collect/waits.h"
#include "profile/profile.h"
#include "tprof.skel.h"

_Static_assert(TPROF_LOCK_BUCKETS ==
		       sizeof(((struct profile_lock *)0)->histogram) / sizeof(uint64_t),
	       "same buckets");

/* What the operation alone tells; stacks tell more (profile/classify.c). */
static uint8_t type_of(uint32_t how)
{
	if (how & (TPROF_FUTEX_MUTEX | TPROF_FUTEX_PI))
		return PROFILE_LOCK_MUTEX;
	return how & TPROF_FUTEX_REQUEUE ? PROFILE_LOCK_CONDVAR : PROFILE_LOCK_OTHER;
}

/* What stood where glibc has the owner is taken only if it is a thread of this process, or of another
 * one of the targets where the lock is in memory that processes share. */
static void add_owner(struct collect *c, uint32_t lock, uint32_t process, bool shared, uint32_t tid,
		      uint64_t count, uint64_t ns)
{
	uint64_t *thread;

	if (!tid)
		return;
	thread = map64_at(&c->waits->inner_tids, (uint64_t)process << 32 | tid);
	if (thread && !*thread && shared)
		thread = map64_at(&c->waits->inner_tids, tid);
	if (thread && *thread)
		profile_lock_add(c->profile, lock, PROFILE_OWNER, (uint32_t)*thread, 0, count, ns);
}

static uint32_t log2_us(uint64_t ns)
{
	uint64_t us = ns / 1000;
	uint32_t bucket = us ? 63 - (uint32_t)__builtin_clzll(us) : 0;

	return bucket < TPROF_LOCK_BUCKETS ? bucket : TPROF_LOCK_BUCKETS - 1;
}

static uint64_t alias_key(uint32_t process, uint64_t address)
{
	return hash_u64(address ^ hash_u64(process)) | 1;
}

uint32_t waits_lock(struct collect *c, uint32_t process, uint64_t address)
{
	const uint64_t *alias = c->waits->aliases.count
					? map64_at(&c->waits->aliases, alias_key(process, address))
					: NULL;

	return alias && *alias ? (uint32_t)*alias : profile_lock(c->profile, process, address);
}

uint32_t waits_lock_foreign(struct collect *c, uint64_t address)
{
	waits_look(c);
	for (uint32_t u = 0; u < c->waits->used_count; u++) {
		const struct tprof_lock *l = &c->waits->locks[c->waits->used[u]];
		struct proc *p;

		if (l->key.address != address || !(l->how & TPROF_FUTEX_SHARED))
			continue;
		p = procs_get(c->procs, (pid_t)l->key.tgid, l->key.process);
		return p ? waits_lock(c, p->id, address) : 0;
	}
	return 0;
}

void waits_lock_shared(struct collect *c, const struct tprof_lock_key *key, uint64_t place)
{
	struct proc *p = procs_get(c->procs, (pid_t)key->tgid, key->process);
	uint64_t *lock = p && place ? map64_at(&c->waits->shared, place) : NULL, *alias;

	if (!lock)
		return;
	if (!*lock)
		*lock = profile_lock(c->profile, p->id, key->address);
	alias = map64_at(&c->waits->aliases, alias_key(p->id, key->address));
	if (alias)
		*alias = *lock;
}

void waits_lock_open(struct collect *c, uint32_t process, const struct tprof_thread *t, uint64_t ns)
{
	uint32_t id = waits_lock(c, process, t->wait_futex);
	struct profile_lock *lock = id ? profile_lock_at(c->profile, id) : NULL;

	if (!lock)
		return;
	lock->waits++;
	lock->wait_ns += ns;
	lock->histogram[log2_us(ns)]++;
	lock->max_wait_ns = ns > lock->max_wait_ns ? ns : lock->max_wait_ns;
	if (!lock->type)
		lock->type = type_of(t->wait_how);
	add_owner(c, id, process, t->wait_how & TPROF_FUTEX_SHARED, t->wait_owner, 1, ns);
}

static int add_lock(struct collect *c, const struct tprof_lock *l, const struct waits_place *place)
{
	const struct tprof_lock_key *key = &l->key;
	struct proc *p = procs_get(c->procs, (pid_t)key->tgid, key->process);
	uint32_t id = p ? waits_lock(c, p->id, key->address) : 0;
	struct profile_lock *lock = id ? profile_lock_at(c->profile, id) : NULL;

	if (!lock)
		return -ENOMEM;
	for (int i = 0; i < TPROF_LOCK_BUCKETS; i++) {
		lock->waits += l->histogram[i];
		lock->histogram[i] += l->histogram[i];
	}
	lock->wait_ns += l->ns;
	lock->max_wait_ns = l->max_ns > lock->max_wait_ns ? l->max_ns : lock->max_wait_ns;
	lock->timeouts += l->timeouts;
	lock->signals += l->signals;
	lock->type = type_of(l->how);
	if (place && place->object) {
		lock->module = objects_module(c->objects, place->object);
		lock->module_offset = place->offset;
	}
	for (int i = 0; i < TPROF_LOCK_OWNERS; i++)
		add_owner(c, id, p->id, l->how & TPROF_FUTEX_SHARED, l->owner_tid[i],
			  l->owner_count[i], l->owner_ns[i]);
	return profile_error(c->profile);
}

/* The sums of locks that had no room, at address 0. */
static int add_more(struct collect *c)
{
	int fd = bpf_map__fd(c->skel->maps.locks_more), err = 0;
	struct tprof_lock_key key, *last = NULL;
	struct tprof_lock l;

	while (!err && bpf_map_get_next_key(fd, last, &key) == 0) {
		if (bpf_map_lookup_elem(fd, &key, &l) == 0) {
			l.key = key;
			err = add_lock(c, &l, NULL);
		}
		last = &key;
	}
	return err;
}

int waits_locks(struct collect *c)
{
	struct waits *w = c->waits;
	int err = 0;

	waits_look(c);
	if (c->skel->bss->locks_made && !w->locks)
		return -ENOMEM;
	for (uint32_t u = 0; u < w->used_count && !err; u++)
		err = add_lock(c, &w->locks[w->used[u]], &w->places[w->used[u]]);
	return err ? err : add_more(c);
}
