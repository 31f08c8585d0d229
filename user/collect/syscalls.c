// SPDX-License-Identifier: BSD-2-Clause
#include "collect/syscalls.h"

#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>

#include "collect/syscalls_table.h"
#include "wire.h"

#define COUNT(array) ((int32_t)(sizeof(array) / sizeof((array)[0])))

static const char *name_of(int32_t nr, bool compat)
{
#if defined(__x86_64__)
	if (compat)
		return nr < COUNT(compat_names) ? compat_names[nr] : NULL;
#endif
	(void)compat;
	return nr < COUNT(native_names) ? native_names[nr] : NULL;
}

const char *syscalls_name(int32_t nr, char *room, size_t size)
{
	bool compat = nr > 0 && (nr & TPROF_BLOCK_COMPAT);
	int32_t number = compat ? nr & ~TPROF_BLOCK_COMPAT : nr;
	const char *name;

	switch (nr) {
	case TPROF_BLOCK_FAULT: return "page fault / disk";
	case TPROF_BLOCK_STOPPED: return "stopped";
	case TPROF_BLOCK_KERNEL: return "kernel thread";
	case TPROF_BLOCK_OTHER: return "other";
	}
	name = number >= 0 ? name_of(number, compat) : NULL;
	if (name)
		return name;
	snprintf(room, size, "%ssystem call %d", compat ? "32-bit " : "", (int)number);
	return room;
}
