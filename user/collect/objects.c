// SPDX-License-Identifier: BSD-2-Clause
#include "collect/objects.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/map.h"
#include "collect/maps.h"
#include "profile/profile.h"
#include "wire.h"

/* The vdso is 8 KB today; what calls itself so and is larger is something else. */
#define VDSO_MAX (64 * 1024)

#define RESERVED_FDS 128

struct object {
	uint64_t dev, inode;
	uint32_t module;
	bool elf, open;
};

struct objects {
	struct profile *profile;
	objects_new_fn on_new;
	void *ctx;
	struct object *list; /* by id - 1 */
	size_t count, cap;
	struct map by_file;
	size_t unopened, refused;
	size_t room; /* so many more may be opened */
};

/* Each takes two descriptors, the file and its process's root. Whoever names and saves afterwards needs
 * some, too. */
static size_t open_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return r.rlim_cur > 2 * RESERVED_FDS ? (r.rlim_cur - RESERVED_FDS) / 2 : RESERVED_FDS / 2;
}

struct objects *objects_new(struct profile *p, objects_new_fn on_new, void *ctx)
{
	struct objects *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->profile = p;
	o->on_new = on_new;
	o->ctx = ctx;
	o->room = open_limit();
	return o;
}

void objects_free(struct objects *o)
{
	if (!o)
		return;
	map_release(&o->by_file);
	free(o->list);
	free(o);
}

static const struct object *object_at(const struct objects *o, uint32_t object)
{
	return object >= 1 && object <= o->count ? &o->list[object - 1] : NULL;
}

uint32_t objects_module(const struct objects *o, uint32_t object)
{
	const struct object *at = object_at(o, object);

	return at ? at->module : 0;
}

int objects_fd(const struct objects *o, uint32_t object)
{
	const struct object *at = object_at(o, object);
	const struct profile_module *m = at ? profile_module_at(o->profile, at->module) : NULL;

	return m && m->fd > 0 ? m->fd : -1;
}

size_t objects_count(const struct objects *o)
{
	return o->count;
}

size_t objects_unopened(const struct objects *o)
{
	return o->unopened;
}

size_t objects_refused(const struct objects *o)
{
	return o->refused;
}

/* ── opening what a hostile target maps ─────────────────────────────────────────────────────── */

/* First without opening it (O_PATH), so that no FIFO blocks and no device notices; a regular file is
 * then opened through that very descriptor. */
static int open_regular(const char *path)
{
	char self[40];
	struct stat st;
	int fd, path_fd = open(path, O_PATH | O_CLOEXEC);

	if (path_fd < 0)
		return -errno;
	if (fstat(path_fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(path_fd);
		return -EACCES;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		fd = -errno;
	close(path_fd);
	return fd;
}

/* By its mapping: the very file, whatever its name leads to now. Needs CAP_SYS_ADMIN or
 * CAP_CHECKPOINT_RESTORE. */
static int open_by_mapping(pid_t pid, const struct map_entry *e)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)pid,
		 (unsigned long long)e->start, (unsigned long long)e->end);
	return open_regular(path);
}

/* By its name in the target's root; the inode must be the one that is mapped. The device is not
 * compared: on overlayfs and btrfs maps and stat disagree about it. */
static int open_by_name(const char *root, const struct map_entry *e)
{
	char path[4096 + 32];
	struct stat st;
	int fd;

	if (e->path[0] != '/' ||
	    snprintf(path, sizeof(path), "%s%s", root, e->path) >= (int)sizeof(path))
		return -ENOENT;
	fd = open_regular(path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || st.st_ino != e->inode) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

static int open_mapped(const struct objects *o, pid_t pid, const struct map_entry *e)
{
	char root[32];
	int fd = o->room ? open_by_mapping(pid, e) : -EMFILE;

	if (fd >= 0 || fd == -EMFILE || fd == -ENFILE)
		return fd;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	fd = open_by_name(root, e);
	/* the process may be gone already: its file most often is not */
	return fd >= 0 ? fd : open_by_name("", e);
}

static int open_root(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool is_elf(int fd)
{
	char magic[4];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, "\177ELF", 4) == 0;
}

/* ── the vdso: copied out of the target's memory ────────────────────────────────────────────── */

static int vdso_copy(pid_t pid, const struct map_entry *e, void *ret_bytes, size_t size)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, ret_bytes, size, (off_t)e->start);
	close(fd);
	return n == (ssize_t)size ? 0 : -EIO;
}

