/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of a recording, described. */
#include <string.h>

#include "store/impl.h"

/* Entries that are no entries of the profile's own tables. */
struct store_string {
	const char *text;
};

struct store_loss {
	const char *name;
	uint64_t count;
};

struct store_line {
	uint32_t frame, depth; /* depth 0 = innermost */
	uint32_t function, file, line;
	bool inlined;
};

struct store_stack {
	uint8_t end;
	uint32_t leaf; /* again, for SQL: who burns the CPU itself */
	struct store_array frames;
};

#define COLUMN(s, field, sql, kind, ref, least, most)                                         \
	{                                                                                     \
		.name = (sql), .offset = offsetof(s, field), .size = sizeof(((s *)0)->field), \
		.type = (kind), .refers = (ref), .min = (least), .max = (most)                \
	}
#define INT(s, field, sql)		 COLUMN(s, field, sql, STORE_INT, STORE_NONE, 0, 0)
#define ENUM(s, field, sql, least, most) COLUMN(s, field, sql, STORE_INT, STORE_NONE, least, most)
#define ID(s, field, sql, table)	 COLUMN(s, field, sql, STORE_INT, table, 0, 0)
#define STRING(s, field, sql)		 COLUMN(s, field, sql, STORE_INT, STORE_STRINGS, 0, 0)
#define SUM(s, field, sql)		 COLUMN(s, field, sql, STORE_SUM, STORE_NONE, 0, 0)
#define SIGNED(s, field, sql)		 COLUMN(s, field, sql, STORE_SIGNED, STORE_NONE, 0, 0)
#define BOOL(s, field, sql)		 COLUMN(s, field, sql, STORE_BOOL, STORE_NONE, 0, 0)
#define TEXT(s, field, sql)		 COLUMN(s, field, sql, STORE_TEXT, STORE_NONE, 0, 0)
#define BLOB(s, field, sql)		 COLUMN(s, field, sql, STORE_BLOB, STORE_NONE, 0, 0)
#define ARRAY(s, field, sql)		 COLUMN(s, field, sql, STORE_ARRAY, STORE_FRAMES, 0, 0)

static const struct store_column strings_columns[] = {
	TEXT(struct store_string, text, "text"),
};

static const struct store_column processes_columns[] = {
	SIGNED(struct profile_process, pid, "pid"),
	INT(struct profile_process, start_ns, "start_ns"),
	INT(struct profile_process, exit_ns, "exit_ns"),
	STRING(struct profile_process, comm, "comm"),
	STRING(struct profile_process, cmdline, "cmdline"),
	STRING(struct profile_process, exe, "exe"),
	STRING(struct profile_process, cgroup, "cgroup"),
	STRING(struct profile_process, container, "container"),
	INT(struct profile_process, group_of_exec, "execs"),
	BOOL(struct profile_process, forked, "forked"),
};

static const struct store_column modules_columns[] = {
	ENUM(struct profile_module, type, "type", PROFILE_MODULE_FILE, PROFILE_MODULE_UNKNOWN),
	STRING(struct profile_module, name, "name"),
	STRING(struct profile_module, build_id, "build_id"),
	ID(struct profile_module, process, "process", STORE_PROCESSES),
};

static const struct store_column frames_columns[] = {
	ID(struct profile_frame, module, "module", STORE_MODULES),
	INT(struct profile_frame, offset, "offset"),
};

static const struct store_column lines_columns[] = {
	ID(struct store_line, frame, "frame", STORE_FRAMES),
	INT(struct store_line, depth, "depth"),
	STRING(struct store_line, function, "function"),
	STRING(struct store_line, file, "file"),
	INT(struct store_line, line, "line"),
	BOOL(struct store_line, inlined, "inlined"),
};

static const struct store_column stacks_columns[] = {
	ENUM(struct store_stack, end, "end", 0, PROFILE_END_COUNT - 1),
	ID(struct store_stack, leaf, "leaf", STORE_FRAMES),
	ARRAY(struct store_stack, frames, "frames"),
};

static const struct store_column threads_columns[] = {
	ID(struct profile_thread, process, "process", STORE_PROCESSES),
	SIGNED(struct profile_thread, tid, "tid"),
	INT(struct profile_thread, start_ns, "start_ns"),
	INT(struct profile_thread, exit_ns, "exit_ns"),
	BOOL(struct profile_thread, created, "created"),
	STRING(struct profile_thread, comm, "comm"),
	STRING(struct profile_thread, group, "thread_group"),
	BOOL(struct profile_thread, cpu_exact, "cpu_exact"),
	SUM(struct profile_thread, cpu_ns, "cpu_ns"),
	SUM(struct profile_thread, runq_ns, "runq_ns"),
	SUM(struct profile_thread, offcpu_ns, "offcpu_ns"),
	SUM(struct profile_thread, voluntary_switches, "voluntary_switches"),
	SUM(struct profile_thread, involuntary_switches, "involuntary_switches"),
	SUM(struct profile_thread, futex_waits, "futex_waits"),
	SUM(struct profile_thread, futex_wait_ns, "futex_wait_ns"),
};

