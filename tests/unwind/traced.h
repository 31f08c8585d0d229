/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_TRACED_H
#define TPROF_TRACED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "walk.h"

/*
 * A live process under ptrace, looked at between two instructions: its registers, its stacks' memory
 * and the tables of what it maps, ready for walk_run(). What the frames are is known by an account
 * that needs no CFI: stepped from its first instruction on, each call leaves a return address in a
 * slot of the stack, and whatever moves the stack pointer beyond the slot has returned.
 */
enum call_kind {
	CALL,		 /* `at` is a return address */
	CALL_TRAMPOLINE, /* … put there by the kernel: a signal handler's */
	CALL_INTERRUPTED /* `at` was the next instruction when a signal came */
};

struct call {
	enum call_kind kind;
	uint64_t at, slot; /* INTERRUPTED: slot is the stack pointer then */
	bool in_register;  /* popped, but not returned to: vfork's stub */
};

struct traced_file {
	uint64_t dev, inode;
	int fd; /* of the tables' */
	char path[256];
};

#define TRACED_FILES 256
#define TRACED_STACK (256U << 10)
#define TRACED_BELOW 1024 /* … of which so much below the stack pointer */

struct traced {
	pid_t pid;
	bool started; /* by us: dies with its end */
	int signal;   /* to be delivered by the next step */
	struct walk walk;
	struct unwind_tables *tables;
	struct traced_file files[TRACED_FILES]; /* by object - 1 */
	size_t file_count;
	uint64_t stack_end; /* of the mapping that the stack pointer is in */
	uint8_t *stacks[2];
	struct call calls[1024]; /* outermost first */
	size_t depth;
};

/* Starts a program that stops before its first instruction, with `loaded` before its own first one,
 * when the loader has done its work; a thread of a running one, stopped
 * wherever it is (its calls are not known then). 0 or negative errno; end in every case. */
int traced_start(struct traced *t, char *const argv[], bool loaded);
int traced_attach(struct traced *t, pid_t tid);
void traced_end(struct traced *t);

/* One instruction. False: the process has ended. */
bool traced_step(struct traced *t);

/* Fills t->walk with what the process is now, and walks. */
void traced_walk(struct traced *t);

/* The frames by the account of calls, leaf first, lowered as frames are; how many. */
size_t traced_frames(const struct traced *t, uint64_t *ret_pcs, size_t most);

#endif
