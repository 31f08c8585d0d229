/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 -fomit-frame-pointer */

/*
 * What `make demo` records: a small server with three things wrong with it, and a healthy part.
 *
 *	checksum_blocks()   burns CPU in one thread ("hasher")
 *	update_ledger()     holds a mutex while it works; three "clerk" threads queue for it
 *	start_task()        makes a thread per task instead of keeping a pool ("task-N")
 *	wait_for_request()  four idle "worker" threads wait for work: nothing wrong here
 *
 * Runs until it is killed, or for the number of seconds given; never outlives its parent.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define noinline __attribute__((noinline))
/* Compilers may not work the result out, nor find that the same call gives the same. */
#define opaque(v) __asm__ volatile("" : "+r"(v))

static pthread_mutex_t ledger_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t request_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t request_arrived = PTHREAD_COND_INITIALIZER;
static volatile uint64_t sink;

static void nap_us(long us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

static noinline uint64_t checksum_blocks(unsigned blocks)
{
	uint64_t h = 0xcbf29ce484222325;

	for (unsigned i = 0; i < blocks * 4096; i++) {
		h = (h ^ i) * 0x100000001b3;
		h ^= h >> 29;
	}
	opaque(h);
	return h;
}

static noinline uint64_t parse_records(unsigned records)
{
	uint64_t h = 1;

	for (unsigned i = 0; i < records * 4096; i++)
		h = h * 6364136223846793005 + (h >> 33) + i;
	opaque(h);
	return h;
}

static void *hasher(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "hasher");
	for (;;) {
		sink += checksum_blocks(30);
		sink += parse_records(10);
	}
	return NULL;
}

static noinline void update_ledger(void)
{
	pthread_mutex_lock(&ledger_lock);
	sink += checksum_blocks(20);
	nap_us(1000); /* as if it wrote to a disk, the lock held */
	pthread_mutex_unlock(&ledger_lock);
}

static void *clerk(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "clerk");
	for (;;) {
		update_ledger();
		nap_us(200);
	}
	return NULL;
}

static noinline void wait_for_request(void)
{
	pthread_mutex_lock(&request_lock);
	pthread_cond_wait(&request_arrived, &request_lock);
	pthread_mutex_unlock(&request_lock);
}

static void *worker(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "worker");
	for (;;)
		wait_for_request();
	return NULL;
}

static void *task(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "task-%u", (unsigned)(uintptr_t)arg);
	pthread_setname_np(pthread_self(), name);
	sink += parse_records(5);
	return NULL;
}

static noinline int start_task(unsigned number)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, task, (void *)(uintptr_t)number) != 0)
		return -1;
	return pthread_detach(thread);
}

static noinline void serve_requests(time_t end)
{
	for (unsigned n = 0; end == 0 || time(NULL) < end; n++) {
		if (start_task(n) != 0)
			nap_us(100000);
		nap_us(5000);
	}
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
	pthread_t thread;
	int err = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	err |= pthread_create(&thread, NULL, hasher, NULL);
	for (int i = 0; i < 3; i++)
		err |= pthread_create(&thread, NULL, clerk, NULL);
	for (int i = 0; i < 4; i++)
		err |= pthread_create(&thread, NULL, worker, NULL);
	if (err != 0)
		return 1;
	puts("ready");
	fflush(stdout);
	serve_requests(seconds > 0 ? time(NULL) + seconds : 0);
	return 0;
}
