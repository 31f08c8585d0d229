/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 -fomit-frame-pointer */

/*
 * Threads that wait, and know how long. `waits MODE …`:
 *
 *	mutex N         one thread holds a mutex for a millisecond, another waits for it, N times:
 *	                "waits N ns SUM", by the clock
 *	switches SEC    threads of all sorts; at its end each prints
 *	                "NAME voluntary V involuntary I ns LIFETIME", by getrusage and the clock,
 *	                and "life NAME LIFETIME" as seen from outside
 *	churn N RATE    creates N threads, RATE a second, each gone at once: "created N"
 *	pool N          N idle threads in pthread_cond_wait; "ready", then until killed
 *	timeouts N      a thread waits N times 2 ms for a condition that nobody signals
 *	kinds           every kind of futex wait, 5 each: PI, vector, requeue, bitset; 20 that signals end
 *	shared N        two processes fight for a mutex that each has at another address, N turns each
 *	edges           a futex whose page goes, garbage where the owner would be, hostile names
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define noinline __attribute__((noinline))

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* Before all normal work of the host: the clock then tells waiting, and not waiting for a CPU. */
static void claim_cpu(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	sched_setscheduler(0, SCHED_FIFO, &first);
}

static void nap_us(long us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

static pthread_t start(void *(*body)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	err = pthread_create(&thread, &attr, body, arg);
	if (err) {
		fprintf(stderr, "waits: no thread: %s\n", strerror(err));
		exit(1);
	}
	return thread;
}

/* ── mutex ──────────────────────────────────────────────────────────────────────────────────── */

pthread_mutex_t ledger_lock = PTHREAD_MUTEX_INITIALIZER;
static int wish[2], had[2];	  /* the holder tells the waiter to try; the waiter had the lock */
static _Atomic uint64_t given_ns; /* when the lock was given back last */
static uint64_t waited_ns, waits;

static noinline void take_ledger(void)
{
	uint64_t begin = now();

	pthread_mutex_lock(&ledger_lock);
	/* the wait ends when the lock is given back, not when this thread gets a CPU again */
	if (given_ns > begin) {
		waited_ns += given_ns - begin;
		waits++;
	}
	pthread_mutex_unlock(&ledger_lock);
}

static noinline void give_ledger(void)
{
	given_ns = now();
	pthread_mutex_unlock(&ledger_lock);
	__asm__ volatile("" ::: "memory"); /* no tail call */
}

static void *waiter(void *arg)
{
	char c;

	pthread_setname_np(pthread_self(), "waiter");
	while (read(wish[0], &c, 1) == 1) {
		take_ledger();
		if (write(had[1], &c, 1) != 1)
			break;
	}
	return arg;
}

static int run_mutex(int n)
{
	pthread_t thread;
	char c;

	claim_cpu();
	if (pipe(wish) || pipe(had))
		return 1;
	thread = start(waiter, NULL);
	for (int i = 0; i < n; i++) {
		pthread_mutex_lock(&ledger_lock);
		if (write(wish[1], "x", 1) != 1)
			return 1;
		nap_us(1000);
		give_ledger();
		if (read(had[0], &c, 1) != 1)
			return 1;
	}
	close(wish[1]);
	pthread_join(thread, NULL);
	printf("waits %llu ns %llu\n", (unsigned long long)waits, (unsigned long long)waited_ns);
	return 0;
}

/* ── switches ───────────────────────────────────────────────────────────────────────────────── */

static uint64_t deadline;
static int there[2], back[2];

static void tell(const char *name, uint64_t begin)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	printf("%s voluntary %ld involuntary %ld ns %llu\n", name, u.ru_nvcsw, u.ru_nivcsw,
	       (unsigned long long)(now() - begin));
}

static void *burn(void *name)
{
	uint64_t begin = now();

	pthread_setname_np(pthread_self(), name);
	while (now() < deadline)
		;
	tell(name, begin);
	return NULL;
}

static void *doze(void *name)
{
	uint64_t begin = now();

	pthread_setname_np(pthread_self(), name);
	while (now() < deadline)
		nap_us(3000);
	tell(name, begin);
	return NULL;
}

static void *ping(void *name)
{
	uint64_t begin = now();
	char c = 1;

	pthread_setname_np(pthread_self(), name);
	while (now() < deadline && write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1)
		;
	close(there[1]);
	tell(name, begin);
	return NULL;
}

static void *pong(void *name)
{
	uint64_t begin = now();
	char c;

	pthread_setname_np(pthread_self(), name);
	while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
		;
	tell(name, begin);
	return NULL;
}

