/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 */
/* ldflags: -ldl */
/*
 * LD_PRELOADed into a program, makes memory run out at one place of its life. A place ("site") is an
 * allocation with the calls that led to it: FRAMES return addresses, hashed. Addresses must be the
 * same from run to run: setarch -R.
 *
 *	FAIL_LIST=FILE   nothing fails; each site is a line of FILE when it is first seen
 *	FAIL_SITE=HEX    the first allocation of this site fails
 *	FAIL_ALWAYS=1    … and every one of the process after it
 *	FAIL_LOG=FILE    a line when one failed
 *
 * The program that it begins in only, with its children until they exec. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES 8
#define SITES  (1U << 16)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool on, always;
static atomic_bool failed;
static uint64_t wanted;
static int list_fd = -1, log_fd = -1;
static _Atomic uint64_t seen[SITES];
static __thread bool inside;

static uint64_t site(void)
{
	void *frames[FRAMES + 3];
	int n = backtrace(frames, FRAMES + 3);
	uint64_t hash = 1;

	for (int i = 3; i < n; i++) /* this one, fails(), the wrapper */
		hash = (hash ^ (uintptr_t)frames[i]) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

static void say(int fd, uint64_t hash)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%016llx\n", (unsigned long long)hash);

	if (write(fd, line, (size_t)n) != n)
		_exit(99);
}

/* True when it was not there yet. */
static bool add(uint64_t hash)
{
	for (uint32_t i = (uint32_t)hash % SITES;; i = (i + 1) % SITES) {
		uint64_t none = 0;

		if (atomic_compare_exchange_strong(&seen[i], &none, hash))
			return true;
		if (none == hash)
			return false;
	}
}

static __attribute__((noinline)) bool fails(void)
{
	uint64_t hash;
	bool yes = false;

	if (!on || inside)
		return false;
	if (failed)
		return always;
	inside = true;
	hash = site();
	if (list_fd >= 0 && add(hash))
		say(list_fd, hash);
	if (wanted && hash == wanted && !atomic_exchange(&failed, true)) {
		yes = true;
		if (log_fd >= 0)
			say(log_fd, hash);
	}
	inside = false;
	if (yes)
		errno = ENOMEM;
	return yes;
}

static int open_named(const char *variable)
{
	const char *path = getenv(variable);

	/* high up: the program's own descriptors keep their numbers */
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 900) : -1;

	if (fd >= 0)
		close(fd);
	return high;
}

static __attribute__((constructor)) void begin(void)
{
	const char *hex = getenv("FAIL_SITE");
	void *frames[2];

	backtrace(frames, 2); /* loads what it needs */
	list_fd = open_named("FAIL_LIST");
	log_fd = open_named("FAIL_LOG");
	wanted = hex ? strtoull(hex, NULL, 16) : 0;
	always = getenv("FAIL_ALWAYS") != NULL;
	/* what it starts is left alone */
	unsetenv("LD_PRELOAD");
	on = true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails() ? NULL : __libc_realloc(old, all);
}
