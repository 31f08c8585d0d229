// SPDX-License-Identifier: BSD-2-Clause
#include "collect/cpus.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/clock.h"

#define UNIT_BITS    20
#define CALIBRATE_NS (2 * NSEC_PER_MSEC)

static int event_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	int fd = (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static struct perf_event_attr attr_of(const struct cpus *cpus)
{
	return (struct perf_event_attr){
		.size = sizeof(struct perf_event_attr),
		.type = cpus->cycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE,
		.config = cpus->cycles ? (uint64_t)PERF_COUNT_HW_CPU_CYCLES
				       : (uint64_t)PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = cpus->period,
		.disabled = 1,
	};
}

/* ── which event ────────────────────────────────────────────────────────────────────────────── */

/*
 * ns per cycle of a busy CPU, in 2^-20; 0 = cycles are not counted here (a virtual machine without
 * a PMU refuses them, some take them and count nothing). A fixed period of so many cycles is used,
 * not the kernel's frequency mode: that one samples more often the idler the CPU is, so that samples
 * would not be time.
 */
static uint64_t cycle_length(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.sample_period = 1000000000ULL, /* a counter that can sample */
	};
	uint64_t cycles = 0, begin, now;
	int fd = event_open(&attr, 0, -1);

	if (fd < 0)
		return 0;
	begin = now = clock_now();
	while (now - begin < CALIBRATE_NS)
		now = clock_now();
	if (read(fd, &cycles, sizeof(cycles)) != sizeof(cycles))
		cycles = 0;
	close(fd);
	/* less than 50 MHz is no count */
	if (!cycles || cycles < (now - begin) / 20)
		return 0;
	return ((now - begin) << UNIT_BITS) / cycles;
}

int cpus_init(struct cpus *cpus, unsigned hz, struct diag *d)
{
	int possible = libbpf_num_possible_cpus();
	uint64_t cycle = cycle_length();

	*cpus = (struct cpus){ .uevent_fd = -1 };
	if (possible <= 0)
		return diag_errno(d, possible ? possible : -ENODEV,
				  "cannot tell how many CPUs there are");
	cpus->count = (size_t)possible;
	cpus->cycles = cycle != 0;
	cpus->ns_per_unit = cycle ? cycle : 1ULL << UNIT_BITS;
	cpus->period = ((NSEC_PER_SEC / hz) << UNIT_BITS) / cpus->ns_per_unit;
	cpus->links = calloc(cpus->count, sizeof(struct bpf_link *));
	cpus->gone = calloc(cpus->count, sizeof(*cpus->gone));
	if (!cpus->links || !cpus->gone)
		return diag_errno(d, -ENOMEM, "CPUs");
	return 0;
}

const char *cpus_event_name(const struct cpus *cpus)
{
	return cpus->cycles ? "cycles" : "cpu-clock";
}

/* ── which CPUs ─────────────────────────────────────────────────────────────────────────────── */

size_t cpus_parse_list(const char *list, bool *mask, size_t count)
{
	size_t n = 0;
	char *end;

	memset(mask, 0, count * sizeof(*mask));
	while (*list) {
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			break;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (unsigned long cpu = first; cpu <= last && cpu < count; cpu++) {
			n += !mask[cpu];
			mask[cpu] = true;
		}
		list = *end == ',' ? end + 1 : "";
	}
	return n;
}

size_t cpus_online(bool *mask, size_t count)
{
	char list[4096];
	int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0) {
		list[n] = '\0';
		return cpus_parse_list(list, mask, count);
	}
	/* without sysfs: try them all, what is offline refuses */
	memset(mask, 1, count * sizeof(*mask));
	return count;
}

/* ── attaching ──────────────────────────────────────────────────────────────────────────────── */

static void cpu_detach(struct cpus *cpus, size_t cpu)
{
	if (!cpus->links[cpu])
		return;
	bpf_link__destroy(cpus->links[cpu]); /* closes the event too */
	cpus->links[cpu] = NULL;
	cpus->gone[cpu]++;
}

static int cpu_attach(struct cpus *cpus, size_t cpu)
{
	struct perf_event_attr attr = attr_of(cpus);
	int fd = event_open(&attr, -1, (int)cpu), err;

	if (fd < 0)
		return fd;
	cpus->links[cpu] = bpf_program__attach_perf_event(cpus->program, fd);
	if (cpus->links[cpu])
		return 0;
	err = -errno;
	close(fd);
	return err;
}

/* CPUs' uevents; without them a CPU that goes and comes between two looks is lost. */
static int uevent_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int cpus_attach(struct cpus *cpus, struct bpf_program *program, struct diag *d)
{
	bool *online = calloc(cpus->count, sizeof(*online));
	size_t attached = 0;
	int err = 0;

	if (!online)
		return diag_errno(d, -ENOMEM, "CPUs");
	cpus->program = program;
	cpus->uevent_fd = uevent_open();
	cpus_online(online, cpus->count);
	for (size_t cpu = 0; cpu < cpus->count; cpu++) {
		int failed = online[cpu] ? cpu_attach(cpus, cpu) : 0;

		err = failed && failed != -ENODEV && failed != -ENXIO ? failed : err;
		attached += cpus->links[cpu] != NULL;
	}
	free(online);
	if (attached)
		return 0;
	return diag_errno(d, err ? err : -ENODEV, "cannot open the sampling event %s",
			  cpus_event_name(cpus));
}

bool cpus_follow(struct cpus *cpus)
{
	bool *online = calloc(cpus->count, sizeof(*online)), any = false;

	if (online)
		cpus_online(online, cpus->count);
	for (size_t cpu = 0; online && cpu < cpus->count; cpu++) {
		if (online[cpu] == (cpus->links[cpu] != NULL))
			continue;
		if (!online[cpu])
			cpu_detach(cpus, cpu);
		else
			(void)cpu_attach(cpus, cpu); /* gone again already: the next look decides */
		any = true;
	}
	free(online);
	return any;
}

/* "online@/devices/system/cpu/cpu1": the CPU, or -1. */
static long uevent_cpu(const char *text)
{
	const char *at = strstr(text, "@/devices/system/cpu/cpu");
	char *end;
	long cpu;

	if (!at)
		return -1;
	at += strlen("@/devices/system/cpu/cpu");
	cpu = strtol(at, &end, 10);
	return end == at || *end ? -1 : cpu;
}

bool cpus_uevent(struct cpus *cpus)
{
	char text[4096];
	bool any = false;
	ssize_t n;

	while ((n = recv(cpus->uevent_fd, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = '\0';
		long cpu = uevent_cpu(text);

		/* its event died with it, even when it is back by now */
		if (cpu >= 0 && (size_t)cpu < cpus->count && strncmp(text, "offline", 7) == 0)
			cpu_detach(cpus, (size_t)cpu);
		any |= cpu >= 0;
	}
	any |= errno == ENOBUFS;
	if (any)
		cpus_follow(cpus);
	return any;
}

void cpus_detach(struct cpus *cpus)
{
	for (size_t cpu = 0; cpus->links && cpu < cpus->count; cpu++)
		cpu_detach(cpus, cpu);
}

void cpus_release(struct cpus *cpus)
{
	cpus_detach(cpus);
	if (cpus->uevent_fd >= 0)
		close(cpus->uevent_fd);
	free(cpus->links);
	free(cpus->gone);
	*cpus = (struct cpus){ .uevent_fd = -1 };
}
