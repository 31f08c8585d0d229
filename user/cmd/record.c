// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/target.h"
#include "render/render.h"

#define FIELD(name) .field = offsetof(struct record_options, name)
#define MS	    1000000ULL
#define YEAR	    (MS * 1000 * 86400 * 365)

static const char *format_choice(size_t i)
{
	return renderers[i].format;
}

static const struct cmd_option record_rows[] = {
	{ .short_name = 'p',
	  .long_name = "pid",
	  .argument = "PID[,PID…]",
	  .help = "record these processes, all their threads",
	  .parse = option_ids,
	  FIELD(pids) },
	{ .short_name = 't',
	  .long_name = "tid",
	  .argument = "TID[,TID…]",
	  .help = "record these threads only",
	  .parse = option_ids,
	  FIELD(tids) },
	{ .short_name = 'a',
	  .long_name = "all",
	  .help = "record the whole system",
	  .parse = option_true,
	  FIELD(all) },
	{ .long_name = "cgroup",
	  .argument = "PATH",
	  .help = "record the processes of this cgroup (v2), such as "
		  "/system.slice/nginx.service",
	  .parse = option_text,
	  FIELD(cgroup) },
	{ .long_name = "follow",
	  .help = "with -p: also the processes that these start",
	  .parse = option_true,
	  FIELD(follow) },
	{ .short_name = 'F',
	  .long_name = "frequency",
	  .argument = "HZ",
	  .fallback = "99",
	  .help = "samples per second and CPU, 1 to 10000",
	  .parse = option_u32,
	  .min = 1,
	  .max = 10000,
	  FIELD(hz) },
	{ .short_name = 'd',
	  .long_name = "duration",
	  .argument = "SECONDS",
	  .fallback_text = "until Ctrl-C or the end of the target",
	  .help = "stop after this time: 10, 10s, 500ms, 2m, 1h",
	  .parse = option_duration,
	  .min = MS,
	  .max = YEAR,
	  FIELD(duration_ns) },
	{ .short_name = 'o',
	  .long_name = "output",
	  .argument = "FILE",
	  .fallback_text = "COMM-PID.tprof",
	  .help = "write here; a name that ends in an export's extension (.folded, .html, .svg, "
		  ".pb.gz, .json …) writes that; - is stdout; may be given several times",
	  .parse = option_texts,
	  FIELD(outputs) },
	{ .short_name = 'f',
	  .long_name = "format",
	  .argument = "FORMAT",
	  .fallback = "folded",
	  .help = "what -o - writes",
	  .parse = option_text,
	  .choice = format_choice,
	  FIELD(format) },
	{ .long_name = "kind",
	  .argument = "KIND",
	  .fallback = "cpu",
	  .help = "what exports written by -o show",
	  .parse = option_kind,
	  .choice = option_kind_choice,
	  FIELD(kind) },
	{ .long_name = "no-waits",
	  .help = "do not record switches, blocked time and lock waits",
	  .parse = option_true,
	  FIELD(no_waits) },
	{ .long_name = "no-threads",
	  .help = "do not record the creation and exit of threads",
	  .parse = option_true,
	  FIELD(no_threads) },
	{ .long_name = "inline",
	  .help = "name inlined calls, where there is debug information (default, but for -a)",
	  .parse = option_true,
	  FIELD(inlines) },
	{ .long_name = "no-inline",
	  .help = "do not name inlined calls (default for -a)",
	  .parse = option_true,
	  FIELD(no_inlines) },
	{ .long_name = "lines",
	  .help = "keep file and line of each frame, where there is debug information",
	  .parse = option_true,
	  FIELD(lines) },
	{ .long_name = "debuginfod",
	  .help = "fetch missing debug files from the servers in $DEBUGINFOD_URLS",
	  .parse = option_true,
	  FIELD(debuginfod) },
	{ .long_name = "no-jvm",
	  .help = "leave JVMs alone: do not ask them for the names of Java functions",
	  .parse = option_true,
	  FIELD(no_jvm) },
	{ .long_name = "no-cmdline",
	  .help = "leave command lines out of the recording: they may hold secrets",
	  .parse = option_true,
	  FIELD(no_cmdline) },
	{ .long_name = "unwind-memory",
	  .argument = "SIZE",
	  .fallback = "64M",
	  .help = "kernel memory for unwind tables, at most",
	  .parse = option_size,
	  .min = 1 << 20,
	  .max = 256 << 20,
	  FIELD(unwind_memory) },
	{ .long_name = "json",
	  .help = "print the report as JSON",
	  .parse = option_true,
	  FIELD(json) },
	{ .short_name = 'q',
	  .long_name = "quiet",
	  .help = "print no report and no progress, only errors",
	  .parse = option_true,
	  FIELD(quiet) },
	{ 0 },
};

