// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static int signal_pipe[2] = { -1, -1 };

static void on_signal(int number)
{
	int saved = errno;
	unsigned char byte = number;
	ssize_t n = write(signal_pipe[1], &byte, 1); /* full: enough of them are waiting */

	(void)n;
	errno = saved;
}

static void on_sigpipe(int number)
{
	(void)number;
}

static int handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	return sigaction(number, &action, NULL) ? -errno : 0;
}

int signals_start(void)
{
	struct sigaction hangup;
	int err;

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	/* SIGINT is taken even where a shell has set it to be ignored for "tprof … &": kill -INT is
	 * how scripts end a recording. */
	err = handle(SIGINT, on_signal);
	if (!err)
		err = handle(SIGTERM, on_signal);
	if (!err)
		err = handle(SIGPIPE, on_sigpipe);
	if (!err && !sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler != SIG_IGN)
		err = handle(SIGHUP, on_signal);
	return err;
}

int signals_fd(void)
{
	return signal_pipe[0];
}

int signals_take(void)
{
	unsigned char bytes[64];
	ssize_t n = read(signal_pipe[0], bytes, sizeof(bytes));

	return n > 0 ? bytes[n - 1] : 0;
}
