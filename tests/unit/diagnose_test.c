/* SPDX-License-Identifier: BSD-2-Clause */
/* Each rule speaks about the profile that it is made for, and no rule about healthy ones. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "diagnose/diagnose.h"
#include "profile/finding.h"

enum { SECONDS = 10 };
#define NS 1000000000ull

/* ── profiles ───────────────────────────────────────────────────────────────────────────────── */

/* Ten seconds of process 100 on this many CPUs. */
static struct profile *machine(unsigned cpus)
{
	struct profile *p = profile_of("");

	profile_info(p)->duration_ns = SECONDS * NS;
	profile_info(p)->cpus = cpus;
	return p;
}

/* A thread with CPU time, all of it (99 samples a second) in this stack. */
static struct profile_thread *busy(struct profile *p, const char *comm, int32_t tid, double seconds,
				   const char *stack)
{
	uint32_t thread = thread_of(p, comm, tid);
	struct profile_thread *t = profile_thread_at(p, thread);

	t->cpu_exact = true;
	t->cpu_ns = (uint64_t)(seconds * 1e9);
	t->voluntary_switches = 100;
	if (seconds > 0)
		profile_add(p, profile_window(p, 0, SECONDS * NS), thread, PROFILE_CPU,
			    stack_of(p, stack), (uint64_t)(seconds * 99),
			    (uint64_t)(seconds * 1e9));
	return profile_thread_at(p, thread);
}

/* Threads comm-1 … that sleep on a futex each. */
static void idle_pool(struct profile *p, const char *comm, int32_t first, int n,
		      enum profile_lock_type type, const char *stack)
{
	for (int i = 0; i < n; i++) {
		uint32_t thread = thread_of(p, comm, first + i), s = stack_of(p, stack);
		uint32_t lock = profile_lock(p, 1, 0x1000 + 64 * (uint64_t)(first + i));

		profile_thread_at(p, thread)->futex_waits = 10;
		profile_lock_at(p, lock)->type = (uint8_t)type;
		profile_lock_at(p, lock)->waits = 10;
		profile_lock_at(p, lock)->wait_ns = SECONDS * NS;
		profile_lock_add(p, lock, PROFILE_WAITER, thread, s, 10, SECONDS * NS);
		profile_add(p, 1, thread, PROFILE_LOCK, s, 10, SECONDS * NS);
	}
}

/* A thread that waits at a lock: so often, so long in all. */
static void waits(struct profile *p, uint64_t address, enum profile_lock_type type,
		  const char *comm, int32_t tid, uint64_t count, double seconds, const char *stack)
{
	uint32_t lock = profile_lock(p, 1, address), thread = thread_of(p, comm, tid);
	struct profile_lock *l = profile_lock_at(p, lock);

	l->type = (uint8_t)type;
	l->waits += count;
	l->wait_ns += (uint64_t)(seconds * 1e9);
	l->max_wait_ns = 50000000;
	profile_thread_at(p, thread)->voluntary_switches += count;
	profile_thread_at(p, thread)->futex_waits += count;
	profile_lock_add(p, lock, PROFILE_WAITER, thread, stack_of(p, stack), count,
			 (uint64_t)(seconds * 1e9));
}

static void made(struct profile *p, const char *group, const char *stack, unsigned from,
		 unsigned to, uint64_t created, uint64_t exited)
{
	for (unsigned second = from; second < to; second++)
		profile_churn_add(p, 1, second, created, exited);
	profile_spawn_add(p, 1, profile_string(p, group), stack_of(p, stack), created * (to - from),
			  exited * (to - from));
	profile_lifetime_add(p, 1, 3000000, exited * (to - from));
}

/* "severity id: title" a line; the profile is freed. */
static const char *verdict_on(struct profile *p)
{
	static struct buf b;
	struct findings f;

	buf_clear(&b);
	buf_addstr(&b, "");
	EXPECT_EQ(diagnose(p, &f), 0);
	for (size_t i = 0; i < f.count; i++) {
		EXPECT(strlen(f.list[i].advice) > 20);
		EXPECT(f.list[i].evidence_count >= 3);
		buf_printf(&b, "%s %s: %s\n", finding_severity_name(f.list[i].severity),
			   f.list[i].id, f.list[i].title);
	}
	findings_release(&f);
	profile_free(p);
	return b.data;
}

