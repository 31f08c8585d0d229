// SPDX-License-Identifier: BSD-2-Clause
#include "collect/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* struct procmap_query of <linux/fs.h>, ed5d583a88a9 (6.11); Debian 12's headers are older. */
struct procmap_query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};

#define PROCMAP_QUERY_IOCTL    _IOWR('f', 17, struct procmap_query)
#define QUERY_VMA_EXECUTABLE   0x04
#define QUERY_COVERING_OR_NEXT 0x10

/* A path may be PATH_MAX long and each of its bytes escaped as \ooo. */
#define LINE_MAX_BYTES (PATH_MAX * 4 + 128)

static int maps_open(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ── by ioctl ───────────────────────────────────────────────────────────────────────────────── */

/* Fills *e and *ret_next from the first executable mapping at or above `address`. */
static int query_one(int fd, uint64_t address, uint64_t flags, char *name, struct map_entry *e)
{
	struct procmap_query q = {
		.size = sizeof(q),
		.query_flags = flags | QUERY_VMA_EXECUTABLE,
		.query_addr = address,
		.vma_name_addr = (uintptr_t)name,
		.vma_name_size = PATH_MAX,
	};

	if (ioctl(fd, PROCMAP_QUERY_IOCTL, &q) < 0)
		return -errno;
	*e = (struct map_entry){
		.start = q.vma_start,
		.end = q.vma_end,
		.offset = q.vma_offset,
		.dev = makedev(q.dev_major, q.dev_minor),
		.inode = q.inode,
		.path = q.vma_name_size ? name : "",
	};
	return 0;
}

static int read_by_query(int fd, size_t max, int (*entry)(void *ctx, const struct map_entry *e),
			 void *ctx)
{
	char name[PATH_MAX];
	struct map_entry e;
	uint64_t address = 0;
	int err;

	for (size_t n = 0;; n++) {
		err = query_one(fd, address, QUERY_COVERING_OR_NEXT, name, &e);
		if (err == -ENOENT)
			return 0;
		if (err < 0)
			return err;
		if (n >= max)
			return -E2BIG;
		err = entry(ctx, &e);
		if (err || e.end <= address)
			return err;
		address = e.end;
	}
}

int maps_query(pid_t pid, uint64_t address, int (*entry)(void *ctx, const struct map_entry *e),
	       void *ctx)
{
	char name[PATH_MAX];
	struct map_entry e;
	int fd = maps_open(pid), err;

	if (fd < 0)
		return fd;
	err = query_one(fd, address, 0, name, &e);
	close(fd);
	return err < 0 ? err : entry(ctx, &e);
}

/* ── by text ────────────────────────────────────────────────────────────────────────────────── */

/* The kernel writes a newline in a path as \012 and nothing else. */
static void unescape(char *path)
{
	char *to = path;

	for (const char *from = path; *from;) {
		if (strncmp(from, "\\012", 4) == 0) {
			*to++ = '\n';
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

bool maps_parse_line(char *line, struct map_entry *ret_entry)
{
	unsigned major, minor;
	unsigned long long start, end, offset, inode;
	char perms[5];
	int path_at = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, perms, &offset, &major,
		   &minor, &inode, &path_at) < 7)
		return false;
	if (strlen(perms) < 3 || perms[2] != 'x' || start >= end)
		return false;
	if (path_at)
		unescape(line + path_at);
	*ret_entry = (struct map_entry){
		.start = start,
		.end = end,
		.offset = offset,
		.dev = makedev(major, minor),
		.inode = inode,
		.path = path_at ? line + path_at : "",
	};
	return true;
}

static int read_by_text(int fd, size_t max, int (*entry)(void *ctx, const struct map_entry *e),
			void *ctx)
{
	size_t size = LINE_MAX_BYTES, n = 0;
	char *line = malloc(size);
	FILE *f = fdopen(dup(fd), "re");
	struct map_entry e;
	int err = 0;

	if (!line || !f) {
		err = -ENOMEM;
		goto out;
	}
	while (err == 0 && fgets(line, (int)size, f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!maps_parse_line(line, &e))
			continue;
		err = ++n > max ? -E2BIG : entry(ctx, &e);
	}
	if (!err && ferror(f))
		err = -EIO;
out:
	if (f)
		fclose(f);
	free(line);
	return err;
}

int maps_read(pid_t pid, size_t max, int (*entry)(void *ctx, const struct map_entry *e), void *ctx)
{
	int fd = maps_open(pid), err;

	if (fd < 0)
		return fd;
	err = read_by_query(fd, max, entry, ctx);
	if (err == -ENOTTY || err == -EINVAL)
		err = read_by_text(fd, max, entry, ctx);
	close(fd);
	return err < 0 ? err : 0;
}
