/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_DIAGNOSE_H
#define TPROF_DIAGNOSE_H

struct profile;
struct findings;

/* Once frames have names: what each lock is, and what it is called. 0 or -ENOMEM. */
int diagnose_locks(struct profile *p);

/* Runs every rule over the profile. 0 or -ENOMEM; release with findings_release. */
int diagnose(struct profile *p, struct findings *ret_findings);

#endif
