/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_WIRE_H
#define TPROF_WIRE_H

/*
 * The kernel↔user ABI: the only header that both sides include, besides bpf/unwind.h. Whoever
 * includes it has defined __u8 … __u64 before (vmlinux.h or linux/types.h). Sizes are asserted at
 * the end. PIDs and TIDs here are those of tprof's own PID namespace.
 */

/* ── frames ─────────────────────────────────────────────────────────────────────────────────── */

/*
 * A user frame is 64 bits: either a bare address (bit 63 clear; user addresses have at most 57
 * bits), or, where the mapping was known, an object and an offset in it:
 *
 *	63   62            40 39                          0
 *	┌───┬────────────────┬─────────────────────────────┐
 *	│ 1 │ object (23)    │ file offset (40)            │
 *	└───┴────────────────┴─────────────────────────────┘
 *
 * Return addresses have been lowered by 1. Kernel frames are bare kernel addresses as the kernel
 * gives them (lowered by user space, all but the leaf).
 */
#define TPROF_FRAME_OBJECT	(1ULL << 63)
#define TPROF_FRAME_OFFSET_BITS 40
#define TPROF_FRAME_OFFSET_MASK ((1ULL << TPROF_FRAME_OFFSET_BITS) - 1)
#define TPROF_MAX_OBJECTS	(1U << 14) /* object ids 1 … this - 1 */

/* What lies outside is no address of user code. */
#define TPROF_LEAST_PC 4096ULL
#define TPROF_MOST_PC  (1ULL << 57)

#define TPROF_MAX_KERNEL_FRAMES 127 /* kernel.perf_event_max_stack's default */
#define TPROF_MAX_USER_FRAMES	512

/* How the walk over user frames ended; same numbers as enum profile_stack_end (asserted there where
 * both are included). */
enum tprof_stack_end {
	TPROF_END_UNKNOWN = 0,
	TPROF_END_ROOT = 1,
	TPROF_END_DEPTH = 2,
	TPROF_END_MEMORY = 3,
	TPROF_END_NO_RULE = 4,
	TPROF_END_UNSUPPORTED = 5,
	TPROF_END_NO_TABLE = 6,
	TPROF_END_STUCK = 7,
};

/* ── counts ─────────────────────────────────────────────────────────────────────────────────── */

/* Same numbers as enum profile_kind. */
enum tprof_kind {
	TPROF_CPU = 1,
	TPROF_OFFCPU = 2,
	TPROF_LOCK = 3,
	TPROF_WAKE = 4,
	TPROF_SPAWN = 5,
	TPROF_RUNQ = 6,
};

struct tprof_count_key {
	__u64 stack;  /* stack id = hash of process and frames; 0 = no stack was taken */
	__u64 object; /* LOCK and WAKE: the futex address; OFFCPU: the system call; else 0 */
	__u64 start; /* task->start_time: with tid it tells the thread, for TIDs are reused in seconds */
	__u32 tgid, tid;
	__u32 kind;
	__u32 process; /* process incarnation: (u32)(start_time >> 20) ^ exec id; tells PID reuse */
};

/* In `object` of WAKE: the address is one of another process than the waker's. */
#define TPROF_OBJECT_FOREIGN (1ULL << 63)

struct tprof_count {
	__u64 count;
	__u64 value; /* CPU: ns that the samples stand for; waits: ns */
};

/* ── events through the ring buffer ─────────────────────────────────────────────────────────── */

enum tprof_event_type {
	TPROF_EVENT_STACK = 1,	    /* a stack that was not seen lately */
	TPROF_EVENT_PROCESS = 2,    /* a process without a mapping table ran: read its maps */
	TPROF_EVENT_UNKNOWN_PC = 3, /* an address outside the table of its process */
	TPROF_EVENT_NO_TABLE = 4,   /* first walk that wanted an object's unwind table: build it */
	TPROF_EVENT_FORK = 5,	    /* a target forked a process */
	TPROF_EVENT_EXIT = 6,	    /* a thread of a target is gone; carries its record */
	TPROF_EVENT_FULL = 7,	    /* the active buffer of counts fills up: drain it now */

