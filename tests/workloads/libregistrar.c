/* SPDX-License-Identifier: BSD-2-Clause */
/* The module of incident_server.c: keeps who registered, in a list that nobody ever shortens. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define noinline __attribute__((noinline))

struct peer {
	struct peer *next;
	uint64_t hash, seen;
	char name[40];
};

static struct peer *peers;

static uint64_t hash_name(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	while (*name)
		h = (h ^ (uint8_t)*name++) * 0x100000001b3;
	return h;
}

/* Each new registration is compared with all that there were since the server started. */
static noinline struct peer *find_peer(const char *name, uint64_t hash)
{
	for (struct peer *p = peers; p; p = p->next) {
		p->seen++;
		if (p->hash == hash && !strcmp(p->name, name))
			return p;
	}
	return NULL;
}

noinline void handle_register(const char *name)
{
	uint64_t hash = hash_name(name);
	struct peer *p = find_peer(name, hash);

	if (p)
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	strncpy(p->name, name, sizeof(p->name) - 1);
	p->hash = hash;
	p->next = peers;
	peers = p;
}
