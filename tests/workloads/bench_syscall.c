/* SPDX-License-Identifier: BSD-2-Clause */
/* Does system calls and nothing else. */
#include "bench.h"
#include <sys/syscall.h>

int main(int argc, char **argv)
{
	volatile uint64_t *count = bench_counter(argc, argv);

	for (;;) {
		syscall(SYS_getppid);
		*count += 1;
	}
}
