// SPDX-License-Identifier: BSD-2-Clause
/* pprof and Firefox, from folded text to what their readers see. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "render/render.h"

#include "pprof.pb-c.h"

/* ── pprof: unpacked and written as text ────────────────────────────────────────────────────── */

static Pprof__Profile *unpacked(const struct buf *gz)
{
	static uint8_t raw[1 << 16];
	z_stream z = { .next_in = (Bytef *)gz->data,
		       .avail_in = (uInt)gz->len,
		       .next_out = raw,
		       .avail_out = sizeof(raw) };

	EXPECT_EQ(inflateInit2(&z, 15 + 16), Z_OK);
	EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	return pprof__profile__unpack(NULL, z.total_out, raw);
}

static void dump_line(const Pprof__Profile *g, const Pprof__Line *line, struct buf *out)
{
	const Pprof__Function *f = g->function[line->function_id - 1];

	EXPECT_EQ(f->id, line->function_id);
	buf_printf(out, " %s", g->string_table[f->name]);
	if (f->filename)
		buf_printf(out, "(%s:%lld)", g->string_table[f->filename], (long long)line->line);
}

static void dump_sample(const Pprof__Profile *g, const Pprof__Sample *s, struct buf *out)
{
	for (size_t i = 0; i < s->n_value; i++)
		buf_printf(out, "%s%lld", i ? "," : "", (long long)s->value[i]);
	for (size_t i = 0; i < s->n_label; i++) {
		const Pprof__Label *l = s->label[i];

		if (l->str)
			buf_printf(out, " %s=%s", g->string_table[l->key], g->string_table[l->str]);
		else
			buf_printf(out, " %s=%lld", g->string_table[l->key], (long long)l->num);
	}
	buf_addch(out, ':');
	for (size_t i = 0; i < s->n_location_id; i++) {
		const Pprof__Location *at = g->location[s->location_id[i] - 1];

		EXPECT_EQ(at->id, s->location_id[i]);
		buf_addstr(out, i ? " <" : "");
		for (size_t l = 0; l < at->n_line; l++)
			dump_line(g, at->line[l], out);
	}
	buf_addch(out, '\n');
}

/* Good until the next call. */
static const char *dumped(struct render_input *in)
{
	static struct buf out;
	struct buf gz = BUF_INIT;
	Pprof__Profile *g;

	buf_clear(&out);
	EXPECT_EQ(renderer_by_format("pprof")->render(in, &gz), 0);
	g = unpacked(&gz);
	buf_release(&gz);
	buf_printf(&out, "%lld ns from %lld, a sample each %lld %s\n", (long long)g->duration_nanos,
		   (long long)g->time_nanos, (long long)g->period,
		   g->string_table[g->period_type->unit]);
	for (size_t i = 0; i < g->n_sample_type; i++)
		buf_printf(&out, "%s%s/%s", i ? " " : "", g->string_table[g->sample_type[i]->type],
			   g->string_table[g->sample_type[i]->unit]);
	buf_printf(&out, " [%s]\n", g->string_table[g->default_sample_type]);
	for (size_t i = 0; i < g->n_mapping; i++)
		buf_printf(&out, "%s %s\n", g->string_table[g->mapping[i]->filename],
			   g->string_table[g->mapping[i]->build_id]);
	for (size_t i = 0; i < g->n_sample; i++)
		dump_sample(g, g->sample[i], &out);
	pprof__profile__free_unpacked(g, NULL);
	return out.data;
}

static void set_about(struct profile *p)
{
	profile_info(p)->hz = 100;
	profile_info(p)->duration_ns = 3000;
	profile_info(p)->start_realtime_ns = 5000000;
	profile_info(p)->event = profile_string(p, "cpu-clock");
}

TEST(pprof__golden)
{
	struct profile *p = profile_of("srv-7;main;inner_[i];libc.so!read 3\n"
				       "srv-8;[truncated];send_[k] 2\n");
	struct render_input in = { .profile = p, .kind = PROFILE_CPU };

	set_about(p);
	profile_of_kind(p, PROFILE_LOCK, "srv-7;main;libc.so!lock 9\n");
	profile_module_at(p, 2)->build_id = profile_string(p, "abcdef");
	EXPECT_STR(dumped(&in), "3000 ns from 5000000, a sample each 10000000 nanoseconds\n"
				"samples/count cpu/nanoseconds lock/nanoseconds [cpu]\n"
				"/usr/bin/prog \n"
				"libc.so abcdef\n"
				"[kernel] \n"
				"3,3,0 thread=srv tid=7 pid=100: read < inner main\n"
				"2,2,0 thread=srv tid=8 pid=100 stack=truncated: send\n"
				"0,0,9000 thread=srv tid=7 pid=100: lock < main\n");
	profile_free(p);
}

TEST(pprof__a_time_range_has_its_own_time)
{
	struct profile *p = profile_new();
	uint32_t stack = stack_of(p, "main"), thread = thread_of(p, "srv", 7);
	struct render_input in = {
		.profile = p, .kind = PROFILE_CPU, .from_ns = 1000, .to_ns = 2000
	};

	set_about(p);
	for (uint64_t i = 0; i < 3; i++)
		profile_add(p, profile_window(p, i * 1000, i * 1000 + 1000), thread, PROFILE_CPU,
			    stack, i + 1, (i + 1) * 10);
	EXPECT_CONTAINS(dumped(&in), "1000 ns from 5001000, ");
	EXPECT_CONTAINS(dumped(&in), "\n2,20 thread=srv tid=7 ");
	profile_free(p);
}

