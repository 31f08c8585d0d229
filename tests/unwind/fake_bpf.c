// SPDX-License-Identifier: BSD-2-Clause
#include "fake_bpf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_MAPS 8192

struct fake {
	int fd;
	uint32_t value_size, max_entries;
	uint8_t *values;
	struct fake **inner; /* of an array of maps */
	unsigned references;
};

static struct fake *maps[MAX_MAPS]; /* by descriptor */
static size_t living;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct fake *find(int fd)
{
	return fd >= 0 && fd < MAX_MAPS ? maps[fd] : NULL;
}

static void put(struct fake *m)
{
	if (!m || --m->references)
		return;
	for (uint32_t i = 0; m->inner && i < m->max_entries; i++)
		put(m->inner[i]);
	free(m->inner);
	free(m->values);
	free(m);
	living--;
}

static int make(uint32_t value_size, uint32_t max_entries, int with_inner)
{
	struct fake *m = calloc(1, sizeof(*m));
	int fd = dup(2); /* so that close() has something to close, and the number is unique */

	if (!m || fd < 0 || fd >= MAX_MAPS)
		abort();
	*m = (struct fake){ .fd = fd, .value_size = value_size, .max_entries = max_entries };
	m->values = calloc(max_entries, value_size);
	m->inner = with_inner ? calloc(max_entries, sizeof(struct fake *)) : NULL;
	m->references = 1;
	pthread_mutex_lock(&lock);
	put(maps[fd]); /* whoever had this number has closed it */
	maps[fd] = m;
	living++;
	pthread_mutex_unlock(&lock);
	return fd;
}

int fake_map(uint32_t value_size, uint32_t max_entries)
{
	return make(value_size, max_entries, 0);
}

int fake_map_of_maps(uint32_t max_entries)
{
	return make(1, max_entries, 1);
}

void *fake_map_at(int fd, uint32_t index)
{
	struct fake *m = find(fd);

	if (!m || index >= m->max_entries)
		return NULL;
	if (m->inner)
		return m->inner[index] ? m->inner[index]->values : NULL;
	return m->values + (size_t)index * m->value_size;
}

size_t fake_maps_open(void)
{
	return living;
}

void fake_reset(void)
{
	for (int i = 0; i < MAX_MAPS; i++) {
		if (!maps[i])
			continue;
		put(maps[i]);
		maps[i] = NULL;
		close(i);
	}
}

/* ── what libbpf would do ───────────────────────────────────────────────────────────────────── */

int bpf_map_create(enum bpf_map_type type, const char *name, __u32 key_size, __u32 value_size,
		   __u32 max_entries, const struct bpf_map_create_opts *opts)
{
	(void)type;
	(void)name;
	(void)key_size;
	(void)opts;
	return make(value_size, max_entries, 0);
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	struct fake *m = find(fd);
	uint32_t index;

	(void)flags;
	memcpy(&index, key, sizeof(index));
	if (!m || index >= m->max_entries) {
		errno = EBADF;
		return -1;
	}
	pthread_mutex_lock(&lock);
	if (m->inner) {
		int inner;

		memcpy(&inner, value, sizeof(inner));
		put(m->inner[index]);
		m->inner[index] = find(inner);
		m->inner[index]->references++;
	} else {
		memcpy(m->values + (size_t)index * m->value_size, value, m->value_size);
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	struct fake *m = find(fd);
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	if (!m || index >= m->max_entries) {
		errno = ENOENT;
		return -1;
	}
	memcpy(value, m->values + (size_t)index * m->value_size, m->value_size);
	return 0;
}

int bpf_map_delete_elem(int fd, const void *key)
{
	struct fake *m = find(fd);
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	if (!m || !m->inner || index >= m->max_entries) {
		errno = EINVAL;
		return -1;
	}
	pthread_mutex_lock(&lock);
	put(m->inner[index]);
	m->inner[index] = NULL;
	pthread_mutex_unlock(&lock);
	return 0;
}