	/* 8 … 31 are the waits' */
};

struct tprof_event {
	__u16 type;
	__u16 reserved;
	__u32 tgid, tid;
	__u32 process; /* as in tprof_count_key */
	__u64 time_ns; /* CLOCK_MONOTONIC (bpf_ktime_get_ns) */
};

/* Followed by `user_frames`, then `kernel_frames` addresses, both leaf first. */
struct tprof_stack_event {
	struct tprof_event head;
	__u64 stack;
	__u16 user_frames, kernel_frames;
	__u8 end; /* enum tprof_stack_end */
	__u8 reserved[3];
};

struct tprof_process_event { /* PROCESS */
	struct tprof_event head;
	__u64 start; /* task->start_time of the group leader */
	__u32 parent_tgid, reserved;
	char comm[16];
};

struct tprof_pc_event { /* UNKNOWN_PC */
	struct tprof_event head;
	__u64 pc;
};

struct tprof_fork_event {
	struct tprof_event head; /* the child */
	__u64 start;		 /* task->start_time of the child */
	__u32 parent_tgid, reserved;
	char comm[16];
};

/* ── configuration ──────────────────────────────────────────────────────────────────────────── */

/* Set by user space before load (.rodata); a branch on it vanishes there. */
struct tprof_config {
	__u32 pidns_inum; /* st_ino of /proc/self/ns/pid: whose PIDs are spoken of */
	__u32 self_tgid;  /* tprof itself, never a target */
	__u8 all, by_tid, follow, by_cgroup;
	__u8 waits, threads;
	__u8 page_shift; /* of the kernel's pages */
	__u8 ask_kernel; /* processes come and exec: its own mappings tell what user space has not yet */
	__u32 cgroup_level; /* depth of the cgroup below; 0 = the root */
	__u64 cgroup_id;    /* with by_cgroup: targets are the tasks in it and below */
	__u64 ns_per_unit;  /* of a sample's period, in 2^-20: 1 << 20 for cpu-clock */
	__u32 counts_high;  /* so many entries in the active buffer: ask for a drain */
	__u32 seen_mask;    /* sets of the cache of stacks - 1 */
};

/* How many names of the kernel's functions are asked for at once. */
#define TPROF_KERNEL_NAMES 1024

/* ── targets ────────────────────────────────────────────────────────────────────────────────── */

/* Value of the hashes of target processes and threads. The first sight of the target claims it, so
 * that a process that gets the same PID later is no target. */
struct tprof_target {
	__u64 start; /* task->start_time, 0 = not seen yet */
};

/* ── processes and their mappings ───────────────────────────────────────────────────────────── */

/*
 * What user space tells BPF about each process: a slice of the one array `mappings`, sorted by
 * start, executable mappings only. A new slice is written first, then the process entry replaced.
 */
struct tprof_process {
	__u32 first, count; /* slice of `mappings` */
	__u32 process;	    /* incarnation, as in tprof_count_key: another one means "stale";
			     * 0 = claimed by the first that comes */
	__u32 generation;   /* grows with each refresh */
	__u32 reported;	    /* generation for which an UNKNOWN_PC was sent (kept by BPF) */
	__u32 parent;	    /* kept by BPF: not 0: just forked, the slice is that process's */
};

#define TPROF_MAPPING_JIT \
	1U /* anonymous executable memory: frames stay bare, walk by frame pointer */

struct tprof_mapping {
	__u64 start, end; /* [start, end) */
	__u64 offset;	  /* file offset of start */
	__u32 object;	  /* 0 for JIT */
	__u32 flags;
};

/* A file that is an object, as the kernel's own structures name it. All 0: the vdso. */
struct tprof_file {
	__u64 inode;
	__u64 dev; /* major << 20 | minor: super_block.s_dev */
};

/* ── unwind tables: see docs/unwinding.md and bpf/unwind.h ──────────────────────────────────── */

/*
 *  object ──→ page table ──→ rows of one 16 KB text page ──→ rule
 *
 *  `objects`  array by object id: where its page table stands, how many pages
 *  `chunks`   array of maps; each chunk is one 64 KB value, allocated as needed. Page tables and
 *             rows both live in chunks. A page's rows never straddle chunks.
 *  `rules`    one array, deduplicated over all objects
 */
