/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PROGRESS_H
#define TPROF_PROGRESS_H

#include <stdbool.h>

/* One line on stderr that is written over and over; nothing at all where that is no terminal. */
struct progress {
	bool on, shown;
};

void progress_init(struct progress *p, bool quiet);
void progress_show(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_clear(struct progress *p); /* before anything else is printed */

#endif
