// SPDX-License-Identifier: BSD-2-Clause
/* The report as JSON: the keys are a contract (docs/DESIGN.md). All of them stand in every report,
 * with empty arrays and zeros where nothing was recorded. */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "profile/finding.h"
#include "profile/summary.h"
#include "render/formats.h"
#include "render/render.h"
#include "render/stacktext.h"

struct report {
	struct json json;
	const struct summary *summary;
	struct profile *profile;
	const struct profile_info *info;
	struct buf stack; /* reused */
};

static const char *text_of(const struct report *r, uint32_t id)
{
	return profile_str(r->profile, id);
}

static void put_seconds(struct report *r, const char *key, uint64_t ns)
{
	json_double(&r->json, key, ns / 1e9, 6);
}

static void put_stack(struct report *r, uint32_t stack)
{
	buf_clear(&r->stack);
	if (stack && stacktext_folded(r->profile, stack, &r->stack))
		r->json.out->failed = true;
	json_string(&r->json, "stack", r->stack.len ? r->stack.data : "");
}

static void put_host(struct report *r)
{
	struct json *j = &r->json;

	json_object(j, "host");
	json_string(j, "name", text_of(r, r->info->host));
	json_string(j, "kernel", text_of(r, r->info->kernel));
	json_string(j, "arch", text_of(r, r->info->arch));
	json_u64(j, "cpus", r->info->cpus);
	json_end(j);
}

static void put_target(struct report *r)
{
	const struct profile_process *first = NULL, *processes;
	struct json *j = &r->json;
	size_t n;

	processes = profile_processes(r->profile, &n);
	json_object(j, "target");
	json_string(j, "asked", text_of(r, r->info->target));
	json_array(j, "pids");
	for (size_t i = 0; i < n; i++) {
		if (!summary_is_target(r->summary, &processes[i]))
			continue;
		if (!first)
			first = &processes[i];
		json_i64(j, NULL, processes[i].pid);
	}
	json_end(j);
	json_string(j, "comm", first ? text_of(r, first->comm) : "");
	json_string(j, "cmdline", first ? text_of(r, first->cmdline) : "");
	json_string(j, "cgroup", first ? text_of(r, first->cgroup) : "");
	json_string(j, "container", first ? text_of(r, first->container) : "");
	json_end(j);
}

static void put_span(struct report *r)
{
	time_t seconds = (time_t)(r->info->start_realtime_ns / 1000000000ULL);
	unsigned ms = (unsigned)(r->info->start_realtime_ns / 1000000 % 1000);
	char day[32] = "", start[48];
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(start, sizeof(start), "%s.%03uZ", day, ms);
	json_object(&r->json, "span");
	json_string(&r->json, "start", start);
	put_seconds(r, "seconds", r->info->duration_ns);
	json_end(&r->json);
}

static void put_cpu(struct report *r)
{
	struct json *j = &r->json;

	json_object(j, "cpu");
	json_u64(j, "hz", r->info->hz);
	json_string(j, "event", text_of(r, r->info->event));
	json_u64(j, "samples", r->summary->samples);
	json_double(j, "seconds", r->summary->cpu_seconds, 6);
	json_double(j, "percent", r->summary->cpu_percent, 2);
	json_end(j);
}

static void put_completeness(struct report *r)
{
	struct json *j = &r->json;

	json_object(j, "stacks");
	for (unsigned k = PROFILE_CPU; k < PROFILE_KIND_COUNT; k++) {
		json_object(j, profile_kind_info(k)->name);
		json_u64(j, "complete", r->summary->stacks[k].complete);
		json_u64(j, "truncated", r->summary->stacks[k].truncated);
		json_end(j);
	}
	json_end(j);
}

/* Those that scripts ask for stand here even where a recording knows nothing of them. */
static void put_losses(struct report *r)
{
	static const char *const always[] = { "samples", "stacks", "events", "map_full" };
	size_t n;
	const struct profile_loss *losses = profile_losses(r->profile, &n);

	json_object(&r->json, "losses");
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		json_u64(&r->json, always[i], profile_loss(r->profile, always[i]));
	for (size_t i = 0; i < n; i++) {
		const char *name = text_of(r, losses[i].name);
		bool there = false;

		for (size_t k = 0; k < sizeof(always) / sizeof(*always); k++)
			there |= !strcmp(name, always[k]);
		if (!there)
			json_u64(&r->json, name, losses[i].count);
	}
	json_end(&r->json);
}

