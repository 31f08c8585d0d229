/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_JVM_ATTACH_H
#define TPROF_JVM_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How long a JVM may take to answer. */
#define JVM_ATTACH_MS 2000

/* What became of the call. Plain bytes: it comes through a pipe. */
struct jvm_answer {
	bool written; /* the perf map is there */
	bool fresh; /* there was no map before: jvm_attach_remove_map, at the end too if it came late */
	bool later;	       /* not written, but it may be worth another question */
	bool no_frame_pointer; /* the JVM runs without -XX:+PreserveFramePointer */
	char why[200];	       /* not written: what happened and what helps; "" = it is no JVM */
};

/*
 * Asks a HotSpot JVM for its perf map (jcmd Compiler.perfmap) by the attach protocol, as its own user
 * and in its own root, from a child process: what a hostile JVM makes of it ends with that child.
 * Sends SIGQUIT only to a process that maps libjvm.so, catches the signal and has not switched
 * attaching off. Returns the read end of a pipe that gets a struct jvm_answer, or negative errno.
 */
int jvm_attach_start(pid_t pid, pid_t *ret_child);

/* Removes the perf map from the root (O_PATH) of a process of this user that calls itself ns_pid. */
void jvm_attach_remove_map(int root_fd, int32_t ns_pid, uid_t uid);

#endif
