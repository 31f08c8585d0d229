// SPDX-License-Identifier: BSD-2-Clause
/*
 * pprof: gzipped protobuf with every recorded kind as a sample type. Messages that stand one behind
 * the other are one message to a reader, so the profile goes out piece by piece: each sample, mapping
 * and location is packed as a Profile of its own that holds nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/map64.h"
#include "profile/tree.h"
#include "render/formats.h"
#include "render/label_stacks.h"
#include "render/render.h"

#include "pprof.pb-c.h"

enum { TYPES_MAX = PROFILE_KIND_COUNT + 1 };

struct writer {
	struct profile *profile;
	struct buf raw; /* before gzip */
	int err;

	int64_t *strings; /* by string id: index + 1, 0 = not written yet */
	size_t string_ids;
	int64_t string_count;
	struct map64 functions; /* by name and file: number */
	uint64_t function_count;

	size_t type_count;
	int type_of
		[PROFILE_KIND_COUNT]; /* kind → its place in a sample's values, −1 = not recorded */

	struct sum {
		uint32_t thread, stack;
		int64_t values[TYPES_MAX];
	} * sums;
	size_t sum_count, sum_cap;
	struct map64 sum_index;
};

/* ── packing ────────────────────────────────────────────────────────────────────────────────── */

static void put(struct writer *w, const Pprof__Profile *piece)
{
	size_t size = pprof__profile__get_packed_size(piece);
	uint8_t *bytes = malloc(size + 1);

	if (!bytes) {
		w->err = -ENOMEM;
		return;
	}
	pprof__profile__pack(piece, bytes);
	buf_add(&w->raw, bytes, size);
	free(bytes);
}

static int64_t put_string(struct writer *w, const char *text)
{
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	struct buf b = BUF_INIT;
	char *printable;

	buf_addstr(&b, "");
	buf_add_printable(&b, text, NULL);
	printable = b.data ? b.data : (char[1]){ 0 };
	piece.n_string_table = 1;
	piece.string_table = &printable;
	put(w, &piece);
	if (b.failed)
		w->err = -ENOMEM;
	buf_release(&b);
	return w->string_count++;
}

static int64_t string_index(struct writer *w, uint32_t id)
{
	if (!id || id >= w->string_ids)
		return 0;
	if (!w->strings[id])
		w->strings[id] = put_string(w, profile_str(w->profile, id)) + 1;
	return w->strings[id] - 1;
}

/* Functions are told apart by name and file, as pprof shows them. */
static uint64_t function_number(struct writer *w, const struct profile_line *line)
{
	Pprof__Function function = PPROF__FUNCTION__INIT, *one = &function;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	uint64_t *number = map64_at(&w->functions, (uint64_t)line->function << 32 | line->file);

	if (!number) {
		w->err = -ENOMEM;
		return 0;
	}
	if (*number != 0)
		return *number;
	function.name = function.system_name = string_index(w, line->function);
	function.filename = string_index(w, line->file);
	function.id = *number = ++w->function_count;
	piece.n_function = 1;
	piece.function = &one;
	put(w, &piece);
	return function.id;
}

/* ── what was sampled ───────────────────────────────────────────────────────────────────────── */

static void add_type(struct writer *w, const char *type, const char *unit)
{
	Pprof__ValueType value = PPROF__VALUE_TYPE__INIT, *one = &value;
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	value.type = put_string(w, type);
	value.unit = put_string(w, unit);
	piece.n_sample_type = 1;
	piece.sample_type = &one;
	put(w, &piece);
	w->type_count++;
}

/* cpu has two, as Go's own profiles: samples and nanoseconds. */
static void put_types(struct writer *w, enum profile_kind chosen)
{
	bool recorded[PROFILE_KIND_COUNT] = { [PROFILE_CPU] = true };
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	size_t count;
	const struct profile_row *rows = profile_rows(w->profile, &count);

	for (size_t i = 0; i < count; i++)
		recorded[rows[i].kind] = true;
	recorded[chosen] = true;
	for (int kind = 1; kind < PROFILE_KIND_COUNT; kind++) {
		const struct profile_kind_info *info = profile_kind_info(kind);

		w->type_of[kind] = -1;
		if (!recorded[kind])
			continue;
		if (kind == PROFILE_CPU)
			add_type(w, "samples", "count");
		w->type_of[kind] = (int)w->type_count;
		add_type(w, info->name,
			 info->by_count && kind != PROFILE_CPU ? "count" : "nanoseconds");
	}
	piece.default_sample_type = put_string(w, profile_kind_info(chosen)->name);
	put(w, &piece);
}

