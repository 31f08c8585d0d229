/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "memfile.h"
#include "symbolize/kernel.h"

static void name(void *ctx, const struct query *q, const char *text)
{
	size_t *total = ctx;

	(void)q;
	*total += strlen(text);
	for (; *text; text++)
		if (*text == '\n')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query q[] = { { .addr = 0x10 },
			     { .addr = 0x1000 },
			     { .addr = 0x7f0000001000 },
			     { .addr = 0xffffffff81000010 },
			     { .addr = UINT64_MAX } };
	int fd = memfile(data, size);
	size_t total = 0;

	kernel_hidden(fd);
	kernel_names(fd, q, sizeof(q) / sizeof(q[0]), name, &total);
	close(fd);
	return 0;
}
