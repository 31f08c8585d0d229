/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording from anybody: read it, and look at all that came out. Bytes changed at random are hardly
 * ever a database any more, so every other mutation changes a value in one: the mutator knows SQL.
 */
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "diagnose/diagnose.h"
#include "profile/finding.h"
#include "profile/profile.h"
#include "profile/tree.h"
#include "render/render.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* ── the mutator ────────────────────────────────────────────────────────────────────────────── */

/* An UPDATE of any column of any table; the seed chooses. */
static bool choose_column(sqlite3 *db, unsigned seed, char *sql, size_t size)
{
	/* Numbers on the edge of something. */
	static const char *const values[] = {
		"0",
		"1",
		"2",
		"3",
		"7",
		"255",
		"256",
		"4294967295",
		"4294967296",
		"-1",
		"9223372036854775807",
		"-9223372036854775808",
		"NULL",
		"''",
		"x''",
		"x'00000000'",
		"x'01000000'",
		"x'0100000001000000'",
		"zeroblob(256)",
		"randomblob(8)",
		"1e9",
		"'a;b'",
		"(SELECT max(id) FROM frames)",
		"1000000007",
	};
	sqlite3_stmt *s = NULL;
	bool chosen = false;

	if (sqlite3_prepare_v2(
		    db,
		    "SELECT m.name, x.name FROM sqlite_schema m JOIN pragma_table_info(m.name) x "
		    "WHERE m.type = 'table' AND x.pk = 0",
		    -1, &s, NULL) != SQLITE_OK)
		return false;
	for (unsigned n = seed % 100; sqlite3_step(s) == SQLITE_ROW; n--) {
		if (n)
			continue;
		sqlite3_snprintf((int)size, sql, "UPDATE \"%w\" SET \"%w\" = %s WHERE id %% %d = 0",
				 sqlite3_column_text(s, 0), sqlite3_column_text(s, 1),
				 values[seed / 100 % (sizeof(values) / sizeof(*values))],
				 (int)(seed / 10000 % 3) + 1);
		chosen = true;
		break;
	}
	sqlite3_finalize(s);
	return chosen;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	sqlite3_int64 len = (sqlite3_int64)size;
	unsigned char *image = sqlite3_malloc64(size + 1);
	const unsigned char *changed;
	sqlite3 *db = NULL;
	char sql[256];

	if (seed % 8 == 0 || !image || sqlite3_open(":memory:", &db) != SQLITE_OK) {
		sqlite3_free(image);
		sqlite3_close(db);
		return LLVMFuzzerMutate(data, size, max_size);
	}
	memcpy(image, data, size);
	sqlite3_deserialize(db, "main", image, len, len,
			    SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
	if (choose_column(db, seed / 8, sql, sizeof(sql)) &&
	    sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK) {
		changed = sqlite3_serialize(db, "main", &len, SQLITE_SERIALIZE_NOCOPY);
		if (changed && (size_t)len <= max_size) {
			memcpy(data, changed, (size_t)len);
			size = (size_t)len;
		}
	}
	sqlite3_close(db);
	return size;
}

/* ── the reader ─────────────────────────────────────────────────────────────────────────────── */

/* All that any command does with a recording. */
static void look_at(struct profile *p)
{
	struct findings findings = { 0 };
	int err = diagnose(p, &findings);

	for (const struct renderer *r = renderers; r->format; r++) {
		for (unsigned k = 1; k < PROFILE_KIND_COUNT; k++) {
			const struct render_input in = {
				.profile = p,
				.findings = err ? NULL : &findings,
				.kind = (enum profile_kind)k,
				.by_thread = k % 2,
				.width = 80,
				.file = "x.tprof",
			};
			struct buf out = BUF_INIT;

			(void)r->render(&in, &out);
			buf_release(&out);
			if (r->report)
				break;
		}
	}
	findings_release(&findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("recording", MFD_CLOEXEC);
	struct profile *p = NULL;
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (store_read(path, &p, NULL) == 0)
		look_at(p);
	profile_free(p);
	close(fd);
	return 0;
}
