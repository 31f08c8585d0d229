// SPDX-License-Identifier: BSD-2-Clause
/* The report for a tired person: what is wrong first, then the numbers behind it. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "profile/finding.h"
#include "render/formats.h"
#include "render/render.h"
#include "render/stacktext.h"
#include "render/report_text.h"

enum {
	MAX_THREADS = 10,
	MAX_GROUPS = 5,
	GROUP_MEMBERS = 3,
	MAX_FUNCTIONS = 15,
	FEW_FUNCTIONS = 5,
	MIN_WIDTH = 76,
	CONTAINER_SHOWN = 12
};

/* ── bricks ─────────────────────────────────────────────────────────────────────────────────── */

void text_style(struct text_report *r, enum text_style style)
{
	if (r->colour)
		buf_printf(r->out, "\033[%dm", style);
}

void text_plain(struct text_report *r)
{
	if (r->colour)
		buf_addstr(r->out, "\033[0m");
}

void text_heading(struct text_report *r, const char *title, const char *about)
{
	buf_addch(r->out, '\n');
	text_style(r, TEXT_BOLD);
	buf_addstr(r->out, title);
	text_plain(r);
	if (about) {
		buf_addstr(r->out, "  ");
		text_style(r, TEXT_DIM);
		layout_last(r->out, about, text_rest(r, layout_columns(title) + 2));
		text_plain(r);
	}
	buf_addch(r->out, '\n');
}

size_t text_rest(const struct text_report *r, size_t at)
{
	return r->width > at + 8 ? r->width - at : 8;
}

static void add_text(struct text_report *r, uint32_t string, size_t columns, bool pad)
{
	struct buf printable = BUF_INIT;

	buf_add_printable(&printable, profile_str(r->profile, string), NULL);
	if (printable.failed)
		r->out->failed = true;
	else if (pad)
		layout_cell(r->out, printable.len ? printable.data : "", columns, LAYOUT_LEFT);
	else
		layout_last(r->out, printable.len ? printable.data : "", columns);
	buf_release(&printable);
}

void text_cell(struct text_report *r, uint32_t string, size_t columns)
{
	add_text(r, string, columns, true);
}

void text_last(struct text_report *r, uint32_t string, size_t columns)
{
	add_text(r, string, columns, false);
}

void text_wrapped(struct text_report *r, struct buf *line, size_t at, size_t indent)
{
	if (line->failed)
		r->out->failed = true;
	else
		layout_wrap(r->out, line->data, at, indent, r->width);
	buf_release(line);
}

void text_number(struct text_report *r, const char *number, size_t columns)
{
	layout_cell(r->out, number, columns, LAYOUT_RIGHT);
}

void text_stack(struct text_report *r, const char *label, uint32_t stack)
{
	struct buf line = BUF_INIT;

	if (!stack)
		return;
	if (stacktext_short(r->profile, stack, 6, &line)) {
		r->out->failed = true;
	} else if (line.len) {
		text_style(r, TEXT_DIM);
		buf_addstr(r->out, label);
		text_plain(r);
		layout_wrap(r->out, line.data, layout_columns(label), layout_columns(label),
			    r->width);
	}
	buf_release(&line);
}

void text_blocked(struct text_report *r, const struct summary_block *blocks, size_t n,
		  double thread_seconds, size_t columns)
{
	struct buf line = BUF_INIT;
	char percent[UNITS_MAX];

	for (size_t i = 0; i < n && i < 2; i++) {
		double share = thread_seconds > 0 ? 100 * (blocks[i].ns / 1e9) / thread_seconds : 0;

		if (share < 0.5)
			break;
		if (i)
			buf_addstr(&line, ", ");
		buf_add_printable(&line, profile_str(r->profile, blocks[i].syscall), NULL);
		snprintf(percent, sizeof(percent), " %.0f%%", share > 100 ? 100 : share);
		buf_addstr(&line, percent);
	}
	if (line.failed)
		r->out->failed = true;
	layout_cell(r->out, line.len ? line.data : "", columns, LAYOUT_LEFT);
	buf_release(&line);
}

