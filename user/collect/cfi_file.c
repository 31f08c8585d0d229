// SPDX-License-Identifier: BSD-2-Clause
#include "collect/cfi_file.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "collect/cfi_rows.h"

#define MAX_CFI	    (512UL << 20)
#define WINDOW_SIZE (256UL << 10)

static int by_vaddr(const void *a, const void *b)
{
	const struct cfi_segment *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static int read_segments(struct cfi_file *f, struct cfi *c)
{
	size_t n;

	if (elf_getphdrnum(f->elf, &n))
		return -ENOEXEC;
	for (size_t i = 0; i < n && i < 4096 && c->segment_count < CFI_MAX_SEGMENTS; i++) {
		struct cfi_segment *s = &c->segments[c->segment_count];
		GElf_Phdr p;

		if (!gelf_getphdr(f->elf, (int)i, &p))
			return -ENOEXEC;
		if (p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		if (p.p_vaddr + p.p_filesz < p.p_vaddr || p.p_offset > f->size ||
		    p.p_filesz > f->size - p.p_offset)
			continue;
		*s = (struct cfi_segment){ .vaddr = p.p_vaddr,
					   .size = p.p_filesz,
					   .offset = p.p_offset };
		c->segment_count++;
	}
	qsort(c->segments, c->segment_count, sizeof(c->segments[0]), by_vaddr);
	return 0;
}

/* Section by name with its content, decompressed. */
static Elf_Data *section(struct cfi_file *f, const char *name, GElf_Shdr *ret_header)
{
	Elf_Scn *s = NULL;
	size_t names;

	if (elf_getshdrstrndx(f->elf, &names))
		return NULL;
	while ((s = elf_nextscn(f->elf, s))) {
		const char *found;

		if (!gelf_getshdr(s, ret_header) || ret_header->sh_type == SHT_NOBITS)
			continue;
		found = elf_strptr(f->elf, names, ret_header->sh_name);
		if (!found || strcmp(found, name) != 0)
			continue;
		if (ret_header->sh_size > MAX_CFI)
			return NULL;
		if (ret_header->sh_flags & SHF_COMPRESSED) {
			GElf_Chdr z;

			if (!gelf_getchdr(s, &z) || z.ch_size > MAX_CFI ||
			    elf_compress(s, 0, 0) < 0)
				return NULL;
		}
		return elf_rawdata(s, NULL);
	}
	return NULL;
}

static bool to_offset(struct cfi_file *f, uint64_t vaddr, uint64_t *ret_offset, uint64_t *ret_left)
{
	size_t n = 0;

	elf_getphdrnum(f->elf, &n);
	for (size_t i = 0; i < n && i < 4096; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(f->elf, (int)i, &p) || p.p_type != PT_LOAD || vaddr < p.p_vaddr ||
		    vaddr - p.p_vaddr >= p.p_filesz)
			continue;
		if (p.p_offset > f->size || p.p_filesz > f->size - p.p_offset)
			continue;
		*ret_offset = p.p_offset + (vaddr - p.p_vaddr);
		*ret_left = p.p_filesz - (vaddr - p.p_vaddr);
		return true;
	}
	return false;
}

static size_t read_at(struct cfi_file *f, uint64_t offset, void *to, size_t size)
{
	if (offset >= f->size)
		return 0;
	if (size > f->size - offset)
		size = f->size - offset;
	if (f->fd < 0) {
		memcpy(to, f->image + offset, size);
		return size;
	}
	if (!f->window)
		f->window = malloc(WINDOW_SIZE);
	if (!f->window)
		return 0;
	if (offset < f->window_at || offset + size > f->window_at + f->window_size) {
		ssize_t n = pread(f->fd, f->window, WINDOW_SIZE, (off_t)offset);

		f->window_at = offset;
		f->window_size = n > 0 ? (size_t)n : 0;
	}
	if (size > f->window_size - (offset - f->window_at))
		size = f->window_size - (offset - f->window_at);
	memcpy(to, f->window + (offset - f->window_at), size);
	return size;
}

size_t cfi_file_read(struct cfi_file *f, const struct cfi *c, uint64_t vaddr, void *to, size_t size)
{
	for (size_t i = 0; i < c->segment_count; i++) {
		const struct cfi_segment *s = &c->segments[i];

		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->size)
			continue;
		if (size > s->size - (vaddr - s->vaddr))
			size = s->size - (vaddr - s->vaddr);
		return read_at(f, s->offset + (vaddr - s->vaddr), to, size);
	}
	return 0;
}