/* ── the two incidents ──────────────────────────────────────────────────────────────────────── */

/* A server whose REGISTER handler walks an ever longer list in a module, while all others idle. */
TEST(incident__one_thread_walks_a_list_in_a_module)
{
	static const char idle[] = "clone3;start_thread;worker;libc.so.6!pthread_cond_wait";
	struct profile *p = machine(2);

	busy(p, "asterisk", 100, 0.1, "_start;main");
	busy(p, "asterisk", 101, 7.9,
	     "clone3;start_thread;/usr/lib/chan_sip.so!handle_request_register;"
	     "/usr/lib/chan_sip.so!find_peer");
	busy(p, "asterisk", 101, 9.8,
	     "clone3;start_thread;/usr/lib/chan_sip.so!handle_request_register;"
	     "/usr/lib/chan_sip.so!find_peer;/lib/libc.so.6!strcasecmp");
	idle_pool(p, "asterisk", 200, 40, PROFILE_LOCK_CONDVAR, idle);
	EXPECT_STR(
		verdict_on(p),
		"high hot-thread: Thread asterisk (tid 101) uses 98% of a CPU, 99% of what the "
		"process uses, 100% of that in find_peer (chan_sip.so), which calls strcasecmp\n"
		"low hot-function: 55% of the CPU time is spent in strcasecmp (libc.so.6), most of "
		"it called by find_peer (chan_sip.so)\n");
}

/* A thread per task, in Java: ever new numbers. */
TEST(incident__java_makes_a_thread_for_each_task)
{
	struct profile *p = machine(2);

	busy(p, "java", 100, 2, "_start;main");
	made(p, "SimpleAsyncTask",
	     "clone3;start_thread;void com.shop.Dispatcher.submit(Task)_[j];"
	     "void java.lang.Thread.start()_[j];/lib/libjvm.so!JVM_StartThread;"
	     "/lib/libc.so.6!pthread_create",
	     0, SECONDS, 310, 309);
	EXPECT_STR(
		verdict_on(p),
		"high thread-churn: 310 threads a second are created and thrown away (3100 in 10 s)"
		", most of them SimpleAsyncTask, created by void com.shop.Dispatcher.submit(Task) "
		"([jit])\n");
}

/* The same with a pool, but all log through one ReentrantLock: each parks on a word of its own. */
TEST(incident__java_pool_logs_through_one_lock)
{
	static const char logs[] =
		"clone3;start_thread;void com.shop.Task.run()_[j];"
		"void com.shop.Logger.log(String)_[j];"
		"void java.util.concurrent.locks.ReentrantLock.lock()_[j];"
		"java.util.concurrent.locks.AbstractQueuedSynchronizer.acquire_[j];"
		"void jdk.internal.misc.Unsafe.park(boolean,long)_[j];/lib/libjvm.so!Unsafe_Park;"
		"/lib/libc.so.6!pthread_cond_wait;futex_wait_[k]";
	struct profile *p = machine(2);

	for (int i = 0; i < 16; i++) {
		busy(p, "pool-1-thread", 300 + i, 0.5, "clone3;start_thread;run");
		waits(p, 0x9000 + 64 * (uint64_t)i, PROFILE_LOCK_PARK, "pool-1-thread", 300 + i,
		      3000, 9.0, logs);
	}
	EXPECT_STR(
		verdict_on(p),
		"high lock-contention: 16 threads (pool-*-thread) queue for one lock in void "
		"com.shop.Logger.log(String) ([jit]): 14.4 of them wait at any time, 4800 times a "
		"second\n"
		"medium switch-storm: 4960 context switches a second, 161 µs of CPU between two: "
		"97% of them wait for one lock in void com.shop.Logger.log(String) ([jit])\n"
		"medium hot-function: 100% of the CPU time is spent in run (prog)\n");
}

/* Java without frame pointers: nothing but the innermost Java function is known. */
static struct profile *parked(bool symmetric)
{
	static const char cut[] =
		"[truncated];"
		"java.util.concurrent.locks.AbstractQueuedSynchronizer.acquire_[j];"
		"jdk.internal.misc.Unsafe.park_[j];/lib/libjvm.so!Unsafe_Park;/lib/libjvm.so!Parker::park;"
		"/lib/libc.so.6!pthread_cond_wait";
	struct profile *p = machine(2);

