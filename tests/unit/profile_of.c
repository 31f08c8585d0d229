/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles written and read as folded text. */
#include "test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "profile/tree.h"

enum { MAX_FRAMES = 1024 };

static uint32_t module_of(struct profile *p, enum profile_module_type type, const char *name)
{
	return profile_module(p, &(struct profile_module){
					 .name = profile_string(p, name),
					 .type = (uint8_t)type,
					 .fd = -1,
					 .root_fd = -1,
				 });
}

/* Takes "_[x]" from the end of a name. */
static bool cut_suffix(char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	if (len < n || strcmp(name + len - n, suffix))
		return false;
	name[len - n] = '\0';
	return true;
}

/* Same name, same frame: the offset is the id of the name. */
static uint32_t frame_of(struct profile *p, char *name, struct profile_line *ret_line)
{
	char *bang = strchr(name, '!');
	bool kernel = cut_suffix(name, "_[k]"), jit = cut_suffix(name, "_[j]");
	uint32_t module, frame;
	unsigned long long offset;
	char file[256];

	if (sscanf(name, "[%255[^]+]+0x%llx]", file, &offset) == 2) {
		*ret_line = (struct profile_line){ 0 };
		return profile_frame(p, module_of(p, PROFILE_MODULE_FILE, file), offset);
	}
	if (bang)
		*bang = '\0';
	module = kernel ? module_of(p, PROFILE_MODULE_KERNEL, "[kernel]")
		 : jit	? module_of(p, PROFILE_MODULE_JIT, "[jit]")
			: module_of(p, PROFILE_MODULE_FILE, bang ? name : "/usr/bin/prog");
	*ret_line = (struct profile_line){ .function = profile_string(p, bang ? bang + 1 : name) };
	frame = profile_frame(p, module, ret_line->function);
	return frame;
}

static void name_frame(struct profile *p, uint32_t frame, const struct profile_line *lines,
		       uint32_t n)
{
	if (frame && n && lines[n - 1].function)
		profile_frame_name(p, frame, lines, n);
}

uint32_t stack_of(struct profile *p, const char *text)
{
	enum profile_stack_end end = PROFILE_END_ROOT;
	uint32_t frames[MAX_FRAMES], n = MAX_FRAMES, frame = 0, inlined = 0;
	struct profile_line lines[16];
	char *copy = strdup(text), *save = NULL;

	if (!copy)
		return 0;
	for (char *name = strtok_r(copy, ";", &save); name; name = strtok_r(NULL, ";", &save)) {
		if (strcmp(name, "[truncated]") == 0) {
			end = PROFILE_END_NO_RULE;
			continue;
		}
		if (cut_suffix(name, "_[i]") && frame && inlined < 15) {
			/* Leaf first: the inner call goes before those that are there. */
			memmove(lines + 1, lines, (inlined + 1) * sizeof(*lines));
			lines[0] = (struct profile_line){ .function = profile_string(p, name),
							  .inlined = true };
			inlined++;
			/* Another place in the function than without the inlined call. */
			frame = profile_frame(p, profile_frame_at(p, frame)->module,
					      (profile_frame_at(p, frame)->offset << 16) +
						      lines[0].function);
			frames[n] = frame;
			name_frame(p, frame, lines, inlined + 1);
			continue;
		}
		frame = frame_of(p, name, &lines[0]);
		inlined = 0;
		name_frame(p, frame, lines, 1);
		frames[--n] = frame;
	}
	free(copy);
	return profile_stack(p, frames + n, MAX_FRAMES - n, end);
}

