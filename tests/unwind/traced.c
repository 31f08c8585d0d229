// SPDX-License-Identifier: BSD-2-Clause
#include "traced.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect/maps.h"
#include "fake_bpf.h"

#define IP 16
#define SP 7

/* ── the process ────────────────────────────────────────────────────────────────────────────── */

static size_t read_target(const struct traced *t, uint64_t address, void *to, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)address, size };
	ssize_t n = process_vm_readv(t->pid, &local, 1, &remote, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

static int read_registers(struct traced *t)
{
	struct user_regs_struct r;
	uint64_t *to = t->walk.registers;

	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &r) < 0)
		return -errno;
	to[0] = r.rax;
	to[1] = r.rdx;
	to[2] = r.rcx;
	to[3] = r.rbx;
	to[4] = r.rsi;
	to[5] = r.rdi;
	to[6] = r.rbp;
	to[SP] = r.rsp;
	to[8] = r.r8;
	to[9] = r.r9;
	to[10] = r.r10;
	to[11] = r.r11;
	to[12] = r.r12;
	to[13] = r.r13;
	to[14] = r.r14;
	to[15] = r.r15;
	to[IP] = r.rip;
	return 0;
}

static int open_tables(struct traced *t)
{
	walk_open(&t->walk, &t->tables, 256 << 20);
	t->stacks[0] = malloc(TRACED_STACK);
	t->stacks[1] = malloc(TRACED_STACK);
	return t->stacks[0] && t->stacks[1] ? read_registers(t) : -ENOMEM;
}

static uint64_t entry_point(const struct traced *t)
{
	uint64_t pair[2], entry = 0;
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)t->pid);
	f = fopen(path, "re");
	while (f && !entry && fread(pair, sizeof(pair), 1, f) == 1) {
		if (pair[0] == AT_ENTRY)
			entry = pair[1];
	}
	if (f)
		fclose(f);
	return entry;
}

/* Lets the loader do its work at full speed: nobody has called what the entry point is. */
static int run_to_entry(struct traced *t)
{
	uint64_t entry = entry_point(t);
	struct user_regs_struct r;
	int status;
	long text;

	errno = 0;
	text = ptrace(PTRACE_PEEKTEXT, t->pid, entry, NULL);
	if (errno || ptrace(PTRACE_POKETEXT, t->pid, entry, (text & ~0xffL) | 0xcc) < 0 ||
	    ptrace(PTRACE_CONT, t->pid, NULL, NULL) < 0 || waitpid(t->pid, &status, 0) < 0)
		return -errno;
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		return -ENOEXEC;
	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &r) < 0 ||
	    ptrace(PTRACE_POKETEXT, t->pid, entry, text) < 0)
		return -errno;
	r.rip = entry;
	return ptrace(PTRACE_SETREGS, t->pid, NULL, &r) < 0 ? -errno : 0;
}

int traced_start(struct traced *t, char *const argv[], bool loaded)
{
	int status, err, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	*t = (struct traced){ .started = true, .pid = fork() };
	if (!t->pid) {
		personality(ADDR_NO_RANDOMIZE);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	close(null);
	if (t->pid < 0 || waitpid(t->pid, &status, 0) < 0)
		return -errno;
	if (!WIFSTOPPED(status)) {
		t->pid = 0;
		return -ENOEXEC;
	}
	ptrace(PTRACE_SETOPTIONS, t->pid, NULL, PTRACE_O_EXITKILL);
	err = loaded ? run_to_entry(t) : 0;
	return err ? err : open_tables(t);
}

int traced_attach(struct traced *t, pid_t tid)
{
	int status;

	*t = (struct traced){ 0 };
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return -errno;
	t->pid = tid;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || waitpid(tid, &status, __WALL) < 0)
		return -errno;
	return WIFSTOPPED(status) ? open_tables(t) : -ESRCH;
}

void traced_end(struct traced *t)
{
	int status;

	if (t->pid > 0 && t->started) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, &status, 0);
	} else if (t->pid > 0) {
		ptrace(PTRACE_DETACH, t->pid, NULL, NULL);
	}
	unwind_tables_free(t->tables);
	for (size_t i = 0; i < t->file_count; i++)
		close(t->files[i].fd);
	free(t->stacks[0]);
	free(t->stacks[1]);
	if (t->tables)
		fake_reset();
	*t = (struct traced){ 0 };
}

