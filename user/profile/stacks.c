/* SPDX-License-Identifier: BSD-2-Clause */
/* Modules, frames and their names, stacks. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "profile/impl.h"

/* ── modules ────────────────────────────────────────────────────────────────────────────────── */

static bool module_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_module *a = l->key;
	const struct profile_module *b = table_at(&l->p->modules, struct profile_module, id);

	return a->type == b->type && a->name == b->name && a->build_id == b->build_id &&
	       a->process == b->process && a->dev == b->dev && a->inode == b->inode;
}

static uint64_t module_hash(const struct profile_module *m)
{
	uint64_t h = hash_mix(m->type, (uint64_t)m->name << 32 | m->build_id);

	return hash_mix(hash_mix(h, m->process), hash_mix(m->dev, m->inode));
}

/* Hands fd to *have if that has none, else closes it. */
static void take_fd(int *have, int fd)
{
	if (fd <= 0 || fd == *have)
		return;
	if (*have <= 0)
		*have = fd;
	else
		close(fd);
}

uint32_t profile_module(struct profile *p, const struct profile_module *m)
{
	struct profile_module entry = *m;
	uint32_t id;
	int none = 1; /* "has one": makes take_fd close */

	entry.fd = entry.root_fd = -1;
	id = table_intern(p, &p->modules, module_hash(m), module_equal, m, &entry, sizeof(entry));
	take_fd(id ? &profile_module_at(p, id)->fd : &none, m->fd);
	take_fd(id ? &profile_module_at(p, id)->root_fd : &none, m->root_fd);
	return id;
}

struct profile_module *profile_module_at(const struct profile *p, uint32_t id)
{
	return table_get(&p->modules, struct profile_module, id);
}

/* ── frames ─────────────────────────────────────────────────────────────────────────────────── */

static bool frame_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_frame *a = l->key;
	const struct profile_frame *b = table_at(&l->p->frames, struct profile_frame, id);

	return a->offset == b->offset && a->module == b->module;
}

uint32_t profile_frame(struct profile *p, uint32_t module, uint64_t offset)
{
	struct profile_frame f = { .module = module, .offset = offset };

	return table_intern(p, &p->frames, hash_mix(module, offset), frame_equal, &f, &f,
			    sizeof(f));
}

const struct profile_frame *profile_frame_at(const struct profile *p, uint32_t id)
{
	return table_get(&p->frames, struct profile_frame, id);
}

/* They are made anew when they are asked for. */
static void labels_forget(struct profile *p)
{
	table_clear(&p->frame_labels);
	table_clear(&p->label_slices);
}

void profile_frame_name(struct profile *p, uint32_t frame, const struct profile_line *lines,
			uint32_t n)
{
	struct profile_frame *f;
	uint32_t first;

	if (!frame || frame > p->frames.count || !table_reserve(p, &p->lines, n, sizeof(*lines)))
		return;
	f = table_at(&p->frames, struct profile_frame, frame);
	first = (uint32_t)p->lines.count;
	if (n <= f->lines)
		first = f->first_line; /* named again: the old lines make room */
	else
		p->lines.count += n;
	if (n)
		memcpy((struct profile_line *)p->lines.list + first, lines, n * sizeof(*lines));
	f->first_line = first;
	f->lines = n;
	labels_forget(p);
}

void profile_drop_inlined(struct profile *p)
{
	for (uint32_t id = 1; id <= p->frames.count; id++) {
		struct profile_frame *f = table_at(&p->frames, struct profile_frame, id);

		if (f->lines < 2)
			continue;
		f->first_line += f->lines - 1;
		f->lines = 1;
	}
	labels_forget(p);
}

void profile_show_lines(struct profile *p)
{
	p->show_lines = true;
	labels_forget(p);
}

const struct profile_line *profile_line_at(const struct profile *p, uint32_t index)
{
	return (const struct profile_line *)p->lines.list + index;
}

/* ── stacks ─────────────────────────────────────────────────────────────────────────────────── */

static const char *const stack_end_names[] = {
	[PROFILE_END_UNKNOWN] = "unknown",   [PROFILE_END_ROOT] = "root",
	[PROFILE_END_DEPTH] = "depth",	     [PROFILE_END_MEMORY] = "memory",
	[PROFILE_END_NO_RULE] = "no_rule",   [PROFILE_END_UNSUPPORTED] = "unsupported",
	[PROFILE_END_NO_TABLE] = "no_table", [PROFILE_END_STUCK] = "stuck",
	[PROFILE_END_LOST] = "lost",
};
_Static_assert(sizeof(stack_end_names) / sizeof(*stack_end_names) == PROFILE_END_COUNT,
	       "each end has a name");

const char *profile_stack_end_name(enum profile_stack_end end)
{
	return (unsigned)end < PROFILE_END_COUNT ? stack_end_names[end] : "unknown";
}