/* ── the head ───────────────────────────────────────────────────────────────────────────────── */

/* " (pid 17, container 4f1c5c2d9d3b)": as much of its id as other tools show. */
static void add_pid(struct buf *out, const struct profile *p, const struct profile_process *process,
		    bool others)
{
	char container[CONTAINER_SHOWN + 1];

	snprintf(container, sizeof(container), "%s", profile_str(p, process->container));
	buf_printf(out, " (pid %d%s", process->pid, others ? " and others" : "");
	if (*container && !others) {
		buf_addstr(out, ", container ");
		buf_add_printable(out, container, NULL);
	}
	buf_addch(out, ')');
}

/* Who it was; the column where the cursor now stands. */
static size_t add_target(struct text_report *r)
{
	size_t n, targets = 0, at;
	const struct profile_process *processes = profile_processes(r->profile, &n), *first = NULL;
	struct buf name = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (!summary_is_target(r->summary, &processes[i]))
			continue;
		if (!targets++)
			first = &processes[i];
	}
	if (first)
		buf_add_printable(&name, profile_str(r->profile, first->comm), NULL);
	else
		buf_addstr(&name, r->info->system_wide ? "whole system" : "no process");
	if (name.failed)
		r->out->failed = true;
	text_style(r, TEXT_BOLD);
	at = layout_last(r->out, name.len ? name.data : "", 40);
	text_plain(r);
	buf_clear(&name);
	if (first)
		add_pid(&name, r->profile, first, targets > 1);
	buf_add(r->out, name.data, name.len);
	at += name.len;
	buf_release(&name);
	return at;
}

static void add_head(struct text_report *r)
{
	time_t seconds = (time_t)(r->info->start_realtime_ns / 1000000000ULL);
	char time[UNITS_MAX], start[32] = "";
	struct buf line = BUF_INIT;
	size_t at = add_target(r);
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S", &tm);
	buf_printf(&line, "· %s from %s · %u Hz ", units_time(time, r->info->duration_ns), start,
		   r->info->hz);
	buf_add_printable(&line, profile_str(r->profile, r->info->event), NULL);
	text_wrapped(r, &line, at, 2);
}

static void add_cpu(struct text_report *r)
{
	const struct summary *s = r->summary;
	char count[UNITS_MAX], time[UNITS_MAX], percent[UNITS_MAX + 4] = "CPU ";
	struct buf line = BUF_INIT;

	units_percent(percent + 4, s->cpu_percent);
	buf_addch(r->out, '\n');
	text_style(r, TEXT_BOLD);
	buf_addstr(r->out, percent);
	text_plain(r);
	buf_printf(&line, "of one CPU (host has %u): %s in %s samples", r->info->cpus,
		   units_time(time, units_ns(s->cpu_seconds)), units_count(count, s->samples));
	text_wrapped(r, &line, strlen(percent), 4);
	if (s->samples)
		return;
	buf_addstr(&line, "No samples: the target did not run, or too briefly to be seen; what it "
			  "waited for stands below.");
	text_wrapped(r, &line, 0, 0);
}

/* ── findings ───────────────────────────────────────────────────────────────────────────────── */

static void add_finding(struct text_report *r, const struct finding *f)
{
	static const enum text_style styles[] = { 0, TEXT_CYAN, TEXT_YELLOW, TEXT_RED };
	struct buf line = BUF_INIT;

	buf_addstr(r->out, "  ");
	text_style(r, styles[f->severity]);
	layout_cell(r->out, finding_severity_name(f->severity), 8, LAYOUT_LEFT);
	text_plain(r);
	buf_add_printable(&line, f->title, NULL);
	text_style(r, TEXT_BOLD);
	layout_wrap(r->out, line.failed ? "" : line.data, 10, 10, r->width);
	text_plain(r);
	text_stack(r, "          at    ", f->stack);
	buf_clear(&line);
	buf_add_printable(&line, f->advice, NULL);
	if (line.len && !line.failed)
		layout_wrap(r->out, line.data, 0, 10, r->width);
	if (line.failed)
		r->out->failed = true;
	buf_release(&line);
}

