// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/layout.h"
#include "cmd/output.h"

void progress_init(struct progress *p, bool quiet)
{
	*p = (struct progress){ .on = !quiet && isatty(STDERR_FILENO) };
}

void progress_show(struct progress *p, const char *fmt, ...)
{
	struct buf line = BUF_INIT;
	char text[256];
	va_list ap;

	if (!p->on)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addstr(&line, "\r\033[K");
	layout_last(&line, text, output_columns(STDERR_FILENO, 80) - 1);
	buf_write_fd(&line, STDERR_FILENO);
	buf_release(&line);
	p->shown = true;
}

void progress_clear(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
