/* SPDX-License-Identifier: BSD-2-Clause */
/* What a stack says by the names on it. */
#include <string.h>

#include "base/map64.h"
#include "diagnose/impl.h"

/* How far from the leaf a lock's own functions reach; the rest is the program's. */
enum { LOOK_FRAMES = 24, MAX_LABELS = 1024, NAME_SIZE = 256 };

/* ── names ──────────────────────────────────────────────────────────────────────────────────── */

/* As Java writes names in stack traces, whatever the JIT map had: "Ljava/lang/Thread;::run" and
 * "void java.lang.Thread.run()" both become "java.lang.Thread.run". */
static const char *plain_name(const char *name, char text[NAME_SIZE])
{
	size_t n = 0;

	if (name[0] == 'L' && strchr(name, ';'))
		name++;
	for (; *name && n < NAME_SIZE - 1; name++) {
		if (*name == '/')
			text[n++] = '.';
		else if (strncmp(name, ";::", 3) == 0)
			name += 2, text[n++] = '.';
		else
			text[n++] = *name;
	}
	text[n] = '\0';
	return text;
}

static bool has_any(const char *name, const char *const *parts)
{
	for (; *parts; parts++)
		if (strstr(name, *parts))
			return true;
	return false;
}

/* A head that ends in '$' is the whole name. */
static bool begins_with_any(const char *name, const char *const *heads)
{
	for (; *heads; heads++) {
		size_t len = strlen(*heads);
		bool whole = (*heads)[len - 1] == '$';

		if (strncmp(name, *heads, len - whole) == 0 && (!whole || !name[len - 1]))
			return true;
	}
	return false;
}

/* ── waiting for a lock, or for work ────────────────────────────────────────────────────────── */

/* Who is in one of these stands in line for the lock at the very word that it sleeps on … */
static const char *const locking_word[] = {
	"pthread_mutex_lock", "pthread_mutex_timedlock", "pthread_mutex_clocklock",
	"lll_lock_wait",      "pthread_rwlock_",	 "mtx_lock",
	"lll_mutex_lock",     "Mutex::lock_contended",	 "RawMutex::lock_slow",
	"RawRwLock::lock_",   "absl::Mutex::Lock",	 "runtime.lock2",
	"malloc_mutex_lock",  "mono_os_mutex_lock",	 NULL,
};

/* … and in one of these for a lock that is not: each thread sleeps on a word of its own, or on one of
 * a condition variable. */
static const char *const locking_elsewhere[] = {
	"ObjectMonitor::enter",
	"ObjectMonitor::EnterI",
	"ObjectSynchronizer::enter",
	"ReentrantLock.lock",
	"ReentrantLock$Sync.lock",
	"ReentrantReadWriteLock",
	"StampedLock.",

	NULL,
};

/* The healthy ways to sleep: until there is work, an answer, an end, or time has passed. */
static const char *const idling[] = {
	"pthread_cond_wait",
	"pthread_cond_timedwait",
	"pthread_cond_clockwait",
	"pthread_cond_",
	"cnd_wait",
	"sem_wait",
	"sem_timedwait",
	"sem_clockwait",
	"new_sem_wait",
	"pthread_join",
	"pthread_timedjoin",
	"pthread_clockjoin",
	"pthread_barrier_wait",
	"condition_variable",
	"ObjectMonitor::wait",
	"ObjectSynchronizer::wait",
	"java.lang.Object.wait",
	"java.lang.Thread.sleep",
	"java.lang.Thread.join",
	"JVM_MonitorWait",
	"JVM_Sleep",
	"ConditionObject.",
	"Queue.take",
	"Queue.poll",
	"SynchronousQueue",
	"LinkedTransferQueue",
	"ThreadPoolExecutor.getTask",
	"ForkJoinPool.",
	"CountDownLatch.await",
	"CyclicBarrier.",
	"java.util.concurrent.Semaphore",
	"Phaser.",
	"CompletableFuture.",
	"FutureTask.",
	"Exchanger.",
	"thread::park",
	"Parker::park_timeout",
	"tokio::runtime",
	"runtime.notesleep",
	"runtime.notetsleep",
	"runtime.stopm",
	"runtime.findRunnable",
	"runtime.mPark",
	"WatcherThread::sleep",
	"g_cond_wait",
	"uv_cond_",
	"QWaitCondition",
	NULL,
};

/* How a runtime puts threads to sleep for all purposes: what it does that with tells nothing. */
static const char *const parking[] = {
	"Parker::park",	    "Unsafe_Park",	   "Unsafe.park",
	"LockSupport.park", "PlatformEvent::park", NULL,
};

