/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profile/profile.h"
#include "symbolize/apart.h"
#include "symbolize/perfmap.h"

/* How a runtime is asked to tell the names of its code, by the name of its process. */
static const struct {
	const char *comm, *remedy;
} remedies[] = {
	{ "node", "start it with --perf-basic-prof" },
	{ "nodejs", "start it with --perf-basic-prof" },
	{ "python", "start it with -X perf (Python 3.12 and later)" },
	{ "dotnet", "start it with DOTNET_PerfMapEnabled=1" },
	{ "beam.smp", "start it with +JPperf true" },
	{ "julia", "start it with ENABLE_JITPROFILING=1" },
	{ "luajit", "start it with -p or a build that writes perf maps" },
	{ "php", "set opcache.jit_debug=0x10" },
};

static const char *remedy_for(const char *comm)
{
	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (strncmp(comm, remedies[i].comm, strlen(remedies[i].comm)) == 0)
			return remedies[i].remedy;
	return "let the runtime write a perf map";
}

static void note_refused(struct symbolizer *s, const struct profile_process *proc, int err)
{
	const char *comm = profile_str(s->profile, proc->comm), *why;
	char text[256];

	if (err == -ENOENT) {
		snprintf(text, sizeof(text),
			 "compiled code of %.40s (%d) has no names: no /tmp/perf-%d.map: %s", comm,
			 (int)proc->pid, (int)proc->ns_pid, remedy_for(comm));
	} else {
		why = err == -EPERM    ? "it belongs to somebody else"
		      : err == -ELOOP  ? "it is a symbolic link"
		      : err == -EINVAL ? "it is no regular file"
				       : strerror(-err);
		snprintf(text, sizeof(text), "the perf map of %.40s (%d) was not read: %s", comm,
			 (int)proc->pid, why);
	}
	profile_note(s->profile, text);
}

/* By a map that was there for a while: a JVM's. */
static bool some_named(const struct profile *p, uint32_t module)
{
	size_t n;
	const struct profile_frame *f = profile_frames(p, &n);

	for (size_t i = 0; i < n; i++)
		if (f[i].module == module && f[i].lines > 0)
			return true;
	return false;
}

static void name(void *ctx, const struct query *q, const char *text)
{
	struct symbolizer *s = ctx;
	struct profile_line line = { .function = profile_string(s->profile, text) };

	profile_frame_name(s->profile, q->id, &line, 1);
}

int jit_map_open(const struct profile *p, uint32_t module)
{
	const struct profile_module *m = profile_module_at(p, module);
	const struct profile_process *proc =
		m && m->process ? profile_process_at(p, m->process) : NULL;

	if (!proc)
		return -ENOENT;
	return perfmap_open(m->root_fd > 0 ? m->root_fd : AT_FDCWD,
			    proc->ns_pid != 0 ? proc->ns_pid : proc->pid, proc->uid);
}

int resolve_jit(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	const struct profile_module *m = profile_module_at(s->profile, module);
	const struct profile_process *proc;
	int err, fd;

	if (m->process == 0)
		return 0;
	proc = profile_process_at(s->profile, m->process);
	fd = s->apart ? apart_perfmap(s->apart, module) : jit_map_open(s->profile, module);
	if (fd < 0) {
		if (!s->quiet && (fd != -ENOENT || !some_named(s->profile, module)))
			note_refused(s, proc, fd);
		return 0;
	}
	err = perfmap_names(fd, q, n, name, s);
	close(fd);
	return err == -ENOMEM ? err : 0;
}
