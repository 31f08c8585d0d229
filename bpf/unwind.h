/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TPROF_UNWIND_STATE_H
#define TPROF_UNWIND_STATE_H

/*
 * One step of the walk over user frames, as pure functions: the same text runs in BPF
 * (unwind.bpf.c) and natively under tests (tests/unwind). Whoever includes it has included wire.h
 * and, for more than the state, defined
 *
 *	UNWIND_READ(to, size, address)   0, or not 0 when the target's memory is not readable
 *	UNWIND_REGISTER(s, number, to)   register by DWARF number where the walk began; 0 or not
 *	UNWIND_CHUNK(index)              const union tprof_chunk *, or NULL
 *	UNWIND_RULE(index)               const struct tprof_rule *, or NULL
 *
 * The walk never believes a table: whatever rule comes, a step reads the target's memory only
 * through UNWIND_READ, and the stack pointer only grows, but for switches at signal frames.
 */

/* Callee-saved registers are not read when they are passed, but only when a frame asks for them;
 * most never do. */
struct unwind_state {
	__u64 ip, sp;
	__u64 fp, base;
	__u64 fp_at, base_at; /* not 0: saved at this address and not read yet */
	__u64 context; /* not 0: registers of the frame lie here, in the order of struct sigcontext */
	__u32 flags;
	__u32 reserved;
};

#define UNWIND_EXACT	    1U /* ip is no return address: the leaf, or interrupted by a signal */
#define UNWIND_LEAF	    2U /* the frame where the walk began: all registers are known */
#define UNWIND_FP_UNKNOWN   4U
#define UNWIND_BASE_UNKNOWN 8U

#endif /* the steps, when their macros are there */

#if defined(UNWIND_READ) && !defined(TPROF_UNWIND_H)
#define TPROF_UNWIND_H

/* The kernel's rt_sigframe on x86-64, from the stack pointer in __restore_rt on: struct ucontext.
 * arch/x86/include/asm/sigframe.h, uapi/asm/{ucontext,sigcontext}.h */
#define UNWIND_UC_REGISTERS 40
#define UNWIND_UC_RBP	    (UNWIND_UC_REGISTERS + 10 * 8)
#define UNWIND_UC_RBX	    (UNWIND_UC_REGISTERS + 11 * 8)
#define UNWIND_UC_RSP	    (UNWIND_UC_REGISTERS + 15 * 8) /* rip follows */

/* Farthest that a frame may reach. Larger ones are no frames but wrong registers. */
#define UNWIND_MAX_FRAME (64ULL << 20)

#ifndef UNWIND_INLINE
#define UNWIND_INLINE static inline __attribute__((always_inline))
#endif

#define UNWIND_RESULT_REGISTER 0 /* rax: of a system call */

/* Place in struct sigcontext by DWARF number (rax rdx rcx rbx rsi rdi rbp rsp r8 … r15), 4 bits each. */
#define UNWIND_SIGCONTEXT_ORDER 0x76543210fa89becdULL

/* How many of the rows [first, first + count) begin at or before pc. */
UNWIND_INLINE __u32 unwind_search(const union tprof_chunk *chunk, __u32 first, __u32 count,
				  __u16 pc)
{
	__u32 n = 0;

	/* Without branches: they would be mispredicted, and the verifier would walk them all. */
	for (int i = 14; i >= 0; i--) {
		__u32 step = 1U << i, next = n + step;
		__s64 row = chunk->rows[(first + next - 1) & (TPROF_CHUNK_ROWS - 1)].pc;
		__s64 beyond = ((__s64)count - next) | ((__s64)pc - row); /* negative: too far */

		n += step & ~(__u32)(beyond >> 63);
	}
	return n;
}

/* The rule in force at a file offset of a loaded object, and where it begins; NULL: none. */
UNWIND_INLINE const struct tprof_rule *unwind_find(const struct tprof_object *o, __u64 offset,
						   __u32 *ret_row)
{
	__u64 page_index = (offset >> TPROF_TEXT_PAGE_SHIFT) - o->base;
	const union tprof_chunk *chunk;
	struct tprof_page page;
	__u32 entry, rule, n;

	if (page_index >= o->pages)
		return NULL;
	entry = o->first + (__u32)page_index;
	chunk = UNWIND_CHUNK(o->chunk + entry / TPROF_CHUNK_PAGES);
	if (!chunk)
		return NULL;
	page = chunk->pages[entry % TPROF_CHUNK_PAGES];
	chunk = UNWIND_CHUNK(page.chunk);
	if (!chunk)
		return NULL;
	n = unwind_search(chunk, page.first, page.count, offset & TPROF_TEXT_PAGE_MASK);
	rule = page.before;
	*ret_row = offset & ~TPROF_TEXT_PAGE_MASK;
	if (n) {
		struct tprof_row row = chunk->rows[(page.first + n - 1) % TPROF_CHUNK_ROWS];

		rule = row.rule;
		*ret_row += row.pc;
	}
	return UNWIND_RULE(rule);
}

