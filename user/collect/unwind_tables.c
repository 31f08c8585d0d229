// SPDX-License-Identifier: BSD-2-Clause
#include "collect/unwind_tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/diag.h"
#include "base/map.h"
#include "collect/cfi.h"
#include "base/clock.h"
#include "collect/unwind_chunks.h"

#define BUILD_NS  100000000ULL	/* of a tick spent building */
#define WANTED_NS 10000000ULL	/* between looks at what is wanted */
#define USED_NS	  1000000000ULL /* between looks at what is in use, when memory is tight */
#define MAX_PAGES (16 * TPROF_CHUNK_PAGES) /* 2 GB of text */

enum table_state { TABLE_WANTED, TABLE_LOADED, TABLE_NO_CFI, TABLE_FAILED };

struct table {
	int fd;
	enum table_state state;
	bool known, lazily, fresh; /* fresh: built, to be committed */
	uint64_t hits;
	uint64_t used; /* tick in which it was last seen in use */
	struct tprof_object object;
	uint32_t *tenancies; /* chunks where it has space, each as often as it took some */
	size_t tenancy_count, tenancy_capacity;
};

struct unwind_tables {
	struct unwind_tables_maps maps;
	struct chunks *chunks;
	struct table *list; /* by object id */
	size_t count;
	struct tprof_rule *rules; /* as in the map */
	size_t rule_count, rules_sent;
	struct map rule_index;
	uint64_t next_wanted, next_used; /* when to look again */
	uint64_t tick;			 /* counts looks at what is in use */
	size_t memory;
	struct unwind_tables_stats stats;
};

/* ── rules ──────────────────────────────────────────────────────────────────────────────────── */

#define RULE_NONE 0
#define RULE_FULL 1 /* stands for all that found no room */

struct sought {
	const struct unwind_tables *t;
	const struct tprof_rule *rule;
};

static bool same_rule(const void *ctx, uint32_t id)
{
	const struct sought *s = ctx;

	return !memcmp(&s->t->rules[id - 1], s->rule, sizeof(*s->rule));
}

static uint16_t intern(struct unwind_tables *t, const struct tprof_rule *rule)
{
	struct sought s = { .t = t, .rule = rule };
	uint64_t hash = hash_bytes(rule, sizeof(*rule), 0);
	uint32_t id = map_find(&t->rule_index, hash, same_rule, &s);

	if (id)
		return (uint16_t)(id - 1);
	if (t->rule_count == TPROF_MAX_RULES ||
	    map_insert(&t->rule_index, hash, (uint32_t)t->rule_count + 1)) {
		t->stats.rules_full++;
		return RULE_FULL;
	}
	t->rules[t->rule_count++] = *rule;
	return (uint16_t)(t->rule_count - 1);
}

static int send_rules(struct unwind_tables *t)
{
	for (; t->rules_sent < t->rule_count; t->rules_sent++) {
		uint32_t index = (uint32_t)t->rules_sent;

		if (bpf_map_update_elem(t->maps.rules, &index, &t->rules[index], BPF_ANY))
			return -errno;
	}
	return 0;
}

/* ── one object's table ─────────────────────────────────────────────────────────────────────── */

static int take(struct unwind_tables *t, struct table *table, size_t size, size_t align,
		struct chunk_space *ret)
{
	size_t n = size > TPROF_CHUNK_SIZE ? (size + TPROF_CHUNK_SIZE - 1) / TPROF_CHUNK_SIZE : 1;
	int err = array_room(&table->tenancies, table->tenancy_count + n - 1,
			     &table->tenancy_capacity, sizeof(*table->tenancies));

	if (err)
		return err;
	err = chunks_take(t->chunks, size, align, ret);
	for (size_t i = 0; i < n && !err; i++)
		table->tenancies[table->tenancy_count++] = ret->chunk + (uint32_t)i;
	return err;
}

static void leave(struct unwind_tables *t, struct table *table)
{
	for (size_t i = 0; i < table->tenancy_count; i++)
		chunks_leave(t->chunks, table->tenancies[i]);
	free(table->tenancies);
	table->tenancies = NULL;
	table->tenancy_count = table->tenancy_capacity = 0;
}

