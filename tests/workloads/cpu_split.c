// SPDX-License-Identifier: BSD-2-Clause
/*
 * cpu_split SECONDS: two threads that use CPU 2:1 (by their own CPU clocks), each 3:1 between the
 * functions three() and one(). Prints "NAME TID CPU-NANOSECONDS" for each thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "burn.h"

#define ROUND_NS 5000000ULL

struct worker {
	const char *name;
	unsigned share;
	pid_t tid;
	uint64_t cpu_ns;
};

static pthread_barrier_t barrier;
static uint64_t rounds;
volatile uint64_t sink;

__attribute__((noinline)) void three(void)
{
	sink = burn_steps(3 * 3000);
}

__attribute__((noinline)) void one(void)
{
	sink = burn_steps(3000);
}

/* Rounds by the CPU clock; the thread with the larger share takes longest, so that many rounds of it
 * are about the seconds asked for. */
static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t until = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	prctl(PR_SET_NAME, w->name);
	w->tid = (pid_t)syscall(SYS_gettid);
	for (uint64_t i = 0; i < rounds; i++) {
		until += w->share * ROUND_NS;
		while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until) {
			three();
			one();
		}
		pthread_barrier_wait(&barrier);
	}
	w->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 10;
	struct worker workers[] = { { "two-thirds", 2, 0, 0 }, { "one-third", 1, 0, 0 } };
	pthread_t threads[2];

	rounds = (uint64_t)(seconds * 1e9) / (2 * ROUND_NS);
	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, work, &workers[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++)
		printf("%s %d %llu\n", workers[i].name, workers[i].tid,
		       (unsigned long long)workers[i].cpu_ns);
	return 0;
}
