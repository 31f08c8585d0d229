/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/kernel_types.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/map.h"

#define VMLINUX	  "/sys/kernel/btf/vmlinux"
#define MAX_DEPTH 64 /* of types in types */

/* ── names ──────────────────────────────────────────────────────────────────────────────────── */

struct names {
	const struct btf *btf;
	struct map by_name; /* name without flavor → type */
};

/* CO-RE's flavors: task_struct___pre_5_14 is task_struct. */
static size_t essential(const char *name)
{
	const char *flavor = strstr(name, "___");

	return flavor && flavor != name ? (size_t)(flavor - name) : strlen(name);
}

struct sought {
	const struct btf *btf;
	const char *name;
	size_t len;
};

static const char *name_of(const struct btf *btf, uint32_t id)
{
	return btf__name_by_offset(btf, btf__type_by_id(btf, id)->name_off);
}

static bool name_equal(const void *ctx, uint32_t id)
{
	const struct sought *s = ctx;
	const char *name = name_of(s->btf, id);

	return essential(name) == s->len && memcmp(name, s->name, s->len) == 0;
}

static bool names_has(const struct names *n, const char *name)
{
	const struct sought s = { n->btf, name, essential(name) };

	return map_find(&n->by_name, hash_bytes(name, s.len, 0), name_equal, &s) != 0;
}

/* A kind that a program can ask about by name. */
static bool is_root(const struct btf_type *type)
{
	switch (btf_kind(type)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_TYPEDEF: return type->name_off != 0;
	default: return false;
	}
}

static int names_fill(struct names *n, const struct btf *btf)
{
	int err = 0;

	n->btf = btf;
	for (uint32_t id = 1; !err && id < btf__type_cnt(btf); id++) {
		const char *name = name_of(btf, id);

		if (is_root(btf__type_by_id(btf, id)) && !names_has(n, name))
			err = map_insert(&n->by_name, hash_bytes(name, essential(name), 0), id);
	}
	return err;
}

/* ── copying ────────────────────────────────────────────────────────────────────────────────── */

struct copy {
	const struct btf *from;
	struct btf *to;
	int *ids; /* type of `from` → of `to`; 0 = not yet */
	int pointer;
	int depth;
};

static int copy_type(struct copy *c, uint32_t id);

/* Members first, since a type of libbpf's grows at its end. */
static int copy_struct(struct copy *c, const struct btf_type *type, const char *name)
{
	int id, err = 0;

	for (int i = 0; i < btf_vlen(type); i++) {
		int member = copy_type(c, btf_members(type)[i].type);

		if (member < 0)
			return member;
	}
	id = btf_is_struct(type) ? btf__add_struct(c->to, name, type->size)
				 : btf__add_union(c->to, name, type->size);
	for (int i = 0; id > 0 && !err && i < btf_vlen(type); i++) {
		const struct btf_member *m = btf_members(type) + i;

		err = btf__add_field(c->to, btf__name_by_offset(c->from, m->name_off),
				     copy_type(c, m->type), btf_member_bit_offset(type, i),
				     btf_member_bitfield_size(type, i));
	}
	return err < 0 ? err : id;
}

static int copy_array(struct copy *c, const struct btf_type *type)
{
	const struct btf_array *array = btf_array(type);
	int index = copy_type(c, array->index_type), element = copy_type(c, array->type);

	if (index < 0 || element < 0)
		return index < 0 ? index : element;
	return btf__add_array(c->to, index, element, array->nelems);
}

static int copy_new(struct copy *c, const struct btf_type *type)
{
	const char *name = btf__name_by_offset(c->from, type->name_off);
	int inner;

	switch (btf_kind(type)) {
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION: return copy_struct(c, type, name);
	case BTF_KIND_ARRAY: return copy_array(c, type);
	case BTF_KIND_PTR: return c->pointer;
	case BTF_KIND_INT:
	case BTF_KIND_FLOAT:
	case BTF_KIND_FWD:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64: return btf__add_type(c->to, c->from, type);
	case BTF_KIND_TYPEDEF:
		inner = copy_type(c, type->type);
		return inner < 0 ? inner : btf__add_typedef(c->to, name, inner);
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG: return copy_type(c, type->type); /* says nothing here */
	default: return 0; /* functions: nothing lies in them */
	}
}

