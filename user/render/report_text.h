/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_REPORT_TEXT_H
#define TPROF_REPORT_TEXT_H

#include "base/layout.h"
#include "base/units.h"
#include "profile/summary.h"

/* The text report in the making: report_text.c the whole and the CPU
 * side, report_waits.c the other. */
struct text_report {
	struct buf *out;
	const struct summary *summary;
	struct profile *profile;
	const struct profile_info *info;
	unsigned width;
	bool colour;
};

enum text_style { TEXT_BOLD = 1, TEXT_DIM = 2, TEXT_RED = 31, TEXT_YELLOW = 33, TEXT_CYAN = 36 };

void text_style(struct text_report *r, enum text_style style);
void text_plain(struct text_report *r);
/* A blank line, the title in bold, what it is about behind it. */
void text_heading(struct text_report *r, const char *title, const char *about);
/* A cell with the text of a string id made printable. */
void text_cell(struct text_report *r, uint32_t string, size_t columns);
void text_last(struct text_report *r, uint32_t string, size_t columns);
/* A right-aligned cell. */
void text_number(struct text_report *r, const char *number, size_t columns);
/* "  LABEL  a < b < c < …" in one line. */
void text_stack(struct text_report *r, const char *label, uint32_t stack);
/* A line broken where the terminal ends; the cursor stands at column `at`. Releases it. */
void text_wrapped(struct text_report *r, struct buf *line, size_t at, size_t indent);
/* What a cell can still take when the cursor stands at column `at`. */
size_t text_rest(const struct text_report *r, size_t at);

/* Where a thread or group slept: "futex 98%, read 1%" in `columns` columns. */
void text_blocked(struct text_report *r, const struct summary_block *blocks, size_t n,
		  double thread_seconds, size_t columns);

void text_locks(struct text_report *r);
void text_churn(struct text_report *r);
void text_switches(struct text_report *r);

#endif
