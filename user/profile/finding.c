/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/finding.h"

#include <stdlib.h>

const char *finding_severity_name(enum finding_severity s)
{
	switch (s) {
	case FINDING_HIGH: return "high";
	case FINDING_MEDIUM: return "medium";
	case FINDING_LOW: break;
	}
	return "low";
}

void findings_release(struct findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->list[i].title);
		free(f->list[i].advice);
	}
	free(f->list);
	*f = (struct findings){ 0 };
}
