/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profile/profile.h"
#include "symbolize/apart.h"
#include "symbolize/debugfile.h"
#include "symbolize/debuginfod.h"
#include "symbolize/demangle.h"
#include "symbolize/gopclntab.h"
#include "symbolize/image.h"
#include "symbolize/plt.h"
#include "symbolize/symtab.h"

/* One module on its way through the sources. */
struct job {
	struct symbolizer *s;
	const struct profile_module *m;
	struct image img;
	struct symtab st;
};

static int scan_tables(struct job *j, const struct image *img)
{
	static const uint32_t types[] = { SHT_SYMTAB, SHT_DYNSYM };
	int err = 0;

	for (size_t i = 0; i < 2 && err == 0; i++) {
		const struct image_section *table = image_section_of_type(img, types[i], NULL);

		if (table != NULL && query_unnamed(j->st.queries, j->st.count) > 0)
			err = symtab_scan(&j->st, img, table);
	}
	return err;
}

static int scan_own(struct job *j)
{
	return scan_tables(j, &j->img);
}

/* Takes over fd. */
static int scan_other(struct job *j, int fd)
{
	struct image other;
	int err = 0;

	if (fd < 0)
		return 0;
	if (image_open(&other, fd) == 0) {
		err = scan_tables(j, &other);
		image_close(&other);
	}
	close(fd);
	return err;
}

static int scan_embedded(struct job *j)
{
	return scan_other(j, debugfile_embedded(&j->img));
}

static void note_unfetched(struct symbolizer *s, int err)
{
	char text[160];

	if (err == -ENOENT || err == -ECANCELED) /* no server has it; nobody wants it */
		return;
	if (err == -ENOEXEC)
		snprintf(text, sizeof(text),
			 "no debug files were fetched: debuginfod-find is "
			 "missing: install the package debuginfod");
	else
		snprintf(text, sizeof(text),
			 "debug files were not fetched from the servers in $DEBUGINFOD_URLS: %s",
			 strerror(-err));
	profile_note(s->profile, text);
}

static void note_other(struct symbolizer *s, const struct profile_module *m)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "what a server in $DEBUGINFOD_URLS sent as the debug file of %.200s is not it: "
		 "it was not used",
		 profile_str(s->profile, m->name));
	profile_note(s->profile, text);
}

static int fetch(struct symbolizer *s, const struct profile_module *m, const struct image *img)
{
	const struct symbolize_options *o = s->options;
	int fd = s->apart ? apart_fetch(s->apart, img->build_id)
			  : debuginfod_open(img->build_id, &s->fetch_ms, o->cancelled, o->ctx);

	if (fd < 0) {
		note_unfetched(s, fd);
	} else if (!debugfile_has_build_id(fd, img->build_id)) {
		note_other(s, m);
		close(fd);
		fd = -ENOENT;
	}
	return fd;
}

int symbolizer_debug_file(struct symbolizer *s, const struct profile_module *m,
			  const struct image *img)
{
	int fd = debugfile_open(img, profile_str(s->profile, m->name), m->root_fd,
				apart_via(s->apart));

	return fd < 0 && s->options->debuginfod ? fetch(s, m, img) : fd;
}

static int scan_debugfile(struct job *j)
{
	int fd = symbolizer_debug_file(j->s, j->m, &j->img);

	return fd == -ECANCELED ? fd : scan_other(j, fd);
}

static int scan_plt(struct job *j)
{
	if (j->st.what != SYMTAB_CODE)
		return 0;
	return plt_names(&j->img, j->st.queries, j->st.count, j->st.name, j->st.ctx);
}

static int scan_go(struct job *j)
{
	if (j->st.what != SYMTAB_CODE)
		return 0;
	return gopclntab_names(&j->img, j->st.queries, j->st.count, j->st.name, j->st.ctx);
}

static int scan_sizeless(struct job *j)
{
	symtab_finish(&j->st);
	return 0;
}

/* In this order, as long as something is without a name. */
static int (*const sources[])(struct job *j) = {
	scan_own, scan_go, scan_plt, scan_embedded, scan_debugfile, scan_sizeless,
};

