// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "profile/finding.h"
#include "profile/summary.h"
#include "render/render.h"
#include "render/stacktext.h"
#include "test.h"

#define S 1000000000ULL

/* A server of two workers that fight for a lock and a parent that makes short-lived threads. */
static struct profile *server(void)
{
	struct profile *p = profile_of("worker-1-11;main;work;parse 30\n"
				       "worker-1-11;main;work;parse;libc.so.6!memcpy 10\n"
				       "worker-2-12;main;work;libc.so.6!memcpy 20\n"
				       "worker-2-12;main;do_syscall_64_[k] 40\n");
	struct profile_info *info = profile_info(p);
	struct profile_process *process = profile_process_at(p, 1);
	uint32_t one = thread_of(p, "worker-1", 11), two = thread_of(p, "worker-2", 12);
	uint32_t lock;

	info->duration_ns = 10 * S;
	info->start_realtime_ns = 1764000000 * S + 123000000;
	info->hz = 99;
	info->cpus = 2;
	info->event = profile_string(p, "cpu-clock");
	info->kernel = profile_string(p, "6.18.0");
	info->tprof_version = profile_string(p, "0.1.0");
	info->target = profile_string(p, "-p 100");
	info->waits = info->threads_traced = true;
	info->live_at_start = 3;
	info->live_at_end = 4;
	process->comm = profile_string(p, "server");
	process->cmdline = profile_string(p, "./server --fast");
	profile_thread_at(p, one)->cpu_exact = true;
	profile_thread_at(p, one)->cpu_ns = 3 * S;
	profile_thread_at(p, one)->offcpu_ns = 7 * S;
	profile_thread_at(p, one)->voluntary_switches = 70;
	profile_thread_at(p, two)->involuntary_switches = 30;
	profile_thread_at(p, two)->cpu_exact = true;
	profile_thread_at(p, two)->cpu_ns = 5 * S;
	profile_thread_at(p, two)->runq_ns = S / 2;
	profile_block_add(p, one, profile_string(p, "futex"), 60, 6 * S);
	profile_block_add(p, one, profile_string(p, "read"), 10, S);
	lock = profile_lock(p, 1, 0xbeef0);
	*profile_lock_at(p, lock) = (struct profile_lock){ .process = 1,
							   .address = 0xbeef0,
							   .type = PROFILE_LOCK_MUTEX,
							   .name = profile_string(p, "queue_lock"),
							   .waits = 60,
							   .wait_ns = 6 * S,
							   .max_wait_ns = S };
	profile_lock_add(p, lock, PROFILE_WAITER, one,
			 stack_of(p, "main;work;push;libc.so.6!pthread_mutex_lock"), 50, 5 * S);
	profile_lock_add(p, lock, PROFILE_WAITER, two, stack_of(p, "main;pop"), 10, S);
	profile_lock_add(p, lock, PROFILE_OWNER, two, 0, 55, 0);
	profile_lock_add(p, lock, PROFILE_WAKER, two, stack_of(p, "main;pop;unlock"), 50, 0);
	lock = profile_lock(p, 1, 0xcafe0);
	profile_lock_at(p, lock)->type = PROFILE_LOCK_CONDVAR;
	profile_lock_at(p, lock)->waits = 4;
	profile_lock_at(p, lock)->wait_ns = 30 * S;
	profile_spawn_add(p, 1, profile_string(p, "task-*"), stack_of(p, "main;serve;spawn"), 400,
			  399);
	profile_spawn_add(p, 1, profile_string(p, "task-*"), stack_of(p, "main;retry;spawn"), 100,
			  100);
	profile_churn_add(p, 1, 0, 500, 499);
	profile_lifetime_add(p, 1, 1000000, 489);
	profile_lifetime_add(p, 1, 8000000, 10);
	profile_loss_add(p, "samples", 0);
	return p;
}

static struct finding lock_finding(struct profile *p)
{
	return (struct finding){
		.id = "lock-contention",
		.severity = FINDING_HIGH,
		.title = (char *)"queue_lock: 60 waits, 6.0 s",
		.advice = (char *)"Hold it for shorter.",
		.evidence = { { "waits", 60 }, { "share", 0.5 } },
		.evidence_count = 2,
		.stack = stack_of(p, "main;work;push"),
	};
}

static void render(const char *format, struct profile *p, unsigned width, struct buf *out)
{
	struct finding f = lock_finding(p);
	struct findings findings = { .list = &f, .count = 1 };
	struct render_input in = { .profile = p,
				   .findings = &findings,
				   .kind = PROFILE_CPU,
				   .width = width,
				   .file = "server-100.tprof" };

	EXPECT_EQ(renderer_by_format(format)->render(&in, out), 0);
}

