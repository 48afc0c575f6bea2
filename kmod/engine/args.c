// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments: what they may be, where those in memory lie, their edges; and the way by
 * which each kind is drawn. Numbers are drawn in numbers.c, text and bytes in bytes.c.
 */
#include <linux/array_size.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include "draw.h"

/**
 * kp_span() - name bytes of a program's pool in an argument
 * @at: where they begin
 * @len: how many they are
 *
 * Return: the value that stands for them in &struct kp_step
 */
u64 kp_span(u32 at, u32 len)
{
	return (u64)at << 32 | len;
}

/**
 * kp_span_resized() - the same argument, of another length
 * @span: the argument
 * @len: how many bytes it is to have
 *
 * Return: the value that stands for it in &struct kp_step
 */
u64 kp_span_resized(u64 span, u32 len)
{
	u32 bytes = kp_place_bytes(span), first = kp_span_len(span) - bytes;

	/* Bytes on the first page stay there. */
	if (kp_place(span) == KP_CHANGES)
		bytes = len > first ? len - first : 0;
	return kp_placed(kp_span(kp_span_at(span), len), kp_place(span), bytes);
}

/**
 * kp_placed() - have an argument lie somewhere in user memory
 * @span: the argument
 * @place: where
 * @bytes: how many bytes of it are behind mapped memory, or on its second page; a few
 *         more in place %KP_CHANGES, so that those before are a multiple of 16
 *
 * Return: the value that stands for it in &struct kp_step
 */
u64 kp_placed(u64 span, enum kp_place place, u32 bytes)
{
	u32 len = kp_span_len(span);

	bytes = min(bytes, len);
	/* An access across the boundary is repeated as a whole, after the change. */
	if (place == KP_CHANGES)
		bytes = len - round_down(len - bytes, 16);
	return (span & ~0xffff0000ULL) | (u64)place << 29 | bytes << 16;
}

/**
 * kp_place() - where an argument lies in user memory
 * @span: the argument
 *
 * Return: the place
 */
enum kp_place kp_place(u64 span)
{
	return span >> 29 & 7;
}

/**
 * kp_place_bytes() - bytes of an argument that are behind an end
 * @span: the argument
 *
 * Return: their number, as in kp_placed()
 */
u32 kp_place_bytes(u64 span)
{
	return span >> 16 & 0x1fff;
}

/* Both signs count up from lo, modulo 2^64. */
static bool in_limits(const struct kp_arg *arg, u64 value)
{
	return value - arg->lo <= arg->hi - arg->lo &&
	       (!arg->log2 || is_power_of_2(value));
}

/**
 * kp_in_range() - whether a number is one that an argument may have
 * @arg: the argument
 * @value: the number
 *
 * Return: true if it is between the argument's limits or has a name, or need not
 */
bool kp_in_range(const struct kp_arg *arg, u64 value)
{
	const struct kp_name *n;

	if (arg->beyond || (arg->any && !arg->is_signed && value > arg->hi))
		return kp_of_type(arg, value) == value;
	if (!arg->names || arg->flags)
		return in_limits(arg, value);
	for (n = arg->names; n->name; n++)
		if (kp_of_type(arg, n->value) == value)
			return true;
	return false;
}

/**
 * kp_nr_names() - how many values of an argument have names
 * @arg: the argument
 *
 * Return: their number
 */
u32 kp_nr_names(const struct kp_arg *arg)
{
	u32 n = 0;

	while (arg->names && arg->names[n].name)
		n++;
	return n;
}

/**
 * kp_of_type() - make a number one of an argument's type
 * @arg: the argument
 * @value: the number; bits that the type does not have are dropped
 *
 * Return: the number, sign-extended if its type is signed
 */
u64 kp_of_type(const struct kp_arg *arg, u64 value)
{
	u32 unused = arg->size ? 64 - 8 * arg->size : 0;

	if (arg->is_signed)
		return (s64)(value << unused) >> unused;
	return value << unused >> unused;
}

/*
 * The edge of an argument with this number, from those that must be refused to those
 * that are the last ones which must not be. A number that is too large only by bits
 * that a smaller type does not have is taken where a number is narrowed.
 */
static u64 edge(const struct kp_arg *arg, u32 nr)
{
	u64 fits = arg->to ?: arg->hi;

	switch (nr) {
	case 0:
		return arg->lo - 1;
	case 1:
		return arg->hi + 1;
	case 2:
		return arg->hi * 2;
	case 3:
		return 0;
	case 4:
		return U64_MAX;
	case 5:
		return arg->is_signed ? U64_MAX >> 1 : 1ULL << (8 * arg->size - 1);
	case 6:
		return fits | 1ULL << 8;
	case 7:
		return fits | 1ULL << 16;
	case 8:
		return fits | 1ULL << 32;
	case 9:
		return (1ULL << (8 * arg->size - 1)) | arg->lo;
	case 10:
		return arg->log2 ? 3 * arg->lo : arg->lo + 1;
	case 11:
		return arg->log2 ? arg->hi / 2 + 1 : arg->hi / 2;
	case 12:
		return arg->log2 ? arg->hi / 2 : arg->hi - 1;
	case 13:
		return arg->lo;
	default:
		return arg->hi;
	}
}

