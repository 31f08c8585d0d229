// SPDX-License-Identifier: BSD-2-Clause
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/help.h"
#include "cmd/options.h"
#include "cmd/privileges.h"

const struct cmd *const commands[] = {
	&cmd_record, &cmd_report, &cmd_flamegraph, &cmd_export,
	&cmd_diff,   &cmd_check,  &cmd_help,	   NULL,
};

/*
 * Started with a standard descriptor closed, the next file opened would take its place and be
 * written into. A stdout that cannot be written to keeps being one.
 */
static void keep_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const struct cmd *c;

	keep_standard_fds();
	setlocale(LC_CTYPE, "C.UTF-8"); /* output is UTF-8 whatever the caller's locale */
	if (argc < 2) {
		help_print(NULL, stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("tprof " TPROF_VERSION);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help_print(NULL, stdout);
		return EXIT_DONE;
	}
	c = command_by_name(argv[1]);
	if (!c)
		return usage_error(NULL,
				   argv[1][0] == '-' ? "unknown option %s" : "unknown command %s",
				   argv[1]);
	if (!c->privileged)
		(void)privileges_reading();
	return c->run(c, argc - 1, argv + 1);
}
