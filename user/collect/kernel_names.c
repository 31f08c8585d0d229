// SPDX-License-Identifier: BSD-2-Clause
/* Names of the kernel's functions, by bpf/kernel.bpf.c. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "collect/impl.h"
#include "tprof.skel.h"

#define TAG_DIGITS 16  /* of a BPF program */
#define MAX_LINE   640 /* KSYM_SYMBOL_LEN and the index */

struct question {
	const uint64_t *addresses;
	size_t count;
	collect_named_fn named;
	void *to;
	size_t asked; /* of them: the next batch begins there */
};

/* ── an answer ──────────────────────────────────────────────────────────────────────────────── */

static bool number_follows(const char *s, size_t least, int (*is_digit)(int))
{
	size_t n = 0;

	while (is_digit((unsigned char)s[n]))
		n++;
	return n >= least && (s[n] == '\0' || s[n] == '_');
}

/* What /proc/kallsyms lists as [bpf]; the look-up does not say it. */
static bool is_bpf_image(const char *name)
{
	static const char program[] = "bpf_prog_", trampoline[] = "bpf_trampoline_";

	if (strncmp(name, program, sizeof(program) - 1) == 0)
		return number_follows(name + sizeof(program) - 1, TAG_DIGITS, isxdigit);
	return strncmp(name, trampoline, sizeof(trampoline) - 1) == 0 &&
	       number_follows(name + sizeof(trampoline) - 1, 1, isdigit);
}

/* "index function+0xoffset/0xsize [module]"; an address without a function has no plus. */
static void take_line(const struct question *q, char *line)
{
	char *name, *plus, whole[MAX_LINE];
	size_t index = strtoul(line, &name, 10);
	const char *module;

	if (*name++ != ' ' || index >= q->count - q->asked)
		return;
	plus = strstr(name, "+0x");
	if (!plus || plus == name)
		return;
	module = strstr(plus, " [");
	*plus = '\0';
	snprintf(whole, sizeof(whole), "%s%s", name,
		 module		      ? module
		 : is_bpf_image(name) ? " [bpf]"
				      : "");
	q->named(q->to, q->asked + index, whole);
}

/* ── a question ─────────────────────────────────────────────────────────────────────────────── */

/* One run of the program over all of the map. */
static int run(const struct question *q, int link)
{
	struct buf text = BUF_INIT;
	int fd = bpf_iter_create(link), err;
	char *rest, *line;

	if (fd < 0)
		return -errno;
	err = buf_read_fd(&text, fd, (size_t)TPROF_KERNEL_NAMES * MAX_LINE);
	close(fd);
	rest = err ? NULL : text.data;
	while ((line = strsep(&rest, "\n")) != NULL)
		take_line(q, line);
	buf_release(&text);
	return err;
}

static int ask(struct question *q, int map, int link)
{
	LIBBPF_OPTS(bpf_map_batch_opts, o);
	uint32_t indexes[TPROF_KERNEL_NAMES], n;
	int err = 0;

	for (uint32_t i = 0; i < TPROF_KERNEL_NAMES; i++)
		indexes[i] = i;
	for (; !err && q->asked < q->count; q->asked += n) {
		n = q->count - q->asked < TPROF_KERNEL_NAMES ? (uint32_t)(q->count - q->asked)
							     : TPROF_KERNEL_NAMES;
		/* what is behind them is the batch's before: take_line() passes it over */
		err = bpf_map_update_batch(map, indexes, q->addresses + q->asked, &n, &o);
		if (!err)
			err = run(q, link);
	}
	return err;
}

int collect_kernel_names(struct collect *c, const uint64_t *addresses, size_t n,
			 collect_named_fn named, void *to)
{
	struct question q = { .addresses = addresses, .count = n, .named = named, .to = to };
	int map = bpf_map__fd(c->skel->maps.kernel_addresses), err;
	union bpf_iter_link_info info = { .map.map_fd = (__u32)map };
	LIBBPF_OPTS(bpf_iter_attach_opts, o, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(c->skel->progs.kernel_name, &o);

	if (!link)
		return -errno;
	err = ask(&q, map, bpf_link__fd(link));
	bpf_link__destroy(link);
	return err;
}
