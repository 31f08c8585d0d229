/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run by the build, not a part of tprof: writes what each filter of system calls (base/sandbox.h) is to
 * the kernel, a program of classic BPF, as C. Made where tprof runs, each would cost a millisecond, and
 * libseccomp 2.5 crashes when memory runs out meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* System calls that this architecture or this libseccomp does not know are no matter. */
static int rule(scmp_filter_ctx ctx, uint32_t action, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);
	int err = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx, action, nr, 0);

	return err == -EDOM || err == -EINVAL ? 0 : err;
}

static int rules(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = rule(ctx, action, names[i]);
	return err;
}

/* ── the fence ──────────────────────────────────────────────────────────────────────────────── */

static const char *const never[] = {
	/* other processes */
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"process_madvise",
	"process_mrelease",
	"kcmp",
	"pidfd_getfd",
	/* the kernel */
	"init_module",
	"finit_module",
	"delete_module",
	"create_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"iopl",
	"ioperm",
	"syslog",
	"acct",
	"bdflush",
	"nfsservctl",
	"lookup_dcookie",
	"userfaultfd",
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"vm86",
	"vm86old",
	"modify_ldt",
	"uselib",
	"_sysctl",
	"sysfs",
	/* the host */
	"mount",
	"umount",
	"umount2",
	"move_mount",
	"open_tree",
	"fsopen",
	"fsmount",
	"fspick",
	"fsconfig",
	"mount_setattr",
	"pivot_root",
	"chroot",
	"setns",
	"unshare",
	"swapon",
	"swapoff",
	"sethostname",
	"setdomainname",
	"settimeofday",
	"stime",
	"clock_settime",
	"clock_adjtime",
	"adjtimex",
	"quotactl",
	"quotactl_fd",
	"vhangup",
	"mknod",
	"mknodat",
	"open_by_handle_at",
	"fanotify_init",
	/* keys */
	"add_key",
	"request_key",
	"keyctl",
	/* the network: it serves none */
	"listen",
	"accept",
	"accept4",
};

static const char *const running[] = { "execve", "execveat" };

/* Maps are made and used on; programs and links were before. Links of CPUs that come are made. */
static int rules_bpf(scmp_filter_ctx ctx)
{
	static const unsigned commands[] = {
		BPF_PROG_LOAD, BPF_BTF_LOAD,	      BPF_RAW_TRACEPOINT_OPEN, BPF_PROG_ATTACH,
		BPF_OBJ_PIN,   BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 1,
				       SCMP_A0(SCMP_CMP_EQ, commands[i], 0));
	return err;
}

/* Local sockets: JVMs listen on them. uevents have theirs by now. */
static int rules_socket(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
}

static int fence(scmp_filter_ctx ctx, bool may_run)
{
	int err = rules(ctx, SCMP_ACT_ERRNO(EPERM), never, ARRAY_SIZE(never));

	if (!err)
		err = rules_bpf(ctx);
	/* debuginfod-find, the one program that is ever run, fetches from a server */
	if (!err && !may_run)
		err = rules(ctx, SCMP_ACT_ERRNO(EPERM), running, ARRAY_SIZE(running));
	if (!err && !may_run)
		err = rules_socket(ctx);
	return err;
}

/* ── children that parse ────────────────────────────────────────────────────────────────────── */

/* Memory, what is open, time, the end. */
static const char *const reading[] = {
	"brk",
	"mmap",
	"mmap2",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"read",
	"readv",
	"pread64",
	"preadv",
	"write",
	"writev",
	"lseek",
	"_llseek",
	"close",
	"fstat",
	"fstat64",
	"fcntl",
	"fcntl64",
	"futex",
	"getrandom",
	"sysinfo",
	"sched_yield",
	"clock_gettime",
	"clock_gettime64",
	"gettimeofday",
	"clock_nanosleep",
	"nanosleep",
	"getpid",
	"gettid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"sigaltstack",
	"restart_syscall",
	"exit",
	"exit_group",
};