/* Of the part of the recording that is asked for: when it begins, how long it is. */
static void set_time(Pprof__Profile *piece, const struct profile_info *info,
		     const struct render_input *in)
{
	uint64_t end = in->to_ns && in->to_ns < info->duration_ns ? in->to_ns : info->duration_ns;

	piece->time_nanos = (int64_t)(info->start_realtime_ns + in->from_ns);
	piece->duration_nanos = end > in->from_ns ? (int64_t)(end - in->from_ns) : 0;
}

static void put_about(struct writer *w, const struct render_input *in)
{
	const struct profile_info *info = profile_info_const(w->profile);
	Pprof__ValueType period = PPROF__VALUE_TYPE__INIT;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	int64_t comment = string_index(w, info->target);

	period.type = put_string(w, "cpu");
	period.unit = put_string(w, "nanoseconds");
	piece.period_type = &period;
	piece.period = info->hz ? 1000000000 / info->hz : 0;
	set_time(&piece, info, in);
	piece.n_comment = comment ? 1 : 0;
	piece.comment = &comment;
	put(w, &piece);
}

/* ── where ──────────────────────────────────────────────────────────────────────────────────── */

static void put_mapping(struct writer *w, uint32_t id)
{
	const struct profile_module *m = profile_module_at(w->profile, id);
	Pprof__Mapping mapping = PPROF__MAPPING__INIT, *one = &mapping;
	Pprof__Profile piece = PPROF__PROFILE__INIT;

	mapping.id = id;
	mapping.memory_limit = UINT64_MAX; /* addresses are offsets into the file */
	mapping.filename = string_index(w, m->name);
	mapping.build_id = string_index(w, m->build_id);
	mapping.has_functions = mapping.has_filenames = true; /* nothing left to look up */
	mapping.has_line_numbers = mapping.has_inline_frames = true;
	piece.n_mapping = 1;
	piece.mapping = &one;
	put(w, &piece);
}

/* pprof takes the first mapping for the program. */
static void put_mappings(struct writer *w)
{
	size_t count, processes;
	const struct profile_process *process = profile_processes(w->profile, &processes);
	const struct profile_module *modules = profile_modules(w->profile, &count);
	uint32_t program = 0;

	for (size_t i = 0; i < count && processes && !program; i++) {
		if (process->exe && modules[i].name == process->exe)
			program = (uint32_t)i + 1;
	}
	if (program)
		put_mapping(w, program);
	for (uint32_t id = 1; id <= count; id++) {
		if (id != program)
			put_mapping(w, id);
	}
}

static void put_location(struct writer *w, uint32_t id)
{
	const struct profile_frame *f = profile_frame_at(w->profile, id);
	const struct profile_module *m =
		f->module ? profile_module_at(w->profile, f->module) : NULL;
	Pprof__Location location = PPROF__LOCATION__INIT, *one = &location;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	struct profile_line unnamed = { 0 };
	Pprof__Line lines[64], *list[64];

	location.id = id;
	location.mapping_id = f->module;
	/* Where the kernel lies in memory is nobody's business. */
	location.address = m && m->type == PROFILE_MODULE_KERNEL ? 0 : f->offset;
	if (!f->lines)
		unnamed.function = profile_frame_label(w->profile, id);
	for (uint32_t i = 0; i < (f->lines ? f->lines : 1) && i < 64; i++) {
		const struct profile_line *line =
			f->lines ? profile_line_at(w->profile, f->first_line + i) : &unnamed;

		pprof__line__init(&lines[i]);
		if (!line->function || line->function >= w->string_ids)
			continue;
		lines[i].function_id = function_number(w, line);
		lines[i].line = line->line;
		list[location.n_line++] = &lines[i];
	}
	location.line = list;
	piece.n_location = 1;
	piece.location = &one;
	put(w, &piece);
}

/* ── samples: all kinds and windows of one thread and stack are one ─────────────────────────── */

static struct sum *sum_at(struct writer *w, const struct profile_row *row)
{
	uint64_t *number = map64_at(&w->sum_index, ((uint64_t)row->thread << 32 | row->stack) + 1);

	if (!number)
		return NULL;
	if (!*number) {
		if (array_room(&w->sums, w->sum_count, &w->sum_cap, sizeof(*w->sums)))
			return NULL;
		w->sums[w->sum_count++] =
			(struct sum){ .thread = row->thread, .stack = row->stack };
		*number = w->sum_count;
	}
	return &w->sums[*number - 1];
}