#define EDGES	15

/**
 * kp_edge() - a value at an edge of an argument
 * @arg: the argument, a number
 * @nr: which edge
 * @value: receives it
 *
 * Return: whether there is such an edge; there is none behind the first that is not
 */
bool kp_edge(const struct kp_arg *arg, u32 nr, u64 *value)
{
	u32 i, n = kp_nr_names(arg);
	u64 seen;

	if (arg->wraps || !kp_is_number(arg))
		return false;
	if (n) {
		/* Each name, and then each bit that no name should have. */
		if (nr >= n && (!arg->beyond || nr >= n + 8 * arg->size))
			return false;
		*value = kp_of_type(arg, nr < n ? arg->names[nr].value :
				    arg->names[0].value ^ 1ULL << (nr - n));
		return true;
	}
	for (i = 0; i < EDGES; i++) {
		seen = kp_of_type(arg, edge(arg, i));
		if ((arg->beyond || in_limits(arg, seen)) && !nr--) {
			*value = seen;
			return true;
		}
	}
	return false;
}

/* Draw a place in user memory: three times in four, or where all is valid, a mapped one. */
static u64 draw_place(struct kp_drawing *d, const struct kp_arg *arg, u64 span)
{
	struct kp_random *rnd = &d->rnd;
	static const enum kp_place places[] = {
		KP_END, KP_END, KP_END, KP_SPLIT, KP_UNMAPPED, KP_KERNEL, KP_HUGE,
		KP_CHANGES,
	};
	enum kp_place place = kp_die(rnd, 4) ? KP_MAPPED : places[kp_die(rnd, ARRAY_SIZE(places))];
	u32 len = kp_span_len(span), bytes = 0;

	if (d->prog->draw >= KP_DRAW_LARGE)
		return span;
	if ((place == KP_HUGE && !arg->beyond) || (place == KP_CHANGES && !arg->once))
		place = KP_MAPPED;
	/* Bytes behind the end: a single one, or any number. */
	if (place == KP_SPLIT || place == KP_CHANGES || (place == KP_END && kp_die(rnd, 3)))
		bytes = kp_die(rnd, 3) ? 1 + kp_die(rnd, max(len, 1)) : 1;
	return kp_placed(span, place, bytes);
}

/**
 * kp_draw_args() - draw the arguments of one operation, or of an object's creation
 * @d: the program
 * @arg: what they are drawn from
 * @value: receives the arguments
 * @step: number of the operation
 *
 * Programs can be longer than their pool: an operation that no longer has room in
 * it is given the bytes of an earlier one.
 */
void kp_draw_args(struct kp_drawing *d, const struct kp_arg *arg, u64 *value, u32 step)
{
	u32 a;

	d->step = step;
	d->value = value;
	d->nr_spans = 0;
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		value[a] = 0;
		/* Programs that costs are counted with begin where production does. */
		if (arg[a].wraps && d->prog->draw == KP_DRAW_USUAL)
			continue;
		switch (arg[a].kind) {
		case KP_NUMBER:
		case KP_INOUT:
			value[a] = kp_draw_number(d, &arg[a], a);
			break;
		case KP_TEXT:
		case KP_BYTES:
		case KP_USER_BYTES:
			value[a] = kp_draw_bytes(d, &arg[a], a);
			d->spans[d->nr_spans++] = value[a];
			if (kp_in_user(&arg[a]))
				value[a] = draw_place(d, &arg[a], value[a]);
			break;
		case KP_BUFFER:
			value[a] = kp_draw_len(&d->rnd, &arg[a]);
			break;
		case KP_BORROWED:
		case KP_GIVEN:
		case KP_NEW:
			value[a] = kp_die(&d->rnd, arg[a].hi + 1);
			break;
		case KP_USER_BUFFER:
			value[a] = draw_place(d, &arg[a],
					      kp_span(0, kp_draw_len(&d->rnd, &arg[a])));
			break;
		case KP_OUTPUT:
			break;
		}
	}
	for (; a < KP_NR_ARGS; a++)
		value[a] = 0;
}

/**
 * kp_vary_sizes() - have buffers be nearly as large as what decides what is done with them
 * @d: the program
 * @arg: the arguments of the call that was drawn last, for a program that is varied
 *
 * Beside kp_draw_args(), as the bytes of all arguments are known only behind it.
 */
void kp_vary_sizes(struct kp_drawing *d, const struct kp_arg *arg)
{
	u32 a, size;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].kind == KP_BUFFER) {
			d->value[a] = kp_vary_size(d, &arg[a], a, d->value[a]);
		} else if (arg[a].kind == KP_USER_BUFFER) {
			size = kp_vary_size(d, &arg[a], a, kp_span_len(d->value[a]));
			d->value[a] = kp_span_resized(d->value[a], size);
		}
	}
}
