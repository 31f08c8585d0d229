/* SPDX-License-Identifier: BSD-2-Clause */
/* The parent of the child that names: takes its names, opens files for it, outlives it. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "profile/profile.h"
#include "symbolize/apart.h"
#include "symbolize/debuginfod.h"
#include "symbolize/names_wire.h"
#include "symbolize/rootfile.h"
#include "symbolize/symbolizer.h"

#define SLICE_MS   100 /* between two questions whether to go on */
#define MAX_DEATHS 16
#define MAX_ID	   128 /* digits of a build ID */

struct parent {
	struct profile *p;
	const struct symbolize_options *o;
	int sock;
	pid_t child;
	struct names_reader reader;
	struct buf in;
	size_t modules;
	int fetch_ms; /* left for servers */
};

static bool cancelled(const struct parent *a)
{
	return a->o->cancelled && a->o->cancelled(a->o->ctx);
}

/* ── opening for it ─────────────────────────────────────────────────────────────────────────── */

/* One of the recording's processes' root directories, or our own. */
static bool known_root(const struct profile *p, int fd)
{
	size_t n;
	const struct profile_module *m = profile_modules(p, &n);

	for (size_t i = 0; i < n; i++)
		if (m[i].root_fd > 0 && m[i].root_fd == fd)
			return true;
	return fd == AT_FDCWD;
}

/* The child may be anybody's by now: it gets ELF files, which are programs, and no passwords. */
static int open_elf(const struct profile *p, const char *payload, size_t bytes)
{
	char path[PATH_MAX], magic[4];
	int root_fd, fd;

	if (bytes <= sizeof(root_fd) || bytes - sizeof(root_fd) >= sizeof(path))
		return -EINVAL;
	memcpy(&root_fd, payload, sizeof(root_fd));
	memcpy(path, payload + sizeof(root_fd), bytes - sizeof(root_fd));
	path[bytes - sizeof(root_fd)] = '\0';
	if (path[0] != '/' || !known_root(p, root_fd))
		return -EINVAL;
	fd = rootfile_open(root_fd, path);
	if (fd >= 0 && (pread(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
			memcmp(magic, "\177ELF", sizeof(magic)) != 0)) {
		close(fd);
		return -ENOEXEC;
	}
	return fd;
}

static int open_perfmap(const struct profile *p, const char *payload, size_t bytes)
{
	const struct profile_module *m;
	uint32_t module;

	if (bytes != sizeof(module))
		return -EINVAL;
	memcpy(&module, payload, sizeof(module));
	m = profile_module_at(p, module);
	return m && m->type == PROFILE_MODULE_JIT ? jit_map_open(p, module) : -EINVAL;
}

static int fetch(struct parent *a, const char *payload, size_t bytes)
{
	char id[MAX_ID + 1] = "";

	if (!a->o->debuginfod || bytes == 0 || bytes > MAX_ID)
		return -ENOENT;
	for (size_t i = 0; i < bytes; i++) {
		if (!isxdigit((unsigned char)payload[i]))
			return -EINVAL;
		id[i] = payload[i];
	}
	return debuginfod_open(id, &a->fetch_ms, a->o->cancelled, a->o->ctx);
}

/* Takes over fd. A child that is gone shows where its names are read. */
static void reply(int sock, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS,
				  .cmsg_len = CMSG_LEN(sizeof(int)) } };
	int32_t status = fd < 0 ? fd : 0;
	struct iovec iov = { .iov_base = &status, .iov_len = sizeof(status) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	(void)!sendmsg(sock, &msg, MSG_NOSIGNAL);
	if (fd >= 0)
		close(fd);
}

static void answer(void *ctx, enum names_type type, const char *payload, size_t bytes)
{
	struct parent *a = ctx;

	switch (type) {
	case NAMES_OPEN: reply(a->sock, open_elf(a->p, payload, bytes)); break;
	case NAMES_PERFMAP: reply(a->sock, open_perfmap(a->p, payload, bytes)); break;
	default: reply(a->sock, fetch(a, payload, bytes)); break;
	}
}

static void on_module(void *ctx, uint32_t module)
{
	const struct parent *a = ctx;

	if (a->o->progress)
		a->o->progress(a->o->ctx, module, a->modules);
}