	for (int i = 0; i < 16; i++) {
		uint64_t word = 0x9000 + 64 * (uint64_t)i;

		waits(p, word, PROFILE_LOCK_PARK, "pool-1-thread", 300 + i, 300, 9.0, cut);
		profile_lock_add(p, profile_lock(p, 1, word), PROFILE_WAKER,
				 thread_of(p, "x", symmetric ? 300 + (i + 1) % 16 : 999), 0, 300,
				 0);
	}
	return p;
}

TEST(incident__java_cut_stacks_tell_by_who_wakes_whom)
{
	EXPECT_STR(verdict_on(parked(true)),
		   "high lock-contention: 16 threads (pool-*-thread) queue for one lock in "
		   "java.util.concurrent.locks.AbstractQueuedSynchronizer.acquire ([jit]): 14.4 of "
		   "them wait at any time, 480 times a second; they hold it in turn\n");
	/* A latch, a semaphore: another thread lets them go on. */
	EXPECT_STR(verdict_on(parked(false)), "");
}

/* synchronized: each waits on a word of its own, which a JVM's monitor makes look like a mutex. */
TEST(incident__java_monitor_is_one_lock)
{
	struct profile *p = machine(2);

	for (int i = 0; i < 16; i++)
		waits(p, 0x9000 + 64 * (uint64_t)i, PROFILE_LOCK_MUTEX, "pool-1-thread", 300 + i,
		      90, 9.0,
		      "clone3;start_thread;/lib/libjvm.so!thread_entry;StubRoutines (1)_[j];"
		      "Interpreter_[j];T.logMon_[j];monitorenter_nofpu Runtime1 stub_[j];"
		      "/lib/libjvm.so!ObjectMonitor::enter;/lib/libjvm.so!ObjectMonitor::EnterI;"
		      "/lib/libc.so.6!pthread_cond_wait");
	EXPECT_STR(
		verdict_on(p),
		"high lock-contention: 16 threads (pool-*-thread) queue for one lock in T.logMon "
		"([jit]): 14.4 of them wait at any time, 144 times a second\n");
}

/* … and fixed: the pool waits for work. */
TEST(incident__java_fixed_is_healthy)
{
	static const char idle[] =
		"clone3;start_thread;void java.util.concurrent.ThreadPoolExecutor.getTask()_[j];"
		"java.util.concurrent.LinkedBlockingQueue.take_[j];"
		"java.util.concurrent.locks.AbstractQueuedSynchronizer$ConditionObject.await_[j];"
		"void jdk.internal.misc.Unsafe.park(boolean,long)_[j];/lib/libjvm.so!Unsafe_Park;"
		"/lib/libc.so.6!pthread_cond_wait";
	struct profile *p = machine(2);

	busy(p, "java", 100, 0.4, "_start;main");
	made(p, "pool-*-thread-*", "main;newThread", 0, 1, 16, 0);
	idle_pool(p, "pool-1-thread", 300, 16, PROFILE_LOCK_PARK, idle);
	EXPECT_STR(verdict_on(p), "");
}

/* ── locks ──────────────────────────────────────────────────────────────────────────────────── */

#define MUTEX_WAIT                                                                   \
	"clone3;start_thread;clerk;update_ledger;/lib/libc.so.6!pthread_mutex_lock;" \
	"/lib/libc.so.6!__lll_lock_wait"

static struct profile *ledger(unsigned clerks, double seconds_each, double cpu_each)
{
	struct profile *p = machine(2);
	uint32_t lock;

	for (unsigned i = 0; i < clerks; i++) {
		busy(p, "clerk", 200 + (int)i, cpu_each,
		     ((const char *[]){ "a", "b", "c", "d" })[i % 4]);
		waits(p, 0x5000, PROFILE_LOCK_MUTEX, "clerk", 200 + (int)i, 500, seconds_each,
		      MUTEX_WAIT);
	}
	lock = profile_lock(p, 1, 0x5000);
	profile_lock_at(p, lock)->name = profile_string(p, "ledger_lock in prog");
	profile_lock_add(p, lock, PROFILE_OWNER, thread_of(p, "clerk", 201), 0, 95, 0);
	profile_lock_add(p, lock, PROFILE_OWNER, thread_of(p, "clerk", 200), 0, 5, 0);
	return p;
}

