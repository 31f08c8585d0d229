/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * verify OBJECT [field=value]… : loads every program of the object with these fields of its config
 * set, says how many instructions the verifier looked at for each, and what it said about those that it
 * refused. For work on bpf/ against an old kernel: tests/kernels/verify_on.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static int set_field(struct bpf_object *object, const char *name, unsigned long value)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, "tprof_config", BTF_KIND_STRUCT);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, id) : NULL;
	struct bpf_map *map;
	size_t size;

	if (!type)
		return -1;
	for (int i = 0; i < btf_vlen(type); i++) {
		const struct btf_member *m = btf_members(type) + i;
		long long bytes = btf__resolve_size(btf, m->type);

		if (strcmp(btf__name_by_offset(btf, m->name_off), name) != 0)
			continue;
		bpf_object__for_each_map(map, object)
		{
			char *data;

			if (!strstr(bpf_map__name(map), ".rodata"))
				continue;
			data = (char *)bpf_map__initial_value(map, &size);
			if (size < (size_t)type->size)
				continue;
			/* `config` is alone in .rodata, or first. */
			memcpy(data + m->offset / 8, &value, (size_t)bytes);
			return 0;
		}
	}
	return -1;
}

#define LOG_STATS 4U /* BPF_LOG_STATS: only the numbers, from 5.2 on */
#define LOG_SIZE  (1U << 16)

static void ask_for_stats(struct bpf_program *program)
{
	char *log = calloc(1, LOG_SIZE);

	if (!log)
		return;
	bpf_program__set_log_level(program, LOG_STATS);
	bpf_program__set_log_buf(program, log, LOG_SIZE);
}

/* "processed N insns (limit 1000000) …" is the line that has them. */
static void show_stats(const struct bpf_program *program)
{
	size_t size;
	const char *log = bpf_program__log_buf((struct bpf_program *)program, &size);
	const char *at = log ? strstr(log, "processed ") : NULL;
	unsigned long n;

	if (at && sscanf(at, "processed %lu insns", &n) == 1)
		printf("%-16s %7lu instructions of 1,000,000\n", bpf_program__name(program), n);
	else if (log && *log)
		printf("%s: %s\n", bpf_program__name(program), log);
}

int main(int argc, char **argv)
{
	struct bpf_program *program;
	struct bpf_object *object;
	struct bpf_map *map;
	int err;

	libbpf_set_print(quiet);
	object = bpf_object__open(argc > 1 ? argv[1] : "tprof.bpf.o");
	if (!object)
		return 1;
	for (int i = 2; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (equals)
			*equals = '\0';
		if (!equals || set_field(object, argv[i], strtoul(equals + 1, NULL, 0)) != 0)
			fprintf(stderr, "verify: no field %s\n", argv[i]);
	}
	bpf_object__for_each_map(map, object)
	{
		if (bpf_map__max_entries(map) == 0 &&
		    bpf_map__type(map) != BPF_MAP_TYPE_TASK_STORAGE)
			bpf_map__set_max_entries(map, 1024);
	}
	bpf_object__for_each_program(program, object)
	{
		bpf_program__set_autoload(program, true);
		ask_for_stats(program);
	}
	err = bpf_object__load(object);
	bpf_object__for_each_program(program, object) show_stats(program);
	printf("%s\n", err ? "REFUSED" : "LOADED");
	bpf_object__close(object);
	return err ? 1 : 0;
}