UNWIND_INLINE int unwind_fp(struct unwind_state *s)
{
	if (s->flags & UNWIND_FP_UNKNOWN)
		return TPROF_END_UNSUPPORTED;
	if (!s->fp_at)
		return 0;
	if (UNWIND_READ(&s->fp, sizeof(s->fp), s->fp_at))
		return TPROF_END_MEMORY;
	s->fp_at = 0;
	return 0;
}

UNWIND_INLINE int unwind_base(struct unwind_state *s)
{
	if (s->flags & UNWIND_BASE_UNKNOWN)
		return TPROF_END_UNSUPPORTED;
	if (!s->base_at)
		return 0;
	if (UNWIND_READ(&s->base, sizeof(s->base), s->base_at))
		return TPROF_END_MEMORY;
	s->base_at = 0;
	return 0;
}

UNWIND_INLINE int unwind_register(const struct unwind_state *s, __u32 number, __u64 *ret_value)
{
	if (s->flags & UNWIND_LEAF)
		return UNWIND_REGISTER(s, number, ret_value) ? TPROF_END_UNSUPPORTED : 0;
	if (!s->context || number > 15)
		return TPROF_END_UNSUPPORTED;
	number = UNWIND_SIGCONTEXT_ORDER >> (number * 4) & 15;
	return UNWIND_READ(ret_value, sizeof(*ret_value), s->context + number * 8)
		       ? TPROF_END_MEMORY
		       : 0;
}

UNWIND_INLINE int unwind_cfa(struct unwind_state *s, const struct tprof_rule *r, __u64 *ret_cfa)
{
	__u64 base = s->sp;
	int end;

	if (r->cfa == TPROF_CFA_FP || r->cfa == TPROF_CFA_FP_DEREF || r->fp == TPROF_FP_AT_FP) {
		end = unwind_fp(s);
		if (end)
			return end;
	}
	if (r->cfa == TPROF_CFA_FP || r->cfa == TPROF_CFA_FP_DEREF) {
		base = s->fp;
	} else if (r->cfa == TPROF_CFA_BASE) {
		end = unwind_base(s);
		if (end)
			return end;
		base = s->base;
	} else if (r->cfa == TPROF_CFA_REGISTER) {
		end = unwind_register(s, r->reg, &base);
		if (end)
			return end;
	}
	base += (__s64)r->offset;
	if (r->cfa == TPROF_CFA_PLT) {
		base += (__s64)(s->ip & 15) >= r->extra ? 8 : 0;
	} else if (r->cfa == TPROF_CFA_SP_DEREF || r->cfa == TPROF_CFA_FP_DEREF) {
		if (UNWIND_READ(&base, sizeof(base), base))
			return TPROF_END_MEMORY;
		base += (__s64)r->extra;
	}
	*ret_cfa = base;
	return 0;
}

UNWIND_INLINE void unwind_keep_fp(struct unwind_state *s, const struct tprof_rule *r, __u64 cfa)
{
	if (r->fp == TPROF_FP_SAME)
		return;
	if (r->fp == TPROF_FP_UNKNOWN) {
		s->flags |= UNWIND_FP_UNKNOWN;
		return;
	}
	s->fp_at = (r->fp == TPROF_FP_AT_CFA  ? cfa
		    : r->fp == TPROF_FP_AT_FP ? s->fp
					      : s->sp) +
		   (__s64)r->fp_offset;
	s->flags &= ~UNWIND_FP_UNKNOWN;
}

UNWIND_INLINE void unwind_keep_base(struct unwind_state *s, const struct tprof_rule *r, __u64 cfa)
{
	if (!r->base_offset)
		return;
	if (r->base_offset == TPROF_BASE_UNKNOWN) {
		s->flags |= UNWIND_BASE_UNKNOWN;
		return;
	}
	s->base_at = cfa + (__s64)r->base_offset;
	s->flags &= ~UNWIND_BASE_UNKNOWN;
}

