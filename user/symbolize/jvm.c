/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/jvm.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "profile/profile.h"
#include "symbolize/jvm_attach.h"
#include "symbolize/symbolizer.h"

#define AGAIN_NS      (5ull * 1000000000) /* between two questions to one JVM … */
#define AGAIN_UNNAMED 20		  /* … for which so many new frames must have no name */
#define MAX_REFUSALS  3
#define READ_AGAIN_NS 1000000000ull /* between two readings of a map … */
#define READ_BUDGET   50	    /* … and at least so many times what one takes */
#define MAX_PROCESSES 65536

/* A process with code of its own. */
struct jvm {
	uint32_t process, module;
	uint32_t unnamed;     /* frames seen since it was last asked, or its map read */
	uint64_t asked_ns;    /* likewise */
	uint64_t pause_ns;    /* between two readings */
	unsigned refusals;    /* that may have been for the time only */
	bool asked, hopeless; /* no JVM, or one that says no: its map is read, if there is one */
	bool late;	      /* a map that was asked for may still come */
	pid_t child;	      /* the call under way; 0 = none */
	int answer_fd;
};

struct jvms {
	struct jvm *list;
	size_t count, cap;
	uint32_t frames_seen;
	bool ask;
};

struct jvms *jvms_new(bool ask)
{
	struct jvms *j = calloc(1, sizeof(*j));

	if (j)
		j->ask = ask;
	return j;
}

static struct jvm *jvm_of(struct jvms *j, uint32_t module, uint32_t process)
{
	for (size_t i = 0; i < j->count; i++)
		if (j->list[i].module == module)
			return &j->list[i];
	if (j->count == MAX_PROCESSES || array_room(&j->list, j->count, &j->cap, sizeof(*j->list)))
		return NULL;
	j->list[j->count] = (struct jvm){
		.module = module, .process = process, .hopeless = !j->ask, .answer_fd = -1
	};
	return &j->list[j->count++];
}

/* Counts the frames that came since the last time. */
static void look(struct jvms *j, struct profile *p)
{
	size_t frames;
	const struct profile_frame *f = profile_frames(p, &frames);

	for (; j->frames_seen < frames; j->frames_seen++) {
		const struct profile_frame *frame = &f[j->frames_seen];
		const struct profile_module *m =
			frame->module ? profile_module_at(p, frame->module) : NULL;
		struct jvm *v;

		if (!m || m->type != PROFILE_MODULE_JIT || m->process == 0 || frame->lines > 0)
			continue;
		v = jvm_of(j, frame->module, m->process);
		if (v)
			v->unnamed++;
	}
}

static void ask(struct jvm *v, struct profile *p, uint64_t now_ns)
{
	const struct profile_process *proc = profile_process_at(p, v->process);

	if (proc->exit_ns != 0)
		return;
	v->answer_fd = jvm_attach_start(proc->pid, &v->child);
	if (v->answer_fd < 0)
		v->child = 0;
	v->asked = true;
	v->asked_ns = now_ns;
	v->unnamed = 0;
}

static void note(struct profile *p, const struct jvm *v, const char *what, const char *why)
{
	const struct profile_process *proc = profile_process_at(p, v->process);
	char text[320];

	snprintf(text, sizeof(text), "JVM %.40s (%d): %s%s", profile_str(p, proc->comm),
		 (int)proc->pid, what, why);
	profile_note(p, text);
}

/* A map that a JVM was asked for is its memory of this moment: whatever it names is named now, and keeps
 * its name. To others runtimes append, and their latest line is the right one: `anew`. Was there any? */
static bool name_frames(struct profile *p, const struct jvm *v, bool anew, bool quiet)
{
	struct symbolizer s = { .profile = p, .quiet = quiet };
	size_t n = 0, frames, left;
	const struct profile_frame *f = profile_frames(p, &frames);
	struct query *q = calloc(frames + 1, sizeof(*q));

	if (!q)
		return false;
	for (size_t i = 0; i < frames; i++)
		if (f[i].module == v->module && (anew || f[i].lines == 0))
			q[n++] = (struct query){ .offset = f[i].offset,
						 .addr = f[i].offset,
						 .id = (uint32_t)i + 1 };
	query_sort(q, n);
	resolve_jit(&s, v->module, q, n);
	left = query_unnamed(q, n);
	free(q);
	return left < n;
}

