// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers: drawn where implementations part ways. Limits and their neighbours, powers
 * of two, values near those drawn before, named values with a bit flipped.
 *
 * Programs that are varied have more: values near the object's size or near an earlier
 * operation's result, limits that are beyond where most values are.
 */
#include <linux/array_size.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include "draw.h"

/*
 * What a number is drawn from: the values between two limits, powers of two alone or
 * all of them. @beyond: some are to be no such value.
 */
struct limits {
	u64 lo;
	u64 hi;
	bool log2;
	bool beyond;
};

/* Both signs count up from lo, modulo 2^64. */
static bool within(const struct limits *limits, u64 value)
{
	return value - limits->lo <= limits->hi - limits->lo;
}

/* Any value within limits, evenly drawn. */
static u64 draw_any(struct kp_random *rnd, const struct limits *limits)
{
	return limits->lo + kp_below(rnd, limits->hi - limits->lo + 1);
}

/* One more, one less, or the same. */
static u64 near(struct kp_random *rnd, u64 value)
{
	return value + kp_die(rnd, 3) - 1;
}

/**
 * kp_near_power() - draw a number near a power of two, mostly one where a type ends
 * @rnd: where from
 *
 * Return: the power, or the number before or behind it
 */
u64 kp_near_power(struct kp_random *rnd)
{
	static const u8 ends[] = { 7, 8, 15, 16, 31, 32, 63 };
	u32 bit = kp_die(rnd, 2) ? kp_die(rnd, 64) : ends[kp_die(rnd, ARRAY_SIZE(ends))];

	return near(rnd, 1ULL << bit);
}

/* A power of two as above, negative in one case of four. */
static u64 draw_power(struct kp_random *rnd, const struct kp_arg *arg)
{
	u64 value = kp_near_power(rnd);

	return arg->is_signed && !kp_die(rnd, 4) ? -value : value;
}

/* A bit of an argument's type; each second one is that of the sign. */
static u64 draw_bit(struct kp_random *rnd, const struct kp_arg *arg)
{
	u32 bits = 8 * arg->size;

	return 1ULL << (kp_die(rnd, 2) ? bits - 1 : kp_die(rnd, bits));
}

static u64 draw_named(struct kp_random *rnd, const struct kp_arg *arg, bool beyond)
{
	u32 i, n = kp_nr_names(arg);
	u64 value = 0;

	if (!arg->flags) {
		value = arg->names[kp_die(rnd, n)].value;
	} else {
		for (i = 0; i < n; i++)
			if (kp_die(rnd, 2))
				value |= arg->names[i].value;
	}
	if (beyond && !kp_die(rnd, 8))
		value ^= draw_bit(rnd, arg);
	return kp_of_type(arg, value);
}

/* The first argument of an object's creation that says what it can hold; 0 if none does. */
static u32 first_size(const struct kp_arg *creation)
{
	u32 a;

	for (a = 0; a < KP_NR_ARGS && creation[a].name; a++)
		if (kp_is_size(&creation[a]))
			return a;
	return 0;
}

/*
 * An integer of an earlier argument of the same operation or of an earlier one, or one
 * that the object is made with: its size, mostly.
 */
static u64 draw_earlier(struct kp_drawing *d, u32 a)
{
	const struct kp_arg *creation = d->pair->creation.arg;
	const struct kp_program *prog = d->prog;
	struct kp_random *rnd = &d->rnd;
	u32 size = first_size(creation);

	if (kp_is_size(&creation[size]) && d->value != prog->param && !kp_die(rnd, 4)) {
		if (size + 1 < KP_NR_ARGS && kp_is_size(&creation[size + 1]))
			size += kp_die(rnd, 2);
		return prog->param[size];
	}
	if (a && kp_die(rnd, 2))
		return d->value[kp_die(rnd, a)];
	return d->step ? prog->step[kp_die(rnd, d->step)].arg[kp_die(rnd, KP_NR_ARGS)] : 0;
}

