// SPDX-License-Identifier: BSD-2-Clause
/* Opens, sizes, configures and loads the BPF programs, and says in one line why that fails. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/privilege.h"
#include "collect/bpflog.h"
#include "collect/cgroup.h"
#include "collect/impl.h"
#include "collect/programs.h"
#include "collect/waits.h"
#include "tprof.skel.h"

#define KIB 1024U
#define MIB (1024U * KIB)

/* ── why not ────────────────────────────────────────────────────────────────────────────────── */

static bool lockdown_confidential(void)
{
	char text[128] = "";
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strstr(text, "[confidentiality]") != NULL;
}

static const char *missing_caps(void)
{
	bool bpf = privilege_held(CAP_BPF), perfmon = privilege_held(CAP_PERFMON);

	if (privilege_held(CAP_SYS_ADMIN))
		return "";
	return bpf && perfmon ? ""
	       : bpf	      ? ": CAP_PERFMON is missing"
	       : perfmon      ? ": CAP_BPF is missing"
			      : ": CAP_BPF and CAP_PERFMON are missing";
}

static int explain(int err, const char *why, struct diag *d)
{
	if ((err == -EPERM || err == -EACCES) && lockdown_confidential())
		return diag_set(d, err,
				"the kernel is locked down (confidentiality), BPF may not read "
				"it: boot with lockdown=integrity");
	if (err == -EPERM)
		return diag_set(
			d, err,
			"not permitted to load BPF programs%s: run as root, or give it what "
			"docs/privileges.md lists (tprof check tells more)",
			missing_caps());
	return diag_errno(d, err, "cannot load the BPF programs%s%s%s: tprof check tells more",
			  *why ? " (" : "", why, *why ? ")" : "");
}

static int check_btf(struct diag *d)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
		return 0;
	return diag_set(d, -EOPNOTSUPP,
			"this kernel has no BTF (/sys/kernel/btf/vmlinux): use one built with "
			"CONFIG_DEBUG_INFO_BTF, as distributions' kernels from 5.10 on are");
}

/* ── configuration ──────────────────────────────────────────────────────────────────────────── */

bool load_follows(const struct collect *c)
{
	return (c->o.follow || c->o.command) && !c->o.all && !c->o.cgroup;
}

static int configure(struct collect *c, struct diag *d)
{
	struct tprof_config *config = &c->skel->rodata->config;
	struct stat ns;
	int err = 0;

	if (stat("/proc/self/ns/pid", &ns) < 0)
		return diag_errno(d, -errno, "cannot look at /proc/self/ns/pid: is /proc mounted?");
	config->pidns_inum = (__u32)ns.st_ino;
	config->self_tgid = (__u32)getpid();
	config->all = c->o.all;
	config->by_tid = c->o.tid_count != 0;
	config->follow = c->o.follow || c->o.command;
	config->waits = c->o.waits;
	config->threads = c->o.threads;
	config->ask_kernel = c->o.all || c->o.cgroup || load_follows(c);
	config->page_shift = (__u8)__builtin_ctzl((unsigned long)sysconf(_SC_PAGESIZE));
	config->ns_per_unit = c->cpus.ns_per_unit;
	config->by_cgroup = c->o.cgroup != NULL;
	if (c->o.cgroup)
		err = cgroup_find(c->o.cgroup, (uint64_t *)&config->cgroup_id,
				  &config->cgroup_level, d);
	bpf_program__set_autoload(c->skel->progs.follow_fork, load_follows(c));
	bpf_program__set_autoload(c->skel->progs.follow_free, load_follows(c));
	return err;
}

static uint32_t power_of_two(uint64_t at_least, uint32_t low, uint32_t high)
{
	uint32_t size = low;

	while (size < at_least && size < high)
		size *= 2;
	return size;
}

/* With one target on a small machine all maps together are a few MB. */
static void size_maps(struct collect *c)
{
	struct tprof_config *config = &c->skel->rodata->config;
	size_t cpus = c->cpus.count;
	bool many = c->o.all || c->o.cgroup, some = load_follows(c);
	/* what can be new within a second: a key a sample at worst, and the waits' */
	uint32_t counts = power_of_two(cpus * c->o.hz + 4096, 8192, 1U << 18);
	uint32_t sets = power_of_two(cpus * 1024, many ? 8192 : 4096, 1U << 16);

	bpf_map__set_max_entries(c->skel->maps.counts_0, counts);
	bpf_map__set_max_entries(c->skel->maps.counts_1, counts);
	config->counts_high = counts / 2;
	bpf_map__set_max_entries(c->skel->maps.ring, power_of_two(cpus * 256 * KIB, MIB, 16 * MIB));
	bpf_map__set_max_entries(c->skel->maps.seen, sets);
	config->seen_mask = sets - 1;
	/* those that are gone make room within seconds: a thousand new ones a second fit */
	bpf_map__set_max_entries(c->skel->maps.mappings, many || some ? 65536 : 16384);
	bpf_map__set_max_entries(c->skel->maps.processes, many ? 8192 : some ? 4096 : 1024);
	bpf_map__set_max_entries(c->skel->maps.files, many ? 4096 : 1024);
	if (some)
		bpf_map__set_max_entries(c->skel->maps.target_tgids, 8192);
}

/* ── after loading ──────────────────────────────────────────────────────────────────────────── */

static int map_mappings(struct collect *c, struct diag *d)
{
	struct bpf_map *map = c->skel->maps.mappings;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = bpf_map__max_entries(map) * sizeof(struct tprof_mapping);
	void *at;

	size = (size + page - 1) / page * page;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (at == MAP_FAILED)
		return diag_errno(d, -errno, "cannot map the table of mappings");
	c->mappings = at;
	c->mappings_size = size;
	return 0;
}

static int make_barrier(struct collect *c, struct diag *d)
{
	LIBBPF_OPTS(bpf_map_create_opts, o,
		    .inner_map_fd = (__u32)bpf_map__fd(c->skel->maps.losses));

	c->barrier_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "tprof_barrier", sizeof(__u32),
				       sizeof(__u32), 1, &o);
	if (c->barrier_fd < 0)
		return diag_errno(d, -errno, "cannot make a map of maps");
	return 0;
}

/* Each object that targets map stays open. */
static void raise_open_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int open_and_begin(struct collect *c, struct diag *d)
{
	char why[256] = "";
	int err = programs_open(c, d);

	if (!err)
		err = configure(c, d);
	if (err < 0)
		return err;
	size_maps(c);
	waits_configure(c);
	err = programs_begin(c, d);
	bpflog_decisive(why, sizeof(why));
	return err < 0 ? explain(err, why, d) : 0;
}

int load_begin(struct collect *c, struct diag *d)
{
	int err = check_btf(d);

	if (err < 0)
		return err;
	raise_open_files();
	bpflog_begin();
	err = open_and_begin(c, d);
	bpflog_end();
	if (err < 0)
		return err;
	err = map_mappings(c, d);
	return err < 0 ? err : make_barrier(c, d);
}

int load_end(struct collect *c, struct diag *d)
{
	char why[256];
	int err = programs_end(c, why, sizeof(why));

	return err < 0 ? explain(err, why, d) : 0;
}

void load_release(struct collect *c)
{
	if (c->mappings)
		munmap(c->mappings, c->mappings_size);
	if (c->barrier_fd > 0)
		close(c->barrier_fd);
	programs_release(c);
	c->mappings = NULL;
	c->barrier_fd = 0;
}