/* These are in both. */
static const char *const perhaps_locking[] = { "AbstractQueuedSynchronizer.acquire", NULL };

enum {
	FRAME_LOOKED_AT = 1,
	FRAME_KERNEL = 2,
	FRAME_WORD = 4,
	FRAME_ELSEWHERE = 8,
	FRAME_IDLE = 16,
	FRAME_PERHAPS = 32,
	FRAME_PARKING = 64,
	FRAME_TAKE_GIL = 128,
	FRAME_COND_WAIT = 256,
	FRAME_PYTHON = 512,
};

static bool is_python(const struct profile *p, uint32_t module)
{
	static const char *const heads[] = { "python3", "libpython3", NULL };
	const char *file = module ? profile_str(p, profile_module_at(p, module)->name) : "";
	const char *slash = strrchr(file, '/');

	return begins_with_any(slash ? slash + 1 : file, heads);
}

/* What the name of a frame says, found once: texts are slow to search. */
static uint16_t frame_says(struct profile *p, uint16_t *seen, uint32_t frame)
{
	const struct profile_frame *f = profile_frame_at(p, frame);
	char text[NAME_SIZE];
	const char *name;

	if (seen[frame - 1])
		return seen[frame - 1];
	seen[frame - 1] = FRAME_LOOKED_AT;
	if (f->module && profile_module_at(p, f->module)->type == PROFILE_MODULE_KERNEL)
		return seen[frame - 1] |= FRAME_KERNEL;
	name = plain_name(profile_str(p, profile_frame_label(p, frame)), text);
	if (has_any(name, locking_word))
		seen[frame - 1] |= FRAME_WORD;
	if (has_any(name, locking_elsewhere))
		seen[frame - 1] |= FRAME_ELSEWHERE;
	if (has_any(name, idling))
		seen[frame - 1] |= FRAME_IDLE;
	if (has_any(name, parking))
		seen[frame - 1] |= FRAME_PARKING;
	if (strstr(name, "take_gil"))
		seen[frame - 1] |= FRAME_TAKE_GIL;
	if (strstr(name, "pthread_cond_"))
		seen[frame - 1] |= FRAME_COND_WAIT;
	if (is_python(p, f->module))
		seen[frame - 1] |= FRAME_PYTHON;
	if (has_any(name, perhaps_locking))
		seen[frame - 1] |= FRAME_PERHAPS;
	return seen[frame - 1];
}

enum wait_sort stack_wait_sort(struct profile *p, uint16_t *seen, uint32_t stack)
{
	const struct profile_stack *s = stack ? profile_stack_at(p, stack) : NULL;
	uint32_t n = s ? s->frames : 0, first = 0;
	uint16_t said = 0, before = 0;

	for (uint32_t i = 0; i < n && i < first + LOOK_FRAMES; i++) {
		uint16_t says = frame_says(p, seen, profile_stack_frames(p, s)[i]);

		/* How the kernel puts a thread to sleep says nothing, and how deep it goes neither. */
		if (says & FRAME_KERNEL)
			first = i + 1;
		/* The interpreter itself waits for a condition only in take_gil(), which
		 * distributions strip the name of: threading.Lock and Condition use semaphores. */
		if (says & FRAME_TAKE_GIL || (says & FRAME_PYTHON && before & FRAME_COND_WAIT))
			return WAIT_GIL;
		before = says;
		if (says & FRAME_PARKING)
			said = 0;
		said |= says;
	}
	if (said & FRAME_ELSEWHERE)
		return WAIT_LOCKING_ELSEWHERE;
	if (said & FRAME_WORD)
		return WAIT_LOCKING_WORD;
	if (said & FRAME_IDLE)
		return WAIT_IDLE;
	return said & FRAME_PERHAPS ? WAIT_PERHAPS_LOCKING : WAIT_UNKNOWN;
}

/* ── the function that matters ──────────────────────────────────────────────────────────────── */

/* Objects that hold nothing but ways to wait, to start and to copy. */
static const char *const plumbing_files[] = {
	"libc.so",  "libc-2.",	 "libpthread", "ld-linux", "ld-musl", "libstdc++.so", "libc++",
	"libgcc_s", "libjvm.so", "libjli.so",  "libm.so",  "libm-2.", "[vdso]",	      NULL,
};