/* A byte of earlier text or bytes, the last one in each second case; 0 if there is none. */
static u64 draw_of(struct kp_drawing *d)
{
	u64 span = kp_earlier_span(d);
	u32 len = kp_span_len(span);

	return len ? d->prog->pool[kp_span_at(span) +
				   (kp_die(&d->rnd, 2) ? len - 1 : kp_die(&d->rnd, len))] : 0;
}

/* A square, less one, as it is, or more one. */
static u64 near_square(struct kp_random *rnd)
{
	u64 root = kp_draw64(rnd) >> (32 + kp_die(rnd, 32));

	return near(rnd, root * root);
}

/* Where most values of an argument are, as the program wants them. */
static struct limits usual_limits(const struct kp_arg *arg, enum kp_draw draw)
{
	return (struct limits){
		.lo = arg->from ?: arg->lo,
		.hi = arg->to ?: arg->hi,
		.log2 = arg->log2,
		.beyond = arg->beyond && draw < KP_DRAW_LARGE,
	};
}

/* All that an argument's type has room for. */
static struct limits whole_type(const struct kp_arg *arg)
{
	u64 sign = 1ULL << (8 * arg->size - 1);

	return (struct limits){
		.lo = arg->is_signed ? -sign : 0,
		.hi = arg->is_signed ? sign - 1 : kp_of_type(arg, U64_MAX),
	};
}

/* A value right before or behind limits, or twice the upper one. */
static u64 draw_neighbour(struct kp_random *rnd, const struct kp_arg *arg,
			  const struct limits *limits)
{
	switch (kp_die(rnd, limits->log2 ? 3 : 2)) {
	case 0:
		return kp_of_type(arg, limits->lo - 1);
	case 1:
		return kp_of_type(arg, limits->hi + 1);
	default:
		return kp_of_type(arg, limits->hi * 2);
	}
}

/* A value within limits. */
static u64 draw_within(struct kp_drawing *d, const struct kp_arg *arg, u32 a,
		       const struct limits *limits)
{
	struct kp_random *rnd = &d->rnd;
	u64 value;

	if (limits->log2)
		return 1ULL << (ilog2(limits->lo) +
				kp_die(rnd, ilog2(limits->hi / limits->lo) + 1));
	switch (kp_die(rnd, 20)) {
	case 16:
	case 17:
		value = draw_of(d);
		break;
	case 18:
		value = near(rnd, kp_span_len(kp_earlier_span(d)));
		break;
	case 19:
		value = near_square(rnd);
		break;
	case 0:
		return limits->lo;
	case 1:
		return limits->hi;
	case 2:
		value = limits->lo + 1;
		break;
	case 3:
		value = limits->hi - 1;
		break;
	case 4:
	case 5:
	case 6:
		value = draw_power(rnd, arg);
		break;
	case 7:
	case 8:
		value = near(rnd, draw_earlier(d, a));
		break;
	case 9:
	case 10:
	case 11:
		/* As many small numbers as large ones. */
		value = limits->lo + (kp_draw64(rnd) >> kp_die(rnd, 64));
		break;
	default:
		return draw_any(rnd, limits);
	}
	return within(limits, value) ? value : draw_any(rnd, limits);
}

/*
 * An index that wraps within a program: it begins a little before its type ends, or
 * before half or a part of it does. In each second object it begins at 0.
 */
static u64 draw_start(struct kp_random *rnd, const struct kp_arg *arg)
{
	u32 bits = 8 * arg->size, ends[] = { bits, bits, bits - 1, 16, 8 };
	u32 bit = ends[kp_die(rnd, ARRAY_SIZE(ends))];
	u32 before = 1 + kp_die(rnd, 1 + kp_die(rnd, 64));

	if (kp_die(rnd, 2))
		return 0;
	return kp_of_type(arg, (bit < 64 ? 1ULL << bit : 0) - before);
}

/* A limit, or its neighbour: of all values, or of those that are usual. */
static u64 draw_limit(struct kp_random *rnd, const struct kp_arg *arg)
{
	switch (kp_die(rnd, 4)) {
	case 0:
		return near(rnd, arg->lo);
	case 1:
		return near(rnd, arg->hi);
	case 2:
		return near(rnd, arg->from ?: arg->lo);
	default:
		return near(rnd, arg->to ?: arg->hi);
	}
}

