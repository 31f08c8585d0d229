// SPDX-License-Identifier: BSD-2-Clause
#include "burn.h"

volatile uint64_t sink;

void plug(uint64_t until);

__attribute__((noinline)) static void blue_work(void)
{
	sink = burn_steps(10000);
}

void plug(uint64_t until)
{
	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until)
		blue_work();
}
