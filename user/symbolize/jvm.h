/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_JVM_H
#define TPROF_JVM_H

#include <stdbool.h>
#include <stdint.h>

struct profile;

/*
 * Names of compiled code while a recording runs. A JVM itself is asked for them (docs/names.md), when
 * it has shown code without names, and again as more shows up, since it forgets what it recompiles. The
 * maps that other runtimes write are read as they grow. Nothing here waits but jvms_finish.
 *
 *	struct jvms *j = jvms_new(true);
 *	while (recording) { …; jvms_poll(j, p, now); }
 *	jvms_finish(j, p);            the targets still live, all samples are in the profile
 *	jvms_free(j);
 *
 * What could not be had stands in the profile's notes.
 */
struct jvms;

/* ask: false = leave JVMs alone. NULL = out of memory. */
struct jvms *jvms_new(bool ask);
/* now: CLOCK_MONOTONIC ns. Call it about once a second; it is cheap. */
void jvms_poll(struct jvms *j, struct profile *p, uint64_t now_ns);
/* Asks every JVM that has code without names, all at once, and waits for them, 2 s at most. */
void jvms_finish(struct jvms *j, struct profile *p);
void jvms_free(struct jvms *j); /* NULL is fine */

#endif
