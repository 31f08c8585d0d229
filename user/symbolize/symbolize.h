/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYMBOLIZE_H
#define TPROF_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profile;
struct diag;

/*
 * Names the frames of a profile in place. A chain of resolvers, the first that knows wins: kernel
 * (/proc/kallsyms), ELF symbols (own, .gnu_debugdata, separate debug file), vdso, perf maps.
 */
struct symbolize_options {
	bool kernel_named; /* symbolize_kernel() was here: leave the kernel's frames */
	bool inlines;	   /* expand inlined calls from DWARF */
	bool lines;	   /* file:line from DWARF */
	bool debuginfod;   /* fetch missing debug files from the servers in $DEBUGINFOD_URLS */
	/* Asked between modules: true = the user wants out (a second Ctrl-C); the rest stays unnamed. */
	bool (*cancelled)(void *ctx);
	/* Told how far it is, may be NULL. */
	void (*progress)(void *ctx, size_t done, size_t of);
	void *ctx;
};

/* 0, -ECANCELED (what was named stays), or -ENOMEM. A file that cannot be read is no error: its
 * frames stay unnamed and a note in the profile says so. */
int symbolize(struct profile *p, const struct symbolize_options *o, struct diag *d);

/* The same in a child process that has no privilege, may open nothing (this process opens for it) and
 * has few system calls left: files are the targets', and may be made to break who reads them. A child
 * that ends costs the names of the file that it was at; a note says so. */
int symbolize_apart(struct profile *p, const struct symbolize_options *o, struct diag *d);

/*
 * Who can be asked for the functions of the kernel at some addresses, before all of /proc/kallsyms is read.
 * ask: calls named() for each that has a name, "function" or "function [module]"; 0 or negative errno.
 */
typedef void (*symbolize_named_fn)(void *to, size_t index, const char *name);
struct symbolize_kernel {
	int (*ask)(void *ctx, const uint64_t *addresses, size_t n, symbolize_named_fn named,
		   void *to);
	void *ctx;
};

/* Names the kernel's frames only. For the time when a recording's own BPF programs are still loaded:
 * they are in samples, and in the kernel's list of symbols as long as they live. */
int symbolize_kernel(struct profile *p, const struct symbolize_kernel *from, struct diag *d);

#endif
