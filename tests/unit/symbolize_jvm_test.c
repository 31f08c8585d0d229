/* SPDX-License-Identifier: BSD-2-Clause */
/* The attach protocol against processes that behave like a JVM, well or badly. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "elf_of.h"
#include "symbolize/jvm.h"
#include "symbolize/jvm_attach.h"

enum {
	ANSWERS = 0,
	OLD = 1,	     /* no such command */
	SILENT = 2,	     /* takes the connection and says nothing */
	DEAF = 4,	     /* SIGQUIT does nothing */
	NO_HANDLER = 8,	     /* SIGQUIT kills */
	SWITCHED_OFF = 16,   /* -XX:+DisableAttachMechanism */
	FOREIGN_SOCKET = 32, /* of another user */
	FOREIGN_KNOCK = 128, /* .attach_pid is another user's */
	FIFO_KNOCK = 256,
	LATE = 512, /* writes the map after the 2 s */
	NO_JVM = 64,
};

static volatile sig_atomic_t asked;

static void on_quit(int sig)
{
	(void)sig;
	asked = 1;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(sock, 5) != 0)
		_exit(3);
	return sock;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (write(fd, text, strlen(text)) < 0)
		_exit(4);
	close(fd);
}

/* One connection after the other, as HotSpot's attach listener. */
static void serve(int sock, int how)
{
	static const char command[] = "1\0jcmd\0Compiler.perfmap\0\0";
	char request[256], path[64], knock[64];

	for (;;) {
		int c = accept(sock, NULL, NULL);
		ssize_t n = recv(c, request, sizeof(request), 0);
		const char *reply = "1\nUnknown diagnostic command\n";

		if (how & SILENT)
			continue;
		if (how & LATE)
			usleep((JVM_ATTACH_MS + 300) * 1000);
		if (n == sizeof(command) && memcmp(request, command, sizeof(command)) == 0 &&
		    !(how & OLD)) {
			snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
			snprintf(knock, sizeof(knock), "/tmp/.attach_pid%d", (int)getpid());
			write_file(path, access(knock, F_OK) == 0 ? "5000 100 knock.left\n"
								  : "5000 100 void a.B.c(int)\n");
			reply = "0\nCommand executed successfully\n";
		} else if (n > 0 && memmem(request, (size_t)n, "VM.flags", 8)) {
			reply = "0\n-XX:+UseG1GC\n";
		}
		send(c, reply, strlen(reply), 0);
		close(c);
	}
}

/* What HotSpot writes where JAVA_TOOL_OPTIONS has -XX:+DisableAttachMechanism. */
static void write_counters(void)
{
	static const char entry[] = "....x\0\0\0\x14\0\0\0A\0\0\0B\0\x05\1\x2b\0\0\0"
				    "sun.rt.jvmCapabilities\0"
				    "0100";
	char path[64];
	int fd;

	mkdir("/tmp/hsperfdata_somebody", 0755);
	snprintf(path, sizeof(path), "/tmp/hsperfdata_somebody/%d", (int)getpid());
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	if (write(fd, entry, sizeof(entry)) != sizeof(entry))
		_exit(10);
	close(fd);
}

