// SPDX-License-Identifier: BSD-2-Clause
#include "collect/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>

#include "base/diag.h"

static void close_fd(int *fd)
{
	if (*fd > 0)
		close(*fd);
	*fd = 0;
}

/* In the child: async-signal-safe calls only. Handlers are reset by exec, ignored signals stay so
 * (nohup), but for SIGPIPE: that and the mask are the profiler's business and not the program's. */
static _Noreturn void child(int go, int error, char *const *argv)
{
	sigset_t none;
	char byte;
	int err;

	while ((err = (int)read(go, &byte, 1)) < 0 && errno == EINTR)
		;
	if (err != 1)
		_exit(127); /* the profiler is gone */
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	err = errno;
	while (write(error, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(err == ENOENT ? 127 : 126);
}

int command_fork(struct command *cmd, char *const *argv, struct diag *d)
{
	int go[2], error[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return diag_errno(d, -errno, "cannot start %s", argv[0]);
	if (pipe2(error, O_CLOEXEC) < 0) {
		close(go[0]);
		close(go[1]);
		return diag_errno(d, -errno, "cannot start %s", argv[0]);
	}
	cmd->pid = fork();
	if (cmd->pid == 0) {
		close(go[1]);
		close(error[0]);
		child(go[0], error[1], argv);
	}
	close(go[0]);
	close(error[1]);
	cmd->go_fd = go[1];
	cmd->error_fd = error[0];
	if (cmd->pid > 0)
		return 0;
	cmd->pid = 0;
	command_release(cmd);
	return diag_errno(d, -errno, "cannot start %s", argv[0]);
}

int command_go(struct command *cmd, char *const *argv, struct diag *d)
{
	int err = 0;

	cmd->started = true;
	if (write(cmd->go_fd, "g", 1) != 1)
		err = errno;
	close_fd(&cmd->go_fd);
	while (!err && read(cmd->error_fd, &cmd->exec_error, sizeof(cmd->exec_error)) < 0 &&
	       errno == EINTR)
		;
	close_fd(&cmd->error_fd);
	err = err ?: cmd->exec_error;
	if (!err)
		return 0;
	if (err == ENOENT)
		return diag_set(d, -err, "%s: command not found", argv[0]);
	return diag_errno(d, -err, "cannot run %s", argv[0]);
}

bool command_gone(struct command *cmd)
{
	if (cmd->pid && !cmd->reaped && waitpid(cmd->pid, &cmd->status, WNOHANG) == cmd->pid)
		cmd->reaped = true;
	return cmd->reaped;
}

void command_release(struct command *cmd)
{
	close_fd(&cmd->error_fd);
	if (cmd->pid && !cmd->started && !cmd->reaped) {
		kill(cmd->pid, SIGKILL);
		waitpid(cmd->pid, &cmd->status, 0);
		cmd->reaped = true;
	}
	close_fd(&cmd->go_fd);
}