/* Rows of one page, in wire form. A root that reaches into the page from before is said again at its
 * start, since roots prove themselves by their place. */
struct page_rows {
	struct tprof_row rows[TPROF_CHUNK_ROWS];
	size_t count;
	uint16_t before;
};

static void add_root(struct unwind_tables *t, struct page_rows *p, uint64_t start)
{
	struct tprof_rule root = { .cfa = TPROF_CFA_ROOT, .offset = (int32_t)start };

	p->rows[p->count++] = (struct tprof_row){ .pc = 0, .rule = intern(t, &root) };
	p->before = RULE_NONE;
}

/* Takes the rows of the page at `start` from row *at on. */
static void gather(struct unwind_tables *t, const struct cfi *c, const uint16_t *rules,
		   uint64_t start, size_t *at, struct page_rows *p)
{
	uint64_t end = start + (1U << TPROF_TEXT_PAGE_SHIFT);
	uint32_t before = *at ? c->rows[*at - 1].rule : 0; /* rule 0: no CFI */

	p->count = 0;
	p->before = rules[before];
	if (c->rules[before].cfa == TPROF_CFA_ROOT && (*at == c->count || c->rows[*at].pc > start))
		add_root(t, p, start);
	for (; *at < c->count && c->rows[*at].pc < end; ++*at) /* NOLINT: rows is no NULL then */
		p->rows[p->count++] = (struct tprof_row){ .pc = (uint16_t)(c->rows[*at].pc &
									   TPROF_TEXT_PAGE_MASK),
							  .rule = rules[c->rows[*at].rule] };
}

static struct tprof_page *page_entry(struct unwind_tables *t, const struct chunk_space *pages,
				     size_t i)
{
	size_t index = pages->at / sizeof(struct tprof_page) + i;
	union tprof_chunk *chunk =
		chunks_bytes(t->chunks, pages->chunk + (uint32_t)(index / TPROF_CHUNK_PAGES));

	return chunk ? &chunk->pages[index % TPROF_CHUNK_PAGES] : NULL;
}

static int pack_page(struct unwind_tables *t, struct table *table, const struct page_rows *rows,
		     struct tprof_page *entry)
{
	struct chunk_space space = { 0 };
	size_t size = rows->count * sizeof(rows->rows[0]);
	int err = 0;

	if (!entry)
		return -EIO;
	if (size)
		err = take(t, table, size, sizeof(rows->rows[0]), &space);
	if (err)
		return err;
	if (size)
		memcpy(space.bytes, rows->rows, size);
	*entry = (struct tprof_page){ .chunk = (uint16_t)space.chunk,
				      .first = (uint16_t)(space.at / sizeof(rows->rows[0])),
				      .count = (uint16_t)rows->count,
				      .before = rows->before };
	return 0;
}

