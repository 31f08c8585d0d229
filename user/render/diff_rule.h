/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_DIFF_RULE_H
#define TPROF_DIFF_RULE_H

#include "render/diff.h"
#include "render/page.h"

/*
 * What the pictures of a comparison take for chance, so that they say what the table says. Weights a
 * (A's, scaled) and b of a frame differ when
 *
 *	|b − a| > max(errors · √(noise · (a · event[1] + b · event[0])), least)
 *
 * noise is the variance that profile_diff found for the function, in terms of independent events of
 * `event`; of a function that is too small for it the common one. A frame is a part of its
 * function, whose scatter may be another: it has the larger of both.
 */
struct diff_rule {
	double errors, least, noise;
	double event[2]; /* what an event of B, of A weighs on average */
	struct diff_noise {
		float self, total; /* 0 = the common one */
	} * own;		   /* by label of the page */
};

/* After page_build. 0 or -ENOMEM; release in any case. */
int diff_rule_init(struct diff_rule *r, const struct diff_input *in, enum profile_kind kind,
		   struct page *g);
void diff_rule_release(struct diff_rule *r);
double diff_rule_noise(const struct diff_rule *r, uint32_t label); /* of a frame */

#endif
