/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SECTIONS	  4096
#define MAX_SEGMENTS	  1024
#define MAX_SECTION_NAMES (4u << 20)
#define MAX_NOTES	  (64u << 10)
#define MAX_TABLE	  (256ull << 20) /* bytes of a symbol table that are looked at */
#define CHUNK_ENTRIES	  2048
#define HOST_DATA	  (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

ssize_t image_read(const struct image *img, uint64_t offset, void *buf, size_t len)
{
	size_t got = 0;

	if (offset > img->size)
		return 0;
	while (got < len) {
		ssize_t n = pread(img->fd, (char *)buf + got, len - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* What libelf would turn into memory before anybody could ask how much. */
static int check_header(const struct image *img)
{
	union {
		Elf64_Ehdr e64;
		Elf32_Ehdr e32;
		unsigned char ident[EI_NIDENT];
	} h;
	union {
		Elf64_Shdr s64;
		Elf32_Shdr s32;
	} zero = { 0 };
	uint64_t shoff, shnum;
	ssize_t n = image_read(img, 0, &h, sizeof(h));

	if (n < 0)
		return (int)n;
	if (n < (ssize_t)sizeof(h.e32) || memcmp(h.ident, ELFMAG, SELFMAG) != 0 ||
	    h.ident[EI_DATA] != HOST_DATA)
		return -ENOEXEC;
	if (h.ident[EI_CLASS] == ELFCLASS64 && n < (ssize_t)sizeof(h.e64))
		return -ENOEXEC;
	shoff = h.ident[EI_CLASS] == ELFCLASS64 ? h.e64.e_shoff : h.e32.e_shoff;
	shnum = h.ident[EI_CLASS] == ELFCLASS64 ? h.e64.e_shnum : h.e32.e_shnum;
	if (shnum != 0 || shoff == 0)
		return 0;
	if (image_read(img, shoff, &zero, sizeof(zero)) < (ssize_t)sizeof(zero.s32))
		return 0;
	shnum = h.ident[EI_CLASS] == ELFCLASS64 ? zero.s64.sh_size : zero.s32.sh_size;
	return shnum > MAX_SECTIONS ? -ENOEXEC : 0;
}

static int read_segments(struct image *img)
{
	size_t n;

	if (elf_getphdrnum(img->elf, &n) != 0 || n == 0)
		return 0;
	if (n > MAX_SEGMENTS)
		n = MAX_SEGMENTS;
	img->segments = calloc(n, sizeof(*img->segments));
	if (img->segments == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(img->elf, (int)i, &ph) == NULL || ph.p_type != PT_LOAD)
			continue;
		img->segments[img->segment_count++] = (struct image_segment){
			.offset = ph.p_offset,
			.file_size = ph.p_filesz,
			.vaddr = ph.p_vaddr,
			.memory_size = ph.p_memsz,
			.exec = (ph.p_flags & PF_X) != 0,
		};
	}
	return 0;
}

static const char *section_name(const struct image *img, size_t names, const GElf_Shdr *sh)
{
	const char *s = names != 0 ? elf_strptr(img->elf, names, sh->sh_name) : NULL;

	return s != NULL ? s : "";
}

static int read_sections(struct image *img)
{
	size_t n, names = 0;
	GElf_Shdr sh;
	Elf_Scn *scn;

	if (elf_getshdrnum(img->elf, &n) != 0 || n == 0 || n > MAX_SECTIONS)
		return 0;
	img->sections = calloc(n, sizeof(*img->sections));
	if (img->sections == NULL)
		return -ENOMEM;
	if (elf_getshdrstrndx(img->elf, &names) != 0)
		names = 0;
	scn = elf_getscn(img->elf, names);
	if (scn == NULL || gelf_getshdr(scn, &sh) == NULL || sh.sh_type != SHT_STRTAB ||
	    sh.sh_size > MAX_SECTION_NAMES || (sh.sh_flags & SHF_COMPRESSED) != 0)
		names = 0;
	for (size_t i = 0; i < n; i++) {
		struct image_section *s = &img->sections[i];

		scn = elf_getscn(img->elf, i);
		s->name = "";
		if (scn != NULL && gelf_getshdr(scn, &s->header) != NULL)
			s->name = section_name(img, names, &s->header);
	}
	img->section_count = n;
	return 0;
}

static void build_id_from(struct image *img, uint64_t offset, uint64_t size, uint64_t align)
{
	size_t name_at, desc_at, at = 0;
	GElf_Nhdr nh;
	Elf_Data *data;

	if (size == 0 || size > MAX_NOTES || offset > img->size || size > img->size - offset)
		return;
	data = elf_getdata_rawchunk(img->elf, (int64_t)offset, size,
				    align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	if (data == NULL)
		return;
	while ((at = gelf_getnote(data, at, &nh, &name_at, &desc_at)) > 0) {
		const char *bytes = data->d_buf;

		if (nh.n_type != NT_GNU_BUILD_ID || nh.n_namesz != 4 ||
		    memcmp(bytes + name_at, "GNU", 4) != 0)
			continue;
		if (nh.n_descsz < 2 || nh.n_descsz > (sizeof(img->build_id) - 1) / 2)
			continue;
		for (size_t i = 0; i < nh.n_descsz; i++) {
			unsigned char b = (unsigned char)bytes[desc_at + i];

			img->build_id[2 * i] = "0123456789abcdef"[b >> 4];
			img->build_id[2 * i + 1] = "0123456789abcdef"[b & 15];
		}
		img->build_id[2 * (size_t)nh.n_descsz] = '\0';
		return;
	}
}

/* Sections first: the program headers of a separate debug file do not fit its own contents. */
static void read_build_id(struct image *img)
{
	const struct image_section *s = NULL;
	size_t n;

	while ((s = image_section_of_type(img, SHT_NOTE, s)) != NULL && img->build_id[0] == '\0')
		build_id_from(img, s->header.sh_offset, s->header.sh_size, s->header.sh_addralign);
	if (img->build_id[0] != '\0' || elf_getphdrnum(img->elf, &n) != 0)
		return;
	for (size_t i = 0; i < n && i < MAX_SEGMENTS && img->build_id[0] == '\0'; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(img->elf, (int)i, &ph) != NULL && ph.p_type == PT_NOTE)
			build_id_from(img, ph.p_offset, ph.p_filesz, ph.p_align);
	}
}

int image_open(struct image *ret_image, int fd)
{
	struct image img = { .fd = fd };
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st) != 0)
		return -EBADF;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	img.size = (uint64_t)st.st_size;
	err = check_header(&img);
	if (err != 0)
		return err;
	elf_version(EV_CURRENT);
	img.elf = elf_begin(fd, ELF_C_READ, NULL);
	if (img.elf == NULL || elf_kind(img.elf) != ELF_K_ELF) {
		elf_end(img.elf);
		return -ENOEXEC;
	}
	img.is64 = gelf_getclass(img.elf) == ELFCLASS64;
	err = read_segments(&img);
	if (err == 0)
		err = read_sections(&img);
	if (err != 0) {
		image_close(&img);
		return err;
	}
	read_build_id(&img);
	*ret_image = img;
	return 0;
}