/* What a JIT makes for itself. */
static const char *const stub_names[] = {
	"Interpreter",	      "call_stub",     "StubRoutines", "Runtime1 stub",
	"_complete_monitor_", "vtable stub",   "itable stub",  "I2C/C2I",
	"ExceptionBlob",      "SafepointBlob", NULL,
};

static const char *const plumbing_names[] = {
	"pthread_",
	"__pthread_",
	"___pthread_",
	"__lll_",
	"__GI___",
	"start_thread$",
	"clone$",
	"clone3$",
	"__clone$",
	"__clone3$",
	"_start$",
	"__libc_start",
	"__futex",
	"futex_wait",
	"syscall$",
	"std::thread",
	"std::mutex",
	"std::lock_guard",
	"std::unique_lock",
	"std::scoped_lock",
	"std::shared_mutex",
	"std::condition_variable",
	"std::_",
	"std::__",
	"std::sys",
	"std::sync",
	"__gthread",
	"__gnu_cxx",
	"core::",
	"alloc::",
	"parking_lot",
	"tokio::runtime",
	"absl::Mutex",
	"java.lang.Thread.",
	"java.lang.Object.wait",
	"java.util.concurrent.locks.",
	"jdk.internal.misc.Unsafe",
	"sun.misc.Unsafe",
	"ObjectMonitor",
	"g_mutex_lock",
	"g_thread_",
	"__interceptor_",
	"memcpy$",
	"memset$",
	"runtime.",
	NULL,
};

/* Nobody's code: the kernel's, a library's, a stub's. */
static bool is_foreign(const struct profile *p, const struct profile_label *label)
{
	const char *file, *slash;

	if (label->type == PROFILE_LABEL_KERNEL || label->type == PROFILE_LABEL_THREAD ||
	    label->type == PROFILE_LABEL_MARK)
		return true;
	if (label->type == PROFILE_LABEL_JIT && has_any(profile_str(p, label->text), stub_names))
		return true;
	file = label->module ? profile_str(p, profile_module_at(p, label->module)->name) : "";
	slash = strrchr(file, '/');
	return begins_with_any(slash ? slash + 1 : file, plumbing_files);
}

bool is_plumbing(const struct profile *p, const struct profile_label *label)
{
	char text[NAME_SIZE];
	const char *name, *space;

	if (is_foreign(p, label))
		return true;
	name = plain_name(profile_str(p, label->text), text);
	/* "void java.lang.Thread.run()": the return type is none of the name. */
	space = strchr(name, ' ');
	if (space && space[1] != '(' && strchr(space, '('))
		name = space + 1;
	return begins_with_any(name, plumbing_names);
}

bool stack_culprit(struct profile *p, uint32_t stack, struct profile_label *ret_label)
{
	struct profile_label labels[MAX_LABELS];
	const struct profile_row row = { .stack = stack };
	size_t n = stack ? profile_labels(p, &row, false, labels, MAX_LABELS) : 0;
	bool found = false;

	for (size_t i = n; i-- > 0;) {
		if (is_foreign(p, &labels[i]))
			continue;
		*ret_label = labels[i];
		found = true;
		if (!is_plumbing(p, &labels[i]))
			break;
		/* A cut stack may have no better: then the outermost of these it is. */
	}
	return found;
}

static bool goes_through(struct profile *p, uint32_t stack, const struct profile_label *l)
{
	struct profile_label labels[MAX_LABELS];
	const struct profile_row row = { .stack = stack };
	size_t n = profile_labels(p, &row, false, labels, MAX_LABELS);

	while (n-- > 0)
		if (labels[n].text == l->text && labels[n].module == l->module)
			return true;
	return false;
}

uint32_t heaviest_stack(struct profile *p, uint32_t thread, const struct profile_label *through)
{
	struct map64 sums = { 0 };
	uint64_t most = 0;
	uint32_t found = 0;
	size_t n;
	const struct profile_row *rows = profile_rows(p, &n);

	for (size_t i = 0; i < n; i++) {
		uint64_t *sum;

		if (rows[i].kind != PROFILE_CPU || !rows[i].stack ||
		    (thread && rows[i].thread != thread))
			continue;
		sum = map64_at(&sums, rows[i].stack);
		if (sum)
			*sum += rows[i].count;
	}
	for (size_t i = 0; i < sums.cap; i++) {
		const struct map64_slot *s = &sums.slots[i];

		if (!s->key || s->value < most || (s->value == most && s->key > found))
			continue;
		if (!goes_through(p, (uint32_t)s->key, through))
			continue;
		most = s->value;
		found = (uint32_t)s->key;
	}
	map64_release(&sums);
	return found;
}