static void *poller(void *name)
{
	struct epoll_event event;
	uint64_t begin = now();
	int fd = epoll_create1(0);

	pthread_setname_np(pthread_self(), name);
	while (now() < deadline)
		epoll_wait(fd, &event, 1, 20);
	tell(name, begin);
	return NULL;
}

/* A thread's life as it can be seen from outside: from before its creation to behind its end. */
static int run_switches(double seconds)
{
	static struct {
		const char *name;
		void *(*body)(void *);
		pthread_t thread;
		uint64_t begin;
	} all[] = {
		{ .name = "burn-a", .body = burn }, { .name = "burn-b", .body = burn },
		{ .name = "doze", .body = doze },   { .name = "ping", .body = ping },
		{ .name = "pong", .body = pong },   { .name = "poller", .body = poller },
	};

	if (pipe(there) || pipe(back))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	deadline = now() + (uint64_t)(seconds * 1e9);
	for (int i = 0; i < 6; i++) {
		all[i].begin = now();
		all[i].thread = start(all[i].body, (void *)all[i].name);
	}
	for (int i = 0; i < 6; i++) {
		pthread_join(all[i].thread, NULL);
		printf("life %s %llu\n", all[i].name, (unsigned long long)(now() - all[i].begin));
	}
	return 0;
}

/* ── churn ──────────────────────────────────────────────────────────────────────────────────── */

static void *short_work(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "task-%d", (int)(intptr_t)arg);
	pthread_setname_np(pthread_self(), name);
	return NULL;
}

static noinline void launch(int i)
{
	pthread_t thread = start(short_work, (void *)(intptr_t)i);

	pthread_detach(thread);
	__asm__ volatile("" ::: "memory");
}

static int threads_alive(void)
{
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");
	int n = 0;

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "Threads: %d", &n) != 1)
		;
	if (f)
		fclose(f);
	return n;
}

static int run_churn(int n, int rate)
{
	uint64_t begin = now(), due, t;

	for (int i = 0; i < n; i++) {
		launch(i);
		due = begin + (uint64_t)(i + 1) * 1000000000ULL / (uint64_t)rate;
		while ((t = now()) < due)
			nap_us((long)((due - t) / 2000 + 1));
	}
	while (threads_alive() > 1)
		nap_us(1000);
	printf("created %d\n", n);
	return 0;
}

/* ── pool ───────────────────────────────────────────────────────────────────────────────────── */

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t pool_work = PTHREAD_COND_INITIALIZER;
static int idle;

static noinline void wait_for_work(void)
{
	pthread_mutex_lock(&pool_lock);
	idle++;
	for (;;)
		pthread_cond_wait(&pool_work, &pool_lock);
}

static void *worker(void *arg)
{
	wait_for_work();
	return arg;
}

static int run_pool(int n)
{
	int asleep = 0;

	for (int i = 0; i < n; i++)
		start(worker, NULL);
	while (asleep < n) {
		nap_us(1000);
		pthread_mutex_lock(&pool_lock);
		asleep = idle;
		pthread_mutex_unlock(&pool_lock);
	}
	nap_us(10000);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

/* ── timeouts ───────────────────────────────────────────────────────────────────────────────── */

static int run_timeouts(int n)
{
	static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	struct timespec t;

	pthread_mutex_lock(&pool_lock);
	for (int i = 0; i < n; i++) {
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += 2000000;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&never, &pool_lock, &t);
	}
	return 0;
}

/* ── edges ──────────────────────────────────────────────────────────────────────────────────── */

static void futex_sleep(uint32_t *word, uint32_t val, long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, val, &t, NULL, 0);
}

static void *sleep_on(void *word)
{
	futex_sleep(word, 2, 200);
	return NULL;
}

/* Waits on a word at the end of a page: what would be the owner lies behind it. */
static void unmapped(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t *last = (uint32_t *)(page + 4092), *first = (uint32_t *)page;
	pthread_t a, b;

	munmap(page + 4096, 4096);
	*last = *first = 2;
	first[2] = 0xdeadbeef; /* no thread has this number */
	a = start(sleep_on, last);
	b = start(sleep_on, first);
	nap_us(50000);
	munmap(page, 4096);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
}

static void *hostile(void *name)
{
	prctl(PR_SET_NAME, name);
	nap_us(100000);
	return NULL;
}

