/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_TEST_RECORDING_H
#define TPROF_TEST_RECORDING_H

#include "profile/profile.h"

/* Recordings to write, read and harm. */

/* A fresh directory, gone at the end of the test, and the name of a recording in it. */
extern char dir[64], path[128];

void enter(void);
void leave(void); /* fails when anything but the recording is left */
int count_files(void);
/* A profile with something in every table and every column. */
struct profile *rich(void);
/* Runs SQL on the recording: rows as lines, columns divided by '|', NULL as '-'. */
const char *query(const char *sql);

#endif
