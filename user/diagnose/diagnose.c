/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of rules and what runs it. docs/findings.md has each rule's thresholds with their reasons. */
#include "diagnose/diagnose.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/impl.h"

/* In order of the way that one looks for a cause; equal findings keep this order. */
static const rule_fn rules[] = {
	rule_hot_thread,   rule_lock_contention, rule_thread_churn, rule_switch_storm,
	rule_hot_function, rule_cpu_starvation,	 rule_kernel_heavy,
};

/* Less than this shows nothing but the start of things. */
#define LEAST_SECONDS 0.5

/* ── facts ──────────────────────────────────────────────────────────────────────────────────── */

/* Below 1 % of a CPU a thread does nothing to speak of. */
#define IDLE_PERCENT 1.0

static int sum_processes(struct facts *f)
{
	const struct summary *s = f->summary;

	profile_processes(f->p, &f->process_count);
	f->processes = calloc(f->process_count + 1, sizeof(*f->processes));
	if (!f->processes)
		return -ENOMEM;
	/* Most CPU first: the first of a process is its hottest. */
	for (size_t i = 0; i < s->thread_count; i++) {
		const struct summary_thread *t = &s->threads[i];
		uint32_t process = profile_thread_at(f->p, t->thread)->process;
		struct process_facts *o = process ? &f->processes[process - 1] : NULL;

		if (!o)
			continue;
		o->threads++;
		o->cpu_seconds += t->cpu_seconds;
		if (!profile_thread_at(f->p, t->thread)->exit_ns) {
			o->live_threads++;
			o->idle_threads += t->cpu_percent < IDLE_PERCENT;
		}
		if (o->threads == 2)
			o->second = t->cpu_seconds;
		if (!o->hottest)
			o->hottest = (uint32_t)i + 1;
	}
	return 0;
}

static int gather(struct facts *f)
{
	int err = summary_new(&f->summary, f->p);

	if (err)
		return err;
	f->seconds = f->summary->seconds;
	f->cpus = profile_info_const(f->p)->cpus;
	if (!f->cpus)
		f->cpus = 1;
	err = sum_processes(f);
	return err ? err : find_sites(f);
}

/* ── findings ───────────────────────────────────────────────────────────────────────────────── */

static bool grow(struct verdict *v)
{
	size_t cap = v->cap ? v->cap * 2 : 16;
	struct finding *list = reallocarray(v->found.list, cap, sizeof(*list));
	double *shares;

	if (!list)
		return false;
	v->found.list = list;
	shares = reallocarray(v->shares, cap, sizeof(*shares));
	if (!shares)
		return false;
	v->shares = shares;
	v->cap = cap;
	return true;
}

struct finding *verdict_add(struct verdict *v, const char *id, enum finding_severity severity,
			    double share, struct buf *title, struct buf *advice)
{
	size_t at = v->found.count;

	if (title->failed || advice->failed || (at == v->cap && !grow(v))) {
		v->failed = true;
		buf_release(title);
		buf_release(advice);
		return NULL;
	}
	/* Stays sorted: behind all that are as important. */
	while (at && (v->found.list[at - 1].severity < severity ||
		      (v->found.list[at - 1].severity == severity && v->shares[at - 1] < share)))
		at--;
	memmove(v->found.list + at + 1, v->found.list + at,
		(v->found.count - at) * sizeof(*v->found.list));
	memmove(v->shares + at + 1, v->shares + at, (v->found.count - at) * sizeof(*v->shares));
	v->found.count++;
	v->shares[at] = share;
	v->found.list[at] = (struct finding){
		.id = id, .severity = severity, .title = title->data, .advice = advice->data
	};
	*title = *advice = (struct buf)BUF_INIT;
	return &v->found.list[at];
}

void finding_evidence(struct finding *fi, const char *key, double value)
{
	if (fi && fi->evidence_count < sizeof(fi->evidence) / sizeof(*fi->evidence))
		fi->evidence[fi->evidence_count++] = (struct finding_evidence){ key, value };
}

int diagnose(struct profile *p, struct findings *ret_findings)
{
	struct facts f = { .p = p };
	struct verdict v = { 0 };
	int err = gather(&f);

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules) && !err; i++) {
		if (f.seconds < LEAST_SECONDS)
			break;
		rules[i](&f, &v);
		if (v.failed || profile_error(p))
			err = -ENOMEM;
	}
	if (err)
		findings_release(&v.found);
	else
		*ret_findings = v.found;
	free(v.shares);
	free(f.sites);
	free(f.processes);
	summary_free(f.summary);
	return err;
}

/* ── texts ──────────────────────────────────────────────────────────────────────────────────── */

void say_string(struct buf *b, const struct facts *f, uint32_t string)
{
	const char *s = profile_str(f->p, string);

	buf_add_printable(b, *s ? s : "[unknown]", NULL);
}

void say_function(struct buf *b, const struct facts *f, uint32_t name, uint32_t module)
{
	const char *file, *slash;

	say_string(b, f, name);
	if (!module || *profile_str(f->p, name) == '[')
		return;
	file = profile_str(f->p, profile_module_at(f->p, module)->name);
	slash = strrchr(file, '/');
	buf_addstr(b, " (");
	buf_add_printable(b, slash && slash[1] ? slash + 1 : file, NULL);
	buf_addch(b, ')');
}

void say_thread(struct buf *b, const struct facts *f, uint32_t thread)
{
	const struct profile_thread *t = profile_thread_at(f->p, thread);

	say_string(b, f, t->comm);
	buf_printf(b, " (tid %d)", t->tid);
}

void say_process(struct buf *b, const struct facts *f, uint32_t process)
{
	const struct profile_process *o;

	if (f->process_count < 2 || !process)
		return;
	o = profile_process_at(f->p, process);
	buf_addstr(b, " of ");
	say_string(b, f, o->comm);
	buf_printf(b, " (pid %d)", o->pid);
}
