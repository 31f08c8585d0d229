/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "profile/tree.h"

static const struct profile_filter cpu = { .kind = PROFILE_CPU };

static void print_node(struct profile *p, const struct profile_tree *t, uint32_t id, int depth,
		       struct buf *b)
{
	const struct profile_node *n = &t->nodes[id];

	buf_printf(b, "%*s%s%s %llu/%llu\n", depth, "", profile_str(p, n->label.text),
		   profile_label_suffix(n->label.type), (unsigned long long)n->self,
		   (unsigned long long)n->total);
	for (uint32_t c = n->child; c; c = t->nodes[c].sibling) {
		EXPECT_EQ(t->nodes[c].parent, id);
		EXPECT(c > id);
		print_node(p, t, c, depth + 1, b);
	}
}

/* "name self/total", indented by depth. */
static const char *tree_text(struct profile *p, const struct profile_filter *f, bool by_thread)
{
	static struct buf b;
	struct profile_tree t;

	buf_clear(&b);
	EXPECT_EQ(profile_tree_build(p, f, by_thread, &t), 0);
	print_node(p, &t, 0, 0, &b);
	profile_tree_release(&t);
	return b.data;
}

TEST(tree__merges_equal_calls_and_sorts_by_name)
{
	struct profile *p = profile_of("main;b;x 3\n"
				       "main;b 1\n"
				       "main;a;x;y 2\n"
				       "main;a;x 5\n"
				       "io;b;x 1\n"
				       "main;[truncated];a 1\n");

	EXPECT_STR(tree_text(p, &cpu, false), "all 0/13\n"
					      " io 0/1\n"
					      "  b 0/1\n"
					      "   x 1/1\n"
					      " main 0/12\n"
					      "  [truncated] 0/1\n"
					      "   a 1/1\n"
					      "  a 0/7\n"
					      "   x 5/7\n"
					      "    y 2/2\n"
					      "  b 1/4\n"
					      "   x 3/3\n");
	profile_free(p);
}

TEST(tree__joins_places_of_one_function)
{
	struct profile *p = profile_of("main;f 1\n");
	uint32_t module = profile_frame_at(p, 1)->module;
	struct profile_line line = { .function = profile_string(p, "f"), .line = 7 };
	uint32_t other = profile_frame(p, module, 0x999);

	profile_frame_name(p, other, &line, 1);
	profile_add(p, 1, 1, PROFILE_CPU, profile_stack(p, &other, 1, PROFILE_END_ROOT), 2, 0);
	EXPECT_STR(tree_text(p, &cpu, false), "all 0/3\n main 0/3\n  f 3/3\n");
	profile_free(p);
}

TEST(tree__by_thread_keeps_threads_of_one_name_apart)
{
	struct profile *p = profile_of("pool-1;f 1\n"
				       "pool-2;f 2\n");

	EXPECT_STR(tree_text(p, &cpu, true), "all 0/3\n"
					     " pool-1 0/1\n"
					     "  f 1/1\n"
					     " pool-2 0/2\n"
					     "  f 2/2\n");
	EXPECT_STR(tree_text(p, &cpu, false), "all 0/3\n pool 0/3\n  f 3/3\n");
	profile_thread_at(p, 1)->comm = profile_string(p, "renamed");
	EXPECT_STR(folded_kind(p, PROFILE_CPU, true), "pool-2;f 2\nrenamed-1;f 1\n");
	profile_free(p);
}

TEST(tree__shows_what_has_no_stack_or_thread)
{
	struct profile *p = profile_of("");

	profile_add(p, 0, 0, PROFILE_CPU, 0, 4, 0);
	EXPECT_STR(tree_text(p, &cpu, false), "all 0/4\n [unknown] 0/4\n  [no stack] 4/4\n");
	profile_free(p);
}

TEST(tree__of_nothing_is_a_root)
{
	struct profile *p = profile_of("");

	EXPECT_STR(tree_text(p, &cpu, false), "all 0/0\n");
	profile_free(p);
}

