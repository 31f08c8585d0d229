// SPDX-License-Identifier: BSD-2-Clause
#include "collect/mmap_events.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "collect/cpus.h"
#include "collect/maps.h"

#define REST_NS	   NSEC_PER_SEC
#define REST_MOST  (16 * REST_NS)
#define RATE_OVER  (10 * NSEC_PER_MSEC) /* a rate is not told from less */
#define RING_PAGES 32 /* a thousand mappings on each CPU, while tprof waits for one */

struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char filename[];
};

_Static_assert(sizeof(struct mmap2_record) == 72, "ABI");

static int ring_open(struct mmap_events *m, size_t cpu)
{
	struct mmap_ring *r = &m->rings[cpu];
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.disabled = m->resting,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)m->size / 2,
	};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int err;

	r->fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	r->base = mmap(NULL, page + m->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->base != MAP_FAILED)
		return 0;
	err = -errno;
	r->base = NULL;
	close(r->fd);
	r->fd = -1;
	return err;
}

static void ring_close(const struct mmap_events *m, struct mmap_ring *r)
{
	if (r->base)
		munmap(r->base, m->size + (size_t)sysconf(_SC_PAGESIZE));
	if (r->fd >= 0)
		close(r->fd);
	r->base = NULL;
	r->fd = -1;
}

int mmap_events_open(struct mmap_events *m, const struct cpus *cpus, struct diag *d)
{
	m->rings = calloc(cpus->count, sizeof(*m->rings));
	if (!m->rings)
		return diag_errno(d, -ENOMEM, "mapping events");
	m->count = cpus->count;
	m->size = RING_PAGES * (size_t)sysconf(_SC_PAGESIZE);
	m->since_ns = clock_now();
	m->rest_ns = REST_NS;
	for (size_t cpu = 0; cpu < m->count; cpu++)
		m->rings[cpu].fd = -1;
	mmap_events_follow(m, cpus);
	return 0;
}

void mmap_events_follow(struct mmap_events *m, const struct cpus *cpus)
{
	bool *online = calloc(m->count, sizeof(*online));

	if (online)
		cpus_online(online, m->count);
	/* without them an unknown address still tells of a new mapping: no error */
	for (size_t cpu = 0; online && cpu < m->count; cpu++) {
		struct mmap_ring *r = &m->rings[cpu];

		if (r->gone != cpus->gone[cpu])
			ring_close(m, r);
		if (online[cpu] && r->fd < 0)
			(void)ring_open(m, cpu);
		r->gone = cpus->gone[cpu];
	}
	free(online);
}

static void ring_copy(const struct mmap_events *m, const char *data, uint64_t from, void *to,
		      size_t size)
{
	size_t at = from & (m->size - 1), first = m->size - at < size ? m->size - at : size;

	memcpy(to, data + at, first);
	memcpy((char *)to + first, data, size - first);
}

static void record_entry(const struct mmap2_record *r,
			 void (*entry)(void *ctx, pid_t pid, const struct map_entry *e), void *ctx)
{
	struct map_entry e = {
		.start = r->addr,
		.end = r->addr + r->len,
		.offset = r->pgoff,
		.dev = makedev(r->maj, r->min),
		.inode = r->ino,
		.path = r->filename,
	};

	if (r->prot & PROT_EXEC && e.start < e.end)
		entry(ctx, (pid_t)r->pid, &e);
}

static void ring_read(struct mmap_events *m, struct mmap_ring *r,
		      void (*entry)(void *ctx, pid_t pid, const struct map_entry *e),
		      void (*lost)(void *ctx), void *ctx)
{
	union {
		struct perf_event_header header;
		struct mmap2_record mmap2;
		char bytes[8192]; /* a record has at most PATH_MAX and a little */
	} u;
	struct perf_event_mmap_page *page = r->base;
	const char *data = (const char *)r->base + page->data_offset;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = page->data_tail;

	while (tail < head) {
		ring_copy(m, data, tail, &u.header, sizeof(u.header));
		if (u.header.size < sizeof(u.header))
			break;
		if (u.header.size < sizeof(u)) {
			ring_copy(m, data, tail, u.bytes, u.header.size);
			u.bytes[u.header.size] = '\0';
			if (u.header.type == PERF_RECORD_MMAP2 &&
			    u.header.size > sizeof(struct mmap2_record))
				record_entry(&u.mmap2, entry, ctx);
			else if (u.header.type == PERF_RECORD_LOST)
				lost(ctx);
			else if (u.header.type == PERF_RECORD_FORK ||
				 u.header.type == PERF_RECORD_EXIT)
				m->tasks++;
		}
		tail += u.header.size;
	}
	__atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
}

/* ── rests ──────────────────────────────────────────────────────────────────────────────────── */

static void count_anew(struct mmap_events *m, uint64_t now)
{
	m->since_ns = now;
	m->tasks = 0;
}

static void rest(struct mmap_events *m, bool resting, uint64_t now)
{
	for (size_t cpu = 0; cpu < m->count; cpu++) {
		if (m->rings[cpu].fd >= 0)
			(void)ioctl(m->rings[cpu].fd,
				    resting ? PERF_EVENT_IOC_DISABLE : PERF_EVENT_IOC_ENABLE, 0);
	}
	m->resting = resting;
	count_anew(m, now);
}

static void rest_if_many(struct mmap_events *m, uint64_t now)
{
	uint64_t passed = now - m->since_ns;

	if (passed < RATE_OVER)
		return;
	if (m->tasks > MMAP_EVENTS_TASKS * passed / NSEC_PER_SEC) {
		rest(m, true, now);
	} else if (passed >= REST_NS) {
		m->rest_ns = REST_NS;
		count_anew(m, now);
	}
}

static void rest_on(struct mmap_events *m, uint64_t now)
{
	if (now - m->since_ns < m->rest_ns)
		return;
	rest(m, false, now);
	m->rest_ns = m->rest_ns < REST_MOST ? 2 * m->rest_ns : REST_MOST;
}

void mmap_events_read(struct mmap_events *m,
		      void (*entry)(void *ctx, pid_t pid, const struct map_entry *e),
		      void (*lost)(void *ctx), void *ctx)
{
	uint64_t now = clock_now();

	for (size_t cpu = 0; cpu < m->count; cpu++) {
		if (m->rings[cpu].base)
			ring_read(m, &m->rings[cpu], entry, lost, ctx);
	}
	if (m->resting) {
		rest_on(m, now);
		lost(ctx);
	} else {
		rest_if_many(m, now);
	}
}

void mmap_events_release(struct mmap_events *m)
{
	for (size_t cpu = 0; cpu < m->count; cpu++)
		ring_close(m, &m->rings[cpu]);
	free(m->rings);
	*m = (struct mmap_events){ 0 };
}
