/* SPDX-License-Identifier: BSD-2-Clause */
/* Where CPU time goes: one thread, one function, the kernel. */
#include <stdlib.h>
#include <string.h>

#include "base/map64.h"
#include "diagnose/impl.h"

/* Shares of few samples are noise. */
#define LEAST_SAMPLES 50

/* ── hot-thread ─────────────────────────────────────────────────────────────────────────────── */

#define HOT_THREAD_CPU	    0.45 /* of a CPU, really had … */
#define HOT_THREAD_DEMAND   0.70 /* … and had or waited for */
#define HOT_THREAD_HIGH	    0.85
#define HOT_THREAD_SHARE    0.60 /* of its process's CPU time */
#define HOT_THREAD_SECOND   0.50 /* no other thread has more than this part of its time */
#define HOT_THREAD_THREADS  3	 /* a program of one thread or two is hot-function's */
#define HOT_THREAD_FINDINGS 3	 /* with -a there may be many */

/* The function that holds at least half of a thread's samples and is farthest from the root, but
 * not plumbing: a hot strcmp() is the fault of who calls it so often. */
struct hot_path {
	struct profile_label function, leaf;
	double share; /* of the thread's samples */
};

static bool find_hot_path(const struct facts *f, uint32_t thread, struct hot_path *ret_path)
{
	const struct profile_filter filter = { .kind = PROFILE_CPU, .thread = thread };
	struct profile_tree t;
	uint32_t at = 0, next;

	if (profile_tree_build(f->p, &filter, false, &t))
		return false;
	if (t.nodes[0].total < LEAST_SAMPLES / 5) {
		profile_tree_release(&t);
		return false;
	}
	do {
		next = 0;
		for (uint32_t c = t.nodes[at].child; c; c = t.nodes[c].sibling)
			if (t.nodes[c].total * 2 >= t.nodes[0].total &&
			    (!next || t.nodes[c].total > t.nodes[next].total))
				next = c;
		at = next ? next : at;
	} while (next);
	ret_path->leaf = t.nodes[at].label;
	while (at && is_plumbing(f->p, &t.nodes[at].label))
		at = t.nodes[at].parent;
	ret_path->function = t.nodes[at].label;
	ret_path->share = (double)t.nodes[at].total / (double)t.nodes[0].total;
	profile_tree_release(&t);
	return at != 0;
}

static void say_hot_path(struct buf *b, const struct facts *f, const struct hot_path *path)
{
	buf_printf(b, ", %.0f%% of that in ", path->share * 100);
	say_function(b, f, path->function.text, path->function.module);
	if (path->leaf.text == path->function.text || path->leaf.type == PROFILE_LABEL_THREAD)
		return;
	buf_addstr(b, ", which calls ");
	say_string(b, f, path->leaf.text);
}

static void report_hot_thread(const struct facts *f, struct verdict *v, uint32_t process,
			      const struct summary_thread *t, double demand)
{
	const struct process_facts *o = &f->processes[process - 1];
	struct buf title = BUF_INIT, advice = BUF_INIT;
	struct hot_path path;
	bool known = find_hot_path(f, t->thread, &path);
	struct finding *fi;

	buf_addstr(&title, "Thread ");
	say_thread(&title, f, t->thread);
	say_process(&title, f, process);
	buf_printf(&title, " uses %.0f%% of a CPU, %.0f%% of what the process uses", t->cpu_percent,
		   100 * t->cpu_seconds / o->cpu_seconds);
	if (known)
		say_hot_path(&title, f, &path);
	buf_printf(
		&advice,
		"One thread does the work, while %zu of %zu threads are idle. See what makes it "
		"repeat itself (a list that grows, a retry without a pause, a missing index), or "
		"divide its work.",
		o->idle_threads, o->live_threads);
	fi = verdict_add(v, "hot-thread", demand >= HOT_THREAD_HIGH ? FINDING_HIGH : FINDING_MEDIUM,
			 t->cpu_seconds / f->seconds, &title, &advice);
	finding_evidence(fi, "tid", profile_thread_at(f->p, t->thread)->tid);
	finding_evidence(fi, "cpu_percent", t->cpu_percent);
	finding_evidence(fi, "process_share_percent", 100 * t->cpu_seconds / o->cpu_seconds);
	finding_evidence(fi, "threads", (double)o->live_threads);
	finding_evidence(fi, "idle_threads", (double)o->idle_threads);
	if (!known || !fi)
		return;
	finding_evidence(fi, "function_percent", 100 * path.share);
	fi->stack = heaviest_stack(f->p, t->thread, &path.function);
}

