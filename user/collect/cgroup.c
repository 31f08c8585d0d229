// SPDX-License-Identifier: BSD-2-Clause
#include "collect/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/diag.h"

static int cgroup2_mount(char *ret_dir, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int err = -ENOENT;

	if (!mounts)
		return -errno;
	while (err && (m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "cgroup2") == 0 &&
		    snprintf(ret_dir, size, "%s", m->mnt_dir) < (int)size)
			err = 0;
	}
	endmntent(mounts);
	return err;
}

/* The handle of a cgroup's directory is its id (kernfs, 5.5). */
static int handle_id(const char *dir, uint64_t *ret_id)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = { .handle.handle_bytes = sizeof(uint64_t) };
	int mount;

	if (name_to_handle_at(AT_FDCWD, dir, &u.handle, &mount, 0) < 0)
		return -errno;
	memcpy(ret_id, u.handle.f_handle, sizeof(*ret_id));
	return 0;
}

static uint32_t depth(const char *below)
{
	uint32_t level = 0;

	for (const char *at = below; *at;) {
		at += strspn(at, "/");
		level += *at != '\0';
		at += strcspn(at, "/");
	}
	return level;
}

int cgroup_find(const char *path, uint64_t *ret_id, uint32_t *ret_level, struct diag *d)
{
	char mount[1024], dir[4096], real[4096 + 1];
	struct statfs fs;
	int err = cgroup2_mount(mount, sizeof(mount));

	if (err < 0)
		return diag_set(d, err, "no cgroup2 file system is mounted: --cgroup needs one");
	if (strncmp(path, mount, strlen(mount)) == 0)
		path += strlen(mount);
	if (snprintf(dir, sizeof(dir), "%s/%s", mount, path) >= (int)sizeof(dir) ||
	    !realpath(dir, real) || strncmp(real, mount, strlen(mount)) != 0 ||
	    statfs(real, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return diag_set(d, -ENOENT, "no cgroup %s below %s", path, mount);
	err = handle_id(real, ret_id);
	if (err < 0)
		return diag_errno(d, err, "cgroup %s", path);
	*ret_level = depth(real + strlen(mount));
	return 0;
}