static void add_findings(struct text_report *r, const struct findings *findings)
{
	if (!findings)
		return;
	if (!findings->count) {
		text_heading(r, "Findings", "none: nothing stands out");
		return;
	}
	text_heading(r, "Findings", NULL);
	for (size_t i = 0; i < findings->count; i++)
		add_finding(r, &findings->list[i]);
}

/* ── threads ────────────────────────────────────────────────────────────────────────────────── */

/* For how long of the recording the thread lived. */
static double lived_seconds(const struct text_report *r, const struct profile_thread *t)
{
	double all = r->summary->seconds;
	double known = (t->cpu_ns + t->offcpu_ns + t->runq_ns) / 1e9;

	return (t->created || t->exit_ns) && known > 0 && known < all ? known : all;
}

/* The columns of the thread table. With several processes the name is "process/thread". */
struct thread_columns {
	size_t name, blocked, function;
};

static struct thread_columns thread_columns(const struct text_report *r)
{
	struct thread_columns c = { .name = 16 };
	size_t processes;

	profile_processes(r->profile, &processes);
	if (processes > 1)
		c.name = r->width >= 100 ? 32 : 24;
	if (r->info->waits)
		c.blocked = r->width >= 100 && processes <= 1 ? 33 : 22;
	c.function = text_rest(r, 8 + 9 + 2 + c.name + c.blocked);
	return c;
}

static void add_thread_name(struct text_report *r, const struct profile_thread *t, size_t columns)
{
	const struct profile_process *p =
		t->process ? profile_process_at(r->profile, t->process) : NULL;
	struct buf name = BUF_INIT;

	if (columns > 16 && p && p->comm && p->comm != t->comm) {
		buf_add_printable(&name, profile_str(r->profile, p->comm), NULL);
		buf_addch(&name, '/');
	}
	buf_add_printable(&name, profile_str(r->profile, t->comm), NULL);
	if (name.failed)
		r->out->failed = true;
	layout_cell(r->out, name.len ? name.data : "", columns - 1, LAYOUT_LEFT);
	buf_addch(r->out, ' ');
	buf_release(&name);
}

static void add_thread(struct text_report *r, const struct summary_thread *s,
		       const struct thread_columns *c)
{
	const struct profile_thread *t = profile_thread_at(r->profile, s->thread);
	char text[UNITS_MAX];

	text_number(r, units_percent(text, s->cpu_percent), 8);
	snprintf(text, sizeof(text), "%d", t->tid);
	text_number(r, text, 9);
	buf_addstr(r->out, "  ");
	add_thread_name(r, t, c->name);
	if (c->blocked) {
		text_blocked(r, r->summary->blocks + s->first_block, s->block_count,
			     lived_seconds(r, t), c->blocked - 1);
		buf_addch(r->out, ' ');
	}
	text_last(r, s->top_function, c->function);
	buf_addch(r->out, '\n');
}

/* One that is gone and used next to nothing is for the groups to tell of. */
static bool thread_matters(const struct text_report *r, const struct summary_thread *s)
{
	return s->cpu_percent >= 0.05 || !profile_thread_at(r->profile, s->thread)->exit_ns;
}

static void add_thread_heading(struct text_report *r, const struct thread_columns *c)
{
	text_heading(r, "Threads", "100% is one CPU for the whole recording");
	text_style(r, TEXT_DIM);
	buf_addstr(r->out, "     CPU      TID  ");
	layout_cell(r->out, c->name > 16 ? "PROCESS/NAME" : "NAME", c->name, LAYOUT_LEFT);
	layout_cell(r->out, "BLOCKED IN", c->blocked, LAYOUT_LEFT);
	buf_addstr(r->out, "HOTTEST FUNCTION\n");
	text_plain(r);
}