static const struct store_column windows_columns[] = {
	INT(struct profile_window, start_ns, "start_ns"),
	INT(struct profile_window, end_ns, "end_ns"),
};

static const struct store_column counts_columns[] = {
	ID(struct profile_row, window, "time_window", STORE_WINDOWS),
	ID(struct profile_row, thread, "thread", STORE_THREADS),
	ENUM(struct profile_row, kind, "kind", PROFILE_CPU, PROFILE_KIND_COUNT - 1),
	ID(struct profile_row, stack, "stack", STORE_STACKS),
	SUM(struct profile_row, count, "count"),
	SUM(struct profile_row, value, "value"),
};

static const struct store_column blocks_columns[] = {
	ID(struct profile_block, thread, "thread", STORE_THREADS),
	STRING(struct profile_block, syscall, "syscall"),
	SUM(struct profile_block, count, "count"),
	SUM(struct profile_block, ns, "ns"),
};

static const struct store_column locks_columns[] = {
	ID(struct profile_lock, process, "process", STORE_PROCESSES),
	INT(struct profile_lock, address, "address"),
	ENUM(struct profile_lock, type, "type", 0, PROFILE_LOCK_PARK),
	STRING(struct profile_lock, name, "name"),
	SUM(struct profile_lock, waits, "waits"),
	SUM(struct profile_lock, wait_ns, "wait_ns"),
	INT(struct profile_lock, max_wait_ns, "max_wait_ns"),
	SUM(struct profile_lock, timeouts, "timeouts"),
	SUM(struct profile_lock, signals, "signals"),
	BLOB(struct profile_lock, histogram, "histogram"),
};

static const struct store_column lock_users_columns[] = {
	ID(struct profile_lock_row, lock, "lock", STORE_LOCKS),
	ENUM(struct profile_lock_row, role, "role", PROFILE_WAITER, PROFILE_WAKER),
	ID(struct profile_lock_row, thread, "thread", STORE_THREADS),
	ID(struct profile_lock_row, stack, "stack", STORE_STACKS),
	SUM(struct profile_lock_row, count, "count"),
	SUM(struct profile_lock_row, ns, "ns"),
};

static const struct store_column spawns_columns[] = {
	ID(struct profile_spawn, process, "process", STORE_PROCESSES),
	STRING(struct profile_spawn, group, "thread_group"),
	ID(struct profile_spawn, stack, "stack", STORE_STACKS),
	SUM(struct profile_spawn, created, "created"),
	SUM(struct profile_spawn, exited, "exited"),
};

static const struct store_column lifetimes_columns[] = {
	ID(struct profile_lifetime, process, "process", STORE_PROCESSES),
	INT(struct profile_lifetime, ns, "ns"),
	SUM(struct profile_lifetime, count, "count"),
};

static const struct store_column churn_columns[] = {
	ID(struct profile_churn, process, "process", STORE_PROCESSES),
	INT(struct profile_churn, second, "second"),
	SUM(struct profile_churn, created, "created"),
	SUM(struct profile_churn, exited, "exited"),
};

static const struct store_column losses_columns[] = {
	TEXT(struct store_loss, name, "name"),
	SUM(struct store_loss, count, "count"),
};

static const struct store_column notes_columns[] = {
	TEXT(struct store_string, text, "text"),
};

static const struct store_column recording_columns[] = {
	STRING(struct profile_info, tprof_version, "tprof_version"),
	STRING(struct profile_info, host, "host"),
	STRING(struct profile_info, kernel, "kernel"),
	STRING(struct profile_info, arch, "arch"),
	INT(struct profile_info, cpus, "cpus"),
	STRING(struct profile_info, event, "event"),
	INT(struct profile_info, hz, "hz"),
	INT(struct profile_info, start_realtime_ns, "start_realtime_ns"),
	INT(struct profile_info, duration_ns, "duration_ns"),
	STRING(struct profile_info, target, "target"),
	BOOL(struct profile_info, system_wide, "system_wide"),
	BOOL(struct profile_info, waits, "waits"),
	BOOL(struct profile_info, threads_traced, "threads_traced"),
	INT(struct profile_info, live_at_start, "live_at_start"),
	INT(struct profile_info, live_at_end, "live_at_end"),
	INT(struct profile_info, stack_share_ppm, "stack_share_ppm"),
};

/* ── from the profile ───────────────────────────────────────────────────────────────────────── */