static int pack_pages(struct unwind_tables *t, struct table *table, const struct cfi *c,
		      const uint16_t *rules)
{
	uint64_t first = c->rows[0].pc >> TPROF_TEXT_PAGE_SHIFT;
	uint64_t pages = (c->rows[c->count - 1].pc >> TPROF_TEXT_PAGE_SHIFT) - first + 1;
	struct page_rows *rows;
	struct chunk_space space;
	size_t at = 0;
	int err;

	if (pages > MAX_PAGES || first > UINT32_MAX)
		return -E2BIG;
	rows = malloc(sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	err = take(t, table, pages * sizeof(struct tprof_page), sizeof(struct tprof_page), &space);
	for (uint64_t i = 0; i < pages && !err; i++) {
		gather(t, c, rules, (first + i) << TPROF_TEXT_PAGE_SHIFT, &at, rows);
		err = pack_page(t, table, rows, page_entry(t, &space, i));
	}
	free(rows);
	if (err)
		return err;
	table->object = (struct tprof_object){
		.chunk = space.chunk,
		.first = space.at / (uint32_t)sizeof(struct tprof_page),
		.base = (uint32_t)first,
		.pages = (uint32_t)pages,
		.flags = TPROF_OBJECT_LOADED,
	};
	return 0;
}

static int pack(struct unwind_tables *t, struct table *table, const struct cfi *c)
{
	uint16_t *rules = calloc(c->rule_count, sizeof(*rules));
	int err = rules ? 0 : -ENOMEM;

	for (size_t i = 0; i < c->rule_count && !err; i++)
		rules[i] = intern(t, &c->rules[i]);
	if (!err)
		err = c->rows && c->count ? pack_pages(t, table, c, rules) : -ENODATA;
	if (err)
		leave(t, table);
	free(rules);
	return err;
}

/* ── which to build, which to throw out ─────────────────────────────────────────────────────── */

static int send_object(struct unwind_tables *t, uint32_t id)
{
	return bpf_map_update_elem(t->maps.objects, &id, &t->list[id].object, BPF_ANY) ? -errno : 0;
}

static void evict(struct unwind_tables *t, uint32_t id)
{
	struct table *table = &t->list[id];

	table->object = (struct tprof_object){ .flags = TPROF_OBJECT_EVICTED };
	table->state = TABLE_WANTED;
	table->lazily = true;
	table->hits = 0;
	send_object(t, id);
	leave(t, table);
	t->stats.evictions++;
}

/* Throws out the table that was longest not used; false: all were, lately. */
static bool make_room(struct unwind_tables *t)
{
	uint32_t victim = 0;

	for (uint32_t i = 1; i < t->count; i++) {
		const struct table *table = &t->list[i];

		if (table->state == TABLE_LOADED && !table->fresh && table->used + 1 < t->tick &&
		    (!victim || table->used < t->list[victim].used))
			victim = i;
	}
	if (victim)
		evict(t, victim);
	return victim;
}

static void give_up(struct unwind_tables *t, struct table *table, int err)
{
	if (err == -ENODATA || err == -ENOEXEC) {
		table->state = TABLE_NO_CFI;
		table->object = (struct tprof_object){ .flags = TPROF_OBJECT_NO_CFI };
		table->fresh = true;
	} else if (err == -ENOSPC) {
		t->stats.refused++;
		table->hits = 0;
		table->lazily = true;
	} else if (err != -ENOMEM) {
		table->state = TABLE_FAILED;
	}
}

/* Builds into user memory; visible after commit(). */
static void build(struct unwind_tables *t, struct table *table)
{
	struct cfi c = { 0 };
	uint64_t start = clock_now();
	int err = cfi_read_fd(&c, table->fd, NULL);

	if (!err)
		err = pack(t, table, &c);
	while (err == -ENOSPC && make_room(t))
		err = pack(t, table, &c);
	cfi_release(&c);
	t->stats.build_ns += clock_now() - start;
	if (err) {
		give_up(t, table, err);
		return;
	}
	table->state = TABLE_LOADED;
	table->fresh = true;
	table->used = t->tick;
}

static int commit(struct unwind_tables *t, struct diag *d)
{
	int err = send_rules(t);

	if (!err)
		err = chunks_commit(t->chunks);
	for (uint32_t i = 1; i < t->count && !err; i++) {
		if (!t->list[i].fresh)
			continue;
		err = send_object(t, i);
		t->list[i].fresh = false;
	}
	return err ? diag_errno(d, err, "cannot write unwind tables") : 0;
}

/* Which objects without a table walks asked for, how often. */
static void look_wanted(struct unwind_tables *t)
{
	for (uint32_t i = 1; i < t->count; i++) {
		struct table *table = &t->list[i];
		struct tprof_object object;

		if (table->known && table->state == TABLE_WANTED &&
		    !bpf_map_lookup_elem(t->maps.objects, &i, &object))
			table->hits = object.hits;
	}
}

/* Which tables were in use since the last time. */
static void look_used(struct unwind_tables *t)
{
	t->tick++;
	if (chunks_memory(t->chunks) < t->memory / 2)
		return;
	for (uint32_t i = 1; i < t->count; i++) {
		struct table *table = &t->list[i];
		struct tprof_object object;

		if (!table->known || table->state != TABLE_LOADED ||
		    bpf_map_lookup_elem(t->maps.objects, &i, &object) || !object.used)
			continue;
		table->used = t->tick;
		send_object(t, i); /* with `used` cleared */
	}
	if (t->maps.epoch)
		++*t->maps.epoch;
}

static struct table *hottest(struct unwind_tables *t)
{
	struct table *best = NULL;

	for (uint32_t i = 1; i < t->count; i++) {
		struct table *table = &t->list[i];

		if (!table->known || table->state != TABLE_WANTED ||
		    (table->lazily && !table->hits))
			continue;
		if (!best || table->hits > best->hits)
			best = table;
	}
	return best;
}

static int build_some(struct unwind_tables *t, uint64_t budget_ns, struct diag *d)
{
	uint64_t start = clock_now();
	bool any = false;
	struct table *table;

	while ((table = hottest(t)) && clock_now() - start < budget_ns) {
		build(t, table);
		any = true;
	}
	return any ? commit(t, d) : 0;
}

/* ── the verbs ──────────────────────────────────────────────────────────────────────────────── */

int unwind_tables_new(struct unwind_tables **ret_tables, const struct unwind_tables_maps *maps,
		      size_t memory, struct diag *d)
{
	struct tprof_rule none = { 0 },
			  full = { .cfa = TPROF_CFA_UNSUPPORTED, .offset = CFI_NO_ROOM };
	struct unwind_tables *t = calloc(1, sizeof(*t));

	if (t) {
		t->maps = *maps;
		t->memory = memory;
		t->chunks = chunks_new(maps->chunks, memory);
		t->rules = calloc(TPROF_MAX_RULES, sizeof(*t->rules));
	}
	if (!t || !t->chunks || !t->rules) {
		unwind_tables_free(t);
		return diag_errno(d, -ENOMEM, "cannot make unwind tables");
	}
	t->tick = 1;
	intern(t, &none);
	intern(t, &full);
	*ret_tables = t;
	return 0;
}

void unwind_tables_free(struct unwind_tables *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->list[i].tenancies);
	chunks_free(t->chunks);
	map_release(&t->rule_index);
	free(t->rules);
	free(t->list);
	free(t);
}

