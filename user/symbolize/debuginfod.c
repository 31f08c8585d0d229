/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/debuginfod.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/privilege.h"
#include "symbolize/rootfile.h"

#define SLICE_MS   100	/* between two questions whether to go on */
#define TIDY_MS	   5000 /* before it is killed: it gives up itself, and leaves nothing half behind */
#define MAX_BYTES  (4ull << 30) /* of a debug file */
#define NO_SUCH	   127
#define LAST_ERRNO 133

/* So that it ends by itself in time; a shorter time that the user set stays. */
static void limit_time(int left_ms)
{
	int seconds = left_ms > 2 * TIDY_MS ? (left_ms - TIDY_MS) / 1000 : 1;
	const char *set = getenv("DEBUGINFOD_MAXTIME");
	long already = set ? strtol(set, NULL, 10) : 0;
	char text[16];

	if (already > 0 && already < seconds)
		return;
	snprintf(text, sizeof(text), "%d", seconds);
	setenv("DEBUGINFOD_MAXTIME", text, 1);
}

static void run_find(const char *build_id, int left_ms, int out)
{
	char *const argv[] = { "debuginfod-find", "debuginfo", (char *)build_id, NULL };
	struct rlimit size = { MAX_BYTES, MAX_BYTES };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	/* it talks to a network */
	(void)privilege_keep(NULL, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	limit_time(left_ms);
	/* a write beyond it fails, and the file is removed, where the signal does not kill */
	setrlimit(RLIMIT_FSIZE, &size);
	signal(SIGXFSZ, SIG_IGN);
	setenv("LC_ALL", "C", 1);
	unsetenv("DEBUGINFOD_VERBOSE"); /* would stand before the path */
	unsetenv("DEBUGINFOD_PROGRESS");
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(1);
	execvp(argv[0], argv);
	_exit(NO_SUCH);
}

/* What it writes, a path or a complaint, without its newline. */
static int read_text(int fd, char *text, size_t cap, int64_t deadline, bool (*cancelled)(void *ctx),
		     void *ctx)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < cap - 1) {
		if (clock_ms() > deadline)
			return -ETIMEDOUT;
		if (cancelled && cancelled(ctx))
			return -ECANCELED;
		if (poll(&pfd, 1, SLICE_MS) <= 0)
			continue;
		n = read(fd, text + len, cap - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return n < 0 ? -EIO : 0;
}

/* "Server query failed: Connection refused" */
static int complaint(const char *text)
{
	const char *at = strrchr(text, ':');

	for (int err = 1; at && err <= LAST_ERRNO; err++)
		if (strcmp(at + 1 + strspn(at + 1, " "), strerror(err)) == 0)
			return -err;
	return -EIO;
}

static int wait_find(pid_t child, const char *text)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SUCH)
		return -ENOEXEC;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : complaint(text);
}

static int find(const char *build_id, int left_ms, char *path, size_t cap,
		bool (*cancelled)(void *ctx), void *ctx)
{
	int err, found, ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		run_find(build_id, left_ms, ends[1]);
	err = child < 0 ? -errno : 0;
	close(ends[1]);
	if (!err) {
		err = read_text(ends[0], path, cap, clock_ms() + left_ms, cancelled, ctx);
		if (err)
			kill(child, SIGKILL);
		found = wait_find(child, path);
		err = err ? err : found;
	}
	close(ends[0]);
	return err;
}

/* It would be the same with the next file. */
static bool is_final(int err)
{
	return err && err != -ENOENT && err != -EIO;
}

int debuginfod_open(const char *build_id, int *left_ms, bool (*cancelled)(void *ctx), void *ctx)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	int64_t begin = clock_ms();
	char path[PATH_MAX];
	int err, left = *left_ms;

	if (!urls || !*urls || !*build_id || left < 0)
		return -ENOENT;
	err = left > 0 ? find(build_id, left, path, sizeof(path), cancelled, ctx) : -ETIMEDOUT;
	left -= (int)(clock_ms() - begin);
	*left_ms = is_final(err) ? -1 : left > 0 ? left : 0;
	return err ? err : rootfile_open(AT_FDCWD, path);
}
