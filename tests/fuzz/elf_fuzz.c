/* SPDX-License-Identifier: BSD-2-Clause */
#include "memfile.h"
#include "symbolize/debugfile.h"
#include "symbolize/image.h"
#include "symbolize/plt.h"
#include "symbolize/symtab.h"

static void name(void *ctx, const struct query *q, const char *symbol, uint64_t start)
{
	(void)ctx;
	(void)symbol;
	if (start > q->addr)
		abort();
}

static void scan(const struct image *img, enum symtab_what what, struct query *q, size_t n)
{
	struct symtab st = { .what = what, .queries = q, .count = n, .name = name };
	const struct image_section *s = NULL;

	if (symtab_init(&st) != 0)
		return;
	while ((s = image_section_of_type(img, SHT_SYMTAB, s)))
		symtab_scan(&st, img, s);
	while ((s = image_section_of_type(img, SHT_DYNSYM, s)))
		symtab_scan(&st, img, s);
	symtab_finish(&st);
	symtab_release(&st);
}

/* Addresses all over the file, as frames would have them. */
static size_t ask(const struct image *img, struct query *q, size_t n, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		q[count] = (struct query){ .offset = size * i / n };
		count += image_vaddr(img, q[count].offset, &q[count].addr);
	}
	query_sort(q, count);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query q[32];
	struct image img;
	int debug, fd = memfile(data, size);
	size_t n;

	if (image_open(&img, fd) == 0) {
		n = ask(&img, q, 32, size);
		scan(&img, SYMTAB_CODE, q, n);
		plt_names(&img, q, n, name, NULL);
		n = ask(&img, q, 32, size);
		scan(&img, SYMTAB_DATA, q, n);
		debug = debugfile_embedded(&img);
		if (debug >= 0)
			close(debug);
		debug = debugfile_open(&img, "/nowhere/file", -1, NULL);
		if (debug >= 0)
			close(debug);
		image_close(&img);
	}
	close(fd);
	return 0;
}
