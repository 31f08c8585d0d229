/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_UNITS_H
#define TPROF_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* Numbers for people. Each writes at most UNITS_MAX bytes with the NUL and returns text. */
enum { UNITS_MAX = 32 };

char *units_count(char text[UNITS_MAX], uint64_t n); /* "1,234,567" */
char *units_time(char text[UNITS_MAX], uint64_t ns); /* "12.3 s", "340 ms", "12 µs", "2 h 05 min" */
char *units_percent(char text[UNITS_MAX], double percent); /* "98.7%", "0.0%" */
char *units_rate(char text[UNITS_MAX], double per_second); /* "12,345/s", "0.3/s" */
/* Seconds as nanoseconds, held within what fits: a recording from anybody may say anything. */
uint64_t units_ns(double seconds);

#endif
