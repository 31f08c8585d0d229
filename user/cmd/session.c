// SPDX-License-Identifier: BSD-2-Clause
/*
 * A recording from its first check to its last line:
 *
 *	prepare ─→ collect ─→ name ─→ diagnose ─→ save ─→ print
 *
 * Once anything was counted, every way out leads through save.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/units.h"
#include "cmd/output.h"
#include "cmd/privileges.h"
#include "cmd/progress.h"
#include "cmd/record.h"
#include "cmd/save.h"
#include "cmd/signals.h"
#include "cmd/target.h"
#include "collect/collect.h"
#include "diagnose/diagnose.h"
#include "profile/finding.h"
#include "profile/profile.h"
#include "symbolize/jvm.h"
#include "symbolize/symbolize.h"

struct session {
	const struct record_options *options;
	struct profile *profile;
	struct collect *collect;
	struct jvms *jvms;
	struct progress progress;
	uint64_t start_ns; /* of the recording */
	pid_t command;
};

/* ── prepare ────────────────────────────────────────────────────────────────────────────────── */

static int describe(struct session *s)
{
	struct profile_info *info = profile_info(s->profile);
	char *target = target_text(s->options);

	if (!target)
		return -ENOMEM;
	info->target = profile_string(s->profile, target);
	info->no_cmdline = s->options->no_cmdline;
	info->tprof_version = profile_string(s->profile, TPROF_VERSION);
	free(target);
	return profile_error(s->profile);
}

static int open_collect(struct session *s, uint64_t start_hint_ns, struct diag *d)
{
	const struct record_options *o = s->options;
	struct collect_options options = {
		.pids = o->pids.ids,
		.pid_count = o->pids.count,
		.tids = o->tids.ids,
		.tid_count = o->tids.count,
		.all = o->all,
		.follow = o->follow || o->command,
		.command = o->command,
		.cgroup = o->cgroup,
		.hz = o->hz,
		.waits = !o->no_waits,
		.threads = !o->no_threads,
		.unwind_memory = o->unwind_memory,
		.start_hint_ns = start_hint_ns,
	};

	progress_show(&s->progress, "Preparing: mappings and unwind tables of the target …");
	return collect_new(&s->collect, &options, s->profile, d);
}

/* ── collect ────────────────────────────────────────────────────────────────────────────────── */

static void show_recording(struct session *s)
{
	char passed[UNITS_MAX], all[UNITS_MAX], samples[UNITS_MAX];
	uint64_t duration = s->options->duration_ns;

	if (!s->progress.on) /* each tick would write numbers that nobody sees */
		return;
	progress_show(&s->progress, "Recording %s%s%s, %s samples. Ctrl-C ends it.",
		      units_time(passed, (clock_now() - s->start_ns) / 100000000 * 100000000),
		      duration ? " of " : "", duration ? units_time(all, duration) : "",
		      units_count(samples, collect_samples(s->collect)));
}

