/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_DEBUGFILE_H
#define TPROF_DEBUGFILE_H

#include <stdbool.h>

struct image;
struct rootfile_via;

/*
 * The separate debug file of an image whose path in its target is `path`: by build ID below
 * /usr/lib/debug/.build-id, else by .gnu_debuglink beside the file, in .debug/ and below
 * /usr/lib/debug; first below the target's root, then below ours. A file is taken only when its
 * build ID (or, with a debuglink, its CRC) matches. via opens
 * (rootfile.h). An fd, -ENOENT, or another negative errno.
 */
int debugfile_open(const struct image *img, const char *path, int root_fd,
		   const struct rootfile_via *via);

/* .gnu_debugdata ("mini debuginfo"), unpacked into a memfd. An fd, -ENOENT, or negative errno. */
int debugfile_embedded(const struct image *img);

/* What .gnu_debugaltlink of a debug file names (dwz's common part), its build ID checked. An fd,
 * -ENOENT, or negative errno. */
int debugfile_open_alt(const struct image *img, int root_fd, const struct rootfile_via *via);

/* Whether an open ELF file has this build ID; none has "". */
bool debugfile_has_build_id(int fd, const char *build_id);

#endif
