/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 -fomit-frame-pointer */
/*
 * server THREADS: a server with a thread per connection, and a client process that keeps all of them
 * busy: each request is parsed, looked up under one of a few locks, computed and answered. Until it is
 * killed; the client never outlives it. Prints "serving" when all connections stand.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "burn.h"

enum { LOCKS = 8, REQUEST = 64 };

static pthread_mutex_t locks[LOCKS];
static uint64_t table[LOCKS][64];
static volatile uint64_t sink;

static __attribute__((noinline)) uint64_t parse(const char *request)
{
	uint64_t hash = 14695981039346656037ULL;

	for (int i = 0; i < REQUEST; i++)
		hash = (hash ^ (unsigned char)request[i]) * 1099511628211ULL;
	return hash;
}

static __attribute__((noinline)) uint64_t look_up(uint64_t key)
{
	unsigned lock = key % LOCKS;
	uint64_t value;

	pthread_mutex_lock(&locks[lock]);
	value = table[lock][key / LOCKS % 64] += burn_steps(500);
	pthread_mutex_unlock(&locks[lock]);
	return value;
}

static __attribute__((noinline)) uint64_t compute(uint64_t value)
{
	return burn_steps(20000 + value % 20000);
}

static __attribute__((noinline)) void answer(int fd, uint64_t value)
{
	char response[REQUEST];

	memset(response, (int)value, sizeof(response));
	if (write(fd, response, sizeof(response)) != sizeof(response))
		exit(1);
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char request[REQUEST];

	while (read(fd, request, sizeof(request)) == sizeof(request))
		answer(fd, sink = compute(look_up(parse(request))));
	return NULL;
}

/* As many requests as there are connections are under way all the time. */
static _Noreturn void client(const int *fds, int n)
{
	struct epoll_event event = { .events = EPOLLIN }, ready[64];
	int all = epoll_create1(0);
	char message[REQUEST];
	uint64_t count = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "client");
	for (int i = 0; i < n; i++) {
		event.data.fd = fds[i];
		epoll_ctl(all, EPOLL_CTL_ADD, fds[i], &event);
		memset(message, i, sizeof(message));
		if (write(fds[i], message, sizeof(message)) < 0)
			_exit(1);
	}
	for (;;) {
		int got = epoll_wait(all, ready, 64, -1);

		for (int i = 0; i < got; i++) {
			if (read(ready[i].data.fd, message, sizeof(message)) <= 0)
				_exit(0);
			memcpy(message, &count, sizeof(count));
			count++;
			if (write(ready[i].data.fd, message, sizeof(message)) < 0)
				_exit(0);
		}
	}
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 200;
	int *ends = calloc((size_t)n, sizeof(*ends)), *mine = calloc((size_t)n, sizeof(*mine));
	pthread_t thread;

	for (int i = 0; i < LOCKS; i++)
		pthread_mutex_init(&locks[i], NULL);
	for (int i = 0; i < n; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			return 1;
		mine[i] = pair[0];
		ends[i] = pair[1];
	}
	if (fork() == 0)
		client(ends, n);
	for (int i = 0; i < n; i++) {
		close(ends[i]);
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)mine[i]))
			return 1;
	}
	puts("serving");
	fflush(stdout);
	pthread_join(thread, NULL);
	return 0;
}
