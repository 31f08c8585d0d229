/* SPDX-License-Identifier: BSD-2-Clause */
/* LD_PRELOADed: each look at the wall clock finds it an hour off, forth and back in turn. */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int looks;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int err = (int)syscall(SYS_clock_gettime, clock, ret);

	if (!err && clock == CLOCK_REALTIME)
		ret->tv_sec += atomic_fetch_add(&looks, 1) % 2 ? 3600 : -3600;
	return err;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
