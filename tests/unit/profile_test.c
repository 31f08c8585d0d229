/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TEST(profile_of__is_read_back_as_folded)
{
	struct profile *p = profile_of("main;_start;main;read 3\n"
				       "main;_start;main;read 4\n"
				       "main;[truncated];work;helper_[i];do_syscall_64_[k] 2\n"
				       "java-7;run_[j];[libc.so.6+0x1234] 1\n");

	EXPECT_STR(folded(p), "java;run_[j];[libc.so.6+0x1234] 1\n"
			      "main;[truncated];work;helper_[i];do_syscall_64_[k] 2\n"
			      "main;_start;main;read 7\n");
	EXPECT_STR(folded_kind(p, PROFILE_CPU, true),
		   "java-7;run_[j];[libc.so.6+0x1234] 1\n"
		   "main-100;[truncated];work;helper_[i];do_syscall_64_[k] 2\n"
		   "main-100;_start;main;read 7\n");
	profile_free(p);
}

TEST(profile_drop_inlined__keeps_real_functions)
{
	struct profile *p = profile_of("main;_start;work;helper_[i];deep_[i];read 3\n"
				       "main;_start;work;read 4\n");

	profile_drop_inlined(p);
	EXPECT_STR(folded(p), "main;_start;work;read 7\n");
	profile_free(p);
}

TEST(profile_show_lines__tells_places_where_they_are_known)
{
	struct profile *p = profile_of("main;_start;read 3\n");
	const struct profile_line at = { .function = profile_string(p, "read"),
					 .file = profile_string(p, "/src/io.c"),
					 .line = 17 };

	for (uint32_t id = 1; profile_frame_at(p, id); id++) {
		const struct profile_frame *f = profile_frame_at(p, id);

		if (profile_line_at(p, f->first_line)->function == at.function)
			profile_frame_name(p, id, &at, 1);
	}
	EXPECT_STR(folded(p), "main;_start;read 3\n");
	profile_show_lines(p);
	EXPECT_STR(folded(p), "main;_start;read (io.c:17) 3\n");
	profile_free(p);
}

/* ── strings ────────────────────────────────────────────────────────────────────────────────── */

TEST(profile_string__gives_equal_texts_equal_ids)
{
	struct profile *p = profile_new();
	uint32_t a = profile_string(p, "abc"), empty = profile_string(p, "");

	EXPECT_EQ(profile_string_n(p, "abcdef", 3), a);
	EXPECT_NE(profile_string(p, "ab"), a);
	EXPECT_NE(empty, 0);
	EXPECT_EQ(profile_string_n(p, "abc\0def", 7), a);
	EXPECT_EQ(profile_string(p, NULL), 0);
	EXPECT_STR(profile_str(p, a), "abc");
	EXPECT_STR(profile_str(p, 0), "");
	EXPECT_STR(profile_str(p, 99999), "");
	EXPECT_EQ(profile_string_count(p), 3);
	profile_free(p);
}

TEST(profile_at__is_null_where_there_is_nothing)
{
	struct profile *p = profile_of("main;f 1\n");

	EXPECT_NULL(profile_thread_at(p, 0));
	EXPECT_NULL(profile_thread_at(p, 2));
	EXPECT_NULL(profile_process_at(p, UINT32_MAX));
	EXPECT_NULL(profile_module_at(p, 0));
	EXPECT_NULL(profile_frame_at(p, 0));
	EXPECT_NULL(profile_stack_at(p, 0));
	EXPECT_NULL(profile_window_at(p, 0));
	EXPECT_NULL(profile_lock_at(p, 1));
	profile_free(p);
}

/* ── modules ────────────────────────────────────────────────────────────────────────────────── */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

