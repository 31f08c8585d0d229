/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "memfile.h"
#include "symbolize/gopclntab.h"
#include "symbolize/image.h"

static void name(void *ctx, const struct query *q, const char *symbol, uint64_t start)
{
	(void)ctx;
	(void)symbol;
	if (start > q->addr)
		abort();
}

/* The input is the table itself; the sections around it are as a linker makes them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query q[16];
	struct image_section sections[2] = {
		{ .name = ".gopclntab",
		  .header = { .sh_type = SHT_PROGBITS, .sh_size = size, .sh_addr = 0x2000 } },
		{ .name = ".text", .header = { .sh_type = SHT_PROGBITS, .sh_addr = 0x1000 } },
	};
	struct image img = { .fd = memfile(data, size),
			     .size = size,
			     .is64 = true,
			     .sections = sections,
			     .section_count = 2 };

	for (size_t i = 0; i < 16; i++)
		q[i] = (struct query){ .addr = 0x1000 + i * 0x40 };
	gopclntab_names(&img, q, 16, name, NULL);
	close(img.fd);
	return 0;
}
