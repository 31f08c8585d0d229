/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_DIAG_H
#define TPROF_DIAG_H

/*
 * What went wrong, for the person who reads it. Libraries do not print: they return a negative
 * errno and, where the caller passed a struct diag, say in it what happened and what to do. The
 * command prints it once, as "tprof: what happened: what to do".
 *
 * A diag may be NULL everywhere: then nothing is kept. The first explanation wins (it is the
 * closest to the cause). Zero-initialised is empty; it owns no memory.
 */
struct diag {
	char text[512];
};

/* Keeps the explanation (if none stands yet, cut at the buffer's end) and returns err unchanged. */
int diag_set(struct diag *d, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Like diag_set, for a negative errno: appends ": " and its strerror() text. */
int diag_errno(struct diag *d, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