/* The type's number in the copy, 0 = void, or negative errno. Loops go through pointers only. */
static int copy_type(struct copy *c, uint32_t id)
{
	const struct btf_type *type = id ? btf__type_by_id(c->from, id) : NULL;

	if (!type || c->ids[id] || c->depth >= MAX_DEPTH)
		return type ? c->ids[id] : 0;
	c->depth++;
	c->ids[id] = copy_new(c, type);
	c->depth--;
	return c->ids[id];
}

static int copy_wanted(struct copy *c, const struct names *wanted)
{
	for (uint32_t id = 1; id < btf__type_cnt(c->from); id++) {
		int err = 0;

		if (is_root(btf__type_by_id(c->from, id)) &&
		    names_has(wanted, name_of(c->from, id)))
			err = copy_type(c, id);
		if (err < 0)
			return err;
	}
	return 0;
}

static int write_copy(const struct copy *c, int fd)
{
	uint32_t size;
	const void *data = btf__raw_data(c->to, &size);

	if (!data)
		return -ENOMEM;
	/* memory: it takes all or has none left */
	return write(fd, data, size) == (ssize_t)size ? 0 : -ENOSPC;
}

/* ── the kernel's ───────────────────────────────────────────────────────────────────────────── */

/* By mmap, where sysfs lets (a539e2a6d51d, 6.16): else libbpf reads it. */
static struct btf *read_kernel(void)
{
	int fd = open(VMLINUX, O_RDONLY | O_CLOEXEC);
	void *at = MAP_FAILED;
	struct btf *btf;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return btf__load_vmlinux_btf();
	btf = btf__new(at, (uint32_t)st.st_size);
	munmap(at, (size_t)st.st_size);
	return btf;
}

int kernel_types_new(struct kernel_types *t, struct diag *d)
{
	t->fd = memfd_create("kernel-types", MFD_CLOEXEC);
	if (t->fd < 0)
		return diag_errno(d, -errno, "cannot make a file in memory");
	snprintf(t->path, sizeof(t->path), "/proc/self/fd/%d", t->fd);
	return 0;
}

int kernel_types_fill(struct kernel_types *t, const struct btf *wanted, struct diag *d)
{
	struct names names = { 0 };
	struct copy c = { 0 };
	int err;

	t->all = read_kernel();
	if (!t->all)
		return diag_errno(d, -errno, "cannot read the kernel's types (" VMLINUX ")");
	err = names_fill(&names, wanted);
	c.from = t->all;
	c.to = btf__new_empty();
	c.ids = calloc(btf__type_cnt(t->all), sizeof(*c.ids));
	if (!err && (!c.to || !c.ids))
		err = -ENOMEM;
	if (!err)
		err = c.pointer = btf__add_ptr(c.to, 0);
	if (err >= 0)
		err = copy_wanted(&c, &names);
	if (!err)
		err = write_copy(&c, t->fd);
	map_release(&names.by_name);
	free(c.ids);
	btf__free(c.to);
	return err < 0 ? diag_errno(d, err, "cannot take the kernel's types") : 0;
}

int kernel_types_hook(const struct kernel_types *t, const char *section)
{
	char name[128];
	bool iter = strncmp(section, "iter/", 5) == 0;

	/* the names that the kernel's macros make: include/trace/bpf_probe.h, DEFINE_BPF_ITER_FUNC */
	snprintf(name, sizeof(name), "%s%s", iter ? "bpf_iter_" : "btf_trace_",
		 strchr(section, '/') ? strchr(section, '/') + 1 : "");
	return btf__find_by_name_kind(t->all, name, iter ? BTF_KIND_FUNC : BTF_KIND_TYPEDEF);
}

void kernel_types_done(struct kernel_types *t)
{
	btf__free(t->all);
	t->all = NULL;
}

void kernel_types_release(struct kernel_types *t)
{
	kernel_types_done(t);
	if (t->fd > 0)
		close(t->fd);
	t->fd = 0;
}