void rule_hot_thread(const struct facts *f, struct verdict *v)
{
	const struct summary *s = f->summary;
	unsigned reported = 0;

	/* Most CPU first, so with many processes the worst are reported. */
	for (size_t i = 0; i < s->thread_count && reported < HOT_THREAD_FINDINGS; i++) {
		const struct profile_thread *t = profile_thread_at(f->p, s->threads[i].thread);
		const struct process_facts *o;
		double cpu = s->threads[i].cpu_seconds, demand;

		if (!t->process)
			continue;
		o = &f->processes[t->process - 1];
		/* On a full machine a hot thread gets less than it wants. */
		demand = cpu + (double)t->runq_ns / 1e9;
		if (o->hottest != i + 1 || o->threads < HOT_THREAD_THREADS ||
		    cpu < HOT_THREAD_CPU * f->seconds || demand < HOT_THREAD_DEMAND * f->seconds ||
		    cpu < HOT_THREAD_SHARE * o->cpu_seconds || o->second > HOT_THREAD_SECOND * cpu)
			continue;
		report_hot_thread(f, v, t->process, &s->threads[i], demand / f->seconds);
		reported++;
	}
}

/* ── hot-function ───────────────────────────────────────────────────────────────────────────── */

#define HOT_FUNCTION_CPU    0.50 /* of a CPU, by the target as a whole */
#define HOT_FUNCTION_LOW    0.30 /* of all samples at the leaf */
#define HOT_FUNCTION_MEDIUM 0.60

void rule_hot_function(const struct facts *f, struct verdict *v)
{
	const struct summary *s = f->summary;
	const struct profile_function *hot = s->functions;
	struct buf title = BUF_INIT, advice = BUF_INIT;
	struct profile_label label, culprit;
	struct finding *fi;
	double share;
	uint32_t stack;

	if (!s->function_count || s->samples < LEAST_SAMPLES ||
	    s->cpu_seconds < HOT_FUNCTION_CPU * f->seconds)
		return;
	share = (double)hot->self / (double)s->samples;
	/* The kernel's share is kernel-heavy's. */
	if (share < HOT_FUNCTION_LOW || hot->type == PROFILE_LABEL_KERNEL)
		return;
	label = (struct profile_label){ hot->name, hot->module, hot->type };
	stack = heaviest_stack(f->p, 0, &label);
	buf_printf(&title, "%.0f%% of the CPU time is spent in ", 100 * share);
	say_function(&title, f, hot->name, hot->module);
	if (is_plumbing(f->p, &label) && stack_culprit(f->p, stack, &culprit)) {
		buf_addstr(&title, ", most of it called by ");
		say_function(&title, f, culprit.text, culprit.module);
	}
	buf_addstr(&advice,
		   "Making this one function cheaper, or calling it less, is what pays. Its "
		   "callers are in the flame graph: search for its name.");
	fi = verdict_add(v, "hot-function",
			 share >= HOT_FUNCTION_MEDIUM ? FINDING_MEDIUM : FINDING_LOW,
			 share * s->cpu_seconds / f->seconds, &title, &advice);
	finding_evidence(fi, "self_percent", 100 * share);
	finding_evidence(fi, "samples", (double)hot->self);
	finding_evidence(fi, "cpu_percent", s->cpu_percent);
	if (fi)
		fi->stack = stack;
}

/* ── kernel-heavy ───────────────────────────────────────────────────────────────────────────── */

#define KERNEL_CPU    0.70 /* of a CPU, by the target as a whole */
#define KERNEL_LOW    0.60 /* of all samples; servers live well with half */
#define KERNEL_MEDIUM 0.80