/* Rendered; good until the next call. */
static const char *rendered(const char *format, struct profile *p, unsigned width)
{
	static struct buf out;

	buf_clear(&out);
	render(format, p, width, &out);
	return out.data;
}

TEST(report_text__says_the_worst_first)
{
	struct profile *p = server();
	const char *text = rendered("text", p, 80);
	const char *finding = strstr(text, "high    queue_lock: 60 waits, 6.0 s\n"), *threads;

	EXPECT_CONTAINS(text, "server (pid 100) · 10.0 s from ");
	EXPECT_PTR(finding);
	EXPECT_CONTAINS(text,
			"          at    push < work < main\n          Hold it for shorter.\n");
	EXPECT_CONTAINS(text, "CPU 80.0% of one CPU (host has 2): 8.00 s in 100 samples\n");
	threads = strstr(text, "   50.0%       12  worker-2                              "
			       "do_syscall_64\n"
			       "   30.0%       11  worker-1        futex 60%, read 10%   parse\n");
	EXPECT_PTR(threads);
	EXPECT(finding < threads);
	EXPECT_CONTAINS(text, "   30.0%   40.0%  parse      ");
	EXPECT_CONTAINS(text, "    6.00 s        60     1.00 s  mutex     queue_lock\n"
			      "            waits at  push < work < main\n"
			      "            held by   worker-2 (12)\n"
			      "            woken by  unlock < pop < main\n");
	EXPECT_CONTAINS(text, "       500       499  task-*\n"
			      "            made by   spawn < serve < main\n");
	EXPECT_CONTAINS(text, "Switches  70 voluntary, 30 involuntary (10.0/s); runnable without a "
			      "CPU for");
	EXPECT_CONTAINS(text, "\nNothing was lost.\n");
	EXPECT_CONTAINS(text, "\nNext: tprof flamegraph server-100.tprof\n");
	EXPECT_NULL(strchr(text, '\033'));
	profile_free(p);
}

static const char *short_stack(const char *text)
{
	static struct buf out;
	struct profile *p = profile_of("");

	buf_clear(&out);
	EXPECT_EQ(stacktext_short(p, stack_of(p, text), 4, &out), 0);
	profile_free(p);
	return out.data ? out.data : "";
}

TEST(stacktext__leaves_out_what_stands_in_every_stack)
{
	EXPECT_STR(short_stack("_start;libc.so.6!call_main;main;work;libc.so.6!write;sys_[k]"),
		   "work < main");
	EXPECT_STR(short_stack("main;visit;visit;visit;leaf"), "leaf < visit ×3 < main");
	EXPECT_STR(short_stack("a;b;c;d;e"), "e < d < c < b < …");
	EXPECT_STR(short_stack("/jre/libjvm.so!call;StubRoutines (1)_[j];Interpreter_[j];"
			       "Pool.run_[j];_new_array_Java_[j];/jre/libjvm.so!alloc;"
			       "libc.so.6!futex"),
		   "Pool.run_[j]");
	EXPECT_STR(short_stack("libc.so.6!clone3;/jre/libjvm.so!compile;libc.so.6!futex"),
		   "compile");
	EXPECT_STR(short_stack("libc.so.6!clone3;libc.so.6!futex"), "futex < clone3");
}

TEST(report_text__locks_that_are_held_before_those_that_idle)
{
	struct profile *p = server();
	const char *text = rendered("text", p, 80);

	EXPECT(strstr(text, "queue_lock\n            waits") < strstr(text, "condvar   0xcafe0"));
	profile_free(p);
}

static size_t widest_line(const char *text)
{
	size_t widest = 0;

	for (size_t columns = 0; *text; text++) {
		columns = *text == '\n' ? 0 : columns + ((*text & 0xc0) != 0x80);
		widest = columns > widest ? columns : widest;
	}
	return widest;
}

TEST(report_text__keeps_to_the_width)
{
	struct profile *p =
		profile_of("w-1;main;a_very_long_function_name_that_goes_on_and_on_"
			   "and_on_for_more_than_any_terminal_is_wide_today_or_was 5\n");

	profile_info(p)->duration_ns = S;
	profile_note(p, "a note with many words, so many that it does not fit into one line of a "
			"terminal, however wide that may be, and is broken into several lines");
	for (unsigned width = 80; width <= 200; width += 20)
		EXPECT(widest_line(rendered("text", p, width)) <= width);
	profile_free(p);
}

