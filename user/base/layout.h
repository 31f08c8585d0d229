/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_LAYOUT_H
#define TPROF_LAYOUT_H

#include <stddef.h>

struct buf;

/* UTF-8 text for a terminal, measured in columns. Which characters are two wide the LC_CTYPE locale
 * says (main sets a UTF-8 one). Texts are printable: buf_add_printable has made them so. */
size_t layout_columns(const char *s);

enum layout_align { LAYOUT_LEFT, LAYOUT_RIGHT };

/* s in exactly `columns` columns: padded, or cut with a "…" as its last. */
void layout_cell(struct buf *b, const char *s, size_t columns, enum layout_align align);
/* As layout_cell, left-aligned without padding behind: the last cell of a line. The columns that it took. */
size_t layout_last(struct buf *b, const char *s, size_t columns);
/* s broken at spaces so that no line is wider than `width`. The cursor stands at column `at`: before
 * `indent`, the text begins there; behind it, a space and the text go on. Further lines begin at
 * column `indent`. A newline stands at the end. */
void layout_wrap(struct buf *b, const char *s, size_t at, size_t indent, size_t width);
void layout_spaces(struct buf *b, size_t n);

#endif