/* ── what it maps ───────────────────────────────────────────────────────────────────────────── */

static int copy_vdso(const struct traced *t, const struct map_entry *e)
{
	static uint8_t bytes[64 << 10];
	size_t n = read_target(t, e->start, bytes,
			       e->end - e->start < sizeof(bytes) ? e->end - e->start : 0);
	int fd = memfd_create("vdso", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, bytes, n) != (ssize_t)n) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Its object, or 0: code without a file. */
static uint32_t object_of(struct traced *t, const struct map_entry *e)
{
	struct traced_file *f = &t->files[t->file_count];
	bool vdso = strcmp(e->path, "[vdso]") == 0;
	char path[64];

	if (!e->inode && !vdso)
		return 0;
	for (uint32_t i = 0; i < t->file_count; i++) {
		if (t->files[i].dev == e->dev && t->files[i].inode == e->inode)
			return i + 1;
	}
	if (t->file_count == TRACED_FILES)
		abort();
	*f = (struct traced_file){ .dev = e->dev, .inode = e->inode };
	snprintf(f->path, sizeof(f->path), "%s", e->path);
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", (int)t->pid,
		 (unsigned long)e->start, (unsigned long)e->end);
	f->fd = vdso ? copy_vdso(t, e) : open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		return 0;
	t->file_count++;
	unwind_tables_add(t->tables, (uint32_t)t->file_count, f->fd, false);
	return (uint32_t)t->file_count;
}

static int add_mapping(void *ctx, const struct map_entry *e)
{
	struct traced *t = ctx;
	struct walk *w = &t->walk;

	if (e->start >> 63 || w->mapping_count == WALK_MAPPINGS)
		return 0; /* [vsyscall] */
	w->mappings[w->mapping_count++] = (struct walk_mapping){
		.start = e->start,
		.end = e->end,
		.offset = e->inode ? e->offset : 0,
		.object = object_of(t, e),
	};
	return 0;
}

static void look_at_mappings(struct traced *t)
{
	t->walk.mapping_count = 0;
	maps_read(t->pid, WALK_MAPPINGS, add_mapping, t);
	unwind_tables_load(t->tables, NULL);
}

static bool is_mapped(const struct traced *t, uint64_t pc)
{
	for (size_t i = 0; i < t->walk.mapping_count; i++) {
		if (pc >= t->walk.mappings[i].start && pc < t->walk.mappings[i].end)
			return true;
	}
	return false;
}

/* End of the mapping that an address is in. */
static uint64_t mapping_end(const struct traced *t, uint64_t address)
{
	unsigned long start, end, found = 0;
	char path[32], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)t->pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && address >= start && address < end)
			found = end;
	}
	if (f)
		fclose(f);
	return found;
}

/* ── the walk ───────────────────────────────────────────────────────────────────────────────── */

static void save_stack(struct traced *t, uint64_t sp)
{
	struct walk *w = &t->walk;
	struct walk_memory *m = &w->memory[w->memory_count];
	uint64_t size;

	if (sp >= t->stack_end || t->stack_end - sp > (8U << 20) || w->memory_count)
		t->stack_end = mapping_end(t, sp);
	size = t->stack_end > sp ? t->stack_end - sp + TRACED_BELOW : 0;
	if (size > TRACED_STACK)
		size = TRACED_STACK;
	/* what was popped just now is still there, and CFI may say so */
	m->read_end = 0;
	m->start = sp - TRACED_BELOW;
	m->bytes = t->stacks[w->memory_count];
	m->size = read_target(t, m->start, t->stacks[w->memory_count], size);
	w->memory_count++;
}

/* The code around it, as frames in JIT code are looked at. */
static void save_code(struct traced *t)
{
	struct walk *w = &t->walk;
	struct walk_memory *m = &w->memory[w->memory_count++];
	uint64_t from = w->registers[IP] - 16;

	m->read_end = 0;
	m->start = from;
	m->bytes = w->code;
	m->size = read_target(t, from, w->code, sizeof(w->code));
}

void traced_walk(struct traced *t)
{
	struct walk *w = &t->walk;
	size_t i = t->depth;

	if (!is_mapped(t, w->registers[IP]))
		look_at_mappings(t);
	w->memory_count = 0;
	save_stack(t, w->registers[SP]);
	while (i && t->calls[i - 1].kind != CALL_INTERRUPTED)
		i--;
	if (i && (t->calls[i - 1].slot < w->registers[SP] ||
		  t->calls[i - 1].slot >= w->memory[0].start + w->memory[0].size))
		save_stack(t, t->calls[i - 1].slot);
	save_code(t);
	walk_run(w);
}

