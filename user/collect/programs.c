// SPDX-License-Identifier: BSD-2-Clause
#include "collect/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "collect/bpflog.h"
#include "collect/impl.h"
#include "collect/kernel_types.h"
#include "tprof.skel.h"

#define PARTS	     2
#define MAX_PROGRAMS 32

/* These take as long to verify as all others together. */
static const char *const second_part[] = { "waits_wake", "thread_new" };

struct part {
	struct tprof *skel;
	const int *hooks; /* of struct programs */
	pthread_t thread;
	bool running;
	int err;
	char why[256];
};

struct programs {
	struct kernel_types types;
	int hooks[MAX_PROGRAMS]; /* by number in the skeleton: kernel_types_hook() */
	struct part parts[PARTS];
};

/* ── sections ───────────────────────────────────────────────────────────────────────────────── */

/* libbpf's callback has no argument that could lead to the part; hence this one variable, per thread,
 * that lives while the part is loaded. */
static __thread const struct part *loading;

/*
 * libbpf's own handler of such a section reads all of the kernel's BTF to find the hook. This one knows
 * it already: the program passes as a raw tracepoint's until it is loaded as what it is.
 */
static int set_hook(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	const struct bpf_object_skeleton *s = loading ? loading->skel->skeleton : NULL;

	(void)cookie;
	for (int i = 0; s && i < s->prog_cnt && i < MAX_PROGRAMS; i++) {
		if (*s->progs[i].prog != program)
			continue;
		if (loading->hooks[i] < 0)
			return loading->hooks[i];
		opts->attach_btf_id = (__u32)loading->hooks[i];
		return bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
	}
	return -ENOENT;
}

/* For good: libbpf (before 1.3) frees the list of handlers with the last one, and uses it again. */
static void handle_sections(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, o, .prog_prepare_load_fn = set_hook);

	libbpf_register_prog_handler("tp_btf+", BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_TRACE_RAW_TP, &o);
	libbpf_register_prog_handler("iter+", BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_TRACE_ITER, &o);
}

static void find_hooks(struct programs *p, const struct bpf_object_skeleton *s)
{
	for (int i = 0; i < s->prog_cnt && i < MAX_PROGRAMS; i++)
		if (bpf_program__autoload(*s->progs[i].prog))
			p->hooks[i] = kernel_types_hook(
				&p->types, bpf_program__section_name(*s->progs[i].prog));
}

/* ── parts ──────────────────────────────────────────────────────────────────────────────────── */

static struct tprof *open_skel(const struct programs *p)
{
	LIBBPF_OPTS(bpf_object_open_opts, o, .btf_custom_path = p->types.path);

	return tprof__open_opts(&o);
}

static size_t part_of(const char *program)
{
	for (size_t i = 0; i < sizeof(second_part) / sizeof(second_part[0]); i++)
		if (strcmp(second_part[i], program) == 0)
			return 1;
	return 0;
}

/* Takes its programs over from `whole`. Returns how many those are. */
static int take_programs(struct bpf_object_skeleton *whole, struct bpf_object_skeleton *own,
			 size_t number)
{
	int count = 0;

	for (int i = 0; i < whole->prog_cnt; i++) {
		struct bpf_program *program = *whole->progs[i].prog;
		bool mine = bpf_program__autoload(program) &&
			    part_of(bpf_program__name(program)) == number;

		bpf_program__set_autoload(*own->progs[i].prog, mine);
		count += mine;
	}
	return count;
}

static int share_maps(struct bpf_object_skeleton *whole, struct bpf_object_skeleton *own)
{
	int err = 0;

	for (int i = 0; !err && i < whole->map_cnt; i++)
		err = bpf_map__reuse_fd(*own->maps[i].map, bpf_map__fd(*whole->maps[i].map));
	return err;
}

