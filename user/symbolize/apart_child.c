/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/privilege.h"
#include "base/sandbox.h"
#include "profile/profile.h"
#include "symbolize/names_wire.h"
#include "symbolize/rootfile.h"
#include "symbolize/symbolizer.h"

struct apart {
	struct names_writer w;
	struct buf out;
	struct rootfile_via via;
	int sock;
};

/* A parent that is gone needs no names. */
static void flush(struct apart *a)
{
	if (a->out.failed || buf_write_fd(&a->out, a->sock) != 0)
		_exit(1);
	buf_clear(&a->out);
}

/* ── questions ──────────────────────────────────────────────────────────────────────────────── */

static int receive(int sock)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	int32_t status = -EIO;
	struct iovec iov = { .iov_base = &status, .iov_len = sizeof(status) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	int fd = -EIO;
	ssize_t n;

	while ((n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n != sizeof(status) || status != 0)
		return n == sizeof(status) && status < 0 ? status : -EIO;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int ask(struct apart *a, enum names_type type, const void *payload, size_t bytes)
{
	names_put(&a->out, type, payload, bytes);
	flush(a);
	return receive(a->sock);
}

static int ask_open(void *ctx, int root_fd, const char *path)
{
	struct buf payload = BUF_INIT;
	int fd = -ENOMEM;

	buf_add(&payload, &root_fd, sizeof(root_fd));
	buf_addstr(&payload, path);
	if (!payload.failed)
		fd = ask(ctx, NAMES_OPEN, payload.data, payload.len);
	buf_release(&payload);
	return fd;
}

const struct rootfile_via *apart_via(const struct apart *a)
{
	return a ? &a->via : NULL;
}

int apart_perfmap(struct apart *a, uint32_t module)
{
	return ask(a, NAMES_PERFMAP, &module, sizeof(module));
}

int apart_fetch(struct apart *a, const char *build_id)
{
	return ask(a, NAMES_FETCH, build_id, strlen(build_id));
}

/* ── answers ────────────────────────────────────────────────────────────────────────────────── */

void apart_begin(struct apart *a, uint32_t module, bool locks)
{
	const uint32_t words[] = { module, locks };

	names_put(&a->out, NAMES_AT, words, sizeof(words));
	flush(a);
}

void apart_tell(struct apart *a, uint32_t module, const struct query *q, size_t n, bool locks)
{
	names_put_module(&a->w, module, q, n, locks);
	flush(a);
}

/* ── its life ───────────────────────────────────────────────────────────────────────────────── */

static void confine(pid_t parent)
{
	struct rlimit none = { 0, 0 };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	signal(SIGINT, SIG_IGN); /* the parent decides what Ctrl-C means, and ends this one */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_CORE, &none); /* somebody else's data */
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	if (privilege_drop_all() != 0)
		_exit(1);
	/* a change of user resets it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void)sandbox_naming();
}

_Noreturn void apart_child(struct profile *p, const struct symbolize_options *o, int sock,
			   pid_t parent, uint32_t from, bool locks)
{
	struct symbolize_options options = *o;
	struct apart a = { .sock = sock };
	struct symbolizer s = { .profile = p,
				.options = &options,
				.inline_ms = SYMBOLIZER_INLINE_MS,
				.apart = &a,
				.from = from };
	size_t notes;
	uint32_t word;
	int err;

	profile_notes(p, &notes);
	a.via = (struct rootfile_via){ ask_open, &a };
	a.w = (struct names_writer){ .p = p,
				     .strings = (uint32_t)profile_string_count(p),
				     .notes = (uint32_t)notes,
				     .out = &a.out };
	options.cancelled = NULL;
	options.progress = NULL;
	confine(parent);
	err = locks ? 0 : symbolizer_frames(&s);
	if (!locks)
		s.from = 1;
	if (!err)
		err = symbolizer_locks(&s);
	word = (uint32_t)-err;
	names_put(&a.out, NAMES_END, &word, sizeof(word));
	flush(&a);
	_exit(0);
}