TEST(filter__cuts_by_time_thread_and_kind)
{
	struct profile *p = profile_of("main;f 1\n");

	profile_of_kind(p, PROFILE_LOCK, "main;lock 8\n");
	profile_add(p, profile_window(p, 1000, 2000), thread_of(p, "io", 0), PROFILE_CPU,
		    stack_of(p, "g"), 2, 0);
	EXPECT_STR(tree_text(p, &(struct profile_filter){ .kind = PROFILE_LOCK }, false),
		   "all 0/8\n main 0/8\n  lock 8/8\n");
	EXPECT_STR(tree_text(p, &(struct profile_filter){ PROFILE_CPU, .from_ns = 1000 }, false),
		   "all 0/2\n io 0/2\n  g 2/2\n");
	EXPECT_STR(tree_text(p, &(struct profile_filter){ PROFILE_CPU, .to_ns = 1000 }, false),
		   "all 0/1\n main 0/1\n  f 1/1\n");
	EXPECT_STR(tree_text(p, &(struct profile_filter){ PROFILE_CPU, .thread = 2 }, false),
		   "all 0/2\n io 0/2\n  g 2/2\n");
	profile_free(p);
}

TEST(functions__count_recursion_once_and_sort_by_self)
{
	struct profile *p = profile_of("main;f;g;f 3\n"
				       "main;f;g 5\n"
				       "main;h_[k] 1\n"
				       "main;f;g_[i] 2\n");
	struct profile_function *f;
	struct buf b = BUF_INIT;
	size_t n;

	EXPECT_EQ(profile_functions(p, &cpu, &f, &n), 0);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s %llu/%llu\n", profile_str(p, f[i].name),
			   profile_label_suffix(f[i].type), (unsigned long long)f[i].self,
			   (unsigned long long)f[i].total);
	EXPECT_STR(b.data, "g 7/10\nf 3/10\nh_[k] 1/1\n");
	free(f);
	buf_release(&b);
	profile_free(p);
}

TEST(labels__are_cut_at_the_leaf)
{
	struct profile *p = profile_of("main;a;b;c 1\n");
	struct profile_label labels[3];
	size_t n;

	EXPECT_EQ(profile_labels(p, profile_rows(p, &n), false, labels, 3), 3);
	EXPECT_STR(profile_str(p, labels[2].text), "b");
	EXPECT_STR(profile_str(p, profile_frame_label(p, 1)), "a");
	profile_free(p);
}

TEST(completeness__counts_by_kind)
{
	struct profile *p = profile_of("main;f 5\nmain;[truncated];f 2\n");
	uint64_t complete, truncated;

	profile_add(p, 1, 1, PROFILE_CPU, 0, 1, 0);
	profile_of_kind(p, PROFILE_LOCK, "main;f 9\n");
	profile_completeness(p, &(struct profile_filter){ .kind = PROFILE_CPU }, &complete,
			     &truncated);
	EXPECT_EQ(complete, 5);
	EXPECT_EQ(truncated, 3);
	profile_completeness(p, &(struct profile_filter){ .kind = PROFILE_LOCK }, &complete,
			     &truncated);
	EXPECT_EQ(complete, 1);
	EXPECT_EQ(truncated, 0);
	profile_add(p, profile_window(p, 5000, 6000), 1, PROFILE_CPU, 1, 7, 0);
	profile_completeness(p, &(struct profile_filter){ .kind = PROFILE_CPU, .from_ns = 5000 },
			     &complete, &truncated);
	EXPECT_EQ(complete, 7);
	EXPECT_EQ(truncated, 0);
	profile_free(p);
}

static void read_all(void *ctx, bool will_fail)
{
	struct profile *p;
	struct profile_tree t;
	struct profile_function *f;
	size_t n;

	(void)ctx;
	(void)will_fail;
	p = profile_of("main;a;b_[i];c 1\nmain;[truncated];[x+0x1] 2\nio;_start;main;d_[k] 3\n");
	if (!p)
		return;
	if (profile_tree_build(p, &cpu, true, &t) == 0)
		profile_tree_release(&t);
	else
		EXPECT(allocation_failed());
	if (profile_functions(p, &cpu, &f, &n) == 0)
		free(f);
	else
		EXPECT(allocation_failed());
	profile_free(p);
}

TEST(tree__survives_a_failure_at_every_allocation)
{
	EXPECT(fail_each_allocation(read_all, NULL) > 10);
}