/* The way of the unwinder at run time: PT_GNU_EH_FRAME → .eh_frame_hdr → .eh_frame, whose end is
 * not said: it ends with a zero length. */
static bool by_program_header(struct cfi_file *f)
{
	size_t n = 0;

	elf_getphdrnum(f->elf, &n);
	for (size_t i = 0; i < n && i < 4096; i++) {
		uint64_t offset = 0, left = 0, address;
		struct cfi_bytes b;
		uint8_t head[16];
		GElf_Phdr p;

		if (!gelf_getphdr(f->elf, (int)i, &p) || p.p_type != PT_GNU_EH_FRAME)
			continue;
		if (read_at(f, p.p_offset, head, sizeof(head)) != sizeof(head) || head[0] != 1)
			return false;
		b = (struct cfi_bytes){ .at = head + 4, .end = head + sizeof(head) };
		address = cfi_pointer(&b, head[1], p.p_vaddr + 4);
		if (b.bad || !to_offset(f, address, &offset, &left))
			return false;
		f->data = elf_getdata_rawchunk(f->elf, (int64_t)offset,
					       left < MAX_CFI ? left : MAX_CFI, ELF_T_BYTE);
		f->data_address = address;
		return f->data;
	}
	return false;
}

static void find_eh_frame(struct cfi_file *f)
{
	GElf_Shdr header;

	f->data = section(f, ".eh_frame", &header);
	if (f->data && f->data->d_size > 4) {
		f->data_address = header.sh_addr;
		return;
	}
	f->data = NULL;
	if (!by_program_header(f))
		f->data = NULL;
}

static bool find_cfi(struct cfi_file *f)
{
	GElf_Shdr header;

	find_eh_frame(f);
	f->debug = section(f, ".debug_frame", &header);
	if (f->debug && !f->debug->d_size)
		f->debug = NULL;
	return f->data || f->debug;
}

int cfi_file_open(struct cfi_file *f, struct cfi *c, struct diag *d)
{
	struct stat st;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return diag_set(d, -ENOEXEC, "libelf: %s", elf_errmsg(-1));
	if (f->fd >= 0) {
		if (fstat(f->fd, &st))
			return diag_errno(d, -errno, "cannot stat an ELF file");
		if (!S_ISREG(st.st_mode))
			return diag_set(d, -ENOEXEC, "not a regular file");
		f->size = (size_t)st.st_size;
		f->elf = elf_begin(f->fd, ELF_C_READ, NULL);
	} else {
		f->elf = elf_memory((char *)f->image, f->size);
	}
	if (!f->elf || elf_kind(f->elf) != ELF_K_ELF || !gelf_getehdr(f->elf, &f->header) ||
	    f->header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    f->header.e_ident[EI_DATA] != ELFDATA2LSB || !cfi_machine(f->header.e_machine))
		return diag_set(d, -ENOEXEC, "not a 64-bit ELF file of a known machine");
	c->machine = f->header.e_machine;
	if (read_segments(f, c))
		return diag_set(d, -ENOEXEC, "damaged ELF program headers");
	return find_cfi(f) ? 0 : -ENODATA;
}

void cfi_file_release(struct cfi_file *f)
{
	elf_end(f->elf);
	free(f->window);
}
