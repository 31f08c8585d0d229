// SPDX-License-Identifier: BSD-2-Clause
/*
 * In which object's data a lock lies, so that symbolize can name the variable that it is, and which
 * locks of several processes are one: those at the same place of the same shared memory.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/map.h"
#include "base/clock.h"
#include "collect/maps.h"
#include "collect/objects.h"
#include "collect/waits.h"
#include "profile/profile.h"
#include "tprof.skel.h"

#define MAX_LINES 65536 /* of one maps file */

/* Where the file that is being read about begins, and the end of what was mapped of it so far. */
struct origin {
	struct map_entry first;
	uint64_t end;
	char path[4096];
};

struct line {
	uint64_t start, end, offset, inode;
	uint64_t dev;
	bool shared;
	const char *path;
};

static bool parse(char *text, struct line *ret)
{
	unsigned long long start, end, offset, inode;
	unsigned major, minor;
	char permissions[5];
	int path_at = 0;

	text[strcspn(text, "\n")] = '\0';
	if (sscanf(text, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, permissions, &offset,
		   &major, &minor, &inode, &path_at) < 7)
		return false;
	*ret = (struct line){
		.start = start,
		.end = end,
		.offset = offset,
		.inode = inode,
		.dev = makedev(major, minor),
		.shared = strlen(permissions) == 4 && permissions[3] == 's',
		.path = path_at ? text + path_at : "",
	};
	return true;
}

/* False: this mapping shows no object's data. */
static bool follow(struct origin *o, const struct line *l)
{
	if (l->inode && !l->offset) {
		snprintf(o->path, sizeof(o->path), "%s", l->path);
		o->first = (struct map_entry){ l->start, l->end, 0, l->dev, l->inode, o->path };
		o->end = l->end;
		return true;
	}
	if (!o->first.inode)
		return false;
	/* its other segments, or .bss right behind them */
	if (l->inode ? l->inode == o->first.inode && l->dev == o->first.dev
		     : !l->path[0] && l->start == o->end) {
		o->end = l->end;
		return true;
	}
	if (l->inode)
		o->first.inode = 0;
	return false;
}

/* Locks that still want a place, of one process. */
struct search {
	struct collect *c;
	uint32_t tgid, process;
	struct origin origin;
};

/* A place in shared memory is the same for all who map it, wherever they do (anonymous memory that is
 * shared has an inode, too). */
static uint64_t shared_place(const struct line *l, uint64_t address)
{
	return hash_u64(l->dev ^ hash_u64(l->inode ^ hash_u64(address - l->start + l->offset)));
}

static void place_one(struct search *s, const struct line *l, uint32_t lock, bool in_object)
{
	struct waits *w = s->c->waits;
	const struct tprof_lock_key *key = &w->locks[lock].key;

	if (l->shared && l->inode && w->locks[lock].how & TPROF_FUTEX_SHARED)
		waits_lock_shared(s->c, key, shared_place(l, key->address));
	if (!in_object)
		return;
	w->places[lock].object = objects_get(s->c->objects, (pid_t)s->tgid, &s->origin.first);
	w->places[lock].offset = key->address - s->origin.first.start;
}

static void place_in(struct search *s, const struct line *l, bool in_object)
{
	struct waits *w = s->c->waits;

	if (!in_object && !l->shared)
		return;
	for (uint32_t u = 0; u < w->used_count; u++) {
		uint32_t i = w->used[u];
		const struct tprof_lock_key *key = &w->locks[i].key;

		if (!w->places[i].looked && key->tgid == s->tgid && key->process == s->process &&
		    key->address >= l->start && key->address < l->end)
			place_one(s, l, i, in_object);
	}
}

static void read_process(struct search *s)
{
	size_t size = 0, lines = 0;
	struct line line;
	char path[32], *text = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)s->tgid);
	f = fopen(path, "re");
	while (f && lines++ < MAX_LINES && getline(&text, &size, f) >= 0) {
		if (parse(text, &line))
			place_in(s, &line, follow(&s->origin, &line));
	}
	if (f)
		fclose(f);
	free(text);
}

/* All locks of the process of this one. */
static void place_like(struct collect *c, uint32_t first)
{
	struct waits *w = c->waits;
	const struct tprof_lock_key *key = &w->locks[first].key;
	struct search *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->c = c;
	s->tgid = key->tgid;
	s->process = key->process;
	read_process(s);
	for (uint32_t u = 0; u < w->used_count; u++) {
		key = &w->locks[w->used[u]].key;
		if (key->tgid == s->tgid && key->process == s->process)
			w->places[w->used[u]].looked = true;
	}
	free(s);
}

void waits_look(struct collect *c)
{
	struct waits *w = c->waits;
	uint32_t made = __atomic_load_n(&c->skel->bss->locks_made, __ATOMIC_ACQUIRE);

	if (!w->used || made == w->made || !waits_map_locks(c))
		return;
	w->made = made;
	w->used_count = 0;
	/* one that has no address yet is being added: then the number will change again */
	for (uint32_t i = 0; i < TPROF_MAX_LOCKS; i++)
		if (w->locks[i].claims && w->locks[i].key.address)
			w->used[w->used_count++] = i;
}

/* Those that are waited for in all of these ways (TPROF_FUTEX_…; 0: whichever). */
static void place_all(struct collect *c, uint32_t how)
{
	struct waits *w = c->waits;

	waits_look(c);
	for (uint32_t u = 0; u < w->used_count; u++) {
		uint32_t i = w->used[u];

		if (!w->places[i].looked && (w->locks[i].how & how) == how)
			place_like(c, i);
	}
}

void waits_place(struct collect *c)
{
	place_all(c, 0);
}

void waits_place_shared(struct collect *c)
{
	place_all(c, TPROF_FUTEX_SHARED);
}

/* While the target lives: at the end it may be gone. Maps files can be long, so the pauses grow with
 * what it took. */
void waits_place_soon(struct collect *c, uint64_t now)
{
	struct waits *w = c->waits;

	if (!w->places || now < w->place_ns)
		return;
	waits_place(c);
	w->place_ns = now + 100 * NSEC_PER_MSEC + (clock_now() - now) * 100;
}
