/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/inline_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/map64.h"
#include "base/privilege.h"
#include "base/sandbox.h"
#include "symbolize/demangle.h"
#include "symbolize/dwarf.h"

#define MAX_ANSWER (64u << 20)
#define MAX_MEMORY (8ull << 30) /* of address space; debug files are mapped */
#define SLICE_MS   100		/* between two questions whether to go on */

/* ── the child ──────────────────────────────────────────────────────────────────────────────── */

struct writer {
	const struct query *q;
	struct buf out;
	struct map64 ids; /* address of a string in the debug file → its number */
	uint32_t strings;
};

static void put(struct writer *w, uint32_t word)
{
	buf_add(&w->out, &word, sizeof(word));
}

/* libdw's strings stand in the file's memory: the same text has mostly the same address. */
static uint32_t string_id(struct writer *w, const char *s, bool symbol)
{
	uint64_t *id = s != NULL && *s != '\0' ? map64_at(&w->ids, (uint64_t)(uintptr_t)s) : NULL;
	char name[DEMANGLE_MAX];
	size_t len;

	if (id == NULL)
		return 0;
	if (*id != 0)
		return (uint32_t)*id;
	*id = ++w->strings;
	if (symbol) {
		len = demangle(s, name, sizeof(name));
	} else {
		len = strnlen(s, sizeof(name));
		memcpy(name, s, len);
	}
	put(w, INLINE_STRING);
	put(w, (uint32_t)len);
	buf_add(&w->out, name, len);
	return w->strings;
}

static void tell(void *ctx, const struct query *q, const struct dwarf_line *lines, size_t n)
{
	uint32_t ids[DWARF_MAX_LINES][2];
	struct writer *w = ctx;

	for (size_t i = 0; i < n; i++) {
		ids[i][0] = string_id(w, lines[i].function, true);
		ids[i][1] = string_id(w, lines[i].file, false);
	}
	put(w, INLINE_SPOT);
	put(w, (uint32_t)(q - w->q));
	put(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		put(w, ids[i][0]);
		put(w, ids[i][1]);
		put(w, lines[i].line);
		put(w, lines[i].inlined);
	}
}

/* All but these three and the standard ones. */
static void close_others(int a, int b, int c)
{
	int keep[] = { 2, a, b, c };

	for (size_t i = 1; i < 4; i++)
		for (size_t k = i; k > 1 && keep[k] < keep[k - 1]; k--) {
			int swap = keep[k];

			keep[k] = keep[k - 1];
			keep[k - 1] = swap;
		}
	for (size_t i = 0; i < 4; i++) {
		unsigned from = keep[i] < 2 ? 3 : (unsigned)keep[i] + 1;
		unsigned to = i < 3 ? (unsigned)keep[i + 1] - 1 : ~0u;

		if (i == 3 || (keep[i + 1] > 2 && from <= to))
			syscall(SYS_close_range, from, to, 0);
	}
}

/* Keeps what is open and lets nothing more be opened; no core file of somebody else's data. */
static void confine(const struct inline_request *r, int out)
{
	struct rlimit none = { 0, 0 }, memory = { MAX_MEMORY, MAX_MEMORY };
	struct rlimit seconds = { (rlim_t)r->timeout_ms / 1000 + 1,
				  (rlim_t)r->timeout_ms / 1000 + 2 };

	close_others(r->fd, r->alt_fd, out);
	(void)privilege_drop_all();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user resets it */
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	setrlimit(RLIMIT_NOFILE, &none);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_CPU, &seconds);
#if !defined(__SANITIZE_ADDRESS__)
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	(void)sandbox_parsing();
}

static int run_child(const struct inline_request *r, int out)
{
	struct writer w = { .q = r->q, .out = BUF_INIT };
	int err;

	confine(r, out);
	err = dwarf_lookup(r->fd, r->alt_fd, r->q, r->n, r->lines, tell, &w);
	if (err == 0)
		err = w.out.failed ? -ENOMEM : buf_write_fd(&w.out, out);
	/* no clean-up: the pages go back with the process */
	return err != 0;
}

/* ── the parent ─────────────────────────────────────────────────────────────────────────────── */

/* 1 = there is more, 0 = that was all. */
static int read_some(int fd, struct buf *answer)
{
	char chunk[65536];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	buf_add(answer, chunk, (size_t)n);
	if (answer->failed)
		return -ENOMEM;
	return answer->len > MAX_ANSWER ? -EFBIG : n > 0;
}

static int read_answer(const struct inline_request *r, int fd, struct buf *answer)
{
	int64_t deadline = clock_ms() + r->timeout_ms;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int more = 1;

	while (more > 0) {
		if (r->cancelled != NULL && r->cancelled(r->ctx))
			return -ECANCELED;
		if (clock_ms() > deadline)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, SLICE_MS) > 0)
			more = read_some(fd, answer);
	}
	return more;
}

int inline_ask(const struct inline_request *r, struct buf *answer)
{
	int err, ends[2], status = 0;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	child = fork();
	if (child == 0)
		_exit(run_child(r, ends[1]));
	err = child < 0 ? -errno : 0;
	close(ends[1]);
	if (err == 0) {
		err = read_answer(r, ends[0], answer);
		if (err != 0)
			kill(child, SIGKILL);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		if (err == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			err = WIFEXITED(status)		   ? -ENODATA
			      : WTERMSIG(status) == SIGSYS ? -EPERM
							   : -EFAULT;
	}
	close(ends[0]);
	return err;
}
