/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"

/* A file on its way: it has a name in its directory from when it is `named` until it is renamed. */
struct pending {
	int dir, fd;
	bool named;
	char name[64];
};

static int open_directory(const char *path, struct diag *d)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	int fd;

	if (slash && (size_t)(slash - path) + 2 > sizeof(dir))
		return diag_errno(d, -ENAMETOOLONG, "cannot write %s", path);
	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	fd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	/* Reading may be forbidden where writing is not; only the sync at the end needs it. */
	if (fd < 0 && errno == EACCES)
		fd = open(dir, O_DIRECTORY | O_PATH | O_CLOEXEC);
	return fd < 0 ? diag_errno(d, -errno, "cannot write into directory %s", dir) : fd;
}

static void choose_name(struct pending *f)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)getpid();
	snprintf(f->name, sizeof(f->name), ".tprof-%016" PRIx64 ".tmp", random);
}

/* A nameless file vanishes with its last descriptor: even SIGKILL leaves nothing behind. */
static int open_pending(struct pending *f)
{
	f->fd = openat(f->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (f->fd >= 0)
		return 0;
	for (int i = 0; i < 16; i++) {
		choose_name(f);
		f->fd = openat(f->dir, f->name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC,
			       0600);
		f->named = f->fd >= 0;
		if (f->named || errno != EEXIST)
			break;
	}
	return f->fd < 0 ? -errno : 0;
}

static int give_name(struct pending *f)
{
	char self[64];

	if (f->named)
		return 0;
	choose_name(f);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
	if (linkat(AT_FDCWD, self, f->dir, f->name, AT_SYMLINK_FOLLOW) < 0 &&
	    linkat(f->fd, "", f->dir, f->name, AT_EMPTY_PATH) < 0)
		return -errno;
	f->named = true;
	return 0;
}

static bool parse_id(const char *name, unsigned *ret_id)
{
	const char *text = getenv(name);
	unsigned long id;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	id = strtoul(text, &end, 10);
	if (errno || *end || id >= UINT_MAX)
		return false;
	*ret_id = (unsigned)id;
	return true;
}

/* Root by way of sudo writes for the person who called it. Best effort: the file is good either way. */
static void give_to_caller(int fd)
{
	unsigned uid, gid;

	if (getuid() != 0 || geteuid() != 0 || !parse_id("SUDO_UID", &uid) ||
	    !parse_id("SUDO_GID", &gid) || uid == 0)
		return;
	if (fchown(fd, uid, gid) < 0)
		return;
}

static int fill(struct pending *f, const void *data, size_t len)
{
	/* Only read from: buf_write_fd() knows short writes and EINTR. */
	const struct buf b = { .data = (char *)data, .len = len };
	int err = open_pending(f);

	if (!err)
		err = buf_write_fd(&b, f->fd);
	if (err)
		return err;
	give_to_caller(f->fd);
	if (fsync(f->fd) < 0)
		return -errno;
	return give_name(f);
}

int file_replace(const char *path, const void *data, size_t len, struct diag *d)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct pending f = { .dir = -1, .fd = -1 };
	int err;

	if (!*name)
		return diag_set(d, -EISDIR, "cannot write %s: a file name is missing", path);
	f.dir = open_directory(path, d);
	if (f.dir < 0)
		return f.dir;
	err = fill(&f, data, len);
	if (!err && renameat(f.dir, f.name, f.dir, name) < 0)
		err = -errno;
	if (err) {
		diag_errno(d, err, "cannot write %s", path);
		if (f.named)
			unlinkat(f.dir, f.name, 0);
	} else {
		(void)fsync(f.dir);
	}
	if (f.fd >= 0)
		close(f.fd);
	close(f.dir);
	return err;
}