static int take_command(const struct cmd *self, struct record_options *o, int first, char **argv)
{
	if (!argv[first])
		return 0;
	if (strcmp(argv[first - 1], "--") != 0)
		return usage_error(self, "%s is no option: -p for a process, -- before a command",
				   argv[first]);
	o->command = argv + first;
	return 0;
}

static int check_target(const struct cmd *self, const struct record_options *o)
{
	int targets = !!o->pids.count + !!o->tids.count + o->all + !!o->cgroup + !!o->command;

	if (!targets)
		return usage_error(self,
				   "nothing to record: give -p PID, -t TID, -a or -- COMMAND");
	if (targets > 1)
		return usage_error(self, "more than one kind of target: give one of -p, -t, -a, "
					 "--cgroup and -- COMMAND");
	return 0;
}

static int check_outputs(const struct cmd *self, const struct record_options *o)
{
	size_t to_stdout = o->json;

	for (size_t i = 0; i < o->outputs.count; i++)
		to_stdout += !strcmp(o->outputs.texts[i], "-");
	if (to_stdout > 1)
		return usage_error(self, "only one output can go to stdout (-o -, --json)");
	if (!renderer_by_format(o->format))
		return usage_error(self, "unknown format %s", o->format);
	return 0;
}

static int record_run(const struct cmd *self, int argc, char **argv)
{
	uint64_t start_hint_ns = clock_now();
	struct record_options o = { 0 };
	int first = options_parse(self, argc, argv, &o), code;

	code = first < 0 ? options_exit(first) : take_command(self, &o, first, argv);
	if (first >= 0 && !code)
		code = check_target(self, &o);
	if (first >= 0 && !code)
		code = check_outputs(self, &o);
	if (first >= 0 && !code)
		code = record_session(&o, start_hint_ns);
	free(o.pids.ids);
	free(o.tids.ids);
	free(o.outputs.texts);
	return code;
}

const struct cmd cmd_record = {
	.name = "record",
	.synopsis = "[TARGET] [options] [-- COMMAND…]",
	.about = "record a process, a command or the whole system, and print what was found",
	.description =
		"Samples the stacks of the target on all CPUs, measures in the kernel where its "
		"threads wait and which threads come and go, until Ctrl-C, -d or the end of the "
		"target. Then names the frames, prints the report and writes the recording.\n\n"
		"TARGET is one of -p, -t, -a, --cgroup or a command after --. A command is "
		"recorded from its first instruction, with the processes that it starts; it stands "
		"still for some milliseconds before main, until its unwind tables are there. Should "
		"it outlive the recording it is sent SIGTERM. Its output goes where it would without "
		"tprof: send it elsewhere where --json or -o - use stdout. A command that cannot "
		"be started gives the shell's exit status, 127 or 126.\n\n"
		"Ctrl-C, SIGTERM and SIGHUP end the recording and save it. A second Ctrl-C while "
		"frames are being named leaves the rest without names and saves at once. Should the "
		"recording not fit where it was to go, it is written into $TMPDIR or /tmp, the "
		"message says where, and the exit status is 1.\n\n"
		"Needs root, or CAP_BPF and CAP_PERFMON, and more for more (docs/privileges.md, "
		"'tprof check'). Once it counts, it keeps only what it still needs; a command has all "
		"that it would have without tprof. The file is readable by its owner alone, and under sudo belongs "
		"to the invoking user.",
	.examples =
		"tprof record -p 1234 -d 10\ta process, for ten seconds\n"
		"tprof record -p $(pidof redis-server) -F 999 -d 30s -o slow.tprof\tfiner, with a "
		"name for the file\n"
		"tprof record -a -d 5 -o host.html\tthe whole system, straight into a flame graph\n"
		"tprof record --json -q -- make -j8\ta command from its first instruction\n"
		"tprof record -p 1234 -d 10 -o - | grep malloc\tfolded stacks on stdout",
	.options = record_rows,
	.operands_end_options = true,
	.privileged = true,
	.run = record_run,
};
