/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 -fomit-frame-pointer */
/* ldflags: -ldl */
/*
 * Targets that do what a profiler would rather not see. `faults MODE …`:
 *
 *	exec N            execs itself N times, with 1 ms of CPU between: "ns SUM", of all
 *	forks RATE N      forks N processes, RATE a second, each uses 0.2 ms: "forks N ns SUM", of all
 *	procs N           forks N processes that live at the same time and have used 0.5 ms; "live
 *	                  N";
 *	                  they end when stdin does: "ns SUM", of all
 *	dlclose N         N times in turn: loads a library, uses 10 ms in it, unloads it: "ns SUM"
 *	unstack SECONDS   one thread unmaps its stack above its frame, one below: "ns SUM"
 *	stacks SECONDS    when stdin has ended, so much CPU, each 0.1 ms of it on another
 *	                  stack: "ns SUM"
 *	still SECONDS     the same, all of it on one stack
 *	threads N         N threads that live at the same time; "live N"; end when stdin does
 *	locks N           waits for N futexes, one after the other, until each times out: "waits N"
 *	maps N SECONDS    N executable mappings, then CPU in the last: "ns SUM"
 *	files N SECONDS   maps N files that look like programs, then uses CPU: "ns SUM"
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "burn.h"

#define noinline  __attribute__((noinline))
#define MS	  1000000ULL
#define PAGE	  4096UL
#define STACK	  (64 * PAGE)
#define DEPTH	  24
#define SOME_CODE "\xc3" /* ret */

static volatile uint64_t sink;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static noinline void burn_until(uint64_t until)
{
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until)
		sink = burn_steps(5000);
}

static noinline void burn_for(uint64_t ns)
{
	burn_until(clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns);
}

static uint64_t children_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000ULL +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ULL;
}

static void say_ns(uint64_t ns)
{
	printf("ns %llu\n", (unsigned long long)ns);
	fflush(stdout);
}

static void until_stdin_ends(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* ── processes ──────────────────────────────────────────────────────────────────────────────── */

static int mode_exec(char **argv)
{
	char left[16];
	int n = atoi(argv[2]);

	burn_for(MS);
	if (n == 0) {
		say_ns(cpu_ns());
		return 0;
	}
	snprintf(left, sizeof(left), "%d", n - 1);
	execl("/proc/self/exe", argv[0], "exec", left, (char *)NULL);
	die("exec");
	return 1;
}

static int mode_forks(char **argv)
{
	uint64_t rate = strtoull(argv[2], NULL, 10), n = strtoull(argv[3], NULL, 10), alive = 0;
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);

	for (uint64_t i = 0; i < n; i++) {
		while ((clock_ns(CLOCK_MONOTONIC) - begin) * rate < i * 1000 * MS)
			usleep(200);
		switch (fork()) {
		case -1: die("fork"); break;
		case 0: burn_for(MS / 5); _exit(0);
		}
		alive++;
		while (alive && waitpid(-1, NULL, alive > 64 ? 0 : WNOHANG) > 0)
			alive--;
	}
	while (wait(NULL) > 0)
		;
	printf("forks %llu ", (unsigned long long)n);
	say_ns(cpu_ns() + children_ns());
	return 0;
}

static int mode_procs(char **argv)
{
	int n = atoi(argv[2]), ready[2], go[2];
	char byte = 0;

	if (pipe(ready) || pipe(go))
		die("pipe");
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid)
			continue;
		close(go[1]);
		burn_for(MS / 2);
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	for (int i = 0; i < n; i++) {
		if (read(ready[0], &byte, 1) != 1)
			die("read");
	}
	printf("live %d\n", n);
	fflush(stdout);
	until_stdin_ends();
	close(go[1]);
	while (wait(NULL) > 0)
		;
	say_ns(cpu_ns() + children_ns());
	return 0;
}

/* ── memory ─────────────────────────────────────────────────────────────────────────────────── */

static int mode_dlclose(char **argv)
{
	char *dir = dirname(strdup(argv[0])), path[4096];
	int n = atoi(argv[2]);

	for (int i = 0; i < n; i++) {
		void (*plug)(uint64_t);
		void *library;

		snprintf(path, sizeof(path), "%s/libplug_%s.so", dir, i % 2 ? "blue" : "red");
		library = dlopen(path, RTLD_NOW);
		if (!library)
			die(dlerror());
		*(void **)&plug = dlsym(library, "plug");
		plug(cpu_ns() + 10 * MS);
		dlclose(library);
	}
	say_ns(cpu_ns());
	return 0;
}

static volatile int ended;
static char *own_stack[2];
static ucontext_t contexts[2], none;

/* Without a call: below may be nothing. */
static noinline void burn_forever(void)
{
	while (!ended)
		sink = burn_steps(5000);
	for (;;)
		syscall(SYS_pause);
}

static noinline void unmap_above(void)
{
	char *here = __builtin_frame_address(0), *top = own_stack[0] + STACK;
	char *page = (char *)((uintptr_t)here & ~(PAGE - 1)) + 2 * PAGE;

	if (munmap(page, (size_t)(top - page)))
		die("munmap");
	burn_forever();
}

static noinline void unmap_below(void)
{
	char *here = __builtin_frame_address(0);
	char *page = (char *)((uintptr_t)here & ~(PAGE - 1)) - PAGE;

	if (munmap(own_stack[1], (size_t)(page - own_stack[1])))
		die("munmap");
	burn_forever();
}

/* Its caller's frame lies pages above. */
static noinline void deep(int below)
{
	volatile char room[8 * PAGE];

	room[0] = room[sizeof(room) - 1] = 1;
	if (below)
		unmap_below();
	else
		unmap_above();
	room[0] = room[1];
}

