/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TPROF_SYMBOLIZER_H
#define TPROF_SYMBOLIZER_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize/query.h"
#include "symbolize/symbolize.h"

struct apart;
struct image;
struct profile;
struct profile_module;

/* What the resolvers share; internal to symbolize/. */
struct symbolizer {
	struct profile *profile;
	const struct symbolize_options *options;
	int inline_ms; /* left for the expansion of inlined calls */
	int fetch_ms;  /* left for servers of debug files */
	bool quiet;    /* nothing goes into the notes: it will be asked again */
	/* The last symbol and its name: the addresses of one function come one after the other. */
	char last[256];
	uint32_t last_name;
	const struct symbolize_kernel *kernel; /* asked before /proc/kallsyms; NULL = nobody */
	/* In a child that may open nothing: who asks and tells the parent. NULL = in this process. */
	struct apart *apart;
	uint32_t from; /* modules before this one are passed over */
};

/* Names a frame after a raw symbol: demangled, one line. */
void symbolizer_name(struct symbolizer *s, uint32_t frame, const char *symbol);

/*
 * A resolver names what it knows of a module's queries (offset as in the frame, addr the same at
 * first; sorted) and marks them named. 0, or -ENOMEM; what it cannot read is no error.
 */
typedef int (*resolve_fn)(struct symbolizer *s, uint32_t module, struct query *q, size_t n);

int resolve_kernel(struct symbolizer *s, uint32_t module, struct query *q, size_t n);
int resolve_vdso(struct symbolizer *s, uint32_t module, struct query *q, size_t n);
int resolve_elf(struct symbolizer *s, uint32_t module, struct query *q, size_t n);
int resolve_jit(struct symbolizer *s, uint32_t module, struct query *q, size_t n);

/* Asked after them, of named frames too: adds inlined calls and source lines. */
int refine_inline(struct symbolizer *s, uint32_t module, struct query *q, size_t n);

/* The separate debug file of a module: on this host, or where the options say so from a server. An fd,
 * -ENOENT, -ECANCELED, or another negative errno. */
int symbolizer_debug_file(struct symbolizer *s, const struct profile_module *m,
			  const struct image *img);

/* The perf map of a JIT module's process, as perfmap_open. */
int jit_map_open(const struct profile *p, uint32_t module);

/* All frames, or all locks. 0, -ECANCELED or -ENOMEM. */
int symbolizer_frames(struct symbolizer *s);
int symbolizer_locks(struct symbolizer *s);

/* What expanding inlined calls may take, over all modules. */
#define SYMBOLIZER_INLINE_MS 15000

/* Notes which files leave many CPU samples without a name. 0 or -ENOMEM. */
int unnamed_note(struct symbolizer *s);

/* The variables that locks are: id = lock, offset = profile_lock.module_offset. */
int resolve_locks(struct symbolizer *s, uint32_t module, struct query *q, size_t n);

#endif