/* ── listening to it ────────────────────────────────────────────────────────────────────────── */

/* 1 = there is more, 0 = that was all, or negative errno. */
static int read_some(struct parent *a)
{
	char chunk[65536];
	ssize_t n = read(a->sock, chunk, sizeof(chunk));
	size_t used;
	int err;

	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? 0 : errno == EINTR ? 1 : -errno;
	buf_add(&a->in, chunk, (size_t)n);
	if (a->in.failed)
		return -ENOMEM;
	err = names_read(&a->reader, a->in.data, a->in.len, &used);
	if (err)
		return err;
	a->in.len -= used;
	memmove(a->in.data, a->in.data + used, a->in.len);
	return !a->reader.ended;
}

static int listen_to(struct parent *a)
{
	struct pollfd pfd = { .fd = a->sock, .events = POLLIN };
	int more = 1;

	while (more > 0) {
		if (cancelled(a))
			return -ECANCELED;
		if (poll(&pfd, 1, SLICE_MS) > 0)
			more = read_some(a);
	}
	return more;
}

static void note_death(struct parent *a, int err, int status)
{
	const struct profile_module *m = profile_module_at(a->p, a->reader.module);
	char text[512], how[64];

	if (err == -EBADMSG)
		snprintf(how, sizeof(how), "made nonsense of it");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(how, sizeof(how), "tried a system call that is forbidden");
	else if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was ended by signal %d", WTERMSIG(status));
	else
		snprintf(how, sizeof(how), "gave up");
	snprintf(text, sizeof(text),
		 "functions in %.200s have no names: the process that read it %s",
		 m ? profile_str(a->p, m->name) : "all files", how);
	profile_note(a->p, text);
}

static int start(struct parent *a, uint32_t from, bool locks)
{
	int ends[2];
	pid_t self;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	a->sock = ends[0];
	self = getpid();
	a->child = fork();
	if (a->child == 0) {
		close(ends[0]);
		apart_child(a->p, a->o, ends[1], self, from, locks);
	}
	close(ends[1]);
	if (a->child > 0)
		return 0;
	close(ends[0]);
	return -EAGAIN;
}

/* One child's life, from module *from on. 1: it died, *from and *locks say behind what. */
static int one_child(struct parent *a, uint32_t *from, bool *locks)
{
	int err, status = 0;

	a->reader = (struct names_reader){ .p = a->p,
					   .base = (uint32_t)profile_string_count(a->p),
					   .module = *from - 1,
					   .locks = *locks,
					   .ask = answer,
					   .at = on_module,
					   .ctx = a };
	err = start(a, *from, *locks);
	if (err)
		return err;
	err = listen_to(a);
	if (!a->reader.ended)
		kill(a->child, SIGKILL);
	close(a->sock); /* what cannot be killed ends when it has nobody to tell */
	while (waitpid(a->child, &status, 0) < 0 && errno == EINTR)
		;
	if (err == -ECANCELED || err == -ENOMEM || a->reader.ended)
		return a->reader.ended ? a->reader.end : err;
	note_death(a, err, status);
	if (a->reader.module < *from && a->reader.locks == *locks)
		return 0; /* before it began: the next one would not do better */
	*from = a->reader.module + 1;
	*locks = a->reader.locks;
	return 1;
}

int symbolize_apart(struct profile *p, const struct symbolize_options *o, struct diag *d)
{
	struct symbolizer s = { .profile = p, .options = o };
	struct parent a = { .p = p, .o = o, .in = BUF_INIT, .fetch_ms = DEBUGINFOD_MS };
	uint32_t from = 1;
	bool locks = false;
	int err = 1;

	profile_modules(p, &a.modules);
	for (int deaths = 0; err > 0 && deaths < MAX_DEATHS; deaths++) {
		buf_clear(&a.in);
		err = one_child(&a, &from, &locks);
		names_reader_release(&a.reader);
	}
	buf_release(&a.in);
	if (err >= 0)
		err = unnamed_note(&s);
	if (!err)
		err = profile_error(p);
	if (err < 0 && err != -ECANCELED)
		diag_set(d, err, "cannot name functions: %s", strerror(-err));
	return err;
}
