/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_CFI_FILE_H
#define TPROF_CFI_FILE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "collect/cfi.h"

/*
 * The ELF file under a struct cfi: found by sections or, when those are gone, by program headers.
 * Read with pread, never mapped: its owner may truncate it at any time.
 */
struct cfi_file {
	Elf *elf;
	int fd; /* -1: image */
	const uint8_t *image;
	size_t size;
	GElf_Ehdr header;
	Elf_Data *data;	       /* of .eh_frame, NULL: none */
	uint64_t data_address; /* virtual */
	Elf_Data *debug;       /* of .debug_frame, NULL: none; where .eh_frame says nothing */
	/* one window of the file, so that small reads in ascending order are cheap */
	uint8_t *window;
	uint64_t window_at;
	size_t window_size;
};

/* Opens, fills c->segments and c->machine, finds the CFI: -ENODATA when there is none (the file is
 * open then, too). Release in every case. */
int cfi_file_open(struct cfi_file *f, struct cfi *c, struct diag *d);
void cfi_file_release(struct cfi_file *f);
/* Bytes at a virtual address, as the file has them; how many could be read. */
size_t cfi_file_read(struct cfi_file *f, const struct cfi *c, uint64_t vaddr, void *to,
		     size_t size);

#endif
