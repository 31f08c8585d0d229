/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_ROOTFILE_H
#define TPROF_ROOTFILE_H

/*
 * Opens a regular file for reading below a root directory that may be hostile: links resolve as the
 * owner of that root would see them and never lead out of it; FIFOs, devices and sockets are told
 * before they are opened. root_fd AT_FDCWD = this process's own root. An fd, or negative errno.
 */
int rootfile_open(int root_fd, const char *path);
/* A process that may open nothing asks another to do the same. */
struct rootfile_via {
	int (*open)(void *ctx, int root_fd, const char *path);
	void *ctx;
};
int rootfile_open_via(const struct rootfile_via *via, int root_fd,
		      const char *path); /* NULL: itself */
/* The same, but a last component that is a symbolic link is refused (-ELOOP). */
int rootfile_open_nofollow(int root_fd, const char *path);

#endif
