/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocations of the library under test, made to fail (the linker's --wrap). */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *s);

static long countdown = -1;
static bool failed;

void fail_allocation(long n)
{
	countdown = n;
	failed = false;
}

bool allocation_failed(void)
{
	return failed;
}

static bool fails_now(void)
{
	if (countdown < 0)
		return false;
	if (countdown > 0) {
		countdown--;
		return false;
	}
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails_now() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return fails_now() ? NULL : __real_reallocarray(old, n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails_now() ? NULL : __real_strdup(s);
}

size_t fail_each_allocation(void (*run)(void *ctx, bool will_fail), void *ctx)
{
	long n = 0;

	for (;; n++) {
		fail_allocation(n);
		run(ctx, true);
		if (!failed)
			break;
	}
	fail_allocation(-1);
	run(ctx, false);
	return (size_t)n;
}