TEST(profile_module__owns_descriptors_and_keeps_the_first)
{
	struct profile *p = profile_new();
	struct profile_module m = { .name = profile_string(p, "/bin/x"),
				    .type = PROFILE_MODULE_FILE,
				    .fd = -1,
				    .root_fd = -1 };
	int first = open("/dev/null", O_RDONLY), second = open("/dev/null", O_RDONLY);
	int root = open("/", O_PATH);
	uint32_t id = profile_module(p, &m);

	m.fd = first;
	EXPECT_EQ(profile_module(p, &m), id);
	EXPECT_EQ(profile_module_at(p, id)->fd, first);
	m.fd = second;
	m.root_fd = root;
	EXPECT_EQ(profile_module(p, &m), id);
	EXPECT_EQ(profile_module_at(p, id)->fd, first);
	EXPECT(!is_open(second));
	profile_free(p);
	EXPECT(!is_open(first));
	EXPECT(!is_open(root));
}

TEST(profile_module__tells_files_of_one_name_apart)
{
	struct profile *p = profile_new();
	struct profile_module m = { .name = profile_string(p, "/bin/x"),
				    .type = PROFILE_MODULE_FILE,
				    .dev = 1,
				    .inode = 2,
				    .fd = -1,
				    .root_fd = -1 };
	uint32_t id = profile_module(p, &m);

	m.inode = 3;
	EXPECT_NE(profile_module(p, &m), id);
	m.inode = 2;
	m.build_id = profile_string(p, "abcd");
	EXPECT_NE(profile_module(p, &m), id);
	profile_free(p);
}

TEST(profile_module__closes_descriptors_when_out_of_memory)
{
	struct profile *p = profile_new();
	struct profile_module m = { .type = PROFILE_MODULE_FILE, .root_fd = -1 };

	m.fd = open("/dev/null", O_RDONLY);
	fail_allocation(0);
	EXPECT_EQ(profile_module(p, &m), 0);
	fail_allocation(-1);
	EXPECT(!is_open(m.fd));
	EXPECT_EQ(profile_error(p), -ENOMEM);
	profile_free(p);
}

/* ── frames and stacks ──────────────────────────────────────────────────────────────────────── */

TEST(profile_frame_name__replaces_names)
{
	struct profile *p = profile_of("main;old 1\n");
	struct profile_line lines[3] = {
		{ .function = profile_string(p, "inner"), .inlined = true },
		{ .function = profile_string(p, "mid"), .inlined = true },
		{ .function = profile_string(p, "outer") },
	};
	size_t n;

	EXPECT_STR(folded(p), "main;old 1\n");
	profile_frame_name(p, 1, lines, 3);
	EXPECT_STR(folded(p), "main;outer;mid_[i];inner_[i] 1\n");
	profile_frame_name(p, 1, lines + 2, 1);
	EXPECT_STR(folded(p), "main;outer 1\n");
	profile_lines(p, &n);
	EXPECT_EQ(n, 4); /* the place is used again */
	profile_frame_name(p, 1, NULL, 0);
	EXPECT_STR(folded(p), "main;[prog+0x4] 1\n");
	profile_frame_name(p, 99, lines, 1); /* no such frame: nothing */
	profile_free(p);
}

TEST(profile_labels__write_places_without_names)
{
	struct profile *p = profile_of("main;a_[k];b_[j] 1\n");

	profile_frame_name(p, 1, NULL, 0);
	profile_frame_name(p, 2, NULL, 0);
	EXPECT_CONTAINS(folded(p), "main;[kernel]_[k];[jit+0x");
	profile_free(p);
}

TEST(profile_stack__has_an_end_of_its_own)
{
	struct profile *p = profile_of("");
	uint32_t whole = stack_of(p, "a;b"), cut = stack_of(p, "[truncated];a;b");
	uint32_t none = profile_stack(p, NULL, 0, PROFILE_END_LOST);

	EXPECT_NE(whole, cut);
	EXPECT_EQ(stack_of(p, "a;b"), whole);
	EXPECT_NE(stack_of(p, "b"), whole);
	EXPECT(profile_stack_complete(p, whole));
	EXPECT(!profile_stack_complete(p, cut));
	EXPECT(!profile_stack_complete(p, 0));
	EXPECT(!profile_stack_complete(p, 12345));
	EXPECT_EQ(profile_stack(p, NULL, 0, PROFILE_END_LOST), none);
	EXPECT_STR(profile_stack_end_name(PROFILE_END_NO_RULE), "no_rule");
	EXPECT_STR(profile_stack_end_name((enum profile_stack_end)77), "unknown");
	profile_free(p);
}

