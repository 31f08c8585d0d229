/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes a recording pleasant to read with sqlite3; nothing of tprof reads these. */
#include "store/impl.h"

/* Byte k of frame number n of a stack, from its two hexadecimal digits. */
#define DIGIT(k) \
	"(instr('0123456789ABCDEF', substr(hex(substr(s.frames, 4*n+1, 4)), " #k ", 1)) - 1)"
#define BYTE(high, low) "(" DIGIT(high) " * 16 + " DIGIT(low) ")"

const char store_views[] =
	/* Frames as people read them: a row for each inlined call too, depth 0 = innermost. */
	"CREATE VIEW named_frames AS\n"
	"SELECT f.id AS frame, coalesce(l.depth, 0) AS depth,\n"
	"  coalesce(fn.text, '[' || m.text || printf('+0x%x]', f.offset)) AS function,\n"
	"  coalesce(l.inlined, 0) AS inlined, m.text AS module, src.text AS file, l.line\n"
	"FROM frames f LEFT JOIN lines l ON l.frame = f.id LEFT JOIN strings fn ON fn.id = l.function\n"
	"LEFT JOIN strings src ON src.id = l.file LEFT JOIN modules mo ON mo.id = f.module\n"
	"LEFT JOIN strings m ON m.id = mo.name;\n"
	"CREATE INDEX lines_by_frame ON lines(frame, depth);\n"

	/* Who burns the CPU, waits, … itself. */
	"CREATE VIEW functions AS\n"
	"SELECT k.name AS kind, n.function, n.module, sum(c.count) AS self_count,\n"
	"  sum(c.value) AS self_value\n"
	"FROM counts c JOIN stacks s ON s.id = c.stack\n"
	"JOIN named_frames n ON n.frame = s.leaf AND n.depth = 0\n"
	"JOIN enums k ON k.type = 'kind' AND k.value = c.kind\n"
	"GROUP BY c.kind, n.function, n.module ORDER BY c.kind, self_count DESC;\n"

	/* The frames of stacks, one a row, depth 0 = leaf. */
	"CREATE VIEW stack_frames AS\n"
	"WITH RECURSIVE step(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM step\n"
	"  WHERE n + 1 < (SELECT max(length(frames)) / 4 FROM stacks))\n"
	"SELECT s.id AS stack, n AS depth, " BYTE(1, 2) " + " BYTE(3, 4) " * 256\n + " BYTE(5, 6) " * 65536 + " BYTE(
		7,
		8) " * 16777216 AS frame\n"
		   "FROM stacks s JOIN step ON n < length(s.frames) / 4;\n"

		   "CREATE VIEW thread_times AS\n"
		   "SELECT o.pid, t.tid, c.text AS comm, t.cpu_ns / 1e9 AS cpu_seconds,\n"
		   "  t.offcpu_ns / 1e9 AS offcpu_seconds, t.runq_ns / 1e9 AS runq_seconds,\n"
		   "  t.voluntary_switches, t.involuntary_switches\n"
		   "FROM threads t LEFT JOIN processes o ON o.id = t.process\n"
		   "LEFT JOIN strings c ON c.id = t.comm ORDER BY t.cpu_ns DESC;\n"

		   "CREATE VIEW lock_waits AS\n"
		   "SELECT o.pid, printf('0x%x', l.address) AS address, e.name AS type, n.text AS name,\n"
		   "  l.waits, l.wait_ns / 1e9 AS wait_seconds, l.max_wait_ns / 1e6 AS max_wait_ms\n"
		   "FROM locks l LEFT JOIN processes o ON o.id = l.process\n"
		   "LEFT JOIN strings n ON n.id = l.name\n"
		   "LEFT JOIN enums e ON e.type = 'lock_type' AND e.value = l.type ORDER BY l.wait_ns DESC;\n";