/* A value near what the object was made for; @value if it was made for nothing. */
static u64 near_size(struct kp_drawing *d, u64 value)
{
	const struct kp_arg *creation = d->pair->creation.arg;
	u32 a = kp_die(&d->rnd, KP_NR_ARGS);

	if (!kp_is_size(&creation[a]))
		a = first_size(creation);
	return kp_is_size(&creation[a]) ? near(&d->rnd, d->prog->param[a]) : value;
}

/* Have an operation take a number near what one before it gives: known once that has run. */
static void decide_later(struct kp_drawing *d, u32 a)
{
	struct kp_step *step = &d->prog->step[d->step];

	if (!d->step)
		return;
	step->after = 1 + kp_die(&d->rnd, min(d->step, 1 + kp_die(&d->rnd, 64)));
	step->decided = a;
	step->more = (int)kp_die(&d->rnd, 3) - 1;
}

/* A number that a narrower type does not tell from @value. */
static u64 beside(struct kp_random *rnd, const struct kp_arg *arg, u64 value)
{
	return arg->size > 1 ? value ^ 1ULL << (8 << kp_die(rnd, ilog2(arg->size))) : value;
}

/* In place of @value, now and then a number where implementations part ways: see above. */
static u64 vary(struct kp_drawing *d, const struct kp_arg *arg, u32 a, u64 value)
{
	u64 other;

	switch (kp_die(&d->rnd, 16)) {
	case 0:
		other = near_size(d, value);
		break;
	case 1:
		other = draw_limit(&d->rnd, arg);
		break;
	case 2:
		decide_later(d, a);
		return value;
	case 3:
		other = beside(&d->rnd, arg, value);
		break;
	default:
		return value;
	}
	other = kp_of_type(arg, other);
	return kp_in_range(arg, other) ? other : value;
}

/**
 * kp_draw_number() - draw a number, as the program wants it
 * @d: the program, and the arguments before this one
 * @arg: the argument
 * @a: its place among them
 *
 * Return: the number
 */
u64 kp_draw_number(struct kp_drawing *d, const struct kp_arg *arg, u32 a)
{
	enum kp_draw draw = d->prog->draw;
	struct kp_random *rnd = &d->rnd;
	struct limits limits;
	u64 value;

	if (arg->wraps)
		return draw_start(rnd, arg);
	if (kp_has_names(arg))
		return draw_named(rnd, arg, arg->beyond && draw < KP_DRAW_LARGE);
	if (draw == KP_DRAW_LARGE && arg->to && kp_die(rnd, 4))
		return arg->hi;
	limits = usual_limits(arg, draw);
	if (!limits.beyond || kp_die(rnd, 8)) {
		value = draw_within(d, arg, a, &limits);
	} else if (kp_die(rnd, 4)) {
		value = draw_neighbour(rnd, arg, &limits);
	} else {
		limits = whole_type(arg);
		value = draw_within(d, arg, a, &limits);
	}
	return draw == KP_DRAW_VARIED && d->value != d->prog->param ?
		vary(d, arg, a, value) : value;
}

/**
 * kp_vary_size() - put a size that matters in place of a buffer's, in each second case
 * @d: the program, and all arguments of the call
 * @arg: the buffer
 * @a: its place among them
 * @size: its size so far
 *
 * One near the number of bytes in another argument, given to the object earlier, or that
 * it is made of; near the object's size; or near what an earlier operation gives.
 *
 * Return: the size
 */
u32 kp_vary_size(struct kp_drawing *d, const struct kp_arg *arg, u32 a, u32 size)
{
	u64 other = size;

	switch (kp_die(&d->rnd, 8)) {
	case 0:
	case 1:
		other = near(&d->rnd, kp_span_len(kp_earlier_span(d)));
		break;
	case 2:
		/* Of an object that is being made there is no size yet. */
		if (d->value != d->prog->param)
			other = near_size(d, size);
		break;
	case 3:
		decide_later(d, a);
		break;
	default:
		break;
	}
	return kp_fits(arg, other) ? other : size;
}