static void sum_rows(struct writer *w, const struct render_input *in)
{
	size_t count;
	const struct profile_row *rows = profile_rows(w->profile, &count);

	for (size_t i = 0; i < count && !w->err; i++) {
		const struct profile_row *row = &rows[i];
		struct profile_filter f = { .kind = row->kind,
					    .from_ns = in->from_ns,
					    .to_ns = in->to_ns };
		int type = w->type_of[row->kind];
		struct sum *s;

		if (type < 0 || !profile_filter_match(w->profile, &f, row))
			continue;
		s = sum_at(w, row);
		if (!s) {
			w->err = -ENOMEM;
			return;
		}
		if (row->kind == PROFILE_CPU)
			s->values[type - 1] += (int64_t)row->count;
		s->values[type] +=
			(int64_t)(profile_kind_info(row->kind)->by_count && row->kind != PROFILE_CPU
					  ? row->count
					  : row->value);
	}
}

struct label_keys {
	int64_t thread, tid, pid, stack, truncated;
};

static void put_sample(struct writer *w, struct sum *s, const struct label_keys *keys)
{
	const struct profile_stack *stack =
		s->stack ? profile_stack_at(w->profile, s->stack) : NULL;
	const struct profile_thread *t =
		s->thread ? profile_thread_at(w->profile, s->thread) : NULL;
	Pprof__Label labels[4], *list[4] = { &labels[0], &labels[1], &labels[2], &labels[3] };
	Pprof__Sample sample = PPROF__SAMPLE__INIT, *one = &sample;
	Pprof__Profile piece = PPROF__PROFILE__INIT;
	uint32_t n = stack ? stack->frames : 0;
	uint64_t *locations = calloc(n + 1, sizeof(*locations));

	if (!locations) {
		w->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		locations[i] = profile_stack_frames(w->profile, stack)[i];
	for (int i = 0; i < 4; i++)
		pprof__label__init(&labels[i]);
	labels[0].key = keys->thread;
	labels[0].str = string_index(w, t ? t->comm : 0);
	labels[1].key = keys->tid;
	labels[1].num = t ? t->tid : 0;
	labels[2].key = keys->pid;
	labels[2].num = t && t->process ? profile_process_at(w->profile, t->process)->pid : 0;
	labels[3].key = keys->stack;
	labels[3].str = keys->truncated;
	sample.n_location_id = n;
	sample.location_id = locations;
	sample.n_value = w->type_count;
	sample.value = s->values;
	sample.n_label = profile_stack_complete(w->profile, s->stack) ? 3 : 4;
	sample.label = list;
	piece.n_sample = 1;
	piece.sample = &one;
	put(w, &piece);
	free(locations);
}

static void put_samples(struct writer *w)
{
	struct label_keys keys = {
		.thread = put_string(w, "thread"),
		.tid = put_string(w, "tid"),
		.pid = put_string(w, "pid"),
		.stack = put_string(w, "stack"),
		.truncated = put_string(w, "truncated"),
	};

	for (size_t i = 0; i < w->sum_count && !w->err; i++)
		put_sample(w, &w->sums[i], &keys);
}

static void put_profile(struct writer *w, const struct render_input *in)
{
	size_t frames;

	put_string(w, "");
	put_types(w, in->kind);
	put_about(w, in);
	put_mappings(w);
	profile_frames(w->profile, &frames);
	for (uint32_t id = 1; id <= frames && !w->err; id++)
		put_location(w, id);
	sum_rows(w, in);
	put_samples(w);
	if (w->raw.failed)
		w->err = -ENOMEM;
}

static int gzip(const struct buf *raw, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)raw->data, .avail_in = (uInt)raw->len };
	char chunk[16384];
	int ret;

	if (deflateInit2(&z, 4, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = (Bytef *)chunk;
		z.avail_out = sizeof(chunk);
		ret = deflate(&z, Z_FINISH);
		buf_add(out, chunk, sizeof(chunk) - z.avail_out);
	} while (ret == Z_OK);
	deflateEnd(&z);
	return ret == Z_STREAM_END && !out->failed ? 0 : -ENOMEM;
}

int render_pprof(const struct render_input *in, struct buf *out)
{
	struct writer w = { .profile = in->profile };
	size_t frames;

	/* Labels of unnamed frames are new strings: they are made before strings are counted. */
	profile_frames(in->profile, &frames);
	for (uint32_t id = 1; id <= frames; id++)
		profile_frame_label(in->profile, id);
	w.string_ids = profile_string_count(in->profile) + 1;
	w.strings = calloc(w.string_ids, sizeof(*w.strings));
	if (w.strings && !profile_error(in->profile))
		put_profile(&w, in);
	else
		w.err = -ENOMEM;
	if (!w.err)
		w.err = w.raw.len > UINT32_MAX ? -EFBIG : gzip(&w.raw, out);
	free(w.strings);
	map64_release(&w.functions);
	free(w.sums);
	map64_release(&w.sum_index);
	buf_release(&w.raw);
	return w.err;
}
