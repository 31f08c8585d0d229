// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tprof.bpf.h"

/*
 * What user space knows of the processes' memory: executable mappings only, sorted.
 *
 *	processes   tgid → { first, count, incarnation, generation }
 *	                        │
 *	mappings    … [ a │ b │ c │ d ] …      slices of one array
 */
#define MAX_STEPS 20 /* of the binary search: slices have at most 65,536 mappings, which is 17 */
#define STEPS	  4  /* at once: the verifier walks each of these and each call, not each of all */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct tprof_process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 32768); /* user space may resize */
	__type(key, __u32);
	__type(value, struct tprof_mapping);
} mappings SEC(".maps");

/* A global function, looked at once by the verifier: it takes numbers only. */
__noinline int process_event(__u32 tgid, __u32 tid, __u32 process)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_id id = { .tgid = tgid, .tid = tid, .process = process };
	struct tprof_process_event event = {};

	event_head(&event.head, TPROF_EVENT_PROCESS, &id);
	event.start = BPF_CORE_READ(task, group_leader, start_time);
	event.parent_tgid = task_tgid(BPF_CORE_READ(task, real_parent));
	BPF_CORE_READ_STR_INTO(&event.comm, task, group_leader, comm);
	return event_send(&event, sizeof(event), true);
}

/* Tells user space about the current process; 0 or not. */
static __always_inline int process_tell(const struct task_id *id)
{
	return process_event(id->tgid, id->tid, id->process);
}

/* The event is sent once per incarnation: the entry that remembers it has no mappings. If it cannot
 * be sent, the next sample tries again. */
static __always_inline void process_new(const struct task_id *id)
{
	struct tprof_process fresh = { .process = id->process };

	if (process_tell(id))
		return;
	if (bpf_map_update_elem(&processes, &id->tgid, &fresh, BPF_ANY))
		loss_add(TPROF_LOSS_PROCESSES);
}

__hidden void mapping_exec(const struct task_id *id)
{
	struct tprof_process *process = bpf_map_lookup_elem(&processes, &id->tgid);

	if (!process || process->process != id->process)
		process_new(id);
}

/*
 * A forked child runs for some ms before user space has a slice for it. Till then it has its parent's,
 * which is the parent's to give back: it holds as long as the parent's entry says so still (what was
 * given back is not written again at once).
 */
__hidden void mapping_inherit(const struct task_id *parent, const struct task_id *child)
{
	struct tprof_process *from = bpf_map_lookup_elem(&processes, &parent->tgid);
	struct tprof_process entry = { .process = child->process, .parent = parent->tgid };

	if (!from || from->process != parent->process || !from->count || from->parent)
		return;
	entry.first = from->first;
	entry.count = from->count;
	entry.generation = from->generation;
	bpf_map_update_elem(&processes, &child->tgid, &entry, BPF_ANY);
}

/* Asks for a slice of its own, once; whether the parent's will do meanwhile. */
static __always_inline bool inherited(struct tprof_process *process, const struct task_id *id)
{
	__u32 tgid = process->parent;
	struct tprof_process *from = bpf_map_lookup_elem(&processes, &tgid);

	if (process->reported != process->generation && !process_tell(id))
		process->reported = process->generation;
	return from && from->generation == process->generation && from->first == process->first &&
	       from->count == process->count;
}

/* 0 for what is not known to user space yet: nothing that it tells has this generation. */
static __always_inline __u64 space_of(const struct task_id *id, __u64 generation)
{
	return hash_mix(hash_mix(id->process, id->tgid), generation);
}