/* The creator of a thread stands in clone3 as well: there it is the leaf, and no root. */
TEST(profile_complete_by_name__wants_clone_to_have_called_something)
{
	struct profile *p = profile_of("main;[truncated];clone3 1\n"
				       "main;[truncated];clone3;do_syscall_64_[k] 1\n"
				       "main;[truncated];clone3;start_thread 1\n");

	EXPECT_EQ(profile_complete_by_name(p), 1);
	profile_free(p);
}

TEST(profile_complete_by_name__looks_at_the_outermost_function_only)
{
	struct profile *p = profile_of("main;[truncated];_start;main 1\n"
				       "main;[truncated];__libc_start_main_impl;main 1\n"
				       "main;[truncated];clone3;start_thread;work 1\n"
				       "main;[truncated];runtime.goexit.abi0;main.main 1\n"
				       "main;[truncated];work;_start 1\n"
				       "main;[truncated];_start_workers;work 1\n"
				       "main;[truncated];[ld.so+0x1] 1\n");

	EXPECT_EQ(profile_complete_by_name(p), 4);
	EXPECT_EQ(profile_complete_by_name(p), 0);
	EXPECT_STR(folded(p), "main;[truncated];[ld.so+0x1] 1\n"
			      "main;[truncated];_start_workers;work 1\n"
			      "main;[truncated];work;_start 1\n"
			      "main;__libc_start_main_impl;main 1\n"
			      "main;_start;main 1\n"
			      "main;clone3;start_thread;work 1\n"
			      "main;runtime.goexit.abi0;main.main 1\n");
	profile_free(p);
}

/* ── processes, threads, groups ─────────────────────────────────────────────────────────────── */

TEST(profile_thread__tells_reused_numbers_apart)
{
	struct profile *p = profile_new();
	uint32_t process = profile_process(p, 7, 100);
	uint32_t first = profile_thread(p, process, 8, 1000), second;

	second = profile_thread(p, process, 8, 2000);
	EXPECT_NE(first, second);
	EXPECT_EQ(profile_thread(p, process, 8, 1000), first);
	EXPECT_EQ(profile_thread(p, process, 8, 0), second); /* the latest */
	EXPECT_NE(profile_thread(p, profile_process(p, 9, 1), 8, 1000), first);
	EXPECT_NE(profile_process(p, 7, 200), process);
	EXPECT_EQ(profile_process_at(p, profile_process(p, 7, 0))->start_ns, 200);
	profile_free(p);
}

TEST(profile_process__takes_the_first_start_that_becomes_known)
{
	struct profile *p = profile_new();
	uint32_t id = profile_process(p, 7, 0);

	EXPECT_EQ(profile_process(p, 7, 0), id);
	EXPECT_EQ(profile_process(p, 7, 500), id);
	EXPECT_EQ(profile_process_at(p, id)->start_ns, 500);
	EXPECT_NE(profile_process(p, 7, 600), id);
	profile_free(p);
}

TEST(profile_group_name__takes_the_running_number_out)
{
	static const struct {
		const char *comm, *group;
	} rows[] = {
		{ "SimpleAsyncTask-17", "SimpleAsyncTask-*" },
		{ "SimpleAsyncTask", "SimpleAsyncTask" }, /* cut by the kernel */
		{ "pool-1-thread-1", "pool-*-thread-*" },
		{ "pool-10-thread-", "pool-*-thread-*" }, /* cut before its number */
		{ "http-nio-8080-e", "http-nio-*-e" },
		{ "tokio-runtime-w", "tokio-runtime-w" },
		{ "kworker/0:1", "kworker/*:*" },
		{ "kworker/u8:2-ev", "kworker/u8:*-ev" },
		{ "G1 Conc#0", "G1 Conc#*" },
		{ "C2 CompilerThre", "C2 CompilerThre" },
		{ "GC Thread#12", "GC Thread#*" },
		{ "Thread-9", "Thread-*" },
		{ "worker12", "worker*" },
		{ "w3", "w*" },
		{ "7zip", "7zip" },
		{ "123", "123" },
		{ "", "" },
		{ "abc-", "abc-" },
		{ "\x1b\xff#4", "\x1b\xff#*" },
	};
	struct profile *p = profile_new();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		EXPECT_STR(profile_str(p, profile_group_name(p, rows[i].comm)), rows[i].group);
	profile_free(p);
}

