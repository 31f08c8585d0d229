/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_COLLECT_H
#define TPROF_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct profile;
struct diag;

/*
 * kernel → profile. Opens and loads the BPF programs, attaches them, drains their maps into the
 * profile about once a second, keeps track of the targets' mappings.
 *
 *	collect_new()    load, check targets, read mappings, build unwind tables: nothing counts yet
 *	collect_start()  attach: from here on it counts
 *	collect_poll()   drains what is there; again and again
 *	collect_stop()   detach, last drain, totals into the profile
 *	collect_free()
 */
struct collect_options {
	const pid_t *pids; /* -p: processes, as the caller sees them */
	size_t pid_count;
	const pid_t *tids; /* -t: single threads */
	size_t tid_count;
	bool all;	      /* -a */
	bool follow;	      /* children of targets are targets */
	char *const *command; /* -- CMD…: started stopped by collect_new, let go by collect_start */
	const char *cgroup;   /* --cgroup: path below the cgroup2 mount, or NULL */
	unsigned hz;	      /* 1 … 10000 */
	bool waits, threads;  /* record waits; record thread creation and exit */
	size_t unwind_memory; /* bytes of kernel memory for unwind tables */
	uint64_t
		start_hint_ns; /* CLOCK_MONOTONIC at exec of tprof, for the time-to-first-sample figure; 0 */
};

struct collect;

/* Negative errno with d filled: -ESRCH no such target, -EPERM, -EOPNOTSUPP (no BTF, lockdown), … */
int collect_new(struct collect **ret_collect, const struct collect_options *o, struct profile *p,
		struct diag *d);
int collect_start(struct collect *c, struct diag *d);
/* Waits up to timeout_ms for something to do and does it. 1 = every target is gone, 0, or -errno. */
int collect_poll(struct collect *c, int timeout_ms, struct diag *d);
/* Turns readable when collect_poll has something to do before its next deadline (at most a second
 * away), so that a caller can wait for signals and for it at once: poll(), then collect_poll(c, 0). */
int collect_fd(const struct collect *c);
int collect_stop(struct collect *c, struct diag *d);
void collect_free(struct collect *c); /* NULL is fine; a command that never started is killed */

/* Asks the kernel for the names of its functions that these addresses lie in (not behind: return
 * addresses are lowered), "function" or "function [module]"; named() is called for each that has one.
 * Much faster than reading /proc/kallsyms, unless there are tens of thousands. While c lives, and with
 * its programs those that they called. 0, or negative errno: this kernel does not tell. */
typedef void (*collect_named_fn)(void *to, size_t index, const char *name);
int collect_kernel_names(struct collect *c, const uint64_t *addresses, size_t n,
			 collect_named_fn named, void *to);

/* For the progress line. */
uint64_t collect_samples(const struct collect *c);
/* The command's process, 0 = there is none. */
pid_t collect_command_pid(const struct collect *c);
/* Why the command could not be executed: an errno, 0 = it could, or nobody tried. */
int collect_command_error(const struct collect *c);
/* The command's wait status once it is gone; -ECHILD before, or when there is none. */
int collect_command_status(const struct collect *c, int *ret_status);

/* What this host allows, for `tprof check`: one row a question, filled in order. */
struct collect_check {
	const char *what;  /* static: "BTF of the running kernel" */
	bool ok, required; /* required: record cannot work without it */
	char found[128];   /* "6.18.44, 5.3 MB" */
	char remedy[256];  /* for a no: what to do */
};

/* Fills at most max rows, returns how many. Loads and attaches the real programs for a moment. */
size_t collect_check(struct collect_check *rows, size_t max);

#endif
