/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NOBODY 65534

static bool flag_of(cap_t set, int cap, cap_flag_t flag)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(set, cap, flag, &value) == 0 && value == CAP_SET;
}

bool privilege_held(int cap)
{
	cap_t now = cap_get_proc();
	bool held = now && flag_of(now, cap, CAP_EFFECTIVE);

	cap_free(now);
	return held;
}

static bool wanted(int cap, const int *caps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (caps[i] == cap)
			return true;
	return false;
}

/* What can be had again by running a program. Only CAP_SETPCAP may take from the bounding set;
 * without it no_new_privs alone keeps a program from having more than we. */
static void close_ways_back(const int *caps, size_t count)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (!wanted(cap, caps, count))
			(void)cap_drop_bound(cap);
}

int privilege_keep(const int *caps, size_t count)
{
	cap_t now = cap_get_proc(), keep = cap_init();
	int err = now && keep ? 0 : -ENOMEM;

	close_ways_back(caps, count);
	for (size_t i = 0; !err && i < count; i++) {
		cap_value_t cap = caps[i];

		if (!flag_of(now, cap, CAP_PERMITTED))
			continue;
		if (cap_set_flag(keep, CAP_PERMITTED, 1, &cap, CAP_SET) ||
		    cap_set_flag(keep, CAP_EFFECTIVE, 1, &cap, CAP_SET))
			err = -errno;
	}
	if (!err && cap_set_proc(keep))
		err = -errno;
	cap_free(now);
	cap_free(keep);
	return err;
}

int privilege_drop_all(void)
{
	/* the kernel takes a process that has left uid 0 its capabilities */
	if (geteuid() == 0 && privilege_held(CAP_SETUID) && privilege_held(CAP_SETGID) &&
	    (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	     setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	return privilege_keep(NULL, 0);
}
