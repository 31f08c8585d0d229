/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_RECORD_H
#define TPROF_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/options.h"
#include "profile/profile.h"

/* What record was asked for; the rows stand in record.c. */
struct record_options {
	struct id_list pids, tids;
	bool all, follow;
	const char *cgroup;
	char *const *command;
	uint32_t hz;
	uint64_t duration_ns; /* 0 = until Ctrl-C or the target's end */
	struct text_list outputs;
	const char *format; /* of "-o -" */
	enum profile_kind kind;
	bool quiet, json;
	bool no_waits, no_threads, no_cmdline;
	bool inlines, no_inlines, lines, no_jvm, debuginfod;
	uint64_t unwind_memory;
};

/* Records, names, writes, prints; → exit code. */
int record_session(const struct record_options *o, uint64_t start_hint_ns);

#endif
