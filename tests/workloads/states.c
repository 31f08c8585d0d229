/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 */

/*
 * Threads in every state that a recording may find them in, until killed; "ready" when all are there.
 * spin-a and spin-b share one CPU: one of them is always in its run queue.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int pipes[2];
static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t ready;

static void nap_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void spin(void)
{
	for (volatile uint64_t i = 0;; i++)
		;
}

static void wait_timed(long ms)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t quiet = PTHREAD_COND_INITIALIZER;
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_mutex_lock(&lock);
	pthread_cond_timedwait(&quiet, &lock, &t);
	pthread_mutex_unlock(&lock);
}

static void *body(void *arg)
{
	const char *name = arg;
	char c;

	pthread_setname_np(pthread_self(), name);
	pthread_barrier_wait(&ready);
	if (!strncmp(name, "spin", 4))
		spin();
	if (!strcmp(name, "stuck"))
		pthread_mutex_lock(&never);
	while (!strcmp(name, "reader"))
		(void)!read(pipes[0], &c, 1);
	for (;;) {
		if (!strcmp(name, "writer")) {
			nap_ms(700);
			(void)!write(pipes[1], "x", 1);
		} else if (!strcmp(name, "doze-50")) {
			nap_ms(50);
		} else if (!strcmp(name, "doze-300")) {
			nap_ms(300);
		} else {
			wait_timed(1000);
		}
	}
	return NULL;
}

int main(void)
{
	static const char *const names[] = { "spin-a", "spin-b",  "stuck",    "reader",
					     "writer", "doze-50", "doze-300", "doze-1000" };
	size_t n = sizeof(names) / sizeof(names[0]);
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	pthread_mutex_lock(&never);
	pthread_barrier_init(&ready, NULL, (unsigned int)n + 1);
	if (pipe(pipes))
		return 1;
	for (size_t i = 0; i < n; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, body, (void *)names[i]))
			return 1;
		if (i < 2)
			pthread_setaffinity_np(thread, sizeof(first), &first);
	}
	pthread_barrier_wait(&ready);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
