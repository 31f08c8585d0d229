/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_H
#define BENCH_H

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The counter of operations that tests/bench reads: the first 8 bytes of the file argv[1]. */
static inline volatile uint64_t *bench_counter(int argc, char **argv)
{
	void *memory = MAP_FAILED;
	int fd = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc > 1)
		fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		fprintf(stderr, "usage: %s COUNTER-FILE\n", argv[0]);
		exit(2);
	}
	return memory;
}

#endif