static void *on_own_stack(void *arg)
{
	int i = (int)(intptr_t)arg;

	own_stack[i] =
		mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own_stack[i] == MAP_FAILED)
		die("mmap");
	getcontext(&contexts[i]);
	contexts[i].uc_stack.ss_sp = own_stack[i];
	contexts[i].uc_stack.ss_size = STACK;
	contexts[i].uc_link = &none;
	makecontext(&contexts[i], (void (*)(void))deep, 1, i);
	setcontext(&contexts[i]);
	return NULL;
}

static int mode_unstack(char **argv)
{
	uint64_t ns = (uint64_t)(atof(argv[2]) * 1e9);
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, on_own_stack, (void *)(intptr_t)i);
	while (cpu_ns() < 2 * ns)
		usleep(10000);
	ended = 1;
	usleep(10000);
	say_ns(cpu_ns());
	_exit(0);
}

/* ── stacks ─────────────────────────────────────────────────────────────────────────────────── */

static void down(uint32_t way, int depth);

static noinline void left(uint32_t way, int depth)
{
	down(way, depth);
	sink++;
}

static noinline void right(uint32_t way, int depth)
{
	down(way, depth);
	sink--;
}

/* The bits of `way` are the path. */
static noinline void down(uint32_t way, int depth)
{
	if (depth == DEPTH)
		burn_for(MS / 10);
	else if (way >> depth & 1)
		left(way, depth + 1);
	else
		right(way, depth + 1);
	sink++;
}

static int mode_still(char **argv)
{
	uint64_t ns = (uint64_t)(atof(argv[2]) * 1e9);

	until_stdin_ends();
	burn_for(ns);
	say_ns(cpu_ns());
	return 0;
}

static int mode_stacks(char **argv)
{
	uint64_t ns = (uint64_t)(atof(argv[2]) * 1e9);

	until_stdin_ends();
	for (uint32_t way = 0; cpu_ns() < ns; way++)
		down(way * 2654435761U, 0);
	say_ns(cpu_ns());
	return 0;
}

/* ── many of a sort ─────────────────────────────────────────────────────────────────────────── */

static pthread_barrier_t all_live;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void *live(void *arg)
{
	pthread_barrier_wait(&all_live);
	pthread_mutex_lock(&held);
	pthread_mutex_unlock(&held);
	return arg;
}

static int mode_threads(char **argv)
{
	int n = atoi(argv[2]);
	pthread_t *threads = calloc((size_t)n, sizeof(*threads));
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	pthread_barrier_init(&all_live, NULL, (unsigned)n + 1);
	pthread_mutex_lock(&held);
	for (int i = 0; i < n; i++) {
		if (pthread_create(&threads[i], &attr, live, NULL))
			die("pthread_create");
	}
	pthread_barrier_wait(&all_live);
	printf("live %d\n", n);
	fflush(stdout);
	until_stdin_ends();
	pthread_mutex_unlock(&held);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return 0;
}

static int mode_locks(char **argv)
{
	int n = atoi(argv[2]), waits = 0;
	uint32_t *words = calloc((size_t)n, 64);

	for (int i = 0; i < n; i++) {
		struct timespec soon = { .tv_nsec = 50000 };

		waits += syscall(SYS_futex, &words[i * 16], FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0) <
				 0 &&
			 errno == ETIMEDOUT;
	}
	printf("waits %d\n", waits);
	return 0;
}

static int mode_maps(char **argv)
{
	int n = atoi(argv[2]), fd = memfd_create("code", 0);
	uint64_t ns = (uint64_t)(atof(argv[3]) * 1e9);
	void (*code)(void) = NULL;

	if (ftruncate(fd, 2 * PAGE) || pwrite(fd, "\177ELF", 4, 0) != 4 ||
	    pwrite(fd, SOME_CODE, 1, 64) != 1)
		die("memfd");
	for (int i = 0; i < n; i++) {
		/* a hole behind each, so that none is joined to the next */
		char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

		if (at == MAP_FAILED || munmap(at + PAGE, PAGE))
			die("mmap");
		code = (void (*)(void))(uintptr_t)(at + 64);
	}
	while (cpu_ns() < ns) {
		for (int i = 0; i < 1000; i++)
			code();
	}
	say_ns(cpu_ns());
	return 0;
}

static int mode_files(char **argv)
{
	uint64_t ns = (uint64_t)(atof(argv[3]) * 1e9);
	int n = atoi(argv[2]);

	for (int i = 0; i < n; i++) {
		int fd = memfd_create("program", 0);

		if (fd < 0 || ftruncate(fd, PAGE) || pwrite(fd, "\177ELF", 4, 0) != 4 ||
		    mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
			die("program");
		close(fd);
	}
	burn_for(ns);
	say_ns(cpu_ns());
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **argv);
	} modes[] = {
		{ "exec", 1, mode_exec },	{ "forks", 2, mode_forks },
		{ "procs", 1, mode_procs },	{ "dlclose", 1, mode_dlclose },
		{ "unstack", 1, mode_unstack }, { "stacks", 1, mode_stacks },
		{ "threads", 1, mode_threads }, { "locks", 1, mode_locks },
		{ "maps", 2, mode_maps },	{ "files", 2, mode_files },
		{ "still", 1, mode_still },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(argv[1], modes[i].name) && argc == 2 + modes[i].arguments)
			return modes[i].run(argv);
	}
	fputs("usage: faults MODE …: see its source\n", stderr);
	return 2;
}
