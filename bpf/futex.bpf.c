// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "waits.bpf.h"

/*
 * Futex waits: what is waited for, who held it, and the exact sums of each lock.
 *
 * A lock is a futex address in a process. A futex that several processes share has one entry in
 * each: to the one who waits they look like locks of its own.
 */
#define FUTEX_WAIT	      0
#define FUTEX_LOCK_PI	      6
#define FUTEX_WAIT_BITSET     9
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_LOCK_PI2	      13
#define FUTEX_PRIVATE_FLAG    128
#define FUTEX_CMD_MASK	      127
#define FUTEX2_PRIVATE	      128
#define FUTEX_WAITERS	      0x80000000U
#define FUTEX_TID_MASK	      0x3fffffffU

/* glibc's pthread_mutex_t: { int lock; unsigned count; int owner; … }, ABI since NPTL; lock is 2
 * while somebody waits. */
#define GLIBC_CONTENDED	   2
#define GLIBC_OWNER_OFFSET 8

struct futex_waitv { /* include/uapi/linux/futex.h */
	__u64 val, uaddr;
	__u32 flags, reserved;
};

/*
 * 8 to a bucket, which is found by hash; locks are added and never taken out. A slot is claimed
 * as a thread's is (wire.h). Two CPUs may add the same lock at once: user space adds such twins up.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TPROF_MAX_LOCKS / TPROF_LOCK_WAYS);
	__type(key, __u32);
	__type(value, struct tprof_lock_bucket);
} locks SEC(".maps");

/* One entry a process, address 0: the locks for which there was no room. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct tprof_lock_key);
	__type(value, struct tprof_lock);
} locks_more SEC(".maps");

/* How many locks were added: user space looks for new ones when it changes. */
volatile __u32 locks_made = 0;

/* ── the wait begins ────────────────────────────────────────────────────────────────────────── */

static __always_inline __u32 user_word(__u64 address)
{
	__u32 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)address);
	return word;
}

/* Whatever stands there: user space takes it only if it is a thread of the target. */
static __always_inline __u32 owner_of(__u64 address, __u32 how, __u32 val)
{
	if (how & TPROF_FUTEX_MUTEX)
		return user_word(address + GLIBC_OWNER_OFFSET);
	if (how & TPROF_FUTEX_PI)
		return user_word(address) & FUTEX_TID_MASK;
	/* a robust mutex: the word that it waits for names the owner */
	return val & FUTEX_WAITERS ? val & FUTEX_TID_MASK : 0;
}

static __always_inline __u32 how_of(__u32 op, __u32 val)
{
	__u32 shared = op & FUTEX_PRIVATE_FLAG ? 0 : TPROF_FUTEX_SHARED;

	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
		return shared | TPROF_FUTEX_WAIT | (val == GLIBC_CONTENDED ? TPROF_FUTEX_MUTEX : 0);
	case FUTEX_WAIT_BITSET:
		return shared | TPROF_FUTEX_BITSET |
		       (val == GLIBC_CONTENDED ? TPROF_FUTEX_MUTEX : 0);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2: return shared | TPROF_FUTEX_PI;
	case FUTEX_WAIT_REQUEUE_PI: return shared | TPROF_FUTEX_REQUEUE;
	}
	return 0; /* it blocks, but waits for no futex: a page fault in FUTEX_WAKE, … */
}

static __always_inline void futex_set(struct tprof_thread *t, __u64 address, __u32 how, __u32 val)
{
	t->wait_futex = how ? address : 0;
	t->wait_how = how;
	t->wait_owner = how ? owner_of(address, how, val) : 0;
}

__hidden void futex_note(struct tprof_thread *t, const struct wait_regs *regs)
{
	struct futex_waitv first = {};

	/* without a timeout, which futex_wait has as its fifth argument */
	if (!regs->arg[3] && t->wait_nr != NR_futex_wait)
		t->wait_end = WAIT_WOKEN;
	switch (t->wait_nr) {
	case NR_futex: {
		__u32 val = regs->arg[2];

		futex_set(t, regs->arg[0], how_of(regs->arg[1], val), val);
		break;
	}
	case NR_futex_wait: futex_set(t, regs->arg[0], TPROF_FUTEX_BITSET, regs->arg[1]); break;
	case NR_futex_waitv:
		bpf_probe_read_user(&first, sizeof(first), (void *)regs->arg[0]);
		futex_set(t, first.uaddr,
			  TPROF_FUTEX_VECTOR |
				  (first.flags & FUTEX2_PRIVATE ? 0 : TPROF_FUTEX_SHARED),
			  first.val);
		break;
	}
}

/* ── and ends ───────────────────────────────────────────────────────────────────────────────── */

/* One comparison: three would be three paths for the verifier, at each of 8 slots. */
static __always_inline bool lock_is(const struct tprof_lock *lock, const struct tprof_lock_key *key)
{
	__u64 differs = (lock->key.address ^ key->address) | (lock->key.tgid ^ key->tgid) |
			(lock->key.process ^ key->process);

	barrier_var(differs);
	return !differs;
}

