/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SVG_H
#define TPROF_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* A call tree as a picture: who makes it fills this, svg_draw draws it. */
struct svg_node {
	const char *text, *module; /* module may be "" */
	uint8_t type;		   /* enum profile_label_type */
	uint32_t child, sibling;   /* 0 = none; node 0 is the root */
	double width;
	double value[2]; /* what the title says: the weight; of B and A in a comparison */
	double noise;	 /* a comparison: its variance, times that of independent events */
};

struct svg_picture {
	const struct svg_node *nodes;
	size_t count;
	const char *title, *about, *quality; /* one line each: above, below it, at the bottom */
	const char *unit;		     /* "samples" */
	double divisor;			     /* value / divisor is in `unit` … */
	int decimals;			     /* … with so many decimals */
	bool diff; /* colour by change: red grown, blue shrunk; grey what chance explains: */
	double errors, least;	/* less than so many standard errors, or than this weight … */
	double event_weight[2]; /* … of events of B, of A that weigh this much */
};

/* 0 or -ENOMEM. */
int svg_draw(const struct svg_picture *picture, struct buf *out);

#endif