#define TPROF_CHUNK_SIZE      65536
#define TPROF_TEXT_PAGE_SHIFT 14 /* so that a page has at most 16,384 rows = one chunk */
#define TPROF_TEXT_PAGE_MASK  ((1U << TPROF_TEXT_PAGE_SHIFT) - 1)
#define TPROF_MAX_CHUNKS      4096 /* bounds the budget: 256 MiB */
#define TPROF_MAX_RULES	      32768

#define TPROF_OBJECT_LOADED  1U /* its table is there */
#define TPROF_OBJECT_NO_CFI  2U /* looked at: it has no CFI, walk by frame pointer */
#define TPROF_OBJECT_EVICTED 4U

struct tprof_object {
	__u32 chunk; /* chunk where the page table begins; it goes on in chunk + 1 … */
	__u32 first; /* its index there, in entries of 8 bytes */
	__u32 base;  /* page i covers file offsets [(base + i) << 14, (base + i + 1) << 14) */
	__u32 pages; /* entries */
	__u32 flags;
	__u32 used; /* set by BPF when it walks through, cleared by user space: what to evict */
	__u64 hits; /* counted by BPF (not atomic) while there is no table: what to load first */
};

struct tprof_page { /* 8 bytes */
	__u16 chunk;
	__u16 first; /* index of its first row in the chunk, in rows */
	__u16 count;
	__u16 before; /* rule in force at the page's start, before its first row */
};

struct tprof_row {  /* 4 bytes; sorted by pc */
	__u16 pc;   /* low 14 bits of the file offset where the rule begins */
	__u16 rule; /* index into `rules` */
};

#define TPROF_CHUNK_PAGES (TPROF_CHUNK_SIZE / 8)
#define TPROF_CHUNK_ROWS  (TPROF_CHUNK_SIZE / 4)

union tprof_chunk {
	struct tprof_page pages[TPROF_CHUNK_PAGES];
	struct tprof_row rows[TPROF_CHUNK_ROWS];
};

/* How the canonical frame address (the caller's stack pointer) is had. */
enum tprof_cfa {
	TPROF_CFA_NONE = 0,	   /* no CFI there: a gap, or behind a function's end */
	TPROF_CFA_SP = 1,	   /* sp + offset */
	TPROF_CFA_FP = 2,	   /* fp + offset */
	TPROF_CFA_REGISTER = 3,	   /* register `reg` + offset; known at a leaf and after a signal */
	TPROF_CFA_SP_DEREF = 4,	   /* *(sp + offset) + extra */
	TPROF_CFA_FP_DEREF = 5,	   /* *(fp + offset) + extra */
	TPROF_CFA_PLT = 6,	   /* sp + offset, 8 more when (ip & 15) >= extra */
	TPROF_CFA_SIGNAL = 7,	   /* the kernel's signal frame lies at sp + offset */
	TPROF_CFA_ROOT = 8,	   /* return address undefined: nobody called this; see below */
	TPROF_CFA_UNSUPPORTED = 9, /* offset: enum cfi_unsupported */
	TPROF_CFA_BASE = 10,	   /* base register + offset */
	TPROF_CFA_BY_FP = 11,	   /* no CFI, but code that keeps frame pointers */
};

/* Where the caller's frame pointer is. */
enum tprof_fp {
	TPROF_FP_SAME = 0,    /* still in its register */
	TPROF_FP_AT_CFA = 1,  /* saved at CFA + fp_offset */
	TPROF_FP_AT_FP = 2,   /* saved at fp + fp_offset (realigned frames) */
	TPROF_FP_AT_SP = 3,   /* saved at sp + fp_offset */
	TPROF_FP_UNKNOWN = 4, /* the CFI says, but not in a supported way, or it is lost */
};

/*
 * One unwind rule: how to get from a frame to its caller's. Rule 0 is all zeros: no CFI. Besides sp
 * and fp one more register is followed from frame to frame, the "base" register: rbx on x86-64,
 * which ld.so's lazy binding has its CFA in while it calls functions.
 *
 * A root is what makes a stack complete, so it proves itself: `offset` has the low 32 bits of the
 * file offset where its row begins. A row that was damaged does not become a root.
 */
