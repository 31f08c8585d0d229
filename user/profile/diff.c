/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "profile/tree.h"

enum { LABELS_MAX = 4096 };

static const double FAMILY_ALPHA = 0.01; /* chance that a steady program shows any change at all */
static const double LEAST_SHARE = 0.005;
static const double COMMON_FREEDOM =
	8; /* what the scatter of all functions counts for in each one's */
static const double UNKNOWN_SCATTER = 2; /* where there is a single window a side */

/* Over the windows of one side: what a standard error is made of. */
struct moments {
	double sum, square, product; /* Σ a, Σ a², Σ a·D, where D is the window's divisor */
	double count;		     /* events behind the sum */
	double now, now_count;	     /* of the window that is being read */
};

struct function {
	const char *name, *module;
	uint8_t type;
	struct moments self[2], total[2];
	uint32_t seen; /* the last stack that had it: recursion counts once */
	bool touched;  /* in the window that is being read */
};

struct differ {
	enum profile_kind kind;
	enum profile_normalize normalize;
	struct function *functions;
	size_t count, cap;
	struct map index;
	uint32_t *touched;
	size_t touched_count, touched_cap;
	uint32_t stamp;
	struct divisor {
		double sum, square; /* Σ D, Σ D² */
		double windows, seconds;
	} divisor[2];
	struct moments all[2];
	double scatter; /* of all functions together: times that of independent events */
};

/* The functions of each stack, made once; the leaf's first. */
struct stacks {
	struct slice {
		uint32_t first, count;
		bool made;
	} * slices; /* by stack id */
	uint32_t *pool;
	size_t count, cap;
};

static bool make_room(void **list, size_t n, size_t *cap, size_t size)
{
	size_t want = n + n / 2 + 64;
	void *grown;

	if (n < *cap)
		return true;
	grown = reallocarray(*list, want, size);
	if (!grown)
		return false;
	*list = grown;
	*cap = want;
	return true;
}

/* ── functions, across both profiles ────────────────────────────────────────────────────────── */

struct function_key {
	const struct differ *d;
	const char *name, *module;
	uint8_t type;
};

