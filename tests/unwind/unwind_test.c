// SPDX-License-Identifier: BSD-2-Clause
/*
 * bpf/unwind.h natively: single steps, and tables full of garbage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect/cfi.h"
#include "collect/unwind_chunks.h"
#include "fake_bpf.h"
#include "walk.h"

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"

/* ── steps on a stack written by hand ───────────────────────────────────────────────────────── */

static uint8_t stack[4096];
static union tprof_chunk one_chunk;
static struct tprof_rule rule_table[16];

static int read_stack(void *to, size_t size, uint64_t address)
{
	if (address < 0x7000 || address + size > 0x7000 + sizeof(stack))
		return -1;
	memcpy(to, stack + (address - 0x7000), size);
	return 0;
}

static uint64_t register_0 = 0x7000; /* in register 0 */

static int read_register(uint32_t number, __u64 *to)
{
	*to = number ? 0x7000 + number * 8 : register_0;
	return 0;
}

#define UNWIND_READ(to, size, address) read_stack(to, size, address)
#define UNWIND_REGISTER(s, number, to) read_register(number, to)
#define UNWIND_CHUNK(index)	       ((index) < 1 ? &one_chunk : NULL)
#define UNWIND_RULE(index)	       ((index) < 16 ? &rule_table[index] : NULL)
#include "unwind.h"

static void put(uint64_t address, uint64_t value)
{
	memcpy(stack + (address - 0x7000), &value, sizeof(value));
}

static struct unwind_state at(uint64_t sp, uint64_t fp, uint32_t flags)
{
	memset(stack, 0, sizeof(stack));
	return (struct unwind_state){ .ip = 0x401000, .sp = sp, .fp = fp, .flags = flags };
}

static void cfa_from_sp(void **unused)
{
	struct tprof_rule r = {
		.cfa = TPROF_CFA_SP, .offset = 32, .ra_offset = -8, .fp = 1, .fp_offset = -16
	};
	struct unwind_state s = at(0x7100, 0x55, 0);

	(void)unused;
	put(0x7118, 0x402000);
	put(0x7110, 0x77);
	assert_int_equal(unwind_step(&s, &r, 0), 0);
	assert_int_equal(s.ip, 0x402000);
	assert_int_equal(s.sp, 0x7120);
	assert_int_equal(s.fp_at, 0x7110); /* not read before somebody asks */
	assert_int_equal(unwind_fp(&s), 0);
	assert_int_equal(s.fp, 0x77);
}

static void cfa_from_fp_and_deref(void **unused)
{
	struct tprof_rule r = { .cfa = TPROF_CFA_FP, .offset = 16, .ra_offset = -8 };
	struct unwind_state s = at(0x7100, 0x7140, 0);

	(void)unused;
	put(0x7148, 0x402000);
	assert_int_equal(unwind_step(&s, &r, 0), 0);
	assert_int_equal(s.sp, 0x7150);

	r = (struct tprof_rule){
		.cfa = TPROF_CFA_FP_DEREF, .offset = -16, .ra_offset = -8, .fp = TPROF_FP_AT_FP
	};
	s = at(0x7100, 0x7140, 0);
	put(0x7130, 0x7200); /* *(fp - 16) = CFA */
	put(0x71f8, 0x402000);
	assert_int_equal(unwind_step(&s, &r, 0), 0);
	assert_int_equal(s.sp, 0x7200);
	assert_int_equal(s.fp_at, 0x7140);
}

static void cfa_of_plt_depends_on_ip(void **unused)
{
	struct tprof_rule r = { .cfa = TPROF_CFA_PLT, .offset = 8, .extra = 11, .ra_offset = -8 };
	struct unwind_state s = at(0x7100, 0, UNWIND_EXACT);

	(void)unused;
	s.ip = 0x40100a;
	put(0x7100, 0x402000);
	assert_int_equal(unwind_step(&s, &r, 0), 0);
	assert_int_equal(s.sp, 0x7108);
	s = at(0x7100, 0, UNWIND_EXACT);
	s.ip = 0x40100b;
	put(0x7108, 0x402000);
	assert_int_equal(unwind_step(&s, &r, 0), 0);
	assert_int_equal(s.sp, 0x7110);
}

