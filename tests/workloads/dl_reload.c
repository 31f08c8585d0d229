// SPDX-License-Identifier: BSD-2-Clause
/* ldflags: -ldl */
/*
 * dl_reload MILLISECONDS: loads libplug_red.so, uses so much CPU in it, unloads it, loads
 * libplug_blue.so where it was, uses as much. Prints where each was.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "burn.h"

static void use(const char *dir, const char *name, uint64_t ns)
{
	char path[4096];
	void (*plug)(uint64_t);
	void *library;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	library = dlopen(path, RTLD_NOW);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&plug = dlsym(library, "plug");
	printf("%s %p\n", name, *(void **)&plug);
	plug(clock_ns(CLOCK_PROCESS_CPUTIME_ID) + ns);
	dlclose(library);
}

int main(int argc, char **argv)
{
	uint64_t ns = strtoull(argc > 1 ? argv[1] : "500", NULL, 10) * 1000000;
	char *dir = dirname(strdup(argv[0]));

	use(dir, "libplug_red.so", ns);
	use(dir, "libplug_blue.so", ns);
	return 0;
}