TEST(lock_contention__names_lock_place_and_owner)
{
	EXPECT_STR(
		verdict_on(ledger(4, 7.5, 0.6)),
		"high lock-contention: 4 threads (clerk) queue for ledger_lock in prog in update_ledger "
		"(prog): 3.0 of them wait at any time, 200 times a second; held nearly always by "
		"clerk (tid 201)\n");
}

/* Where no owner is known, who gives the lock back is the one who had it. */
TEST(lock_contention__names_who_gives_it_back)
{
	struct profile *p = machine(2);
	uint32_t lock = profile_lock(p, 1, 0x5000);

	busy(p, "clerk", 200, 0.6, "clone3;start_thread;clerk");
	for (int i = 0; i < 4; i++)
		waits(p, 0x5000, PROFILE_LOCK_MUTEX, "clerk", 200 + i, 500, 7.5, MUTEX_WAIT);
	profile_lock_add(p, lock, PROFILE_WAKER, thread_of(p, "auditor", 300),
			 stack_of(p, "clone3;start_thread;audit;write_book;"
				     "/lib/libc.so.6!pthread_mutex_unlock"),
			 1900, 0);
	EXPECT_CONTAINS(verdict_on(p), "; given back by auditor in write_book (prog)\n");
}

TEST(lock_contention__shows_the_waiters_stack_and_numbers)
{
	struct profile *p = ledger(4, 7.5, 0.6);
	uint32_t stack = stack_of(p, MUTEX_WAIT);
	struct findings f;

	EXPECT_EQ(diagnose(p, &f), 0);
	EXPECT_EQ(f.count, 1);
	EXPECT_EQ(f.list[0].stack, stack);
	EXPECT_STR(f.list[0].evidence[3].key, "waiting_threads");
	EXPECT_NEAR(f.list[0].evidence[3].value, 3.0, 0.01);
	findings_release(&f);
	profile_free(p);
}

TEST(lock_contention__is_silent_about_a_little_of_it)
{
	/* 0.2 threads in line. */
	EXPECT_STR(verdict_on(ledger(4, 0.5, 0.6)), "");
	/* 0.4 in line, but much more time goes into work. */
	EXPECT_STR(verdict_on(ledger(4, 1.0, 5.5)), "");
	/* In between. */
	EXPECT_CONTAINS(verdict_on(ledger(4, 2.0, 0.6)), "medium lock-contention");
}

/* Leader and followers: all but one sleep at the accept mutex, and nothing is wrong. */
TEST(lock_contention__is_no_alarm_in_a_quiet_process)
{
	struct profile *p = machine(2);

	for (int i = 0; i < 8; i++)
		waits(p, 0x5000, PROFILE_LOCK_MUTEX, "apache", 200 + i, 2, 9.9, MUTEX_WAIT);
	EXPECT_CONTAINS(verdict_on(p), "medium lock-contention");
}

/* Nobody knows what this futex is; but those who wait are those who wake. */
static struct profile *nameless(bool symmetric)
{
	struct profile *p = machine(2);
	uint32_t lock;

	for (int i = 0; i < 4; i++) {
		busy(p, "w", 200 + i, 0.5, i % 2 ? "a" : "b");
		waits(p, 0x7000, PROFILE_LOCK_OTHER, "w", 200 + i, 800, 6.0,
		      "[prog+0x10];[prog+0x20]");
	}
	lock = profile_lock(p, 1, 0x7000);
	for (int i = 0; i < 4; i++)
		profile_lock_add(
			p, lock, PROFILE_WAKER,
			thread_of(p, symmetric ? "w" : "producer", symmetric ? 200 + i : 500), 0,
			800, 0);
	return p;
}

TEST(lock_contention__knows_a_nameless_lock_by_its_ways)
{
	EXPECT_CONTAINS(verdict_on(nameless(true)),
			"high lock-contention: 4 threads (w) queue for other "
			"0x7000");
	EXPECT_STR(verdict_on(nameless(false)), "");
}

