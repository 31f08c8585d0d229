// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tprof.bpf.h"

/*
 * Names of the kernel's functions, asked of the kernel: a look-up for each address of a recording, a
 * microsecond, where reading /proc/kallsyms has it print all 120,000 of its symbols, 50 ms.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TPROF_KERNEL_NAMES);
	__type(key, __u32);
	__type(value, __u64); /* 0: no question */
} kernel_addresses SEC(".maps");

/* A line for each: "index function+0xoffset/0xsize [module]", or "index 0xaddress". %pB, since
 * 2df6bb5493b8 (5.9), looks up what lies before an address; %ps is younger. */
SEC("iter/bpf_map_elem")
int kernel_name(struct bpf_iter__bpf_map_elem *ctx)
{
	const __u32 *index = ctx->key;
	const __u64 *address = ctx->value;
	const char format[] = "%u %pB\n";
	__u64 args[2];

	if (!index || !address || !*address)
		return 0;
	args[0] = *index;
	args[1] = *address + 1;
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), args, sizeof(args));
	return 0;
}
