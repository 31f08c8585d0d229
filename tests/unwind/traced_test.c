// SPDX-License-Identifier: BSD-2-Clause
/*
 * bpf/unwind.h natively against real processes: registers, the stacks' memory and the tables of what
 * they map are saved, walked, and the frames compared with those that are right.
 *
 *	at every instruction	a program is stepped through; what is right are the calls that it has
 *				made and not returned from (traced.h)
 *	wherever it is		a process is stopped again and again; libdw's unwinder says what is right
 *	long ago		cases in data/, as tools/record.c wrote them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "known.h"
#include "saved.h"

#define LOOKS	    4	 /* an instruction is looked at so often: in loops nothing new comes */
#define NOTHING_NEW 4000 /* so many steps, and the program loops */
#define LOOKED	    (1U << 20)
#define STEPS	    60000
#define STOPS	    25

struct counts {
	size_t steps, walks, differ, excused;
	uint8_t *looked; /* by a hash of the instruction's address */
	bool (*excuse)(const struct traced *t, const uint64_t *known, size_t n);
};

/* File and offset that an address is mapped from. */
static const char *place(const struct traced *t, uint64_t pc, uint64_t *ret_offset)
{
	const struct walk *w = &t->walk;

	*ret_offset = pc;
	for (size_t i = 0; i < w->mapping_count; i++) {
		const struct walk_mapping *m = &w->mappings[i];

		if (pc < m->start || pc >= m->end || !m->object)
			continue;
		*ret_offset = pc - m->start + m->offset;
		return t->files[m->object - 1].path;
	}
	return "?";
}

static void show(const struct traced *t, const uint64_t *known, size_t n)
{
	const struct walk *w = &t->walk;

	print_message("# walked %zu frames, end %d; right are %zu:\n", w->frames, w->end, n);
	for (size_t i = 0; (i < n || i < w->frames) && i < 12; i++) {
		uint64_t offset;
		const char *path = place(t, i < n ? known[i] : w->pcs[i], &offset);

		print_message("#  %012lx %012lx %s+0x%lx\n", i < w->frames ? w->pcs[i] : 0UL,
			      i < n ? known[i] : 0UL, path, (unsigned long)offset);
	}
}

static void compare(struct traced *t, struct counts *c, const uint64_t *known, size_t n)
{
	const struct walk *w = &t->walk;

	c->walks++;
	if (w->end == TPROF_END_ROOT && w->frames == n &&
	    !memcmp(w->pcs, known, n * sizeof(*known)))
		return;
	if (c->excuse && c->excuse(t, known, n))
		c->excused++;
	else if (c->differ++ < 10)
		show(t, known, n);
}

/* ── at every instruction ───────────────────────────────────────────────────────────────────── */

static void step_through(char *const argv[], bool loaded, struct counts *c)
{
	uint64_t known[TPROF_MAX_USER_FRAMES];
	size_t last = 0;
	struct traced t;

	c->looked = calloc(LOOKED, 1);
	assert_non_null(c->looked);
	assert_int_equal(traced_start(&t, argv, loaded), 0);
	do {
		uint64_t pc = t.walk.registers[16];
		uint8_t *looks = &c->looked[(pc * 0x9e3779b97f4a7c15ULL) >> 44];

		if (*looks == LOOKS)
			continue;
		++*looks;
		last = c->steps;
		traced_walk(&t);
		compare(&t, c, known, traced_frames(&t, known, TPROF_MAX_USER_FRAMES));
	} while (c->steps++ < STEPS && c->steps - last < NOTHING_NEW && traced_step(&t));
	traced_end(&t);
	free(c->looked);
	print_message("# %s %s: %zu instructions, %zu walks, %zu wrong, %zu excused\n",
		      basename(argv[0]), argv[1] ? argv[1] : "", c->steps, c->walks, c->differ,
		      c->excused);
}

static char *workload(const char *name)
{
	static char path[512];
	const char *dir = getenv("WORKLOADS");

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "build/workloads", name);
	return path;
}

/* The loader's own work, from its first instruction on; libc's beginning and end of a program. */
static void loader_and_libc(void **state)
{
	char *ls[] = { "/bin/ls", "-l", "/", NULL }, *nothing[] = { "/bin/true", NULL };
	struct counts c = { 0 };

	(void)state;
	step_through(ls, false, &c);
	assert_true(c.walks > 500);
	assert_int_equal(c.differ, 0);
	c = (struct counts){ 0 };
	step_through(nothing, true, &c);
	assert_true(c.walks > 500);
	assert_int_equal(c.differ, 0);
}

/* Prologues, epilogues, PLT stubs, lazy binding, signal frames, vfork, assembly: each instruction. */
static void ways_of_unw_depth(void **state)
{
	static char *const ways[] = { "plain", "qsort", "signal", "altstack", "alloca",	 "vforks",
				      "asm",   "plt",	"edges",  "once",     "bsearch", "tree" };

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		char *argv[] = { workload("unw_depth"), ways[i], "9", NULL };
		struct counts c = { 0 };

		step_through(argv, true, &c);
		assert_true(c.walks > 500);
		assert_int_equal(c.differ, 0);
	}
}

