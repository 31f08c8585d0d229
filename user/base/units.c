// SPDX-License-Identifier: BSD-2-Clause
#include "base/units.h"

#include <math.h>
#include <stdio.h>

char *units_count(char text[UNITS_MAX], uint64_t n)
{
	char digits[24];
	size_t len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), out = 0;

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text[out++] = ',';
		text[out++] = digits[i];
	}
	text[out] = '\0';
	return text;
}

/* Three figures that count: 1.23, 12.3, 123. */
static void three_figures(char text[UNITS_MAX], double v, const char *unit)
{
	int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;

	snprintf(text, UNITS_MAX, "%.*f %s", decimals, v, unit);
}

char *units_time(char text[UNITS_MAX], uint64_t ns)
{
	uint64_t minutes = (ns + 30000000000ULL) / 60000000000ULL;

	if (!ns)
		snprintf(text, UNITS_MAX, "0 s");
	else if (ns < 1000)
		snprintf(text, UNITS_MAX, "%u ns", (unsigned)ns);
	else if (ns < 999500)
		three_figures(text, ns / 1e3, "µs");
	else if (ns < 999500000)
		three_figures(text, ns / 1e6, "ms");
	else if (ns < 600000000000ULL)
		three_figures(text, ns / 1e9, "s");
	else if (minutes < 120)
		snprintf(text, UNITS_MAX, "%llu min", (unsigned long long)minutes);
	else
		snprintf(text, UNITS_MAX, "%llu h %02llu min", (unsigned long long)minutes / 60,
			 (unsigned long long)minutes % 60);
	return text;
}

char *units_percent(char text[UNITS_MAX], double percent)
{
	snprintf(text, UNITS_MAX, "%.1f%%", percent);
	return text;
}

char *units_rate(char text[UNITS_MAX], double per_second)
{
	char count[UNITS_MAX];

	if (per_second < 99.95)
		snprintf(text, UNITS_MAX, "%.1f/s", per_second);
	else
		snprintf(text, UNITS_MAX, "%.29s/s",
			 units_count(count, (uint64_t)(fmin(per_second, 1e18) + 0.5)));
	return text;
}

uint64_t units_ns(double seconds)
{
	if (!(seconds > 0))
		return 0;
	return seconds < 18e9 ? (uint64_t)(seconds * 1e9) : UINT64_MAX;
}
