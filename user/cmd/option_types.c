// SPDX-License-Identifier: BSD-2-Clause
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "cmd/options.h"
#include "profile/profile.h"

int option_true(const struct cmd_option *o, const char *text, void *field, struct diag *d)
{
	(void)o, (void)text, (void)d;
	*(bool *)field = true;
	return 0;
}

int option_text(const struct cmd_option *o, const char *text, void *field, struct diag *d)
{
	if (!*text)
		return diag_set(d, -EINVAL, "%s expected, not nothing", o->argument);
	*(const char **)field = text;
	return 0;
}

/* Digits only: strtoull alone would take " -1" and "0x10". */
static int parse_digits(const char *text, const char **ret_rest, uint64_t *ret_value)
{
	char *rest;
	unsigned long long v;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &rest, 10);
	if (errno)
		return -ERANGE;
	*ret_rest = rest;
	*ret_value = v;
	return 0;
}

int option_u32(const struct cmd_option *o, const char *text, void *field, struct diag *d)
{
	const char *rest;
	uint64_t v;

	if (parse_digits(text, &rest, &v) || *rest || v < o->min || v > o->max)
		return diag_set(d, -EINVAL, "a whole number from %llu to %llu expected",
				(unsigned long long)o->min, (unsigned long long)o->max);
	*(uint32_t *)field = v;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static uint64_t unit_factor(const struct unit *units, const char *name)
{
	for (; units->name; units++)
		if (!strcmp(units->name, name))
			return units->factor;
	return 0;
}

/* Digits with at most nine decimals, and a unit: value in 1/10^9 of the unit, kept exact. */
int option_duration(const struct cmd_option *o, const char *text, void *field, struct diag *d)
{
	static const struct unit units[] = {
		{ "", NSEC_PER_SEC },
		{ "s", NSEC_PER_SEC },
		{ "ms", NSEC_PER_MSEC },
		{ "m", 60 * NSEC_PER_SEC },
		{ "min", 60 * NSEC_PER_SEC },
		{ "h", 3600 * NSEC_PER_SEC },
		{ NULL, 0 },
	};
	const char *rest = text;
	uint64_t whole = 0, factor, ns;
	double fraction = 0, place = 0.1;

	if (parse_digits(text, &rest, &whole))
		goto wrong;
	if (*rest == '.') {
		if (!isdigit((unsigned char)*++rest))
			goto wrong;
		for (; isdigit((unsigned char)*rest); rest++, place /= 10)
			fraction += place * (*rest - '0');
	}
	factor = unit_factor(units, rest);
	if (!factor || __builtin_mul_overflow(whole, factor, &ns))
		goto wrong;
	if (__builtin_add_overflow(ns, (uint64_t)(fraction * factor + 0.5), &ns))
		goto wrong;
	if (ns < o->min || ns > o->max)
		goto wrong;
	*(uint64_t *)field = ns;
	return 0;
wrong:
	return diag_set(d, -EINVAL,
			"a time from 1ms to %llud expected, such as 10, 500ms, 2m or 1h",
			(unsigned long long)(o->max / (86400 * NSEC_PER_SEC)));
}

int option_size(const struct cmd_option *o, const char *text, void *field, struct diag *d)
{
	static const struct unit units[] = {
		{ "", 1 },	    { "K", 1 << 10 }, { "KiB", 1 << 10 }, { "M", 1 << 20 },
		{ "MiB", 1 << 20 }, { "G", 1 << 30 }, { "GiB", 1 << 30 }, { NULL, 0 },
	};
	const char *rest;
	uint64_t whole, factor, bytes;

	if (!parse_digits(text, &rest, &whole)) {
		factor = unit_factor(units, rest);
		if (factor && !__builtin_mul_overflow(whole, factor, &bytes) && bytes >= o->min &&
		    bytes <= o->max) {
			*(uint64_t *)field = bytes;
			return 0;
		}
	}
	return diag_set(d, -EINVAL, "a size from %lluM to %lluM expected, such as 64M",
			(unsigned long long)o->min >> 20, (unsigned long long)o->max >> 20);
}

const char *option_kind_choice(size_t i)
{
	const struct profile_kind_info *info;

	info = i + 1 < PROFILE_KIND_COUNT ? profile_kind_info(i + 1) : NULL;
	return info ? info->name : NULL;
}

const char *option_kind_about(size_t i)
{
	return profile_kind_info((enum profile_kind)(i + 1))->about;
}

int option_kind(const struct cmd_option *o, const char *text, void *field, struct diag *d)
{
	(void)o;
	if (!profile_kind_by_name(text, field))
		return 0;
	return diag_set(d, -EINVAL, "one of cpu, offcpu, lock, wake, spawn, runq expected");
}

static int add_id(struct id_list *list, pid_t id)
{
	pid_t *grown;

	for (size_t i = 0; i < list->count; i++)
		if (list->ids[i] == id)
			return 0;
	grown = reallocarray(list->ids, list->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->ids = grown;
	list->ids[list->count++] = id;
	return 0;
}

int option_ids(const struct cmd_option *o, const char *text, void *field, struct diag *d)
{
	const char *rest = text;
	uint64_t v;
	int err;

	for (;; rest++) {
		if (parse_digits(rest, &rest, &v) || v < 1 || v > INT_MAX ||
		    (*rest && *rest != ','))
			return diag_set(d, -EINVAL, "%s expected, such as 1234 or 1234,1240",
					o->argument);
		err = add_id(field, v);
		if (err)
			return err;
		if (!*rest)
			return 0;
	}
}

int option_texts(const struct cmd_option *o, const char *text, void *field, struct diag *d)
{
	struct text_list *list = field;
	const char **grown;

	if (!*text)
		return diag_set(d, -EINVAL, "%s expected, not nothing", o->argument);
	grown = reallocarray(list->texts, list->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->texts = grown;
	list->texts[list->count++] = text;
	return 0;
}
