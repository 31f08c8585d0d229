// SPDX-License-Identifier: BSD-2-Clause
/*
 * symbolize FILE COUNT [inline]: names COUNT distinct addresses, evenly spread over the code of an ELF file,
 * as after a recording. Prints "ms MILLISECONDS named NAMED of COUNT".
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profile/profile.h"
#include "symbolize/symbolize.h"

/* The largest executable segment. */
static Elf64_Phdr code_of(int fd)
{
	Elf64_Phdr h, code = { 0 };
	Elf64_Ehdr e;

	if (pread(fd, &e, sizeof(e), 0) != sizeof(e) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0)
		return code;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		if (pread(fd, &h, sizeof(h), (off_t)(e.e_phoff + i * sizeof(h))) == sizeof(h) &&
		    h.p_type == PT_LOAD && h.p_flags & PF_X && h.p_filesz > code.p_filesz)
			code = h;
	}
	return code;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	struct symbolize_options o = { .kernel_named = true, .inlines = argc > 3 };
	struct profile *p = profile_new();
	unsigned long n, named = 0;
	uint32_t module, *frames;
	Elf64_Phdr code;
	double begin;
	int fd;

	if (argc < 3 || (fd = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0) {
		fprintf(stderr, "usage: symbolize FILE COUNT [inline]\n");
		return 2;
	}
	n = strtoul(argv[2], NULL, 10);
	code = code_of(fd);
	frames = calloc(n, sizeof(*frames));
	if (!p || !frames || code.p_filesz < n)
		return 1;
	module = profile_module(
		p, &(struct profile_module){ .name = profile_string(p, realpath(argv[1], NULL)),
					     .type = PROFILE_MODULE_FILE,
					     .fd = fd,
					     .root_fd = open("/", O_PATH | O_CLOEXEC) });
	for (unsigned long i = 0; i < n; i++)
		frames[i] = profile_frame(p, module, code.p_offset + code.p_filesz / n * i);
	begin = now_ms();
	if (symbolize(p, &o, NULL))
		return 1;
	begin = now_ms() - begin;
	for (unsigned long i = 0; i < n; i++)
		named += profile_frame_at(p, frames[i])->lines > 0;
	printf("ms %.1f named %lu of %lu\n", begin, named, n);
	free(frames);
	profile_free(p);
	return 0;
}