static __always_inline bool lock_claim(struct tprof_lock *lock, const struct tprof_lock_key *key)
{
	volatile __u32 *claims = &lock->claims;

	if (*claims)
		return false;
	__sync_fetch_and_add(claims, 1);
	if (*claims != 1) {
		__sync_fetch_and_add(claims, -1);
		return false;
	}
	lock->key.tgid = key->tgid;
	lock->key.process = key->process;
	*(volatile __u64 *)&lock->key.address = key->address;
	__sync_fetch_and_add(&locks_made, 1);
	return true;
}

static __always_inline void lock_key(const struct tprof_thread *t, struct tprof_lock_key *ret_key)
{
	ret_key->address = t->wait_futex;
	ret_key->tgid = t->tgid;
	ret_key->process = t->process;
}

static __always_inline struct tprof_lock_bucket *lock_bucket(const struct tprof_lock_key *key)
{
	__u64 hash = hash_mix(key->address >> 2, (__u64)key->tgid << 32 | key->process);
	__u32 index = (hash >> 32) % (TPROF_MAX_LOCKS / TPROF_LOCK_WAYS);

	return bpf_map_lookup_elem(&locks, &index);
}

/* Is this way of its bucket the lock that the thread in this slot waits for? It is made so if it is free; another
 * CPU may have been faster. */
__noinline int lock_new_in(__u32 slot, __u32 way)
{
	struct tprof_thread *t = thread_in(slot);
	struct tprof_lock_key key = {};
	struct tprof_lock_bucket *b;
	struct tprof_lock *lock;

	if (!t)
		return false;
	lock_key(t, &key);
	b = lock_bucket(&key);
	if (!b)
		return false;
	lock = &b->lock[bounded(way, TPROF_LOCK_WAYS - 1)];
	return lock_is(lock, &key) || lock_claim(lock, &key);
}

/* The way of the lock that the thread in this slot waits for, which has none yet; or TPROF_LOCK_WAYS. */
__noinline __u32 lock_new(__u32 slot)
{
	__u32 way;

	for (way = 0; way < TPROF_LOCK_WAYS; way++)
		if (lock_new_in(slot, way))
			break;
	return way;
}

static __noinline struct tprof_lock *lock_other(struct tprof_lock_key *key)
{
	static const struct tprof_lock none;

	loss_add(TPROF_LOSS_LOCKS_FULL);
	key->address = 0;
	bpf_map_update_elem(&locks_more, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&locks_more, key);
}

static __always_inline struct tprof_lock *lock_get(struct tprof_lock_key *key,
						   struct tprof_thread *t)
{
	struct tprof_lock_bucket *b = lock_bucket(key);
	__u32 way;

	if (!b)
		return NULL;
	for (way = 0; way < TPROF_LOCK_WAYS; way++)
		if (lock_is(&b->lock[way], key))
			break;
	if (way == TPROF_LOCK_WAYS)
		way = lock_new(t->slot);
	/* By way of memory, so that it is any number to the verifier: else it walks what follows for each. */
	*(volatile __u32 *)&t->wait_way = way;
	way = *(volatile __u32 *)&t->wait_way;
	return way < TPROF_LOCK_WAYS ? &b->lock[bounded(way, TPROF_LOCK_WAYS - 1)]
				     : lock_other(key);
}

static __always_inline void lock_owner(struct tprof_lock *lock, __u32 owner, __u64 ns)
{
	for (int i = 0; i < TPROF_LOCK_OWNERS; i++) {
		volatile __u32 *tid = &lock->owner_tid[i];

		if (!*tid)
			*tid = owner;
		if (*tid != owner)
			continue;
		__sync_fetch_and_add(&lock->owner_count[i], 1);
		__sync_fetch_and_add(&lock->owner_ns[i], ns);
		return;
	}
}

static __always_inline __u32 bucket_of(__u64 ns)
{
	__u64 us = ns / 1000;

	return log2_u32(us > 0xffffffff ? 0xffffffff : us);
}

__noinline int futex_end(__u32 slot, __u64 ns)
{
	struct tprof_thread *t = thread_in(slot);
	struct tprof_lock_key key = {};
	struct tprof_lock *lock;

	if (!t)
		return 0;
	lock_key(t, &key);
	t->futex_waits++;
	t->futex_ns += ns;
	lock = lock_get(&key, t);
	if (!lock)
		return 0;
	__sync_fetch_and_add(&lock->ns, ns);
	__sync_fetch_and_add(&lock->histogram[bounded(bucket_of(ns), TPROF_LOCK_BUCKETS - 1)], 1);
	if (ns > lock->max_ns)
		lock->max_ns = ns;
	lock->last_ns = t->since_ns;
	lock->how |= t->wait_how;
	if (t->wait_end == WAIT_TIMEOUT)
		__sync_fetch_and_add(&lock->timeouts, 1);
	else if (t->wait_end == WAIT_SIGNAL)
		__sync_fetch_and_add(&lock->signals, 1);
	if (t->wait_owner)
		lock_owner(lock, t->wait_owner, ns);
	return 0;
}
