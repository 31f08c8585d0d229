// SPDX-License-Identifier: BSD-2-Clause
/*
 * cpu_churn COUNT: one thread after the other, each uses 10 ms of CPU and is gone. Prints the
 * process's CPU nanoseconds.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "burn.h"

#define LIFE_NS 10000000ULL

volatile uint64_t sink;

__attribute__((noinline)) void mayfly(void)
{
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < LIFE_NS)
		sink = burn_steps(10000);
}

static void *live(void *arg)
{
	mayfly();
	return arg;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 300;
	pthread_t thread;

	for (int i = 0; i < count; i++) {
		pthread_create(&thread, NULL, live, NULL);
		pthread_join(thread, NULL);
	}
	printf("%llu\n", (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
