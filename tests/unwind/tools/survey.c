// SPDX-License-Identifier: BSD-2-Clause
/* survey FILE…: what rules the CFI of these ELF files needs, as the Markdown of docs/unwinding.md. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "collect/cfi.h"

struct survey {
	size_t files, without, failed, fdes, bad_fdes, rows;
	size_t cfa[16], fp[8], registers[32], ra[33], unsupported[CFI_NO_COUNT];
	double seconds;
	struct map seen;
	struct tprof_rule *rules;
	size_t rule_count;
	bool verbose;
};

static bool same(const void *ctx, uint32_t id)
{
	const void *const *p = ctx;
	const struct tprof_rule *rules = p[0];

	return !memcmp(&rules[id - 1], p[1], sizeof(*rules));
}

static void count_rule(struct survey *s, const struct tprof_rule *r)
{
	const void *ctx[] = { s->rules, r };
	uint64_t hash = hash_bytes(r, sizeof(*r), 0);

	s->cfa[r->cfa & 15]++;
	if (r->cfa == TPROF_CFA_UNSUPPORTED)
		s->unsupported[r->offset]++;
	if (r->cfa == TPROF_CFA_REGISTER)
		s->registers[r->reg & 31]++;
	if ((r->cfa >= TPROF_CFA_SP && r->cfa <= TPROF_CFA_PLT) || r->cfa == TPROF_CFA_BASE) {
		s->fp[r->fp & 7]++;
		s->ra[r->ra > 32 ? 32 : r->ra]++;
	}
	if (r->cfa == TPROF_CFA_ROOT || map_find(&s->seen, hash, same, ctx))
		return;
	if (s->rule_count % 4096 == 0)
		s->rules = realloc(s->rules, (s->rule_count + 4096) * sizeof(*s->rules));
	if (!s->rules)
		abort();
	s->rules[s->rule_count++] = *r;
	map_insert(&s->seen, hash, (uint32_t)s->rule_count);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void survey_file(struct survey *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct diag d = { 0 };
	struct cfi c = { 0 };
	double start = now(), took;
	size_t odd = 0;

	if (fd < 0)
		return;
	err = cfi_read_fd(&c, fd, &d);
	took = now() - start;
	close(fd);
	s->seconds += took;
	if (err == -ENODATA)
		s->without++;
	else if (err)
		s->failed += err != -ENOEXEC;
	else
		s->files++;
	for (size_t i = 0; !err && i < c.count; i++) {
		const struct tprof_rule *r = &c.rules[c.rows[i].rule];

		count_rule(s, r);
		odd += r->cfa == TPROF_CFA_UNSUPPORTED || r->cfa == TPROF_CFA_REGISTER || r->ra;
		if (s->verbose && (r->cfa == TPROF_CFA_UNSUPPORTED ||
				   (r->cfa == TPROF_CFA_REGISTER && r->reg != 10)))
			printf("  %s %lx cfa %u off %d reg %u\n", path, (long)c.rows[i].pc, r->cfa,
			       r->offset, r->reg);
	}
	s->fdes += c.fdes;
	s->bad_fdes += c.bad_fdes;
	s->rows += c.count;
	if (s->verbose)
		printf("%s: %d %s rows %zu rules %zu fdes %zu bad %zu odd %zu %.1f ms\n", path, err,
		       d.text, c.count, c.rule_count, c.fdes, c.bad_fdes, odd, took * 1e3);
	cfi_release(&c);
}

static void print_survey(const struct survey *s)
{
	static const char *const cfa[] = { "no CFI (gap, end of function)",
					   "sp + offset",
					   "fp + offset",
					   "another register + offset",
					   "*(sp + offset) + n",
					   "*(fp + offset) + n",
					   "PLT",
					   "signal frame",
					   "root",
					   "unsupported",
					   "base register + offset",
					   "by frame pointer (gap)" };
	static const char *const fp[] = { "unchanged", "at CFA + offset", "at fp + offset",
					  "at sp + offset", "unknown" };

	printf("%zu files with CFI, %zu without, %zu failed; %zu FDEs (%zu damaged), %zu rows, "
	       "%zu distinct rules (without roots); %.1f s\n\n| rule | rows |\n| --- | ---: |\n",
	       s->files, s->without, s->failed, s->fdes, s->bad_fdes, s->rows, s->rule_count,
	       s->seconds);
	for (size_t i = 0; i < sizeof(cfa) / sizeof(cfa[0]); i++)
		printf("| CFA: %s | %zu |\n", cfa[i], s->cfa[i]);
	for (size_t i = 0; i < 32; i++) {
		if (s->registers[i])
			printf("| CFA: by register %zu | %zu |\n", i, s->registers[i]);
	}
	for (size_t i = 0; i < sizeof(fp) / sizeof(fp[0]); i++)
		printf("| frame pointer: %s | %zu |\n", fp[i], s->fp[i]);
	for (size_t i = 1; i < 33; i++) {
		if (s->ra[i])
			printf("| return address in register %zu | %zu |\n", i - 1, s->ra[i]);
	}
	for (size_t i = 0; i < CFI_NO_COUNT; i++)
		printf("| unsupported: %s | %zu |\n", cfi_unsupported_name((enum cfi_unsupported)i),
		       s->unsupported[i]);
}

/* With "-", the files' names are read from stdin. */
int main(int argc, char **argv)
{
	struct survey s = { 0 };
	char line[4096];

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-v")) {
			s.verbose = true;
		} else if (!strcmp(argv[i], "-")) {
			while (fgets(line, sizeof(line), stdin)) {
				line[strcspn(line, "\n")] = '\0';
				survey_file(&s, line);
			}
		} else {
			survey_file(&s, argv[i]);
		}
	}
	print_survey(&s);
	map_release(&s.seen);
	free(s.rules);
	return 0;
}
