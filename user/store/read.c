/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording may come from anybody. What holds it in check:
 *	- it is read into memory once; SQLite never opens a path, a journal or a WAL;
 *	- only real tables with plain columns are read, views, triggers and functions in the schema are off;
 *	- ids rise by one, so a tree of pages that leads to itself shows at once;
 *	- all texts and blobs together are no longer than the file;
 *	- what readers add up adds up to less than 2^63;
 *	- each id is looked up in what was read before, each enum is in its range.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/diag.h"
#include "store/impl.h"
#include "store/store.h"

enum {
	HEADER_SIZE = 100,
	HEADER_PAGE_SIZE = 16,
	HEADER_VERSIONS = 18, /* 1 = rollback journal, 2 = WAL: for writing, and for reading */
	HEADER_PAGES = 28,
	HEADER_USER_VERSION = 60,
	HEADER_APPLICATION_ID = 68,
};

static const char magic[16] = "SQLite format 3";

/* Ids in the file → ids in the profile. */
struct remap {
	uint32_t *ids;
	size_t count, cap;
};

struct reading {
	struct store_reader reader;
	struct remap remaps[STORE_COUNT];
	uint32_t *array; /* of the entry that is being read */
	size_t array_cap;
	size_t bytes_left; /* that texts and blobs may still take */
	uint64_t sum;	   /* of all STORE_SUM values of the table */
	bool no_memory;
	struct buf image; /* the file; db reads in it */
	sqlite3 *db;
};

/* ── the file ───────────────────────────────────────────────────────────────────────────────── */

static uint32_t big_endian(const unsigned char *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int load_file(struct buf *b, const char *path, struct diag *d)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = 0;

	if (fd < 0)
		return diag_errno(d, -errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0)
		err = diag_errno(d, -errno, "cannot open %s", path);
	else if (!S_ISREG(st.st_mode))
		err = diag_set(d, -EBADMSG, "%s is not a file: a recording is expected", path);
	if (!err) {
		/* What SQLite's own in-memory databases may grow to. */
		err = buf_read_fd(b, fd, 1UL << 30);
		if (err)
			diag_errno(d, err, "cannot read %s", path);
	}
	close(fd);
	return err;
}

static int check_header(const struct buf *b, const char *path, struct diag *d)
{
	const unsigned char *h = (const unsigned char *)b->data;
	uint32_t version;
	uint64_t page;

	if (b->len == 0)
		return diag_set(d, -EBADMSG, "%s is empty: no recording was written", path);
	if (b->len < HEADER_SIZE || memcmp(h, magic, sizeof(magic)) != 0 ||
	    big_endian(h + HEADER_APPLICATION_ID) != STORE_APPLICATION_ID)
		return diag_set(d, -EBADMSG, "%s is not a recording of tprof", path);
	version = big_endian(h + HEADER_USER_VERSION);
	if (version == 0)
		return diag_set(d, -EBADMSG, "%s is damaged: it has no version", path);
	if (version > STORE_VERSION)
		return diag_set(
			d, -EPROTONOSUPPORT,
			"%s was written by a newer tprof (format %u, this one reads up to %d): "
			"use that version",
			path, version, STORE_VERSION);
	/* SQLite itself would not miss pages at the end that nobody asks for. */
	page = (uint64_t)h[HEADER_PAGE_SIZE] << 8 | h[HEADER_PAGE_SIZE + 1];
	if (big_endian(h + HEADER_PAGES) * (page == 1 ? 65536 : page) > b->len)
		return diag_set(d, -EBADMSG, "%s is not whole, its end is missing: record again",
				path);
	return 0;
}

