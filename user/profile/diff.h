/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_DIFF_H
#define TPROF_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/* What two recordings, or two time ranges of one, are measured by. */
enum profile_normalize {
	PROFILE_BY_TIME,  /* weight a second: has it become more work? */
	PROFILE_BY_TOTAL, /* share of all: does it spend itself otherwise? */
};

/* [0] is A, before; [1] is B, after. */
struct profile_diff_side {
	struct profile *profile;
	uint64_t from_ns, to_ns; /* windows that begin in [from, to); to 0 = to the end */
};

struct profile_change {
	double value[2]; /* a second: nanoseconds, or events of wake and spawn; or share (0 … 1) */
	double error;	 /* standard error of value[1] − value[0] */
	bool significant;
};

/* One function: equal name and equal base name of the module. Texts belong to the profiles. */
struct profile_diff_function {
	const char *name, *module;
	uint8_t type; /* enum profile_label_type */
	struct profile_change self, total;
};

struct profile_diff {
	struct profile_diff_function *functions; /* significant changes first, by size */
	size_t count, significant; /* how many of them have a significant change of self or total */
	struct profile_change all;
	double seconds[2], weight[2]; /* of each side: how long, and the sum of what was counted */
	double errors;	/* a change is significant above so many standard errors … */
	double scatter; /* … of events that scatter so many times more than independent ones … */
	double least;	/* … and above this share of the larger side's total */
};

/*
 * Compares what one kind has recorded.
 *
 * When is a change no chance? Each side's windows (a second each) are repeated measurements. A
 * value's variance is that of as many independent events (Poisson; of a share binomial), times how
 * much more it scatters from window to window than those would: its own scatter, drawn towards that
 * of all functions together (as 8 degrees of freedom), never below 1; 2 where no side has a second
 * window. `errors` is the two-sided quantile of Student's t for 1 % over everything that is tested
 * (Bonferroni). A change must also be at least `least` of the whole. So of a hundred comparisons of
 * a steady program with itself about one names a function.
 */
int profile_diff(const struct profile_diff_side side[2], enum profile_kind kind,
		 enum profile_normalize normalize,
		 struct profile_diff *ret_diff); /* 0 or -ENOMEM */
void profile_diff_release(struct profile_diff *d);

#endif