int unwind_tables_add(struct unwind_tables *t, uint32_t object, int fd, bool lazily)
{
	if (object >= TPROF_MAX_OBJECTS)
		return -E2BIG;
	if (object >= t->count) {
		size_t count = object + 64;
		struct table *list = reallocarray(t->list, count, sizeof(*list));

		if (!list)
			return -ENOMEM;
		memset(list + t->count, 0, (count - t->count) * sizeof(*list));
		t->list = list;
		t->count = count;
	}
	t->list[object].known = true;
	t->list[object].fd = fd;
	t->list[object].lazily = lazily;
	if (fd < 0)
		t->list[object].state = TABLE_FAILED;
	return 0;
}

int unwind_tables_load(struct unwind_tables *t, struct diag *d)
{
	return build_some(t, UINT64_MAX, d);
}

int unwind_tables_tick(struct unwind_tables *t, uint64_t now_ns, struct diag *d)
{
	if (now_ns >= t->next_wanted) {
		t->next_wanted = now_ns + WANTED_NS;
		look_wanted(t);
	}
	if (now_ns >= t->next_used) {
		t->next_used = now_ns + USED_NS;
		look_used(t);
	}
	return build_some(t, BUILD_NS, d);
}

void unwind_tables_get_stats(const struct unwind_tables *t, struct unwind_tables_stats *ret_stats)
{
	struct unwind_tables_stats s = t->stats;

	for (size_t i = 0; i < t->count; i++) {
		const struct table *table = &t->list[i];

		s.objects += table->known;
		s.loaded += table->known && table->state == TABLE_LOADED;
		s.no_cfi += table->known && table->state == TABLE_NO_CFI;
		s.failed += table->known && table->state == TABLE_FAILED;
	}
	s.memory = chunks_memory(t->chunks);
	*ret_stats = s;
}
