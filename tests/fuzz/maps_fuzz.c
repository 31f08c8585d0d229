// SPDX-License-Identifier: BSD-2-Clause
/*
 * /proc/PID/maps and cgroup of a hostile process: each line parsed and put into the set of mappings.
 * The set stays sorted and disjoint.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collect/maps.h"
#include "collect/mapset.h"
#include "collect/procinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *next = text, *line;
	struct mapset s = { 0 };
	struct map_entry e;
	const char *id;
	size_t len;

	memcpy(text, data, size);
	text[size] = '\0';
	len = procinfo_container(text, &id);
	if (len && (id < text || id + len > text + size))
		abort();
	while ((line = strsep(&next, "\n"))) {
		struct tprof_mapping m;

		if (!maps_parse_line(line, &e))
			continue;
		m = (struct tprof_mapping){ .start = e.start, .end = e.end, .offset = e.offset };
		m.object = (uint32_t)strlen(e.path);
		mapset_insert(&s, &m);
	}
	for (size_t i = 0; i < s.count; i++) {
		if (s.list[i].start >= s.list[i].end || (i && s.list[i].start < s.list[i - 1].end))
			abort();
	}
	mapset_release(&s);
	free(text);
	return 0;
}