void image_close(struct image *img)
{
	free(img->segments);
	free(img->sections);
	elf_end(img->elf);
	*img = (struct image){ .fd = -1 };
}

bool image_vaddr(const struct image *img, uint64_t offset, uint64_t *ret_vaddr)
{
	const struct image_segment *found = NULL;

	/* Executable first: the page where two segments meet is mapped twice. */
	for (size_t i = 0; i < img->segment_count; i++) {
		const struct image_segment *s = &img->segments[i];

		if (offset < s->offset || offset - s->offset >= s->file_size)
			continue;
		if (found == NULL || (s->exec && !found->exec))
			found = s;
	}
	if (found == NULL)
		return false;
	*ret_vaddr = found->vaddr + (offset - found->offset);
	return true;
}

bool image_offset(const struct image *img, uint64_t vaddr, uint64_t *ret_offset)
{
	for (size_t i = 0; i < img->segment_count; i++) {
		const struct image_segment *s = &img->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->file_size) {
			*ret_offset = s->offset + (vaddr - s->vaddr);
			return true;
		}
	}
	return false;
}

const struct image_section *image_section(const struct image *img, const char *name)
{
	for (size_t i = 0; i < img->section_count; i++)
		if (img->sections[i].header.sh_type != SHT_NOBITS &&
		    strcmp(img->sections[i].name, name) == 0)
			return &img->sections[i];
	return NULL;
}

const struct image_section *image_section_of_type(const struct image *img, uint32_t type,
						  const struct image_section *after)
{
	size_t i = after != NULL ? (size_t)(after - img->sections) + 1 : 0;

	for (; i < img->section_count; i++)
		if (img->sections[i].header.sh_type == type)
			return &img->sections[i];
	return NULL;
}

const struct image_section *image_section_at(const struct image *img, uint64_t vaddr)
{
	for (size_t i = 0; i < img->section_count; i++) {
		const GElf_Shdr *h = &img->sections[i].header;

		if ((h->sh_flags & SHF_ALLOC) != 0 && (h->sh_flags & SHF_TLS) == 0 &&
		    vaddr >= h->sh_addr && vaddr - h->sh_addr < h->sh_size)
			return &img->sections[i];
	}
	return NULL;
}

size_t image_string(const struct image *img, const struct image_section *strings, uint64_t at,
		    char *buf, size_t cap)
{
	const GElf_Shdr *h = &strings->header;
	ssize_t n;

	buf[0] = '\0';
	if (h->sh_type != SHT_STRTAB || at >= h->sh_size)
		return 0;
	if (cap - 1 > h->sh_size - at)
		cap = (size_t)(h->sh_size - at) + 1;
	n = image_read(img, h->sh_offset + at, buf, cap - 1);
	buf[n > 0 ? n : 0] = '\0';
	return strlen(buf);
}

