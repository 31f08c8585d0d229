/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_PROFILE_H
#define TPROF_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * THE HUB. What every part hands to the next: collect adds to it, symbolize names its frames in
 * place, store keeps it, diagnose and render read it. It knows neither kernel nor formats.
 *
 *	rows ──→ thread ──→ process            strings: every text once, by id
 *	 │                                     lines:   function, file, line of a named frame
 *	 └────→ stack ──→ frames ──→ module
 *	                     └─────→ lines (one, or several when calls were inlined)
 *
 * Everything is an entry of a table and is spoken of by its id, a u32 ≥ 1; 0 = none. Ids stay valid
 * until profile_free; pointers to entries only until the next addition to the same table. Equal
 * things get equal ids (interned). profile_…_at() is NULL for 0 and where there is no such entry.
 *
 * Out of memory is sticky: the adding verbs return 0 and profile_error() says -ENOMEM from then on;
 * what was there stays readable.
 *
 * Times are CLOCK_MONOTONIC nanoseconds unless a name says otherwise; addresses are the target's.
 */
struct profile;

struct profile *profile_new(void); /* NULL = out of memory */
void profile_free(struct profile *p);
int profile_error(const struct profile *p); /* 0 or -ENOMEM, sticky */

/* ── strings ────────────────────────────────────────────────────────────────────────────────── */

uint32_t profile_string(struct profile *p, const char *s);
uint32_t profile_string_n(struct profile *p, const char *s, size_t len);
/* "" for 0. Never NULL; NUL-terminated; owned by the profile. */
const char *profile_str(const struct profile *p, uint32_t id);

/* ── modules: what an address can lie in ────────────────────────────────────────────────────── */

/* Persisted: never renumber. */
enum profile_module_type {
	PROFILE_MODULE_FILE = 1,   /* an ELF file; frame offsets are file offsets */
	PROFILE_MODULE_VDSO = 2,   /* offsets from the start of the vdso image */
	PROFILE_MODULE_KERNEL = 3, /* vmlinux and kernel modules; offsets are kernel addresses */
	PROFILE_MODULE_JIT = 4, /* a process's anonymous executable memory; offsets are addresses */
	PROFILE_MODULE_UNKNOWN =
		5, /* no mapping was known; offsets are addresses of that process */
};

struct profile_module {
	uint32_t
		name; /* string: path as the target sees it; "[kernel]", "[vdso]", "[jit]", "[unknown]" */
	uint32_t build_id;   /* string: lower-case hex, or 0 */
	uint32_t process;    /* JIT and UNKNOWN: whose memory; else 0 */
	uint8_t type;	     /* enum profile_module_type */
	uint64_t dev, inode; /* FILE: identity while recording; 0 in a loaded profile */
	/* While recording only, else -1 (0 counts as none too); owned by the profile: the file, opened at first sight so that
	 * it stays readable when the target is gone or the file deleted … */
	int fd;
	/* … and the root directory (O_PATH) of a process that maps it: for separate debug files, and
	 * with JIT for its perf map. */
	int root_fd;
};

/* Interned by (type, name, build_id, process, dev, inode). Takes over fd and root_fd in every case
 * (closes them when the module is there already and has its own). */
uint32_t profile_module(struct profile *p, const struct profile_module *m);
struct profile_module *profile_module_at(const struct profile *p, uint32_t id);

/* ── frames ─────────────────────────────────────────────────────────────────────────────────── */

/* One function at a frame's address: [0] is the innermost inlined call, the last the real function. */
struct profile_line {
	uint32_t function; /* string: demangled name */
	uint32_t file;	   /* string, 0 = unknown */
	uint32_t line;	   /* 0 = unknown */
	bool inlined;	   /* this call was inlined into the next line's function */
};

struct profile_frame {
	uint32_t module;
	uint64_t offset; /* what it counts from: see enum profile_module_type. Return addresses are
			  * already lowered by 1, so that they lie in the calling instruction. */
	uint32_t first_line, lines; /* into the line table; lines = 0: no name (yet) */
};

uint32_t profile_frame(struct profile *p, uint32_t module, uint64_t offset);
const struct profile_frame *profile_frame_at(const struct profile *p, uint32_t id);
/* Names a frame (again: replaces). */
void profile_frame_name(struct profile *p, uint32_t frame, const struct profile_line *lines,
			uint32_t n);
