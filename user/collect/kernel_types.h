/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_KERNEL_TYPES_H
#define TPROF_KERNEL_TYPES_H

#include <stdint.h>

struct btf;
struct diag;

/*
 * What the programs need of the running kernel's BTF: a hundred of its 120,000 types.
 *
 * libbpf reads all of it for each object that it loads, in pieces of 4 KB (sysfs gives no more), and
 * for each type that a program names it looks through all types. Here that is done once: the types that
 * `wanted` (the object's own BTF) has by name too, with all that lies in them, go to a file in memory
 * that libbpf takes as its `btf_custom_path`. A pointer leads nowhere in it, because no CO-RE
 * relocation goes through one.
 */
struct kernel_types {
	int fd;	       /* memfd */
	char path[32]; /* of it, for btf_custom_path */
	struct btf *all;
};

/* Makes the file, empty: its path can be told. 0 or negative errno. */
int kernel_types_new(struct kernel_types *t, struct diag *d);
/* Reads the kernel's BTF and fills the file. */
int kernel_types_fill(struct kernel_types *t, const struct btf *wanted, struct diag *d);
/* The type that a program of this section ("tp_btf/NAME", "iter/NAME") is attached by, in the kernel's
 * numbers; negative errno when there is none. Until kernel_types_done(). */
int kernel_types_hook(const struct kernel_types *t, const char *section);
/* Forgets the kernel's BTF (6 MB); the file stays. */
void kernel_types_done(struct kernel_types *t);
void kernel_types_release(struct kernel_types *t);

#endif