static void *load_part(void *ctx)
{
	struct part *part = ctx;

	bpflog_begin();
	loading = part;
	part->err = bpf_object__load(part->skel->obj);
	loading = NULL;
	if (part->err)
		bpflog_decisive(part->why, sizeof(part->why));
	bpflog_end();
	return NULL;
}

static int begin_part(struct collect *c, size_t number)
{
	struct part *part = &c->programs->parts[number];
	int err;

	part->hooks = c->programs->hooks;
	err = share_maps(c->skel->skeleton, part->skel->skeleton);
	if (!err)
		err = -pthread_create(&part->thread, NULL, load_part, part);
	part->running = !err;
	return err;
}

/* The parts that have a program. Before the maps are made: c->skel then loads no program itself. */
static int open_parts(struct collect *c)
{
	struct programs *p = c->programs;

	for (size_t i = 0; i < PARTS; i++) {
		p->parts[i].skel = open_skel(p);
		if (!p->parts[i].skel)
			return -errno;
		if (take_programs(c->skel->skeleton, p->parts[i].skel->skeleton, i))
			continue;
		tprof__destroy(p->parts[i].skel);
		p->parts[i].skel = NULL;
	}
	for (int i = 0; i < c->skel->skeleton->prog_cnt; i++)
		bpf_program__set_autoload(*c->skel->skeleton->progs[i].prog, false);
	return 0;
}

/* ── all ────────────────────────────────────────────────────────────────────────────────────── */

int programs_open(struct collect *c, struct diag *d)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct programs *p = calloc(1, sizeof(*p));
	int err;

	c->programs = p;
	if (!p)
		return diag_errno(d, -ENOMEM, "programs");
	pthread_once(&once, handle_sections);
	err = kernel_types_new(&p->types, d);
	if (err < 0)
		return err;
	c->skel = open_skel(p);
	return c->skel ? 0 : diag_errno(d, -errno, "cannot open the BPF programs");
}

int programs_begin(struct collect *c, struct diag *d)
{
	struct programs *p = c->programs;
	int err = kernel_types_fill(&p->types, bpf_object__btf(c->skel->obj), d);

	if (err < 0)
		return err;
	find_hooks(p, c->skel->skeleton);
	kernel_types_done(&p->types);
	err = open_parts(c);
	if (!err)
		err = tprof__load(c->skel);
	for (size_t i = 0; !err && i < PARTS; i++)
		if (p->parts[i].skel)
			err = begin_part(c, i);
	return err;
}

/* Both are over before either's failure is told. */
static void join(struct programs *p)
{
	for (size_t i = 0; i < PARTS; i++) {
		if (p->parts[i].running)
			pthread_join(p->parts[i].thread, NULL);
		p->parts[i].running = false;
	}
}

/* What was loaded becomes c->skel's. */
static void give_programs(struct collect *c, const struct part *part)
{
	for (int i = 0; i < c->skel->skeleton->prog_cnt; i++) {
		struct bpf_program *program = *part->skel->skeleton->progs[i].prog;

		if (bpf_program__autoload(program))
			*c->skel->skeleton->progs[i].prog = program;
	}
}

int programs_end(struct collect *c, char *why, unsigned long why_size)
{
	struct programs *p = c->programs;

	why[0] = '\0';
	join(p);
	for (size_t i = 0; i < PARTS; i++) {
		if (!p->parts[i].skel)
			continue;
		if (p->parts[i].err) {
			strncat(why, p->parts[i].why, why_size - 1);
			return p->parts[i].err;
		}
		give_programs(c, &p->parts[i]);
	}
	return 0;
}

void programs_release(struct collect *c)
{
	struct programs *p = c->programs;

	if (!p)
		return;
	join(p);
	tprof__destroy(c->skel);
	for (size_t i = 0; i < PARTS; i++)
		tprof__destroy(p->parts[i].skel);
	kernel_types_release(&p->types);
	free(p);
	c->programs = NULL;
	c->skel = NULL;
}