static bool in_libgcc(const struct traced *t, const uint64_t *known, size_t n)
{
	uint64_t offset;

	for (size_t i = 0; i < n && i < 3; i++) {
		if (strstr(place(t, known[i], &offset), "/libgcc_s.so"))
			return true;
	}
	return false;
}

/*
 * Before it jumps into a handler, _Unwind_RaiseException (and its like) writes the handler's registers
 * over those that it saved itself: what it was called by is not to be found any more, but the handler's
 * frame and all above it are (cfi_catch.c).
 */
static bool jumps_into_handler(const struct traced *t, const uint64_t *known, size_t n)
{
	const struct walk *w = &t->walk;
	size_t same = 0;

	while (same < n && same < w->frames && w->pcs[w->frames - 1 - same] == known[n - 1 - same])
		same++;
	return w->end == TPROF_END_ROOT && same + 3 >= w->frames && in_libgcc(t, known, n);
}

static void exceptions(void **state)
{
	char *argv[] = { workload("unw_cxx"), "9", NULL };
	struct counts c = { .excuse = jumps_into_handler };

	(void)state;
	step_through(argv, true, &c);
	assert_int_equal(c.differ, 0);
	assert_true(c.excused * 30 < c.walks);
}

/* ── wherever it is ─────────────────────────────────────────────────────────────────────────── */

/* libdw gives up at what it has no CFI for: then nothing is known. */
static void stop_again_and_again(char *const argv[])
{
	const struct timespec moment = { .tv_nsec = 7000000 };
	uint64_t known[TPROF_MAX_USER_FRAMES];
	struct counts c = { 0 };
	struct traced t;
	pid_t pid = fork();

	if (!pid) {
		execv(argv[0], argv);
		_exit(127);
	}
	for (int i = 0; i < STOPS; i++) {
		ssize_t n;

		nanosleep(&moment, NULL);
		if (traced_attach(&t, pid))
			break; /* not there on this machine */
		traced_walk(&t);
		n = known_frames(pid, pid, known, TPROF_MAX_USER_FRAMES);
		if (n > 0 && t.walk.end == TPROF_END_ROOT)
			compare(&t, &c, known, (size_t)n);
		traced_end(&t);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	print_message("# %s: %zu walks, %zu wrong\n", argv[0], c.walks, c.differ);
	assert_int_equal(c.differ, 0);
}

static void programs_as_they_run(void **state)
{
	char *python[] = { "/usr/bin/python3", "-c",
			   "import re\nwhile 1: re.sub('(a|b)*c', 'x', 'ababab' * 20)", NULL };
	char *perl[] = { "/usr/bin/perl", "-e",
			 "while (1) { my %h; $h{$_}++ for 1..99; my @a = sort keys %h; }", NULL };

	(void)state;
	stop_again_and_again(python);
	stop_again_and_again(perl);
}

/* ── long ago ───────────────────────────────────────────────────────────────────────────────── */

static void replay(const char *path)
{
	FILE *f = fopen(path, "re");
	struct saved s;
	int wrong = f ? saved_read(&s, f) : -1;

	if (wrong)
		fail_msg("%s:%d", path, wrong);
	fclose(f);
	walk_run(&s.walk);
	if (s.walk.end != TPROF_END_ROOT || s.walk.frames != s.count ||
	    memcmp(s.walk.pcs, s.known, s.count * sizeof(s.known[0])) != 0) {
		for (size_t i = 0; i < s.count || i < s.walk.frames; i++)
			print_message("# %lx %lx\n", i < s.walk.frames ? s.walk.pcs[i] : 0UL,
				      i < s.count ? s.known[i] : 0UL);
		fail_msg("%s: %zu frames, end %d", path, s.walk.frames, s.walk.end);
	}
	saved_release(&s);
}

static void saved_cases(void **state)
{
	glob_t g;

	(void)state;
	assert_int_equal(glob("tests/unwind/data/*.case", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		replay(g.gl_pathv[i]);
	print_message("# %zu cases\n", g.gl_pathc);
	globfree(&g);
}

/* What is written is what is read. */
static void a_case_of_now(void **state)
{
	char *argv[] = { workload("unw_depth"), "altstack", "5", NULL };
	char path[] = "/tmp/tprof-case-XXXXXX";
	uint64_t known[TPROF_MAX_USER_FRAMES];
	FILE *f = fdopen(mkstemp(path), "w");
	struct traced t;

	(void)state;
	assert_non_null(f);
	assert_int_equal(traced_start(&t, argv, true), 0);
	for (int i = 0; i < 9000 && traced_step(&t); i++)
		;
	traced_walk(&t);
	saved_write(f, &t, known, traced_frames(&t, known, TPROF_MAX_USER_FRAMES), "now");
	fclose(f);
	traced_end(&t);
	replay(path);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loader_and_libc), cmocka_unit_test(ways_of_unw_depth),
		cmocka_unit_test(exceptions),	   cmocka_unit_test(programs_as_they_run),
		cmocka_unit_test(saved_cases),	   cmocka_unit_test(a_case_of_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