__noinline int mapping_process(__u32 slot)
{
	struct unwind_scratch *w = walk_get(slot);
	struct tprof_process *process;
	const struct task_id *id;

	if (!w)
		return 0;
	id = &w->id;
	process = bpf_map_lookup_elem(&processes, &id->tgid);
	w->map_count = w->map_first = 0;
	w->space = space_of(id, 0);
	w->mapping = (struct tprof_mapping){};
	if (!process || (process->process && process->process != id->process)) {
		process_new(id);
		return 0;
	}
	if (!process->process) {
		process->process = id->process;
		process_tell(id);
	}
	if (process->parent && !inherited(process, id))
		return 0;
	w->map_first = process->first;
	w->map_count = process->count;
	w->space = space_of(id, process->generation | (__u64)process->parent << 32);
	return 0;
}

__hidden void mapping_unknown(const struct task_id *id, __u64 pc)
{
	struct tprof_process *process = bpf_map_lookup_elem(&processes, &id->tgid);
	struct tprof_pc_event event = {};

	if (!process || !process->generation || process->reported == process->generation)
		return;
	event_head(&event.head, TPROF_EVENT_UNKNOWN_PC, id);
	event.pc = pc;
	if (!event_send(&event, sizeof(event), true))
		process->reported = process->generation;
}

/* Some steps of the search in [w->low, w->high); whether there are more to take. Which half it is in is no
 * branch: the verifier would walk both. */
__noinline int mapping_narrow(__u32 slot, __u64 pc)
{
	struct unwind_scratch *w = walk_get(slot);
	__u32 low, high;

	if (!w)
		return 0;
	low = w->low;
	high = w->high;
	for (int i = 0; i < STEPS; i++) {
		__u32 middle = low + (high - low) / 2, right;
		const struct tprof_mapping *m = bpf_map_lookup_elem(&mappings, &middle);

		if (low >= high || !m)
			break;
		right = (__s64)(m->start - pc - 1) >> 63; /* all bits or none */
		barrier_var(right);
		low = ((middle + 1) & right) | (low & ~right);
		high = (high & right) | (middle & ~right);
	}
	w->low = low;
	w->high = high;
	return low < high;
}

/* A global function, so that its paths do not multiply those of the callers; it can only return a
 * number, hence w->mapping. */
__noinline int mapping_find(__u32 slot, __u64 pc)
{
	struct unwind_scratch *w = walk_get(slot);
	const struct tprof_mapping *m;
	__u32 index;

	if (!w)
		return 0;
	if (pc >= w->mapping.start && pc < w->mapping.end)
		return 1;
	w->low = w->map_first;
	w->high = w->map_first + w->map_count;
	/* The last one with start <= pc will be at low - 1. */
	for (int i = 0; i < MAX_STEPS / STEPS; i++)
		if (!mapping_narrow(slot, pc))
			break;
	if (w->low == w->map_first)
		return 0;
	index = w->low - 1;
	m = bpf_map_lookup_elem(&mappings, &index);
	if (!m || pc < m->start || pc >= m->end)
		return 0;
	w->mapping = *m;
	return 1;
}

/* ── what the kernel knows ──────────────────────────────────────────────────────────────────── */

/*
 * A program that was just exec'ed, or a library that was just mapped, runs for a while before user
 * space has heard of it. Then the kernel's own tree of mappings is asked, for files that are objects:
 *
 *	pc → node → node → leaf ─→ vm_area_struct ─→ (inode, device) ─→ files: object
 *
 * Read without the lock, which the task itself may hold, and so in the middle of a change of it: what
 * is found is believed when it is a mapping of this memory that holds the pc. Kernels before 6.1 have
 * another tree: there such samples wait for user space. So they do when only processes that are there
 * already are recorded, and not their children: what those map later is little.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024); /* user space may resize it */
	__type(key, struct tprof_file);
	__type(value, __u32); /* object */
} files SEC(".maps");

/* A constant for the verifier: of what is not asked it looks at nothing. */
#define HAS_TREE (config.ask_kernel && bpf_core_field_exists(struct mm_struct, mm_mt))