static int run_edges(void)
{
	static char names[][16] = { "a\033[2Jb", "c\nd;e", "\xff\xfe<f>", "" };
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = start(hostile, names[i]);
	unmapped();
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

/* ── kinds ──────────────────────────────────────────────────────────────────────────────────── */

pthread_mutex_t kind_pi;
uint32_t kind_vector, kind_requeue, kind_bitset, kind_signal;
static _Atomic int signalled;

static void *take_pi(void *arg)
{
	pthread_mutex_lock(&kind_pi);
	pthread_mutex_unlock(&kind_pi);
	return arg;
}

static void wait_pi(void)
{
	pthread_mutexattr_t inherit;
	pthread_t thread;

	pthread_mutexattr_init(&inherit);
	pthread_mutexattr_setprotocol(&inherit, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&kind_pi, &inherit);
	for (int i = 0; i < 5; i++) {
		pthread_mutex_lock(&kind_pi);
		thread = start(take_pi, NULL);
		nap_us(50000);
		pthread_mutex_unlock(&kind_pi);
		pthread_join(thread, NULL);
	}
}

/* 20 ms from now. */
static struct timespec *soon(struct timespec *t)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += (t->tv_nsec + 20000000) / 1000000000;
	t->tv_nsec = (t->tv_nsec + 20000000) % 1000000000;
	return t;
}

/* How often this thread has slept. */
static long slept(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static long wait_vector(void)
{
	struct { /* struct futex_waitv, 5.16 */
		uint64_t val, uaddr;
		uint32_t flags, reserved;
	} one = { .uaddr = (uintptr_t)&kind_vector, .flags = 2 | FUTEX_PRIVATE_FLAG };
	struct timespec t;

	return syscall(449 /* futex_waitv */, &one, 1, 0, soon(&t), CLOCK_MONOTONIC);
}

static long wait_bitset(void)
{
	struct timespec t;

	return syscall(SYS_futex, &kind_bitset, FUTEX_WAIT_BITSET_PRIVATE, 0, soon(&t), NULL, -1);
}

static long wait_requeue(void)
{
	static uint32_t to;
	struct timespec t;

	return syscall(SYS_futex, &kind_requeue, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, soon(&t), &to,
		       0);
}

/* Until it has slept 5 times: on a busy machine the time may be over before it can. */
static void wait_five(long (*wait)(void))
{
	for (int i = 0; i < 5;) {
		long before = slept();

		if (wait() < 0 && errno == ENOSYS)
			return;
		i += slept() != before;
	}
}

static void wait_timed(void)
{
	wait_five(wait_vector);
	wait_five(wait_bitset);
	wait_five(wait_requeue);
}

static void on_signal(int number)
{
	(void)number;
	signalled++;
}

static void *wait_signalled(void *arg)
{
	while (signalled < 20)
		syscall(SYS_futex, &kind_signal, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return arg;
}

static int run_kinds(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;

	claim_cpu();
	wait_pi();
	wait_timed();
	sigaction(SIGUSR1, &action, NULL);
	thread = start(wait_signalled, NULL);
	for (int i = 0; i < 20; i++) {
		nap_us(20000);
		pthread_kill(thread, SIGUSR1);
		while (signalled == i)
			nap_us(100);
	}
	pthread_join(thread, NULL);
	return 0;
}

/* ── shared ─────────────────────────────────────────────────────────────────────────────────── */

static noinline void take_turns(pthread_mutex_t *mutex, int n)
{
	for (int i = 0; i < n; i++) {
		pthread_mutex_lock(mutex);
		nap_us(1000);
		pthread_mutex_unlock(mutex);
		nap_us(200); /* else it takes the lock again before the other is awake */
	}
}

static int run_shared(int n)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);
	pthread_mutex_t *mutex;
	pthread_mutexattr_t shared;
	pid_t child;

	if (fd < 0 || ftruncate(fd, 8192))
		return 1;
	mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &shared);
	child = fork();
	if (!child) { /* … at an address of its own */
		mutex = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		mutex = (void *)((char *)mutex + 4096);
	}
	take_turns(mutex, n);
	nap_us(500000); /* its memory is looked at while it lives */
	if (!child)
		_exit(0);
	return waitpid(child, NULL, 0) != child;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	double a = argc > 2 ? atof(argv[2]) : 0, b = argc > 3 ? atof(argv[3]) : 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!strcmp(mode, "mutex"))
		return run_mutex((int)a);
	if (!strcmp(mode, "switches"))
		return run_switches(a);
	if (!strcmp(mode, "churn"))
		return run_churn((int)a, (int)b);
	if (!strcmp(mode, "pool"))
		return run_pool((int)a);
	if (!strcmp(mode, "timeouts"))
		return run_timeouts((int)a);
	if (!strcmp(mode, "kinds"))
		return run_kinds();
	if (!strcmp(mode, "shared"))
		return run_shared((int)a);
	if (!strcmp(mode, "edges"))
		return run_edges();
	fprintf(stderr,
		"usage: waits mutex N | switches SEC | churn N RATE | pool N | timeouts N | edges\n");
	return 2;
}
