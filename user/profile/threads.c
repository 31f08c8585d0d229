/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes, threads, what they were blocked in, how they come and go. */
#include <string.h>

#include "profile/impl.h"

/* ── processes and threads: PIDs and TIDs are reused, so the start time belongs to the identity ─
 */

struct identity {
	uint32_t process; /* of a thread */
	int32_t number;	  /* pid or tid */
	uint64_t start_ns;
	/* What the walk over all incarnations found. */
	uint32_t latest, unknown;
	uint64_t latest_start;
};

/* Looks at one incarnation: true = this is the very one. */
static bool consider(struct identity *key, uint32_t id, uint64_t start_ns)
{
	if (key->start_ns && start_ns == key->start_ns)
		return true;
	if (start_ns == 0)
		key->unknown = id;
	if (!key->latest || start_ns >= key->latest_start) {
		key->latest = id;
		key->latest_start = start_ns;
	}
	return false;
}

static bool process_equal(const void *ctx, uint32_t id)
{
	struct identity *key = (struct identity *)((const struct lookup *)ctx)->key;
	const struct profile *p = ((const struct lookup *)ctx)->p;
	const struct profile_process *o = table_at(&p->processes, struct profile_process, id);

	return o->pid == key->number && consider(key, id, o->start_ns);
}

static bool thread_equal(const void *ctx, uint32_t id)
{
	struct identity *key = (struct identity *)((const struct lookup *)ctx)->key;
	const struct profile *p = ((const struct lookup *)ctx)->p;
	const struct profile_thread *t = table_at(&p->threads, struct profile_thread, id);

	return t->tid == key->number && t->process == key->process &&
	       consider(key, id, t->start_ns);
}

/* The incarnation that is meant: the very one, without a start time the latest, or with one the one
 * whose start was not known before (*ret_adopt then). 0 = a new one. */
static uint32_t find_identity(const struct profile *p, const struct table *t, uint64_t hash,
			      map_equal_fn equal, struct identity *key, bool *ret_adopt)
{
	struct lookup l = { .p = p, .key = key };
	uint32_t id = map_find(&t->map, hash, equal, &l);

	*ret_adopt = !id && key->start_ns && key->unknown;
	if (id)
		return id;
	return key->start_ns ? key->unknown : key->latest;
}

static bool never_equal(const void *ctx, uint32_t id)
{
	(void)ctx;
	(void)id;
	return false;
}

uint32_t profile_process(struct profile *p, int32_t pid, uint64_t start_ns)
{
	struct profile_process o = { .pid = pid, .start_ns = start_ns };
	struct identity key = { .number = pid, .start_ns = start_ns };
	uint64_t hash = hash_u64((uint32_t)pid);
	bool adopt;
	uint32_t id = find_identity(p, &p->processes, hash, process_equal, &key, &adopt);

	if (adopt)
		table_at(&p->processes, struct profile_process, id)->start_ns = start_ns;
	if (id)
		return id;
	return table_intern(p, &p->processes, hash, never_equal, &o, &o, sizeof(o));
}

struct profile_process *profile_process_at(const struct profile *p, uint32_t id)
{
	return table_get(&p->processes, struct profile_process, id);
}

uint32_t profile_thread(struct profile *p, uint32_t process, int32_t tid, uint64_t start_ns)
{
	struct profile_thread t = { .process = process, .tid = tid, .start_ns = start_ns };
	struct identity key = { .process = process, .number = tid, .start_ns = start_ns };
	uint64_t hash = hash_mix(process, (uint32_t)tid);
	bool adopt;
	uint32_t id = find_identity(p, &p->threads, hash, thread_equal, &key, &adopt);

	if (adopt)
		table_at(&p->threads, struct profile_thread, id)->start_ns = start_ns;
	if (id)
		return id;
	return table_intern(p, &p->threads, hash, never_equal, &t, &t, sizeof(t));
}

struct profile_thread *profile_thread_at(const struct profile *p, uint32_t id)
{
	return table_get(&p->threads, struct profile_thread, id);
}

/* ── group names ────────────────────────────────────────────────────────────────────────────── */

enum { COMM_LEN = 15 }; /* what the kernel keeps of a thread's name */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "G1 Conc#0", "C2 CompilerThre", "kworker/u8:2": a digit after a single letter in the midst of a
 * name tells what the thread is, not which one. */
