// SPDX-License-Identifier: BSD-2-Clause
/* Comparisons: what counts as a change, and that a steady program shows none. */
#include "test.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "profile/diff.h"
#include "profile/finding.h"
#include "render/diff.h"

static const char *const NAMES[] = {
	"parse", "lex", "send", "hash", "copy", "poll", "sort", "free"
};

enum { FUNCTIONS = sizeof(NAMES) / sizeof(*NAMES), SECONDS = 30 };

/* A generator of our own, so that a test is the same everywhere. */
static double uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (double)(*seed >> 11) / 9007199254740992.0;
}

/* Independent samples of a program that spends itself in these shares (of 1) at 99 Hz. */
static struct profile *sampled(uint64_t seed, const double *shares)
{
	struct profile *p = profile_of("");
	uint32_t thread = thread_of(p, "srv", 7), stacks[FUNCTIONS];

	for (int f = 0; f < FUNCTIONS; f++) {
		struct buf b = BUF_INIT;

		buf_printf(&b, "main;loop;%s", NAMES[f]);
		stacks[f] = stack_of(p, b.data);
		buf_release(&b);
	}
	for (uint64_t second = 0; second < SECONDS; second++) {
		uint32_t window = profile_window(p, second * 1000000000, (second + 1) * 1000000000);

		for (int sample = 0; sample < 99; sample++) {
			double at = uniform(&seed);
			int f = 0;

			while (f < FUNCTIONS - 1 && at >= shares[f])
				at -= shares[f++];
			profile_add(p, window, thread, PROFILE_CPU, stacks[f], 1, 10101010);
		}
	}
	profile_info(p)->duration_ns = SECONDS * 1000000000ULL;
	return p;
}

static const double STEADY[FUNCTIONS] = { 0.30, 0.20, 0.15, 0.12, 0.10, 0.07, 0.05, 0.01 };
static const double GROWN[FUNCTIONS] = { 0.24, 0.16, 0.12, 0.30, 0.08, 0.055, 0.04, 0.005 };

static struct profile_diff compare(struct profile *a, struct profile *b,
				   enum profile_normalize normalize)
{
	const struct profile_diff_side sides[2] = { { .profile = a }, { .profile = b } };
	struct profile_diff diff;

	EXPECT_EQ(profile_diff(sides, PROFILE_CPU, normalize, &diff), 0);
	return diff;
}

static const struct profile_diff_function *find(const struct profile_diff *d, const char *name)
{
	for (size_t i = 0; i < d->count; i++) {
		if (strcmp(d->functions[i].name, name) == 0)
			return &d->functions[i];
	}
	return NULL;
}

TEST(diff__a_hundred_pairs_of_a_steady_program_name_next_to_nothing)
{
	int named = 0;

	for (uint64_t pair = 0; pair < 100; pair++) {
		struct profile *a = sampled(2 * pair + 1, STEADY);
		struct profile *b = sampled(2 * pair + 2, STEADY);
		struct profile_diff d =
			compare(a, b, pair % 2 ? PROFILE_BY_TIME : PROFILE_BY_TOTAL);

		named += d.significant > 0;
		profile_diff_release(&d);
		profile_free(a);
		profile_free(b);
	}
	EXPECT(named <= 4); /* the rule promises about one */
}

TEST(diff__what_grew_is_named_first_and_in_points)
{
	struct profile *a = sampled(1, STEADY), *b = sampled(2, GROWN);
	struct profile_diff d = compare(a, b, PROFILE_BY_TOTAL);

	EXPECT_STR(d.functions[0].name, "hash");
	EXPECT(d.functions[0].self.significant);
	EXPECT_NEAR(d.functions[0].self.value[0], 0.12, 0.03);
	EXPECT_NEAR(d.functions[0].self.value[1], 0.30, 0.03);
	EXPECT(!find(&d, "free")->self.significant); /* 0.5 points: hidden in chance */
	EXPECT(!find(&d, "main")->total.significant);
	profile_diff_release(&d);
	profile_free(a);
	profile_free(b);
}

