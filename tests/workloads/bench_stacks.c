/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks 2^14 distinct call paths, about 0.3 ms on each: a stack for every sample. */
#include "bench.h"

enum { DEPTH = 14 };

static volatile uint64_t sink;

static void left(unsigned path, int depth);
static void right(unsigned path, int depth);

static __attribute__((noinline)) void spin(void)
{
	for (int i = 0; i < 200000; i++)
		sink = sink + 1;
}

static inline void step(unsigned path, int depth)
{
	if (depth == DEPTH)
		spin();
	else if (path >> depth & 1)
		left(path, depth + 1);
	else
		right(path, depth + 1);
	sink += 1; /* no tail call */
}

static __attribute__((noinline)) void left(unsigned path, int depth)
{
	step(path, depth);
}

static __attribute__((noinline)) void right(unsigned path, int depth)
{
	step(path, depth);
}

int main(int argc, char **argv)
{
	volatile uint64_t *count = bench_counter(argc, argv);

	for (unsigned path = 0;; path++) {
		step(path & ((1U << DEPTH) - 1), 0);
		*count += 1;
	}
}
