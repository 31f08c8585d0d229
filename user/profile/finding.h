/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_FINDING_H
#define TPROF_FINDING_H

#include <stddef.h>
#include <stdint.h>

/* What diagnose says and render shows. Strings are owned by the list. */
enum finding_severity { FINDING_LOW = 1, FINDING_MEDIUM = 2, FINDING_HIGH = 3 };

struct finding_evidence {
	const char *key; /* JSON key, static */
	double value;
};

struct finding {
	const char *id; /* "hot-thread"; static */
	enum finding_severity severity;
	char *title;  /* one line with the numbers */
	char *advice; /* what usually helps */
	struct finding_evidence evidence[12];
	size_t evidence_count;
	uint32_t stack; /* of the profile: the one to look at, 0 = none */
};

struct findings {
	struct finding *list; /* most important first */
	size_t count;
};

const char *finding_severity_name(enum finding_severity s); /* "high", "medium", "low" */
void findings_release(struct findings *f);

#endif
