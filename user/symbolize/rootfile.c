/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/rootfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_path(int root_fd, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_NO_MAGICLINKS | (root_fd >= 0 ? RESOLVE_IN_ROOT : 0),
	};
	long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd >= 0 ? (int)fd : -errno;
}

/* O_PATH runs no driver; only what proves to be a regular file is really opened. */
static int open_regular(int root_fd, const char *path, uint64_t flags)
{
	char self[64];
	struct stat st;
	int fd, found = open_path(root_fd, path, flags);

	if (found < 0)
		return found;
	if (fstat(found, &st) != 0 || !S_ISREG(st.st_mode)) {
		fd = S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
		close(found);
		return fd;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", found);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	fd = fd >= 0 ? fd : -errno;
	close(found);
	return fd;
}

int rootfile_open(int root_fd, const char *path)
{
	return open_regular(root_fd, path, 0);
}

int rootfile_open_via(const struct rootfile_via *via, int root_fd, const char *path)
{
	return via ? via->open(via->ctx, root_fd, path) : rootfile_open(root_fd, path);
}

int rootfile_open_nofollow(int root_fd, const char *path)
{
	return open_regular(root_fd, path, O_NOFOLLOW);
}
