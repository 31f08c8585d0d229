// SPDX-License-Identifier: BSD-2-Clause
/*
 * cpu_burn SECONDS: uses so much CPU in burn(), as the very first thing, and prints the nanoseconds.
 * cpu_burn SECONDS wall: for so long, and prints nothing.
 * cpu_burn SECONDS fork: the same in a child process; exec: in a new program after 0.2 s in before_exec().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "burn.h"

volatile uint64_t sink;

__attribute__((noinline)) void burn(uint64_t until)
{
	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until)
		sink = burn_steps(10000);
}

__attribute__((noinline)) void before_exec(uint64_t until)
{
	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until)
		sink = burn_steps(10000);
}

int main(int argc, char **argv)
{
	uint64_t ns = (uint64_t)(atof(argc > 1 ? argv[1] : "1") * 1e9);
	const char *how = argc > 2 ? argv[2] : "";

	if (strcmp(how, "exec") == 0) {
		before_exec(200000000);
		execl(argv[0], argv[0], argv[1], (char *)NULL);
		return 1;
	}
	if (strcmp(how, "fork") == 0 && fork() > 0) {
		wait(NULL);
		return 0;
	}
	if (strcmp(how, "wall") == 0) {
		uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns;

		while (clock_ns(CLOCK_MONOTONIC) < end)
			burn(clock_ns(CLOCK_PROCESS_CPUTIME_ID) + 1000000);
		return 0;
	}
	burn(ns);
	printf("%llu\n", (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
