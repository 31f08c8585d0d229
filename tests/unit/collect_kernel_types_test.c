// SPDX-License-Identifier: BSD-2-Clause
/* What is taken of the kernel's BTF for loading, against all of it. */
#include "test.h"

#include <bpf/btf.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "collect/kernel_types.h"

static struct btf *kernel, *taken;
static struct kernel_types types;

/* What an object asks for: by flavors, as a typedef, as an enum, what the kernel does not have. */
static struct btf *wanted(void)
{
	struct btf *b = btf__new_empty();

	EXPECT(btf__add_struct(b, "task_struct___pre_5_14", 4) > 0);
	EXPECT(btf__add_struct(b, "pid", 8) > 0);
	EXPECT(btf__add_struct(b, "tprof_no_such_type", 8) > 0);
	EXPECT(btf__add_enum(b, "bpf_func_id", 4) > 0);
	EXPECT(btf__add_typedef(b, "pid_t", 1) > 0);
	return b;
}

static bool begin(void)
{
	struct btf *b = wanted();
	struct diag d = { 0 };

	kernel = btf__load_vmlinux_btf();
	if (kernel) {
		EXPECT_EQ(kernel_types_new(&types, &d), 0);
		EXPECT_EQ(kernel_types_fill(&types, b, &d), 0);
		taken = btf__parse(types.path, NULL);
		EXPECT_PTR(taken);
	}
	btf__free(b);
	return kernel != NULL;
}

static void end(void)
{
	btf__free(taken);
	btf__free(kernel);
	kernel_types_release(&types);
	taken = kernel = NULL;
}

static const struct btf_type *type_of(const struct btf *btf, const char *name, __u32 kind)
{
	int id = btf__find_by_name_kind(btf, name, kind);

	return id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
}

static void expect_same_members(const char *name)
{
	const struct btf_type *all = type_of(kernel, name, BTF_KIND_STRUCT);
	const struct btf_type *some = type_of(taken, name, BTF_KIND_STRUCT);

	EXPECT_PTR(all);
	EXPECT_PTR(some);
	EXPECT_EQ(some->size, all->size);
	EXPECT_EQ(btf_vlen(some), btf_vlen(all));
	for (__u32 i = 0; i < btf_vlen(all); i++) {
		const struct btf_member *a = btf_members(all) + i, *s = btf_members(some) + i;

		EXPECT_STR(btf__name_by_offset(taken, s->name_off),
			   btf__name_by_offset(kernel, a->name_off));
		EXPECT_EQ(btf_member_bit_offset(some, i), btf_member_bit_offset(all, i));
		EXPECT_EQ(btf_member_bitfield_size(some, i), btf_member_bitfield_size(all, i));
		EXPECT_EQ(btf__resolve_size(taken, s->type), btf__resolve_size(kernel, a->type));
	}
}

TEST(kernel_types__members_lie_where_the_kernel_has_them)
{
	if (!begin())
		SKIP("this kernel has no BTF");
	expect_same_members("task_struct");
	expect_same_members("pid");
	expect_same_members("sched_entity"); /* lies in task_struct */
	end();
}

TEST(kernel_types__no_more_than_was_asked_for)
{
	if (!begin())
		SKIP("this kernel has no BTF");
	EXPECT(btf__type_cnt(taken) < btf__type_cnt(kernel) / 50);
	EXPECT(!type_of(taken, "mm_struct", BTF_KIND_STRUCT)); /* behind a pointer only */
	EXPECT_PTR(type_of(taken, "bpf_func_id", BTF_KIND_ENUM));
	EXPECT_EQ(btf_vlen(type_of(taken, "bpf_func_id", BTF_KIND_ENUM)),
		  btf_vlen(type_of(kernel, "bpf_func_id", BTF_KIND_ENUM)));
	EXPECT_PTR(type_of(taken, "pid_t", BTF_KIND_TYPEDEF));
	end();
}

TEST(kernel_types__hooks_by_section)
{
	if (!begin())
		SKIP("this kernel has no BTF");
	EXPECT_EQ(kernel_types_hook(&types, "tp_btf/sched_switch"),
		  btf__find_by_name_kind(kernel, "btf_trace_sched_switch", BTF_KIND_TYPEDEF));
	EXPECT_EQ(kernel_types_hook(&types, "iter/task"),
		  btf__find_by_name_kind(kernel, "bpf_iter_task", BTF_KIND_FUNC));
	EXPECT(kernel_types_hook(&types, "tp_btf/no_such_event") < 0);
	EXPECT(kernel_types_hook(&types, "tp_btf") < 0);
	end();
}
