/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "profile/profile.h"
#include "symbolize/kernel.h"

static void name(void *ctx, const struct query *q, const char *symbol)
{
	symbolizer_name(ctx, q->id, symbol);
}

/* Better one honest name than thousands of hidden addresses. */
static void name_all_hidden(struct symbolizer *s, struct query *q, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		symbolizer_name(s, q[i].id, "[kernel]");
		q[i].named = true;
	}
	profile_note(s->profile, "kernel functions have no names: this host hides kernel addresses "
				 "(kernel.kptr_restrict): record as root with CAP_SYSLOG, or run "
				 "`sysctl kernel.kptr_restrict=1`");
}

struct answers {
	struct symbolizer *symbolizer;
	struct query *queries;
};

static void answer(void *ctx, size_t index, const char *symbol)
{
	const struct answers *a = ctx;

	symbolizer_name(a->symbolizer, a->queries[index].id, symbol);
	a->queries[index].named = true;
}

/* A look-up in the kernel takes about as long as printing 3 lines of its list. */
#define MAX_ASKED 20000

/* What stays without a name is looked for in the list. */
static int ask(struct symbolizer *s, struct query *q, size_t n)
{
	struct answers answers = { s, q };
	uint64_t *addresses;

	if (!s->kernel || n > MAX_ASKED)
		return 0;
	addresses = calloc(n, sizeof(*addresses));
	if (!addresses)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		addresses[i] = q[i].addr;
	(void)s->kernel->ask(s->kernel->ctx, addresses, n, answer, &answers);
	free(addresses);
	return 0;
}

static int read_list(struct symbolizer *s, int fd, struct query *q, size_t n)
{
	if (fd >= 0)
		return kernel_names(fd, q, n, name, s) == -ENOMEM ? -ENOMEM : 0;
	profile_note(s->profile, "kernel functions have no names: /proc/kallsyms cannot be "
				 "read (CONFIG_KALLSYMS, or a container without it)");
	return 0;
}

int resolve_kernel(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	int err = 0, fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

	(void)module;
	if (fd >= 0 && kernel_hidden(fd))
		name_all_hidden(s, q, n);
	else
		err = ask(s, q, n);
	if (!err && query_unnamed(q, n) > 0)
		err = read_list(s, fd, q, n);
	if (fd >= 0)
		close(fd);
	return err;
}