/* How long to sleep at most: to the deadline, the next drain or the next look at the clock. */
static int poll_timeout(const struct session *s, uint64_t deadline)
{
	uint64_t now = clock_now(), ms = s->progress.on ? 250 : 1000;

	if (deadline && (deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC < ms)
		ms = (deadline - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	return (int)ms;
}

/* Until the deadline, a signal, the end of all targets, or trouble. */
static int collect_until_end(struct session *s, struct diag *d)
{
	uint64_t duration = s->options->duration_ns, deadline;
	int err;

	s->start_ns = clock_now();
	deadline = duration ? s->start_ns + duration : 0;
	while (!deadline || clock_now() < deadline) {
		struct pollfd fds[] = { { .fd = signals_fd(), .events = POLLIN },
					{ .fd = collect_fd(s->collect), .events = POLLIN } };

		show_recording(s);
		if (poll(fds, 2, poll_timeout(s, deadline)) < 0 && errno != EINTR)
			return -errno;
		if (signals_take())
			return 0;
		err = collect_poll(s->collect, 0, d);
		if (err && err != -EINTR)
			return err < 0 ? err : 0;
		if (s->jvms)
			jvms_poll(s->jvms, s->profile, clock_now());
	}
	return 0;
}

/* The command was forked before, with all that the caller has. */
static int give_up(int err, struct diag *d)
{
	return err ? diag_errno(d, err, "cannot give up privileges") : 0;
}

static int ask_kernel(void *ctx, const uint64_t *addresses, size_t n, symbolize_named_fn named,
		      void *to)
{
	const struct session *s = ctx;

	return collect_kernel_names(s->collect, addresses, n, named, to);
}

static int collect(struct session *s, struct diag *d)
{
	const struct symbolize_kernel kernel = { .ask = ask_kernel, .ctx = s };
	const struct record_options *o = s->options;
	int err, stopped;

	if (signals_take())
		return diag_set(d, -EINTR, "ended by a signal before the recording began");
	err = collect_start(s->collect, d);
	if (err)
		return err;
	s->command = collect_command_pid(s->collect);
	err = give_up(privileges_attached(o->command, !o->no_jvm, o->debuginfod), d);
	if (err)
		return err;
	s->jvms = jvms_new(!o->no_jvm);
	err = collect_until_end(s, d);
	stopped = collect_stop(s->collect, d);
	/* while our own programs are still loaded, and thereby have names */
	if (!stopped)
		stopped = symbolize_kernel(s->profile, &kernel, d);
	if (s->jvms)
		jvms_finish(s->jvms, s->profile);
	jvms_free(s->jvms);
	s->jvms = NULL;
	if (!stopped)
		stopped = give_up(privileges_stopped(o->command), d);
	return err ? err : stopped;
}

/* ── name ───────────────────────────────────────────────────────────────────────────────────── */

static bool naming_cancelled(void *ctx)
{
	(void)ctx;
	return signals_take() != 0;
}

static void show_naming(void *ctx, size_t done, size_t of)
{
	struct session *s = ctx;

	progress_show(&s->progress, "Naming frames: %zu of %zu modules. Ctrl-C leaves the rest.",
		      done, of);
}

static int name(struct session *s, struct diag *d)
{
	const struct record_options *o = s->options;
	const struct symbolize_options options = {
		.inlines = o->inlines || (!o->no_inlines && !o->all),
		.lines = o->lines,
		.debuginfod = o->debuginfod,
		.kernel_named = true,
		.cancelled = naming_cancelled,
		.progress = show_naming,
		.ctx = s,
	};
	int err = symbolize_apart(s->profile, &options, d);

	if (err == -ECANCELED) {
		profile_note(s->profile, "naming was ended by a signal: some frames have no name");
		err = 0;
	}
	profile_complete_by_name(s->profile);
	if (!err)
		err = diagnose_locks(s->profile);
	return err;
}

/* ── the whole ──────────────────────────────────────────────────────────────────────────────── */

/* A command that outlives its recording is ended, as perf and bpftrace do. It is our child, so that
 * its pid cannot be another's by now. */
static void end_command(pid_t pid)
{
	if (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0)
		kill(pid, SIGTERM);
}

/* Naming, findings, files, report; what was counted gets out whatever fails. */
static int finish(struct session *s)
{
	struct findings findings = { 0 };
	struct diag d = { 0 };
	int err = name(s, &d), code, unjudged;

	if (!err)
		err = give_up(privileges_named(s->options->command), &d);
	code = err ? output_error(&d, err) : EXIT_DONE;
	unjudged = diagnose(s->profile, &findings);
	progress_clear(&s->progress);
	err = save_recording(s->options, s->profile, unjudged ? NULL : &findings);
	findings_release(&findings);
	return err ? err : code;
}

/* The shell's code for a command that did not start, else "could not". */
static int start_code(const struct session *s)
{
	switch (s->collect ? collect_command_error(s->collect) : 0) {
	case ENOENT:
	case ENOTDIR: return EXIT_NOT_FOUND;
	case EACCES:
	case ENOEXEC: return EXIT_NOT_RUNNABLE;
	}
	return EXIT_COULD_NOT;
}

static int run(struct session *s, uint64_t start_hint_ns)
{
	struct diag d = { 0 };
	int err, code = EXIT_DONE;

	err = describe(s);
	if (!err)
		err = open_collect(s, start_hint_ns, &d);
	if (!err)
		err = collect(s, &d);
	progress_clear(&s->progress);
	if (err) {
		output_error(&d, err);
		code = start_code(s);
	}
	collect_free(s->collect); /* gives the kernel's memory back before naming takes some */
	s->collect = NULL;
	if (s->start_ns) {
		int finished = finish(s);

		code = code ? code : finished;
	}
	end_command(s->command);
	return code;
}

int record_session(const struct record_options *o, uint64_t start_hint_ns)
{
	struct session s = { .options = o };
	int err, code = save_check(o);

	if (!code && o->command)
		code = target_check_command(o->command);
	if (code)
		return code;
	err = signals_start();
	s.profile = err ? NULL : profile_new();
	if (!s.profile)
		return output_error(&(struct diag){ 0 }, err ? err : -ENOMEM);
	progress_init(&s.progress, o->quiet);
	code = run(&s, start_hint_ns);
	profile_free(s.profile);
	return code;
}