/* ── the account of calls ───────────────────────────────────────────────────────────────────── */

static bool is_call(const uint8_t *code)
{
	while (*code == 0xf2 || *code == 0x3e || (*code & 0xf0) == 0x40 || *code == 0x67)
		code++; /* prefixes */
	return *code == 0xe8 || (*code == 0xff && (code[1] >> 3 & 7) == 2);
}

static bool is_pop(const uint8_t *code)
{
	return (code[0] & 0xf8) == 0x58 || (code[0] == 0x41 && (code[1] & 0xf8) == 0x58);
}

static bool is_jump(const uint8_t *code)
{
	code += (*code & 0xf0) == 0x40;
	return *code == 0xff && (code[1] >> 3 & 7) == 4;
}

static void call_add(struct traced *t, enum call_kind kind, uint64_t at, uint64_t slot)
{
	if (t->depth == sizeof(t->calls) / sizeof(t->calls[0]))
		abort();
	t->calls[t->depth++] = (struct call){ .kind = kind, .at = at, .slot = slot };
}

/* What the stack pointer has gone beyond is over. */
static void calls_over(struct traced *t, uint64_t old_sp, const uint8_t *code)
{
	uint64_t sp = t->walk.registers[SP];

	while (t->depth) {
		struct call *c = &t->calls[t->depth - 1];

		if (c->kind == CALL_INTERRUPTED ? sp < c->slot : sp <= c->slot)
			break;
		if (c->kind == CALL && c->slot == old_sp && sp == old_sp + 8 && is_pop(code)) {
			c->in_register = true;
			break;
		}
		if (c->in_register && sp == c->slot + 8 && !is_jump(code) &&
		    t->walk.registers[IP] != c->at)
			break;
		t->depth--;
	}
}

static void account(struct traced *t, const uint64_t *before, const uint8_t *code)
{
	uint64_t sp = t->walk.registers[SP], value;

	calls_over(t, before[SP], code);
	if (t->depth && t->calls[t->depth - 1].slot == sp)
		t->calls[t->depth - 1].in_register = false; /* pushed again */
	if (sp == before[SP] - 8 && is_call(code) &&
	    read_target(t, sp, &value, sizeof(value)) == sizeof(value) && value - before[IP] >= 2 &&
	    value - before[IP] <= 15)
		call_add(t, CALL, value, sp);
}

/* A handler began: the kernel has put the trampoline's address on the stack, and is the caller. */
static void account_signal(struct traced *t, const uint64_t *before, const uint8_t *code)
{
	uint64_t sp = t->walk.registers[SP], value = 0;

	if (before[SP] - sp < sizeof(struct sigcontext)) {
		account(t, before, code); /* ignored */
		return;
	}
	read_target(t, sp, &value, sizeof(value));
	call_add(t, CALL_INTERRUPTED, before[IP], before[SP]);
	call_add(t, CALL_TRAMPOLINE, value, sp);
}

bool traced_step(struct traced *t)
{
	int signal = t->signal, status;
	uint64_t before[WALK_REGISTERS];
	uint8_t code[16] = { 0 };

	memcpy(before, t->walk.registers, sizeof(before));
	read_target(t, before[IP], code, sizeof(code));
	t->signal = 0;
	if (ptrace(PTRACE_SINGLESTEP, t->pid, NULL, signal) < 0 || waitpid(t->pid, &status, 0) < 0)
		return false;
	if (!WIFSTOPPED(status)) {
		t->pid = 0;
		return false;
	}
	if (WSTOPSIG(status) != SIGTRAP)
		t->signal = WSTOPSIG(status);
	if (read_registers(t) < 0)
		return false;
	if (signal)
		account_signal(t, before, code);
	else
		account(t, before, code);
	return true;
}

size_t traced_frames(const struct traced *t, uint64_t *ret_pcs, size_t most)
{
	size_t n = 0;

	ret_pcs[n++] = t->walk.registers[IP];
	for (size_t i = t->depth; i && n < most; i--)
		ret_pcs[n++] = t->calls[i - 1].at - (t->calls[i - 1].kind != CALL_INTERRUPTED);
	return n;
}
