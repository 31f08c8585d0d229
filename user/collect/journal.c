// SPDX-License-Identifier: BSD-2-Clause
#include "collect/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int journal_init(struct journal *j)
{
	j->ring = calloc(JOURNAL_ENTRIES, sizeof(*j->ring));
	j->pids = calloc(JOURNAL_ENTRIES, sizeof(*j->pids));
	if (j->ring && j->pids)
		return 0;
	journal_release(j);
	return -ENOMEM;
}

void journal_add(struct journal *j, pid_t pid, const struct map_entry *e)
{
	struct journal_entry *to;
	char *path;

	if (!j->ring)
		return;
	path = strdup(e->path);
	if (!path)
		return;
	to = &j->ring[j->next];
	j->pids[j->next] = pid;
	j->next = (j->next + 1) % JOURNAL_ENTRIES;
	free(to->path);
	*to = (struct journal_entry){ .e = *e, .path = path };
	to->e.path = path;
}

void journal_replay(const struct journal *j, pid_t pid,
		    int (*entry)(void *ctx, const struct map_entry *e), void *ctx)
{
	for (size_t i = 0; j->ring && i < JOURNAL_ENTRIES; i++) {
		size_t at = (j->next + i) % JOURNAL_ENTRIES;

		if (j->pids[at] == pid)
			entry(ctx, &j->ring[at].e);
	}
}

void journal_release(struct journal *j)
{
	for (size_t i = 0; j->ring && i < JOURNAL_ENTRIES; i++)
		free(j->ring[i].path);
	free(j->ring);
	free(j->pids);
	*j = (struct journal){ 0 };
}
