// SPDX-License-Identifier: BSD-2-Clause
/*
 * many_maps COUNT [TURNS]: maps so many regions, every other one executable, as a JIT compiler that sets
 * protections may; then burns CPU in one of them and in libc, and goes on mapping new ones, which it
 * runs code in, so many turns a call (50,000).
 */
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE	 4096UL
#define NOINLINE __attribute__((noinline, noclone))

/* push %rbp; mov %rsp,%rbp; mov %edi,%ecx; 1: dec %ecx; jnz 1b; pop %rbp; ret */
static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0x89, 0xf9,
				0xff, 0xc9, 0x75, 0xfc, 0x5d, 0xc3 };

typedef void (*spin_fn)(int n);

static char *region(size_t pages)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		err(1, "mmap");
	return at;
}

static spin_fn compiled(char *at)
{
	spin_fn f;

	memcpy(at, code, sizeof(code));
	if (mprotect(at, PAGE, PROT_READ | PROT_EXEC))
		err(1, "mprotect");
	memcpy(&f, &at, sizeof(f));
	return f;
}

NOINLINE void rounds(spin_fn old, int turns)
{
	for (;;) {
		char *at = region(1);
		spin_fn new = compiled(at);

		for (int i = 0; i < 10000000 / turns; i++) {
			new (50000);
			old(turns);
		}
		munmap(at, PAGE);
	}
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	char *all = region(count);

	for (size_t i = 1; i < count; i += 2) {
		if (mprotect(all + i * PAGE, PAGE, PROT_READ | PROT_EXEC))
			err(1, "mprotect %zu", i);
	}
	rounds(compiled(region(1)), argc > 2 ? atoi(argv[2]) : 50000);
	return 0;
}
