/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/names_wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "profile/profile.h"
#include "symbolize/query.h"

/* No honest child sends more text. */
#define MAX_STRINGS_BYTES (1ull << 30)

/* ── the child's side ───────────────────────────────────────────────────────────────────────── */

void names_put(struct buf *out, enum names_type type, const void *payload, size_t bytes)
{
	const struct names_header h = { .type = type, .bytes = (uint32_t)bytes };

	buf_add(out, &h, sizeof(h));
	buf_add(out, payload, bytes);
}

static void put_words(struct names_writer *w, enum names_type type, uint32_t a, uint32_t b)
{
	const uint32_t words[] = { a, b };

	names_put(w->out, type, words, sizeof(words));
}

static void put_text(struct names_writer *w, enum names_type type, const char *text)
{
	names_put(w->out, type, text, strnlen(text, NAMES_MAX_STRING));
}

static void put_strings(struct names_writer *w)
{
	size_t count = profile_string_count(w->p);

	while (w->strings < count)
		put_text(w, NAMES_STRING, profile_str(w->p, ++w->strings));
}

static void put_frame(struct names_writer *w, uint32_t frame)
{
	const struct profile_frame *f = profile_frame_at(w->p, frame);
	uint32_t words[1 + 4 * NAMES_MAX_LINES] = { frame }, n = 1;

	if (!f || f->lines == 0 || f->lines > NAMES_MAX_LINES)
		return;
	for (uint32_t i = 0; i < f->lines; i++) {
		const struct profile_line *l = profile_line_at(w->p, f->first_line + i);

		words[n++] = l->function;
		words[n++] = l->file;
		words[n++] = l->line;
		words[n++] = l->inlined;
	}
	names_put(w->out, NAMES_FRAME, words, n * sizeof(*words));
}

void names_put_module(struct names_writer *w, uint32_t module, const struct query *q, size_t n,
		      bool locks)
{
	const struct profile_module *m = profile_module_at(w->p, module);
	size_t notes;
	const uint32_t *note = profile_notes(w->p, &notes);

	put_strings(w);
	if (m->build_id)
		put_words(w, NAMES_BUILD_ID, module, m->build_id);
	for (size_t i = 0; i < n; i++) {
		if (!locks)
			put_frame(w, q[i].id);
		else if (profile_lock_at(w->p, q[i].id)->name)
			put_words(w, NAMES_LOCK, q[i].id, profile_lock_at(w->p, q[i].id)->name);
	}
	for (; w->notes < notes; w->notes++)
		put_text(w, NAMES_NOTE, profile_str(w->p, note[w->notes]));
}

/* ── the parent's side ──────────────────────────────────────────────────────────────────────── */

static uint32_t string_of(const struct names_reader *r, uint32_t id)
{
	if (id <= r->base)
		return id;
	return id - r->base <= r->count ? r->strings[id - r->base - 1] : 0;
}

static int take_string(struct names_reader *r, const char *text, size_t len)
{
	if (array_room(&r->strings, r->count, &r->cap, sizeof(*r->strings)))
		return -ENOMEM;
	r->bytes += len + 1;
	if (r->bytes > MAX_STRINGS_BYTES || memchr(text, '\0', len))
		return -EBADMSG;
	r->strings[r->count++] = profile_string_n(r->p, text, len);
	return profile_error(r->p);
}

static int take_frame(struct names_reader *r, const uint32_t *words, size_t n)
{
	struct profile_line lines[NAMES_MAX_LINES];
	size_t count = (n - 1) / 4;

	if (n < 5 || (n - 1) % 4 || count > NAMES_MAX_LINES || !profile_frame_at(r->p, words[0]))
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		const uint32_t *w = &words[1 + 4 * i];

		lines[i] = (struct profile_line){ .function = string_of(r, w[0]),
						  .file = string_of(r, w[1]),
						  .line = w[2],
						  .inlined = w[3] && i + 1 < count };
		if (!lines[i].function)
			return -EBADMSG;
	}
	profile_frame_name(r->p, words[0], lines, (uint32_t)count);
	return profile_error(r->p);
}

static int take_id(struct names_reader *r, uint32_t type, uint32_t id, uint32_t string)
{
	struct profile_module *m = type == NAMES_BUILD_ID ? profile_module_at(r->p, id) : NULL;
	struct profile_lock *l = type == NAMES_LOCK ? profile_lock_at(r->p, id) : NULL;

	string = string_of(r, string);
	if ((!m && !l) || !string)
		return -EBADMSG;
	if (m)
		m->build_id = string;
	else
		l->name = string;
	return 0;
}

static int take_at(struct names_reader *r, uint32_t module, uint32_t locks)
{
	uint32_t were = r->locks;

	/* only ever forward: a child that ends is begun again behind where it was */
	if (!profile_module_at(r->p, module) || locks > 1 || locks < were ||
	    (locks == were && module <= r->module))
		return -EBADMSG;
	r->module = module;
	r->locks = locks;
	if (r->at)
		r->at(r->ctx, module);
	return 0;
}

static int take_words(struct names_reader *r, uint32_t type, const uint32_t *words, size_t n)
{
	switch (type) {
	case NAMES_FRAME: return take_frame(r, words, n);
	case NAMES_LOCK:
	case NAMES_BUILD_ID: return n == 2 ? take_id(r, type, words[0], words[1]) : -EBADMSG;
	case NAMES_AT: return n == 2 ? take_at(r, words[0], words[1]) : -EBADMSG;
	case NAMES_END:
		r->ended = n == 1;
		r->end = n == 1 ? -(int)(words[0] & 0xfff) : 0;
		return n == 1 ? 0 : -EBADMSG;
	default: return -EBADMSG;
	}
}

static int take_note(struct names_reader *r, const char *text, size_t len)
{
	char note[1024];

	snprintf(note, sizeof(note), "%.*s", (int)len, text);
	profile_note(r->p, note);
	return profile_error(r->p);
}

static int take(struct names_reader *r, const struct names_header *h, const char *payload)
{
	uint32_t words[NAMES_MAX_BYTES / sizeof(uint32_t)];

	switch (h->type) {
	case NAMES_STRING: return take_string(r, payload, h->bytes);
	case NAMES_NOTE: return take_note(r, payload, h->bytes);
	case NAMES_OPEN:
	case NAMES_PERFMAP:
	case NAMES_FETCH:
		if (r->ask)
			r->ask(r->ctx, h->type, payload, h->bytes);
		return 0;
	}
	if (h->bytes % sizeof(*words))
		return -EBADMSG;
	memcpy(words, payload, h->bytes);
	return take_words(r, h->type, words, h->bytes / sizeof(*words));
}

int names_read(struct names_reader *r, const char *bytes, size_t len, size_t *ret_used)
{
	struct names_header h;
	size_t used = 0;
	int err = 0;

	while (!err && len - used >= sizeof(h)) {
		memcpy(&h, bytes + used, sizeof(h));
		if (h.bytes > NAMES_MAX_BYTES)
			return -EBADMSG;
		if (len - used - sizeof(h) < h.bytes)
			break;
		err = take(r, &h, bytes + used + sizeof(h));
		used += sizeof(h) + h.bytes;
	}
	*ret_used = used;
	return err;
}

void names_reader_release(struct names_reader *r)
{
	free(r->strings);
	r->strings = NULL;
	r->count = r->cap = 0;
}
