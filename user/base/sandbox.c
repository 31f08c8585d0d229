/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_filters.h"

/* No memory is asked for: a filter cannot be missing because there is none. */
static int install(const struct sock_filter *filter, size_t size, unsigned flags)
{
	const struct sock_fprog program = { (unsigned short)(size / sizeof(*filter)),
					    (struct sock_filter *)(uintptr_t)filter };

	/* without it, filters are for who has CAP_SYS_ADMIN only */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) ? -errno : 0;
}

#define INSTALL(filter, flags) install(filter, sizeof(filter), flags)

int sandbox_fence(bool may_run)
{
	/* kernels before 5.16 slow speculation down behind a filter: no use where no parser is held */
	const unsigned flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	return may_run ? INSTALL(fence_running, flags) : INSTALL(fence_alone, flags);
}

int sandbox_naming(void)
{
	return INSTALL(confine_naming, 0);
}

int sandbox_parsing(void)
{
	return INSTALL(confine_parsing, 0);
}