static void put_thread(struct report *r, const struct summary_thread *s)
{
	const struct profile_thread *t = profile_thread_at(r->profile, s->thread);
	struct json *j = &r->json;

	json_object(j, NULL);
	json_i64(j, "tid", t->tid);
	json_i64(j, "pid", t->process ? profile_process_at(r->profile, t->process)->pid : 0);
	json_string(j, "comm", text_of(r, t->comm));
	json_string(j, "group", text_of(r, t->group));
	json_double(j, "cpu_seconds", s->cpu_seconds, 6);
	json_double(j, "cpu_percent", s->cpu_percent, 2);
	json_u64(j, "voluntary_switches", t->voluntary_switches);
	json_u64(j, "involuntary_switches", t->involuntary_switches);
	json_u64(j, "futex_waits", t->futex_waits);
	put_seconds(r, "futex_wait_seconds", t->futex_wait_ns);
	put_seconds(r, "offcpu_seconds", t->offcpu_ns);
	put_seconds(r, "runq_seconds", t->runq_ns);
	json_object(j, "blocked_in");
	for (size_t i = 0; i < s->block_count; i++) {
		const struct summary_block *b = &r->summary->blocks[s->first_block + i];

		put_seconds(r, text_of(r, b->syscall), b->ns);
	}
	json_end(j);
	json_string(j, "top_function", text_of(r, s->top_function));
	json_end(j);
}

static void put_function(struct report *r, const struct profile_function *f)
{
	const struct profile_module *m =
		f->module ? profile_module_at(r->profile, f->module) : NULL;
	struct json *j = &r->json;

	json_object(j, NULL);
	json_string(j, "name", text_of(r, f->name));
	json_string(j, "module", m ? text_of(r, m->name) : "");
	json_u64(j, "self", f->self);
	json_u64(j, "total", f->total);
	json_end(j);
}

static void put_switches(struct report *r)
{
	const struct summary *s = r->summary;
	struct json *j = &r->json;
	uint64_t all = s->voluntary + s->involuntary;

	json_object(j, "switches");
	json_u64(j, "voluntary", s->voluntary);
	json_u64(j, "involuntary", s->involuntary);
	json_double(j, "per_second", s->seconds > 0 ? all / s->seconds : 0, 2);
	put_seconds(r, "offcpu_seconds", s->offcpu_ns);
	put_seconds(r, "runq_seconds", s->runq_ns);
	json_end(j);
}

static void put_churn_group(struct report *r, const struct summary_churn_group *g)
{
	struct json *j = &r->json;

	json_object(j, NULL);
	json_string(j, "name", text_of(r, g->name));
	json_u64(j, "created", g->created);
	json_u64(j, "exited", g->exited);
	json_array(j, "creators");
	for (size_t i = 0; i < g->creator_count; i++) {
		const struct summary_stack *c = &r->summary->creators[g->first_creator + i];

		json_object(j, NULL);
		put_stack(r, c->stack);
		json_u64(j, "count", c->count);
		json_end(j);
	}
	json_end(j);
	json_end(j);
}

static void put_churn(struct report *r)
{
	const struct summary *s = r->summary;
	struct json *j = &r->json;

	json_object(j, "thread_churn");
	json_u64(j, "created", s->created);
	json_u64(j, "exited", s->exited);
	json_double(j, "created_per_second", s->seconds > 0 ? s->created / s->seconds : 0, 2);
	json_u64(j, "live_at_start", r->info->live_at_start);
	json_u64(j, "live_at_end", r->info->live_at_end);
	json_u64(j, "processes_forked", s->forked);
	json_object(j, "lifetime_ms");
	json_double(j, "p50", s->lifetime_p50_ns / 1e6, 3);
	json_double(j, "p90", s->lifetime_p90_ns / 1e6, 3);
	json_double(j, "p99", s->lifetime_p99_ns / 1e6, 3);
	json_double(j, "max", s->lifetime_max_ns / 1e6, 3);
	json_end(j);
	json_array(j, "groups");
	for (size_t i = 0; i < s->churn_group_count; i++)
		put_churn_group(r, &s->churn_groups[i]);
	json_end(j);
	json_end(j);
}

static void put_waiters(struct report *r, const struct summary_lock *s)
{
	struct json *j = &r->json;

	json_array(j, "waiters");
	for (size_t i = 0; i < s->waiter_count; i++) {
		const struct summary_stack *w = &r->summary->lock_stacks[s->first_waiter + i];

		json_object(j, NULL);
		put_stack(r, w->stack);
		json_u64(j, "waits", w->count);
		put_seconds(r, "wait_seconds", w->ns);
		json_end(j);
	}
	json_end(j);
}

static void put_owners(struct report *r, const struct summary_lock *s)
{
	struct json *j = &r->json;

	json_array(j, "owners");
	for (size_t i = 0; i < s->owner_count; i++) {
		const struct summary_owner *o = &r->summary->owners[s->first_owner + i];
		const struct profile_thread *t =
			o->thread ? profile_thread_at(r->profile, o->thread) : NULL;

		json_object(j, NULL);
		json_i64(j, "tid", t ? t->tid : 0);
		json_string(j, "comm", t ? text_of(r, t->comm) : "");
		json_u64(j, "waits", o->waits);
		json_end(j);
	}
	json_end(j);
}

