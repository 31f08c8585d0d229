/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BURN_H
#define BURN_H

#include <stdint.h>
#include <time.h>

/* Each step waits for the one before, so that neither alignment nor another CPU's core makes one
 * function's step longer than another's. */
static inline __attribute__((always_inline)) uint64_t burn_steps(uint64_t steps)
{
	uint64_t x = steps;

	while (steps--)
		x = x * 6364136223846793005ULL + 1;
	return x;
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

#endif
