// SPDX-License-Identifier: BSD-2-Clause
/* What this host allows: a row a question, the last ones by really recording for a moment. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/privilege.h"
#include "collect/collect.h"
#include "base/clock.h"
#include "collect/cpus.h"
#include "collect/maps.h"
#include "profile/profile.h"

#define TRIAL_HZ 997
#define TRIAL_NS (200 * NSEC_PER_MSEC)

struct checks {
	struct collect_check *rows;
	size_t count, max;
};

static struct collect_check *row(struct checks *c, const char *what, bool required)
{
	static const struct collect_check empty;
	struct collect_check *r;

	if (c->count == c->max)
		return NULL;
	r = &c->rows[c->count++];
	*r = empty;
	r->what = what;
	r->required = required;
	return r;
}

__attribute__((format(printf, 3, 4))) static void answer(struct collect_check *r, bool ok,
							 const char *fmt, ...)
{
	va_list args;

	r->ok = ok;
	va_start(args, fmt);
	vsnprintf(r->found, sizeof(r->found), fmt, args);
	va_end(args);
}

static void remedy(struct collect_check *r, const char *text)
{
	snprintf(r->remedy, sizeof(r->remedy), "%s", text);
}

/* The first line of a small file; "" when it cannot be read. */
static void read_line(const char *path, char *ret_line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_line, size - 1);

	if (fd >= 0)
		close(fd);
	ret_line[n > 0 ? n : 0] = '\0';
	ret_line[strcspn(ret_line, "\n")] = '\0';
}

/* ── the kernel ─────────────────────────────────────────────────────────────────────────────── */

static void check_kernel(struct checks *c)
{
	struct collect_check *r = row(c, "kernel 5.10 or newer", true);
	unsigned major = 0, minor = 0;
	struct utsname host;

	if (!r || uname(&host) < 0)
		return;
	sscanf(host.release, "%u.%u", &major, &minor);
	answer(r, major > 5 || (major == 5 && minor >= 10), "%.80s", host.release);
	remedy(r, "Boot a newer kernel: what tprof needs of BPF is not in this one.");
}

static void check_btf(struct checks *c)
{
	struct collect_check *r = row(c, "BTF of the running kernel", true);
	struct stat st;

	if (!r)
		return;
	if (stat("/sys/kernel/btf/vmlinux", &st) == 0)
		answer(r, true, "/sys/kernel/btf/vmlinux, %.1f MB", (double)st.st_size / 1e6);
	else
		answer(r, false, "no /sys/kernel/btf/vmlinux");
	remedy(r,
	       "Use a kernel built with CONFIG_DEBUG_INFO_BTF (distributions' kernels are), and see "
	       "that /sys is mounted.");
}

static void check_lockdown(struct checks *c)
{
	struct collect_check *r = row(c, "no lockdown against reading the kernel", true);
	char line[128];

	if (!r)
		return;
	read_line("/sys/kernel/security/lockdown", line, sizeof(line));
	answer(r, !strstr(line, "[confidentiality]"), "%s",
	       strstr(line, "[confidentiality]") ? "lockdown=confidentiality"
	       : strstr(line, "[integrity]")
		       ? "lockdown=integrity (no matter: tprof changes nothing)"
		       : "none");
	remedy(r,
	       "No capability helps: confidentiality forbids BPF to read the kernel's memory. Boot "
	       "with lockdown=integrity (Secure Boot's default on most distributions).");
}

/* ── privileges ─────────────────────────────────────────────────────────────────────────────── */

struct need {
	int cap, or_cap;
	const char *name;
	bool required;
	const char *without; /* what happens */
};

