/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_waits COUNTER-FILE MODE: operations counted for tests/bench/waits.py.
 *
 *	pipe     two threads send one byte to and fro: each operation is two switches
 *	cond     two threads take turns by a mutex and a condition variable
 *	mutex    four threads fight for one mutex
 *	create   pthread_create and pthread_join of a thread that does nothing
 */
#include <pthread.h>
#include <string.h>

#include "bench.h"

static volatile uint64_t *operations;
static int there[2], back[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;

static void start(void *(*body)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, NULL))
		exit(1);
}

static void *pong(void *arg)
{
	char c;

	while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
		;
	return arg;
}

static void run_pipe(void)
{
	char c = 1;

	if (pipe(there) || pipe(back))
		exit(1);
	start(pong);
	while (write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1)
		++*operations;
}

static void take_turns(int mine)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (turn != mine)
			pthread_cond_wait(&turned, &lock);
		turn = !mine;
		pthread_cond_signal(&turned);
		*operations += (uint64_t)mine;
	}
}

static void *other_turn(void *arg)
{
	take_turns(1);
	return arg;
}

static void run_cond(void)
{
	start(other_turn);
	take_turns(0);
}

static void spin(int n)
{
	for (volatile int i = 0; i < n; i++)
		;
}

static void *fight(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		spin(200);
		++*operations;
		pthread_mutex_unlock(&lock);
		spin(50);
	}
	return arg;
}

static void run_mutex(void)
{
	for (int i = 0; i < 4; i++)
		start(fight);
	pause();
}

static void *nothing(void *arg)
{
	return arg;
}

static void run_create(void)
{
	pthread_t thread;

	while (!pthread_create(&thread, NULL, nothing, NULL) && !pthread_join(thread, NULL))
		++*operations;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} modes[] = {
		{ "pipe", run_pipe },
		{ "cond", run_cond },
		{ "mutex", run_mutex },
		{ "create", run_create },
	};

	operations = bench_counter(argc, argv);
	for (size_t i = 0; argc > 2 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(argv[2], modes[i].name))
			modes[i].run();
	}
	return 2;
}