static bool function_equal(const void *ctx, uint32_t id)
{
	const struct function_key *k = ctx;
	const struct function *f = &k->d->functions[id - 1];

	return f->type == k->type && !strcmp(f->name, k->name) && !strcmp(f->module, k->module);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Its number from 1; 0 = out of memory. */
static uint32_t function_of(struct differ *d, const struct profile *p,
			    const struct profile_label *l)
{
	struct function_key key = { .d = d, .type = l->type, .module = "" };
	uint64_t hash;
	uint32_t id;

	key.name = profile_str(p, l->text);
	if (l->module)
		key.module = base_name(profile_str(p, profile_module_at(p, l->module)->name));
	hash = hash_bytes(key.name, strlen(key.name), l->type);
	hash = hash_bytes(key.module, strlen(key.module), hash);
	id = map_find(&d->index, hash, function_equal, &key);
	if (id)
		return id;
	if (!make_room((void **)&d->functions, d->count, &d->cap, sizeof(*d->functions)))
		return 0;
	d->functions[d->count++] =
		(struct function){ .name = key.name, .module = key.module, .type = l->type };
	return map_insert(&d->index, hash, (uint32_t)d->count) ? 0 : (uint32_t)d->count;
}

static bool push(struct stacks *s, uint32_t function)
{
	if (!function || !make_room((void **)&s->pool, s->count, &s->cap, sizeof(*s->pool)))
		return false;
	s->pool[s->count++] = function;
	return true;
}

/* Leaf first, each function once; threads and marks are none. */
static bool make_slice(struct differ *d, struct stacks *s, struct profile *p, uint32_t stack)
{
	struct profile_label labels[LABELS_MAX];
	struct profile_row row = { .stack = stack };
	size_t n = profile_labels(p, &row, false, labels, LABELS_MAX);
	struct slice *slice = &s->slices[stack];

	*slice = (struct slice){ .first = (uint32_t)s->count, .made = true };
	d->stamp++;
	while (n-- > 0) {
		uint32_t f;

		if (labels[n].type == PROFILE_LABEL_THREAD || labels[n].type == PROFILE_LABEL_MARK)
			continue;
		f = function_of(d, p, &labels[n]);
		if (f && d->functions[f - 1].seen == d->stamp)
			continue;
		if (!push(s, f))
			return false;
		d->functions[f - 1].seen = d->stamp;
		slice->count++;
	}
	return true;
}

/* ── moments, window by window ──────────────────────────────────────────────────────────────── */

static void add(struct moments *m, double weight, double count)
{
	m->now += weight;
	m->now_count += count;
}

static void close_window(struct moments *m, double divisor)
{
	m->sum += m->now;
	m->square += m->now * m->now;
	m->product += m->now * divisor;
	m->count += m->now_count;
	m->now = m->now_count = 0;
}

static bool touch(struct differ *d, uint32_t function)
{
	if (d->functions[function - 1].touched)
		return true;
	if (!make_room((void **)&d->touched, d->touched_count, &d->touched_cap,
		       sizeof(*d->touched)))
		return false;
	d->functions[function - 1].touched = true;
	d->touched[d->touched_count++] = function;
	return true;
}

/* Nanoseconds where there are any: samples of other frequencies compare, nothing is rounded away. */
static double weight_of(const struct profile_row *row)
{
	bool events = row->kind == PROFILE_WAKE || row->kind == PROFILE_SPAWN;

	return (double)(events ? row->count : row->value);
}

static bool add_row(struct differ *d, struct stacks *s, struct profile *p, int side,
		    const struct profile_row *row)
{
	double count = (double)row->count, weight = weight_of(row);
	const struct slice *slice = &s->slices[row->stack];

	if (!slice->made && !make_slice(d, s, p, row->stack))
		return false;
	add(&d->all[side], weight, count);
	for (uint32_t i = 0; i < slice->count; i++) {
		uint32_t f = s->pool[slice->first + i];

		if (!touch(d, f))
			return false;
		if (i == 0)
			add(&d->functions[f - 1].self[side], weight, count);
		add(&d->functions[f - 1].total[side], weight, count);
	}
	return true;
}

static void end_window(struct differ *d, int side, double seconds)
{
	double divisor = d->normalize == PROFILE_BY_TIME ? seconds : d->all[side].now;

	d->divisor[side].sum += divisor;
	d->divisor[side].square += divisor * divisor;
	d->divisor[side].seconds += seconds;
	d->divisor[side].windows++;
	close_window(&d->all[side], divisor);
	for (size_t i = 0; i < d->touched_count; i++) {
		struct function *f = &d->functions[d->touched[i] - 1];

		close_window(&f->self[side], divisor);
		close_window(&f->total[side], divisor);
		f->touched = false;
	}
	d->touched_count = 0;
}

struct placed {
	uint32_t window;
	uint32_t row;
};

static int by_window(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->window != y->window)
		return x->window < y->window ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* The side's rows in order of their windows; windows without a row count too: they hold zeros. */
static int read_windows(struct differ *d, struct stacks *s, const struct profile_diff_side *from,
			int side, struct placed *placed)
{
	struct profile *p = from->profile;
	struct profile_filter filter = { .kind = d->kind,
					 .from_ns = from->from_ns,
					 .to_ns = from->to_ns };
	size_t count, windows, n = 0, next = 0;
	const struct profile_row *rows = profile_rows(p, &count);

	for (size_t i = 0; i < count; i++) {
		if (profile_filter_match(p, &filter, &rows[i]))
			placed[n++] = (struct placed){ rows[i].window, (uint32_t)i };
	}
	qsort(placed, n, sizeof(*placed), by_window);
	profile_windows(p, &windows);
	for (uint32_t w = 0; w <= windows; w++) {
		const struct profile_window *window = w ? profile_window_at(p, w) : NULL;
		double seconds = window ? (double)(window->end_ns - window->start_ns) / 1e9 : 0;
		bool in = window && window->start_ns >= from->from_ns &&
			  (!from->to_ns || window->start_ns < from->to_ns);

		if (next < n && placed[next].window == w)
			in = true;
		for (; next < n && placed[next].window == w; next++) {
			if (!add_row(d, s, p, side, &rows[placed[next].row]))
				return -ENOMEM;
		}
		if (in)
			end_window(d, side, seconds);
	}
	return profile_error(p);
}

static int read_side(struct differ *d, const struct profile_diff_side *from, int side)
{
	struct stacks s = { 0 };
	struct placed *placed;
	size_t stacks, rows;
	int err = -ENOMEM;

	profile_stacks(from->profile, &stacks);
	profile_rows(from->profile, &rows);
	s.slices = calloc(stacks + 1, sizeof(*s.slices));
	placed = calloc(rows + 1, sizeof(*placed));
	if (s.slices && placed)
		err = read_windows(d, &s, from, side, placed);
	free(placed);
	free(s.slices);
	free(s.pool);
	return err;
}

/* ── statistics ─────────────────────────────────────────────────────────────────────────────── */

/* Two-sided quantile of the normal distribution, by bisection of erfc. */
static double normal_quantile(double alpha)
{
	double low = 0, high = 40;

	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;

		if (erfc(middle / M_SQRT2) > alpha)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The same of Student's t, from the normal one (Cornish and Fisher's expansion, three terms). */
static double student_quantile(double alpha, double freedom)
{
	double z = normal_quantile(alpha), z3 = z * z * z, z5 = z3 * z * z;

	return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom);
}