static void add_threads(struct text_report *r)
{
	const struct summary *s = r->summary;
	struct thread_columns columns = thread_columns(r);
	size_t shown = 0;
	double rest = 0;

	if (!s->thread_count)
		return;
	add_thread_heading(r, &columns);
	for (size_t i = 0; i < s->thread_count; i++) {
		if (shown >= MAX_THREADS || !thread_matters(r, &s->threads[i])) {
			rest += s->threads[i].cpu_percent;
			continue;
		}
		add_thread(r, &s->threads[i], &columns);
		shown++;
	}
	if (shown < s->thread_count)
		buf_printf(r->out, "%7.1f%%  %zu more\n", rest, s->thread_count - shown);
}

static void add_group(struct text_report *r, const struct summary_group *g)
{
	const struct summary_block block = { .syscall = g->blocked_in, .ns = g->blocked_ns };
	char text[UNITS_MAX];

	text_number(r, units_percent(text, g->cpu_percent), 8);
	text_number(r, units_count(text, g->threads), 9);
	buf_addstr(r->out, "  ");
	text_cell(r, g->group, 16);
	if (g->blocked_in) {
		text_last(r, block.syscall, 20);
		buf_printf(r->out, " %s", units_time(text, block.ns));
	}
	buf_addch(r->out, '\n');
}

/* Where no single thread is hot, the group that they belong to may be. */
static void add_groups(struct text_report *r)
{
	const struct summary *s = r->summary;
	size_t shown = 0;

	for (size_t i = 0; i < s->group_count && shown < MAX_GROUPS; i++) {
		if (s->groups[i].threads < GROUP_MEMBERS)
			continue;
		if (!shown++) {
			text_heading(r, "Thread groups", "threads of one name, numbers taken out");
			text_style(r, TEXT_DIM);
			buf_printf(r->out, "     CPU  THREADS  %-16s%s\n", "NAME",
				   r->info->waits ? "BLOCKED IN, ALL TOGETHER" : "");
			text_plain(r);
		}
		add_group(r, &s->groups[i]);
	}
}

/* ── functions ──────────────────────────────────────────────────────────────────────────────── */

static const char *module_name(const struct text_report *r, uint32_t module)
{
	const char *name =
		module ? profile_str(r->profile, profile_module_at(r->profile, module)->name) : "";
	const char *slash = strrchr(name, '/');

	return slash && slash[1] ? slash + 1 : name;
}

static void add_function(struct text_report *r, const struct profile_function *f)
{
	double percent = 100.0 / r->summary->samples;
	size_t name_columns = text_rest(r, 18 + 22);
	struct buf module = BUF_INIT;
	char text[UNITS_MAX];

	text_number(r, units_percent(text, f->self * percent), 8);
	text_number(r, units_percent(text, f->total * percent), 8);
	buf_addstr(r->out, "  ");
	text_cell(r, f->name, name_columns);
	buf_addch(r->out, ' ');
	buf_add_printable(&module, module_name(r, f->module), NULL);
	layout_last(r->out, module.len && !module.failed ? module.data : "", 21);
	buf_release(&module);
	buf_addch(r->out, '\n');
}

static void add_functions(struct text_report *r)
{
	const struct summary *s = r->summary;
	size_t shown = 0;

	if (!s->samples || !s->function_count)
		return;
	text_heading(r, "Functions", "self: on top of the stack; total: anywhere in it");
	text_style(r, TEXT_DIM);
	buf_addstr(r->out, "    SELF   TOTAL  ");
	layout_cell(r->out, "FUNCTION", text_rest(r, 18 + 22), LAYOUT_LEFT);
	buf_addstr(r->out, " MODULE\n");
	text_plain(r);
	for (; shown < s->function_count && shown < MAX_FUNCTIONS; shown++) {
		uint64_t self = s->functions[shown].self;

		if (!self || (shown >= FEW_FUNCTIONS && self * 200 < s->samples))
			break;
		add_function(r, &s->functions[shown]);
	}
}

