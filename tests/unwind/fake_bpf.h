/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_FAKE_BPF_H
#define TPROF_FAKE_BPF_H

#include <stddef.h>
#include <stdint.h>

/* BPF maps in this process's memory, in place of libbpf's system calls: arrays and arrays of maps,
 * as far as the unwind tables use them. */
int fake_map(uint32_t value_size, uint32_t max_entries); /* a descriptor */
int fake_map_of_maps(uint32_t max_entries);
void *fake_map_at(int fd, uint32_t index); /* NULL: no such entry */
size_t fake_maps_open(void);		   /* inner maps that are held by nobody are gone */
void fake_reset(void);

#endif