/* Debian's Python has no name for take_gil(). */
TEST(lock_contention__knows_the_gil)
{
	struct profile *p = machine(2);

	for (int i = 0; i < 4; i++) {
		busy(p, "python3", 200 + i, 2, ((const char *[]){ "a", "b", "c", "d" })[i]);
		waits(p, 0x8000, PROFILE_LOCK_CONDVAR, "python3", 200 + i, 600, 6.0,
		      "[/usr/bin/python3.11+0x10];[/usr/bin/python3.11+0x20];"
		      "/lib/libc.so.6!pthread_cond_timedwait");
	}
	EXPECT_STR(verdict_on(p),
		   "high lock-contention: 4 threads (python*) queue for Python's GIL: 2.4 of them "
		   "wait at any time, 240 times a second\n");
}

/* ── churn ──────────────────────────────────────────────────────────────────────────────────── */

TEST(thread_churn__knows_a_start_up_from_a_leak)
{
	struct profile *p = machine(2);

	made(p, "worker-*", "main;start_pool", 0, 1, 500, 0);
	EXPECT_STR(verdict_on(p), "");
	p = machine(2);
	made(p, "conn-*", "main;accept_loop", 0, SECONDS, 30, 1);
	EXPECT_STR(
		verdict_on(p),
		"medium thread-churn: The threads become ever more: 300 created in 10 s, 10 ended, "
		"most of them conn-*, created by accept_loop (prog)\n");
}

TEST(thread_churn__is_silent_about_some)
{
	struct profile *p = machine(2);

	made(p, "timer", "main;tick", 0, SECONDS, 2, 2);
	EXPECT_STR(verdict_on(p), "");
	p = machine(2);
	made(p, "timer", "main;tick", 0, SECONDS, 8, 8);
	EXPECT_CONTAINS(verdict_on(p), "medium thread-churn: 8 threads a second");
}

/* ── switches, CPUs, the kernel ─────────────────────────────────────────────────────────────── */

TEST(switch_storm__sees_ping_pong_by_its_rate)
{
	struct profile *p = machine(2);

	busy(p, "ping", 200, 5, "main;a")->voluntary_switches = 700000;
	busy(p, "pong", 201, 5, "main;b")->voluntary_switches = 700000;
	EXPECT_STR(verdict_on(p),
		   "high switch-storm: 140000 context switches a second, 7 µs of CPU "
		   "between two\n"
		   "low hot-function: 50% of the CPU time is spent in a (prog)\n");
}

TEST(cpu_starvation__tells_own_threads_from_others)
{
	struct profile *p = machine(2);
	struct findings f;

	for (int i = 0; i < 8; i++)
		busy(p, "w", 200 + i, 2.5, ((const char *[]){ "a", "b", "c", "d" })[i % 4])
			->runq_ns = 7 * NS;
	EXPECT_EQ(diagnose(p, &f), 0);
	EXPECT_EQ(f.count, 1);
	EXPECT_STR(f.list[0].title,
		   "Threads that are ready wait 74% of the time for a CPU (5.6 of them "
		   "at any time, 2 CPUs)");
	EXPECT_CONTAINS(f.list[0].advice, "more busy threads than");
	findings_release(&f);
	profile_free(p);

	p = machine(8);
	busy(p, "w", 200, 2, "a")->runq_ns = 8 * NS;
	busy(p, "w", 201, 2, "b")->runq_ns = 7 * NS;
	EXPECT_EQ(diagnose(p, &f), 0);
	EXPECT_EQ(f.count, 1);
	EXPECT_CONTAINS(f.list[0].advice, "cpu.max");
	findings_release(&f);
	profile_free(p);
}

TEST(kernel_heavy__names_the_way_in)
{
	struct profile *p = machine(2);

	busy(p, "w", 200, 1, "main;work");
	busy(p, "w", 201, 6, "main;munmap;entry_SYSCALL_64_[k];__x64_sys_munmap_[k];zap_pte_[k]");
	busy(p, "w", 202, 2, "main;read;entry_SYSCALL_64_[k];__x64_sys_read_[k];copy_[k]");
	EXPECT_STR(verdict_on(p),
		   "medium kernel-heavy: 89% of the CPU time is spent in the kernel, 75% "
		   "of that for munmap\n");
}

TEST(hot_function__speaks_low)
{
	struct profile *p = machine(2);

	busy(p, "batch", 200, 6, "main;f");
	busy(p, "batch", 201, 4, "main;g");
	EXPECT_STR(verdict_on(p),
		   "medium hot-function: 60% of the CPU time is spent in f (prog)\n");
}

