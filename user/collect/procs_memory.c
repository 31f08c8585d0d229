// SPDX-License-Identifier: BSD-2-Clause
/* What processes map: read from their maps files, told to BPF, asked for an address. */
#include "collect/procs_impl.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "collect/maps.h"
#include "collect/objects.h"
#include "profile/profile.h"

#define MAX_MAPPINGS (1U << 18) /* that are looked at */
#define READ_BUDGET  20		/* a whole read may take one part in so many of the time */

/* ── mappings ───────────────────────────────────────────────────────────────────────────────── */

static void proc_mmap(struct procs *s, struct proc *p, const struct map_entry *e)
{
	struct tprof_mapping m = {
		.start = e->start,
		.end = e->end,
		.offset = e->offset,
	};

	if (e->start >= TPROF_FRAME_OBJECT) /* [vsyscall] */
		return;
	m.object = objects_get(s->o.objects, p->pid, e);
	if (!m.object)
		m.flags = TPROF_MAPPING_JIT;
	if (m.object && !e->inode) /* the vdso's offsets count from its start */
		m.offset = 0;
	s->without_maps += p->maps.count >= MAPSET_MAX;
	p->dirty |= mapset_insert(&p->maps, &m);
}

void procs_mmap(struct procs *s, pid_t pid, const struct map_entry *e)
{
	struct proc *p = procs_find(s, pid);

	journal_add(&s->journal, pid, e);
	if (p && !p->gone)
		proc_mmap(s, p, e);
}

struct reading {
	struct procs *s;
	struct proc *p;
};

static int read_entry(void *ctx, const struct map_entry *e)
{
	struct reading *r = ctx;

	proc_mmap(r->s, r->p, e);
	return 0;
}

void procs_copy_maps(struct proc *p, const struct proc *from)
{
	if (from && !p->maps.count && mapset_copy(&p->maps, &from->maps))
		p->dirty = p->sampled;
}

void procs_read_maps(struct procs *s, struct proc *p)
{
	struct reading r = { s, p };
	uint64_t begin = clock_now();
	struct mapset before = p->maps;
	int err;

	p->maps = (struct mapset){ 0 };
	p->dirty = true;
	err = maps_read(p->pid, MAX_MAPPINGS, read_entry, &r);
	s->without_maps += err == -E2BIG;
	if (err < 0 && !p->maps.count) {
		/* not to be read, now or any more: what was known is better than nothing */
		mapset_release(&p->maps);
		p->maps = before;
	} else {
		mapset_release(&before);
	}
	p->next_read_ns = clock_now() + (clock_now() - begin) * READ_BUDGET;
}

void procs_replay_maps(struct procs *s, struct proc *p)
{
	struct reading r = { s, p };

	journal_replay(&s->journal, p->pid, read_entry, &r);
}

void procs_unknown_pc(struct procs *s, struct proc *p, uint64_t pc)
{
	struct reading r = { s, p };

	if (p->gone || maps_query(p->pid, pc, read_entry, &r) != -ENOTTY)
		return;
	if (clock_now() >= p->next_read_ns)
		procs_read_maps(s, p);
}

void procs_reread(struct procs *s)
{
	uint64_t now = clock_now();

	for (size_t i = 0; i < s->count; i++) {
		struct proc *p = s->list[i];

		if (!p->gone && now >= p->next_read_ns)
			procs_read_maps(s, p);
	}
}

/* ── telling BPF ────────────────────────────────────────────────────────────────────────────── */

static void proc_flush(struct procs *s, struct proc *p)
{
	struct tprof_process entry = { .process = p->process, .generation = ++p->generation };
	uint32_t key = (uint32_t)p->pid, old_first = p->first, old_slots = p->slots;
	int64_t first = p->maps.count ? slices_take(&s->slices, (uint32_t)p->maps.count) : 0;

	p->dirty = false;
	if (first < 0) {
		s->without_maps++;
		first = 0;
		p->slots = 0;
	} else {
		p->slots = entry.count = (uint32_t)p->maps.count;
	}
	p->first = entry.first = (uint32_t)first;
	if (p->slots)
		memcpy(s->o.mappings + first, p->maps.list, p->slots * sizeof(*p->maps.list));
	if (bpf_map_update_elem(s->o.processes_fd, &key, &entry, BPF_ANY) < 0)
		s->without_maps++;
	if (old_slots)
		slices_give(&s->slices, old_first, old_slots);
}

void procs_flush(struct procs *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i]->dirty)
			proc_flush(s, s->list[i]);
	}
}

/* ── bare addresses ─────────────────────────────────────────────────────────────────────────── */

static uint32_t anonymous_module(struct procs *s, struct proc *p, bool jit)
{
	uint32_t *module = jit ? &p->jit_module : &p->unknown_module;

	if (!*module) {
		char root[32];
		struct profile_module m = {
			.name = profile_string(s->o.profile, jit ? "[jit]" : "[unknown]"),
			.process = p->id,
			.type = jit ? PROFILE_MODULE_JIT : PROFILE_MODULE_UNKNOWN,
			.fd = -1,
			.root_fd = -1,
		};

		snprintf(root, sizeof(root), "/proc/%d/root", (int)p->pid);
		if (jit)
			m.root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		*module = profile_module(s->o.profile, &m);
	}
	return *module;
}

/*
 * What was read late of a fork that exec'ed in the meantime is all of its new program: what it ran before
 * stands in its parent. What is known from a count only was never read: the journal has its mappings.
 */
static void read_before(struct procs *s, struct proc *p)
{
	const struct proc *parent = procs_find(s, p->parent);
	struct proc before = { .pid = p->parent };
	struct reading r = { s, &before };

	p->before_read = true;
	if (parent && parent->maps.count)
		mapset_copy(&before.maps, &parent->maps);
	else if (p->parent)
		maps_read(p->parent, MAPSET_MAX, read_entry, &r);
	journal_replay(&s->journal, p->pid, read_entry, &r);
	p->before = before.maps;
}

uint32_t procs_frame(struct procs *s, struct proc *p, uint64_t address)
{
	const struct tprof_mapping *m = mapset_find(&p->maps, address);

	/* in the middle of exec the registers still are those of the program before */
	if (!m && p->older && p->older->id == p->id)
		m = mapset_find(&p->older->maps, address);
	if (!m && !p->before_read)
		read_before(s, p);
	if (!m)
		m = mapset_find(&p->before, address);
	if (!m || !m->object)
		return profile_frame(s->o.profile, anonymous_module(s, p, m != NULL), address);
	return profile_frame(s->o.profile, objects_module(s->o.objects, m->object),
			     address - m->start + m->offset);
}