const struct profile_line *profile_line_at(const struct profile *p, uint32_t index);
/* Leaves inlined calls out: each frame keeps its real function alone. */
void profile_drop_inlined(struct profile *p);
/* From here on names are told with their place, where that is known: "read_all (io.c:17)". */
void profile_show_lines(struct profile *p);

/* ── stacks ─────────────────────────────────────────────────────────────────────────────────── */

/* How the walk ended. Persisted: never renumber. */
enum profile_stack_end {
	PROFILE_END_UNKNOWN = 0,
	PROFILE_END_ROOT = 1,	/* complete: reached a root, or a kernel thread's stack */
	PROFILE_END_DEPTH = 2,	/* truncated: deeper than is recorded */
	PROFILE_END_MEMORY = 3, /* truncated: stack memory was not readable */
	PROFILE_END_NO_RULE =
		4, /* truncated: no unwind rule there (no CFI, a gap, JIT without frame pointer) */
	PROFILE_END_UNSUPPORTED = 5, /* truncated: a CFI rule that is not supported */
	PROFILE_END_NO_TABLE = 6,    /* truncated: the object's table was not loaded (yet) */
	PROFILE_END_STUCK = 7,	     /* truncated: the walk did not move towards the root */
	PROFILE_END_LOST = 8,	     /* the stack itself was lost on its way (see losses) */
	PROFILE_END_COUNT
};

const char *profile_stack_end_name(enum profile_stack_end end); /* "root", "depth", … */

struct profile_stack {
	uint32_t first,
		frames; /* into the stack frame table, leaf first, kernel frames before user's */
	uint8_t end;	/* enum profile_stack_end */
};

uint32_t profile_stack(struct profile *p, const uint32_t *frames, uint32_t n,
		       enum profile_stack_end end);
const struct profile_stack *profile_stack_at(const struct profile *p, uint32_t id);
const uint32_t *profile_stack_frames(const struct profile *p, const struct profile_stack *s);
bool profile_stack_complete(const struct profile *p, uint32_t id);
/* After naming: a truncated stack whose outermost function is a known root (_start, clone,
 * start_thread, …) becomes complete. Returns how many did. */
size_t profile_complete_by_name(struct profile *p);
/* Is this function where threads begin, in the C library or in a runtime? */
bool profile_is_root_name(const char *name);

/* ── processes and threads ──────────────────────────────────────────────────────────────────── */

struct profile_process {
	int32_t pid;	   /* as tprof's caller sees it */
	uint64_t start_ns; /* with pid the identity: PIDs are reused */
	uint32_t comm, cmdline, exe, cgroup,
		container;	/* strings; cmdline with spaces between arguments */
	uint32_t group_of_exec; /* how often it exec'ed while recorded */
	bool forked;		/* was created by a target while recorded */
	uint64_t exit_ns;	/* 0 = lived at the end */
	/* While recording only, noted at first sight for perf maps and JVMs; 0 in a loaded profile. */
	int32_t ns_pid; /* as the process sees itself: the last of NSpid in its status; 0 = unknown */
	uint32_t uid;	/* its effective uid */
};

/* Interned by (pid, start_ns). start_ns 0 means "the latest of that pid"; an entry that was made so
 * takes the first start that becomes known. Threads likewise. */
uint32_t profile_process(struct profile *p, int32_t pid, uint64_t start_ns);
struct profile_process *profile_process_at(const struct profile *p, uint32_t id);

/* Totals are for the time of the recording and exact (every event counted), except cpu_ns where
 * cpu_exact is false: then it is samples × period. */
struct profile_thread {
	uint32_t process;
	int32_t tid;
	uint64_t start_ns; /* with tid the identity */
	uint64_t exit_ns;  /* 0 = lived at the end */
	bool created;	   /* began while recorded */
	bool cpu_exact;
	uint32_t comm;	/* the last name it had */
	uint32_t group; /* comm with its running number as '*' (profile_group_name) */
	uint64_t cpu_ns, runq_ns, offcpu_ns;
	uint64_t voluntary_switches, involuntary_switches;
	uint64_t futex_waits, futex_wait_ns;
};

uint32_t profile_thread(struct profile *p, uint32_t process, int32_t tid, uint64_t start_ns);
struct profile_thread *profile_thread_at(const struct profile *p, uint32_t id);
/*
 * "pool-1-thread-17" → "pool-*-thread-*": every run of digits becomes '*', but a leading one ("7zip")
 * and the digit of a sort ("G1 Conc#0" → "G1 Conc#*"). A name that was cut (15 characters) right
 * before its number gets the '*' back: "pool-10-thread-" → "pool-*-thread-*".
 */