/* ── how far to believe it ──────────────────────────────────────────────────────────────────── */

static void add_completeness(struct text_report *r)
{
	struct buf line = BUF_INIT;

	buf_addch(r->out, '\n');
	for (unsigned k = PROFILE_CPU; k < PROFILE_KIND_COUNT; k++) {
		uint64_t complete = r->summary->stacks[k].complete;
		uint64_t all = complete + r->summary->stacks[k].truncated;

		if (!all)
			continue;
		/* Cut, not rounded: 100 % means every one of them. */
		buf_printf(&line, "%s%s %.1f%%",
			   line.len ? ", " : "Complete stacks: ", profile_kind_info(k)->name,
			   floor(complete * 1000.0 / all) / 10);
	}
	if (line.len)
		buf_addch(&line, '.');
	if (r->info->waits && r->info->stack_share_ppm && r->info->stack_share_ppm < 1000000)
		buf_printf(&line,
			   " Stacks of waits were thinned to %.1f%% (times and counts are exact).",
			   r->info->stack_share_ppm / 1e4);
	if (line.len)
		text_wrapped(r, &line, 0, 0);
	buf_release(&line);
}

static void add_losses(struct text_report *r)
{
	size_t n;
	const struct profile_loss *losses = profile_losses(r->profile, &n);
	char count[UNITS_MAX];
	bool first = true;

	if (!r->summary->lost) {
		buf_addstr(r->out, "Nothing was lost.\n");
		return;
	}
	text_style(r, TEXT_YELLOW);
	for (size_t i = 0; i < n; i++) {
		if (!losses[i].count)
			continue;
		buf_printf(r->out, "%s%s ", first ? "Lost: " : ", ",
			   units_count(count, losses[i].count));
		text_last(r, losses[i].name, 40);
		first = false;
	}
	text_plain(r);
	buf_addch(r->out, '\n');
}

static void add_notes(struct text_report *r)
{
	size_t n;
	const uint32_t *notes = profile_notes(r->profile, &n);

	for (size_t i = 0; i < n; i++) {
		struct buf line = BUF_INIT;

		buf_addstr(&line, "Note: ");
		buf_add_printable(&line, profile_str(r->profile, notes[i]), NULL);
		text_wrapped(r, &line, 0, 0);
	}
}

static void add_next(struct text_report *r, const char *file)
{
	struct buf name = BUF_INIT;

	if (!file)
		return;
	buf_add_printable(&name, file, NULL);
	if (!name.failed) {
		text_style(r, TEXT_DIM);
		buf_addstr(r->out, "\nNext: ");
		text_plain(r);
		buf_printf(r->out, "tprof flamegraph %s\n", name.data);
	}
	buf_release(&name);
}

int render_text(const struct render_input *in, struct buf *out)
{
	struct text_report r = {
		.out = out,
		.profile = in->profile,
		.info = profile_info_const(in->profile),
		.width = in->width > MIN_WIDTH ? in->width
			 : in->width	       ? MIN_WIDTH
					       : 80,
		.colour = in->colour,
	};
	struct summary *summary;
	int err = summary_new(&summary, in->profile);

	if (err)
		return err;
	r.summary = summary;
	add_head(&r);
	add_findings(&r, in->findings);
	add_cpu(&r);
	add_threads(&r);
	add_groups(&r);
	add_functions(&r);
	text_locks(&r);
	text_churn(&r);
	text_switches(&r);
	add_completeness(&r);
	add_losses(&r);
	add_notes(&r);
	add_next(&r, in->file);
	summary_free(summary);
	return out->failed ? -ENOMEM : profile_error(in->profile);
}