static double value_of(const struct moments *m, const struct divisor *d)
{
	return d->sum > 0 ? m->sum / d->sum : 0;
}

/* Variance of value_of if its events were independent: Poisson's, of a share the binomial's. */
static double least_variance(const struct moments *m, const struct divisor *d, bool share)
{
	double r = value_of(m, d), variance;

	if (d->sum <= 0 || m->count <= 0)
		return 0;
	variance = m->sum * m->sum / m->count / (d->sum * d->sum);
	return share ? variance * fmax(0, 1 - r) : variance;
}

/* How many times more than independent events the value scatters over the windows (variance of a
 * ratio's estimate), times degrees of freedom; 0 where nothing can be said. */
static double scatter_of(const struct moments *m, const struct divisor *d, bool share)
{
	double r = value_of(m, d), n = d->windows, least = least_variance(m, d, share), squares;

	if (n < 2 || least <= 0)
		return 0;
	squares = m->square - 2 * r * m->product + r * r * d->square;
	return fmax(0, squares) * n / (d->sum * d->sum) / least;
}

static bool share_of(const struct differ *d)
{
	return d->normalize == PROFILE_BY_TOTAL;
}

static double freedom_of(const struct differ *d)
{
	return fmax(0, d->divisor[0].windows - 1) + fmax(0, d->divisor[1].windows - 1);
}

/* Scatter over both sides, times degrees of freedom. */
static double scatter_sum(const struct differ *d, const struct moments m[2])
{
	return scatter_of(&m[0], &d->divisor[0], share_of(d)) +
	       scatter_of(&m[1], &d->divisor[1], share_of(d));
}

static bool large_enough(const struct differ *d, const struct moments m[2])
{
	double whole =
		fmax(value_of(&d->all[0], &d->divisor[0]), value_of(&d->all[1], &d->divisor[1]));

	return fmax(value_of(&m[0], &d->divisor[0]), value_of(&m[1], &d->divisor[1])) >=
	       LEAST_SHARE * whole;
}

/* What is tested: the whole, and self and total of each function large enough to be named. */
static void set_rule(struct differ *d, struct profile_diff *diff)
{
	double freedom = freedom_of(d), scatter = 0, asked = 0, tests = 1;

	for (size_t i = 0; i < d->count; i++) {
		const struct function *f = &d->functions[i];

		tests += large_enough(d, f->total);
		if (!large_enough(d, f->self))
			continue;
		tests++;
		scatter += scatter_sum(d, f->self);
		asked += freedom;
	}
	d->scatter = asked > 0 ? fmax(1, scatter / asked) : UNKNOWN_SCATTER;
	diff->scatter = d->scatter;
	diff->least = LEAST_SHARE;
	diff->errors = student_quantile(FAMILY_ALPHA / tests, freedom + COMMON_FREEDOM);
}

