/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The database is made in memory and written out as bytes: SQLite never opens a path, so there is no
 * journal to leave behind and no name to be swapped under it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/file.h"
#include "store/impl.h"
#include "store/store.h"

/* Arrays and blobs go out as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

static int sqlite_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK: return 0;
	case SQLITE_NOMEM: return -ENOMEM;
	case SQLITE_FULL:
	case SQLITE_TOOBIG: return -EFBIG;
	default: return -EIO;
	}
}

static void add_column_sql(struct buf *b, const struct store_column *c)
{
	static const char *const types[] = {
		[STORE_INT] = "INTEGER",  [STORE_SUM] = "INTEGER", [STORE_SIGNED] = "INTEGER",
		[STORE_BOOL] = "INTEGER", [STORE_TEXT] = "TEXT",   [STORE_BLOB] = "BLOB",
		[STORE_ARRAY] = "BLOB",
	};

	buf_printf(b, ", %s %s", c->name, types[c->type]);
	if (c->refers && c->type != STORE_ARRAY)
		buf_printf(b, " REFERENCES %s", store_tables[c->refers].name);
}

/* ── one entry ──────────────────────────────────────────────────────────────────────────────── */

static sqlite3_int64 load_int(const void *field, uint16_t size)
{
	union {
		uint8_t u8;
		uint32_t u32;
		uint64_t u64;
	} v;

	memcpy(&v, field, size);
	switch (size) {
	case 1: return v.u8;
	case 4: return v.u32;
	default: return (sqlite3_int64)v.u64;
	}
}

static int bind_bytes(sqlite3_stmt *s, int at, const void *bytes, size_t len)
{
	/* A NULL pointer would bind NULL and not zero bytes. */
	return sqlite3_bind_blob64(s, at, len ? bytes : "", len, SQLITE_STATIC);
}

static int bind_column(sqlite3_stmt *s, int at, const struct store_column *c, const void *entry)
{
	const void *field = (const char *)entry + c->offset;
	const struct store_array *array = field;
	sqlite3_int64 v;
	int32_t number;

	switch ((enum store_type)c->type) {
	case STORE_INT:
	case STORE_SUM:
		v = load_int(field, c->size);
		return c->refers && v == 0 ? sqlite3_bind_null(s, at)
					   : sqlite3_bind_int64(s, at, v);
	case STORE_SIGNED:
		memcpy(&number, field, sizeof(number));
		return sqlite3_bind_int64(s, at, number);
	case STORE_BOOL: return sqlite3_bind_int64(s, at, *(const bool *)field);
	case STORE_TEXT:
		return sqlite3_bind_text(s, at, *(const char *const *)field, -1, SQLITE_STATIC);
	case STORE_BLOB: return bind_bytes(s, at, field, c->size);
	case STORE_ARRAY: break;
	}
	return bind_bytes(s, at, array->values, (size_t)array->count * sizeof(*array->values));
}

/* ── one table ──────────────────────────────────────────────────────────────────────────────── */

static int create_table(sqlite3 *db, const struct store_table *t, sqlite3_stmt **ret_insert)
{
	struct buf create = BUF_INIT, insert = BUF_INIT;
	int rc = SQLITE_NOMEM;

	buf_printf(&create, "CREATE TABLE %s(id INTEGER PRIMARY KEY", t->name);
	buf_printf(&insert, "INSERT INTO %s VALUES(NULL", t->name);
	for (size_t i = 0; i < t->column_count; i++) {
		add_column_sql(&create, &t->columns[i]);
		buf_addstr(&insert, ",?");
	}
	buf_addch(&create, ')');
	buf_addch(&insert, ')');
	if (!create.failed && !insert.failed)
		rc = sqlite3_exec(db, create.data, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, insert.data, -1, ret_insert, NULL);
	buf_release(&create);
	buf_release(&insert);
	return rc;
}

