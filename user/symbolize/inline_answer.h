/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_INLINE_ANSWER_H
#define TPROF_INLINE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

struct profile;
struct query;

/*
 * Puts what the child of inline_wire.h answered into the profile, whatever it may be: the n queries'
 * ids are frames. Without `inlines` the calls are left out, lines stay. False: it broke off at nonsense.
 */
bool inline_take(struct profile *p, bool inlines, const struct query *q, size_t n,
		 const char *bytes, size_t len);

#endif
