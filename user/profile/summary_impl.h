/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SUMMARY_IMPL_H
#define TPROF_SUMMARY_IMPL_H

#include "profile/summary.h"

/* The parts of summary_new, one file each: 0 or -ENOMEM. */
int summary_threads(struct summary *s);
int summary_churn(struct summary *s);
int summary_locks(struct summary *s);

#endif
