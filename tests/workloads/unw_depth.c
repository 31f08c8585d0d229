// SPDX-License-Identifier: BSD-2-Clause
/* cflags: -O2 -fomit-frame-pointer -fno-optimize-sibling-calls -fno-ipa-icf */
/*
 * unw_depth WAY DEPTH: burns CPU under a stack of known shape, until it is killed.
 *
 *	plain     main → deeper × DEPTH → burn
 *	qsort     … through libc's qsort every 4th call
 *	bsearch, lfind, once, tree, ftw, scandir, exit	… through what else calls back, likewise
 *	signal    … burn in a signal handler
 *	altstack  … on a stack of its own
 *	alloca    … frames of varying size, realigned to 64
 *	vfork     … burn in a vfork child
 *	vforks	  … makes many of them
 *	asm       … burn in hand-written assembly without CFI
 *	plt       … burn in a library function called through the PLT, short ones
 *	thread    … all of it in a second thread
 *	fault     … page faults
 *	edges     … functions so short that samples hit their first and last instructions
 */
#include <alloca.h>
#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

volatile uint64_t sink;
static volatile int forever = 1;
static const char *way;

NOINLINE void burn(void)
{
	while (forever)
		sink += sink ^ 5;
}

NOINLINE void on_signal(int signal)
{
	(void)signal;
	burn();
	sink++;
}

NOINLINE void raise_here(void)
{
	kill(getpid(), SIGUSR1);
	sink++;
}

NOINLINE void burn_altstack(void)
{
	stack_t s = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	sigaltstack(&s, NULL);
	sigaction(SIGUSR1, &a, NULL);
	raise_here();
	sink++;
}

NOINLINE void burn_signal(void)
{
	signal(SIGUSR1, on_signal);
	raise_here();
	sink++;
}

NOINLINE void burn_vfork(void)
{
	if (!vfork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		burn();
		_exit(0);
	}
	sink++;
}

NOINLINE void burn_vforks(void)
{
	while (forever) {
		pid_t child = vfork();

		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
	}
	sink++;
}

NOINLINE void burn_fault(void)
{
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	while (forever) {
		madvise(p, 1 << 20, MADV_DONTNEED);
		for (int i = 0; i < 1 << 20; i += 4096)
			p[i] = 1;
	}
	sink++;
}

NOINLINE void burn_plt(void)
{
	char text[8] = "abc";

	while (forever) {
		sink += (uint64_t)getppid() + strlen(text) + (uint64_t)atoi("1");
		text[sink & 1] = 'x';
	}
	sink++;
}

/* Pushes, calls nothing, has no CFI: the walk must see through it. */
extern void asm_burn(volatile int *forever);
__asm__(".text\n.globl asm_burn\n.type asm_burn,@function\nasm_burn:\n"
	"push %rbx\npush %r12\nsub $24, %rsp\n"
	"1: mov $1000, %ecx\n2: dec %ecx\njnz 2b\n"
	"push %rcx\nmov (%rsp), %rbx\npop %rcx\n"
	"cmpl $0, (%rdi)\njne 1b\n"
	"add $24, %rsp\npop %r12\npop %rbx\nret\n.size asm_burn, . - asm_burn\n");

NOINLINE void burn_asm(void)
{
	asm_burn(&forever);
	sink++;
}

/*
 * A CPU takes an interrupt between instructions, and most are taken where the next one must wait.
 * `tiny` is called through memory at a place that hangs on a division: its first instruction waits for
 * the call. Its last one, `ret`, waits for the stack pointer, to which a division adds 0.
 */
static volatile uint64_t three = 3;

uint64_t tiny(uint64_t x, uint64_t divisor);
__asm__(".text\n"
	".globl tiny\n"
	".type tiny, @function\n"
	"tiny:\n"
	".cfi_startproc\n"
	"mov %rdi, %rax\n"
	"xor %edx, %edx\n"
	"div %rsi\n"
	"mov %rax, %rcx\n"
	"and $0, %rcx\n"
	"add %rcx, %rsp\n"
	"ret\n"
	".cfi_endproc\n"
	".size tiny, . - tiny\n");

static uint64_t (*volatile const tinies[4])(uint64_t, uint64_t) = { tiny, tiny, tiny, tiny };

NOINLINE uint64_t small(uint64_t x)
{
	volatile uint64_t y = tinies[x % three](x, three);

	return y + tinies[y % three](x + 1, three);
}

