/* SPDX-License-Identifier: BSD-2-Clause */
/* Where threads wait: for locks, for a CPU, for each other. */
#include "diagnose/impl.h"

/* ── lock-contention ────────────────────────────────────────────────────────────────────────── */

#define LOCK_MEDIUM_WAITING 0.3 /* threads in line at any time, on average … */
#define LOCK_MEDIUM_PER_CPU 0.2 /* … and that long for each second of CPU used */
#define LOCK_HIGH_WAITING   1.0
#define LOCK_HIGH_PER_CPU   0.5
#define LOCK_LEAST_WAITS    10
/* Few, long waits of a process that does next to nothing: leader and followers at an accept mutex
 * look so, and a lock that is held while its owner sleeps. Worth a look, not an alarm. */
#define LOCK_QUIET_CPU	  0.10
#define LOCK_QUIET_MEAN_S 1.0
#define LOCK_FINDINGS	  3
#define HELD_SHARE	  0.5 /* of the waits; less, and the holders just take turns */

static double cpu_of(const struct facts *f, uint32_t process)
{
	return process ? f->processes[process - 1].cpu_seconds : f->summary->cpu_seconds;
}

static enum finding_severity lock_severity(const struct facts *f, const struct site *s)
{
	double waiting = s->seconds / f->seconds, cpu = cpu_of(f, s->process);

	if (s->waits < LOCK_LEAST_WAITS || s->threads == 1 || waiting < LOCK_MEDIUM_WAITING ||
	    s->seconds < LOCK_MEDIUM_PER_CPU * cpu)
		return 0;
	if (waiting < LOCK_HIGH_WAITING || s->seconds < LOCK_HIGH_PER_CPU * cpu)
		return FINDING_MEDIUM;
	if (cpu < LOCK_QUIET_CPU * f->seconds && s->seconds / s->waits > LOCK_QUIET_MEAN_S)
		return FINDING_MEDIUM;
	return FINDING_HIGH;
}

/* Who held the lock most often when others came; 0 = not known. */
static uint32_t main_owner(const struct facts *f, const struct site *s, double *ret_share)
{
	const struct summary *sum = f->summary;

	for (size_t i = 0; i < sum->lock_count && s->lock; i++) {
		const struct summary_lock *l = &sum->locks[i];
		uint64_t all = 0;

		if (l->lock != s->lock || !l->owner_count)
			continue;
		for (size_t o = 0; o < l->owner_count; o++)
			all += sum->owners[l->first_owner + o].waits;
		*ret_share = all ? (double)sum->owners[l->first_owner].waits / (double)all : 0;
		return sum->owners[l->first_owner].thread;
	}
	return 0;
}

static void say_lock(struct buf *b, const struct facts *f, const struct site *s)
{
	const struct profile_lock *l = s->lock ? profile_lock_at(f->p, s->lock) : NULL;

	if (s->gil) {
		buf_addstr(b, "Python's GIL");
	} else if (l && l->name) {
		say_string(b, f, l->name);
	} else if (l) {
		buf_printf(b, "%s 0x%llx", profile_lock_type_name((enum profile_lock_type)l->type),
			   (unsigned long long)l->address);
	} else {
		buf_addstr(b, "one lock");
	}
	if (!s->where || (l && l->name == s->where))
		return;
	buf_addstr(b, " in ");
	say_function(b, f, s->where, s->module);
}

static const char lock_advice[] =
	"Do less while the lock is held: move input, output, logging and memory allocation out of it, "
	"split it (one lock per shard), or hand the work to one thread through a queue.";
static const char gil_advice[] =
	"Only one thread of a Python process runs Python code at a time. Use processes "
	"(multiprocessing, more workers of the server) for work that computes; threads pay only where "
	"they wait for input and output.";

#define GROUP_SHARE 0.8 /* so much of the waiting is that of one group: the group is named */

static void say_waiters(struct buf *b, const struct facts *f, const struct site *s)
{
	if (s->threads)
		buf_printf(b, "%zu threads", s->threads);
	else
		buf_addstr(b, "Threads");
	if (s->group.id && (double)s->group.weight >= GROUP_SHARE * (double)s->rows_ns) {
		buf_addstr(b, " (");
		say_string(b, f, s->group.id);
		buf_addstr(b, ")");
	}
	say_process(b, f, s->process);
}