TEST(report_text__shows_hostile_names_escaped)
{
	struct profile *p = profile_of("w-1;main 5\n");

	profile_thread_at(p, 1)->comm = profile_string(p, "a\033[31mb\n");
	EXPECT_CONTAINS(rendered("text", p, 80), "a\\x1b[31mb\\x0a");
	EXPECT_NULL(strchr(rendered("text", p, 80), '\033'));
	profile_free(p);
}

TEST(report_text__without_samples_says_so)
{
	struct profile *p = profile_new();

	EXPECT_CONTAINS(rendered("text", p, 80), "No samples: the target did not run");
	profile_free(p);
}

TEST(report_text__losses_stand_out)
{
	struct profile *p = server();

	profile_loss_add(p, "map_full", 1234);
	EXPECT_CONTAINS(rendered("text", p, 80), "Lost: 1,234 map_full\n");
	profile_free(p);
}

TEST(report_json__has_every_key_when_nothing_was_recorded)
{
	static const char *const keys[] = {
		"\"format\": 1",
		"\"version\"",
		"\"host\"",
		"\"kernel\"",
		"\"cpus\"",
		"\"target\"",
		"\"pids\": []",
		"\"comm\"",
		"\"cmdline\"",
		"\"span\"",
		"\"start\"",
		"\"seconds\"",
		"\"hz\": 0",
		"\"samples\": 0",
		"\"percent\"",
		"\"cpu\"",
		"\"offcpu\"",
		"\"lock\"",
		"\"wake\"",
		"\"spawn\"",
		"\"runq\"",
		"\"map_full\": 0",
		"\"threads\": []",
		"\"functions\": []",
		"\"voluntary\": 0",
		"\"involuntary\": 0",
		"\"per_second\"",
		"\"offcpu_seconds\"",
		"\"runq_seconds\"",
		"\"created\": 0",
		"\"exited\": 0",
		"\"created_per_second\"",
		"\"live_at_start\": 0",
		"\"live_at_end\": 0",
		"\"p50\"",
		"\"p90\"",
		"\"p99\"",
		"\"max\"",
		"\"groups\": []",
		"\"locks\": []",
	};
	struct profile *p = profile_new();
	const char *text = rendered("json", p, 0);

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		EXPECT_CONTAINS(text, keys[i]);
	profile_free(p);
}

TEST(report_json__counts)
{
	struct profile *p = server();
	const char *text = rendered("json", p, 0);

	EXPECT_CONTAINS(text, "\"start\": \"2025-11-24T16:00:00.123Z\"");
	EXPECT_CONTAINS(text, "\"blocked_in\": {\n        \"futex\": 6.000000,\n        "
			      "\"read\": 1.000000\n      },\n      \"top_function\": \"parse\"");
	EXPECT_CONTAINS(text, "\"stack\": \"main;work;push;pthread_mutex_lock\",\n          "
			      "\"waits\": 50,\n          \"wait_seconds\": 5.000000");
	EXPECT_CONTAINS(text, "\"created_per_second\": 50.00");
	EXPECT_CONTAINS(text, "\"waits\": 60.000,\n        \"share\": 0.500");
	profile_free(p);
}

TEST(summary__percentiles_of_lifetimes)
{
	struct profile *p = profile_new();
	struct summary *s;

	for (unsigned ms = 1; ms <= 100; ms++)
		profile_lifetime_add(p, 0, ms * 1000000, 1);
	EXPECT_EQ(summary_new(&s, p), 0);
	EXPECT_NEAR(s->lifetime_p50_ns, 50e6, 1e6);
	EXPECT_NEAR(s->lifetime_p90_ns, 90e6, 2e6);
	EXPECT_NEAR(s->lifetime_p99_ns, 99e6, 2e6);
	EXPECT_NEAR(s->lifetime_max_ns, 100e6, 2e6);
	summary_free(s);
	profile_free(p);
}

TEST(summary__top_function_by_thread)
{
	struct profile *p = profile_of("a-1;main;x 3\na-1;main;y 5\nb-2;main;x 9\n");
	struct summary *s;

	EXPECT_EQ(summary_new(&s, p), 0);
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct summary_thread *t = &s->threads[i];

		EXPECT_STR(profile_str(p, t->top_function),
			   profile_thread_at(p, t->thread)->tid == 1 ? "y" : "x");
	}
	summary_free(s);
	profile_free(p);
}

static void summarize(void *ctx, bool will_fail)
{
	struct summary *s = NULL;
	int err = summary_new(&s, ctx);

	EXPECT_EQ(err != 0, will_fail && allocation_failed());
	summary_free(s);
}

TEST(summary__survives_failing_allocations)
{
	struct profile *p = server();

	summarize(p, false); /* now the profile keeps the labels, and only the summary allocates */
	EXPECT(fail_each_allocation(summarize, p) > 5);
	profile_free(p);
}