#define NEXT(table, type)                                                                 \
	static bool next_##table(struct profile *p, struct store_cursor *at, void *entry) \
	{                                                                                 \
		size_t n;                                                                 \
		const type *list = profile_##table(p, &n);                                \
                                                                                          \
		if (at->i >= n)                                                           \
			return false;                                                     \
		memcpy(entry, &list[at->i++], sizeof(*list));                             \
		return true;                                                              \
	}

NEXT(processes, struct profile_process)
NEXT(modules, struct profile_module)
NEXT(frames, struct profile_frame)
NEXT(threads, struct profile_thread)
NEXT(windows, struct profile_window)
NEXT(rows, struct profile_row)
NEXT(blocks, struct profile_block)
NEXT(locks, struct profile_lock)
NEXT(lock_rows, struct profile_lock_row)
NEXT(spawns, struct profile_spawn)
NEXT(lifetimes, struct profile_lifetime)
NEXT(churn, struct profile_churn)

static bool next_string(struct profile *p, struct store_cursor *at, void *entry)
{
	struct store_string *s = entry;

	if (at->i >= profile_string_count(p))
		return false;
	s->text = profile_str(p, (uint32_t)++at->i);
	return true;
}

static bool next_line(struct profile *p, struct store_cursor *at, void *entry)
{
	struct store_line *l = entry;
	const struct profile_line *line;
	size_t n;
	const struct profile_frame *frames = profile_frames(p, &n);

	while (at->i < n && at->sub >= frames[at->i].lines) {
		at->i++;
		at->sub = 0;
	}
	if (at->i >= n)
		return false;
	line = profile_line_at(p, frames[at->i].first_line + at->sub);
	*l = (struct store_line){ (uint32_t)at->i + 1, at->sub,	   line->function,
				  line->file,	       line->line, line->inlined };
	at->sub++;
	return true;
}

static bool next_stack(struct profile *p, struct store_cursor *at, void *entry)
{
	struct store_stack *out = entry;
	size_t n;
	const struct profile_stack *s = profile_stacks(p, &n);

	if (at->i >= n)
		return false;
	s += at->i++;
	*out = (struct store_stack){ .end = s->end, .frames.count = s->frames };
	if (s->frames) {
		out->frames.values = profile_stack_frames(p, s);
		out->leaf = out->frames.values[0];
	}
	return true;
}

static bool next_loss(struct profile *p, struct store_cursor *at, void *entry)
{
	struct store_loss *out = entry;
	size_t n;
	const struct profile_loss *l = profile_losses(p, &n);

	if (at->i >= n)
		return false;
	l += at->i++;
	*out = (struct store_loss){ profile_str(p, l->name), l->count };
	return true;
}

static bool next_note(struct profile *p, struct store_cursor *at, void *entry)
{
	struct store_string *s = entry;
	size_t n;
	const uint32_t *notes = profile_notes(p, &n);

	if (at->i >= n)
		return false;
	s->text = profile_str(p, notes[at->i++]);
	return true;
}

static bool next_info(struct profile *p, struct store_cursor *at, void *entry)
{
	if (at->i++)
		return false;
	memcpy(entry, profile_info_const(p), sizeof(struct profile_info));
	return true;
}

/* ── into a profile ─────────────────────────────────────────────────────────────────────────── */

static uint32_t add_string(struct store_reader *r, const void *entry)
{
	const struct store_string *s = entry;

	return profile_string(r->p, s->text);
}

static uint32_t add_process(struct store_reader *r, const void *entry)
{
	const struct profile_process *o = entry;
	uint32_t id = profile_process(r->p, o->pid, o->start_ns);

	if (id)
		*profile_process_at(r->p, id) = *o;
	return id;
}

static uint32_t add_module(struct store_reader *r, const void *entry)
{
	struct profile_module m = *(const struct profile_module *)entry;

	m.fd = m.root_fd = -1;
	return profile_module(r->p, &m);
}

static uint32_t add_frame(struct store_reader *r, const void *entry)
{
	const struct profile_frame *f = entry;

	return profile_frame(r->p, f->module, f->offset);
}

void store_flush_lines(struct store_reader *r)
{
	if (r->line_count)
		profile_frame_name(r->p, r->frame, r->lines, r->line_count);
	r->line_count = 0;
}

static uint32_t add_line(struct store_reader *r, const void *entry)
{
	const struct store_line *l = entry;

	if (l->frame != r->frame)
		store_flush_lines(r);
	r->frame = l->frame;
	if (!l->frame || l->depth != r->line_count ||
	    l->depth >= sizeof(r->lines) / sizeof(*r->lines))
		return 0;
	r->lines[r->line_count++] =
		(struct profile_line){ l->function, l->file, l->line, l->inlined };
	return 1;
}