static int scan_all(struct job *j)
{
	int err = symtab_init(&j->st);

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]) && err == 0; i++)
		if (query_unnamed(j->st.queries, j->st.count) > 0)
			err = sources[i](j);
	symtab_release(&j->st);
	return err;
}

/* File offsets to virtual addresses. Returns how many lie in a segment; they stand first. */
static size_t to_vaddrs(const struct image *img, struct query *q, size_t n)
{
	size_t inside = 0;

	for (size_t i = 0; i < n; i++) {
		struct query here = q[i];

		if (here.named || !image_vaddr(img, here.offset, &here.addr))
			continue;
		q[i] = q[inside];
		q[inside++] = here;
	}
	query_sort(q, inside);
	return inside;
}

static void name_frame(void *ctx, const struct query *q, const char *symbol, uint64_t start)
{
	(void)start;
	symbolizer_name(ctx, q->id, symbol);
}

static void keep_build_id(struct symbolizer *s, uint32_t module, const struct image *img)
{
	uint32_t id = img->build_id[0] != '\0' ? profile_string(s->profile, img->build_id) : 0;

	if (id != 0)
		profile_module_at(s->profile, module)->build_id = id;
}

int resolve_elf(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	struct job j = { .s = s, .m = profile_module_at(s->profile, module) };
	int err;

	if (j.m->fd <= 0 || image_open(&j.img, j.m->fd) != 0)
		return 0;
	keep_build_id(s, module, &j.img);
	j.st = (struct symtab){ .what = SYMTAB_CODE,
				.queries = q,
				.count = to_vaddrs(&j.img, q, n),
				.name = name_frame,
				.ctx = s };
	err = j.st.count > 0 ? scan_all(&j) : 0;
	image_close(&j.img);
	return err;
}

/* ── the vdso: no file, but the same image in every process, ours too ───────────────────────── */

static int own_vdso(void)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel hands out pointers as numbers */
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	GElf_Ehdr eh;
	size_t size;
	int fd;

	if (image == NULL || sizeof(void *) != 8)
		return -ENOENT;
	memcpy(&eh, image, sizeof(eh));
	size = eh.e_shoff + (size_t)eh.e_shnum * eh.e_shentsize;
	fd = memfd_create("tprof-vdso", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, image, size) != (ssize_t)size) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int resolve_vdso(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	struct profile_module own = *profile_module_at(s->profile, module);
	struct job j = { .s = s, .m = &own };
	int fd = -1, err = 0;

	if (own.fd <= 0)
		fd = own.fd = own_vdso();
	if (own.fd > 0 && image_open(&j.img, own.fd) == 0) {
		j.st = (struct symtab){ .what = SYMTAB_CODE,
					.queries = q,
					.count = to_vaddrs(&j.img, q, n),
					.name = name_frame,
					.ctx = s };
		err = j.st.count > 0 ? scan_all(&j) : 0;
		image_close(&j.img);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* ── locks that are variables ───────────────────────────────────────────────────────────────── */

static void name_lock(void *ctx, const struct query *q, const char *symbol, uint64_t start)
{
	struct symbolizer *s = ctx;
	char name[DEMANGLE_MAX + 32];
	size_t len = demangle(symbol, name, DEMANGLE_MAX);
	uint32_t id;

	if (q->addr != start)
		snprintf(name + len, sizeof(name) - len, "+0x%llx",
			 (unsigned long long)(q->addr - start));
	id = profile_string(s->profile, name);
	profile_lock_at(s->profile, q->id)->name = id;
}

int resolve_locks(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	struct job j = { .s = s, .m = profile_module_at(s->profile, module) };
	int err = 0;

	if (j.m->fd <= 0 || image_open(&j.img, j.m->fd) != 0)
		return 0;
	if (j.img.segment_count > 0) {
		const struct image_segment *first = &j.img.segments[0];

		for (size_t i = 0; i < n; i++)
			q[i].addr = q[i].offset + (first->vaddr - first->offset);
		query_sort(q, n);
		j.st = (struct symtab){
			.what = SYMTAB_DATA, .queries = q, .count = n, .name = name_lock, .ctx = s
		};
		err = scan_all(&j);
	}
	image_close(&j.img);
	return err;
}
