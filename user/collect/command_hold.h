/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_COMMAND_HOLD_H
#define TPROF_COMMAND_HOLD_H

#include <stdbool.h>

struct command;

/*
 * A started command is held at two places, so that what it maps is known and can be unwound before it
 * goes on: after exec, when the program and the dynamic loader are there, and at the program's entry
 * point, when the loader has mapped all libraries.
 *
 *	go ─→ exec ─ held ─→ loader ─→ entry ─ held ─→ main …
 *
 * By ptrace and a breakpoint register: nothing is written into the program, and the tracer is gone
 * before it runs. Where that is not to be had (another machine, a 32-bit program, a host that does not
 * allow ptrace, no CAP_SYS_PTRACE), nothing is held. Should the loader take longer than 2 s, it goes on alone.
 */

/* Before command_go(). Whether the command will be held. */
bool command_seize(const struct command *cmd);

/* After command_go(). Calls `ready` at each place and, as `idle`, now and then while it waits. */
struct hold_calls {
	void (*ready)(void *ctx);
	void (*idle)(void *ctx);
	void *ctx;
};
void command_hold(struct command *cmd, const struct hold_calls *calls);

#endif