struct frames {
	const uint32_t *ids;
	uint32_t n;
	uint8_t end;
};

static bool stack_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct frames *key = l->key;
	const struct profile_stack *s = table_at(&l->p->stacks, struct profile_stack, id);

	return s->frames == key->n && s->end == key->end &&
	       (key->n == 0 ||
		memcmp(profile_stack_frames(l->p, s), key->ids, key->n * sizeof(*key->ids)) == 0);
}

uint32_t profile_stack(struct profile *p, const uint32_t *frames, uint32_t n,
		       enum profile_stack_end end)
{
	struct frames key = { .ids = frames, .n = n, .end = (uint8_t)end };
	struct profile_stack s = { .first = (uint32_t)p->stack_frames.count,
				   .frames = n,
				   .end = (uint8_t)end };
	uint64_t hash = hash_bytes(frames, n * sizeof(*frames), key.end);
	size_t before = p->stacks.count;
	uint32_t id;

	if (!table_reserve(p, &p->stack_frames, n, sizeof(*frames)))
		return 0;
	id = table_intern(p, &p->stacks, hash, stack_equal, &key, &s, sizeof(s));
	if (p->stacks.count == before)
		return id;
	if (n)
		memcpy((uint32_t *)p->stack_frames.list + s.first, frames, n * sizeof(*frames));
	p->stack_frames.count += n;
	return id;
}

const struct profile_stack *profile_stack_at(const struct profile *p, uint32_t id)
{
	return table_get(&p->stacks, struct profile_stack, id);
}

const uint32_t *profile_stack_frames(const struct profile *p, const struct profile_stack *s)
{
	return (const uint32_t *)p->stack_frames.list + s->first;
}

bool profile_stack_complete(const struct profile *p, uint32_t id)
{
	const struct profile_stack *s = profile_stack_at(p, id);

	return s && s->end == PROFILE_END_ROOT;
}

/*
 * Where threads begin, for code whose CFI does not say so: the C start files, glibc's and musl's
 * thread starts, Go's. A '*' at the end stands for any rest (symbol versions, _impl, .abi0).
 */
static const char *const root_names[] = {
	"_start",
	"_dl_start_user",
	"_dlstart*",
	"__libc_start_main*",
	"__libc_start_call_main*",
	"libc_start_main_stage2",
	"start_thread",
	"thread_start",
	"runtime.goexit*",
	"runtime.mcall*",
	"runtime.mstart*",
	"runtime.rt0_go*",
	"_rt0_*",
	"ret_from_fork*",
};

/* Roots only where they called something. clone: as the leaf it is the creator's side, in the middle of
 * the system call, and what called it is missing. Go's: they stand at the base of the thread's own stack,
 * that the runtime (collector, scheduler) works on. */
static const char *const calling_root_names[] = {
	"clone",
	"clone3",
	"__clone",
	"__clone3",
	"__GI___clone*",
	"runtime.systemstack*",
	"runtime.morestack*",
	"runtime.asmcgocall*",
};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(names[i]);
		bool open = names[i][len - 1] == '*';

		if (open ? strncmp(name, names[i], len - 1) == 0 : strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof(*(names)))

bool profile_is_root_name(const char *name)
{
	return IS_ONE_OF(name, root_names) || IS_ONE_OF(name, calling_root_names);
}

/* Is the outermost frame the only one of user space? */
static bool is_user_leaf(const struct profile *p, const struct profile_stack *s)
{
	const struct profile_frame *f;

	if (s->frames < 2)
		return true;
	f = table_at(&p->frames, struct profile_frame, profile_stack_frames(p, s)[s->frames - 2]);
	return !f->module || table_at(&p->modules, struct profile_module, f->module)->type ==
				     PROFILE_MODULE_KERNEL;
}

/* The outermost function of a stack, or "" without a name. */
static const char *outermost(const struct profile *p, const struct profile_stack *s)
{
	const struct profile_frame *f;

	if (s->frames == 0)
		return "";
	f = table_at(&p->frames, struct profile_frame, profile_stack_frames(p, s)[s->frames - 1]);
	if (f->lines == 0)
		return "";
	return profile_str(p, profile_line_at(p, f->first_line + f->lines - 1)->function);
}

size_t profile_complete_by_name(struct profile *p)
{
	size_t completed = 0;

	for (uint32_t id = 1; id <= p->stacks.count; id++) {
		struct profile_stack *s = table_at(&p->stacks, struct profile_stack, id);

		if (s->end == PROFILE_END_ROOT)
			continue;
		if (!IS_ONE_OF(outermost(p, s), root_names) &&
		    (!IS_ONE_OF(outermost(p, s), calling_root_names) || is_user_leaf(p, s)))
			continue;
		s->end = PROFILE_END_ROOT;
		completed++;
	}
	return completed;
}
