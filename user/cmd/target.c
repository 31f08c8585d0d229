// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "cmd/cmd.h"
#include "cmd/output.h"
#include "profile/profile.h"

static void add_ids(struct buf *b, const char *option, const struct id_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		buf_printf(b, "%s%d", i ? "," : option, list->ids[i]);
}

char *target_text(const struct record_options *o)
{
	struct buf b = BUF_INIT;

	add_ids(&b, "-p ", &o->pids);
	add_ids(&b, "-t ", &o->tids);
	if (o->all)
		buf_addstr(&b, "-a");
	if (o->cgroup)
		buf_printf(&b, "--cgroup %s", o->cgroup);
	if (o->command) {
		buf_addstr(&b, "--");
		for (char *const *arg = o->command; *arg; arg++) {
			buf_addch(&b, ' ');
			buf_addstr(&b, o->no_cmdline && arg != o->command ? "…" : *arg);
		}
	}
	if (!b.failed)
		return b.data;
	buf_release(&b);
	return NULL;
}

/* A name given by the target as part of a file name: no slash, nothing that a shell or terminal
 * would trip over, no leading dot or dash. */
static void add_file_name(struct buf *b, const char *s)
{
	size_t start = b->len;

	for (; *s; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			     (*s >= '0' && *s <= '9') || strchr("+_.-", *s);

		if (b->len == start && (*s == '.' || *s == '-'))
			continue;
		buf_addch(b, plain ? *s : '_');
	}
	if (b->len == start)
		buf_addstr(b, "process");
}

char *target_file_name(const struct record_options *o, const struct profile *p)
{
	struct buf b = BUF_INIT;
	size_t count;
	const struct profile_process *first = profile_processes(p, &count);
	const char *slash;

	if (o->cgroup) {
		slash = strrchr(o->cgroup, '/');
		add_file_name(&b, slash ? slash + 1 : o->cgroup);
	} else if (o->all || !count) {
		buf_addstr(&b, "system");
	} else {
		slash = o->command ? strrchr(o->command[0], '/') : NULL;
		add_file_name(&b, slash	       ? slash + 1
				  : o->command ? o->command[0]
					       : profile_str(p, first->comm));
		buf_printf(&b, "-%d", first->pid);
	}
	buf_addstr(&b, ".tprof");
	if (!b.failed)
		return b.data;
	buf_release(&b);
	return NULL;
}

static int try_command(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (S_ISDIR(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return -EACCES;
	return 0;
}

/* As execvp searches: an entry without permission is remembered, the search goes on. */
static int find_in_path(const char *name)
{
	const char *path = getenv("PATH");
	int found = -ENOENT;

	if (!path)
		path = "/bin:/usr/bin";
	for (;;) {
		int len = strcspn(path, ":"), err;
		char *candidate;

		if (asprintf(&candidate, "%.*s%s%s", len, path, len ? "/" : "", name) < 0)
			return -ENOMEM;
		err = try_command(candidate);
		free(candidate);
		if (!err)
			return 0;
		if (err == -EACCES)
			found = err;
		if (!path[len])
			return found;
		path += len + 1;
	}
}

int target_check_command(char *const *command)
{
	const char *name = command[0];
	int err = *name ? strchr(name, '/') ? try_command(name) : find_in_path(name) : -ENOENT;

	if (!err)
		return 0;
	if (err == -EACCES) {
		fprintf(stderr, "tprof: cannot run %s: no permission to execute it\n", name);
		return EXIT_NOT_RUNNABLE;
	}
	if (err == -ENOMEM)
		return output_error(&(struct diag){ 0 }, err);
	fprintf(stderr, "tprof: cannot run %s: %s\n", name,
		strchr(name, '/') ? strerror(-err) : "not found in PATH");
	return EXIT_NOT_FOUND;
}