TEST(diff__time_counts_load_total_does_not)
{
	struct profile *a = profile_of(""), *b = profile_of("");

	for (uint64_t s = 0; s < 10; s++) {
		uint32_t wa = profile_window(a, s * 1000000000, (s + 1) * 1000000000);
		uint32_t wb = profile_window(b, s * 1000000000, (s + 1) * 1000000000);

		profile_add(a, wa, thread_of(a, "srv", 7), PROFILE_CPU, stack_of(a, "main;work"),
			    20 + s % 2, (20 + s % 2) * 10101010);
		profile_add(b, wb, thread_of(b, "srv", 7), PROFILE_CPU, stack_of(b, "main;work"),
			    80 + s % 2, (80 + s % 2) * 10101010);
	}
	struct profile_diff time = compare(a, b, PROFILE_BY_TIME);
	struct profile_diff total = compare(a, b, PROFILE_BY_TOTAL);

	EXPECT(time.all.significant);
	EXPECT_NEAR(time.all.value[0] / 1e9, 0.207, 0.01);
	EXPECT_NEAR(time.all.value[1] / 1e9, 0.813, 0.01);
	EXPECT_EQ(total.significant, 0);
	profile_diff_release(&time);
	profile_diff_release(&total);
	profile_free(a);
	profile_free(b);
}

/* A program that alternates between two things each few seconds is steady too. */
TEST(diff__scatter_between_windows_is_no_change)
{
	struct profile *side[2];

	for (int i = 0; i < 2; i++) {
		struct profile *p = side[i] = profile_of("");

		for (uint64_t s = 0; s < 10; s++)
			profile_add(p, profile_window(p, s * 1000000000, (s + 1) * 1000000000),
				    thread_of(p, "srv", 7), PROFILE_CPU,
				    stack_of(p, (s + (uint64_t)i) % 5 < 3 ? "main;a" : "main;b"),
				    99 - s, (99 - s) * 10101010);
	}
	struct profile_diff d = compare(side[0], side[1], PROFILE_BY_TIME);

	EXPECT_EQ(d.significant, 0);
	profile_diff_release(&d);
	profile_free(side[0]);
	profile_free(side[1]);
}

TEST(diff__a_function_that_is_new_and_one_that_is_gone)
{
	double before[FUNCTIONS] = { 0.5, 0.5 }, after[FUNCTIONS] = { 0.5, 0, 0.5 };
	struct profile *a = sampled(5, before), *b = sampled(6, after);
	struct profile_diff d = compare(a, b, PROFILE_BY_TIME);

	EXPECT(find(&d, "lex")->self.significant);
	EXPECT_EQ(find(&d, "lex")->self.value[1], 0);
	EXPECT(find(&d, "send")->self.significant);
	EXPECT_EQ(find(&d, "send")->self.value[0], 0);
	profile_diff_release(&d);
	profile_free(a);
	profile_free(b);
}

TEST(diff__nothing_against_nothing)
{
	struct profile *a = profile_of(""), *b = profile_of("");
	struct profile_diff d = compare(a, b, PROFILE_BY_TOTAL);

	EXPECT_EQ(d.count, 0);
	EXPECT(!d.all.significant);
	profile_diff_release(&d);
	profile_free(a);
	profile_free(b);
}

/* B against A in this format, both written as folded text; good until the next call. */
static const char *compared(const char *before, const char *after, const char *format,
			    const struct findings findings[2])
{
	static struct buf out;
	struct profile *a = profile_of(before), *b = profile_of(after);
	struct profile_diff d;
	struct diff_input in = {
		.side = { { .profile = a, .kind = PROFILE_CPU, .file = "a.tprof", .width = 80 },
			  { .profile = b, .kind = PROFILE_CPU, .file = "b.tprof", .width = 80 } },
		.normalize = PROFILE_BY_TOTAL,
		.diff = &d,
	};

	if (findings) {
		in.side[0].findings = &findings[0];
		in.side[1].findings = &findings[1];
	}
	d = compare(a, b, in.normalize);
	buf_clear(&out);
	EXPECT_EQ(diff_renderer_by_format(format)->render(&in, &out), 0);
	profile_diff_release(&d);
	profile_free(a);
	profile_free(b);
	return out.data ? out.data : "";
}

#define BEFORE "srv;main;parse 500\nsrv;main;old 400\nsrv;main;send_[k] 100\n"
#define AFTER  "srv;main;parse 490\nsrv;main;/lib/libx.so!walk 410\nsrv;main;send_[k] 100\n"

