# SPDX-License-Identifier: BSD-2-Clause
# What reads the targets' files, and what it can do; what is never written (docs/threat-model.md).

load live

setup() {
	need_bpf
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() { reap "${target:-}"; }

burn() {
	"$WORKLOADS/cpu_burn" 60 >/dev/null 3>&- &
	target=$!
	await grep -q cpu_burn /proc/$target/comm
}

# ── files are read apart ────────────────────────────────────────────────────────────────────────

@test "what reads files is nobody, without capabilities, and opens none" {
	burn
	strace -f -qq -o calls -e trace=setresuid,open,openat,openat2,execve,socket,connect,clone,clone3 \
		"$TPROF" record -q -F 999 -d 500ms -o r.tprof -p $target
	folded r.tprof >folded
	at_least "$(samples_of '^cpu_burn;.*;burn' <folded)" 5
	children=$(awk '/setresuid\(65534, 65534, 65534\) *= 0/ {print $1}' calls)
	[ -n "$children" ]
	for child in $children; do
		after=$(awk -v p="$child" '$1 == p && /setresuid/ {on = 1; next} $1 == p && on' calls)
		echo "$after"
		run ! grep -E '(open|openat|openat2|execve|socket|connect)\(.*= [0-9]+$' <<<"$after"
	done
	# it, and its own children for debug info
	grep -q 'clone' <<<"$after"
}

@test "a reader that is ended for a forbidden system call costs names, not the recording" {
	burn
	# where it first asks for a debug file: only it receives messages
	strace -f -qq -o calls -e trace=recvmsg -e inject=recvmsg:signal=SIGSYS:when=1 \
		"$TPROF" record -q -F 999 -d 500ms -o r.tprof -p $target
	grep -q 'killed by SIGSYS' calls
	folded r.tprof >folded
	at_least "$(samples_of '^cpu_burn;' <folded)" 5
	"$TPROF" report r.tprof | tr -s '\n ' ' ' >report
	cat report
	grep -q 'have no names: the process that read it tried a system call that is forbidden' report
	"$TPROF" report --json r.tprof | jq -e ".losses | map(select(. > 0)) | length == 0"
}

@test "the filters of system calls: what they allow, refuse and end" {
	cat >try.c <<-'EOF'
		#include <errno.h>
		#include <fcntl.h>
		#include <signal.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <sys/mount.h>
		#include <sys/socket.h>
		#include <sys/stat.h>
		#include <sys/syscall.h>
		#include <sys/wait.h>
		#include <unistd.h>
		#include "base/sandbox.h"
		static void reads(void)
		{
			struct stat st;
			char byte;
			if (read(0, &byte, 1) < 0 || fstat(0, &st) || !malloc(1 << 22))
				_exit(1);
		}
		static void opens(void) { _exit(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES ? 0 : 1); }
		static void stats(void) { struct stat st; _exit(stat("/etc/passwd", &st) && errno == EACCES ? 0 : 1); }
		static void forks(void) { if (fork() == 0) _exit(0); }
		static void talks(void) { socket(AF_UNIX, SOCK_STREAM, 0); }
		static void runs(void) { execl("/bin/true", "true", NULL); }
		static void kills(void) { kill(1, SIGTERM); }
		static void mounts(void) { mount("none", "/nowhere", "tmpfs", 0, 0); }
		static void bpfs(void) { syscall(SYS_bpf, 0, NULL, 0); }
		static const struct { const char *name; void (*call)(void); } calls[] = {
			{ "reads", reads }, { "opens", opens }, { "stats", stats }, { "forks", forks },
			{ "talks", talks }, { "runs", runs }, { "kills", kills }, { "mounts", mounts },
			{ "bpfs", bpfs },
		};
		int main(int argc, char **argv)
		{
			int (*confine)(void) = argc > 1 && !strcmp(argv[1], "naming") ? sandbox_naming : sandbox_parsing;
			for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
				int status;
				fflush(stdout);
				if (fork() == 0) {
					if (confine())
						_exit(9);
					calls[i].call();
					_exit(0);
				}
				wait(&status);
				printf("%s:%s ", calls[i].name, WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? "ended" :
					status ? "failed" : "fine");
			}
			return 0;
		}
	EOF
	cc -D_GNU_SOURCE -I"$BATS_TEST_DIRNAME/../../user" -o try try.c "$TPROF_BUILD/user/base/sandbox.o"
	[ "$(./try naming </dev/null)" = "reads:fine opens:fine stats:fine forks:fine talks:ended runs:ended kills:ended mounts:ended bpfs:ended " ]
	[ "$(./try parsing </dev/null)" = "reads:fine opens:fine stats:fine forks:ended talks:ended runs:ended kills:ended mounts:ended bpfs:ended " ]
}

# ── secrets ─────────────────────────────────────────────────────────────────────────────────────

@test "a secret in the target's environment is nowhere in what tprof writes" {
	SECRET=hunter2-correct-horse "$TPROF" record -d 300ms -o s.tprof -o s.folded -o s.html -o s.json -- \
		"$WORKLOADS/cpu_burn" 1 >report 2>&1
	SECRET=hunter2-correct-horse "$WORKLOADS/cpu_burn" 60 >/dev/null 3>&- &
	target=$!
	strace -f -qq -o calls -e trace=open,openat,openat2 \
		"$TPROF" record -q -d 300ms -o p.tprof -p $target
	grep -q "/proc/$target/" calls
	run ! grep environ calls
	run ! grep -al hunter2 s.tprof s.folded s.html s.json p.tprof report calls
	[ "$(stat -c %a s.tprof s.folded s.html s.json p.tprof | sort -u)" = 600 ]
}

@test "what it gave up it does not have: no program, no module, no tracing, no network" {
	cat >try.c <<-'EOF'
		#include <errno.h>
		#include <stdio.h>
		#include <sys/ptrace.h>
		#include <sys/socket.h>
		#include <sys/mount.h>
		#include <unistd.h>
		#include "base/sandbox.h"
		int main(void)
		{
			char *argv[] = { "true", NULL };
			if (sandbox_fence(false))
				return 1;
			execv("/bin/true", argv);
			printf("execve %d\n", errno == EPERM);
			printf("ptrace %d\n", ptrace(PTRACE_SEIZE, 1, 0, 0) < 0 && errno == EPERM);
			printf("mount %d\n", mount("none", "/nowhere", "tmpfs", 0, 0) < 0 && errno == EPERM);
			printf("socket %d\n", socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
			printf("unix %d\n", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
			return 0;
		}
	EOF
	cc -D_GNU_SOURCE -I"$BATS_TEST_DIRNAME/../../user" -o try try.c "$TPROF_BUILD/user/base/sandbox.o"
	[ "$(./try | tr '\n' ' ')" = "execve 1 ptrace 1 mount 1 socket 1 unix 1 " ]
}
