// SPDX-License-Identifier: BSD-2-Clause
#include "collect/command_hold.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/privilege.h"
#include "base/clock.h"
#include "collect/command.h"

#define HOLD_NS	   (2 * NSEC_PER_SEC) /* for all of it, at most */
#define LET_GO_NS  (NSEC_PER_SEC / 2) /* for a stop that was asked for */
#define NAP_NS	   100000
#define AUXV_BYTES 4096

static void *number(uint64_t n)
{
	return (void *)(uintptr_t)n; /* NOLINT: ptrace's arguments are numbers in pointers */
}

/* ── the machine ────────────────────────────────────────────────────────────────────────────── */

#if defined(__x86_64__)
#define USER_CS	  0x33 /* __USER_CS: a 64-bit program */
#define DR7_EXEC  1ULL /* local breakpoint 0, on execution of one byte (SDM 3, 18.2.4) */
#define AT(field) offsetof(struct user, field)

static long peek(pid_t pid, size_t at)
{
	return ptrace(PTRACE_PEEKUSER, pid, number(at), NULL);
}

static bool poke(pid_t pid, size_t at, uint64_t value)
{
	return ptrace(PTRACE_POKEUSER, pid, number(at), number(value)) == 0;
}

static bool break_set(pid_t pid, uint64_t address)
{
	return peek(pid, AT(regs.cs)) == USER_CS && poke(pid, AT(u_debugreg[0]), address) &&
	       poke(pid, AT(u_debugreg[7]), DR7_EXEC);
}

static void break_clear(pid_t pid)
{
	(void)poke(pid, AT(u_debugreg[7]), 0);
}

static bool stands_at(pid_t pid, uint64_t address)
{
	return (uint64_t)peek(pid, AT(regs.rip)) == address;
}
#define CAN_BREAK true
#else
static bool break_set(pid_t pid, uint64_t address)
{
	(void)pid, (void)address;
	return false;
}

static void break_clear(pid_t pid)
{
	(void)pid;
}

static bool stands_at(pid_t pid, uint64_t address)
{
	(void)pid, (void)address;
	return false;
}
#define CAN_BREAK false
#endif

/* Where the program begins once the loader is done; 0 = not told. */
static uint64_t entry_of(pid_t pid)
{
	Elf64_auxv_t auxv[AUXV_BYTES / sizeof(Elf64_auxv_t)];
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, auxv, sizeof(auxv));
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; n > 0 && i < n / (ssize_t)sizeof(auxv[0]); i++) {
		if (auxv[i].a_type == AT_ENTRY)
			return auxv[i].a_un.a_val;
	}
	return 0;
}

/* ── stops ──────────────────────────────────────────────────────────────────────────────────── */

enum stop {
	STOP_LATE,   /* there was none in time */
	STOP_GONE,   /* it has exited, and is reaped */
	STOP_EXEC,   /* behind exec */
	STOP_SIGNAL, /* before a signal is delivered */
	STOP_GROUP,  /* by job control, or as asked for */
};

static enum stop kind_of(int status)
{
	if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
		return STOP_EXEC;
	return status >> 16 ? STOP_GROUP : STOP_SIGNAL;
}

static enum stop next_stop(struct command *cmd, uint64_t deadline, const struct hold_calls *calls,
			   int *ret_signal)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	int status;
	pid_t got;

	while ((got = waitpid(cmd->pid, &status, WNOHANG | __WALL)) == 0) {
		if (clock_now() >= deadline)
			return STOP_LATE;
		nanosleep(&nap, NULL);
		calls->idle(calls->ctx);
	}
	if (got < 0)
		return STOP_GONE;
	if (WIFSTOPPED(status)) {
		*ret_signal = WSTOPSIG(status);
		return kind_of(status);
	}
	cmd->status = status;
	cmd->reaped = true;
	return STOP_GONE;
}

/* From a stop on its own; a signal that it was stopped before is delivered. */
static void let_go(pid_t pid, int signal)
{
	break_clear(pid);
	ptrace(PTRACE_DETACH, pid, NULL, number((uint64_t)signal));
}

/* The same while it runs. */
static void let_go_running(struct command *cmd, const struct hold_calls *calls)
{
	int signal = 0;
	enum stop stop;

	ptrace(PTRACE_INTERRUPT, cmd->pid, NULL, NULL);
	stop = next_stop(cmd, clock_now() + LET_GO_NS, calls, &signal);
	if (stop != STOP_GONE)
		let_go(cmd->pid, stop == STOP_SIGNAL ? signal : 0);
}

/* Runs it until it stands at `entry`. False: let go already. */
static bool reach(struct command *cmd, uint64_t entry, uint64_t deadline,
		  const struct hold_calls *calls)
{
	int signal = 0;

	while (ptrace(PTRACE_CONT, cmd->pid, NULL, number((uint64_t)signal)) == 0) {
		switch (next_stop(cmd, deadline, calls, &signal)) {
		case STOP_LATE: let_go_running(cmd, calls); return false;
		case STOP_GONE: return false;
		case STOP_SIGNAL:
			if (signal == SIGTRAP && stands_at(cmd->pid, entry))
				return true;
			continue; /* its own: delivered */
		case STOP_EXEC:
		case STOP_GROUP: let_go(cmd->pid, 0); return false;
		}
	}
	return false;
}

/* ── the verbs ──────────────────────────────────────────────────────────────────────────────── */

bool command_seize(const struct command *cmd)
{
	/* without the capability the kernel would run a set-user-ID program as the caller */
	return CAN_BREAK && privilege_held(CAP_SYS_PTRACE) &&
	       ptrace(PTRACE_SEIZE, cmd->pid, NULL, number(PTRACE_O_TRACEEXEC)) == 0;
}

void command_hold(struct command *cmd, const struct hold_calls *calls)
{
	uint64_t deadline = clock_now() + HOLD_NS, entry;
	int signal = 0;
	bool held;

	switch (next_stop(cmd, deadline, calls, &signal)) {
	case STOP_LATE: let_go_running(cmd, calls); return;
	case STOP_GONE: return;
	case STOP_SIGNAL: let_go(cmd->pid, signal); return;
	case STOP_GROUP: let_go(cmd->pid, 0); return;
	case STOP_EXEC: break;
	}
	entry = entry_of(cmd->pid);
	/* it stands still once ptrace has looked at it: now all that it did has been counted */
	held = entry && break_set(cmd->pid, entry);
	calls->ready(calls->ctx);
	if (held && !reach(cmd, entry, deadline, calls))
		return;
	if (held)
		calls->ready(calls->ctx);
	let_go(cmd->pid, 0);
}
