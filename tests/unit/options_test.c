// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/layout.h"
#include "base/units.h"
#include "cmd/options.h"
#include "cmd/target.h"
#include "test.h"

#define MS 1000000ULL
#define S  (1000 * MS)

static const struct cmd_option duration = { .argument = "SECONDS", .min = MS, .max = 86400 * S };

static uint64_t duration_of(const char *text)
{
	uint64_t ns = 0;

	return option_duration(&duration, text, &ns, NULL) ? 0 : ns;
}

TEST(option_duration__units_and_decimals)
{
	EXPECT_EQ(duration_of("10"), 10 * S);
	EXPECT_EQ(duration_of("10s"), 10 * S);
	EXPECT_EQ(duration_of("500ms"), 500 * MS);
	EXPECT_EQ(duration_of("2m"), 120 * S);
	EXPECT_EQ(duration_of("2min"), 120 * S);
	EXPECT_EQ(duration_of("1h"), 3600 * S);
	EXPECT_EQ(duration_of("1.5"), 1500 * MS);
	EXPECT_EQ(duration_of("0.001s"), MS);
}

TEST(option_duration__refuses_the_rest)
{
	static const char *const texts[] = { "",    "0",   "-1",    "+1",  " 1",
					     "1 ",  "1e3", "0x10",  "1d",  ".5",
					     "1.",  "1..", "1.5.5", "25h", "99999999999999999999",
					     "0.0", "s",   "0.4ms", "1ss" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		EXPECT_EQ(duration_of(texts[i]), 0);
}

TEST(option_size__units)
{
	const struct cmd_option o = { .min = 1, .max = 1ULL << 40 };
	uint64_t bytes;

	EXPECT_EQ(option_size(&o, "64M", &bytes, NULL), 0);
	EXPECT_EQ(bytes, 64 << 20);
	EXPECT_EQ(option_size(&o, "1GiB", &bytes, NULL), 0);
	EXPECT_EQ(bytes, 1 << 30);
	EXPECT_EQ(option_size(&o, "4096", &bytes, NULL), 0);
	EXPECT_EQ(bytes, 4096);
	EXPECT(option_size(&o, "64MB!", &bytes, NULL) < 0);
	EXPECT(option_size(&o, "18446744073709551615G", &bytes, NULL) < 0);
	EXPECT_EQ(bytes, 4096);
}

TEST(option_ids__each_once_in_order)
{
	const struct cmd_option o = { .argument = "PID[,PID…]" };
	struct id_list list = { 0 };

	EXPECT_EQ(option_ids(&o, "30,10,30", &list, NULL), 0);
	EXPECT_EQ(option_ids(&o, "20", &list, NULL), 0);
	EXPECT_EQ(list.count, 3);
	EXPECT_EQ(list.ids[0], 30);
	EXPECT_EQ(list.ids[1], 10);
	EXPECT_EQ(list.ids[2], 20);
	free(list.ids);
}

TEST(option_u32__says_what_is_expected)
{
	const struct cmd_option o = { .min = 1, .max = 10000 };
	struct diag d = { 0 };
	uint32_t v = 7;

	EXPECT(option_u32(&o, "10001", &v, &d) < 0);
	EXPECT_EQ(v, 7);
	EXPECT_STR(d.text, "a whole number from 1 to 10000 expected");
}

/* A process chooses its name, and root writes a file of it. */
TEST(target_file_name__is_tame)
{
	static const struct {
		const char *comm, *file;
	} cases[] = {
		{ "redis-server", "redis-server-100.tprof" },
		{ "../../etc/x", "_.._etc_x-100.tprof" },
		{ "-rf", "rf-100.tprof" },
		{ ".hidden", "hidden-100.tprof" },
		{ "a b\n\033[31m", "a_b___31m-100.tprof" },
		{ "", "process-100.tprof" },
		{ "...", "process-100.tprof" },
		{ "ü", "__-100.tprof" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct profile *p = profile_of("x-1;main 1\n");
		const struct record_options o = { 0 };
		char *file;

		profile_process_at(p, 1)->comm = profile_string(p, cases[i].comm);
		file = target_file_name(&o, p);
		EXPECT_STR(file, cases[i].file);
		free(file);
		profile_free(p);
	}
}

TEST(target_text__as_it_was_asked_for)
{
	char *const command[] = { "mysql", "-psecret", NULL };
	pid_t pids[] = { 3, 4 };
	struct record_options o = { .pids = { pids, 2 } };
	char *text = target_text(&o);

	EXPECT_STR(text, "-p 3,4");
	free(text);
	o = (struct record_options){ .command = command };
	text = target_text(&o);
	EXPECT_STR(text, "-- mysql -psecret");
	free(text);
	o.no_cmdline = true;
	text = target_text(&o);
	EXPECT_STR(text, "-- mysql …");
	free(text);
}

static const char *cell(const char *text, size_t columns, enum layout_align align)
{
	static struct buf b;

	buf_clear(&b);
	layout_cell(&b, text, columns, align);
	return b.data;
}

TEST(layout_cell__pads_and_cuts_by_columns_not_bytes)
{
	EXPECT_STR(cell("abc", 5, LAYOUT_LEFT), "abc  ");
	EXPECT_STR(cell("abc", 5, LAYOUT_RIGHT), "  abc");
	EXPECT_STR(cell("abcdef", 5, LAYOUT_LEFT), "abcd…");
	EXPECT_STR(cell("äöü", 5, LAYOUT_LEFT), "äöü  ");
	EXPECT_STR(cell("äöüäöü", 5, LAYOUT_RIGHT), "äöüä…");
	EXPECT_STR(cell("", 2, LAYOUT_LEFT), "  ");
	EXPECT_STR(cell("\xff\xfe", 3, LAYOUT_LEFT), "\xff\xfe ");
}

TEST(layout_wrap__breaks_at_spaces)
{
	struct buf b = BUF_INIT;

	layout_wrap(&b, "one two three averyveryverylongword four", 0, 2, 12);
	EXPECT_STR(b.data, "  one two\n  three\n  averyveryverylongword\n  four\n");
	buf_release(&b);
}

TEST(units__read_well)
{
	char text[UNITS_MAX];

	EXPECT_STR(units_count(text, 0), "0");
	EXPECT_STR(units_count(text, 999), "999");
	EXPECT_STR(units_count(text, 1000), "1,000");
	EXPECT_STR(units_count(text, UINT64_MAX), "18,446,744,073,709,551,615");
	EXPECT_STR(units_time(text, 0), "0 s");
	EXPECT_STR(units_time(text, 1), "1 ns");
	EXPECT_STR(units_time(text, 12345), "12.3 µs");
	EXPECT_STR(units_time(text, 999600), "1.00 ms");
	EXPECT_STR(units_time(text, 340 * MS), "340 ms");
	EXPECT_STR(units_time(text, 1230 * MS), "1.23 s");
	EXPECT_STR(units_time(text, 30 * S), "30.0 s");
	EXPECT_STR(units_time(text, 3600 * S), "60 min");
	EXPECT_STR(units_time(text, 7500 * S), "2 h 05 min");
	EXPECT_STR(units_rate(text, 0.25), "0.2/s");
	EXPECT_STR(units_rate(text, 12345), "12,345/s");
}
