// SPDX-License-Identifier: BSD-2-Clause
#include "collect/procinfo.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile/profile.h"

#define CMDLINE_MAX  4096
#define CONTAINER_ID 64

/* At most size - 1 bytes, NUL behind them. How many, or negative errno. */
static ssize_t read_proc(const char *path, char *ret_text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, ret_text, size - 1);
	err = errno;
	close(fd);
	if (n < 0)
		return -err;
	ret_text[n] = '\0';
	return n;
}

static const char *status_field(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	return at ? at + strlen(key) : NULL;
}

/* The last number of a line. */
static long last_number(const char *line)
{
	long value = 0;
	char *end;

	while (*line && *line != '\n') {
		long v = strtol(line, &end, 10);

		if (end == line)
			break;
		value = v;
		line = end;
	}
	return value;
}

static void status_name(const char *status, char ret_comm[64])
{
	const char *name = status_field(status, "Name:\t");
	size_t len = name ? strcspn(name, "\n") : 0;

	len = len < 63 ? len : 63;
	if (name)
		memcpy(ret_comm, name, len);
	ret_comm[len] = '\0';
}

int procinfo_read(pid_t pid, struct procinfo *ret_info)
{
	char path[40], status[4096];
	const char *field, *name_end;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	n = read_proc(path, status, sizeof(status));
	if (n < 0)
		return (int)n;
	*ret_info = (struct procinfo){ .state = '?' };
	status_name(status, ret_info->comm);
	/* the name may hold anything but a newline: look behind it */
	name_end = strchr(status, '\n');
	if (!name_end)
		return -ESRCH;
	if ((field = status_field(name_end, "\nState:\t")))
		ret_info->state = *field;
	if ((field = status_field(name_end, "\nTgid:\t")))
		ret_info->tgid = (pid_t)strtol(field, NULL, 10);
	if ((field = status_field(name_end, "\nNSpid:\t")))
		ret_info->ns_pid = (pid_t)last_number(field);
	if ((field = status_field(name_end, "\nUid:\t"))) {
		char *end;

		strtoul(field, &end, 10);
		ret_info->uid = (uid_t)strtoul(end, NULL, 10);
	}
	/* a zombie has no memory either; kernel threads never are zombies for long */
	ret_info->kernel_thread = ret_info->state != 'Z' && ret_info->state != 'X' &&
				  !status_field(name_end, "\nVmSize:\t");
	return 0;
}

int procinfo_comm(pid_t tgid, pid_t tid, char ret_comm[64])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)tgid, (int)tid);
	n = read_proc(path, ret_comm, 64);
	if (n < 0)
		return (int)n;
	if (n > 0 && ret_comm[n - 1] == '\n')
		ret_comm[n - 1] = '\0';
	return 0;
}

uint32_t procinfo_threads(pid_t pid)
{
	char path[40];
	uint32_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (struct dirent *e; (e = readdir(dir));)
		n += isdigit((unsigned char)e->d_name[0]) != 0;
	closedir(dir);
	return n;
}

size_t procinfo_container(const char *cgroup, const char **ret_id)
{
	size_t run = 0;

	for (const char *at = cgroup;; at++) {
		if (isdigit((unsigned char)*at) || (*at >= 'a' && *at <= 'f')) {
			run++;
			continue;
		}
		if (run == CONTAINER_ID) {
			*ret_id = at - run;
			return run;
		}
		if (!*at)
			return 0;
		run = 0;
	}
}

static uint32_t cmdline_string(struct profile *p, pid_t pid)
{
	char path[40], text[CMDLINE_MAX] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = read_proc(path, text, sizeof(text));
	while (n > 0 && !text[n - 1])
		n--;
	if (n <= 0)
		return 0;
	for (ssize_t i = 0; i < n; i++) {
		if (!text[i])
			text[i] = ' ';
	}
	return profile_string_n(p, text, (size_t)n);
}

static uint32_t exe_string(struct profile *p, pid_t pid)
{
	char path[40], exe[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe));
	return n > 0 ? profile_string_n(p, exe, (size_t)n) : 0;
}

/* cgroup2's line is "0::/path"; without one the first line's path will do. */
static void cgroup_strings(struct profile *p, struct profile_process *process, pid_t pid)
{
	char path[40], text[8192] = "";
	const char *at, *id;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (read_proc(path, text, sizeof(text)) <= 0)
		return;
	len = procinfo_container(text, &id);
	if (len)
		process->container = profile_string_n(p, id, len);
	at = strncmp(text, "0::", 3) == 0 ? text + 3 : strstr(text, "\n0::");
	if (at) {
		at = strchr(at, '/');
		process->cgroup = at ? profile_string_n(p, at, strcspn(at, "\n")) : 0;
	}
}

void procinfo_fill(struct profile *p, uint32_t process, pid_t pid)
{
	struct profile_process *at = profile_process_at(p, process);
	struct procinfo info;
	uint32_t text;

	if (!process || procinfo_read(pid, &info) < 0)
		return;
	at->comm = profile_string(p, info.comm);
	at->ns_pid = info.ns_pid;
	at->uid = info.uid;
	if (!profile_info_const(p)->no_cmdline && (text = cmdline_string(p, pid)))
		at->cmdline = text;
	if ((text = exe_string(p, pid)))
		at->exe = text;
	cgroup_strings(p, at, pid);
}