/* Who holds it: the owner where the lock tells, else who gives it back. */
static void say_holder(struct buf *b, const struct facts *f, const struct site *s, uint32_t owner,
		       double held)
{
	struct profile_label from = { 0 };

	if (owner && held >= HELD_SHARE) {
		buf_printf(b, "; held %s by ", held > 0.9 ? "nearly always" : "most often");
		say_thread(b, f, owner);
		return;
	}
	if (!s->wakes)
		return;
	if (s->own_wakes >= (uint64_t)(GROUP_SHARE * (double)s->wakes)) {
		buf_addstr(b, "; they hold it in turn");
		return;
	}
	if (!s->waker_group.id)
		return;
	buf_addstr(b, "; given back by ");
	say_string(b, f, s->waker_group.id);
	if (s->waker.id && stack_culprit(f->p, s->waker.id, &from)) {
		buf_addstr(b, " in ");
		say_function(b, f, from.text, from.module);
	}
}

static void report_contention(const struct facts *f, struct verdict *v, const struct site *s,
			      enum finding_severity severity)
{
	struct buf title = BUF_INIT, advice = BUF_INIT;
	double waiting = s->seconds / f->seconds, held = 0;
	uint32_t owner = main_owner(f, s, &held);
	struct finding *fi;

	say_waiters(&title, f, s);
	buf_addstr(&title, " queue for ");
	say_lock(&title, f, s);
	buf_printf(&title, ": %.1f of them wait at any time, %.0f times a second", waiting,
		   s->waits / f->seconds);
	say_holder(&title, f, s, owner, held);
	buf_addstr(&advice, s->gil ? gil_advice : lock_advice);
	fi = verdict_add(v, "lock-contention", severity, waiting, &title, &advice);
	finding_evidence(fi, "waits", s->waits);
	finding_evidence(fi, "waits_per_second", s->waits / f->seconds);
	finding_evidence(fi, "wait_seconds", s->seconds);
	finding_evidence(fi, "waiting_threads", waiting);
	finding_evidence(fi, "threads", (double)s->threads);
	finding_evidence(fi, "mean_wait_ms", 1e3 * s->seconds / s->waits);
	if (s->lock)
		finding_evidence(fi, "max_wait_ms", 1e3 * s->max_seconds);
	if (s->wakes)
		finding_evidence(fi, "woken_by_waiters_percent",
				 100 * (double)s->own_wakes / (double)s->wakes);
	if (owner) {
		finding_evidence(fi, "owner_tid", profile_thread_at(f->p, owner)->tid);
		finding_evidence(fi, "owner_share_percent", 100 * held);
	}
	if (fi)
		fi->stack = s->stack.id;
}

void rule_lock_contention(const struct facts *f, struct verdict *v)
{
	unsigned reported = 0;

	for (size_t i = 0; i < f->site_count && reported < LOCK_FINDINGS; i++) {
		enum finding_severity severity = lock_severity(f, &f->sites[i]);

		if (!severity)
			continue;
		report_contention(f, v, &f->sites[i], severity);
		reported++;
	}
}

/* ── switch-storm ───────────────────────────────────────────────────────────────────────────── */

#define STORM_RATE	    50000.0 /* a second: nothing but switching fits into that … */
#define STORM_SLICE_US	    50.0    /* … when threads run so short between two */
#define STORM_HIGH	    100000.0
#define STORM_LOCK_RATE	    2000.0 /* where a contended lock makes the switches, fewer do harm … */
#define STORM_LOCK_SHARE    0.3	   /* … when it makes this part of them */
#define STORM_LOCK_SLICE_US 500.0

/* Waits at contended locks: each is a switch that need not be. */
static const struct site *worst_lock(const struct facts *f, double *ret_waits)
{
	const struct site *worst = NULL;

	*ret_waits = 0;
	for (size_t i = 0; i < f->site_count; i++) {
		if (!lock_severity(f, &f->sites[i]))
			continue;
		*ret_waits += f->sites[i].waits;
		if (!worst || f->sites[i].waits > worst->waits)
			worst = &f->sites[i];
	}
	return worst;
}

static void say_advice(struct buf *b, const struct site *lock, double involuntary_share)
{
	if (lock)
		buf_addstr(b, "The lock above hands the CPU from thread to thread; with less "
			      "contention the switches go too.");
	else if (involuntary_share > 0.5)
		buf_addstr(b,
			   "More threads are ready than there are CPUs: fewer threads, or a pool "
			   "of as many as CPUs, switch less.");
	else
		buf_addstr(b,
			   "Threads wake each other for very little work: pass work on in batches, "
			   "or let one thread do both halves. --kind wake shows who wakes whom.");
}

