// SPDX-License-Identifier: BSD-2-Clause
/*
 * mkprofile OUT… < SPEC: a recording written by hand, for tests that need one with a known answer.
 * OUT ends in .tprof, or in a renderer's extension.
 *
 *	@comm redis-server              the process
 *	@kind offcpu                    of the lines that follow; at first cpu
 *	@window 0 1000                  ms, of the lines that follow
 *	@loss samples 3    @note TEXT   @cmdline TEXT
 *	@finding high|hot-thread|TITLE|ADVICE|main;read       the last field is a stack, may be empty
 *	worker-12;[truncated];libc.so.6!read;vfs_read_[k] 17
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "profile/finding.h"
#include "profile/profile.h"
#include "render/render.h"
#include "store/store.h"

enum { FRAMES_MAX = 2048, HZ = 99 };

struct spec {
	struct profile *p;
	enum profile_kind kind;
	uint32_t process, window;
	uint64_t end_ns;
	struct findings findings;
};

static bool cut_end(char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	if (len < n || strcmp(name + len - n, end) != 0)
		return false;
	name[len - n] = '\0';
	return true;
}

static uint32_t spec_module(struct profile *p, enum profile_module_type type, const char *name)
{
	return profile_module(p, &(struct profile_module){ .name = profile_string(p, name),
							   .type = (uint8_t)type,
							   .fd = -1,
							   .root_fd = -1 });
}

static uint32_t spec_frame(struct profile *p, char *name)
{
	bool kernel = cut_end(name, "_[k]"), jit = cut_end(name, "_[j]");
	bool inlined = cut_end(name, "_[i]");
	char *bang = strchr(name, '!'), *function = bang ? bang + 1 : name;
	struct profile_line lines[2] = { { 0 } };
	uint32_t module, frame;

	if (bang)
		*bang = '\0';
	if (kernel)
		module = spec_module(p, PROFILE_MODULE_KERNEL, "[kernel]");
	else if (jit)
		module = spec_module(p, PROFILE_MODULE_JIT, "[jit]");
	else
		module = spec_module(p, PROFILE_MODULE_FILE, bang ? name : "/usr/bin/prog");
	lines[0].function = profile_string(p, function);
	lines[0].inlined = inlined;
	frame = profile_frame(p, module, (uint64_t)lines[0].function << 1 | inlined);
	profile_frame_name(p, frame, lines, 1);
	return frame;
}

static uint32_t spec_stack(struct profile *p, char *text)
{
	enum profile_stack_end end = PROFILE_END_ROOT;
	uint32_t frames[FRAMES_MAX], n = FRAMES_MAX;
	char *save = NULL;

	for (char *name = strtok_r(text, ";", &save); name && n;
	     name = strtok_r(NULL, ";", &save)) {
		if (strcmp(name, "[truncated]") == 0)
			end = PROFILE_END_NO_RULE;
		else
			frames[--n] = spec_frame(p, name);
	}
	return profile_stack(p, frames + n, FRAMES_MAX - n, end);
}

static uint32_t spec_thread(struct spec *s, char *comm)
{
	char *dash = strrchr(comm, '-');
	int tid = dash && isdigit((unsigned char)dash[1]) ? atoi(dash + 1) : 100;
	uint32_t thread = profile_thread(s->p, s->process, tid, 1);

	if (dash && isdigit((unsigned char)dash[1]))
		*dash = '\0';
	profile_thread_at(s->p, thread)->comm = profile_string(s->p, comm);
	profile_thread_at(s->p, thread)->group = profile_group_name(s->p, comm);
	return thread;
}

static void spec_row(struct spec *s, char *line)
{
	const struct profile_kind_info *info = profile_kind_info(s->kind);
	char *space = strrchr(line, ' '), *semicolon = strchr(line, ';');
	uint32_t thread, stack;
	uint64_t n;

	if (!space || !semicolon || semicolon > space)
		return;
	n = strtoull(space + 1, NULL, 10);
	*space = *semicolon = '\0';
	thread = spec_thread(s, line);
	stack = spec_stack(s->p, semicolon + 1);
	if (s->kind == PROFILE_CPU)
		profile_thread_at(s->p, thread)->cpu_ns += n * (1000000000 / HZ);
	profile_add(s->p, s->window, thread, s->kind, stack, info->by_count ? n : n / 100 + 1,
		    info->by_count ? n * (1000000000 / HZ) : n * info->divisor);
}

static void spec_finding(struct spec *s, char *text)
{
	struct findings *all = &s->findings;
	char *field[5] = { 0 };
	struct finding *f;

	for (int i = 0; i < 5; i++)
		field[i] = text ? strsep(&text, "|") : "";
	all->list = reallocarray(all->list, all->count + 1, sizeof(*all->list));
	f = &all->list[all->count++];
	*f = (struct finding){ .id = strdup(field[1] ? field[1] : ""),
			       .title = strdup(field[2] ? field[2] : ""),
			       .advice = strdup(field[3] ? field[3] : "") };
	f->severity = strcmp(field[0], "high") == 0	? FINDING_HIGH
		      : strcmp(field[0], "medium") == 0 ? FINDING_MEDIUM
							: FINDING_LOW;
	if (field[4] && *field[4])
		f->stack = spec_stack(s->p, field[4]);
}

static void spec_directive(struct spec *s, char *name, char *rest)
{
	unsigned long long a = 0, b = 0;
	char key[64];

	if (strcmp(name, "comm") == 0) {
		profile_process_at(s->p, s->process)->comm = profile_string(s->p, rest);
	} else if (strcmp(name, "cmdline") == 0) {
		profile_process_at(s->p, s->process)->cmdline = profile_string(s->p, rest);
	} else if (strcmp(name, "kind") == 0) {
		if (profile_kind_by_name(rest, &s->kind))
			fprintf(stderr, "mkprofile: no kind %s\n", rest);
	} else if (strcmp(name, "window") == 0 && sscanf(rest, "%llu %llu", &a, &b) == 2) {
		s->window = profile_window(s->p, a * 1000000, b * 1000000);
		if (b * 1000000 > s->end_ns)
			s->end_ns = b * 1000000;
	} else if (strcmp(name, "loss") == 0 && sscanf(rest, "%63s %llu", key, &a) == 2) {
		profile_loss_add(s->p, key, a);
	} else if (strcmp(name, "note") == 0) {
		profile_note(s->p, rest);
	} else if (strcmp(name, "finding") == 0) {
		spec_finding(s, rest);
	}
}

static void spec_read(struct spec *s, FILE *in)
{
	char *line = NULL, *rest;
	size_t cap = 0;
	ssize_t len;

	while ((len = getline(&line, &cap, in)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (line[0] != '@') {
			spec_row(s, line);
			continue;
		}
		rest = strchr(line, ' ');
		if (rest)
			*rest++ = '\0';
		spec_directive(s, line + 1, rest ? rest : "");
	}
	free(line);
}

static void spec_about(struct spec *s)
{
	struct profile_info *info = profile_info(s->p);

	info->tprof_version = profile_string(s->p, TPROF_VERSION);
	info->host = profile_string(s->p, "db-3");
	info->kernel = profile_string(s->p, "6.1.0-18-amd64");
	info->arch = profile_string(s->p, "x86_64");
	info->event = profile_string(s->p, "cpu-clock");
	info->target = profile_string(s->p, "-p 100");
	info->cpus = 8;
	info->hz = HZ;
	info->waits = info->threads_traced = true;
	info->stack_share_ppm = 1000000;
	info->start_realtime_ns = 1750000000ull * 1000000000;
	info->duration_ns = s->end_ns ? s->end_ns : 1000000000;
}

static int write_out(struct spec *s, const char *path)
{
	const struct renderer *r = renderer_by_path(path);
	struct render_input in = {
		.profile = s->p, .findings = &s->findings, .kind = PROFILE_CPU, .file = "spec.tprof"
	};
	struct buf out = BUF_INIT;
	struct diag d = { 0 };
	int err, fd;

	if (!r)
		return store_write(s->p, path, &d);
	err = r->render(&in, &out);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (!err)
		err = fd < 0 ? -1 : buf_write_fd(&out, fd);
	if (fd >= 0)
		close(fd);
	buf_release(&out);
	return err;
}

int main(int argc, char **argv)
{
	struct spec s = { .p = profile_new(), .kind = PROFILE_CPU };
	int err = 0;

	s.process = profile_process(s.p, 100, 1);
	profile_process_at(s.p, s.process)->comm = profile_string(s.p, "prog");
	s.window = profile_window(s.p, 0, 1000000000);
	spec_read(&s, stdin);
	spec_about(&s);
	for (int i = 1; i < argc && !err; i++)
		err = write_out(&s, argv[i]);
	if (err || profile_error(s.p))
		fprintf(stderr, "mkprofile: failed: %d\n", err);
	for (size_t i = 0; i < s.findings.count; i++)
		free((char *)s.findings.list[i].id);
	findings_release(&s.findings);
	profile_free(s.p);
	return err ? 1 : 0;
}