/* Unpacking into memory, asking the parent for a file, and a child for each debug file. */
static const char *const naming[] = {
	"memfd_create", "ftruncate", "pwrite64",  "sendmsg",	     "recvmsg",	     "clone",
	"clone3",	"fork",	     "vfork",	  "set_robust_list", "rseq",	     "wait4",
	"waitid",	"pipe2",     "poll",	  "ppoll",	     "ppoll_time64", "close_range",
	"setrlimit",	"getrlimit", "prlimit64", "prctl",	     "seccomp",	     "capget",
	"capset",	"getppid",
};

/* What libraries try in passing, and do without: no reason to end. */
static const char *const refused[] = {
	"open",	     "openat",
	"openat2",   "access",
	"faccessat", "faccessat2",
	"readlink",  "readlinkat",
	"stat",	     "lstat",
	"statx",     "ioctl",
	"uname",     "sched_getaffinity",
	"setresuid", "setresgid",
	"setgroups",
};

/* fstat(fd) is newfstatat(fd, "", …, AT_EMPTY_PATH) to newer C libraries. */
static int rules_fstat(scmp_filter_ctx ctx)
{
	int nr = SCMP_SYS(newfstatat);
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
				   SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));

	return err ? err
		   : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), nr, 1,
				      SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0));
}

static int confine(scmp_filter_ctx ctx, bool may_fork)
{
	int err = rules(ctx, SCMP_ACT_ALLOW, reading, ARRAY_SIZE(reading));

	if (!err && may_fork)
		err = rules(ctx, SCMP_ACT_ALLOW, naming, ARRAY_SIZE(naming));
	/* only to end its own child */
	if (!err && may_fork)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1,
				       SCMP_A1(SCMP_CMP_EQ, SIGKILL, 0));
	if (!err)
		err = rules(ctx, SCMP_ACT_ERRNO(EACCES), refused, ARRAY_SIZE(refused));
	if (!err)
		err = rules_fstat(ctx);
	return err;
}

/* ── as C ───────────────────────────────────────────────────────────────────────────────────── */

static const struct filter {
	const char *name;
	uint32_t otherwise;
	int (*rules)(scmp_filter_ctx ctx, bool more);
	bool more; /* it may run a program; it may fork */
} filters[] = {
	{ "fence_alone", SCMP_ACT_ALLOW, fence, false },
	{ "fence_running", SCMP_ACT_ALLOW, fence, true },
	{ "confine_naming", SCMP_ACT_KILL_PROCESS, confine, true },
	{ "confine_parsing", SCMP_ACT_KILL_PROCESS, confine, false },
};

static int print_program(const char *name, int fd)
{
	struct sock_filter insn;
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	printf("\nstatic const struct sock_filter %s[] = {\n", name);
	while ((n = read(fd, &insn, sizeof(insn))) == (ssize_t)sizeof(insn))
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", insn.code, insn.jt, insn.jf, insn.k);
	printf("};\n");
	return n < 0 ? -errno : n ? -EIO : 0;
}

static int print_filter(const struct filter *f)
{
	scmp_filter_ctx ctx = seccomp_init(f->otherwise);
	int err, fd = memfd_create(f->name, MFD_CLOEXEC);

	if (!ctx || fd < 0)
		return fd < 0 ? -errno : -ENOMEM;
	err = f->rules(ctx, f->more);
	if (!err)
		err = seccomp_export_bpf(ctx, fd);
	if (!err)
		err = print_program(f->name, fd);
	seccomp_release(ctx);
	close(fd);
	return err;
}

int main(void)
{
	int err = 0;

	printf("/* by user/base/filters/sandbox_filters.c */\n#include <linux/filter.h>\n");
	for (size_t i = 0; i < ARRAY_SIZE(filters) && !err; i++) {
		err = print_filter(&filters[i]);
		if (err)
			fprintf(stderr, "%s: %s\n", filters[i].name, strerror(-err));
	}
	return err || fflush(stdout) ? 1 : 0;
}
