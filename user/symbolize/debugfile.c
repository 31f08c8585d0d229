/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/debugfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "symbolize/image.h"
#include "symbolize/rootfile.h"

#define LZMA_MEMORY   (64ull << 20) /* what unpacking may take; xz -6 takes 9 MB */
#define MAX_DEBUGDATA (64ull << 20) /* unpacked */
#define MAX_CRC_BYTES (2ull << 30)
#define STEP	      65536

bool debugfile_has_build_id(int fd, const char *build_id)
{
	struct image img;
	bool same;

	if (image_open(&img, fd) != 0)
		return false;
	same = build_id[0] != '\0' && strcmp(img.build_id, build_id) == 0;
	image_close(&img);
	return same;
}

static int open_checked(const struct rootfile_via *via, const char *path, const char *build_id,
			int root_fd)
{
	int fd = rootfile_open_via(via, root_fd, path);

	if (fd >= 0 && !debugfile_has_build_id(fd, build_id)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static int open_by_build_id(const struct rootfile_via *via, const char *build_id, int root_fd)
{
	char path[256];

	if (strlen(build_id) < 4)
		return -ENOENT;
	snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%.2s/%s.debug", build_id,
		 build_id + 2);
	return open_checked(via, path, build_id, root_fd);
}

/* What .gnu_debuglink says: a file name, padded to 4, and the CRC-32 of that file. */
struct debuglink {
	char name[NAME_MAX + 1];
	uint32_t crc;
};

static bool read_debuglink(const struct image *img, struct debuglink *ret_link)
{
	const struct image_section *s = image_section(img, ".gnu_debuglink");
	char bytes[NAME_MAX + 9];
	ssize_t n;
	size_t len, at;

	if (s == NULL || s->header.sh_size > sizeof(bytes) || s->header.sh_size < 8)
		return false;
	n = image_read(img, s->header.sh_offset, bytes, (size_t)s->header.sh_size);
	if (n < 8)
		return false;
	len = strnlen(bytes, (size_t)n);
	at = (len + 4) & ~(size_t)3;
	if (len == 0 || len > NAME_MAX || at + 4 > (size_t)n || memchr(bytes, '/', len) != NULL)
		return false;
	memcpy(ret_link->name, bytes, len + 1);
	memcpy(&ret_link->crc, bytes + at, 4);
	return strcmp(ret_link->name, "..") != 0;
}

static bool has_crc(int fd, uint32_t crc)
{
	unsigned char bytes[STEP];
	uLong sum = crc32(0, NULL, 0);
	uint64_t total = 0;
	ssize_t n;

	while ((n = pread(fd, bytes, sizeof(bytes), (off_t)total)) > 0 && total < MAX_CRC_BYTES) {
		sum = crc32(sum, bytes, (uInt)n);
		total += (uint64_t)n;
	}
	return n == 0 && sum == crc;
}

/* A link that names the file itself must not end the search. */
static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static int open_by_link(const struct rootfile_via *via, const struct image *img,
			const struct debuglink *link, const char *dir, int dir_len, int root_fd)
{
	static const char *const places[] = { "%.*s/%s", "%.*s/.debug/%s",
					      "/usr/lib/debug%.*s/%s" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (snprintf(path, sizeof(path), places[i], dir_len, dir, link->name) >=
		    (int)sizeof(path))
			continue;
#pragma GCC diagnostic pop
		fd = rootfile_open_via(via, root_fd, path);
		if (fd < 0)
			continue;
		if (!same_file(fd, img->fd) &&
		    (debugfile_has_build_id(fd, img->build_id) || has_crc(fd, link->crc)))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

static int open_in_root(const struct rootfile_via *via, const struct image *img, const char *path,
			int root_fd)
{
	const char *slash = strrchr(path, '/');
	struct debuglink link;
	int fd = open_by_build_id(via, img->build_id, root_fd);

	if (fd >= 0 || path[0] != '/' || slash == NULL || !read_debuglink(img, &link))
		return fd;
	return open_by_link(via, img, &link, path, (int)(slash - path), root_fd);
}

int debugfile_open(const struct image *img, const char *path, int root_fd,
		   const struct rootfile_via *via)
{
	int fd = -ENOENT;

	if (root_fd > 0)
		fd = open_in_root(via, img, path, root_fd);
	return fd >= 0 ? fd : open_in_root(via, img, path, AT_FDCWD);
}

static int unpack(const struct image *img, const GElf_Shdr *h, lzma_stream *lz, int out)
{
	static const lzma_action actions[] = { LZMA_RUN, LZMA_FINISH };
	uint8_t in[STEP], bytes[STEP];
	uint64_t at = 0;
	lzma_ret ret = LZMA_OK;

	while (ret == LZMA_OK && lz->total_out <= MAX_DEBUGDATA) {
		if (lz->avail_in == 0 && at < h->sh_size) {
			size_t want = h->sh_size - at < STEP ? (size_t)(h->sh_size - at) : STEP;
			ssize_t n = image_read(img, h->sh_offset + at, in, want);

			if (n <= 0)
				return n < 0 ? (int)n : -ENODATA;
			lz->next_in = in;
			lz->avail_in = (size_t)n;
			at += (uint64_t)n;
		}
		lz->next_out = bytes;
		lz->avail_out = sizeof(bytes);
		ret = lzma_code(lz, actions[at >= h->sh_size]);
		if (write(out, bytes, sizeof(bytes) - lz->avail_out) < 0)
			return -errno;
	}
	return ret == LZMA_STREAM_END ? 0 : -EBADMSG;
}

int debugfile_embedded(const struct image *img)
{
	const struct image_section *s = image_section(img, ".gnu_debugdata");
	lzma_stream lz = LZMA_STREAM_INIT;
	int fd, err;

	if (s == NULL)
		return -ENOENT;
	if (lzma_stream_decoder(&lz, LZMA_MEMORY, 0) != LZMA_OK)
		return -ENOMEM;
	fd = memfd_create("tprof-debugdata", MFD_CLOEXEC);
	err = fd >= 0 ? unpack(img, &s->header, &lz, fd) : -errno;
	lzma_end(&lz);
	if (err == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

/* ── dwz's common part ──────────────────────────────────────────────────────────────────────── */

static int open_alt_in_root(const struct rootfile_via *via, const char *name, const char *build_id,
			    int root_fd)
{
	int fd = open_by_build_id(via, build_id, root_fd);

	if (fd < 0 && strncmp(name, "/usr/lib/debug/", 15) == 0)
		fd = open_checked(via, name, build_id, root_fd);
	return fd;
}

int debugfile_open_alt(const struct image *img, int root_fd, const struct rootfile_via *via)
{
	const struct image_section *s = image_section(img, ".gnu_debugaltlink");
	char bytes[512], build_id[129] = "";
	size_t len, id_len;
	ssize_t n;
	int fd = -ENOENT;

	if (!s || s->header.sh_size > sizeof(bytes))
		return -ENOENT;
	n = image_read(img, s->header.sh_offset, bytes, (size_t)s->header.sh_size);
	len = n > 0 ? strnlen(bytes, (size_t)n) : 0;
	if (len == 0 || len + 1 >= (size_t)n)
		return -ENOENT;
	id_len = (size_t)n - len - 1;
	for (size_t i = 0; i < id_len && i < sizeof(build_id) / 2; i++)
		snprintf(build_id + 2 * i, 3, "%02x", (unsigned char)bytes[len + 1 + i]);
	if (root_fd > 0)
		fd = open_alt_in_root(via, bytes, build_id, root_fd);
	return fd >= 0 ? fd : open_alt_in_root(via, bytes, build_id, AT_FDCWD);
}