static void return_address_in_register(void **unused)
{
	struct tprof_rule r = { .cfa = TPROF_CFA_SP, .ra = 1 + 5 }; /* vfork's stub: CFA = rsp */
	struct unwind_state s = at(0x7100, 0, UNWIND_EXACT | UNWIND_LEAF);

	(void)unused;
	assert_int_equal(unwind_step(&s, &r, 0), 0);
	assert_int_equal(s.ip, 0x7000 + 5 * 8);
	assert_int_equal(s.sp, 0x7100);
	/* further out nobody knows what was in it */
	s = at(0x7100, 0, 0);
	assert_int_equal(unwind_step(&s, &r, 0), TPROF_END_STUCK);
	r.offset = 8;
	assert_int_equal(unwind_step(&s, &r, 0), TPROF_END_UNSUPPORTED);
}

static void behind_clone_the_child_is_a_root(void **unused)
{
	struct tprof_rule r = { .cfa = TPROF_CFA_SP,
				.offset = 8,
				.ra_offset = -8,
				.extra = TPROF_SP_CLONE,
				.fp_offset = 0xabc };
	struct unwind_state s = at(0x7100, 0, UNWIND_EXACT | UNWIND_LEAF);

	(void)unused;
	put(0x7100, 0x402000);
	register_0 = 0;
	assert_int_equal(unwind_step(&s, &r, 0x12abc), TPROF_END_ROOT);
	/* a rule that stands elsewhere than it says proves nothing */
	assert_int_equal(unwind_step(&s, &r, 0x12abd), 0);
	/* a frame further out has long gone on */
	s = at(0x7100, 0, 0);
	put(0x7100, 0x402000);
	assert_int_equal(unwind_step(&s, &r, 0x12abc), 0);
	/* the parent got the child's number */
	register_0 = 4711;
	s = at(0x7100, 0, UNWIND_EXACT | UNWIND_LEAF);
	put(0x7100, 0x402000);
	assert_int_equal(unwind_step(&s, &r, 0x12abc), 0);
	assert_int_equal(s.ip, 0x402000);
	register_0 = 0x7000;
}

static void signal_frame_gives_all_registers(void **unused)
{
	struct tprof_rule signal = { .cfa = TPROF_CFA_SIGNAL };
	struct tprof_rule by_r10 = { .cfa = TPROF_CFA_REGISTER, .reg = 10, .ra_offset = -8 };
	struct unwind_state s = at(0x7100, 0, 0);

	(void)unused;
	put(0x7100 + UNWIND_UC_RSP, 0x7050); /* another stack, further down */
	put(0x7100 + UNWIND_UC_RSP + 8, 0x403000);
	put(0x7100 + UNWIND_UC_RBP, 0x99);
	put(0x7100 + UNWIND_UC_REGISTERS + 2 * 8, 0x7080); /* r10 */
	put(0x7078, 0x404000);
	assert_int_equal(unwind_step(&s, &signal, 0), 0);
	assert_int_equal(s.ip, 0x403000);
	assert_int_equal(s.sp, 0x7050);
	assert_true(s.flags & UNWIND_EXACT);
	assert_int_equal(unwind_step(&s, &by_r10, 0), 0);
	assert_int_equal(s.ip, 0x404000);
	assert_int_equal(s.sp, 0x7080);
}

static void order_of_sigcontext(void **unused)
{
	/* uapi/asm/sigcontext.h: r8 … r15 di si bp bx dx ax cx sp */
	static const int dwarf[] = { 8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7 };
	struct unwind_state s = at(0, 0, 0);
	__u64 value;

	(void)unused;
	s.context = 0x7400;
	for (uint64_t i = 0; i < 16; i++) {
		put(0x7400 + i * 8, 1000 + i);
		assert_int_equal(unwind_register(&s, (uint32_t)dwarf[i], &value), 0);
		assert_int_equal(value, 1000 + i);
	}
	assert_int_equal(unwind_register(&s, 16, &value), TPROF_END_UNSUPPORTED);
}

