/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SIGNALS_H
#define TPROF_SIGNALS_H

/*
 * SIGINT, SIGTERM and SIGHUP (unless nohup ignores it) as bytes in a pipe, SIGPIPE as EPIPE, so that
 * nothing recorded is lost. By handlers and not by a mask or SIG_IGN: those would be inherited by
 * the command that record starts.
 */
int signals_start(void); /* 0 or negative errno */
int signals_fd(void);	 /* readable when a signal has come */
int signals_take(void);	 /* the latest signal since the last call, 0 = none */

#endif
