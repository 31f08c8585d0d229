/* SPDX-License-Identifier: BSD-2-Clause */
/* cflags: -O2 -fomit-frame-pointer */
/* ldflags: -ldl -rdynamic */

/*
 * The first incident (docs/incident-voip.md): a server that grows slow. One thread takes registrations
 * and hands each to a module (libregistrar.so, loaded with dlopen, without frame pointers), which
 * walks an ever-growing list. Forty threads idle.
 *
 *	incident_server SECONDS [PER_MS] [fixed]
 *
 * PER_MS registrations a millisecond (60: too many within a second); fixed: the same peers come again,
 * the list stays short.
 */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_THREADS = 40 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static void (*on_register)(const char *name);
static long burst = 60;
static int fixed;

static void *worker(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "worker-%d", (int)(long)arg);
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&lock);
	for (;;)
		pthread_cond_wait(&work, &lock);
	return NULL;
}

static void registration(long n)
{
	char name[40];

	snprintf(name, sizeof(name), "sip:%ld@pbx.example", fixed ? n % 50 : n);
	on_register(name);
}

static void *monitor(void *arg)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	pthread_setname_np(pthread_self(), "registrations");
	for (long n = 0;; n++) {
		registration(n);
		if (n % burst == 0)
			nanosleep(&pause, NULL);
	}
	return arg;
}

static void *load_module(const char *self)
{
	char path[PATH_MAX], *copy = strdup(self);

	snprintf(path, sizeof(path), "%s/libregistrar.so", dirname(copy));
	free(copy);
	return dlopen(path, RTLD_NOW);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 10;
	struct timespec t = { (time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9) };
	pthread_t thread;
	void *module = load_module(argv[0]);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fixed = argc > 2 && !strcmp(argv[argc - 1], "fixed");
	if (argc > 2 && atol(argv[2]) > 0)
		burst = atol(argv[2]);
	if (module)
		on_register = (void (*)(const char *))dlsym(module, "handle_register");
	if (!on_register) {
		fprintf(stderr, "incident_server: %s\n", dlerror());
		return 1;
	}
	for (long i = 0; i < IDLE_THREADS; i++)
		pthread_create(&thread, NULL, worker, (void *)i);
	pthread_create(&thread, NULL, monitor, NULL);
	puts("up");
	fflush(stdout);
	nanosleep(&t, NULL);
	return 0;
}
