/* SPDX-License-Identifier: BSD-2-Clause */
/* jit SECONDS: uses so much CPU in code that it wrote itself, whose address it prints. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "burn.h"

/* void spin(int n) { do n--; while (n != 0); } */
static const unsigned char spin_code[] = {
#ifdef __x86_64__
	0xff, 0xcf, 0x75, 0xfc, 0xc3
#else
	0x00, 0x04, 0x00, 0x71, 0xe1, 0xff, 0xff, 0x54, 0xc0, 0x03, 0x5f, 0xd6
#endif
};

int main(int argc, char **argv)
{
	uint64_t until = (uint64_t)(atof(argc > 1 ? argv[1] : "1") * 1e9);
	void (*spin)(int);
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (code == MAP_FAILED)
		return 1;
	memcpy(code, spin_code, sizeof(spin_code));
	if (mprotect(code, 4096, PROT_READ | PROT_EXEC) != 0)
		return 1;
	__builtin___clear_cache((char *)code, (char *)code + sizeof(spin_code));
	*(void **)&spin = code;
	printf("%llx\n", (unsigned long long)(uintptr_t)code);
	fflush(stdout);
	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until)
		spin(1000000);
	return 0;
}