static void put_wakers(struct report *r, const struct summary_lock *s)
{
	struct json *j = &r->json;

	json_array(j, "wakers");
	for (size_t i = 0; i < s->waker_count; i++) {
		const struct summary_stack *w = &r->summary->lock_stacks[s->first_waker + i];

		json_object(j, NULL);
		put_stack(r, w->stack);
		json_u64(j, "count", w->count);
		json_end(j);
	}
	json_end(j);
}

/* [i]: waits of [2^i, 2^(i+1)) µs; what follows the last that has some is left out. */
static void put_histogram(struct report *r, const struct profile_lock *l)
{
	size_t n = sizeof(l->histogram) / sizeof(l->histogram[0]);

	while (n && !l->histogram[n - 1])
		n--;
	json_array(&r->json, "histogram_us");
	for (size_t i = 0; i < n; i++)
		json_u64(&r->json, NULL, l->histogram[i]);
	json_end(&r->json);
}

static void put_lock(struct report *r, const struct summary_lock *s)
{
	const struct profile_lock *l = profile_lock_at(r->profile, s->lock);
	struct json *j = &r->json;
	char address[24];

	snprintf(address, sizeof(address), "0x%llx", (unsigned long long)l->address);
	json_object(j, NULL);
	json_string(j, "address", address);
	json_i64(j, "pid", l->process ? profile_process_at(r->profile, l->process)->pid : 0);
	json_string(j, "type", profile_lock_type_name(l->type));
	json_string(j, "name", text_of(r, l->name));
	json_u64(j, "waits", l->waits);
	put_seconds(r, "wait_seconds", l->wait_ns);
	json_double(j, "max_wait_ms", l->max_wait_ns / 1e6, 3);
	json_u64(j, "timeouts", l->timeouts);
	json_u64(j, "signals", l->signals);
	put_histogram(r, l);
	put_waiters(r, s);
	put_owners(r, s);
	put_wakers(r, s);
	json_end(j);
}

static void put_finding(struct report *r, const struct finding *f)
{
	struct json *j = &r->json;

	json_object(j, NULL);
	json_string(j, "id", f->id);
	json_string(j, "severity", finding_severity_name(f->severity));
	json_string(j, "title", f->title);
	json_object(j, "evidence");
	for (size_t i = 0; i < f->evidence_count; i++)
		json_double(j, f->evidence[i].key, f->evidence[i].value, 3);
	json_end(j);
	put_stack(r, f->stack);
	json_string(j, "advice", f->advice);
	json_end(j);
}

static void put_findings(struct report *r, const struct findings *findings)
{
	json_array(&r->json, "findings");
	for (size_t i = 0; findings && i < findings->count; i++)
		put_finding(r, &findings->list[i]);
	json_end(&r->json);
}

static void put_notes(struct report *r)
{
	size_t n;
	const uint32_t *notes = profile_notes(r->profile, &n);

	json_array(&r->json, "notes");
	for (size_t i = 0; i < n; i++)
		json_string(&r->json, NULL, text_of(r, notes[i]));
	json_end(&r->json);
}

static void put_lists(struct report *r)
{
	const struct summary *s = r->summary;
	struct json *j = &r->json;

	json_array(j, "threads");
	for (size_t i = 0; i < s->thread_count; i++)
		put_thread(r, &s->threads[i]);
	json_end(j);
	json_array(j, "functions");
	for (size_t i = 0; i < s->function_count; i++)
		put_function(r, &s->functions[i]);
	json_end(j);
	put_switches(r);
	put_churn(r);
	json_array(j, "locks");
	for (size_t i = 0; i < s->lock_count; i++)
		put_lock(r, &s->locks[i]);
	json_end(j);
}

int render_json(const struct render_input *in, struct buf *out)
{
	struct report r = {
		.json = { .out = out, .indent = true },
		.profile = in->profile,
		.info = profile_info_const(in->profile),
	};
	struct summary *summary;
	int err = summary_new(&summary, in->profile);

	if (err)
		return err;
	r.summary = summary;
	json_object(&r.json, NULL);
	json_u64(&r.json, "format", 1);
	json_string(&r.json, "version", text_of(&r, r.info->tprof_version));
	put_host(&r);
	put_target(&r);
	put_span(&r);
	put_cpu(&r);
	put_completeness(&r);
	put_losses(&r);
	put_lists(&r);
	put_findings(&r, in->findings);
	put_notes(&r);
	json_end(&r.json);
	err = out->failed || r.stack.failed ? -ENOMEM : profile_error(in->profile);
	buf_release(&r.stack);
	summary_free(summary);
	return err;
}
