/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU-bound, eight frames deep; frame pointers, so that every profiler has the same stacks to walk. */
#include "bench.h"

static volatile uint64_t sink;

static __attribute__((noinline)) void work(int depth)
{
	if (depth > 0) {
		work(depth - 1);
		sink += 1; /* no tail call */
		return;
	}
	for (int i = 0; i < 10000; i++)
		sink = sink * 6364136223846793005 + 1;
}

int main(int argc, char **argv)
{
	volatile uint64_t *count = bench_counter(argc, argv);

	for (;;) {
		work(6);
		*count += 1;
	}
}