/* JIT code lies in the stack's memory here, at 0x7800. */
static void edges_of_jit_functions(void **unused)
{
	static const struct {
		uint8_t before, code[8];
		int pushed; /* -1: inside, by frame pointer */
	} cases[] = {
		{ 0x90, { 0x55, 0x48, 0x89, 0xe5 }, 0 },
		{ 0x90, { 0xf3, 0x0f, 0x1e, 0xfa, 0x55 }, 0 },
		{ 0x90, { 0x89, 0x84, 0x24, 0x00, 0xc0, 0xfe, 0xff, 0x55 }, 0 },
		{ 0x90, { 0x89, 0x84, 0x24, 0x00, 0xc0, 0xfe, 0xff, 0x90 }, -1 },
		{ 0x55, { 0x48, 0x89, 0xe5 }, 1 },
		{ 0x55, { 0x48, 0x8b, 0xec }, 1 },
		{ 0x90, { 0x48, 0x8b, 0xec }, -1 },
		{ 0x5d, { 0xc3 }, 0 },
		{ 0x5d, { 0xc2, 0x10, 0x00 }, 0 },
		{ 0x5d, { 0x49, 0x3b, 0xa7, 0x40, 0x03, 0x00, 0x00, 0x0f }, 0 },
		{ 0x00, { 0x0f, 0x87, 0x22, 0x00, 0x00, 0x00, 0xc3 }, 0 },
		{ 0x00, { 0x48, 0x83, 0xc4, 0x20, 0x5d }, -1 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unwind_state s = at(0x7100, 0x7140, UNWIND_EXACT | UNWIND_LEAF);

		s.ip = 0x7801;
		stack[0x800] = cases[i].before;
		memcpy(stack + 0x801, cases[i].code, 8);
		put(0x7100, cases[i].pushed == 1 ? 0x7180 : 0x402000);
		put(0x7108, 0x402000);
		put(0x7140, 0x7180);
		put(0x7148, 0x403000);
		assert_int_equal(unwind_by_fp(&s), 0);
		assert_int_equal(s.ip, cases[i].pushed < 0 ? 0x403000 : 0x402000);
		assert_int_equal(s.sp, cases[i].pushed < 0 ? 0x7150 : 0x7108 + 8 * cases[i].pushed);
		assert_int_equal(s.fp, cases[i].pushed ? 0x7180 : 0x7140);
		/* further out it is a return address, and there is a frame */
		s = at(0x7100, 0x7140, 0);
		s.ip = 0x7801;
		memcpy(stack + 0x801, cases[i].code, 8);
		put(0x7148, 0x403000);
		assert_int_equal(unwind_by_fp(&s), 0);
		assert_int_equal(s.ip, 0x403000);
	}
}

/* Go's way back from a signal handler lies at 0x7800, without CFI. */
static void signals_of_code_without_cfi(void **unused)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05, 0xcc };
	static const struct {
		uint64_t ip, fp;
		uint32_t flags;
		int is;
	} cases[] = {
		{ 0x7800, 0x7100 + 600, 0, 1 },	     /* a handler returns there … */
		{ 0x7800, 0x6000, 0, 1 },	     /* … and runs on a stack of its own */
		{ 0x7800, 0x7140, 0, 0 },	     /* too near: a signal's frame is larger */
		{ 0x7809, 0x6000, 0, 0 },	     /* no return address of anybody */
		{ 0x7809, 0x6000, UNWIND_EXACT, 1 }, /* in the system call */
		{ 0x7801, 0x6000, UNWIND_EXACT, 0 },
	};
	struct unwind_state s;

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = at(0x7100, cases[i].fp, cases[i].flags);
		s.ip = cases[i].ip;
		memcpy(stack + 0x800, code, sizeof(code));
		assert_int_equal(unwind_at_sigreturn(&s), cases[i].is);
	}
	/* a handler that has just begun */
	s = at(0x7100, 0x6000, UNWIND_EXACT | UNWIND_LEAF);
	s.ip = 0x7900;
	put(0x7100, 0x7800);
	memcpy(stack + 0x800, code, sizeof(code));
	assert_int_equal(unwind_by_fp(&s), 0);
	assert_int_equal(s.ip, 0x7800);
	assert_int_equal(s.sp, 0x7108);
	assert_int_equal(s.fp, 0x6000);
	assert_true(unwind_at_sigreturn(&s));
}

static void root_proves_itself(void **unused)
{
	struct tprof_rule r = { .cfa = TPROF_CFA_ROOT, .offset = 0x1234 };
	struct unwind_state s = at(0x7100, 0, 0);

	(void)unused;
	assert_int_equal(unwind_step(&s, &r, 0x1234), TPROF_END_ROOT);
	assert_int_equal(unwind_step(&s, &r, 0x1235), TPROF_END_NO_RULE);
}