static uint32_t add_stack(struct store_reader *r, const void *entry)
{
	const struct store_stack *s = entry;

	return profile_stack(r->p, s->frames.values, s->frames.count,
			     (enum profile_stack_end)s->end);
}

static uint32_t add_thread(struct store_reader *r, const void *entry)
{
	const struct profile_thread *t = entry;
	uint32_t id = profile_thread(r->p, t->process, t->tid, t->start_ns);

	if (id)
		*profile_thread_at(r->p, id) = *t;
	return id;
}

static uint32_t add_window(struct store_reader *r, const void *entry)
{
	const struct profile_window *w = entry;

	return w->end_ns < w->start_ns ? 0 : profile_window(r->p, w->start_ns, w->end_ns);
}

static uint32_t add_count(struct store_reader *r, const void *entry)
{
	const struct profile_row *c = entry;

	profile_add(r->p, c->window, c->thread, (enum profile_kind)c->kind, c->stack, c->count,
		    c->value);
	return 1;
}

static uint32_t add_block(struct store_reader *r, const void *entry)
{
	const struct profile_block *b = entry;

	profile_block_add(r->p, b->thread, b->syscall, b->count, b->ns);
	return 1;
}

static uint32_t add_lock(struct store_reader *r, const void *entry)
{
	const struct profile_lock *l = entry;
	uint32_t id = profile_lock(r->p, l->process, l->address);

	if (id)
		*profile_lock_at(r->p, id) = *l;
	return id;
}

static uint32_t add_lock_user(struct store_reader *r, const void *entry)
{
	const struct profile_lock_row *l = entry;

	if (!l->lock)
		return 0;
	profile_lock_add(r->p, l->lock, (enum profile_lock_role)l->role, l->thread, l->stack,
			 l->count, l->ns);
	return 1;
}

static uint32_t add_spawn(struct store_reader *r, const void *entry)
{
	const struct profile_spawn *s = entry;

	profile_spawn_add(r->p, s->process, s->group, s->stack, s->created, s->exited);
	return 1;
}

static uint32_t add_lifetime(struct store_reader *r, const void *entry)
{
	const struct profile_lifetime *l = entry;

	profile_lifetime_add(r->p, l->process, l->ns, l->count);
	return 1;
}

static uint32_t add_churn(struct store_reader *r, const void *entry)
{
	const struct profile_churn *c = entry;

	profile_churn_add(r->p, c->process, c->second, c->created, c->exited);
	return 1;
}

static uint32_t add_loss(struct store_reader *r, const void *entry)
{
	const struct store_loss *l = entry;

	profile_loss_add(r->p, l->name, l->count);
	return 1;
}

static uint32_t add_note(struct store_reader *r, const void *entry)
{
	profile_note(r->p, ((const struct store_string *)entry)->text);
	return 1;
}

static uint32_t add_info(struct store_reader *r, const void *entry)
{
	*profile_info(r->p) = *(const struct profile_info *)entry;
	return 1;
}

/* ── all of them ────────────────────────────────────────────────────────────────────────────── */

#define TABLE(sql, next, add)                                                                  \
	{                                                                                      \
#sql, sql##_columns, sizeof(sql##_columns) / sizeof(*sql##_columns), next, add \
	}

const struct store_table store_tables[STORE_COUNT] = {
	[STORE_STRINGS] = TABLE(strings, next_string, add_string),
	[STORE_PROCESSES] = TABLE(processes, next_processes, add_process),
	[STORE_MODULES] = TABLE(modules, next_modules, add_module),
	[STORE_FRAMES] = TABLE(frames, next_frames, add_frame),
	[STORE_LINES] = TABLE(lines, next_line, add_line),
	[STORE_STACKS] = TABLE(stacks, next_stack, add_stack),
	[STORE_THREADS] = TABLE(threads, next_threads, add_thread),
	[STORE_WINDOWS] = TABLE(windows, next_windows, add_window),
	[STORE_COUNTS] = TABLE(counts, next_rows, add_count),
	[STORE_BLOCKS] = TABLE(blocks, next_blocks, add_block),
	[STORE_LOCKS] = TABLE(locks, next_locks, add_lock),
	[STORE_LOCK_USERS] = TABLE(lock_users, next_lock_rows, add_lock_user),
	[STORE_SPAWNS] = TABLE(spawns, next_spawns, add_spawn),
	[STORE_LIFETIMES] = TABLE(lifetimes, next_lifetimes, add_lifetime),
	[STORE_CHURN] = TABLE(churn, next_churn, add_churn),
	[STORE_LOSSES] = TABLE(losses, next_loss, add_loss),
	[STORE_NOTES] = TABLE(notes, next_note, add_note),
	[STORE_RECORDING] = TABLE(recording, next_info, add_info),
};
