/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each lock is, and its name: from the names on its waiters' stacks. The futex operation alone
 * tells glibc's mutex from the rest, and that is all.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/diagnose.h"
#include "diagnose/impl.h"

enum { LOOK_FRAMES = 16, TYPES = PROFILE_LOCK_PARK + 1 };

struct pattern {
	const char *part;
	enum profile_lock_type type;
};

/* Nearest to the leaf wins: the wait for the mutex at the end of pthread_cond_wait is one for the
 * mutex. */
static const struct pattern libc[] = {
	{ "lll_lock_wait", PROFILE_LOCK_MUTEX },
	{ "lll_mutex_lock", PROFILE_LOCK_MUTEX },
	{ "pthread_mutex_", PROFILE_LOCK_MUTEX },
	{ "mtx_lock", PROFILE_LOCK_MUTEX },
	{ "pthread_rwlock_", PROFILE_LOCK_RWLOCK },
	{ "pthread_cond_", PROFILE_LOCK_CONDVAR },
	{ "cnd_wait", PROFILE_LOCK_CONDVAR },
	{ "cnd_timedwait", PROFILE_LOCK_CONDVAR },
	{ "sem_wait", PROFILE_LOCK_SEMAPHORE },
	{ "sem_timedwait", PROFILE_LOCK_SEMAPHORE },
	{ "sem_clockwait", PROFILE_LOCK_SEMAPHORE },
	{ "pthread_barrier_wait", PROFILE_LOCK_BARRIER },
	{ "pthread_join", PROFILE_LOCK_JOIN },
	{ "pthread_timedjoin", PROFILE_LOCK_JOIN },
	{ "pthread_clockjoin", PROFILE_LOCK_JOIN },
	{ "thrd_join", PROFILE_LOCK_JOIN },
	{ NULL, PROFILE_LOCK_OTHER },
};

/* Runtimes build their own locks on libc's or on the futex itself: they know better. */
static const struct pattern runtimes[] = {
	{ "ObjectMonitor::enter", PROFILE_LOCK_MUTEX },
	{ "ObjectMonitor::EnterI", PROFILE_LOCK_MUTEX },
	{ "ObjectMonitor::ReenterI", PROFILE_LOCK_MUTEX },
	{ "ObjectMonitor::wait", PROFILE_LOCK_CONDVAR },
	{ "Parker::park", PROFILE_LOCK_PARK },
	{ "Unsafe_Park", PROFILE_LOCK_PARK },
	{ "thread::park", PROFILE_LOCK_PARK },
	{ "Mutex::lock_contended", PROFILE_LOCK_MUTEX },
	{ "RawMutex::lock_slow", PROFILE_LOCK_MUTEX },
	{ "RwLock::read_contended", PROFILE_LOCK_RWLOCK },
	{ "RwLock::write_contended", PROFILE_LOCK_RWLOCK },
	{ "RawRwLock::lock_", PROFILE_LOCK_RWLOCK },
	{ "Condvar::wait", PROFILE_LOCK_CONDVAR },
	{ "absl::Mutex::Lock", PROFILE_LOCK_MUTEX },
	{ "absl::CondVar::Wait", PROFILE_LOCK_CONDVAR },
	{ "runtime.lock2", PROFILE_LOCK_MUTEX },
	{ "runtime.notesleep", PROFILE_LOCK_PARK },
	{ "runtime.notetsleep", PROFILE_LOCK_PARK },
	{ NULL, PROFILE_LOCK_OTHER },
};

static enum profile_lock_type match(const struct pattern *p, const char *name)
{
	while (p->part && !strstr(name, p->part))
		p++;
	return p->type;
}

static enum profile_lock_type type_of_stack(struct profile *p, uint32_t stack)
{
	const struct profile_stack *s = profile_stack_at(p, stack);
	enum profile_lock_type type = PROFILE_LOCK_OTHER, better;

