// SPDX-License-Identifier: BSD-2-Clause
/* Renderers, from folded text to the format. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "render/render.h"

/* The profile in this format; good until the next call. */
static const char *rendered(struct profile *p, const char *format, enum profile_kind kind)
{
	static struct buf out;
	struct render_input in = { .profile = p, .kind = kind, .file = "x.tprof" };

	buf_clear(&out);
	EXPECT_EQ(renderer_by_format(format)->render(&in, &out), 0);
	return out.data ? out.data : "";
}

TEST(render__the_longest_extension_wins)
{
	EXPECT_STR(renderer_by_path("a.json")->format, "json");
	EXPECT_STR(renderer_by_path("a.speedscope.json")->format, "speedscope");
	EXPECT_STR(renderer_by_path("dir.svg/a.pb.gz")->format, "pprof");
	EXPECT_NULL(renderer_by_path("a.tprof"));
	EXPECT_NULL(renderer_by_path(".svg"));
	EXPECT_NULL(renderer_by_path("svg"));
	EXPECT_NULL(renderer_by_format("xml"));
}

TEST(folded__merges_what_reads_equal)
{
	struct profile *p = profile_of("srv;main;read 3\n"
				       "srv;main;[truncated];send_[k] 2\n"
				       "srv-7;main;read 4\n");

	EXPECT_STR(rendered(p, "folded", PROFILE_CPU), "srv;main;read 7\n"
						       "srv;[truncated];main;send_[k] 2\n");
	profile_free(p);
}

TEST(folded__by_thread_keeps_threads_apart)
{
	struct profile *p = profile_of("srv-6;main;read 3\nsrv-7;main;read 4\n");
	struct render_input in = { .profile = p, .kind = PROFILE_CPU, .by_thread = true };
	struct buf out = BUF_INIT;

	EXPECT_EQ(renderer_by_format("folded")->render(&in, &out), 0);
	EXPECT_STR(out.data, "srv-6;main;read 3\nsrv-7;main;read 4\n");
	buf_release(&out);
	profile_free(p);
}

/* Less than a microsecond a wait, many waits: the sum is not lost to rounding. */
TEST(folded__sums_before_it_rounds)
{
	struct profile *p = profile_new();
	uint32_t stack = stack_of(p, "main;wait");
	uint32_t thread = thread_of(p, "srv", 7);

	for (uint64_t i = 0; i < 10; i++)
		profile_add(p, profile_window(p, i * 1000, i * 1000 + 1000), thread, PROFILE_OFFCPU,
			    stack, 1, 300);
	EXPECT_STR(rendered(p, "folded", PROFILE_OFFCPU), "srv;main;wait 3\n");
	profile_free(p);
}

TEST(folded__escapes_what_would_break_a_line)
{
	struct profile *p = profile_new();
	uint32_t thread = thread_of(p, "a;b\nc", 7);

	profile_add(p, profile_window(p, 0, 1000), thread, PROFILE_CPU, stack_of(p, "main"), 1, 1);
	EXPECT_STR(rendered(p, "folded", PROFILE_CPU), "a\\x3bb\\x0ac;main 1\n");
	profile_free(p);
}

TEST(folded__takes_the_windows_of_a_time_range)
{
	struct profile *p = profile_new();
	uint32_t stack = stack_of(p, "main"), thread = thread_of(p, "srv", 7);
	struct render_input in = {
		.profile = p, .kind = PROFILE_CPU, .from_ns = 1000, .to_ns = 2000
	};
	struct buf out = BUF_INIT;

	for (uint64_t i = 0; i < 3; i++)
		profile_add(p, profile_window(p, i * 1000, i * 1000 + 1000), thread, PROFILE_CPU,
			    stack, i + 1, 1);
	EXPECT_EQ(renderer_by_format("folded")->render(&in, &out), 0);
	EXPECT_STR(out.data, "srv;main 2\n");
	buf_release(&out);
	profile_free(p);
}