/* One table's bytes, chunk by chunk. */
struct chunks {
	const struct image *img;
	uint64_t offset, left;
	size_t entry; /* bytes of one */
	char *bytes;
};

static int chunks_init(struct chunks *c, const struct image *img, const struct image_section *table,
		       size_t entry)
{
	*c = (struct chunks){ .img = img,
			      .offset = table->header.sh_offset,
			      .left = table->header.sh_size,
			      .entry = entry };
	if (c->offset > img->size)
		c->left = 0;
	else if (c->left > img->size - c->offset)
		c->left = img->size - c->offset;
	if (c->left > MAX_TABLE)
		c->left = MAX_TABLE;
	c->bytes = malloc(entry * CHUNK_ENTRIES);
	return c->bytes != NULL ? 0 : -ENOMEM;
}

/* How many entries stand in c->bytes now; 0 at the end. */
static ssize_t chunks_next(struct chunks *c)
{
	size_t want = c->entry * CHUNK_ENTRIES;
	ssize_t n;

	if (want > c->left)
		want = (size_t)(c->left - c->left % c->entry);
	n = image_read(c->img, c->offset, c->bytes, want);
	if (n <= 0)
		return n;
	c->offset += (uint64_t)n;
	c->left -= (uint64_t)n;
	return n / (ssize_t)c->entry;
}

static size_t symbol_size(const struct image *img)
{
	return img->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

static GElf_Sym symbol_from(const struct image *img, const char *bytes)
{
	Elf32_Sym s;
	GElf_Sym sym;

	if (img->is64) {
		memcpy(&sym, bytes, sizeof(sym));
		return sym;
	}
	memcpy(&s, bytes, sizeof(s));
	return (GElf_Sym){ .st_name = s.st_name,
			   .st_info = s.st_info,
			   .st_other = s.st_other,
			   .st_shndx = s.st_shndx,
			   .st_value = s.st_value,
			   .st_size = s.st_size };
}

bool image_symbol(const struct image *img, const struct image_section *table, uint64_t index,
		  GElf_Sym *ret_sym)
{
	char bytes[sizeof(Elf64_Sym)];
	size_t size = symbol_size(img);

	if (index >= table->header.sh_size / size ||
	    image_read(img, table->header.sh_offset + index * size, bytes, size) != (ssize_t)size)
		return false;
	*ret_sym = symbol_from(img, bytes);
	return true;
}

int image_each_symbol(const struct image *img, const struct image_section *table,
		      image_symbol_fn visit, void *ctx)
{
	struct chunks c;
	size_t index = 0;
	ssize_t n;
	int err = chunks_init(&c, img, table, symbol_size(img));

	if (err != 0)
		return err;
	while (err == 0 && (n = chunks_next(&c)) != 0) {
		if (n < 0)
			err = (int)n;
		for (ssize_t i = 0; i < n && err == 0; i++) {
			GElf_Sym sym = symbol_from(img, c.bytes + (size_t)i * c.entry);

			err = visit(ctx, index++, &sym);
		}
	}
	free(c.bytes);
	return err;
}

static size_t reloc_size(const struct image *img, bool addend)
{
	if (img->is64)
		return addend ? sizeof(Elf64_Rela) : sizeof(Elf64_Rel);
	return addend ? sizeof(Elf32_Rela) : sizeof(Elf32_Rel);
}

/* Both layouts begin with offset and info, which is all that is read of a REL. */
static GElf_Rela reloc_at(const struct chunks *c, size_t i, bool addend)
{
	const char *bytes = c->bytes + i * c->entry;
	Elf32_Rela r32 = { 0 };
	GElf_Rela r = { 0 };

	if (c->img->is64) {
		memcpy(&r, bytes, c->entry);
		return r;
	}
	memcpy(&r32, bytes, c->entry);
	r.r_offset = r32.r_offset;
	r.r_info = GELF_R_INFO((uint64_t)ELF32_R_SYM(r32.r_info), ELF32_R_TYPE(r32.r_info));
	r.r_addend = addend ? r32.r_addend : 0;
	return r;
}

int image_each_reloc(const struct image *img, const struct image_section *table,
		     image_reloc_fn visit, void *ctx)
{
	bool addend = table->header.sh_type == SHT_RELA;
	struct chunks c;
	ssize_t n;
	int err = chunks_init(&c, img, table, reloc_size(img, addend));

	if (err != 0)
		return err;
	while (err == 0 && (n = chunks_next(&c)) != 0) {
		if (n < 0)
			err = (int)n;
		for (ssize_t i = 0; i < n && err == 0; i++) {
			GElf_Rela rel = reloc_at(&c, (size_t)i, addend);

			err = visit(ctx, &rel);
		}
	}
	free(c.bytes);
	return err;
}