	for (uint32_t i = 0; i < s->frames && i < LOOK_FRAMES; i++) {
		uint32_t frame = profile_stack_frames(p, s)[i];
		const char *name = profile_str(p, profile_frame_label(p, frame));

		s = profile_stack_at(p, stack);
		better = match(runtimes, name);
		if (better)
			return better;
		if (!type)
			type = match(libc, name);
	}
	return type;
}

/* Per lock: nanoseconds (and 1 a wait, for those that took none) by type; the stack that waited
 * longest. */
struct tally {
	uint64_t weight[TYPES];
	uint64_t longest;
	uint32_t stack;
};

static void add_rows(struct profile *p, struct tally *tallies, uint8_t *types)
{
	size_t n;
	const struct profile_lock_row *rows = profile_lock_rows(p, &n);

	for (size_t i = 0; i < n; i++) {
		const struct profile_lock_row *r = &rows[i];
		struct tally *t = &tallies[r->lock - 1];

		if (r->role != PROFILE_WAITER || !r->stack)
			continue;
		if (!types[r->stack - 1])
			types[r->stack - 1] = (uint8_t)(type_of_stack(p, r->stack) + 1);
		t->weight[types[r->stack - 1] - 1] += r->ns + r->count;
		if (!t->stack || r->ns > t->longest) {
			t->stack = r->stack;
			t->longest = r->ns;
		}
	}
}

static void settle_type(struct profile_lock *lock, const struct tally *t)
{
	enum profile_lock_type best = PROFILE_LOCK_OTHER;

	for (int type = 1; type < TYPES; type++) {
		if (t->weight[type] > (best ? t->weight[best] : 0))
			best = (enum profile_lock_type)type;
	}
	if (best)
		lock->type = (uint8_t)best;
}

/* The futex word is a member of glibc's lock: "cv+0x2c" is cv. Arrays keep the offsets of all but
 * their first element. */
static size_t name_length(const struct profile_lock *lock, const char *name)
{
	const char *plus = strrchr(name, '+');
	unsigned long offset = plus ? strtoul(plus + 1, NULL, 16) : 0;
	size_t size = lock->type == PROFILE_LOCK_CONDVAR  ? sizeof(pthread_cond_t)
		      : lock->type == PROFILE_LOCK_RWLOCK ? sizeof(pthread_rwlock_t)
							  : 0;

	return offset && offset < size ? (size_t)(plus - name) : strlen(name);
}

/* "queue_lock in libfoo.so"; a lock without a symbol is called by who waits there. */
static void settle_name(struct profile *p, uint32_t id, const struct tally *t)
{
	struct profile_lock *lock = profile_lock_at(p, id);
	const char *file, *slash, *name = profile_str(p, lock->name);
	struct profile_label label;
	struct buf text = BUF_INIT;

	if (lock->name && lock->module && !strstr(name, " in ")) {
		file = profile_str(p, profile_module_at(p, lock->module)->name);
		slash = strrchr(file, '/');
		buf_add(&text, name, name_length(lock, name));
		buf_printf(&text, " in %s", slash ? slash + 1 : file);
	} else if (!lock->name && t->stack && stack_culprit(p, t->stack, &label)) {
		buf_addstr(&text, profile_str(p, label.text));
	}
	if (text.len && !text.failed)
		lock->name = profile_string_n(p, text.data, text.len);
	buf_release(&text);
}

int diagnose_locks(struct profile *p)
{
	size_t locks, stacks;
	struct tally *tallies;
	uint8_t *types;

	profile_locks(p, &locks);
	profile_stacks(p, &stacks);
	tallies = calloc(locks + 1, sizeof(*tallies));
	types = calloc(stacks + 1, 1);
	if (tallies && types) {
		add_rows(p, tallies, types);
		for (uint32_t id = 1; id <= locks; id++) {
			settle_type(profile_lock_at(p, id), &tallies[id - 1]);
			settle_name(p, id, &tallies[id - 1]);
		}
	}
	free(tallies);
	free(types);
	return tallies && types ? profile_error(p) : -ENOMEM;
}