static bool names_a_sort(const char *comm, const char *digits, const char *end)
{
	if (*end == '\0' || digits == comm || !is_letter(digits[-1]))
		return false;
	return digits - 1 == comm || !is_letter(digits[-2]);
}

uint32_t profile_group_name(struct profile *p, const char *comm)
{
	char out[256];
	size_t n = 0;
	const char *s = comm, *end;

	for (; *s && n < sizeof(out) - 2; s = end) {
		end = s + 1;
		if (!is_digit(*s)) {
			out[n++] = *s;
			continue;
		}
		while (is_digit(*end))
			end++;
		if (s != comm && !names_a_sort(comm, s, end)) {
			out[n++] = '*';
			continue;
		}
		for (; s < end && n < sizeof(out) - 2; s++)
			out[n++] = *s;
	}
	/* Cut right before its number: "pool-10-thread-" is of pool-*-thread-* too. */
	if (s - comm == COMM_LEN && n && strchr("-_#:/.", out[n - 1]))
		out[n++] = '*';
	return profile_string_n(p, out, n);
}

/* ── blocked in ─────────────────────────────────────────────────────────────────────────────── */

static bool block_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_block *a = l->key;
	const struct profile_block *b = table_at(&l->p->blocks, struct profile_block, id);

	return a->thread == b->thread && a->syscall == b->syscall;
}

void profile_block_add(struct profile *p, uint32_t thread, uint32_t syscall, uint64_t count,
		       uint64_t ns)
{
	struct profile_block key = { .thread = thread, .syscall = syscall }, *b;
	uint32_t id = table_intern(p, &p->blocks, hash_mix(thread, syscall), block_equal, &key,
				   &key, sizeof(key));

	if (!id)
		return;
	b = table_at(&p->blocks, struct profile_block, id);
	b->count += count;
	b->ns += ns;
}

/* ── thread churn ───────────────────────────────────────────────────────────────────────────── */

static bool spawn_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_spawn *a = l->key;
	const struct profile_spawn *b = table_at(&l->p->spawns, struct profile_spawn, id);

	return a->process == b->process && a->group == b->group && a->stack == b->stack;
}

void profile_spawn_add(struct profile *p, uint32_t process, uint32_t group, uint32_t stack,
		       uint64_t created, uint64_t exited)
{
	struct profile_spawn key = { .process = process, .group = group, .stack = stack }, *s;
	uint64_t hash = hash_mix((uint64_t)process << 32 | group, stack);
	uint32_t id = table_intern(p, &p->spawns, hash, spawn_equal, &key, &key, sizeof(key));

	if (!id)
		return;
	s = table_at(&p->spawns, struct profile_spawn, id);
	s->created += created;
	s->exited += exited;
}

enum { LIFETIME_BITS = 6 }; /* buckets of 1/64 of the value */

/* The middle of its bucket. */
static uint64_t lifetime_bucket(uint64_t ns)
{
	unsigned bits = ns ? 64 - (unsigned)__builtin_clzll(ns) : 0;
	unsigned shift;

	if (bits <= LIFETIME_BITS + 1)
		return ns;
	shift = bits - LIFETIME_BITS - 1;
	return (ns >> shift << shift) + (1ULL << shift) / 2;
}

static bool lifetime_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_lifetime *a = l->key;
	const struct profile_lifetime *b = table_at(&l->p->lifetimes, struct profile_lifetime, id);

	return a->ns == b->ns && a->process == b->process;
}

void profile_lifetime_add(struct profile *p, uint32_t process, uint64_t ns, uint64_t count)
{
	struct profile_lifetime key = { .process = process, .ns = lifetime_bucket(ns) };
	uint32_t id = table_intern(p, &p->lifetimes, hash_mix(process, key.ns), lifetime_equal,
				   &key, &key, sizeof(key));

	if (id)
		table_at(&p->lifetimes, struct profile_lifetime, id)->count += count;
}

static bool churn_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct profile_churn *a = l->key;
	const struct profile_churn *b = table_at(&l->p->churn, struct profile_churn, id);

	return a->second == b->second && a->process == b->process;
}

void profile_churn_add(struct profile *p, uint32_t process, uint32_t second, uint64_t created,
		       uint64_t exited)
{
	struct profile_churn key = { .process = process, .second = second }, *c;
	uint32_t id = table_intern(p, &p->churn, hash_mix(process, second), churn_equal, &key, &key,
				   sizeof(key));

	if (!id)
		return;
	c = table_at(&p->churn, struct profile_churn, id);
	c->created += created;
	c->exited += exited;
}