static int write_table(sqlite3 *db, struct profile *p, const struct store_table *t)
{
	struct store_cursor at = { 0 };
	union store_entry entry;
	sqlite3_stmt *insert = NULL;
	int rc = create_table(db, t, &insert);

	while (rc == SQLITE_OK && t->next(p, &at, &entry)) {
		for (size_t i = 0; i < t->column_count && rc == SQLITE_OK; i++)
			rc = bind_column(insert, (int)i + 1, &t->columns[i], &entry);
		if (rc == SQLITE_OK)
			rc = sqlite3_step(insert) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(db);
		sqlite3_reset(insert);
	}
	sqlite3_finalize(insert);
	return rc;
}

/* ── the whole ──────────────────────────────────────────────────────────────────────────────── */

/* The names of enums, for those who read with SQL. */
static int write_enums(sqlite3 *db)
{
	struct buf b = BUF_INIT;
	int rc = SQLITE_NOMEM;

	buf_addstr(&b, "CREATE TABLE enums(type TEXT, value INTEGER, name TEXT,"
		       " PRIMARY KEY(type, value)) WITHOUT ROWID;");
	for (unsigned k = 1; k < PROFILE_KIND_COUNT; k++)
		buf_printf(&b, "INSERT INTO enums VALUES('kind',%u,'%s');", k,
			   profile_kind_info((enum profile_kind)k)->name);
	for (unsigned e = 0; e < PROFILE_END_COUNT; e++)
		buf_printf(&b, "INSERT INTO enums VALUES('stack_end',%u,'%s');", e,
			   profile_stack_end_name((enum profile_stack_end)e));
	for (unsigned l = 0; l <= PROFILE_LOCK_PARK; l++)
		buf_printf(&b, "INSERT INTO enums VALUES('lock_type',%u,'%s');", l,
			   profile_lock_type_name((enum profile_lock_type)l));
	buf_addstr(&b, "INSERT INTO enums VALUES('module_type',1,'file'),('module_type',2,'vdso'),"
		       "('module_type',3,'kernel'),('module_type',4,'jit'),"
		       "('module_type',5,'unknown'),('lock_role',1,'waiter'),"
		       "('lock_role',2,'owner'),('lock_role',3,'waker');");
	if (!b.failed)
		rc = sqlite3_exec(db, b.data, NULL, NULL, NULL);
	buf_release(&b);
	return rc;
}

static int write_all(sqlite3 *db, struct profile *p)
{
	struct buf pragmas = BUF_INIT;
	int rc = SQLITE_NOMEM;

	buf_printf(&pragmas,
		   "PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
		   "PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN;",
		   STORE_APPLICATION_ID, STORE_VERSION);
	if (!pragmas.failed)
		rc = sqlite3_exec(db, pragmas.data, NULL, NULL, NULL);
	buf_release(&pragmas);
	for (int t = STORE_NONE + 1; t < STORE_COUNT && rc == SQLITE_OK; t++)
		rc = write_table(db, p, &store_tables[t]);
	if (rc == SQLITE_OK)
		rc = write_enums(db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, store_views, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return rc;
}

int store_write(struct profile *p, const char *path, struct diag *d)
{
	sqlite3 *db = NULL;
	sqlite3_int64 size = 0;
	const unsigned char *image;
	int err, rc;

	/* The memdb VFS keeps the database in one piece, which is handed out without a copy. */
	rc = sqlite3_open_v2("recording", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "memdb");
	if (rc == SQLITE_OK)
		rc = write_all(db, p);
	err = sqlite_errno(rc);
	if (err) {
		diag_errno(d, err, "cannot build the recording");
		goto out;
	}
	image = sqlite3_serialize(db, "main", &size, SQLITE_SERIALIZE_NOCOPY);
	if (!image) {
		err = diag_errno(d, -ENOMEM, "cannot build the recording");
		goto out;
	}
	err = file_replace(path, image, (size_t)size, d);
out:
	sqlite3_close(db);
	return err;
}
