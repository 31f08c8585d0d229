/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/jvm_attach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/privilege.h"

#define MAX_PROC_TEXT (1u << 20) /* of cmdline */
#define MAX_COUNTERS  (1u << 20) /* of a JVM's counters; 32 KB by default */
#define MAX_ENTRIES   100000	 /* of /tmp */
#define MAX_MAPS      (64u << 20)
#define MAX_REPLY     (256u << 10)
#define RETRY_MS      5

#define SWITCHED_OFF "it was started with -XX:+DisableAttachMechanism"

/* All that the child knows. */
struct attach {
	pid_t pid;
	int32_t ns_pid;
	uid_t uid;
	gid_t gid;
	uint64_t caught; /* SigCgt */
	int root_fd, pid_fd;
	int64_t deadline_ms;
	struct jvm_answer answer;
};

static int64_t left_ms(const struct attach *a)
{
	int64_t left = a->deadline_ms - clock_ms();

	return left > 0 ? left : 0;
}

static bool refuse(struct attach *a, const char *why)
{
	snprintf(a->answer.why, sizeof(a->answer.why), "%s", why);
	return false;
}

/* ── is it one, and may it be asked? ────────────────────────────────────────────────────────── */

static int open_proc(pid_t pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC);
}

static bool read_status(struct attach *a)
{
	char line[4096];
	unsigned long long caught;
	unsigned uid, gid;
	int fields = 0, fd = open_proc(a->pid, "status", O_RDONLY);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	const char *last;

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Uid: %*u %u", &uid) == 1 && ++fields)
			a->uid = uid;
		else if (sscanf(line, "Gid: %*u %u", &gid) == 1 && ++fields)
			a->gid = gid;
		else if (sscanf(line, "SigCgt: %llx", &caught) == 1 && ++fields)
			a->caught = caught;
		else if (strncmp(line, "NSpid:", 6) == 0 && (last = strrchr(line, '\t')) &&
			 ++fields)
			a->ns_pid = (int32_t)strtol(last, NULL, 10);
	}
	fclose(f);
	return fields == 4 && a->ns_pid > 0;
}