struct tprof_rule {
	__u8 cfa; /* enum tprof_cfa */
	__u8 fp;  /* enum tprof_fp */
	__u8 reg; /* DWARF number, for TPROF_CFA_REGISTER */
	__u8 ra;  /* 0: return address saved at CFA + ra_offset; else 1 + number of its register;
		   * | TPROF_RA_EXACT */
	__s32 offset;
	__s16 extra;
	__s16 ra_offset, fp_offset;
	__s16 base_offset; /* where the caller's base is, from the CFA; 0: in its register */
};

#define TPROF_BASE_UNKNOWN (-32768)

/* The caller goes on there and has not called: it is not lowered by 1. */
#define TPROF_RA_EXACT_SHIFT 7
#define TPROF_RA_EXACT	     (1U << TPROF_RA_EXACT_SHIFT)

/* `extra` of TPROF_CFA_SP: behind the system call that makes a thread. A leaf there whose result is 0 is
 * the new thread, on a stack of its own: a root. As other roots it proves itself, by `fp_offset`: the
 * low 12 bits of the place where its row begins (the same for address and file offset). */
#define TPROF_SP_CLONE	    1
#define TPROF_SP_CLONE_MASK 0xfff

/* ── threads and their waits ────────────────────────────────────────────────────────────────── */

/*
 * One record per thread of a target, in an array that user space maps. The index beside it finds a
 * record by the kernel's thread number in one cache line, 8 to a bucket.
 *
 *	tid & (BUCKETS - 1) → bucket: │ tid[8] │ claims[8] │ → record way × BUCKETS + bucket
 *
 * so that threads that are made one after the other have records one behind the other, for which the CPU
 * reads ahead, none with a cache line in common.
 *
 * A way with claims 0 is free. Who wants it adds 1 and looks: 1 = it is his, more = somebody else
 * was there, so he takes his 1 back (no atomic operation that returns a value: 5.12). A record whose
 * thread is gone stays, out of the index (tid 0), until user space has read it; where there is no
 * room left, the kernel adds it to `gone` and uses it again.
 */
#define TPROF_THREAD_WAYS	       8
#define TPROF_THREAD_BUCKETS	       2048
#define TPROF_MAX_THREADS	       (TPROF_THREAD_BUCKETS * TPROF_THREAD_WAYS)
#define TPROF_THREAD_SLOT(bucket, way) ((way)*TPROF_THREAD_BUCKETS + (bucket))
#define TPROF_THREAD_BUCKET(slot)      ((slot) & (TPROF_THREAD_BUCKETS - 1))
#define TPROF_THREAD_WAY(slot)	       ((slot) / TPROF_THREAD_BUCKETS)
#define TPROF_THREAD_BLOCKS	       8 /* system calls told apart; the last is "all others" */

struct tprof_thread_bucket {
	__u32 tid[TPROF_THREAD_WAYS];
	__u32 claims[TPROF_THREAD_WAYS];
};

enum tprof_thread_state {
	TPROF_THREAD_FREE = 0,
	TPROF_THREAD_RUNNING = 1,
	TPROF_THREAD_RUNNABLE = 2,
	TPROF_THREAD_BLOCKED = 3,
	TPROF_THREAD_EXITED = 4,
	TPROF_THREAD_WOKEN = 5, /* BLOCKED until woken_ns, or as its next switch in will tell */
};

#define TPROF_THREAD_CREATED 1U	 /* began while recorded */
#define TPROF_THREAD_FORKED  2U	 /* … as the first thread of a process */
#define TPROF_THREAD_EXEC    4U	 /* did not exit: it became its process's leader by exec */
#define TPROF_THREAD_COMM    8U	 /* has its own name, not the one of who made it */
#define TPROF_THREAD_STACKED 16U /* the present wait's stack was taken */
#define TPROF_THREAD_LEADER  32U /* in tprof_gone_key: a process's first thread */

