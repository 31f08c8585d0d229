/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_ELF_OF_H
#define TPROF_ELF_OF_H

#include <stdbool.h>
#include <stdint.h>

struct profile;

/* A fresh directory for files made by a test; removed with all in it by scratch_remove. */
const char *scratch_make(void);
void scratch_remove(void);
/* Runs a shell command (printf format) in the scratch directory; the test fails if it does. */
void scratch_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *scratch_path(const char *name); /* good until the next call but three */
void scratch_write(const char *name, const char *text);

/* Address of a symbol by nm(1). For what cc links here, text has the same file offset. */
uint64_t nm(const char *file, const char *symbol);

/* A module for that file in the scratch directory, opened as collect does; its path in the target is
 * the name itself when that begins with '/'. root: the target's root directory or NULL. */
uint32_t module_for(struct profile *p, const char *file, const char *root);
/* The name that symbolize() finds for this offset of a module; "" = none. */
const char *named(struct profile *p, uint32_t module, uint64_t offset);

#endif