/* Ours, which all processes have that are of our kind: what of one that is gone already. */
static int vdso_ours(void *ret_bytes, size_t size)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel hands out pointers as numbers */
	const Elf64_Ehdr *eh = (const void *)getauxval(AT_SYSINFO_EHDR);
	size_t len;

	if (!eh || sizeof(void *) != 8)
		return -ENOENT;
	len = eh->e_shoff + (size_t)eh->e_shnum * eh->e_shentsize;
	/* mappings are whole pages */
	if (len > size || size - len >= (size_t)sysconf(_SC_PAGESIZE))
		return -ENOENT;
	memcpy(ret_bytes, eh, size);
	return 0;
}

static int memfd_of(const void *bytes, size_t size)
{
	int fd = memfd_create("tprof-vdso", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, bytes, size) != (ssize_t)size) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/* Its identity is its content: all 64-bit processes have the same one, 32-bit ones another. */
static int vdso_open(pid_t pid, const struct map_entry *e, uint64_t *ret_identity)
{
	size_t size = e->end - e->start;
	void *bytes;
	int err;

	if (size > VDSO_MAX)
		return -EFBIG;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	err = vdso_copy(pid, e, bytes, size);
	if (err)
		err = vdso_ours(bytes, size);
	if (!err) {
		*ret_identity = hash_bytes(bytes, size, 0);
		err = memfd_of(bytes, size);
	}
	free(bytes);
	return err;
}

/* ── the registry ───────────────────────────────────────────────────────────────────────────── */

struct object_key {
	const struct objects *o;
	uint64_t dev, inode;
};

static bool object_equal(const void *ctx, uint32_t id)
{
	const struct object_key *k = ctx;
	const struct object *at = &k->o->list[id - 1];

	return at->dev == k->dev && at->inode == k->inode;
}

static uint32_t object_add(struct objects *o, uint64_t hash, const struct object *new)
{
	if (array_room(&o->list, o->count, &o->cap, sizeof(*o->list)) ||
	    map_insert(&o->by_file, hash, (uint32_t)o->count + 1) < 0)
		return 0;
	o->list[o->count++] = *new;
	return (uint32_t)o->count;
}

static uint32_t module_add(struct objects *o, pid_t pid, const struct map_entry *e, bool vdso,
			   int fd)
{
	struct profile_module m = {
		.name = profile_string(o->profile, e->path),
		.type = vdso ? PROFILE_MODULE_VDSO : PROFILE_MODULE_FILE,
		.dev = e->dev,
		.inode = e->inode,
		.fd = fd,
		.root_fd = vdso || !o->room ? -1 : open_root(pid),
	};

	o->room -= o->room && (fd >= 0 || m.root_fd >= 0);
	return profile_module(o->profile, &m);
}

/* A file that could not be opened at its first sight may be at its second, by another process. */
static uint32_t object_again(struct objects *o, uint32_t id, pid_t pid, const struct map_entry *e)
{
	struct object *at = &o->list[id - 1];
	int fd;

	if (!at->open) {
		fd = open_mapped(o, pid, e);
		if (fd >= 0) {
			at->open = true;
			at->elf = is_elf(fd);
			at->module = module_add(o, pid, e, false, fd);
			if (at->elf && o->on_new)
				o->on_new(o->ctx, id, objects_fd(o, id), e);
		}
	}
	return at->elf ? id : 0;
}

uint32_t objects_get(struct objects *o, pid_t pid, const struct map_entry *e)
{
	bool vdso = !e->inode && strcmp(e->path, "[vdso]") == 0;
	struct map_entry named = *e;
	struct object_key key = { .o = o };
	struct object new = { 0 };
	uint64_t hash;
	uint32_t id;
	int fd = -1;

	if (!e->inode && !vdso)
		return 0;
	if (vdso) {
		fd = vdso_open(pid, e, &named.inode);
		if (fd < 0)
			return 0;
	}
	key.dev = named.dev;
	key.inode = named.inode;
	hash = hash_u64(key.inode ^ hash_u64(key.dev + 1));
	id = map_find(&o->by_file, hash, object_equal, &key);
	if (id) {
		if (fd >= 0)
			close(fd);
		return object_again(o, id, pid, &named);
	}
	if (o->count + 1 >= TPROF_MAX_OBJECTS) {
		if (fd >= 0)
			close(fd);
		o->refused++;
		return 0;
	}
	if (!vdso)
		fd = open_mapped(o, pid, &named);
	if (fd == -EMFILE || fd == -ENFILE)
		o->unopened++;
	new = (struct object){ .dev = key.dev, .inode = key.inode, .open = fd >= 0 };
	/* what cannot be looked at is taken for a program: its name still helps */
	new.elf = fd < 0 || is_elf(fd);
	new.module = module_add(o, pid, &named, vdso, fd < 0 ? -1 : fd);
	id = object_add(o, hash, &new);
	o->refused += !id;
	if (id && new.open &&new.elf && o->on_new)
		o->on_new(o->ctx, id, objects_fd(o, id), &named);
	return id && new.elf ? id : 0;
}