static bool maps_libjvm(pid_t pid)
{
	char chunk[16384 + 16];
	size_t held = 0, total = 0;
	bool found = false;
	int fd = open_proc(pid, "maps", O_RDONLY);
	ssize_t n;

	/* the last bytes are kept, lest the name lies across two chunks */
	while (fd >= 0 && !found && total < MAX_MAPS &&
	       (n = read(fd, chunk + held, sizeof(chunk) - held)) > 0) {
		size_t have = held + (size_t)n;

		found = memmem(chunk, have, "/libjvm.so", 10) != NULL;
		held = have < 16 ? have : 16;
		memmove(chunk, chunk + have - held, held);
		total += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	return found;
}

static bool says(pid_t pid, const char *file, const char *option)
{
	struct buf b = BUF_INIT;
	int fd = open_proc(pid, file, O_RDONLY);
	bool found = fd >= 0 && buf_read_fd(&b, fd, MAX_PROC_TEXT) == 0 && b.data &&
		     memmem(b.data, b.len, option, strlen(option)) != NULL;

	if (fd >= 0)
		close(fd);
	buf_release(&b);
	return found;
}

/* Where it is not caught, SIGQUIT kills. */
static bool may_ask(struct attach *a)
{
	if (!maps_libjvm(a->pid))
		return refuse(a, "");
	if (says(a->pid, "cmdline", "-XX:+DisableAttachMechanism"))
		return refuse(a, SWITCHED_OFF);
	a->answer.later = (a->caught & 1ull << (SIGQUIT - 1)) == 0;
	if (a->answer.later)
		return refuse(a, "it does not listen (started with -Xrs, or not up yet)");
	return true;
}

/* ── its user, its root ─────────────────────────────────────────────────────────────────────── */

static bool become_target(struct attach *a)
{
	if ((geteuid() != a->uid || getegid() != a->gid) &&
	    (setgroups(0, NULL) != 0 || setresgid(a->gid, a->gid, a->gid) != 0 ||
	     setresuid(a->uid, a->uid, a->uid) != 0))
		return refuse(a, "tprof may not act as its user (CAP_SETUID, CAP_SETGID)");
	/* a change from one user to another takes no capability away, but for root's */
	return privilege_keep(NULL, 0) == 0 || refuse(a, "tprof cannot give up privileges");
}

static int open_in_root(int root_fd, const char *path, uint64_t flags, mode_t mode)
{
	struct open_how how = { .flags = flags | O_CLOEXEC | O_NOFOLLOW,
				.mode = mode,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd >= 0 ? (int)fd : -errno;
}

/* ── is attaching off? ──────────────────────────────────────────────────────────────────────── */

/*
 * The option may stand in JAVA_TOOL_OPTIONS, and environments are not read: they hold secrets. A JVM
 * tells it in its counters, /tmp/hsperfdata_USER/PID, as sun.rt.jvmCapabilities: "0…" = no attaching.
 *
 *	size  20  length  type … units …  data │ name NUL │ data …
 *	├─────── 4 words, 4 bytes in all ──────┤   20 = offset of the name
 */
static bool counters_say_off(const char *bytes, size_t len)
{
	static const char name[] = "sun.rt.jvmCapabilities";
	const char *at = memmem(bytes, len, name, sizeof(name));
	uint32_t name_offset, data_offset;
	size_t entry;

	if (!at || at - bytes < 20)
		return false;
	entry = (size_t)(at - bytes) - 20;
	memcpy(&name_offset, bytes + entry + 4, sizeof(name_offset));
	memcpy(&data_offset, bytes + entry + 16, sizeof(data_offset));
	return name_offset == 20 && data_offset < len - entry && bytes[entry + data_offset] == '0';
}

static bool counters_off(const struct attach *a, const char *dir)
{
	struct buf b = BUF_INIT;
	char path[NAME_MAX + 32];
	struct stat st;
	bool off;
	int fd;

	snprintf(path, sizeof(path), "/tmp/%s/%d", dir, (int)a->ns_pid);
	fd = open_in_root(a->root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return false;
	off = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == a->uid &&
	      buf_read_fd(&b, fd, MAX_COUNTERS) == 0 && b.data && counters_say_off(b.data, b.len);
	close(fd);
	buf_release(&b);
	return off;
}

/* Where attaching is off, SIGQUIT prints a thread dump. */
static bool attaching_off(const struct attach *a)
{
	int fd = open_in_root(a->root_fd, "/tmp", O_RDONLY | O_DIRECTORY, 0);
	DIR *tmp = fd >= 0 ? fdopendir(fd) : NULL;
	bool off = false;
	struct dirent *e;

	for (int i = 0; tmp && !off && i < MAX_ENTRIES && (e = readdir(tmp)); i++)
		off = strncmp(e->d_name, "hsperfdata_", 11) == 0 && counters_off(a, e->d_name);
	if (tmp)
		closedir(tmp);
	return off;
}

/* ── the socket ─────────────────────────────────────────────────────────────────────────────── */

/* A connection to the JVM's socket, or -ENOENT (none listens there), -EPERM (not the JVM's). */
static int dial(const struct attach *a)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char path[64];
	struct stat st;
	int err, sock, found;

	snprintf(path, sizeof(path), "/tmp/.java_pid%d", (int)a->ns_pid);
	found = open_in_root(a->root_fd, path, O_PATH, 0);
	if (found < 0)
		return found;
	if (fstat(found, &st) != 0 || !S_ISSOCK(st.st_mode) ||
	    (st.st_uid != a->uid && st.st_uid != 0)) {
		close(found);
		return -EPERM;
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", found);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = sock >= 0 && connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : -errno;
	close(found);
	if (err == 0)
		return sock;
	if (sock >= 0)
		close(sock);
	return err == -ECONNREFUSED ? -ENOENT : err;
}

/* ── the handshake ──────────────────────────────────────────────────────────────────────────── */

static const char foreign_knock[] = "somebody else's file stands where it is called";

/* Why the file cannot be made: one of somebody else's is in its place, which may not be written. */
static const char *no_knock(const struct attach *a, const char *path, int err)
{
	int fd = err == EACCES ? open_in_root(a->root_fd, path, O_PATH, 0) : -1;

	if (fd < 0)
		return "its /tmp cannot be written";
	close(fd);
	return foreign_knock;
}

/* The file that tells a SIGQUIT that asks for the socket from one that asks for a thread dump. */
static bool knock(struct attach *a)
{
	char path[64];
	struct stat st;
	bool good;
	int fd;

	snprintf(path, sizeof(path), "/tmp/.attach_pid%d", (int)a->ns_pid);
	fd = open_in_root(a->root_fd, path, O_CREAT | O_WRONLY | O_NONBLOCK | O_NOCTTY, 0660);
	if (fd < 0)
		return refuse(a, no_knock(a, path, -fd));
	/* the JVM passes over one of somebody else and prints a thread dump */
	good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == a->uid;
	close(fd);
	if (!good)
		return refuse(a, foreign_knock);
	if (syscall(SYS_pidfd_send_signal, a->pid_fd, SIGQUIT, NULL, 0) != 0)
		return refuse(a, "it is gone, or may not be signalled");
	return true;
}

static void remove_from_tmp(int root_fd, const char *name)
{
	int tmp = open_in_root(root_fd, "/tmp", O_PATH | O_DIRECTORY, 0);

	if (tmp >= 0) {
		unlinkat(tmp, name, 0);
		close(tmp);
	}
}

static void unknock(const struct attach *a)
{
	char name[64];

	snprintf(name, sizeof(name), ".attach_pid%d", (int)a->ns_pid);
	remove_from_tmp(a->root_fd, name);
}

/* As its owner: /tmp is sticky, and we may be neither root nor that. */
void jvm_attach_remove_map(int root_fd, int32_t ns_pid, uid_t uid)
{
	char name[64];
	pid_t child = fork();

	if (child == 0) {
		if (geteuid() != uid)
			(void)!setresuid(uid, uid, uid);
		(void)privilege_keep(NULL, 0);
		snprintf(name, sizeof(name), "perf-%d.map", (int)ns_pid);
		remove_from_tmp(root_fd, name);
		_exit(0);
	}
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool has_map(const struct attach *a)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)a->ns_pid);
	fd = open_in_root(a->root_fd, path, O_PATH, 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int dial_after_knock(struct attach *a)
{
	int sock = -ENOENT;

	if (!knock(a)) {
		unknock(a);
		return -EPERM;
	}
	while (left_ms(a) > 0 && (sock = dial(a)) == -ENOENT)
		poll(NULL, 0, RETRY_MS);
	unknock(a);
	return sock;
}

static bool wait_for(struct attach *a, int sock, short events)
{
	struct pollfd pfd = { .fd = sock, .events = events };

	return poll(&pfd, 1, (int)left_ms(a)) == 1;
}

/* One command a connection: "1\0jcmd\0ARGUMENT\0\0\0"; the answer is a status line and text. */
static bool ask(struct attach *a, int sock, const char *argument, struct buf *reply)
{
	char request[128], chunk[4096];
	size_t len = 0;
	ssize_t n = -1;

	for (const char *const *part = (const char *const[]){ "1", "jcmd", argument, "", "", NULL };
	     *part; part++) {
		memcpy(request + len, *part, strlen(*part) + 1);
		len += strlen(*part) + 1;
	}
	if (send(sock, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		return false;
	while (reply->len < MAX_REPLY && wait_for(a, sock, POLLIN) &&
	       (n = recv(sock, chunk, sizeof(chunk), 0)) > 0)
		buf_add(reply, chunk, (size_t)n);
	return n == 0 && reply->len > 0 && !reply->failed;
}

/* ── the conversation ───────────────────────────────────────────────────────────────────────── */

static void ask_flags(struct attach *a)
{
	struct buf reply = BUF_INIT;
	int sock = dial(a);

	if (sock >= 0 && ask(a, sock, "VM.flags", &reply) && reply.data[0] == '0')
		a->answer.no_frame_pointer = strstr(reply.data, "+PreserveFramePointer") == NULL;
	if (sock >= 0)
		close(sock);
	buf_release(&reply);
}

static bool ask_perfmap(struct attach *a, int sock)
{
	struct buf reply = BUF_INIT;
	bool answered;

	a->answer.fresh = !has_map(a);
	answered = ask(a, sock, "Compiler.perfmap", &reply);

	if (!answered)
		refuse(a, "it did not answer within 2 s");
	else if (reply.data[0] != '0')
		refuse(a, "it cannot write a perf map: that takes JDK 17 or later");
	else
		a->answer.written = true;
	buf_release(&reply);
	return a->answer.written;
}

static void converse(struct attach *a)
{
	int sock;

	a->pid_fd = (int)syscall(SYS_pidfd_open, a->pid, 0);
	a->root_fd = open_proc(a->pid, "root", O_PATH | O_DIRECTORY);
	if (a->pid_fd < 0 || a->root_fd < 0 || !read_status(a)) {
		refuse(a, "");
		return;
	}
	if (!may_ask(a) || !become_target(a))
		return;
	if (attaching_off(a)) {
		refuse(a, SWITCHED_OFF);
		return;
	}
	sock = dial(a);
	if (sock == -ENOENT)
		sock = dial_after_knock(a);
	if (sock < 0) {
		if (a->answer.why[0] == '\0')
			refuse(a, sock == -EPERM ? "its attach socket belongs to somebody else"
						 : "it did not answer within 2 s");
		return;
	}
	if (ask_perfmap(a, sock))
		ask_flags(a);
	close(sock);
}

int jvm_attach_start(pid_t pid, pid_t *ret_child)
{
	struct attach a = { .pid = pid, .deadline_ms = clock_ms() + JVM_ATTACH_MS };
	int err, ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	child = fork();
	if (child == 0) {
		converse(&a);
		_exit(write(ends[1], &a.answer, sizeof(a.answer)) < 0);
	}
	err = child < 0 ? -errno : 0;
	close(ends[1]);
	if (err != 0) {
		close(ends[0]);
		return err;
	}
	*ret_child = child;
	return ends[0];
}
