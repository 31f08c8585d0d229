/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/dwarf_file.h"

#include <gelf.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

/* Deflate makes no more than 1032 bytes of one (zlib's technical notes: maximum compression factor). */
#define MOST_INFLATED 1032

/* libdw inflates every debug section that it knows when it opens a file; these are never asked for. */
static bool is_unused(const char *name, bool lines)
{
	static const char *const unused[] = { ".debug_loc",	 ".debug_loclists",
					      ".debug_frame",	 ".debug_macro",
					      ".debug_macinfo",	 ".debug_pubnames",
					      ".debug_pubtypes", ".debug_aranges" };

	for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++)
		if (strcmp(name, unused[i]) == 0)
			return true;
	return !lines && strcmp(name, ".debug_line") == 0;
}

/* `size` bytes that zlib's stream makes; NULL: it makes more or less, or there is no memory. */
static void *inflate(const void *stream, size_t stream_size, size_t size)
{
	struct libdeflate_decompressor *inflater = libdeflate_alloc_decompressor();
	void *to = inflater != NULL ? malloc(size) : NULL;

	if (to != NULL && libdeflate_zlib_decompress(inflater, stream, stream_size, to, size,
						     NULL) != LIBDEFLATE_SUCCESS) {
		free(to);
		to = NULL;
	}
	libdeflate_free_decompressor(inflater);
	return to;
}

/* What the section holds, behind its Elf64_Chdr or Elf32_Chdr; NULL: is not to be had so. */
static void *inflate_section(const Elf_Data *data, size_t header, size_t size)
{
	size_t stream_size;

	if (data == NULL || data->d_buf == NULL || data->d_size <= header)
		return NULL;
	stream_size = data->d_size - header;
	if (size / MOST_INFLATED > stream_size)
		return NULL;
	return inflate((const char *)data->d_buf + header, stream_size, size);
}

static void replace_data(Elf_Data *data, void *to, const GElf_Chdr *z)
{
	if (data == NULL)
		return;
	data->d_buf = to;
	data->d_size = z->ch_size;
	data->d_align = z->ch_addralign;
}

/*
 * libdeflate is faster than zlib, and this is most of what it takes to name inlined calls. What
 * it does not take stays compressed, for libdw to inflate with zlib or zstd, or to refuse.
 */
static void take_section(struct dwarf_file *f, Elf_Scn *section, GElf_Shdr *header)
{
	size_t head = gelf_fsize(f->elf, ELF_T_CHDR, 1, EV_CURRENT);
	GElf_Chdr z;
	void *to;

	if (!(header->sh_flags & SHF_COMPRESSED) || f->inflated_count >= DWARF_FILE_SECTIONS ||
	    gelf_getchdr(section, &z) == NULL || z.ch_type != ELFCOMPRESS_ZLIB || z.ch_size == 0)
		return;
	to = inflate_section(elf_rawdata(section, NULL), head, z.ch_size);
	if (to == NULL)
		return;
	f->inflated[f->inflated_count++] = to;
	/* libelf has two of them, and it is libdw's matter which it asks for */
	replace_data(elf_rawdata(section, NULL), to, &z);
	replace_data(elf_getdata(section, NULL), to, &z);
	header->sh_flags &= ~(GElf_Xword)SHF_COMPRESSED;
	header->sh_size = z.ch_size;
	header->sh_addralign = z.ch_addralign;
	gelf_update_shdr(section, header);
}

/* In memory only: libdw passes over sections that have nothing in the file. */
static void hide_section(Elf_Scn *section, GElf_Shdr *header)
{
	header->sh_type = SHT_NOBITS;
	gelf_update_shdr(section, header);
}

static void prepare_sections(struct dwarf_file *f, bool lines)
{
	Elf_Scn *section = NULL;
	size_t strings;

	if (elf_getshdrstrndx(f->elf, &strings) != 0)
		return;
	while ((section = elf_nextscn(f->elf, section)) != NULL) {
		GElf_Shdr header;
		const char *name;

		if (gelf_getshdr(section, &header) == NULL)
			continue;
		name = elf_strptr(f->elf, strings, header.sh_name);
		if (name == NULL || strncmp(name, ".debug_", strlen(".debug_")) != 0)
			continue;
		if (is_unused(name, lines))
			hide_section(section, &header);
		else
			take_section(f, section, &header);
	}
}

bool dwarf_file_open(struct dwarf_file *f, int fd, bool lines)
{
	*f = (struct dwarf_file){ 0 };
	elf_version(EV_CURRENT);
	f->elf = elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	if (f->elf == NULL)
		return false;
	prepare_sections(f, lines);
	f->dw = dwarf_begin_elf(f->elf, DWARF_C_READ, NULL);
	return f->dw != NULL;
}

void dwarf_file_close(struct dwarf_file *f)
{
	dwarf_end(f->dw);
	elf_end(f->elf);
	for (size_t i = 0; i < f->inflated_count; i++)
		free(f->inflated[i]);
	*f = (struct dwarf_file){ 0 };
}
