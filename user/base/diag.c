/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void explain(struct diag *d, const char *fmt, va_list args)
{
	vsnprintf(d->text, sizeof(d->text), fmt, args);
}

int diag_set(struct diag *d, int err, const char *fmt, ...)
{
	va_list args;

	if (!d || d->text[0])
		return err;
	va_start(args, fmt);
	explain(d, fmt, args);
	va_end(args);
	return err;
}

int diag_errno(struct diag *d, int err, const char *fmt, ...)
{
	va_list args;
	size_t len;

	if (!d || d->text[0])
		return err;
	va_start(args, fmt);
	explain(d, fmt, args);
	va_end(args);
	len = strlen(d->text);
	/* strerrordesc_np needs no buffer and knows no locale, unlike strerror. */
	const char *text = strerrordesc_np(err < 0 ? -err : err);
	snprintf(d->text + len, sizeof(d->text) - len, ": %s", text ? text : "unknown error");
	return err;
}