/* BPF_CORE_READ of one field, by way of the scratch: the calls of a walk share 512 bytes of stack. */
#define READ(w, field)                                              \
	({                                                          \
		(w)->word = 0;                                      \
		bpf_core_read(&(w)->word, sizeof(field), &(field)); \
		(w)->word;                                          \
	})

/* In words of a node. */
#define NODE_SLOTS (bpf_core_field_offset(struct maple_range_64, slot) / 8)
#define NODE_SMALL (bpf_core_field_offset(struct maple_arange_64, slot) / 8)

static __always_inline struct mm_struct *current_mm(struct unwind_scratch *w)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return (void *)READ(w, task->mm);
}

__noinline int mapping_root(__u32 slot)
{
	struct unwind_scratch *w = walk_get(slot);
	struct mm_struct *mm;

	if (!w || !HAS_TREE)
		return 0;
	mm = current_mm(w);
	w->node = READ(w, mm->mm_mt.ma_root);
	return (w->node & 3) == 2; /* a node, and not the only mapping */
}

/*
 * From w->node to the node below it that has pc, or out of a leaf to the mapping: 1 = that it is then.
 * A pointer to a node has the node's kind in its low bits (enum maple_type from bit 3 on).
 *
 * The slot for pc is behind each pivot below it, up to the first that is not used. What stands behind
 * the pivots of a smaller node are kernel addresses, above every pc. No branches: the verifier would
 * go each way.
 */
__noinline int mapping_descend(__u32 slot, __u64 pc)
{
	struct unwind_scratch *w = walk_get(slot);
	__u64 kind, at, on = 1;

	if (!w || !HAS_TREE)
		return 1;
	kind = w->node >> 3 & 15;
	at = kind == bpf_core_enum_value(enum maple_type, maple_arange_64) ? NODE_SMALL
									   : NODE_SLOTS;
	if (bpf_probe_read_kernel(w->words, sizeof(w->words), (void *)(w->node & ~255ULL)))
		w->node = 0;
	for (int i = 0; i < 15; i++) {
		__u64 pivot = w->words[1 + i] << 1 >> 1;

		on &= ((pivot - pc) & ~(pivot - 1)) >> 63;
		at += on;
	}
	w->node = w->words[at & 31];
	return kind < bpf_core_enum_value(enum maple_type, maple_range_64);
}

static __always_inline __u32 file_object(struct unwind_scratch *w, struct file *file)
{
	struct inode *inode = (void *)READ(w, file->f_inode);
	struct super_block *sb = (void *)READ(w, inode->i_sb);
	__u32 *object;

	w->file.inode = READ(w, inode->i_ino);
	w->file.dev = READ(w, sb->s_dev);
	object = bpf_map_lookup_elem(&files, &w->file);
	return object ? *object : 0;
}

/* What the mapping at w->node, if it is one and holds pc, shows. */
__noinline int mapping_take(__u32 slot, __u64 pc)
{
	struct unwind_scratch *w = walk_get(slot);
	struct vm_area_struct *vma;
	struct mm_struct *mm;
	struct file *file;

	if (!w || !HAS_TREE)
		return 0;
	vma = (void *)w->node;
	w->words[0] = READ(w, vma->vm_start);
	w->words[1] = READ(w, vma->vm_end);
	if (pc < w->words[0] || pc >= w->words[1])
		return 0;
	mm = current_mm(w);
	if (READ(w, vma->vm_mm) != (__u64)mm || !(READ(w, vma->vm_flags) & VM_EXEC))
		return 0;
	file = (void *)READ(w, vma->vm_file);
	if (!file && w->words[0] != READ(w, mm->context.vdso))
		return 0;
	w->words[2] = READ(w, vma->vm_pgoff) << config.page_shift;
	w->words[3] = file_object(w, file);
	if (!w->words[3])
		return 0;
	w->mapping = (struct tprof_mapping){
		.start = w->words[0],
		.end = w->words[1],
		.offset = w->words[2],
		.object = w->words[3],
	};
	return 1;
}