TEST(profile_group_name__bounds_long_names)
{
	struct profile *p = profile_new();
	char comm[2000];

	memset(comm, 'x', sizeof(comm) - 1);
	comm[sizeof(comm) - 1] = '\0';
	EXPECT_EQ(strlen(profile_str(p, profile_group_name(p, comm))), 254);
	memset(comm, '1', sizeof(comm) - 1);
	EXPECT_EQ(strlen(profile_str(p, profile_group_name(p, comm))), 254);
	profile_free(p);
}

/* ── rows and windows ───────────────────────────────────────────────────────────────────────── */

TEST(profile_add__sums_rows_of_one_key)
{
	struct profile *p = profile_new();
	size_t n;

	profile_add(p, 1, 2, PROFILE_LOCK, 3, 1, 1500);
	profile_add(p, 1, 2, PROFILE_LOCK, 3, 2, 700);
	profile_add(p, 1, 2, PROFILE_OFFCPU, 3, 1, 1);
	const struct profile_row *rows = profile_rows(p, &n);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(rows[0].count, 3);
	EXPECT_EQ(rows[0].value, 2200);
	EXPECT_EQ(profile_row_weight(&rows[0]), 2); /* µs */
	EXPECT_EQ(profile_row_weight(&rows[1]), 0);
	profile_free(p);
}

TEST(profile_kinds__have_names)
{
	enum profile_kind kind = PROFILE_CPU;

	for (unsigned k = 1; k < PROFILE_KIND_COUNT; k++) {
		EXPECT_EQ(
			profile_kind_by_name(profile_kind_info((enum profile_kind)k)->name, &kind),
			0);
		EXPECT_EQ(kind, k);
	}
	EXPECT_EQ(profile_kind_by_name("all", &kind), -EINVAL);
	EXPECT_EQ(kind, PROFILE_KIND_COUNT - 1); /* untouched */
	EXPECT_NULL(profile_kind_info((enum profile_kind)0));
	EXPECT_NULL(profile_kind_info((enum profile_kind) - 1));
}

/* Seven windows in disorder, a row of 1 << i in each. */
static struct profile *seven_windows(void)
{
	static const uint64_t order[] = { 3, 0, 1, 2, 6, 5, 4 };
	struct profile *p = profile_of("");
	uint32_t thread = thread_of(p, "main", 1), stack = stack_of(p, "f");

	for (size_t i = 0; i < 7; i++)
		profile_add(p, profile_window(p, order[i] * 10, order[i] * 10 + 10), thread,
			    PROFILE_CPU, stack, 1ULL << order[i], 0);
	return p;
}

TEST(profile_merge_windows__joins_neighbours_in_time)
{
	static const uint64_t sums[] = { 1 + 2, 4 + 8, 16 + 32, 64 };
	struct profile *p = seven_windows();
	size_t n;

	profile_merge_windows(p, 4);
	const struct profile_window *w = profile_windows(p, &n);
	EXPECT_EQ(n, 4);
	EXPECT_EQ(w[0].start_ns, 0);
	EXPECT_EQ(w[0].end_ns, 20);
	EXPECT_EQ(w[3].start_ns, 60);
	EXPECT_EQ(w[3].end_ns, 70);
	const struct profile_row *rows = profile_rows(p, &n);
	EXPECT_EQ(n, 4);
	for (size_t i = 0; i < n; i++)
		EXPECT_EQ(rows[i].count, sums[rows[i].window - 1]);
	EXPECT_STR(folded(p), "main;f 127\n");
	profile_merge_windows(p, 1);
	profile_windows(p, &n);
	EXPECT_EQ(n, 1);
	EXPECT_STR(folded(p), "main;f 127\n");
	profile_merge_windows(p, 0); /* makes no sense: nothing */
	EXPECT_EQ(profile_error(p), 0);
	profile_free(p);
}