/* Two static functions of one name are two. */
TEST(pprof__functions_are_told_apart_by_file)
{
	struct profile *p = profile_of("srv;main 1\n");
	uint32_t name = profile_string(p, "init"), frames[2];

	set_about(p);
	for (uint64_t i = 0; i < 2; i++) {
		struct profile_line line = { .function = name,
					     .file = profile_string(p, i ? "b.c" : "a.c"),
					     .line = 10 };

		frames[i] = profile_frame(p, 1, 5000 + i);
		profile_frame_name(p, frames[i], &line, 1);
	}
	profile_add(p, 1, 1, PROFILE_CPU, profile_stack(p, frames, 2, PROFILE_END_ROOT), 1, 10);
	EXPECT_CONTAINS(dumped(&(struct render_input){ .profile = p, .kind = PROFILE_CPU }),
			": init(a.c:10) < init(b.c:10)\n");
	profile_free(p);
}

/* ── Firefox ────────────────────────────────────────────────────────────────────────────────── */

TEST(firefox__golden)
{
	struct profile *p = profile_of("srv-7;main;libc.so!read 2\nsrv-7;main;send_[k] 1\n");
	struct render_input in = { .profile = p, .kind = PROFILE_CPU, .file = "x.tprof" };
	struct buf out = BUF_INIT;

	set_about(p);
	EXPECT_EQ(renderer_by_format("firefox")->render(&in, &out), 0);
	EXPECT_STR(out.data,
		   "{\"meta\":{\"interval\":10.0000,\"startTime\":5.000,"
		   "\"processType\":0,\"categories\":[{\"name\":\"Other\","
		   "\"color\":\"grey\",\"subcategories\":[\"Other\"]},"
		   "{\"name\":\"Truncated\",\"color\":\"red\","
		   "\"subcategories\":[\"Other\"]},{\"name\":\"User\",\"color\":\"yellow\","
		   "\"subcategories\":[\"Other\"]},{\"name\":\"Kernel\","
		   "\"color\":\"orange\",\"subcategories\":[\"Other\"]},{\"name\":\"JIT\","
		   "\"color\":\"green\",\"subcategories\":[\"Other\"]},"
		   "{\"name\":\"Inlined\",\"color\":\"blue\","
		   "\"subcategories\":[\"Other\"]}],\"product\":\"x.tprof\","
		   "\"stackwalk\":1,\"version\":30,\"preprocessedProfileVersion\":50,"
		   "\"symbolicationNotSupported\":true,\"markerSchema\":[],"
		   "\"importedFrom\":\"tprof " TPROF_VERSION "\",\"usesOnlyOneStackType\":true,"
		   "\"doesNotUseFrameImplementation\":true,"
		   "\"sourceCodeIsNotOnSearchfox\":true,"
		   "\"keepProfileThreadOrder\":true},\"libs\":[],"
		   "\"threads\":[{\"processType\":\"default\",\"processStartupTime\":0,"
		   "\"processShutdownTime\":null,\"registerTime\":0,"
		   "\"unregisterTime\":null,\"pausedRanges\":[],\"name\":\"srv\","
		   "\"isMainThread\":false,\"pid\":\"100\",\"tid\":7,"
		   "\"processName\":\"prog\",\"samples\":{\"stack\":[1,1,2],"
		   "\"time\":[166.667,500.000,833.333],\"weight\":[1,1,1],"
		   "\"weightType\":\"samples\",\"length\":3},\"markers\":{\"data\":[],"
		   "\"name\":[],\"startTime\":[],\"endTime\":[],\"phase\":[],"
		   "\"category\":[],\"length\":0},\"stackTable\":{\"frame\":[0,1,2],"
		   "\"prefix\":[null,0,0],\"category\":[2,2,3],\"subcategory\":[0,0,"
		   "0],\"length\":3},\"frameTable\":{\"address\":[-1,-1,-1],"
		   "\"inlineDepth\":[0,0,0],\"category\":[2,2,3],\"subcategory\":[0,0,"
		   "0],\"func\":[0,1,2],\"nativeSymbol\":[null,null,null],"
		   "\"innerWindowID\":[null,null,null],\"implementation\":[null,"
		   "null,null],\"line\":[null,null,null],\"column\":[null,null,"
		   "null],\"length\":3},\"funcTable\":{\"name\":[0,2,4],\"isJS\":[false,"
		   "false,false],\"relevantForJS\":[false,false,false],"
		   "\"resource\":[0,1,2],\"fileName\":[null,null,null],"
		   "\"lineNumber\":[null,null,null],\"columnNumber\":[null,null,"
		   "null],\"length\":3},\"resourceTable\":{\"lib\":[null,null,null],"
		   "\"name\":[1,3,5],\"host\":[null,null,null],\"type\":[1,1,1],"
		   "\"length\":3},\"nativeSymbols\":{\"libIndex\":[],\"address\":[],"
		   "\"name\":[],\"functionSize\":[],\"length\":0},"
		   "\"stringArray\":[\"main\",\"/usr/bin/prog\",\"read\",\"libc.so\","
		   "\"send\",\"[kernel]\"]}]}\n");
	buf_release(&out);
	profile_free(p);
}
