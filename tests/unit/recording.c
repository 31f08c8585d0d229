/* SPDX-License-Identifier: BSD-2-Clause */
#include "recording.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "test.h"

char dir[64], path[128];

void enter(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%.40s/store.XXXXXX", tmp ? tmp : "/tmp");
	EXPECT_PTR(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.tprof", dir);
}

int count_files(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	EXPECT_PTR(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

void leave(void)
{
	EXPECT(count_files() <= 1); /* never a temporary file */
	unlink(path);
	EXPECT_EQ(rmdir(dir), 0);
}

struct profile *rich(void)
{
	struct profile *p = profile_of("main;_start;main;read_[k] 3\n"
				       "main;[truncated];work;helper_[i];deep_[i] 2\n"
				       "java-7;run_[j];[libc.so.6+0x1234] 1\n"
				       "bad\xff\x1b[31m;f<x>;\xf0\x28 1\n");
	uint32_t t = thread_of(p, "main", 0), o = 1, stack = stack_of(p, "_start;main;lock");
	uint32_t lock = profile_lock(p, o, 0xffffffffff600000), high;
	struct profile_thread *th = profile_thread_at(p, t);
	struct profile_process *pr = profile_process_at(p, o);
	struct profile_info *info = profile_info(p);

	profile_of_kind(p, PROFILE_LOCK, "main;_start;main;lock 77\n");
	profile_add(p, profile_window(p, 1000000000, 2000000000), t, PROFILE_SPAWN, 0, 5, 5);
	*th = (struct profile_thread){ .process = o,
				       .tid = th->tid,
				       .start_ns = 1,
				       .exit_ns = 9,
				       .created = true,
				       .cpu_exact = true,
				       .comm = th->comm,
				       .group = th->group,
				       .cpu_ns = 1ULL << 60,
				       .runq_ns = 2,
				       .offcpu_ns = 3,
				       .voluntary_switches = 4,
				       .involuntary_switches = 5,
				       .futex_waits = 6,
				       .futex_wait_ns = 7 };
	*pr = (struct profile_process){ .pid = 100,
					.start_ns = 1,
					.exit_ns = 8,
					.comm = pr->comm,
					.cmdline = profile_string(p, "prog --flag"),
					.exe = profile_string(p, "/bin/prog"),
					.cgroup = profile_string(p, "/a"),
					.container = profile_string(p, "c0ffee"),
					.group_of_exec = 2,
					.forked = true };
	profile_lock_at(p, lock)->type = PROFILE_LOCK_MUTEX;
	profile_lock_at(p, lock)->name = profile_string(p, "queue_lock in libfoo.so");
	profile_lock_at(p, lock)->waits = 11;
	profile_lock_at(p, lock)->wait_ns = 12;
	profile_lock_at(p, lock)->max_wait_ns = 13;
	profile_lock_at(p, lock)->timeouts = 14;
	profile_lock_at(p, lock)->histogram[31] = 15;
	profile_lock_add(p, lock, PROFILE_WAITER, t, stack, 16, 17);
	profile_lock_add(p, lock, PROFILE_OWNER, t, 0, 18, 19);
	profile_block_add(p, t, profile_string(p, "futex"), 20, 21);
	profile_spawn_add(p, o, profile_string(p, "pool-*"), stack, 22, 23);
	profile_lifetime_add(p, o, 1000000, 24);
	profile_churn_add(p, o, 3, 25, 26);
	profile_loss_add(p, "samples", 0);
	profile_loss_add(p, "events", 27);
	profile_note(p, "a remark");
	high = profile_frame(p, 1, UINT64_MAX);
	profile_stack(p, &high, 1, PROFILE_END_STUCK);
	profile_stack(p, NULL, 0, PROFILE_END_LOST);
	*info = (struct profile_info){ .tprof_version = profile_string(p, "0.1.0"),
				       .cpus = 2,
				       .host = profile_string(p, "h"),
				       .kernel = profile_string(p, "6.18"),
				       .arch = profile_string(p, "x86_64"),
				       .event = profile_string(p, "cpu-clock"),
				       .hz = 99,
				       .start_realtime_ns = 1,
				       .duration_ns = 2,
				       .target = profile_string(p, "-a"),
				       .system_wide = true,
				       .waits = true,
				       .threads_traced = true,
				       .live_at_start = 3,
				       .live_at_end = 4,
				       .stack_share_ppm = 1000000 };
	return p;
}

static int add_row(void *ctx, int n, char **values, char **names)
{
	(void)names;
	for (int i = 0; i < n; i++)
		buf_printf(ctx, "%s%s", i ? "|" : "", values[i] ? values[i] : "-");
	buf_addch(ctx, '\n');
	return 0;
}

const char *query(const char *sql)
{
	static struct buf b;
	sqlite3 *db;
	char *message = NULL;

	buf_clear(&b);
	buf_addstr(&b, "");
	EXPECT_EQ(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, add_row, &b, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	sqlite3_close(db);
	return b.data;
}