static void walks_end_with_their_reason(void **unused)
{
	struct tprof_rule r = { .cfa = TPROF_CFA_SP, .offset = 8, .ra_offset = -8 };
	struct unwind_state s = at(0x9000, 0, 0);

	(void)unused;
	assert_int_equal(unwind_step(&s, &r, 0), TPROF_END_MEMORY);
	s = at(0x7100, 0, 0);
	r.offset = 0;
	assert_int_equal(unwind_step(&s, &r, 0), TPROF_END_STUCK);
	r.offset = -8;
	assert_int_equal(unwind_step(&s, &r, 0), TPROF_END_STUCK);
	r.cfa = TPROF_CFA_NONE;
	assert_int_equal(unwind_step(&s, &r, 0), TPROF_END_NO_RULE);
	for (int cfa = TPROF_CFA_UNSUPPORTED; cfa < 256; cfa += cfa == 9 ? 2 : 1) {
		r.cfa = (uint8_t)cfa;
		assert_int_equal(unwind_step(&s, &r, 0), TPROF_END_UNSUPPORTED);
	}
	/* a frame pointer that the CFI lost */
	r = (struct tprof_rule){ .cfa = TPROF_CFA_FP, .offset = 16, .ra_offset = -8 };
	s = at(0x7100, 0x7140, UNWIND_FP_UNKNOWN);
	assert_int_equal(unwind_step(&s, &r, 0), TPROF_END_UNSUPPORTED);
}

static void search_finds_each_row(void **unused)
{
	(void)unused;
	for (uint32_t count = 0; count < 70; count++) {
		for (uint32_t i = 0; i < count; i++)
			one_chunk.rows[100 + i].pc = (uint16_t)(10 + i * 3);
		for (uint32_t pc = 0; pc < 240; pc++) {
			uint32_t want = pc < 10 ? 0 : (pc - 10) / 3 + 1;

			assert_int_equal(unwind_search(&one_chunk, 100, count, (uint16_t)pc),
					 want < count ? want : count);
		}
	}
	/* a whole chunk, and counts that a damaged table may have */
	for (uint32_t i = 0; i < TPROF_CHUNK_ROWS; i++)
		one_chunk.rows[i].pc = (uint16_t)i;
	for (uint32_t pc = 0; pc < TPROF_CHUNK_ROWS; pc += 7)
		assert_int_equal(unwind_search(&one_chunk, 0, TPROF_CHUNK_ROWS, (uint16_t)pc),
				 pc + 1);
	unwind_search(&one_chunk, 65535, 65535, 5);
}

/* ── garbage ────────────────────────────────────────────────────────────────────────────────── */

static uint64_t seed = 88172645463325252ULL;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* The maps as they were, so that damage of all kinds begins anew. */
struct tables {
	struct tprof_object object;
	union tprof_chunk chunks[3];
	struct tprof_rule rules[1024];
	uint16_t roots[16];
	size_t root_count;
};

static void tables_copy(const struct walk *w, struct tables *t, bool back)
{
	void *ours[] = { &t->object, &t->chunks[0], &t->chunks[1], &t->chunks[2], t->rules };
	void *theirs[] = { fake_map_at(w->objects_fd, 1), fake_map_at(w->chunks_fd, 0),
			   fake_map_at(w->chunks_fd, 1), fake_map_at(w->chunks_fd, 2),
			   fake_map_at(w->rules_fd, 0) };
	size_t sizes[] = { sizeof(t->object), TPROF_CHUNK_SIZE, TPROF_CHUNK_SIZE, TPROF_CHUNK_SIZE,
			   sizeof(t->rules) };

	for (size_t i = 0; i < 5; i++) {
		if (theirs[i])
			memcpy(back ? theirs[i] : ours[i], back ? ours[i] : theirs[i], sizes[i]);
	}
}

static void random_bytes(void *at, size_t size, int n)
{
	while (n--)
		((uint8_t *)at)[random64() % size] = (uint8_t)random64();
}

/* Chunks in bytes; rows that become roots; rules; entries of the page table, and where it is. */
static void damage(const struct walk *w, const struct tables *t, int round)
{
	uint8_t *chunk = fake_map_at(w->chunks_fd, (uint32_t)(random64() % 3));
	struct tprof_object *o = fake_map_at(w->objects_fd, 1);
	struct tprof_page *pages = fake_map_at(w->chunks_fd, t->object.chunk);
	struct tprof_row *rows = (struct tprof_row *)chunk;

	switch (round % 4) {
	case 0:
		if (chunk)
			random_bytes(chunk, TPROF_CHUNK_SIZE, 8);
		break;
	case 1:
		for (int i = 0; rows && i < 8; i++)
			rows[random64() % TPROF_CHUNK_ROWS].rule =
				t->roots[random64() % t->root_count];
		break;
	case 2: random_bytes(fake_map_at(w->rules_fd, 0), sizeof(t->rules), 16); break;
	case 3:
		random_bytes(pages + t->object.first, t->object.pages * sizeof(*pages), 8);
		if (random64() % 8 == 0)
			random_bytes(o, __builtin_offsetof(struct tprof_object, flags), 1);
		break;
	}
}