static const struct need needs[] = {
	{ CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF", true,
	  "BPF programs cannot be loaded: nothing can be recorded." },
	{ CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON", true,
	  "Programs that sample and trace cannot be loaded: nothing can be recorded." },
	{ CAP_SYS_PTRACE, CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false,
	  "Other users' processes show less: no perf maps, no debug files of containers; on older "
	  "kernels no mappings, so that their frames have no names." },
	{ CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, "CAP_DAC_READ_SEARCH", false,
	  "Programs that you may not read have no names, and their stacks are cut short." },
	{ CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, "CAP_CHECKPOINT_RESTORE", false,
	  "Files that were deleted or replaced since they were started have no names." },
	{ CAP_SYSLOG, CAP_SYSLOG, "CAP_SYSLOG", false,
	  "Kernel functions are one \"[kernel]\" (unless kernel.kptr_restrict is 0 and "
	  "kernel.perf_event_paranoid 1 or less)." },
	{ CAP_SETUID, CAP_SETUID, "CAP_SETUID", false,
	  "Other users' JVMs are not asked for the names of Java functions." },
	{ CAP_SETGID, CAP_SETGID, "CAP_SETGID", false,
	  "Other users' JVMs are not asked for the names of Java functions." },
	{ CAP_KILL, CAP_KILL, "CAP_KILL", false,
	  "A command that became another user is not ended with its recording." },
};

static bool has(const struct need *n)
{
	return privilege_held(n->cap) || privilege_held(n->or_cap);
}

/* A row of its own for what is missing, with what that means. */
static void check_cap(struct checks *c, const struct need *n)
{
	struct collect_check *r = has(n) ? NULL : row(c, n->name, n->required);

	if (!r)
		return;
	answer(r, false, "missing");
	remedy(r, n->without);
}

static void check_caps(struct checks *c)
{
	size_t count = sizeof(needs) / sizeof(*needs), missing = 0;
	struct collect_check *r = row(c, "privileges", true);
	bool can = true;

	for (size_t i = 0; i < count; i++) {
		missing += !has(&needs[i]);
		can &= has(&needs[i]) || !needs[i].required;
	}
	if (!r)
		return;
	answer(r, can, missing ? "uid %u, without what follows" : "uid %u, all that is needed",
	       (unsigned)geteuid());
	remedy(r,
	       "Run it with sudo, or give it the capabilities that follow: "
	       "sudo setcap cap_bpf,cap_perfmon,…=ep $(command -v tprof); docs/privileges.md has "
	       "all of them and a systemd unit.");
	for (size_t i = 0; i < count; i++)
		check_cap(c, &needs[i]);
}

/* What a sysctl means to who has the capability that overrides it, and to who has not. */
static void check_sysctl(struct checks *c, const char *what, const char *path, const struct need *n,
			 const char *forbids)
{
	struct collect_check *r = row(c, what, false);
	char line[32];

	if (!r)
		return;
	read_line(path, line, sizeof(line));
	if (!*line)
		answer(r, true, "not there");
	else if (has(n))
		answer(r, true, "%s (no matter: you have %s)", line, n->name);
	else
		answer(r, false, "%s: %s", line, forbids);
	if (!r->ok)
		snprintf(r->remedy, sizeof(r->remedy),
			 "No value of it lets tprof record: give %s instead of changing it.",
			 n->name);
}

/* Older kernels begin with per-CPU symbols at 0: only many zeros mean that addresses are hidden. */
static bool kallsyms_shown(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	bool shown = false;
	char line[512];

	for (int i = 0; f && !shown && i < 4096 && fgets(line, sizeof(line), f); i++)
		shown = strtoull(line, NULL, 16) != 0;
	if (f)
		fclose(f);
	return shown;
}

static void check_kallsyms(struct checks *c)
{
	struct collect_check *r = row(c, "names of kernel functions", false);
	bool shown = kallsyms_shown();

	if (!r)
		return;
	answer(r, shown, "/proc/kallsyms shows %s", shown ? "addresses" : "no addresses");
	remedy(r,
	       "Kernel frames will be one \"[kernel]\": needs CAP_SYSLOG and kernel.kptr_restrict "
	       "0 or 1.");
}

/* ── what degrades ──────────────────────────────────────────────────────────────────────────── */

/* Does the kernel have this BPF helper? It lists them in an enum. */
static bool helper_there(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, "bpf_func_id", BTF_KIND_ENUM) : -1;
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	bool there = false;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		there |= strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name) == 0;
	btf__free(btf);
	return there;
}

static int open_entry(void *ctx, const struct map_entry *e)
{
	char path[96];
	int *fd = ctx;

	snprintf(path, sizeof(path), "/proc/self/map_files/%llx-%llx", (unsigned long long)e->start,
		 (unsigned long long)e->end);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? -errno : 1;
}

