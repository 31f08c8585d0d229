/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "profile/impl.h"

struct profile *profile_new(void)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	/* A short read leaves zeros: the hash then is merely a known one. */
	if (getrandom(&p->seed, sizeof(p->seed), GRND_NONBLOCK) < 0)
		p->seed = 0;
	return p;
}

static void close_modules(struct profile *p)
{
	for (uint32_t id = 1; id <= p->modules.count; id++) {
		struct profile_module *m = table_at(&p->modules, struct profile_module, id);

		if (m->fd > 0)
			close(m->fd);
		if (m->root_fd > 0)
			close(m->root_fd);
	}
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	close_modules(p);
#define PROFILE_TABLE_CLEAR(name, type) table_clear(&p->name);
	PROFILE_TABLES(PROFILE_TABLE_CLEAR)
	table_clear(&p->strings);
	table_clear(&p->losses);
	table_clear(&p->notes);
	table_clear(&p->stack_frames);
	table_clear(&p->labels);
	table_clear(&p->label_slices);
	table_clear(&p->frame_labels);
	table_clear(&p->thread_labels);
	arena_release(&p->arena);
	free(p);
}

int profile_error(const struct profile *p)
{
	return p->error;
}

/* ── tables ─────────────────────────────────────────────────────────────────────────────────── */

bool table_reserve(struct profile *p, struct table *t, size_t n, size_t entry_size)
{
	size_t cap = t->cap ? t->cap : 16;
	void *list;

	if (p->error)
		return false;
	if (n <= t->cap - t->count)
		return true;
	while (cap - t->count < n)
		cap *= 2;
	/* Ids are 32 bits wide; the last one stays free as "none" of others. */
	list = cap < UINT32_MAX ? reallocarray(t->list, cap, entry_size) : NULL;
	if (!list) {
		p->error = -ENOMEM;
		return false;
	}
	t->list = list;
	t->cap = cap;
	return true;
}

uint32_t table_push(struct profile *p, struct table *t, const void *entry, size_t entry_size)
{
	if (!table_reserve(p, t, 1, entry_size))
		return 0;
	memcpy((char *)t->list + t->count * entry_size, entry, entry_size);
	return (uint32_t)++t->count;
}

uint32_t table_intern(struct profile *p, struct table *t, uint64_t hash, map_equal_fn equal,
		      const void *key, const void *entry, size_t entry_size)
{
	struct lookup l = { .p = p, .key = key };
	uint32_t id = map_find(&t->map, hash, equal, &l);

	if (id)
		return id;
	if (!table_reserve(p, t, 1, entry_size))
		return 0;
	/* The map first: were it second and failed, the entry would stand without being found. */
	if (map_insert(&t->map, hash, (uint32_t)t->count + 1)) {
		p->error = -ENOMEM;
		return 0;
	}
	return table_push(p, t, entry, entry_size);
}

void table_clear(struct table *t)
{
	free(t->list);
	map_release(&t->map);
	*t = (struct table){ 0 };
}

uint64_t hash_mix(uint64_t a, uint64_t b)
{
	return hash_u64(hash_u64(a) + b);
}

#define PROFILE_DEFINE_TABLE(name, type)                                       \
	const type *profile_##name(const struct profile *p, size_t *ret_count) \
	{                                                                      \
		*ret_count = p->name.count;                                    \
		return p->name.list;                                           \
	}
PROFILE_TABLES(PROFILE_DEFINE_TABLE)

/* ── strings ────────────────────────────────────────────────────────────────────────────────── */

struct text {
	const char *s;
	size_t len;
};

static bool string_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;
	const struct text *key = l->key;
	const char *have = *table_at(&l->p->strings, const char *, id);

	return strncmp(have, key->s, key->len) == 0 && have[key->len] == '\0';
}

uint32_t profile_string_n(struct profile *p, const char *s, size_t len)
{
	struct text key = { .s = s, .len = strnlen(s, len) };
	struct lookup l = { .p = p, .key = &key };
	uint64_t hash = hash_bytes(s, key.len, p->seed);
	uint32_t id = map_find(&p->strings.map, hash, string_equal, &l);
	const char *copy;

	if (id || p->error)
		return id;
	copy = arena_strndup(&p->arena, s, key.len);
	if (!copy) {
		p->error = -ENOMEM;
		return 0;
	}
	return table_intern(p, &p->strings, hash, string_equal, &key, &copy, sizeof(copy));
}

uint32_t profile_string(struct profile *p, const char *s)
{
	return s ? profile_string_n(p, s, strlen(s)) : 0;
}

const char *profile_str(const struct profile *p, uint32_t id)
{
	return id && id <= p->strings.count ? *table_at(&p->strings, const char *, id) : "";
}

size_t profile_string_count(const struct profile *p)
{
	return p->strings.count;
}

/* ── losses, notes, info ────────────────────────────────────────────────────────────────────── */

static bool loss_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;

	return table_at(&l->p->losses, struct profile_loss, id)->name == *(const uint32_t *)l->key;
}

void profile_loss_add(struct profile *p, const char *name, uint64_t count)
{
	struct profile_loss loss = { .name = profile_string(p, name) };
	uint32_t id;

	if (!loss.name)
		return;
	id = table_intern(p, &p->losses, hash_u64(loss.name), loss_equal, &loss.name, &loss,
			  sizeof(loss));
	if (id)
		table_at(&p->losses, struct profile_loss, id)->count += count;
}

uint64_t profile_loss(const struct profile *p, const char *name)
{
	for (uint32_t id = 1; id <= p->losses.count; id++) {
		const struct profile_loss *l = table_at(&p->losses, struct profile_loss, id);

		if (strcmp(profile_str(p, l->name), name) == 0)
			return l->count;
	}
	return 0;
}

const struct profile_loss *profile_losses(const struct profile *p, size_t *ret_count)
{
	*ret_count = p->losses.count;
	return p->losses.list;
}

static bool note_equal(const void *ctx, uint32_t id)
{
	const struct lookup *l = ctx;

	return *table_at(&l->p->notes, uint32_t, id) == *(const uint32_t *)l->key;
}

void profile_note(struct profile *p, const char *text)
{
	uint32_t id = profile_string(p, text);

	if (id)
		table_intern(p, &p->notes, hash_u64(id), note_equal, &id, &id, sizeof(id));
}

const uint32_t *profile_notes(const struct profile *p, size_t *ret_count)
{
	*ret_count = p->notes.count;
	return p->notes.list;
}

struct profile_info *profile_info(struct profile *p)
{
	return &p->info;
}

const struct profile_info *profile_info_const(const struct profile *p)
{
	return &p->info;
}
