/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct test *first, **end = &first;
static size_t count;

void test_register(struct test *t)
{
	*end = t;
	end = &t->next;
	count++;
}

/* Weak: a test may bring a main() of its own. */
__attribute__((weak)) int main(int argc, char **argv)
{
	struct CMUnitTest *tests = calloc(count + 1, sizeof(*tests));
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : "unit";
	size_t n = 0;
	int failed;

	if (!tests)
		return 1;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	for (const struct test *t = first; t; t = t->next)
		tests[n++] = (struct CMUnitTest){ .name = t->name, .test_func = t->run };
	failed = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	free(tests);
	return failed != 0;
}

void expect_near(const char *what, double got, double want, double tolerance, const char *file,
		 int line)
{
	if (fabs(got - want) <= tolerance)
		return;
	print_error("%s is %g, not %g ± %g\n", what, got, want, tolerance);
	_fail(file, line);
}

void expect_contains(const char *text, const char *part, const char *file, int line)
{
	if (text && strstr(text, part))
		return;
	print_error("\"%s\" not found in:\n%s\n", part, text ? text : "(null)");
	_fail(file, line);
}