UNWIND_INLINE int unwind_signal(struct unwind_state *s, const struct tprof_rule *r)
{
	__u64 frame = s->sp + (__s64)r->offset;
	__u64 saved[2];

	if (UNWIND_READ(saved, sizeof(saved), frame + UNWIND_UC_RSP))
		return TPROF_END_MEMORY;
	s->sp = saved[0];
	s->ip = saved[1];
	s->fp_at = frame + UNWIND_UC_RBP;
	s->base_at = frame + UNWIND_UC_RBX;
	s->context = frame + UNWIND_UC_REGISTERS;
	s->flags = UNWIND_EXACT;
	return 0;
}

/* The step by a rule that has a CFA. */
UNWIND_INLINE int unwind_by_rule(struct unwind_state *s, const struct tprof_rule *r)
{
	__u32 ra = r->ra & ~TPROF_RA_EXACT;
	__u64 cfa = 0, ip = 0;
	int end = unwind_cfa(s, r, &cfa);

	if (end)
		return end;
	/* At the leaf nothing may be on the stack yet: the vfork stub has its return address in a
	 * register. */
	if (cfa - s->sp > UNWIND_MAX_FRAME || (cfa == s->sp && !(s->flags & UNWIND_EXACT)))
		return TPROF_END_STUCK;
	if (ra) {
		end = unwind_register(s, ra - 1, &ip);
		if (end)
			return end;
	} else if (UNWIND_READ(&ip, sizeof(ip), cfa + (__s64)r->ra_offset)) {
		return TPROF_END_MEMORY;
	}
	unwind_keep_fp(s, r, cfa);
	unwind_keep_base(s, r, cfa);
	s->ip = ip;
	s->sp = cfa;
	s->context = 0;
	s->flags &= UNWIND_FP_UNKNOWN | UNWIND_BASE_UNKNOWN;
	s->flags |= r->ra >> TPROF_RA_EXACT_SHIFT;
	return 0;
}

#if defined(__TARGET_ARCH_arm64)
UNWIND_INLINE int unwind_by_edge(struct unwind_state *s)
{
	return 0;
}

UNWIND_INLINE int unwind_at_sigreturn(struct unwind_state *s)
{
	return 0;
}
#else
/* The kernel's frame of a signal is at least so large, registers and siginfo. */
#define UNWIND_MIN_SIGNAL_FRAME 432
#define UNWIND_SIGRETURN_SIZE	9

/* mov $15,%rax; syscall: where the kernel has Go's signal handlers return to. */
UNWIND_INLINE int unwind_is_sigreturn(__u64 at)
{
	__u64 code;

	return !UNWIND_READ(&code, sizeof(code), at) && code == 0x0f0000000fc0c748ULL;
}

/* Then the frame pointer is what the signal interrupted, beyond the signal's frame or on another stack:
 * in all other frames nothing is read for this. */
UNWIND_INLINE int unwind_is_far(struct unwind_state *s)
{
	return !unwind_fp(s) && s->fp - s->sp > UNWIND_MIN_SIGNAL_FRAME;
}

/* Is this, in code without CFI, the way back from a signal handler? */
UNWIND_INLINE int unwind_at_sigreturn(struct unwind_state *s)
{
	if (!unwind_is_far(s))
		return 0;
	return unwind_is_sigreturn(s->ip) ||
	       (s->flags & UNWIND_EXACT && unwind_is_sigreturn(s->ip - UNWIND_SIGRETURN_SIZE));
}

/* A handler that has made no frame yet. */
UNWIND_INLINE int unwind_by_handler(struct unwind_state *s)
{
	__u64 ip;

	if (!(s->flags & UNWIND_EXACT) || !unwind_is_far(s) ||
	    UNWIND_READ(&ip, sizeof(ip), s->sp) || !unwind_is_sigreturn(ip))
		return 0;
	s->ip = ip;
	s->sp += sizeof(ip);
	s->context = 0;
	s->flags = (s->flags & UNWIND_FP_UNKNOWN) | UNWIND_BASE_UNKNOWN;
	return 1;
}

/*
 * At an edge of a function, before its frame is made or after it is gone, rbp is the caller's and the
 * return address is the last that was pushed. The instruction says so: push %rbp, alone or behind
 * endbr64 or HotSpot's probe of the stack (mov %eax,-n(%rsp)); ret, or HotSpot's poll before it (cmp
 * n(%r15),%rsp; ja … ret). 1: no frame; 2: rbp is pushed, but not set; 0: neither.
 */