static void be_jvm(int how, int ready)
{
	struct sigaction sa = { .sa_handler = on_quit };
	char path[64];
	int sock, jvm;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not come to end it */
	if (chdir(scratch_path("root")) != 0 || chroot(".") != 0)
		_exit(5);
	jvm = open(how & NO_JVM ? "/libc.so" : "/libjvm.so", O_RDWR | O_CREAT, 0755);
	if (ftruncate(jvm, 4096) != 0 ||
	    mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, jvm, 0) == MAP_FAILED)
		_exit(6);
	if (how & SWITCHED_OFF)
		write_counters();
	if (!(how & NO_HANDLER))
		sigaction(SIGQUIT, &sa, NULL);
	snprintf(path, sizeof(path), "/tmp/.java_pid%d", (int)getpid());
	if (how & FOREIGN_SOCKET) {
		listen_at(path);
		if (chown(path, 1234, 1234) != 0)
			_exit(7);
	}
	snprintf(path, sizeof(path), "/tmp/.attach_pid%d", (int)getpid());
	if (how & FOREIGN_KNOCK) {
		write_file(path, "");
		if (chown(path, 1234, 1234) != 0)
			_exit(7);
	}
	if ((how & FIFO_KNOCK) && mkfifo(path, 0600) != 0)
		_exit(7);
	if (write(ready, "r", 1) != 1)
		_exit(8);
	while (!asked || (how & DEAF))
		usleep(1000);
	snprintf(path, sizeof(path), "/tmp/.attach_pid%d", (int)getpid());
	if (access(path, F_OK) != 0)
		_exit(9); /* would print a thread dump */
	snprintf(path, sizeof(path), "/tmp/.java_pid%d", (int)getpid());
	sock = listen_at(path);
	serve(sock, how);
}

