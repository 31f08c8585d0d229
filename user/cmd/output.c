// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/file.h"
#include "cmd/cmd.h"
#include "cmd/options.h"
#include "render/render.h"

#define ELSEWHERE "choose another place with -o"

static bool is_stdout(const char *path)
{
	return !strcmp(path, "-");
}

/* /dev/stdout and /dev/fd/N name what is open, whatever that is: never to be renamed over. */
static bool is_descriptor(const char *path)
{
	return !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6);
}

static int check_directory(const char *path, struct diag *d)
{
	char *copy = strdup(path), *dir;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	dir = dirname(copy);
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS))
		err = diag_set(d, -errno, "cannot write into %s: %s: " ELSEWHERE, dir,
			       strerror(errno));
	free(copy);
	return err;
}

int output_check(const char *path, bool must_be_file, struct diag *d)
{
	struct stat st;

	if (is_stdout(path))
		return 0;
	if (stat(path, &st) || (S_ISREG(st.st_mode) && !is_descriptor(path))) {
		size_t len = strlen(path);

		if (len && path[len - 1] == '/')
			return diag_set(d, -EISDIR, "%s names a directory: name a file with -o",
					path);
		return check_directory(path, d);
	}
	if (S_ISDIR(st.st_mode))
		return diag_set(d, -EISDIR, "%s is a directory: name a file with -o", path);
	if (must_be_file)
		return diag_set(d, -EINVAL,
				"%s is not a plain file, a recording needs one: " ELSEWHERE, path);
	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS))
		return diag_set(d, -errno, "cannot write to %s: %s: " ELSEWHERE, path,
				strerror(errno));
	return 0;
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() || st->st_uid == 0;
}

/* In a directory of many users a link or a pipe may be another's trap: its owner has to be us or root.
 * Looked at first, by O_PATH: a pipe that nobody reads would hold us. */
static int open_ours(const char *path)
{
	char self[40];
	struct stat st;
	int err = 0, fd, path_fd;

	if (!lstat(path, &st) && S_ISLNK(st.st_mode) && !is_ours(&st))
		return -EPERM;
	path_fd = open(path, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	if (fstat(path_fd, &st))
		err = -errno;
	else if (S_ISFIFO(st.st_mode) && !is_ours(&st))
		err = -EPERM;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	fd = err ? err : open(self, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (!err && fd < 0)
		fd = -errno;
	close(path_fd);
	return fd;
}

/* Into what is there and no plain file. */
static int write_through(const struct buf *b, const char *path)
{
	int err, fd = is_descriptor(path) ? open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY)
					  : open_ours(path);

	if (fd < 0)
		return is_descriptor(path) ? -errno : fd;
	err = buf_write_fd(b, fd);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int output_write(const struct buf *b, const char *path, struct diag *d)
{
	struct stat st;
	int err;

	if (is_stdout(path)) {
		err = fflush(stdout) ? -errno : buf_write_fd(b, STDOUT_FILENO);
		return err && err != -EPIPE ? diag_errno(d, err, "cannot write to standard output")
					    : err;
	}
	if (is_descriptor(path) || (!stat(path, &st) && !S_ISREG(st.st_mode)))
		err = write_through(b, path);
	else
		err = file_replace(path, b->data, b->len, NULL);
	if (!err)
		return 0;
	return diag_set(d, err, "cannot write %s: %s: " ELSEWHERE, path, strerror(-err));
}

int output_render(const struct renderer *r, const struct render_input *in, const char *path,
		  struct diag *d)
{
	struct buf b = BUF_INIT;
	int err = r->render(in, &b);

	if (!err && b.failed)
		err = -ENOMEM;
	if (err)
		diag_errno(d, err, "cannot make the %s output", r->format);
	else
		err = output_write(&b, path, d);
	buf_release(&b);
	return err;
}

int output_finish_stdout(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_DONE;
	if (errno == EPIPE)
		return EXIT_DONE;
	fprintf(stderr, "tprof: cannot write to standard output: %s\n", strerror(errno));
	return EXIT_COULD_NOT;
}

int output_error(const struct diag *d, int err)
{
	static bool no_memory_said;

	if (err == -EPIPE) /* stdout's reader went away: it has seen what it wanted */
		return EXIT_DONE;
	/* where memory has run out one thing after the other fails: the first line says it all */
	if (err == -ENOMEM && no_memory_said)
		return EXIT_COULD_NOT;
	no_memory_said |= err == -ENOMEM;
	fprintf(stderr, "tprof: %s\n", d->text[0] ? d->text : strerror(-err));
	return EXIT_COULD_NOT;
}

unsigned output_columns(int fd, unsigned otherwise)
{
	const char *env = getenv("COLUMNS");
	struct winsize size;
	unsigned long columns = env ? strtoul(env, NULL, 10) : 0;

	if (!columns && !ioctl(fd, TIOCGWINSZ, &size))
		columns = size.ws_col;
	if (!columns)
		columns = otherwise;
	return columns < 40 ? 40 : columns > 400 ? 400 : columns;
}

bool output_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}