uint32_t profile_group_name(struct profile *p, const char *comm);

/* Time a thread slept in a system call: exact. */
struct profile_block {
	uint32_t thread;
	uint32_t syscall; /* string: "futex", "epoll_wait", "page fault / disk" … */
	uint64_t count, ns;
};

void profile_block_add(struct profile *p, uint32_t thread, uint32_t syscall, uint64_t count,
		       uint64_t ns);

/* ── rows: what was counted, by stack ───────────────────────────────────────────────────────── */

/* Persisted: never renumber. */
enum profile_kind {
	PROFILE_CPU = 1,    /* count = samples, value = ns (samples × period) */
	PROFILE_OFFCPU = 2, /* by the blocked thread's stack: count = waits, value = ns */
	PROFILE_LOCK = 3,   /* futex waits by waiter stack: count = waits, value = ns */
	PROFILE_WAKE =
		4, /* by waker stack: count = wake-ups, value = ns that the woken had waited */
	PROFILE_SPAWN = 5, /* by creator stack: count = threads created, value = same */
	PROFILE_RUNQ = 6,  /* runnable but not running: count = times, value = ns */
	PROFILE_KIND_COUNT
};

/* One row of the table of kinds: what --kind, folded, titles and units come from. */
struct profile_kind_info {
	const char *name;  /* "cpu" */
	const char *title; /* "on-CPU" */
	const char *unit;  /* what folded counts: "samples", "µs", "threads" */
	const char *about; /* one line for help */
	bool by_count;	   /* folded takes count; else value / divisor */
	uint32_t divisor;
};

const struct profile_kind_info *profile_kind_info(enum profile_kind kind); /* NULL: no such kind */
int profile_kind_by_name(const char *name, enum profile_kind *ret_kind);   /* 0 or -EINVAL */

/* Windows cut the recording in time. A long recording merges old neighbours. */
struct profile_window {
	uint64_t start_ns, end_ns; /* from the start of the recording */
};

struct profile_row {
	uint32_t window, thread, stack;
	uint8_t kind;
	uint64_t count, value; /* sums; thinned stacks are already weighted */
};

uint32_t profile_window(struct profile *p, uint64_t start_ns, uint64_t end_ns);
const struct profile_window *profile_window_at(const struct profile *p, uint32_t id);
/* Adds to the row with this key, or makes it. */
void profile_add(struct profile *p, uint32_t window, uint32_t thread, enum profile_kind kind,
		 uint32_t stack, uint64_t count, uint64_t value);
/* Merges neighbours pairwise until at most max windows stand. Ids of windows and rows change. */
void profile_merge_windows(struct profile *p, uint32_t max);
/*
 * Fits the rows of kinds OFFCPU and LOCK, and the waiters of locks, to what their threads waited in all,
 * which is exact where stacks were thinned. Once, when everything is there. 0 or -ENOMEM.
 */
int profile_calibrate(struct profile *p);
uint64_t profile_row_weight(const struct profile_row *row); /* what folded writes, by kind */

/* ── locks ──────────────────────────────────────────────────────────────────────────────────── */

/* Persisted: never renumber. */
enum profile_lock_type {
	PROFILE_LOCK_OTHER = 0,
	PROFILE_LOCK_MUTEX = 1,
	PROFILE_LOCK_RWLOCK = 2,
	PROFILE_LOCK_CONDVAR = 3,
	PROFILE_LOCK_SEMAPHORE = 4,
	PROFILE_LOCK_BARRIER = 5,
	PROFILE_LOCK_JOIN = 6,
	PROFILE_LOCK_PARK = 7,
};

const char *profile_lock_type_name(enum profile_lock_type type);

struct profile_lock {
	uint32_t process;
	uint64_t
		address; /* of the futex word; one that processes share is in the first that waited */
	uint8_t type;	 /* enum profile_lock_type */
	uint32_t name;	 /* string, 0 = none (symbolize fills it from the next two) */
	/* Where it lies when in an object's data, else 0: the FILE module, and how far the address is
	 * above the place where the module's first byte (file offset 0) is mapped. .bss, which is
	 * an anonymous mapping right behind the file's, counts too. */
	uint32_t module;
	uint64_t module_offset;
	uint64_t waits, wait_ns, max_wait_ns; /* exact */
	uint64_t timeouts, signals;	      /* waits that ended so, and not by a wake-up */
	uint64_t histogram
		[32]; /* waits of [2^i, 2^(i+1)) µs, the first also below, the last also above */
};