void rule_switch_storm(const struct facts *f, struct verdict *v)
{
	const struct summary *s = f->summary;
	double switches = (double)(s->voluntary + s->involuntary), rate = switches / f->seconds;
	double slice_us = switches > 0 ? 1e6 * s->cpu_seconds / switches : 0, lock_waits;
	const struct site *lock = worst_lock(f, &lock_waits);
	struct buf title = BUF_INIT, advice = BUF_INIT;
	double lock_share = switches > 0 ? lock_waits / switches : 0;
	struct finding *fi;

	if (lock_share < STORM_LOCK_SHARE || rate < STORM_LOCK_RATE ||
	    slice_us > STORM_LOCK_SLICE_US)
		lock = NULL;
	if (!lock && (rate < STORM_RATE || slice_us > STORM_SLICE_US))
		return;
	buf_printf(&title, "%.0f context switches a second, %.0f µs of CPU between two", rate,
		   slice_us);
	if (lock) {
		buf_printf(&title, ": %.0f%% of them wait for ", 100 * lock_share);
		say_lock(&title, f, lock);
	}
	say_advice(&advice, lock, switches > 0 ? (double)s->involuntary / switches : 0);
	/* A lock's storm is as bad as the lock; else what is lost is some 3 µs for each switch. */
	fi = verdict_add(v, "switch-storm", rate >= STORM_HIGH ? FINDING_HIGH : FINDING_MEDIUM,
			 lock ? lock->seconds / f->seconds : rate * 3e-6, &title, &advice);
	finding_evidence(fi, "switches_per_second", rate);
	finding_evidence(fi, "voluntary", (double)s->voluntary);
	finding_evidence(fi, "involuntary", (double)s->involuntary);
	finding_evidence(fi, "slice_us", slice_us);
	finding_evidence(fi, "lock_share_percent", 100 * lock_share);
	if (fi && lock)
		fi->stack = lock->stack.id;
}

/* ── cpu-starvation ─────────────────────────────────────────────────────────────────────────── */

#define STARVED_WAITING 1.0 /* threads ready but not running, on average … */
#define STARVED_SHARE	0.3 /* … and this part of the time that they wanted to run */
#define STARVED_HIGH	0.75

/* The stack that waited longest for a CPU. */
static uint32_t starved_stack(const struct facts *f)
{
	size_t n;
	const struct profile_row *rows = profile_rows(f->p, &n);
	uint64_t most = 0;
	uint32_t stack = 0;

	for (size_t i = 0; i < n; i++) {
		if (rows[i].kind != PROFILE_RUNQ || !rows[i].stack || rows[i].value <= most)
			continue;
		most = rows[i].value;
		stack = rows[i].stack;
	}
	return stack;
}

void rule_cpu_starvation(const struct facts *f, struct verdict *v)
{
	const struct summary *s = f->summary;
	double wanted = s->cpu_seconds + (double)s->runq_ns / 1e9;
	double waiting = (double)s->runq_ns / 1e9 / f->seconds;
	double share = wanted > 0 ? (double)s->runq_ns / 1e9 / wanted : 0;
	bool self = s->cpu_seconds > 0.8 * f->seconds * f->cpus;
	struct buf title = BUF_INIT, advice = BUF_INIT;
	struct finding *fi;

	if (waiting < STARVED_WAITING || share < STARVED_SHARE)
		return;
	buf_printf(&title,
		   "Threads that are ready wait %.0f%% of the time for a CPU (%.1f of them at any "
		   "time, %u CPUs)",
		   100 * share, waiting, f->cpus);
	if (profile_info_const(f->p)->system_wide)
		buf_addstr(&advice,
			   "The host has more busy threads than CPUs: the threads that use them "
			   "stand below.");
	else if (self)
		buf_addstr(&advice,
			   "The target itself fills all CPUs: it has more busy threads than "
			   "there are CPUs. Fewer of them, or more CPUs.");
	else
		buf_addstr(&advice, "Others use the CPUs, or a CPU limit of its cgroup holds the "
				    "process back: look at top, and at cpu.max and cpu.stat of its "
				    "cgroup.");
	fi = verdict_add(v, "cpu-starvation",
			 share >= STARVED_HIGH && waiting >= f->cpus ? FINDING_HIGH
								     : FINDING_MEDIUM,
			 waiting, &title, &advice);
	finding_evidence(fi, "runq_seconds", (double)s->runq_ns / 1e9);
	finding_evidence(fi, "runq_share_percent", 100 * share);
	finding_evidence(fi, "waiting_threads", waiting);
	finding_evidence(fi, "cpu_percent", s->cpu_percent);
	finding_evidence(fi, "cpus", f->cpus);
	if (fi)
		fi->stack = starved_stack(f);
}