TEST(profile_merge_windows__loses_nothing_when_out_of_memory)
{
	int err = -ENOMEM;

	for (long site = 0; err; site++) {
		struct profile *p = seven_windows();
		const struct profile_row *rows;
		uint64_t sum = 0;
		size_t n;

		fail_allocation(site);
		profile_merge_windows(p, 4);
		fail_allocation(-1);
		err = profile_error(p);
		profile_windows(p, &n);
		EXPECT_EQ(n, err ? 7 : 4);
		rows = profile_rows(p, &n);
		for (size_t i = 0; i < n; i++)
			sum += rows[i].count;
		EXPECT_EQ(sum, 127);
		profile_free(p);
	}
}

/* ── locks, churn, losses, notes ────────────────────────────────────────────────────────────── */

TEST(profile_locks__sum_who_stood_there)
{
	struct profile *p = profile_new();
	uint32_t lock = profile_lock(p, 1, 0xdead0);
	size_t n;

	EXPECT_EQ(profile_lock(p, 1, 0xdead0), lock);
	EXPECT_NE(profile_lock(p, 2, 0xdead0), lock);
	profile_lock_at(p, lock)->waits = 5;
	profile_lock_add(p, lock, PROFILE_WAITER, 1, 2, 1, 10);
	profile_lock_add(p, lock, PROFILE_WAITER, 1, 2, 1, 10);
	profile_lock_add(p, lock, PROFILE_OWNER, 1, 0, 1, 0);
	const struct profile_lock_row *rows = profile_lock_rows(p, &n);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(rows[0].count, 2);
	EXPECT_EQ(rows[0].ns, 20);
	EXPECT_STR(profile_lock_type_name(PROFILE_LOCK_PARK), "park");
	EXPECT_STR(profile_lock_type_name((enum profile_lock_type)99), "other");
	profile_free(p);
}

/* Two stacks of one thread, 3 to 1 in the sample; the thread waited 50 times, 10 s in all. */
TEST(profile_calibrate__fits_stacks_to_what_is_exact)
{
	struct profile *p = profile_new();
	uint32_t thread = profile_thread(p, profile_process(p, 1, 1), 1, 1), lock;
	struct profile_thread *t = profile_thread_at(p, thread);
	const struct profile_lock_row *rows;
	size_t n;

	t->comm = profile_string(p, "w");
	t->futex_waits = 50;
	t->futex_wait_ns = 10000000000;
	profile_block_add(p, thread, profile_string(p, "futex"), 50, 10000000000);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t frame = profile_frame(p, 0, 0x1000 + i);
		uint32_t stack = profile_stack(p, &frame, 1, PROFILE_END_ROOT);

		lock = profile_lock(p, profile_process(p, 1, 1), 0x5000);
		profile_add(p, profile_window(p, 0, 1000), thread, PROFILE_OFFCPU, stack,
			    i ? 8 : 24, i ? 1000000000 : 3000000000);
		profile_add(p, profile_window(p, 0, 1000), thread, PROFILE_LOCK, stack, i ? 8 : 24,
			    i ? 1000000000 : 3000000000);
		profile_lock_add(p, lock, PROFILE_WAITER, thread, stack, i ? 8 : 24,
				 i ? 1000000000 : 3000000000);
		profile_lock_add(p, lock, PROFILE_WAKER, thread, stack, 7, 7);
	}
	EXPECT_EQ(profile_calibrate(p), 0);
	for (size_t i = 0; i < 4; i++) {
		const struct profile_row *r = &profile_rows(p, &n)[i];

		EXPECT_EQ(r->count, i < 2 ? 37 : 12);
		EXPECT_EQ(r->value, i < 2 ? 7500000000 : 2500000000);
	}
	rows = profile_lock_rows(p, &n);
	EXPECT_EQ(rows[0].count, 37);
	EXPECT_EQ(rows[0].ns, 7500000000);
	EXPECT_EQ(rows[1].count, 7); /* wakers stay as they are */
	EXPECT_EQ(rows[2].ns, 2500000000);
	profile_free(p);
}

