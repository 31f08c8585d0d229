/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_BPFLOG_H
#define TPROF_BPFLOG_H

#include <stddef.h>

/* Keeps what libbpf has to say, instead of printing it: for one diag when something fails. Between
 * begin and end, on this thread. */
void bpflog_begin(void);
/* The line that decided (of a verifier's log, or the last complaint), "" if none. Copied. */
void bpflog_decisive(char *ret_line, size_t size);
void bpflog_end(void);

#endif
