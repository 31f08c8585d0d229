/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 -g -fno-optimize-sibling-calls -fPIE */
/* ldflags: -pie -Wl,--build-id -ldl */

/*
 * Functions with names of all sorts. names SECONDS WHAT [wall]: burns so much CPU time (or for so long) in
 *	cpp    app::Engine<int>::turn, which has app::mix inlined
 *	rust   mycrate::foo (v0) and core::fmt::write (legacy), by their mangled names
 *	plt    the stub through which libhop.so calls a function of its own
 *	vdso   the clock
 *	static a function that no export names
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <unistd.h>

static volatile uint64_t sink;

static double now(clockid_t clock)
{
	timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

namespace app
{
static inline __attribute__((always_inline)) uint64_t mix(uint64_t x)
{
	for (int i = 0; i < 100000; i++)
		x = x * 6364136223846793005u + (x >> 7);
	return x;
}

template <typename T> struct Engine {
	T state = 1;
	__attribute__((noinline)) void turn()
	{
		sink = mix((uint64_t)state + sink);
	}
};
} // namespace app

extern "C" {
__attribute__((noinline)) void foo(void) __asm__("_RNvCs1234_7mycrate3foo");
__attribute__((noinline)) void write_fmt(void) __asm__("_ZN4core3fmt5write17h0123456789abcdefE");

void foo(void)
{
	sink = app::mix(sink + 1);
}

void write_fmt(void)
{
	sink = app::mix(sink + 2);
}
}

static __attribute__((noinline)) void unexported(void)
{
	sink = app::mix(sink + 3);
}

/* The library beside the program: who does not hop does not need it. */
static void (*load_hop())()
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	void *library;

	path[n > 0 ? n : 0] = '\0';
	if (!strrchr(path, '/'))
		abort();
	strcpy(strrchr(path, '/') + 1, "libhop.so");
	library = dlopen(path, RTLD_LAZY);
	if (!library)
		abort();
	return (void (*)())dlsym(library, "hop");
}

/*
 * A stub takes no time. But a sample finds the instruction that follows the one that was being waited
 * for: so what jumps to the stub is made to wait, by an address that is in no cache. (Stubs of other
 * machines are several instructions, of ten that a call takes.)
 */
#ifdef __x86_64__
static void *stub;

static void find_stub(void (*hop)())
{
	unsigned char *jump = (unsigned char *)hop;
	int32_t to;

	if (*jump != 0xe9)
		abort();
	memcpy(&to, jump + 1, sizeof(to));
	stub = jump + 5 + to;
}

static inline void call_stub(void (*)())
{
	__builtin_ia32_clflush(&stub);
	__asm__ volatile("mfence; call *%0"
			 :
			 : "m"(stub)
			 : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
			   "r11");
}
#else
static void find_stub(void (*)())
{
}

static inline void call_stub(void (*hop)())
{
	hop();
}
#endif

static __attribute__((noinline)) void through_stubs()
{
	static void (*const hop)() = load_hop();

	hop(); /* bound now */
	find_stub(hop);
	for (int i = 0; i < 10000; i++)
		call_stub(hop);
}

static __attribute__((noinline)) void read_clock(void)
{
	for (int i = 0; i < 1000; i++)
		now(CLOCK_MONOTONIC);
}

static void turn_engine()
{
	app::Engine<int> engine;

	engine.turn();
}

static void both_rusts()
{
	foo();
	write_fmt();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)();
	} all[] = { { "cpp", turn_engine },
		    { "rust", both_rusts },
		    { "plt", through_stubs },
		    { "vdso", read_clock },
		    { "static", unexported } };
	/* CPU time: there is as much to sample on a busy machine */
	const clockid_t clock = argc > 3 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
	double end = now(clock) + (argc > 1 ? atof(argv[1]) : 1);

	for (auto &one : all) {
		if (argc > 2 && strcmp(argv[2], one.name) == 0)
			while (now(clock) < end)
				one.run();
	}
	return 0;
}