/* ── healthy ────────────────────────────────────────────────────────────────────────────────── */

TEST(healthy__idle_pools_of_200_threads)
{
	struct profile *p = machine(2);

	idle_pool(p, "worker", 200, 200, PROFILE_LOCK_CONDVAR,
		  "clone3;start_thread;worker;/lib/libc.so.6!pthread_cond_wait");
	EXPECT_STR(verdict_on(p), "");
	/* The same with nothing named and no type known. */
	p = machine(2);
	idle_pool(p, "worker", 200, 200, PROFILE_LOCK_OTHER, "[prog+0x1];[libc.so.6+0x2]");
	EXPECT_STR(verdict_on(p), "");
	p = machine(2);
	idle_pool(p, "pool", 200, 200, PROFILE_LOCK_PARK, "[jit+0x1];/lib/libjvm.so!Parker::park");
	EXPECT_STR(verdict_on(p), "");
	/* All at one word: a queue with one condition variable. */
	p = machine(2);
	for (int i = 0; i < 200; i++)
		waits(p, 0x7000, PROFILE_LOCK_OTHER, "w", 300 + i, 1, 10, "[prog+0x1]");
	EXPECT_STR(verdict_on(p), "");
}

TEST(healthy__epoll_server_under_moderate_load)
{
	struct profile *p = machine(2);

	for (int i = 0; i < 4; i++) {
		struct profile_thread *t =
			busy(p, "nginx", 200 + i, 1.0,
			     "main;epoll_loop;read;entry_SYSCALL_64_[k];__x64_sys_read_[k]");

		t->voluntary_switches = 20000;
		t->runq_ns = NS / 10;
	}
	waits(p, 0x5000, PROFILE_LOCK_MUTEX, "nginx", 200, 50, 0.01, MUTEX_WAIT);
	EXPECT_STR(verdict_on(p), "");
}

TEST(healthy__batch_with_a_thread_per_cpu)
{
	struct profile *p = machine(2);

	busy(p, "batch", 100, 0.01, "main;wait");
	busy(p, "batch", 200, 9.9, "work;a")->involuntary_switches = 3000;
	busy(p, "batch", 201, 9.8, "work;b")->involuntary_switches = 3000;
	busy(p, "batch", 202, 0.2, "work;c");
	EXPECT_STR(verdict_on(p), "low hot-function: 50% of the CPU time is spent in a (prog)\n");
}

TEST(healthy__nothing_and_a_moment)
{
	struct profile *p = machine(2);

	EXPECT_STR(verdict_on(p), "");
	p = machine(2);
	busy(p, "w", 200, 9, "f");
	profile_info(p)->duration_ns = 100000000;
	EXPECT_STR(verdict_on(p), "");
	p = machine(0);
	profile_info(p)->duration_ns = 0;
	EXPECT_STR(verdict_on(p), "");
}

/* ── hostile names, several processes, no memory ────────────────────────────────────────────── */

TEST(findings__make_names_harmless)
{
	struct profile *p = machine(2);

	busy(p, "\x1b[31m\xff", 200, 9.5, "evil\x1b");
	busy(p, "b", 201, 0, "");
	busy(p, "c", 202, 0, "");
	EXPECT_CONTAINS(verdict_on(p), "Thread \\x1b[31m\\xff (tid 200) uses 95% of a CPU");
}

TEST(findings__say_which_process)
{
	struct profile *p = ledger(4, 7.5, 0.6);

	profile_process_at(p, profile_process(p, 7, 1))->comm = profile_string(p, "other");
	EXPECT_CONTAINS(verdict_on(p), "4 threads (clerk) of prog (pid 100) queue");
}

TEST(diagnose__survives_a_failure_at_every_allocation)
{
	struct findings f;
	int err = 1;

	for (long site = 0; err; site++) {
		struct profile *p = ledger(4, 7.5, 0.6);

		made(p, "t-*", "main;start", 0, SECONDS, 30, 30);
		fail_allocation(site);
		err = diagnose(p, &f);
		EXPECT(!err || allocation_failed());
		EXPECT(err || !allocation_failed());
		fail_allocation(-1);
		if (!err)
			findings_release(&f);
		profile_free(p);
	}
}