static void random_stack(struct walk *w, uint64_t *memory, size_t count, uint64_t root_pc)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t r = random64();

		if (r % 4 == 0) /* returns to a true root are there, too */
			memory[i] = 0x7f0000000000 + root_pc + 1;
		else if (r % 3)
			memory[i] = 0x7f0000000000 + (r >> 8) % (2 << 20);
		else
			memory[i] = r % 2 ? 0x7ffe00000000 + (r >> 8) % (count * 8) : 0;
	}
	for (int i = 0; i < WALK_REGISTERS; i++)
		w->registers[i] = memory[i];
	w->registers[7] = 0x7ffe00000000 + random64() % 1024 * 8;
	w->registers[16] = 0x7f0000000000 + random64() % (2 << 20);
}

/*
 * Random bytes in the maps: the walk ends, reads only what is the target's, and calls no stack
 * complete whose last frame is not in a root's rows.
 */
static void garbage_is_never_complete(void **unused)
{
	struct walk w = { 0 };
	struct unwind_tables *t;
	int fd = open(LIBC, O_RDONLY | O_CLOEXEC);
	static struct tables whole;
	static uint64_t memory[4096];
	struct cfi c = { 0 };
	size_t complete[4] = { 0 }, truly = 0, all = 0;
	uint64_t root_pc = 0;

	(void)unused;
	walk_open(&w, &t, 4 << 20);
	unwind_tables_add(t, 1, fd, false);
	assert_int_equal(unwind_tables_load(t, NULL), 0);
	assert_int_equal(cfi_read_fd(&c, fd, NULL), 0);
	for (size_t i = 0; i < c.count; i++) {
		if (c.rules[c.rows[i].rule].cfa == TPROF_CFA_ROOT)
			root_pc = c.rows[i].pc;
	}
	tables_copy(&w, &whole, false);
	for (uint16_t i = 0; i < 1024 && whole.root_count < 16; i++) {
		if (whole.rules[i].cfa == TPROF_CFA_ROOT)
			whole.roots[whole.root_count++] = i;
	}
	assert_true(whole.root_count && root_pc);
	w.mappings[0] = (struct walk_mapping){ .start = 0x7f0000000000,
					       .end = 0x7f0000000000 + (2 << 20),
					       .object = 1 };
	w.mapping_count = 1;
	w.memory[0] = (struct walk_memory){ .start = 0x7ffe00000000,
					    .bytes = (uint8_t *)memory,
					    .size = sizeof(memory) };
	w.memory_count = 1;
	for (int round = 0; round < 20000; round++) {
		if (round % 500 == 0)
			tables_copy(&w, &whole, true);
		damage(&w, &whole, round);
		random_stack(&w, memory, 4096, root_pc);
		walk_run(&w);
		assert_true(w.end > 0 && w.end <= TPROF_END_STUCK);
		assert_true(w.frames <= TPROF_MAX_USER_FRAMES);
		assert_true(w.reads <= TPROF_MAX_USER_FRAMES * 4);
		if (w.end != TPROF_END_ROOT)
			continue;
		complete[round % 4]++;
		all++;
		truly += cfi_find(&c, w.pcs[w.frames - 1] - 0x7f0000000000)->cfa == TPROF_CFA_ROOT;
	}
	print_message("# %zu of 20000 complete, %zu of them at a true root\n", all, truly);
	for (int i = 0; i < 4; i++)
		assert_true(complete[i]); /* else this would not be a test */
	assert_int_equal(all, truly);
	cfi_release(&c);
	unwind_tables_free(t);
	close(fd);
	fake_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfa_from_sp),
		cmocka_unit_test(cfa_from_fp_and_deref),
		cmocka_unit_test(cfa_of_plt_depends_on_ip),
		cmocka_unit_test(return_address_in_register),
		cmocka_unit_test(behind_clone_the_child_is_a_root),
		cmocka_unit_test(signal_frame_gives_all_registers),
		cmocka_unit_test(order_of_sigcontext),
		cmocka_unit_test(edges_of_jit_functions),
		cmocka_unit_test(signals_of_code_without_cfi),
		cmocka_unit_test(root_proves_itself),
		cmocka_unit_test(walks_end_with_their_reason),
		cmocka_unit_test(search_finds_each_row),
		cmocka_unit_test(garbage_is_never_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