/* "futex" of a frame "__x64_sys_futex", "page faults" …; NULL = no way into the kernel. */
static const char *entry_name(const char *function)
{
	static const char *const heads[] = { "__x64_sys_", "__arm64_sys_", "__ia32_sys_",
					     "__se_sys_" };

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		if (strncmp(function, heads[i], strlen(heads[i])) == 0)
			return function + strlen(heads[i]);
	if (strstr(function, "exc_page_fault") || strstr(function, "do_page_fault"))
		return "page faults";
	if (strncmp(function, "asm_sysvec_", 11) == 0 || strstr(function, "asm_common_interrupt"))
		return "interrupts";
	return NULL;
}

/* How a stack came into the kernel: a string, 0 = it is not there or does not say. */
static uint32_t kernel_entry(struct profile *p, uint32_t stack, bool *ret_kernel)
{
	const struct profile_stack *s = stack ? profile_stack_at(p, stack) : NULL;
	uint32_t entry = 0;

	*ret_kernel = false;
	for (uint32_t i = 0; s && i < s->frames; i++) {
		uint32_t frame = profile_stack_frames(p, s)[i];
		uint32_t module = profile_frame_at(p, frame)->module;
		const char *name;

		if (!module || profile_module_at(p, module)->type != PROFILE_MODULE_KERNEL)
			break;
		*ret_kernel = true;
		name = entry_name(profile_str(p, profile_frame_label(p, frame)));
		if (name)
			entry = profile_string(p, name);
	}
	return entry;
}

struct kernel_time {
	uint64_t samples, most;
	uint32_t entry; /* where most come in, and the heaviest stack there */
	uint32_t stack;
};

static void sum_kernel(const struct facts *f, struct verdict *v, struct kernel_time *k)
{
	struct map64 entries = { 0 };
	uint64_t heaviest = 0;
	size_t n;

	profile_rows(f->p, &n);
	for (uint32_t i = 0; i < n; i++) {
		const struct profile_row r = profile_rows(f->p, &n)[i];
		bool kernel = false;
		uint32_t entry = r.kind == PROFILE_CPU ? kernel_entry(f->p, r.stack, &kernel) : 0;
		uint64_t *sum = kernel ? map64_at(&entries, 1ULL << 32 | entry) : NULL;

		v->failed = v->failed || (kernel && !sum);
		if (!sum)
			continue;
		k->samples += r.count;
		*sum += r.count;
		if (entry && *sum > k->most) {
			heaviest = entry == k->entry ? heaviest : 0;
			k->entry = entry;
			k->most = *sum;
		}
		if (entry && entry == k->entry && r.count > heaviest) {
			heaviest = r.count;
			k->stack = r.stack;
		}
	}
	map64_release(&entries);
}

void rule_kernel_heavy(const struct facts *f, struct verdict *v)
{
	const struct summary *s = f->summary;
	struct buf title = BUF_INIT, advice = BUF_INIT;
	struct kernel_time k = { 0 };
	struct finding *fi;
	double share;

	if (s->samples < LEAST_SAMPLES || s->cpu_seconds < KERNEL_CPU * f->seconds)
		return;
	sum_kernel(f, v, &k);
	share = (double)k.samples / (double)s->samples;
	if (share < KERNEL_LOW)
		return;
	buf_printf(&title, "%.0f%% of the CPU time is spent in the kernel", 100 * share);
	if (k.entry) {
		buf_printf(&title, ", %.0f%% of that for ", 100.0 * (double)k.most / k.samples);
		say_string(&title, f, k.entry);
	}
	buf_addstr(&advice, "Fewer and larger system calls help (buffers, batches), memory that is "
			    "kept instead of mapped and unmapped, and waits that block instead of "
			    "polling.");
	fi = verdict_add(v, "kernel-heavy", share >= KERNEL_MEDIUM ? FINDING_MEDIUM : FINDING_LOW,
			 share * s->cpu_seconds / f->seconds, &title, &advice);
	finding_evidence(fi, "kernel_percent", 100 * share);
	finding_evidence(fi, "entry_percent", 100.0 * (double)k.most / (double)k.samples);
	finding_evidence(fi, "cpu_percent", s->cpu_percent);
	if (fi)
		fi->stack = k.stack;
}
