// SPDX-License-Identifier: BSD-2-Clause
#include "profile/summary.h"

#include <errno.h>
#include <stdlib.h>

#include "profile/summary_impl.h"

static void sum_samples(struct summary *s)
{
	size_t count;
	const struct profile_row *rows = profile_rows(s->profile, &count);
	const struct profile_loss *losses;

	for (size_t i = 0; i < count; i++)
		if (rows[i].kind == PROFILE_CPU)
			s->samples += rows[i].count;
	for (unsigned k = PROFILE_CPU; k < PROFILE_KIND_COUNT; k++)
		profile_completeness(s->profile, &(struct profile_filter){ .kind = k },
				     &s->stacks[k].complete, &s->stacks[k].truncated);
	losses = profile_losses(s->profile, &count);
	for (size_t i = 0; i < count; i++)
		s->lost += losses[i].count;
}

bool summary_is_target(const struct summary *s, const struct profile_process *process)
{
	return !profile_info_const(s->profile)->system_wide && !process->forked;
}

int summary_new(struct summary **ret_summary, struct profile *p)
{
	const struct profile_filter cpu = { .kind = PROFILE_CPU };
	struct summary *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->profile = p;
	s->seconds = profile_info_const(p)->duration_ns / 1e9;
	sum_samples(s);
	err = summary_threads(s);
	if (!err)
		err = summary_churn(s);
	if (!err)
		err = summary_locks(s);
	if (!err)
		err = profile_functions(p, &cpu, &s->functions, &s->function_count);
	if (err) {
		summary_free(s);
		return err;
	}
	*ret_summary = s;
	return 0;
}

void summary_free(struct summary *s)
{
	if (!s)
		return;
	free(s->threads);
	free(s->blocks);
	free(s->groups);
	free(s->functions);
	free(s->churn_groups);
	free(s->creators);
	free(s->locks);
	free(s->lock_stacks);
	free(s->owners);
	free(s);
}
