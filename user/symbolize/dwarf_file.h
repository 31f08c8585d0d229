/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYMBOLIZE_DWARF_FILE_H
#define TPROF_SYMBOLIZE_DWARF_FILE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

#define DWARF_FILE_SECTIONS 16

/* An ELF file whose DWARF is read. All zero is one that is not open. */
struct dwarf_file {
	Dwarf *dw; /* NULL = it has none */
	Elf *elf;
	void *inflated[DWARF_FILE_SECTIONS]; /* contents of sections that libelf does not free */
	size_t inflated_count;
};

/*
 * Opens fd, which stays the caller's, without the sections that dwarf_lookup() never asks for, of which
 * .debug_line is one unless `lines`. False: it has no DWARF. dwarf_file_close() is right after either.
 */
bool dwarf_file_open(struct dwarf_file *f, int fd, bool lines);
void dwarf_file_close(struct dwarf_file *f);

#endif
