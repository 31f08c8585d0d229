/* SPDX-License-Identifier: BSD-2-Clause */
/* Small ELF files made while the test runs, by the tools that make real ones. */
#include "elf_of.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/symbolize.h"

static char scratch[256];

const char *scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(scratch, sizeof(scratch), "%s/tprof-unit-XXXXXX", tmp ? tmp : "/tmp");
	EXPECT_PTR(mkdtemp(scratch));
	return scratch;
}

void scratch_remove(void)
{
	scratch_run("cd / && rm -rf '%s'", scratch);
}

void scratch_run(const char *fmt, ...)
{
	char command[4096], line[8192];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	snprintf(line, sizeof(line), "cd '%s' && %s", scratch, command);
	if (system(line) != 0)
		fail_msg("failed: %s", command);
}

const char *scratch_path(const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

void scratch_write(const char *name, const char *text)
{
	FILE *f = fopen(scratch_path(name), "we");

	EXPECT_PTR(f);
	fputs(text, f);
	EXPECT_EQ(fclose(f), 0);
}

uint64_t nm(const char *file, const char *symbol)
{
	char command[1024], line[1024], name[1024];
	unsigned long long addr = 0;
	bool found = false;
	FILE *f;

	snprintf(command, sizeof(command), "nm '%s' 2>/dev/null; nm -D '%s' 2>/dev/null",
		 scratch_path(file), scratch_path(file));
	f = popen(command, "re");
	EXPECT_PTR(f);
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%llx %*c %1023s", &addr, name) == 2 && !strcmp(name, symbol);
	pclose(f);
	if (!found)
		fail_msg("no symbol %s in %s", symbol, file);
	return addr;
}

uint32_t module_for(struct profile *p, const char *file, const char *root)
{
	struct profile_module m = { .type = PROFILE_MODULE_FILE, .inode = 1, .dev = 1 };

	m.fd = open(scratch_path(file), O_RDONLY | O_CLOEXEC);
	EXPECT(m.fd >= 0);
	m.root_fd = root ? open(root, O_PATH | O_CLOEXEC) : -1;
	m.name = profile_string(p, root ? file : scratch_path(file));
	return profile_module(p, &m);
}

const char *named(struct profile *p, uint32_t module, uint64_t offset)
{
	uint32_t id = profile_frame(p, module, offset);
	const struct profile_frame *f;

	EXPECT_EQ(symbolize(p, &(struct symbolize_options){ 0 }, NULL), 0);
	f = profile_frame_at(p, id);
	return f->lines ? profile_str(p, profile_line_at(p, f->first_line)->function) : "";
}
