// SPDX-License-Identifier: BSD-2-Clause
#include "collect/bpflog.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* libbpf's print callback has no argument of its own; hence this one variable, per thread, that lives
 * from begin to end only. */
static __thread struct {
	struct buf text;
	bool on;
} kept;

#define KEEP_MAX (1 << 20)

static int keep(enum libbpf_print_level level, const char *format, va_list args)
{
	char *line = NULL;

	if (!kept.on || level == LIBBPF_DEBUG || kept.text.len > KEEP_MAX)
		return 0;
	if (vasprintf(&line, format, args) < 0)
		return 0;
	buf_addstr(&kept.text, line);
	free(line);
	return 0;
}

void bpflog_begin(void)
{
	kept.text = (struct buf)BUF_INIT;
	kept.on = true;
	libbpf_set_print(keep);
}

void bpflog_end(void)
{
	kept.on = false;
	buf_release(&kept.text);
}

/* Start of the line that ends right before `end`. */
static const char *line_before(const char *text, const char *end)
{
	while (end > text && end[-1] != '\n')
		end--;
	return end;
}

/* The verifier says why right before its statistics; else the first complaint is the closest. */
void bpflog_decisive(char *ret_line, size_t size)
{
	const char *text = kept.text.data ? kept.text.data : "", *at, *end;

	at = strstr(text, "\nprocessed ");
	if (at) {
		end = at;
		at = line_before(text, end);
	} else {
		at = strncmp(text, "libbpf: ", 8) == 0 ? text + 8 : text;
		end = at + strcspn(at, "\n");
	}
	snprintf(ret_line, size, "%.*s", (int)(end - at), at);
}
