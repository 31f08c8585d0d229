/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_TEST_H
#define TPROF_TEST_H

/*
 * A test file is a list of these and nothing else: tests/unit/test.c has main().
 *
 *	TEST(profile_merge__sums_equal_stacks)
 *	{
 *		struct profile *p = profile_of("main;read 3\n" "main;read 4\n");
 *
 *		EXPECT_STR(folded(p), "main;read 7\n");
 *		profile_free(p);
 *	}
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/profile.h"

struct test {
	const char *name;
	void (*run)(void **state);
	struct test *next;
};

void test_register(struct test *t);

#define TEST(id)                                                          \
	static void test_##id(void **state);                              \
	__attribute__((constructor)) static void register_##id(void)      \
	{                                                                 \
		static struct test t = { .name = #id, .run = test_##id }; \
		test_register(&t);                                        \
	}                                                                 \
	static void test_##id(void **state __attribute__((unused)))

#define EXPECT(condition)     assert_true(condition)
#define EXPECT_EQ(got, want)  assert_int_equal(got, want)
#define EXPECT_NE(got, other) assert_int_not_equal(got, other)
#define EXPECT_STR(got, want) assert_string_equal(got, want)
#define EXPECT_NULL(pointer)  assert_null(pointer)
#define EXPECT_PTR(pointer)   assert_non_null(pointer)
#define EXPECT_NEAR(got, want, tolerance) \
	expect_near(#got, got, want, tolerance, __FILE__, __LINE__)
#define EXPECT_CONTAINS(text, part) expect_contains(text, part, __FILE__, __LINE__)
#define SKIP(reason)                                   \
	do {                                           \
		print_message("# skip: %s\n", reason); \
		skip();                                \
	} while (0)

void expect_near(const char *what, double got, double want, double tolerance, const char *file,
		 int line);
void expect_contains(const char *text, const char *part, const char *file, int line);

/*
 * A profile written as folded text, with suffixes _[k] _[j] _[i] and the mark [truncated]. Each comm
 * is a thread ("comm-TID" gives it this tid), all in one process of pid 100; a frame "file!function"
 * lies in that module, others in /usr/bin/prog (kernel frames in [kernel], JIT frames in [jit]).
 */
struct profile *profile_of(const char *text);
/* Adds to a profile: rows of this kind (value = count × what makes folded write the count). */
void profile_of_kind(struct profile *p, enum profile_kind kind, const char *text);
/* The stack "root;…;leaf" with these names, in process 1. */
uint32_t stack_of(struct profile *p, const char *text);
/* The thread of this name and tid in pid 100, made when new. */
uint32_t thread_of(struct profile *p, const char *comm, int32_t tid);

/* The profile as sorted folded text; good until the next call. */
const char *folded(struct profile *p);
const char *folded_kind(struct profile *p, enum profile_kind kind, bool by_thread);

/*
 * Calls run(ctx) again and again: the first time its first allocation fails, then its second … (and
 * all that follow it), until a call gets by without one. run() shall neither crash nor leak, nor claim
 * success when it could not do its work. Returns how many sites were tried.
 */
size_t fail_each_allocation(void (*run)(void *ctx, bool will_fail), void *ctx);
/* The n-th allocation from now (0 = the next) and all after it fail; -1 = none. */
void fail_allocation(long n);
bool allocation_failed(void); /* since fail_allocation() */

#endif
