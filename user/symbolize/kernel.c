/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/kernel.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536
#define MAX_NAME  512 /* KSYM_NAME_LEN */
/* Code that no symbol stands for (trampolines, freed init code) must not get its neighbour's name. */
#define MAX_REACH (4ull << 20)

/* The nearest symbol at or below a query. */
struct nearest {
	uint64_t addr;
	char *name; /* "" or NULL: nothing, or no code */
	size_t cap;
};

struct parse {
	struct query *q;
	size_t n;
	struct nearest *hits;
	size_t slot; /* of the last symbol: most lists ascend */
	bool failed;
};

static bool is_code(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

/* Marks of the linker script, which share their address with a function or end the text. */
static bool is_mark(const char *name, size_t len)
{
	static const char *const marks[] = { "_text",	   "_stext",	 "_etext",
					     "_sinittext", "_einittext", "__init_begin" };

	if (name[0] != '_')
		return false;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strlen(marks[i]) == len && memcmp(marks[i], name, len) == 0)
			return true;
	return len > 11 && (memcmp(name + len - 11, "_text_start", 11) == 0 ||
			    memcmp(name + len - 9, "_text_end", 9) == 0);
}

static size_t underscores(const char *s)
{
	return strspn(s, "_");
}

/* Aliases: fewer leading underscores, else the first. */
static bool takes_over(const struct nearest *hit, const char *name, size_t len)
{
	size_t own = 0;

	if (!hit->name || !hit->name[0])
		return true;
	while (own < len && name[own] == '_')
		own++;
	return own < underscores(hit->name);
}

/* The query that this symbol is the nearest for so far, if it is one: where it may be written down. */
static struct nearest *slot_for(struct parse *ps, uint64_t addr)
{
	size_t i = ps->slot;
	struct nearest *hit;

	if (i >= ps->n || ps->q[i].addr < addr || (i > 0 && ps->q[i - 1].addr >= addr))
		i = query_lower_bound(ps->q, ps->n, addr);
	ps->slot = i;
	if (i == ps->n || addr < ps->hits[i].addr)
		return NULL;
	hit = &ps->hits[i];
	if (addr > hit->addr && hit->name)
		hit->name[0] = '\0';
	hit->addr = addr;
	return hit;
}

static void keep_name(struct parse *ps, struct nearest *hit, const char *name, size_t len)
{
	if (!hit->name || len + 1 > hit->cap) {
		char *bigger = realloc(hit->name, len + 33);

		if (!bigger) {
			ps->failed = true;
			return;
		}
		hit->name = bigger;
		hit->cap = len + 33;
	}
	memcpy(hit->name, name, len);
	hit->name[len] = '\0';
}

/* rest: "T name\t[module]", without its newline. */
static void offer(struct parse *ps, uint64_t addr, const char *rest, size_t len)
{
	struct nearest *hit = slot_for(ps, addr);
	const char *name = rest + 2, *tab;
	size_t name_len;

	if (!hit || !is_code(rest[0]))
		return;
	len -= 2;
	tab = memchr(name, '\t', len);
	name_len = tab ? (size_t)(tab - name) : len;
	if (is_mark(name, name_len) || !takes_over(hit, name, name_len))
		return;
	keep_name(ps, hit, name, len);
	/* a NUL in the line ends the copy early */
	if (hit->name && tab && strlen(hit->name) > name_len)
		hit->name[name_len] = ' ';
}

/* Length of the address that a line "address T name…" begins with, 0: it is none. */
static size_t parse_address(const char *line, size_t len, uint64_t *ret_addr)
{
	uint64_t addr = 0;
	size_t i = 0;

	for (; i < len && i < 16 && line[i] != ' '; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c >= '0' && c <= '9')
			addr = addr << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			addr = addr << 4 | (c - 'a' + 10u);
		else
			return 0;
	}
	*ret_addr = addr;
	/* " T n" at least */
	return len - i < 4 || len - i > MAX_NAME + 64 || line[i] != ' ' || line[i + 2] != ' ' ? 0
											      : i;
}

static void parse_line(struct parse *ps, const char *line, size_t len)
{
	uint64_t addr;
	size_t at = parse_address(line, len, &addr);

	if (at && addr != 0)
		offer(ps, addr, line + at + 1, len - at - 1);
}

static int parse_fd(struct parse *ps, int fd)
{
	char *bytes = malloc(READ_SIZE);
	size_t held = 0;
	ssize_t n = 0;

	if (bytes == NULL)
		return -ENOMEM;
	while ((n = read(fd, bytes + held, READ_SIZE - held)) > 0 || (n < 0 && errno == EINTR)) {
		char *at = bytes, *end, *newline;

		if (n < 0)
			continue;
		end = bytes + held + n;
		while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
			parse_line(ps, at, (size_t)(newline - at));
			at = newline + 1;
		}
		held = (size_t)(end - at);
		if (held == READ_SIZE)
			held = 0; /* no line is that long */
		memmove(bytes, at, held);
	}
	free(bytes);
	return n < 0 ? -errno : 0;
}

static void harvest(struct parse *ps, kernel_name_fn name, void *ctx)
{
	const struct nearest *near = NULL;

	for (size_t i = 0; i < ps->n; i++) {
		struct query *q = &ps->q[i];

		if (ps->hits[i].addr != 0)
			near = &ps->hits[i];
		if (near == NULL || near->name == NULL || near->name[0] == '\0' ||
		    q->addr - near->addr > MAX_REACH || q->named)
			continue;
		name(ctx, q, near->name);
		q->named = true;
	}
}

bool kernel_hidden(int fd)
{
	char bytes[4096];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	const char *at = bytes, *end = bytes + (n > 0 ? n : 0), *newline;
	bool hidden = false;
	uint64_t addr;

	for (; (newline = memchr(at, '\n', (size_t)(end - at))) != NULL; at = newline + 1) {
		if (!parse_address(at, (size_t)(newline - at), &addr))
			continue;
		if (addr != 0)
			return false;
		hidden = true;
	}
	return hidden;
}

int kernel_names(int fd, struct query *q, size_t n, kernel_name_fn name, void *ctx)
{
	struct parse ps = { .q = q, .n = n, .hits = calloc(n + 1, sizeof(*ps.hits)) };
	int err;

	if (ps.hits == NULL)
		return -ENOMEM;
	err = parse_fd(&ps, fd);
	harvest(&ps, name, ctx);
	for (size_t i = 0; i < n; i++)
		free(ps.hits[i].name);
	free(ps.hits);
	return err == 0 && ps.failed ? -ENOMEM : err;
}