TEST(diff__text_golden)
{
	struct finding held = { .id = "hot-function",
				.title = "41% of the CPU time is spent in old",
				.severity = FINDING_MEDIUM };
	struct finding steady[2] = { { .id = "hot-thread", .title = "Thread srv (tid 7) uses 90%" },
				     { .id = "hot-thread",
				       .title = "Thread srv (tid 9) uses 95.5%" } };
	struct finding queue[2] = { { .id = "lock-contention",
				      .title = "3 threads queue for a::lock: 1.5 of them wait" },
				    { .id = "lock-contention",
				      .title = "4 threads queue for a::lock: 2 wait; held by x" } };
	struct finding a[] = { held, steady[0], queue[0] }, b[] = { queue[1], steady[1] };
	const struct findings findings[2] = { { .list = a, .count = 3 },
					      { .list = b, .count = 2 } };

	EXPECT_STR(compared(BEFORE, AFTER, "text", findings),
		   "A: a.tprof (1.0 s)\n"
		   "B: b.tprof (1.0 s)\n"
		   "on-CPU, % of all\n"
		   "\n"
		   "grew\n"
		   "  self A   self B   change   total A  total B   change  function\n"
		   "    0.00    41.00   +41.00      0.00    41.00   +41.00  walk  libx.so\n"
		   "\n"
		   "shrank\n"
		   "  self A   self B   change   total A  total B   change  function\n"
		   "   40.00     0.00   -40.00     40.00     0.00   -40.00  old  prog\n"
		   "\n"
		   "2 of 5 functions changed; = is a change below 4.9 standard errors or 0.5 % of\n"
		   "the whole\n"
		   "\n"
		   "findings gone in B\n"
		   "  medium  41% of the CPU time is spent in old\n");
}

/* The same says so, however it is asked. */
TEST(diff__no_change)
{
	EXPECT_CONTAINS(compared(BEFORE, BEFORE, "text", NULL),
			"no function changed significantly (of 4)");
	EXPECT_CONTAINS(compared(BEFORE, BEFORE, "json", NULL), "\"significant\": 0,");
	EXPECT_CONTAINS(compared(BEFORE, BEFORE, "svg", NULL),
			"parse (prog): 500 samples, 50.00 % after, 50.00 % before (+0.00)"
			"</title><rect class=\"g0\"");
	EXPECT_CONTAINS(compared("", "", "text", NULL), "no function changed significantly (of 0)");
	EXPECT_CONTAINS(compared("", "", "svg", NULL), "nothing recorded");
}

TEST(diff__svg_red_grown_blue_gone_grey_the_same)
{
	const char *svg = compared(BEFORE, AFTER, "svg", NULL);

	EXPECT_CONTAINS(svg,
			"<title>walk (libx.so): 410 samples, 41.00 % after, 0.00 % before (+41.00)"
			"</title><rect class=\"g4\"");
	EXPECT_CONTAINS(svg, "<title>old (prog): 0 samples, 0.00 % after, 40.00 % before (-40.00)"
			     "</title><rect class=\"s4\"");
	EXPECT_CONTAINS(svg,
			"<title>parse (prog): 490 samples, 49.00 % after, 50.00 % before (-1.00)"
			"</title><rect class=\"g0\"");
}

/* The page has what the table was made by: noise by label, as (label, self, total). */
TEST(diff__html_has_the_rule_of_the_table)
{
	const char *html = compared(BEFORE, AFTER, "html", NULL);

	EXPECT_CONTAINS(html, "\"normalize\":\"total\",\"whole\":false");
	EXPECT_CONTAINS(html, "\"rule\":{\"errors\":");
	EXPECT_CONTAINS(html, "\"least\":5.000,");
	EXPECT_CONTAINS(html, "\"event\":[1.000000,1.000000],\"own\":[");
}

static void render_comparison(void *ctx, bool will_fail)
{
	const struct diff_renderer *r = ctx;
	struct profile *a = profile_of(BEFORE), *b = profile_of(AFTER);
	struct profile_diff d = { 0 };
	struct diff_input in = { .side = { { .profile = a, .kind = PROFILE_CPU },
					   { .profile = b, .kind = PROFILE_CPU } },
				 .diff = &d };
	const struct profile_diff_side sides[2] = { { .profile = a }, { .profile = b } };
	struct buf out = BUF_INIT;
	int err = a && b && !profile_error(a) && !profile_error(b)
			  ? profile_diff(sides, PROFILE_CPU, PROFILE_BY_TIME, &d)
			  : -ENOMEM;

	if (!err)
		err = r->render(&in, &out);
	if (will_fail && allocation_failed())
		EXPECT_EQ(err, -ENOMEM);
	if (!will_fail)
		EXPECT_EQ(err, 0);
	buf_release(&out);
	profile_diff_release(&d);
	profile_free(a);
	profile_free(b);
}

TEST(diff__survives_out_of_memory)
{
	for (const struct diff_renderer *r = diff_renderers; r->format; r++)
		EXPECT(fail_each_allocation(render_comparison, (void *)r) > 10);
}