NOINLINE void burn_edges(void)
{
	while (forever)
		sink += small(sink);
	sink++;
}

NOINLINE void bottom(void)
{
	static const struct {
		const char *name;
		void (*burn)(void);
	} ways[] = { { "signal", burn_signal }, { "altstack", burn_altstack },
		     { "vfork", burn_vfork },	{ "vforks", burn_vforks },
		     { "asm", burn_asm },	{ "plt", burn_plt },
		     { "fault", burn_fault },	{ "edges", burn_edges } };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!strcmp(way, ways[i].name))
			ways[i].burn();
	}
	burn();
	sink++;
}

NOINLINE void deeper(int depth);

NOINLINE int compare(const void *a, const void *b)
{
	int depth = *(const int *)a;

	(void)b;
	deeper(depth);
	return 0;
}

NOINLINE void by_qsort(int depth)
{
	int pair[2] = { depth, depth };

	qsort(pair, 2, sizeof(int), compare);
	sink++;
}

static _Thread_local int depth_now; /* for callbacks that are told nothing */

NOINLINE void by_bsearch(int depth)
{
	int key = depth;

	bsearch(&key, &key, 1, sizeof(int), compare);
	sink++;
}

NOINLINE void by_lfind(int depth)
{
	int key = depth;
	size_t n = 1;

	lfind(&key, &key, &n, sizeof(int), compare);
	sink++;
}

NOINLINE void visit(const void *node, VISIT which, int level)
{
	(void)level;
	if (which == leaf)
		deeper(**(const int *const *)node);
}

NOINLINE void by_tree(int depth)
{
	int key = depth;
	void *root = NULL;

	tsearch(&key, &root, compare);
	twalk(root, visit);
	sink++;
}

NOINLINE void go_on(void)
{
	deeper(depth_now);
}

NOINLINE void by_once(int depth)
{
	pthread_once_t once = PTHREAD_ONCE_INIT;

	depth_now = depth;
	pthread_once(&once, go_on);
	sink++;
}

NOINLINE int at_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)type;
	(void)ftw;
	go_on();
	return 1;
}

NOINLINE void by_ftw(int depth)
{
	depth_now = depth;
	nftw("/", at_file, 1, FTW_PHYS);
	sink++;
}

NOINLINE int at_entry(const struct dirent *entry)
{
	(void)entry;
	go_on();
	return 0;
}

NOINLINE void by_scandir(int depth)
{
	struct dirent **list;

	depth_now = depth;
	scandir("/", &list, at_entry, NULL);
	sink++;
}

NOINLINE void by_exit(int depth)
{
	depth_now = depth;
	atexit(go_on);
	exit(0);
}

NOINLINE void by_alloca(int depth)
{
	_Alignas(64) char aligned[64];
	char *p = alloca((size_t)(depth % 7) * 40 + 8);

	memset(p, depth, 8);
	memset(aligned, depth, sizeof(aligned));
	__asm__ volatile("" ::"r"(p), "r"(aligned) : "memory");
	deeper(depth);
	sink += (uint64_t)p[0] + (uint64_t)aligned[1];
}

typedef void (*by_fn)(int depth);

static by_fn callback_of(const char *name)
{
	static const struct {
		const char *name;
		by_fn by;
	} ways[] = { { "qsort", by_qsort }, { "bsearch", by_bsearch }, { "lfind", by_lfind },
		     { "tree", by_tree },   { "once", by_once },       { "ftw", by_ftw },
		     { "exit", by_exit },   { "scandir", by_scandir } };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!strcmp(name, ways[i].name))
			return ways[i].by;
	}
	return NULL;
}

NOINLINE void deeper(int depth)
{
	by_fn by = depth % 4 ? NULL : callback_of(way);

	if (depth <= 1)
		bottom();
	else if (by)
		by(depth - 1);
	else if (!strcmp(way, "alloca"))
		by_alloca(depth - 1);
	else
		deeper(depth - 1);
	sink++;
}

NOINLINE void *in_thread(void *depth)
{
	deeper(*(int *)depth);
	sink++;
	return NULL;
}

int main(int argc, char **argv)
{
	int depth = argc > 2 ? atoi(argv[2]) : 10;
	pthread_t thread;

	way = argc > 1 ? argv[1] : "plain";
	if (!strcmp(way, "thread")) {
		pthread_create(&thread, NULL, in_thread, &depth);
		pthread_join(thread, NULL);
	} else {
		deeper(depth);
	}
	sink++;
	return 0;
}