/* In what a thread sleeps: a system call's number (| COMPAT for 32-bit ones), or one of these. */
#define TPROF_BLOCK_FAULT   (-1) /* outside system calls: page fault, disk */
#define TPROF_BLOCK_STOPPED (-2) /* stopped or traced */
#define TPROF_BLOCK_KERNEL  (-3) /* a kernel thread */
#define TPROF_BLOCK_OTHER   (-4) /* the slot for all others */
#define TPROF_BLOCK_COMPAT  0x10000

/* enum: how the futex is waited for; bits because one lock may see several */
#define TPROF_FUTEX_MUTEX   1U	/* FUTEX_WAIT for 2: glibc's low-level lock, contended */
#define TPROF_FUTEX_WAIT    2U	/* FUTEX_WAIT */
#define TPROF_FUTEX_BITSET  4U	/* FUTEX_WAIT_BITSET */
#define TPROF_FUTEX_PI	    8U	/* FUTEX_LOCK_PI */
#define TPROF_FUTEX_REQUEUE 16U /* FUTEX_WAIT_REQUEUE_PI */
#define TPROF_FUTEX_VECTOR  32U /* futex_waitv */
#define TPROF_FUTEX_SHARED  64U /* not FUTEX_PRIVATE_FLAG */

struct tprof_thread {
	__u64 since_ns; /* in `state` since */
	__u64 cpu_ns, runq_ns, offcpu_ns;
	__u64 exec_ns;		  /* the scheduler's own sum when it last left a CPU; 0 = not yet */
	__u64 run_delay;	  /* … of its time in run queues */
	__u32 kernel_tid;	  /* task->pid: what the index knows */
	__u32 tgid, tid, process; /* as in tprof_count_key */
	__u32 state, flags;
	__s32 wait_nr;	  /* the system call it sleeps in, or slept in last */
	__u32 wait_shift; /* STACKED: its stack stands for 1 << this many waits */
	__u64 wait_stack;
	__u64 wait_futex; /* address waited for, 0 = no futex wait */
	__u32 wait_how;	  /* TPROF_FUTEX_… */
	__u32 wait_owner; /* who held it, as a thread number of its own namespace; 0 = unknown */
	__u32 wait_end;	  /* enum wait_end, as far as is known */
	__u32 wait_way;	  /* of its lock in the bucket */
	__u64 woken_ns;	  /* WOKEN: 0 = its next switch in will tell */
	__u64 futex_waits, futex_ns;
	__u64 voluntary_base, involuntary_base; /* task->nvcsw, nivcsw at the start … */
	__u64 voluntary, involuntary;		/* … and grown by this since */
	__u64 start_ns, exit_ns;		/* task->start_time; exit: 0 = lives */
	__u64 creator_stack;			/* CREATED: 0 = was not taken */
	__u32 creator_tid;			/* CREATED, in tprof's PID namespace */
	__u32 inner_tid;			/* in the thread's own PID namespace */
	__u32 slot;				/* index of this record */
	__u32 noted; /* counts or samples name it: it needs its own name */
	char comm[16];
	__s32 block_nr[TPROF_THREAD_BLOCKS]; /* valid where block_count is not 0 */
	__u64 block_count[TPROF_THREAD_BLOCKS];
	__u64 block_ns[TPROF_THREAD_BLOCKS];
};

/* Threads that are gone and had to make room, summed up. */
struct tprof_gone_key {
	__u32 tgid, process;
	__u64 creator_stack;
	char comm[16]; /* digits as '0', so that a group has one entry */
	__u32 flags;   /* TPROF_THREAD_… */
	__u32 second;  /* CLOCK_MONOTONIC of its exit */
};

#define TPROF_GONE_LIFETIMES 32
struct tprof_gone {
	__u64 threads;
	__u64 cpu_ns, runq_ns, offcpu_ns, voluntary, involuntary, futex_waits, futex_ns;
	__u32 lifetimes[TPROF_GONE_LIFETIMES]; /* of [2^i, 2^(i+1)) µs */
};

/* Of threads without a record: there were more than TPROF_MAX_THREADS. */
struct tprof_rest {
	__u64 created, exited;
};

struct tprof_lock_key {
	__u64 address; /* 0: all those for which there was no room */
	__u32 tgid, process;
};

