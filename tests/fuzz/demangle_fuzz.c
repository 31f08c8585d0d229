/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *symbol = malloc(size + 1), out[DEMANGLE_MAX];

	if (!symbol)
		return 0;
	memcpy(symbol, data, size);
	symbol[size] = '\0';
	if (demangle(symbol, out, sizeof(out)) != strlen(out))
		abort();
	if (demangle(symbol, out, 8) >= 8)
		abort();
	free(symbol);
	return 0;
}