TEST(speedscope__golden)
{
	struct profile *p = profile_of("srv;main;libc.so!read 99\nsrv;main 1\n");

	EXPECT_STR(
		rendered(p, "speedscope", PROFILE_CPU),
		"{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
		"\"exporter\":\"tprof " TPROF_VERSION "\",\"name\":\"x.tprof\","
		"\"shared\":{\"frames\":[{\"name\":\"srv\"},"
		"{\"name\":\"main\",\"file\":\"/usr/bin/prog\"},"
		"{\"name\":\"read\",\"file\":\"libc.so\"}]},"
		"\"profiles\":[{\"type\":\"sampled\",\"name\":\"on-CPU\",\"unit\":\"microseconds\","
		"\"startValue\":0,\"endValue\":1010100,\"samples\":[[0,1,2],[0,1]],"
		"\"weights\":[999999,10101]}],\"activeProfileIndex\":0}\n");
	profile_free(p);
}

TEST(svg__tells_share_and_module_and_escapes)
{
	struct profile *p = profile_of("<b>;main;/lib/libc.so!a&\"b 3\n<b>;main 1\n");
	const char *svg = rendered(p, "svg", PROFILE_CPU);

	EXPECT_CONTAINS(svg, "<title>all: 4 samples, 100.00 %</title>");
	EXPECT_CONTAINS(svg, "<title>&lt;b&gt;: 4 samples, 100.00 %</title>");
	EXPECT_CONTAINS(svg, "<title>a&amp;&quot;b (libc.so): 3 samples, 75.00 %</title>");
	EXPECT_NULL(strstr(svg, "<script"));
	profile_free(p);
}

TEST(svg__of_nothing_says_so)
{
	struct profile *p = profile_of("");

	EXPECT_CONTAINS(rendered(p, "svg", PROFILE_CPU), ">nothing recorded<");
	profile_free(p);
}

/* srv is no node of the tree. Nodes as (steps up, label): main (0, 0), read (0, 1), send (1, 2). */
TEST(html__data_is_compact)
{
	struct profile *p = profile_of("srv;main;read 3\nsrv;main;send_[k] 40\n");
	const char *html = rendered(p, "html", PROFILE_CPU);

	EXPECT_CONTAINS(html, "\"strings\":[\"\",\"main\",\"/usr/bin/prog\",\"read\",\"send\","
			      "\"[kernel]\"]");
	EXPECT_CONTAINS(html, "\"labels\":\"BCCDCCEFD\"");
	EXPECT_CONTAINS(html, "\"tree\":\"AAABBC\"");
	EXPECT_CONTAINS(html, "\"threads\":[[\"srv\",100,100,0]]");
	/* thread 0, window 0, two rows: node 2 (read) 3, one node on (send) 40 = "oB". */
	EXPECT_CONTAINS(html, "\"weight\":43,\"rows\":\"AACCDBoB\"");
	profile_free(p);
}

TEST(html__texts_cannot_end_the_script)
{
	struct profile *p = profile_of("</script><b>;main;</script> 1\n");
	const char *html = rendered(p, "html", PROFILE_CPU);
	int ends = 0;

	for (const char *at = html; (at = strstr(at, "</script>")); at++)
		ends++;
	EXPECT_EQ(ends, 2);
	EXPECT_NULL(strstr(html, "<b>;"));
	profile_free(p);
}

/* More threads than are listed one by one: the many stand together by group. */
TEST(html__many_threads_stand_by_group)
{
	struct profile *p = profile_of("");
	uint32_t stack = stack_of(p, "main"), window = profile_window(p, 0, 1000);
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "task-%d", i);
		profile_add(p, window, thread_of(p, name, 1000 + i), PROFILE_CPU, stack, 1, 1);
	}
	EXPECT_CONTAINS(rendered(p, "html", PROFILE_CPU), "[\"task-*\",1200,100,800]]");
	profile_free(p);
}

/* Out of memory anywhere: an error, no crash, no leak. */
static void render_profile(void *ctx, bool will_fail)
{
	const struct renderer *r = ctx;
	struct profile *p = profile_of("srv;main;read 3\nsrv;main;send_[k] 4\n");
	struct render_input in = { .profile = p, .kind = PROFILE_CPU };
	struct buf out = BUF_INIT;
	int err = p && !profile_error(p) ? r->render(&in, &out) : -ENOMEM;

	if (will_fail && allocation_failed())
		EXPECT_EQ(err, -ENOMEM);
	if (!will_fail)
		EXPECT_EQ(err, 0);
	buf_release(&out);
	profile_free(p);
}

TEST(render__survives_out_of_memory)
{
	static const char *const formats[] = { "folded", "html",       "svg",
					       "pprof",	 "speedscope", "firefox" };

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		EXPECT(fail_each_allocation(render_profile,
					    (void *)renderer_by_format(formats[i])) > 10);
}
