/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <fcntl.h>
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

int resolve_kernel(struct symbolizer *s, uint32_t module, struct query *q, size_t n)
{
	int err, fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	bool hidden = false;

	(void)module;
	if (fd < 0) {
		profile_note(s->profile, "kernel functions have no names: /proc/kallsyms cannot be "
					 "read (CONFIG_KALLSYMS, or a container without it)");
		return 0;
	}
	err = kernel_names(fd, q, n, name, s, &hidden);
	close(fd);
	if (hidden)
		name_all_hidden(s, q, n);
	return err == -ENOMEM ? err : 0;
}