TEST(profile_lifetimes__are_exact_to_a_64th)
{
	for (uint64_t ns = 0; ns < UINT64_MAX / 3; ns = ns * 3 + 1) {
		struct profile *p = profile_new();
		size_t n;

		profile_lifetime_add(p, 1, ns, 1);
		const struct profile_lifetime *l = profile_lifetimes(p, &n);
		EXPECT_EQ(n, 1);
		EXPECT(l->ns >= ns ? l->ns - ns <= ns / 64 : ns - l->ns <= ns / 64);
		profile_free(p);
	}
}

TEST(profile_churn__sums_by_key)
{
	struct profile *p = profile_new();
	size_t n;

	profile_spawn_add(p, 1, 2, 3, 4, 5);
	profile_spawn_add(p, 1, 2, 3, 1, 1);
	profile_churn_add(p, 1, 0, 2, 1);
	profile_churn_add(p, 1, 0, 1, 1);
	profile_churn_add(p, 1, 1, 1, 1);
	profile_block_add(p, 1, profile_string(p, "futex"), 1, 7);
	profile_block_add(p, 1, profile_string(p, "futex"), 1, 7);
	EXPECT_EQ(profile_spawns(p, &n)->created, 5);
	EXPECT_EQ(n, 1);
	EXPECT_EQ(profile_churn(p, &n)->created, 3);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(profile_blocks(p, &n)->ns, 14);
	EXPECT_EQ(n, 1);
	profile_free(p);
}

TEST(profile_losses__show_zeros_and_add_up)
{
	struct profile *p = profile_new();
	size_t n;

	profile_loss_add(p, "samples", 0);
	profile_loss_add(p, "events", 3);
	profile_loss_add(p, "events", 4);
	EXPECT_EQ(profile_loss(p, "samples"), 0);
	EXPECT_EQ(profile_loss(p, "events"), 7);
	EXPECT_EQ(profile_loss(p, "unheard of"), 0);
	profile_losses(p, &n);
	EXPECT_EQ(n, 2);
	profile_note(p, "once");
	profile_note(p, "once");
	EXPECT_STR(profile_str(p, *profile_notes(p, &n)), "once");
	EXPECT_EQ(n, 1);
	profile_free(p);
}

/* ── out of memory ──────────────────────────────────────────────────────────────────────────── */

/* Does something of everything; every verb must live with a profile that could not grow. */
static void build_all(void *ctx, bool will_fail)
{
	struct profile *p = profile_new();
	uint32_t process, thread, frames[40];

	(void)ctx;
	if (!p) {
		EXPECT(will_fail);
		return;
	}
	process = profile_process(p, 1, 1);
	thread = profile_thread(p, process, 2, 1);
	for (uint32_t i = 0; i < 40; i++) {
		char name[32];
		uint32_t module =
			profile_module(p, &(struct profile_module){ .name = profile_string(p, "m"),
								    .inode = i,
								    .type = PROFILE_MODULE_FILE,
								    .fd = -1,
								    .root_fd = -1 });

		snprintf(name, sizeof(name), "f%u", i);
		frames[i] = profile_frame(p, module, i);
		profile_frame_name(p, frames[i],
				   &(struct profile_line){ .function = profile_string(p, name) },
				   1);
		profile_add(p, profile_window(p, i, i + 1), thread, PROFILE_CPU,
			    profile_stack(p, frames, i, PROFILE_END_ROOT), 1, 1);
		profile_lock_add(p, profile_lock(p, process, i), PROFILE_WAITER, thread, i, 1, 1);
		profile_spawn_add(p, process, profile_group_name(p, name), i, 1, 1);
		profile_lifetime_add(p, process, i, 1);
		profile_churn_add(p, process, i, 1, 1);
		profile_block_add(p, thread, profile_string(p, name), 1, 1);
		profile_loss_add(p, name, 1);
		profile_note(p, name);
	}
	profile_complete_by_name(p);
	profile_merge_windows(p, 5);
	EXPECT_EQ(profile_error(p), allocation_failed() ? -ENOMEM : 0);
	profile_free(p);
}

TEST(profile__survives_a_failure_at_every_allocation)
{
	EXPECT(fail_each_allocation(build_all, NULL) > 40);
}