static void set_change(const struct differ *d, const struct moments m[2],
		       const struct profile_diff *diff, struct profile_change *ret)
{
	double freedom = freedom_of(d), scatter, variance = 0, whole;

	for (int side = 0; side < 2; side++) {
		ret->value[side] = value_of(&m[side], &d->divisor[side]);
		variance += least_variance(&m[side], &d->divisor[side], share_of(d));
		/* Without any event: as with one, or nothing would be the surest of values. */
		if (m[side].count <= 0 && m[!side].count > 0 && d->divisor[side].sum > 0)
			variance += pow(m[!side].sum / m[!side].count / d->divisor[side].sum, 2);
	}
	scatter = (COMMON_FREEDOM * d->scatter + scatter_sum(d, m)) / (COMMON_FREEDOM + freedom);
	ret->error = sqrt(variance * fmax(1, scatter));
	whole = fmax(value_of(&d->all[0], &d->divisor[0]), value_of(&d->all[1], &d->divisor[1]));
	ret->significant = fabs(ret->value[1] - ret->value[0]) >
			   fmax(diff->errors * ret->error, diff->least * whole);
}

static double size_of(const struct profile_change *c)
{
	return fabs(c->value[1] - c->value[0]);
}

/* Significant changes of self, then of total, then what chance explains; the largest first. */
static int by_change(const void *a, const void *b)
{
	const struct profile_diff_function *x = a, *y = b;
	int rank_x = x->self.significant ? 2 : x->total.significant;
	int rank_y = y->self.significant ? 2 : y->total.significant;
	double dx = size_of(rank_x == 1 ? &x->total : &x->self);
	double dy = size_of(rank_y == 1 ? &y->total : &y->self);

	if (rank_x != rank_y)
		return rank_y - rank_x;
	if (dx != dy)
		return dx > dy ? -1 : 1;
	dx = size_of(&x->total);
	dy = size_of(&y->total);
	if (dx != dy)
		return dx > dy ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int conclude(struct differ *d, struct profile_diff *diff)
{
	for (int side = 0; side < 2; side++) {
		diff->seconds[side] = d->divisor[side].seconds;
		diff->weight[side] = d->all[side].sum;
	}
	set_rule(d, diff);
	set_change(d, d->all, diff, &diff->all);
	diff->functions = calloc(d->count + 1, sizeof(*diff->functions));
	if (!diff->functions)
		return -ENOMEM;
	for (size_t i = 0; i < d->count; i++) {
		const struct function *f = &d->functions[i];
		struct profile_diff_function *to = &diff->functions[diff->count++];

		*to = (struct profile_diff_function){ .name = f->name,
						      .module = f->module,
						      .type = f->type };
		set_change(d, f->self, diff, &to->self);
		set_change(d, f->total, diff, &to->total);
		diff->significant += to->self.significant || to->total.significant;
	}
	qsort(diff->functions, diff->count, sizeof(*diff->functions), by_change);
	return 0;
}

int profile_diff(const struct profile_diff_side side[2], enum profile_kind kind,
		 enum profile_normalize normalize, struct profile_diff *ret_diff)
{
	struct differ d = { .kind = kind, .normalize = normalize };
	struct profile_diff diff = { 0 };
	int err;

	err = read_side(&d, &side[0], 0);
	if (!err)
		err = read_side(&d, &side[1], 1);
	if (!err)
		err = conclude(&d, &diff);
	free(d.functions);
	free(d.touched);
	map_release(&d.index);
	if (!err)
		*ret_diff = diff;
	return err;
}

void profile_diff_release(struct profile_diff *d)
{
	free(d->functions);
	*d = (struct profile_diff){ 0 };
}
