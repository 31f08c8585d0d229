/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/privileges.h"

#include <linux/capability.h>
#include <stddef.h>
#include <unistd.h>

#include "base/privilege.h"
#include "base/sandbox.h"

#define MAX_KEPT 16

struct kept {
	int caps[MAX_KEPT];
	size_t count;
};

static void keep(struct kept *k, int cap)
{
	k->caps[k->count++] = cap;
}

/* Root's own rights to files: under sudo a recording is written into another user's directory and
 * becomes that user's. Who is not root writes as who they are. */
static void keep_saving(struct kept *k, bool command)
{
	if (geteuid() == 0) {
		keep(k, CAP_DAC_OVERRIDE);
		keep(k, CAP_CHOWN);
		keep(k, CAP_FOWNER);
	}
	if (command) /* it may have become another user, and is ended at the end */
		keep(k, CAP_KILL);
}

/* To open files for the child that reads them, to make that child nobody, and to end it. */
static void keep_naming(struct kept *k, bool command)
{
	if (!command) /* who is another user than we is not ended without */
		keep(k, CAP_KILL);
	keep(k, CAP_DAC_READ_SEARCH);
	if (geteuid() == 0) {
		keep(k, CAP_SETUID);
		keep(k, CAP_SETGID);
	}
}

int privileges_attached(bool command, bool jvm, bool debuginfod)
{
	struct kept k = { 0 };

	keep_saving(&k, command);
	keep_naming(&k, command);
	keep(&k, CAP_BPF);		  /* maps for the tables of new files */
	keep(&k, CAP_PERFMON);		  /* events of CPUs that come */
	keep(&k, CAP_SYS_PTRACE);	  /* mappings and roots of processes */
	keep(&k, CAP_CHECKPOINT_RESTORE); /* files by their mapping */
	keep(&k, CAP_SYSLOG);		  /* the kernel's names, at the end */
	if (jvm || geteuid() == 0) {	  /* JVMs talk to their own user only */
		keep(&k, CAP_SETUID);
		keep(&k, CAP_SETGID);
	}
	/* before these three were made of it, or where a container has no others */
	if (!privilege_held(CAP_BPF) || !privilege_held(CAP_PERFMON) ||
	    !privilege_held(CAP_CHECKPOINT_RESTORE))
		keep(&k, CAP_SYS_ADMIN);
	(void)sandbox_fence(debuginfod);
	return privilege_keep(k.caps, k.count);
}

int privileges_stopped(bool command)
{
	struct kept k = { 0 };

	keep_saving(&k, command);
	keep_naming(&k, command);
	return privilege_keep(k.caps, k.count);
}

int privileges_named(bool command)
{
	struct kept k = { 0 };

	keep_saving(&k, command);
	return privilege_keep(k.caps, k.count);
}

int privileges_reading(void)
{
	struct kept k = { 0 };

	keep_saving(&k, false);
	(void)sandbox_fence(false);
	return privilege_keep(k.caps, k.count);
}