static pid_t start_jvm(int how)
{
	int ready[2];
	char byte;
	pid_t pid;

	scratch_make();
	scratch_run("mkdir -m 1777 -p root/tmp");
	EXPECT_EQ(pipe(ready), 0);
	pid = fork();
	if (pid == 0)
		be_jvm(how, ready[1]);
	EXPECT_EQ(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* What asking such a JVM gives. It must live on, unharmed. */
static struct jvm_answer ask(int how)
{
	struct jvm_answer answer = { 0 };
	pid_t child, pid = start_jvm(how);
	int fd = jvm_attach_start(pid, &child);

	EXPECT(fd >= 0);
	EXPECT_EQ(waitpid(child, NULL, 0), child);
	EXPECT_EQ(read(fd, &answer, sizeof(answer)), (ssize_t)sizeof(answer));
	close(fd);
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	scratch_remove();
	return answer;
}

static bool not_root(void)
{
	return getuid() != 0;
}

TEST(jvm_attach__asks_for_the_perf_map_and_the_flags)
{
	struct jvm_answer answer;

	if (not_root())
		SKIP("chroot needs root");
	answer = ask(ANSWERS);
	EXPECT_STR(answer.why, "");
	EXPECT(answer.written);
	EXPECT(answer.no_frame_pointer);
}

TEST(jvm_attach__says_why_not)
{
	if (not_root())
		SKIP("chroot needs root");
	EXPECT_CONTAINS(ask(OLD).why, "JDK 17");
	EXPECT_CONTAINS(ask(SILENT).why, "did not answer within 2 s");
	EXPECT_CONTAINS(ask(DEAF).why, "did not answer within 2 s");
	EXPECT_CONTAINS(ask(FOREIGN_SOCKET).why, "belongs to somebody else");
	EXPECT_CONTAINS(ask(FOREIGN_KNOCK).why, "somebody else's file");
	EXPECT_CONTAINS(ask(FIFO_KNOCK).why, "cannot be written");
	EXPECT_CONTAINS(ask(SWITCHED_OFF).why, "DisableAttachMechanism");
	EXPECT_CONTAINS(ask(NO_HANDLER).why, "-Xrs");
	EXPECT_STR(ask(NO_JVM).why, "");
}

/* ── over the time of a recording ───────────────────────────────────────────────────────────── */

static uint32_t jit_module(struct profile *p, pid_t pid)
{
	struct profile_module m = { .type = PROFILE_MODULE_JIT, .fd = -1 };

	m.process = profile_process(p, pid, 1);
	profile_process_at(p, m.process)->ns_pid = pid;
	profile_process_at(p, m.process)->uid = 0;
	m.root_fd = open(scratch_path("root"), O_PATH | O_CLOEXEC);
	return profile_module(p, &m);
}

static void end_jvm(struct jvms *j, struct profile *p, pid_t pid)
{
	jvms_free(j);
	profile_free(p);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	scratch_remove();
}

/* Asks until the frame has a name, so many seconds at most. */
static void poll_until_named(struct jvms *j, struct profile *p, uint32_t frame, uint64_t seconds)
{
	uint64_t end = clock_now() + seconds * NSEC_PER_SEC;

	while (profile_frame_at(p, frame)->lines == 0 && clock_now() < end) {
		jvms_poll(j, p, clock_now());
		usleep(1000);
	}
	EXPECT_EQ(profile_frame_at(p, frame)->lines, 1);
}

TEST(jvms__name_what_shows_up_while_recording)
{
	struct profile *p;
	struct jvms *j = jvms_new(true);
	uint32_t frame;
	pid_t pid;
	size_t notes;

	if (not_root())
		SKIP("chroot needs root");
	p = profile_new();
	pid = start_jvm(ANSWERS);
	frame = profile_frame(p, jit_module(p, pid), 0x5050);
	poll_until_named(j, p, frame, 10);
	EXPECT_STR(profile_str(
			   p, profile_line_at(p, profile_frame_at(p, frame)->first_line)->function),
		   "a.B.c");
	EXPECT_CONTAINS(profile_str(p, profile_notes(p, &notes)[0]), "PreserveFramePointer");
	scratch_run("! ls root/tmp/perf-*.map 2>/dev/null");
	end_jvm(j, p, pid);
}

TEST(jvms__finish_waits_for_an_answer_but_not_long)
{
	struct profile *p;
	struct jvms *j = jvms_new(true);
	uint64_t start;
	size_t notes;
	pid_t pid;

	if (not_root())
		SKIP("chroot needs root");
	p = profile_new();
	pid = start_jvm(SILENT);
	profile_frame(p, jit_module(p, pid), 0x5050);
	start = clock_now();
	jvms_finish(j, p);
	EXPECT(clock_now() - start < 4 * NSEC_PER_SEC);
	EXPECT_CONTAINS(profile_str(p, profile_notes(p, &notes)[0]), "did not answer");
	end_jvm(j, p, pid);
}

/* The question was given up, the map comes nevertheless: it names, and is not left behind. */
TEST(jvms__a_map_that_comes_late_is_read_and_removed)
{
	struct profile *p;
	struct jvms *j = jvms_new(true);
	uint32_t frame;
	pid_t pid;
	size_t notes;

	if (not_root())
		SKIP("chroot needs root");
	p = profile_new();
	pid = start_jvm(LATE);
	frame = profile_frame(p, jit_module(p, pid), 0x5050);
	poll_until_named(j, p, frame, 20);
	EXPECT_CONTAINS(profile_str(p, profile_notes(p, &notes)[0]), "did not answer");
	scratch_run("ls root/tmp/perf-*.map >/dev/null");
	jvms_finish(j, p);
	scratch_run("! ls root/tmp/perf-*.map 2>/dev/null");
	end_jvm(j, p, pid);
}

/* Named by a map that grows; the process is no JVM. */
TEST(jvms__maps_of_other_runtimes_are_read_as_they_grow)
{
	struct profile *p;
	struct jvms *j = jvms_new(true);
	const struct profile_frame *f;
	uint32_t frame, other;
	pid_t pid;

	if (not_root())
		SKIP("chroot needs root");
	p = profile_new();
	pid = start_jvm(NO_JVM);
	scratch_run("echo '5000 100 first' >root/tmp/perf-%d.map", (int)pid);
	frame = profile_frame(p, jit_module(p, pid), 0x5050);
	poll_until_named(j, p, frame, 20);
	f = profile_frame_at(p, frame);
	EXPECT_EQ(f->lines, 1);
	EXPECT_STR(profile_str(p, profile_line_at(p, f->first_line)->function), "first");
	scratch_run("printf '6000 100 second\n5000 100 third\n' >>root/tmp/perf-%d.map", (int)pid);
	other = profile_frame(p, profile_frame_at(p, frame)->module, 0x6050);
	poll_until_named(j, p, other, 20);
	f = profile_frame_at(p, frame);
	EXPECT_STR(profile_str(p, profile_line_at(p, f->first_line)->function), "third");
	end_jvm(j, p, pid);
}
