// SPDX-License-Identifier: BSD-2-Clause
/*
 * record PID[:TID] [TITLE]      a case for tests/unwind/data: a thread of a live process, stopped for
 *                               some ms wherever it is; the right frames are libdw's
 * record -s STEPS PROGRAM ARGS  … a program after so many instructions of its own, or, when it is
 *                               0x…, at that address (it is not randomized); the right frames are its
 *                               calls
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../known.h"
#include "../saved.h"

static struct traced t;
static uint64_t known[TPROF_MAX_USER_FRAMES];

static int write_case(ssize_t count, const char *title)
{
	if (count < 0) {
		fprintf(stderr, "record: libdw does not know this stack: try again\n");
		return 1;
	}
	saved_write(stdout, &t, known, (size_t)count, title);
	if (t.walk.end != TPROF_END_ROOT || t.walk.frames != (size_t)count ||
	    memcmp(t.walk.pcs, known, (size_t)count * sizeof(*known)) != 0)
		fprintf(stderr, "record: the walk says otherwise (%zu frames, end %d)\n",
			t.walk.frames, t.walk.end);
	return 0;
}

static int record_process(char *which, const char *title)
{
	pid_t pid = (pid_t)strtol(which, &which, 10);
	pid_t tid = *which == ':' ? (pid_t)strtol(which + 1, NULL, 10) : pid;
	int err = traced_attach(&t, tid);

	if (err) {
		fprintf(stderr, "record: %d: %s\n", (int)tid, strerror(-err));
		return 1;
	}
	traced_walk(&t);
	return write_case(known_frames(pid, tid, known, TPROF_MAX_USER_FRAMES), title);
}

static int record_steps(const char *steps, char **argv)
{
	bool address = !strncmp(steps, "0x", 2);
	unsigned long left = strtoul(steps, NULL, 0);
	int err = traced_start(&t, argv, true);

	if (err) {
		fprintf(stderr, "record: %s: %s\n", argv[0], strerror(-err));
		return 1;
	}
	while (address ? t.walk.registers[16] != left : left-- > 0) {
		if (!traced_step(&t))
			return 1;
	}
	traced_walk(&t);
	return write_case((ssize_t)traced_frames(&t, known, TPROF_MAX_USER_FRAMES), argv[0]);
}

int main(int argc, char **argv)
{
	int err = 2;

	if (argc > 3 && !strcmp(argv[1], "-s"))
		err = record_steps(argv[2], argv + 3);
	else if (argc > 1)
		err = record_process(argv[1], argc > 2 ? argv[2] : argv[1]);
	else
		fputs("usage: record PID[:TID] [TITLE] | record -s STEPS PROGRAM ARGS…\n", stderr);
	traced_end(&t);
	return err;
}
