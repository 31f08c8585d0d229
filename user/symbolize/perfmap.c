/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/perfmap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolize/rootfile.h"

#define READ_SIZE  65536
#define MAX_BYTES  (256ll << 20)
#define MAX_PREFIX 64	/* START and SIZE */
#define MAX_NAME   4000 /* of a name; longer ones are cut */
/* Pairs of line and covered query; a real file has few per query. */
#define MAX_WORK 20000000ull

struct entry {
	uint64_t start, end;
	const char *name;
	size_t len;
};

/* The last line that covers a query: where it stands in the file. Read again for its name, so that
 * hostile lines cost no memory. */
struct hit {
	uint64_t start, end;
	off_t line; /* -1 = none */
};

struct parse {
	struct query *q;
	size_t n;
	struct hit *hits;
	uint64_t work;
};

static bool parse_hex(const char **at, const char *end, uint64_t *ret_value)
{
	const char *s = *at;
	uint64_t v = 0;
	int digits = 0;

	while (s < end && *s == ' ')
		s++;
	if (end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	for (; s < end && digits <= 16; s++, digits++) {
		unsigned char c = (unsigned char)*s;

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | ((c | 32) - 'a' + 10u);
		else
			break;
	}
	*at = s;
	*ret_value = v;
	return digits > 0 && digits <= 16 && s < end && *s == ' ';
}

static bool parse_entry(const char *line, size_t len, struct entry *ret_entry)
{
	const char *at = line, *end = line + len;
	struct entry e;
	uint64_t size;

	if (!parse_hex(&at, end, &e.start) || !parse_hex(&at, end, &size))
		return false;
	while (at < end && *at == ' ')
		at++;
	if (end > at && end[-1] == '\r')
		end--;
	e.end = e.start + size;
	e.name = at;
	e.len = (size_t)(end - at);
	if (e.end <= e.start || e.len == 0)
		return false;
	*ret_entry = e;
	return true;
}

static void take_line(struct parse *ps, const char *line, size_t len, off_t at)
{
	struct entry e;

	if (ps->work > MAX_WORK || !parse_entry(line, len, &e))
		return;
	for (size_t i = query_lower_bound(ps->q, ps->n, e.start);
	     i < ps->n && ps->q[i].addr < e.end && ps->work++ < MAX_WORK; i++)
		ps->hits[i] = (struct hit){ .start = e.start, .end = e.end, .line = at };
}

/* Takes the whole lines of [bytes, bytes + held), which stand at file offset `at`; returns how many
 * bytes those were. */
static size_t take_lines(struct parse *ps, const char *bytes, size_t held, off_t at)
{
	const char *line = bytes, *end = bytes + held, *newline;

	while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		take_line(ps, line, (size_t)(newline - line), at + (line - bytes));
		line = newline + 1;
	}
	return (size_t)(line - bytes);
}

/* A line longer than the buffer is known by its beginning; what follows is no line of its own. */
static int parse_fd(struct parse *ps, int fd, off_t at, off_t end)
{
	char *bytes = malloc(READ_SIZE);
	bool inside = at > 0; /* of a line whose beginning was passed over */
	size_t held = 0;
	ssize_t n = 0;

	if (!bytes)
		return -ENOMEM;
	while (at + (off_t)held < end &&
	       (n = pread(fd, bytes + held, READ_SIZE - held, at + (off_t)held)) > 0) {
		char *newline;
		size_t used = 0;

		held += (size_t)n;
		newline = inside ? memchr(bytes, '\n', held) : NULL;
		if (newline) {
			used = (size_t)(newline - bytes) + 1;
			inside = false;
		}
		if (!inside)
			used += take_lines(ps, bytes + used, held - used, at + (off_t)used);
		if (used == 0 && (inside || held == READ_SIZE)) {
			if (!inside)
				take_line(ps, bytes, held, at);
			inside = true;
			used = held;
		}
		held -= used;
		memmove(bytes, bytes + used, held);
		at += (off_t)used;
	}
	free(bytes);
	return n < 0 ? -errno : 0;
}

static void sanitize(char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			*name = '?';
}

static bool read_name(int fd, const struct hit *hit, char *name, size_t cap)
{
	char line[MAX_PREFIX + MAX_NAME];
	ssize_t n = pread(fd, line, sizeof(line), hit->line);
	const char *newline = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
	struct entry e;

	/* the file may have been written anew in between */
	if (n <= 0 || !parse_entry(line, newline ? (size_t)(newline - line) : (size_t)n, &e) ||
	    e.start != hit->start || e.end != hit->end)
		return false;
	if (e.len > cap - 1)
		e.len = cap - 1;
	memcpy(name, e.name, e.len);
	name[e.len] = '\0';
	sanitize(name);
	perfmap_tidy(name);
	return true;
}

int perfmap_names(int fd, struct query *q, size_t n, perfmap_name_fn name, void *ctx)
{
	struct parse ps = { .q = q, .n = n };
	char text[MAX_NAME + 1];
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	ps.hits = calloc(n + 1, sizeof(*ps.hits));
	if (!ps.hits)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ps.hits[i].line = -1;
	err = parse_fd(&ps, fd, st.st_size > MAX_BYTES ? st.st_size - MAX_BYTES : 0, st.st_size);
	for (size_t i = 0; i < n; i++) {
		if (q[i].named || ps.hits[i].line < 0 ||
		    !read_name(fd, &ps.hits[i], text, sizeof(text)))
			continue;
		name(ctx, &q[i], text);
		q[i].named = true;
	}
	free(ps.hits);
	return err;
}

int perfmap_open(int root_fd, int32_t ns_pid, uint32_t uid)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)ns_pid);
	fd = rootfile_open_nofollow(root_fd, path);
	if (fd < 0)
		return fd;
	/* A second name may be a link that somebody made to a file that is not theirs to read. */
	if (fstat(fd, &st) < 0 || (st.st_uid != uid && st.st_uid != 0) || st.st_nlink != 1) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

/* "Pool$$Lambda$2/0x00007fb455000c30.run": the address of a hidden class is another in each run. */
static void cut_class_address(char *name)
{
	char *at = strstr(name, "/0x");
	size_t digits = at ? strspn(at + 3, "0123456789abcdef") : 0;

	if (digits >= 8 && at[3 + digits] == '.')
		memmove(at, at + 3 + digits, strlen(at + 3 + digits) + 1);
}

void perfmap_tidy(char *name)
{
	char *open, *space;
	size_t len;

	cut_class_address(name);
	open = strchr(name, '(');
	space = strchr(name, ' ');
	len = strlen(name);
	if (!open || !space || space > open || name[len - 1] != ')')
		return;
	*open = '\0';
	if (strchr(space + 1, ' ') || !strchr(space + 1, '.'))
		*open = '(';
	else
		memmove(name, space + 1, strlen(space + 1) + 1);
}
