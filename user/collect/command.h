/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_COMMAND_H
#define TPROF_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

struct diag;

/*
 * A program that is started under the profiler: forked at once, so that its PID is known and can be
 * watched, but held before its exec until everything counts. Zeroed = none.
 *
 *	tprof   fork ─── load, attach ─── go ───→ reads errno or end of file
 *	child     └── waits for "go" ───────→ exec (the pipe closes) or writes errno, exits
 */
struct command {
	pid_t pid;
	int go_fd, error_fd; /* pipes; 0 = closed */
	bool started, reaped;
	int status;	/* wait status, once reaped */
	int exec_error; /* errno of its exec, 0 = none */
};

int command_fork(struct command *cmd, char *const *argv, struct diag *d);
/* 0 once the program runs; negative errno of its exec, explained. */
int command_go(struct command *cmd, char *const *argv, struct diag *d);
/* True once it is gone; reaps it. */
bool command_gone(struct command *cmd);
/* Kills it when it never started. */
void command_release(struct command *cmd);

#endif