static int open_image(struct reading *r)
{
	static const struct {
		int limit, value;
	} limits[] = {
		{ SQLITE_LIMIT_LENGTH, 64 << 20 },  { SQLITE_LIMIT_SQL_LENGTH, 100000 },
		{ SQLITE_LIMIT_COLUMN, 200 },	    { SQLITE_LIMIT_EXPR_DEPTH, 100 },
		{ SQLITE_LIMIT_ATTACHED, 0 },	    { SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	};
	unsigned char *image = (unsigned char *)r->image.data;
	sqlite3_int64 size = (sqlite3_int64)r->image.len;
	int rc;

	if (!image)
		return SQLITE_NOTADB;
	/* "This was in WAL mode": in memory there is no such thing, and nothing to be recovered. */
	image[HEADER_VERSIONS] = image[HEADER_VERSIONS + 1] = 1;
	r->bytes_left = r->image.len;
	rc = sqlite3_open_v2(":memory:", &r->db, SQLITE_OPEN_READWRITE, NULL);
	if (rc != SQLITE_OK)
		return rc;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		sqlite3_limit(r->db, limits[i].limit, limits[i].value);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(r->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	rc = sqlite3_deserialize(r->db, "main", image, size, size, SQLITE_DESERIALIZE_READONLY);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(r->db, "PRAGMA cell_size_check=ON", NULL, NULL, NULL);
	return rc;
}

/* ── one column ─────────────────────────────────────────────────────────────────────────────── */

static bool take_bytes(struct reading *r, int len)
{
	if (len < 0 || (size_t)len > r->bytes_left)
		return false;
	r->bytes_left -= (size_t)len;
	return true;
}

/* 0 stays 0; an id that was not read refuses. */
static bool remap_id(const struct reading *r, uint8_t table, uint64_t id, uint32_t *ret_id)
{
	const struct remap *m = &r->remaps[table];

	if (id > m->count)
		return false;
	*ret_id = id ? m->ids[id - 1] : 0;
	return true;
}

static bool read_int(struct reading *r, sqlite3_stmt *s, int at, const struct store_column *c,
		     void *field)
{
	uint64_t v = (uint64_t)sqlite3_column_int64(s, at);
	uint32_t id;
	uint8_t small;

	if (c->size < 8 && v > (c->size == 1 ? UINT8_MAX : UINT32_MAX))
		return false;
	if (c->max && (v < c->min || v > c->max))
		return false;
	if (c->refers) {
		if (!remap_id(r, c->refers, v, &id))
			return false;
		v = id;
	}
	id = (uint32_t)v;
	small = (uint8_t)v;
	memcpy(field,
	       c->size == 1   ? (void *)&small
	       : c->size == 4 ? (void *)&id
			      : (void *)&v,
	       c->size);
	return true;
}

static bool read_array(struct reading *r, sqlite3_stmt *s, int at, const struct store_column *c,
		       struct store_array *ret_array)
{
	const unsigned char *bytes = sqlite3_column_blob(s, at);
	int len = sqlite3_column_bytes(s, at);
	size_t n = (size_t)len / sizeof(uint32_t);

	if (len % (int)sizeof(uint32_t) || !take_bytes(r, len))
		return false;
	if (n > r->array_cap) {
		uint32_t *array = reallocarray(r->array, n, sizeof(*array));

		if (!array) {
			r->no_memory = true;
			return false;
		}
		r->array = array;
		r->array_cap = n;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t id;

		memcpy(&id, bytes + i * sizeof(id), sizeof(id));
		if (!id || !remap_id(r, c->refers, id, &r->array[i]))
			return false;
	}
	*ret_array = (struct store_array){ r->array, (uint32_t)n };
	return true;
}

static bool read_column(struct reading *r, sqlite3_stmt *s, int at, const struct store_column *c,
			void *entry)
{
	void *field = (char *)entry + c->offset;
	int type = sqlite3_column_type(s, at), want = SQLITE_INTEGER;
	sqlite3_int64 v;
	int32_t number;

	if (c->type == STORE_TEXT)
		want = SQLITE_TEXT;
	else if (c->type == STORE_BLOB || c->type == STORE_ARRAY)
		want = SQLITE_BLOB;
	if (type != want && !(type == SQLITE_NULL && c->refers && c->type == STORE_INT))
		return false;
	switch ((enum store_type)c->type) {
	case STORE_INT: return read_int(r, s, at, c, field);
	case STORE_SUM:
		v = sqlite3_column_int64(s, at);
		memcpy(field, &v, sizeof(v));
		if (v < 0 || (uint64_t)v > INT64_MAX - r->sum)
			return false;
		r->sum += (uint64_t)v;
		return true;
	case STORE_SIGNED:
		v = sqlite3_column_int64(s, at);
		number = (int32_t)v;
		memcpy(field, &number, sizeof(number));
		return v == number;
	case STORE_BOOL:
		v = sqlite3_column_int64(s, at);
		*(bool *)field = v != 0;
		return v == 0 || v == 1;
	case STORE_TEXT:
		*(const char **)field = (const char *)sqlite3_column_text(s, at);
		return *(const char **)field && take_bytes(r, sqlite3_column_bytes(s, at));
	case STORE_BLOB:
		if (sqlite3_column_bytes(s, at) != c->size || !take_bytes(r, c->size))
			return false;
		memcpy(field, sqlite3_column_blob(s, at), c->size);
		return true;
	case STORE_ARRAY: break;
	}
	return read_array(r, s, at, c, field);
}

/* ── one table ──────────────────────────────────────────────────────────────────────────────── */

/* A view or virtual table would compute what it likes; generated columns too. */
static int check_table(sqlite3 *db, const char *name)
{
	sqlite3_stmt *s = NULL;
	char sql[64];
	int rc, columns = 0;

	rc = sqlite3_prepare_v2(db,
				"SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1 AND "
				"rootpage>0",
				-1, &s, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	sqlite3_finalize(s);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
	/* The statement, not the table-valued function: a table of the file could bear its name. */
	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA table_xinfo(%s)", name);
	rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		enum { HIDDEN = 6 };

		rc = sqlite3_column_int(s, HIDDEN) == 0 ? SQLITE_OK : SQLITE_CORRUPT;
		columns++;
	}
	sqlite3_finalize(s);
	if (rc != SQLITE_DONE)
		return rc;
	return columns ? SQLITE_OK : SQLITE_CORRUPT;
}

static int prepare_select(sqlite3 *db, const struct store_table *t, sqlite3_stmt **ret_select)
{
	struct buf b = BUF_INIT;
	int rc = SQLITE_NOMEM;

	buf_addstr(&b, "SELECT id");
	for (size_t i = 0; i < t->column_count; i++)
		buf_printf(&b, ",%s", t->columns[i].name);
	/* NOT INDEXED: an index of the file's own could lead elsewhere. */
	buf_printf(&b, " FROM %s NOT INDEXED ORDER BY rowid", t->name);
	if (!b.failed)
		rc = sqlite3_prepare_v2(db, b.data, -1, ret_select, NULL);
	buf_release(&b);
	return rc;
}

static bool remember(struct remap *m, uint32_t id)
{
	if (array_room(&m->ids, m->count, &m->cap, sizeof(*m->ids)))
		return false;
	m->ids[m->count++] = id;
	return true;
}

/* SQLITE_OK, or why the entry was refused. */
static int read_entry(struct reading *r, sqlite3_stmt *s, enum store_id table)
{
	const struct store_table *t = &store_tables[table];
	union store_entry entry = { 0 };
	uint32_t id;

	if (sqlite3_column_int64(s, 0) != (sqlite3_int64)r->remaps[table].count + 1)
		return SQLITE_CORRUPT;
	for (size_t i = 0; i < t->column_count; i++)
		if (!read_column(r, s, (int)i + 1, &t->columns[i], &entry))
			return r->no_memory || sqlite3_errcode(r->db) == SQLITE_NOMEM
				       ? SQLITE_NOMEM
				       : SQLITE_CORRUPT;
	id = t->add(&r->reader, &entry);
	if (profile_error(r->reader.p))
		return SQLITE_NOMEM;
	if (!id)
		return SQLITE_CORRUPT;
	return remember(&r->remaps[table], id) ? SQLITE_OK : SQLITE_NOMEM;
}

static int read_table(struct reading *r, enum store_id table)
{
	sqlite3_stmt *s = NULL;
	int rc = check_table(r->db, store_tables[table].name);

	r->sum = 0;
	if (rc == SQLITE_OK)
		rc = prepare_select(r->db, &store_tables[table], &s);
	while (rc == SQLITE_OK) {
		rc = sqlite3_step(s);
		if (rc != SQLITE_ROW)
			break;
		rc = read_entry(r, s, table);
	}
	sqlite3_finalize(s);
	store_flush_lines(&r->reader);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ── the whole ──────────────────────────────────────────────────────────────────────────────── */

static int read_all(struct reading *r)
{
	int rc = open_image(r);

	for (int t = STORE_NONE + 1; t < STORE_COUNT && rc == SQLITE_OK; t++)
		rc = read_table(r, (enum store_id)t);
	if (rc == SQLITE_OK && r->remaps[STORE_RECORDING].count != 1)
		rc = SQLITE_CORRUPT;
	/* sqlite3_deserialize() calls it a plain error. */
	if (rc == SQLITE_ERROR && sqlite3_errcode(r->db) == SQLITE_NOMEM)
		rc = SQLITE_NOMEM;
	return rc;
}

static void reading_release(struct reading *r)
{
	sqlite3_close(r->db);
	for (int t = 0; t < STORE_COUNT; t++)
		free(r->remaps[t].ids);
	free(r->array);
	buf_release(&r->image);
	profile_free(r->reader.p);
}

static int explain(int rc, const char *path, struct diag *d)
{
	if (rc == SQLITE_OK)
		return 0;
	if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
		return diag_errno(d, -ENOMEM, "cannot read %s", path);
	return diag_set(d, -EBADMSG, "%s is damaged: record again", path);
}

int store_read(const char *path, struct profile **ret_profile, struct diag *d)
{
	struct reading *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return diag_errno(d, -ENOMEM, "cannot read %s", path);
	err = load_file(&r->image, path, d);
	if (!err)
		err = check_header(&r->image, path, d);
	if (!err) {
		r->reader.p = profile_new();
		err = explain(r->reader.p ? read_all(r) : SQLITE_NOMEM, path, d);
	}
	if (!err) {
		*ret_profile = r->reader.p;
		r->reader.p = NULL;
	}
	reading_release(r);
	free(r);
	return err;
}
