// SPDX-License-Identifier: BSD-2-Clause
/*
 * list_grow SECONDS: a monitor thread walks a list that nobody shortens, fifty times a second; a
 * second thread does the same work all the time. The walk is what grows.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "burn.h"

enum { STEP_US = 20000, ENTRIES_A_STEP = 4000 };

struct entry {
	struct entry *next;
	uint64_t value;
};

static uint64_t end_ns;
volatile uint64_t sink;

__attribute__((noinline)) uint64_t walk_entries(const struct entry *list)
{
	uint64_t sum = 0;

	for (; list; list = list->next)
		sum = (sum ^ list->value) * 6364136223846793005ULL;
	return sum;
}

__attribute__((noinline)) void serve_request(void)
{
	sink = burn_steps(1000000);
}

__attribute__((noinline)) void *monitor(void *unused)
{
	struct entry *list = NULL;

	prctl(PR_SET_NAME, "monitor");
	while (clock_ns(CLOCK_MONOTONIC) < end_ns) {
		for (int i = 0; i < ENTRIES_A_STEP; i++) {
			struct entry *e = malloc(sizeof(*e));

			if (!e)
				exit(1);
			*e = (struct entry){ .next = list, .value = (uint64_t)i };
			list = e;
		}
		sink = walk_entries(list);
		usleep(STEP_US);
	}
	return unused;
}

__attribute__((noinline)) void *server(void *unused)
{
	prctl(PR_SET_NAME, "server");
	while (clock_ns(CLOCK_MONOTONIC) < end_ns) {
		serve_request();
		usleep(2000);
	}
	return unused;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 20;
	pthread_t threads[2];

	end_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
	if (pthread_create(&threads[0], NULL, monitor, NULL) ||
	    pthread_create(&threads[1], NULL, server, NULL))
		return 1;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	return 0;
}