uint32_t profile_lock(struct profile *p, uint32_t process, uint64_t address);
struct profile_lock *profile_lock_at(const struct profile *p, uint32_t id);

/* Who stood at a lock. Persisted: never renumber. */
enum profile_lock_role { PROFILE_WAITER = 1, PROFILE_OWNER = 2, PROFILE_WAKER = 3 };

struct profile_lock_row {
	uint32_t lock, thread, stack; /* the waiter, owner or waker; stack 0 for owners */
	uint8_t role;
	uint64_t count, ns;
};

void profile_lock_add(struct profile *p, uint32_t lock, enum profile_lock_role role,
		      uint32_t thread, uint32_t stack, uint64_t count, uint64_t ns);

/* ── thread churn ───────────────────────────────────────────────────────────────────────────── */

/* Threads of one group made from one stack. */
struct profile_spawn {
	uint32_t process, group, stack;
	uint64_t created, exited;
};

void profile_spawn_add(struct profile *p, uint32_t process, uint32_t group, uint32_t stack,
		       uint64_t created, uint64_t exited);
/* How long an exited thread of this process had lived. */
void profile_lifetime_add(struct profile *p, uint32_t process, uint64_t ns, uint64_t count);

struct profile_lifetime {
	uint32_t process;
	uint64_t ns; /* exact to 1/64 of the value */
	uint64_t count;
};

/* Per second: how many threads were created and exited in second `second` of the recording. */
struct profile_churn {
	uint32_t process, second;
	uint64_t created, exited;
};

void profile_churn_add(struct profile *p, uint32_t process, uint32_t second, uint64_t created,
		       uint64_t exited);

/* ── tables: every one as an array, for those who read all of it ────────────────────────────── */

/* Entry i of a table has id i + 1 where the table's entries have ids. */
#define PROFILE_TABLES(X)                     \
	X(modules, struct profile_module)     \
	X(frames, struct profile_frame)       \
	X(lines, struct profile_line)         \
	X(stacks, struct profile_stack)       \
	X(processes, struct profile_process)  \
	X(threads, struct profile_thread)     \
	X(windows, struct profile_window)     \
	X(rows, struct profile_row)           \
	X(blocks, struct profile_block)       \
	X(locks, struct profile_lock)         \
	X(lock_rows, struct profile_lock_row) \
	X(spawns, struct profile_spawn)       \
	X(lifetimes, struct profile_lifetime) \
	X(churn, struct profile_churn)

#define PROFILE_DECLARE_TABLE(name, type) \
	const type *profile_##name(const struct profile *p, size_t *ret_count);
PROFILE_TABLES(PROFILE_DECLARE_TABLE)

size_t profile_string_count(const struct profile *p); /* ids 1..count are valid */

/* ── losses and the recording itself ────────────────────────────────────────────────────────── */

/* Named counters of what was dropped or degraded; a name appears once it was added, even with 0. */
struct profile_loss {
	uint32_t name; /* string: key in report --json's "losses" */
	uint64_t count;
};

void profile_loss_add(struct profile *p, const char *name, uint64_t count);
uint64_t profile_loss(const struct profile *p, const char *name);
const struct profile_loss *profile_losses(const struct profile *p, size_t *ret_count);

/* About the recording; strings are ids. */
struct profile_info {
	uint32_t tprof_version;
	uint32_t host, kernel, arch; /* uname */
	uint32_t cpus;		     /* online at start */
	uint32_t event;		     /* "cycles" or "cpu-clock" */
	uint32_t hz;
	uint64_t start_realtime_ns; /* UNIX time of the start */
	uint64_t duration_ns;
	uint32_t target; /* the target as asked for: "-p 1234", "-a", "-- make" */
	bool system_wide;
	bool no_cmdline;		     /* command lines are not read; not kept in the file */
	bool waits, threads_traced;	     /* were these kinds recorded? */
	uint32_t live_at_start, live_at_end; /* threads of the target; 0 with system_wide */
	/* Shares of waits whose stack was taken, in parts per million (1,000,000 = all of them). */
	uint32_t stack_share_ppm;
};

struct profile_info *profile_info(struct profile *p);
const struct profile_info *profile_info_const(const struct profile *p);

/* Remarks for the person: "JVM without -XX:+PreserveFramePointer: …". Each once. */
void profile_note(struct profile *p, const char *text);
const uint32_t *profile_notes(const struct profile *p, size_t *ret_count);

#endif