#define TPROF_MAX_LOCKS	   8192
#define TPROF_LOCK_WAYS	   8
#define TPROF_LOCK_BUCKETS 32
#define TPROF_LOCK_OWNERS  6

struct tprof_lock {
	struct tprof_lock_key key;
	__u64 ns, max_ns;
	__u64 timeouts, signals;	    /* waits that ended so */
	__u64 last_ns;			    /* CLOCK_MONOTONIC of the last wait's end */
	__u32 how;			    /* TPROF_FUTEX_… seen */
	__u32 claims;			    /* 0 = free */
	__u32 owner_tid[TPROF_LOCK_OWNERS]; /* as wait_owner: to be validated */
	__u32 owner_count[TPROF_LOCK_OWNERS];
	__u64 owner_ns[TPROF_LOCK_OWNERS];
	__u64 histogram[TPROF_LOCK_BUCKETS]; /* as in struct profile_lock; its sum = waits */
};

/* One value of the map; to user space, which maps it, all are one array. */
struct tprof_lock_bucket {
	struct tprof_lock lock[TPROF_LOCK_WAYS];
};

/* Of one CPU: how many waits there were, of how many the stack was taken. */
struct tprof_budget {
	__u64 waits, taken;
	__u64 begin_ns, spent_ns; /* the present period */
	__u64 total_ns;		  /* spent in all */
	__u64 scratch;
	__u64 rq_ns, offset; /* CLOCK_MONOTONIC is the run queue's clock + offset, looked at then */
	__s32 level;	     /* thinning: log2 */
	__u32 random;
};

/* ── named drop counters, one per-CPU array slot each ───────────────────────────────────────── */

/* X(enumerator, key in report --json's "losses", what it means) */
#define TPROF_LOSSES(X)                                                                   \
	X(SAMPLES, "samples", "samples that could not be counted")                        \
	X(STACKS, "stacks", "stacks that could not be sent (ring buffer full)")           \
	X(NESTED, "nested", "stacks not taken: too many programs interrupted each other") \
	X(EVENTS, "events", "events that could not be sent (ring buffer full)")           \
	X(MAP_FULL, "map_full", "counts whose map was full")                              \
	X(PROCESSES, "processes", "stacks of processes that had no room")                 \
	X(TARGETS_FULL, "targets_full", "children not followed: 8,192 lived at once")     \
	X(THREADS_FULL, "threads_full", "switches, … of threads that had no room")        \
	X(LOCKS_FULL, "locks_full", "waits for locks that had no room")

#define TPROF_LOSS_ENUM(name, key, about) TPROF_LOSS_##name,
enum tprof_loss { TPROF_LOSSES(TPROF_LOSS_ENUM) TPROF_LOSS_COUNT };

_Static_assert(sizeof(struct tprof_count_key) == 40, "wire");
_Static_assert(sizeof(struct tprof_count) == 16, "wire");
_Static_assert(sizeof(struct tprof_thread_bucket) == 64, "wire: one cache line");
_Static_assert(sizeof(struct tprof_thread) == 384, "wire: six cache lines");
_Static_assert(sizeof(struct tprof_gone_key) == 40, "wire");
_Static_assert(sizeof(struct tprof_lock_key) == 16, "wire");
_Static_assert(sizeof(struct tprof_lock) == 416, "wire");
_Static_assert(sizeof(struct tprof_event) == 24, "wire");
_Static_assert(sizeof(struct tprof_stack_event) == 40, "wire");
_Static_assert(sizeof(struct tprof_process) == 24, "wire");
_Static_assert(sizeof(struct tprof_mapping) == 32, "wire");
_Static_assert(sizeof(struct tprof_file) == 16, "wire");
_Static_assert(sizeof(struct tprof_object) == 32, "wire");
_Static_assert(sizeof(union tprof_chunk) == TPROF_CHUNK_SIZE, "wire");
_Static_assert(sizeof(struct tprof_rule) == 16, "wire");
_Static_assert(sizeof(struct tprof_page) == 8, "wire");
_Static_assert(sizeof(struct tprof_row) == 4, "wire");

#endif
