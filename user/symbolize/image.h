/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYMBOLIZE_IMAGE_H
#define TPROF_SYMBOLIZE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gelf.h>

/*
 * An ELF file as symbolize reads it. The file may be anybody's: it can lie in every field and change
 * while it is read. Hence nothing is mapped (a truncated mapping kills with SIGBUS), tables go by in
 * chunks, and every count is capped before it becomes memory.
 */
struct image_segment { /* a PT_LOAD */
	uint64_t offset, file_size, vaddr, memory_size;
	bool exec;
};

struct image_section {
	const char *name; /* owned by the image */
	GElf_Shdr header;
};

struct image {
	int fd; /* borrowed */
	Elf *elf;
	uint64_t size; /* of the file */
	bool is64;
	struct image_segment *segments;
	size_t segment_count;
	struct image_section *sections; /* [i] is section i */
	size_t section_count;
	char build_id[129]; /* lower-case hex, "" = none */
};

/* fd stays the caller's and must outlive the image. 0, -ENOEXEC (not an ELF file of this machine's
 * byte order, or nonsense), or another negative errno. */
int image_open(struct image *ret_image, int fd);
void image_close(struct image *img);

/* Between file offsets and virtual addresses, through the PT_LOAD segments. */
bool image_vaddr(const struct image *img, uint64_t offset, uint64_t *ret_vaddr);
bool image_offset(const struct image *img, uint64_t vaddr, uint64_t *ret_offset);

/* The section of this name, or NULL. One without bytes in this file (NOBITS) does not count. */
const struct image_section *image_section(const struct image *img, const char *name);
/* The section of this type that stands first after `after` (NULL: the first), or NULL. */
const struct image_section *image_section_of_type(const struct image *img, uint32_t type,
						  const struct image_section *after);
/* The allocated section that vaddr lies in, or NULL. */
const struct image_section *image_section_at(const struct image *img, uint64_t vaddr);

/* Bytes at a file offset: how many were read (short at the file's end), or negative errno. */
ssize_t image_read(const struct image *img, uint64_t offset, void *buf, size_t len);
/* The string at `at` of a string table; cut at cap - 1 bytes. Its length; "" and 0 when at lies. */
size_t image_string(const struct image *img, const struct image_section *strings, uint64_t at,
		    char *buf, size_t cap);

/*
 * Calls visit for each symbol of a SHT_SYMTAB or SHT_DYNSYM section, or relocation of a SHT_RELA or
 * SHT_REL, until it returns other than 0, and returns that. 0 at the end; negative errno.
 */
typedef int (*image_symbol_fn)(void *ctx, size_t index, const GElf_Sym *sym);
typedef int (*image_reloc_fn)(void *ctx, const GElf_Rela *rel);
int image_each_symbol(const struct image *img, const struct image_section *table,
		      image_symbol_fn visit, void *ctx);
/* Symbol `index` of a table. */
bool image_symbol(const struct image *img, const struct image_section *table, uint64_t index,
		  GElf_Sym *ret_sym);
int image_each_reloc(const struct image *img, const struct image_section *table,
		     image_reloc_fn visit, void *ctx);

#endif