uint32_t thread_of(struct profile *p, const char *comm, int32_t tid)
{
	uint32_t process = profile_process(p, 100, 1), thread = 0;
	size_t n;
	const struct profile_thread *all = profile_threads(p, &n);
	int32_t next = 100;

	for (size_t i = 0; i < n && !thread; i++) {
		next = all[i].tid >= next ? all[i].tid + 1 : next;
		if (tid ? all[i].tid == tid : !strcmp(profile_str(p, all[i].comm), comm))
			thread = (uint32_t)i + 1;
	}
	if (!thread)
		thread = profile_thread(p, process, tid ? tid : next, 1);
	if (!thread)
		return 0;
	profile_thread_at(p, thread)->comm = profile_string(p, comm);
	profile_thread_at(p, thread)->group = profile_group_name(p, comm);
	return thread;
}

/* "comm" or "comm-123". */
static uint32_t thread_named(struct profile *p, char *comm)
{
	char *dash = strrchr(comm, '-');
	bool tid = dash && isdigit((unsigned char)dash[1]) &&
		   !dash[1 + strspn(dash + 1, "0123456789")];

	if (tid)
		*dash = '\0';
	return thread_of(p, comm, tid ? atoi(dash + 1) : 0);
}

static void add_line(struct profile *p, enum profile_kind kind, char *line)
{
	const struct profile_kind_info *info = profile_kind_info(kind);
	char *space = strrchr(line, ' '), *semicolon = strchr(line, ';');
	uint64_t n = space ? strtoull(space + 1, NULL, 10) : 0;
	uint32_t stack, thread;

	if (!space || !semicolon)
		return;
	*space = *semicolon = '\0';
	thread = thread_named(p, line);
	stack = stack_of(p, semicolon + 1);
	profile_add(p, profile_window(p, 0, 1000000000), thread, kind, stack,
		    info->by_count ? n : 1, n * info->divisor);
}

void profile_of_kind(struct profile *p, enum profile_kind kind, const char *text)
{
	char *copy = strdup(text), *save = NULL;

	if (!copy)
		return;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		add_line(p, kind, line);
	free(copy);
}

struct profile *profile_of(const char *text)
{
	struct profile *p = profile_new();
	uint32_t process;

	if (!p)
		return NULL;
	process = profile_process(p, 100, 1);
	if (process)
		profile_process_at(p, process)->comm = profile_string(p, "prog");
	profile_info(p)->cpus = 2;
	profile_info(p)->hz = 99;
	profile_info(p)->duration_ns = 1000000000;
	profile_of_kind(p, PROFILE_CPU, text);
	return p;
}

/* ── and back ───────────────────────────────────────────────────────────────────────────────── */

struct line {
	char *stack;
	uint64_t weight;
};

static int by_stack(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->stack, ((const struct line *)b)->stack);
}

static char *stack_text(struct profile *p, const struct profile_row *row, bool by_thread)
{
	struct profile_label labels[MAX_FRAMES];
	size_t n = profile_labels(p, row, by_thread, labels, MAX_FRAMES);
	struct buf b = BUF_INIT;

	buf_addstr(&b, "");
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s%s", i ? ";" : "", profile_str(p, labels[i].text),
			   profile_label_suffix(labels[i].type));
	return b.data;
}

const char *folded_kind(struct profile *p, enum profile_kind kind, bool by_thread)
{
	static struct buf out;
	size_t count, n = 0;
	const struct profile_row *rows = profile_rows(p, &count);
	struct line *lines = calloc(count + 1, sizeof(*lines));

	for (size_t i = 0; i < count; i++)
		if (rows[i].kind == kind)
			lines[n++] = (struct line){ stack_text(p, &rows[i], by_thread),
						    profile_row_weight(&rows[i]) };
	qsort(lines, n, sizeof(*lines), by_stack);
	buf_release(&out);
	buf_addstr(&out, "");
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && strcmp(lines[i].stack, lines[i + 1].stack) == 0)
			lines[i + 1].weight += lines[i].weight;
		else
			buf_printf(&out, "%s %llu\n", lines[i].stack,
				   (unsigned long long)lines[i].weight);
		free(lines[i].stack);
	}
	free(lines);
	return out.data;
}

const char *folded(struct profile *p)
{
	return folded_kind(p, PROFILE_CPU, false);
}
