// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "budget.bpf.h"

struct budget_map budget SEC(".maps");

__noinline __u32 budget_ask(__u64 site, __u64 now)
{
	return budget_draw(site, now);
}

#define OFTEN 64 /* a period */
__noinline int budget_often(__u64 site, __u64 now)
{
	struct budget *all = budget_here();
	struct site *s;

	if (!all)
		return false;
	s = site_at(all, site);
	site_count(s, now);
	return site_rate(s) > OFTEN;
}

__hidden void budget_spend(__u64 begin)
{
	struct budget *all = budget_here();
	__u64 spent = bpf_ktime_get_ns() - begin;

	if (!all)
		return;
	all->b.spent_ns += spent;
	all->b.total_ns += spent;
}