UNWIND_INLINE int unwind_edge(__u64 code, __u8 before)
{
	__u32 two = code & 0xffff, three = code & 0xffffff;
	__u8 one = (__u8)code;

	if (one == 0x55 || one == 0xc3 || one == 0xc2 || two == 0xc3f3 || three == 0xa73b49 ||
	    (__u32)code == 0xfa1e0ff3U || (three == 0x248489 && code >> 56 == 0x55) ||
	    (two == 0x870f && (__u8)(code >> 48) == 0xc3))
		return 1;
	return before == 0x55 && (three == 0xe58948 || three == 0xec8b48) ? 2 : 0;
}

/* The step at such an edge: 1, or 0: it is none. */
UNWIND_INLINE int unwind_by_edge(struct unwind_state *s)
{
	__u64 code, saved[2];
	__u8 before = 0;
	int edge;

	if (!(s->flags & UNWIND_EXACT) || UNWIND_READ(&code, sizeof(code), s->ip))
		return 0;
	if (unwind_by_handler(s))
		return 1;
	if ((code & 0xff) == 0x48 && UNWIND_READ(&before, sizeof(before), s->ip - 1))
		return 0;
	edge = unwind_edge(code, before);
	if (!edge || UNWIND_READ(saved, sizeof(saved), s->sp))
		return 0;
	s->ip = edge == 2 ? saved[1] : saved[0];
	s->sp += edge == 2 ? 16 : 8;
	if (edge == 2) {
		s->fp = saved[0];
		s->fp_at = 0;
	}
	s->context = 0;
	s->flags = (s->flags & UNWIND_FP_UNKNOWN) | UNWIND_BASE_UNKNOWN;
	return 1;
}
#endif

/* The step where there is no CFI: code that keeps a frame pointer has it as [fp] = caller's fp,
 * [fp + 8] = return address. */
UNWIND_INLINE int unwind_by_fp(struct unwind_state *s)
{
	__u64 saved[2];
	int end;

	if (unwind_by_edge(s))
		return 0;
	end = unwind_fp(s);
	if (end)
		return TPROF_END_NO_RULE;
	if (s->fp < s->sp || s->fp - s->sp > UNWIND_MAX_FRAME || s->fp & 7)
		return TPROF_END_NO_RULE;
	if (UNWIND_READ(saved, sizeof(saved), s->fp))
		return TPROF_END_MEMORY;
	s->sp = s->fp + 16;
	s->fp = saved[0];
	s->ip = saved[1];
	s->context = 0;
	s->flags = UNWIND_BASE_UNKNOWN;
	return 0;
}

/* Is this a thread that has just been made, still behind the system call that made it? */
UNWIND_INLINE int unwind_is_born(const struct unwind_state *s, const struct tprof_rule *r,
				 __u32 row)
{
	__u64 result;

	return r->extra == TPROF_SP_CLONE && s->flags & UNWIND_EXACT &&
	       (__u32)r->fp_offset == (row & TPROF_SP_CLONE_MASK) &&
	       !unwind_register(s, UNWIND_RESULT_REGISTER, &result) && !result;
}

/*
 * One step from a frame to its caller's by rule r, which was found for `row`, the file offset where
 * it begins. 0: the state is the caller's now; else why the walk ends (enum tprof_stack_end).
 */
UNWIND_INLINE int unwind_step(struct unwind_state *s, const struct tprof_rule *r, __u32 row)
{
	switch (r->cfa) {
	case TPROF_CFA_NONE: return TPROF_END_NO_RULE;
	case TPROF_CFA_SIGNAL: return unwind_signal(s, r);
	case TPROF_CFA_ROOT: return (__u32)r->offset == row ? TPROF_END_ROOT : TPROF_END_NO_RULE;
	case TPROF_CFA_SP: return unwind_is_born(s, r, row) ? TPROF_END_ROOT : unwind_by_rule(s, r);
	case TPROF_CFA_FP:
	case TPROF_CFA_BASE:
	case TPROF_CFA_REGISTER:
	case TPROF_CFA_SP_DEREF:
	case TPROF_CFA_FP_DEREF:
	case TPROF_CFA_PLT: return unwind_by_rule(s, r);
	}
	return TPROF_END_UNSUPPORTED;
}

#endif