static void check_map_files(struct checks *c)
{
	struct collect_check *r = row(c, "files by their mapping", false);
	int fd = -1;

	if (!r)
		return;
	/* the first mapping of all may be anything, but it is ours: this very program */
	maps_read(getpid(), 64, open_entry, &fd);
	answer(r, fd >= 0,
	       fd >= 0 ? "/proc/PID/map_files" : "/proc/PID/map_files may not be opened");
	remedy(r, "Deleted and replaced files stay without names: needs CAP_CHECKPOINT_RESTORE.");
	if (fd >= 0)
		close(fd);
}

static int accept_entry(void *ctx, const struct map_entry *e)
{
	(void)ctx;
	(void)e;
	return 0;
}

static void check_features(struct checks *c)
{
	struct collect_check *r = row(c, "user registers of a task in the kernel", false);

	if (r)
		answer(r, true,
		       helper_there("BPF_FUNC_task_pt_regs") ? "bpf_task_pt_regs (5.15)"
							     : "at the end of its kernel stack");
	r = row(c, "single mappings by ioctl", false);
	if (r)
		answer(r, true,
		       maps_query(getpid(), (uintptr_t)check_features, accept_entry, NULL)
			       ? "no: /proc/PID/maps is read as a whole (6.11 has it)"
			       : "PROCMAP_QUERY (6.11)");
	check_map_files(c);
}

static void check_event(struct checks *c)
{
	struct collect_check *r = row(c, "sampling event", false);
	struct cpus cpus;

	if (!r || cpus_init(&cpus, TRIAL_HZ, NULL) < 0)
		return;
	answer(r, true, "%s%s on %zu CPUs", cpus_event_name(&cpus),
	       cpus.cycles ? "" : " (no hardware counter here, as in most virtual machines)",
	       cpus.count);
	cpus_release(&cpus);
}

/* ── a recording of a child that burns CPU ──────────────────────────────────────────────────── */

static pid_t spinner_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(10);
		for (volatile unsigned i = 0;; i++)
			;
	}
	return pid;
}

static int trial(bool waits, uint64_t *ret_samples, struct diag *d)
{
	pid_t pid = spinner_fork();
	struct collect_options o = {
		.pids = &pid, .pid_count = 1, .hz = TRIAL_HZ, .waits = waits, .threads = waits
	};
	struct profile *p = profile_new();
	struct collect *c = NULL;
	int err = p && pid > 0 ? collect_new(&c, &o, p, d) : -ENOMEM;
	uint64_t deadline;

	if (!err)
		err = collect_start(c, d);
	deadline = clock_now() + TRIAL_NS;
	while (!err && clock_now() < deadline)
		err = collect_poll(c, 50, d);
	if (!err)
		err = collect_stop(c, d);
	*ret_samples = err ? 0 : collect_samples(c);
	if (!err && !*ret_samples)
		err = diag_set(d, -ENODATA, "no sample came within 200 ms");
	collect_free(c);
	profile_free(p);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return err;
}

static void check_trial(struct checks *c, const char *what, bool waits, bool required)
{
	struct collect_check *r = row(c, what, required);
	struct diag d = { 0 };
	uint64_t samples;
	int err;

	if (!r)
		return;
	err = trial(waits, &samples, &d);
	if (err < 0)
		answer(r, false, "%.127s", d.text);
	else
		answer(r, true, "loaded, attached, %u samples", (unsigned)samples);
	remedy(r, waits ? "Record with --no-waits --no-threads."
			: "See the rows above for the cause.");
}

size_t collect_check(struct collect_check *rows, size_t max)
{
	struct checks c = { .rows = rows, .max = max };

	check_kernel(&c);
	check_btf(&c);
	check_lockdown(&c);
	check_caps(&c);
	check_sysctl(&c, "kernel.perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid",
		     &needs[1], "not without CAP_PERFMON");
	check_sysctl(&c, "kernel.unprivileged_bpf_disabled",
		     "/proc/sys/kernel/unprivileged_bpf_disabled", &needs[0],
		     "not without CAP_BPF");
	check_kallsyms(&c);
	check_event(&c);
	check_features(&c);
	check_trial(&c, "on-CPU samples, by a recording of 1 process", false, true);
	check_trial(&c, "waits and threads, by another recording", true, false);
	return c.count;
}