/* What was not there before is not left behind. */
static void remove_map(struct profile *p, const struct jvm *v)
{
	const struct profile_process *proc = profile_process_at(p, v->process);
	int root_fd = profile_module_at(p, v->module)->root_fd;

	if (root_fd > 0 && proc->ns_pid > 0)
		jvm_attach_remove_map(root_fd, proc->ns_pid, proc->uid);
}

static void take(struct jvm *v, struct profile *p, const struct jvm_answer *answer)
{
	v->late = answer->fresh && !answer->written;
	if (answer->written) {
		name_frames(p, v, false, false);
	} else if (answer->later && ++v->refusals < MAX_REFUSALS) {
		return;
	} else {
		v->hopeless = true;
		v->unnamed = 1; /* what it was asked for may stand in its map */
	}
	if (answer->written && answer->fresh)
		remove_map(p, v);
	if (answer->no_frame_pointer)
		note(p, v, "started without -XX:+PreserveFramePointer: ",
		     "Java stacks end early; start it with that option");
	if (!answer->written && answer->why[0] != '\0')
		note(p, v, "Java functions have no names: ", answer->why);
}

/* Ends the call; reads the answer if it is there. */
static void hang_up(struct jvm *v, struct profile *p)
{
	struct jvm_answer answer = { .why = "it did not answer within 2 s" };
	ssize_t n = read(v->answer_fd, &answer, sizeof(answer));

	if (n != (ssize_t)sizeof(answer))
		answer = (struct jvm_answer){ .why = "it did not answer within 2 s" };
	answer.why[sizeof(answer.why) - 1] = '\0';
	kill(v->child, SIGKILL);
	waitpid(v->child, NULL, 0);
	close(v->answer_fd);
	v->child = 0;
	v->answer_fd = -1;
	if (p)
		take(v, p, &answer);
}

static bool answered(const struct jvm *v, int timeout_ms)
{
	struct pollfd pfd = { .fd = v->answer_fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1;
}

static void read_map(struct jvm *v, struct profile *p)
{
	uint64_t begin = clock_now(), took;
	bool any = name_frames(p, v, !v->late, true);

	took = clock_now() - begin;
	v->unnamed = v->late && !any; /* it may still come */
	v->asked_ns = begin;
	v->pause_ns = took * READ_BUDGET > READ_AGAIN_NS ? took * READ_BUDGET : READ_AGAIN_NS;
}

static bool due(const struct jvm *v, uint64_t now_ns)
{
	if (v->hopeless)
		return v->unnamed > 0 && now_ns - v->asked_ns >= v->pause_ns;
	if (!v->asked)
		return true;
	return now_ns - v->asked_ns >= AGAIN_NS && (v->unnamed >= AGAIN_UNNAMED || v->refusals > 0);
}

void jvms_poll(struct jvms *j, struct profile *p, uint64_t now_ns)
{
	look(j, p);
	for (size_t i = 0; i < j->count; i++) {
		struct jvm *v = &j->list[i];

		if (v->child != 0) {
			if (answered(v, 0) ||
			    now_ns - v->asked_ns > (JVM_ATTACH_MS + 500) * 1000000ull)
				hang_up(v, p);
			continue;
		}
		if (!due(v, now_ns))
			continue;
		if (v->hopeless)
			read_map(v, p);
		else
			ask(v, p, now_ns);
	}
}

void jvms_finish(struct jvms *j, struct profile *p)
{
	uint64_t end = clock_now() + (JVM_ATTACH_MS + 200) * 1000000ull;

	look(j, p);
	for (size_t i = 0; i < j->count; i++) {
		struct jvm *v = &j->list[i];

		if (v->child == 0 && (v->unnamed > 0 || v->refusals > 0) && !v->hopeless)
			ask(v, p, clock_now());
	}
	for (size_t i = 0; i < j->count; i++) {
		uint64_t at = clock_now();

		if (j->list[i].child == 0)
			continue;
		answered(&j->list[i], at < end ? (int)((end - at) / 1000000) : 0);
		hang_up(&j->list[i], p);
	}
	for (size_t i = 0; i < j->count; i++) {
		if (j->list[i].hopeless)
			read_map(&j->list[i], p);
		if (j->list[i].late)
			remove_map(p, &j->list[i]);
	}
}

void jvms_free(struct jvms *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->count; i++)
		if (j->list[i].child != 0)
			hang_up(&j->list[i], NULL);
	free(j->list);
	free(j);
}
