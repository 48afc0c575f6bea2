// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments: drawn where implementations part ways. Limits and their neighbours,
 * powers of two, values near those drawn before, named values with a bit flipped;
 * text that is empty, as long as it can be, or an earlier text but for a character.
 */
#include <linux/array_size.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/string.h>
#include "engine.h"

/**
 * kp_span() - name bytes of a program's pool in an argument
 * @at: where they begin
 * @len: how many they are
 *
 * Return: what stands for them in &struct kp_step
 */
u64 kp_span(u32 at, u32 len)
{
	return (u64)at << 32 | len;
}

/**
 * kp_span_at() - where the bytes of an argument begin
 * @span: what kp_span() returned
 *
 * Return: their offset in the program's pool
 */
u32 kp_span_at(u64 span)
{
	return span >> 32;
}

/**
 * kp_span_len() - how many bytes an argument has
 * @span: what kp_span() returned
 *
 * Return: their number
 */
u32 kp_span_len(u64 span)
{
	return (u32)span;
}

/**
 * kp_in_pool() - whether an argument is bytes of the program's pool
 * @arg: the argument
 *
 * Return: true for text and bytes
 */
bool kp_in_pool(const struct kp_arg *arg)
{
	return arg->kind == KP_TEXT || arg->kind == KP_BYTES;
}

/**
 * kp_in_range() - whether a number is one that an argument may have
 * @arg: the argument
 * @value: the number
 *
 * Return: true if it is between the argument's limits
 */
bool kp_in_range(const struct kp_arg *arg, u64 value)
{
	/* Both signs count up from lo, modulo 2^64. */
	return value - arg->lo <= arg->hi - arg->lo;
}

/**
 * kp_draw64() - draw 64 bits
 * @rnd: where from
 *
 * Return: a number, evenly drawn
 */
u64 kp_draw64(struct rnd_state *rnd)
{
	u64 hi = prandom_u32_state(rnd);

	return hi << 32 | prandom_u32_state(rnd);
}

/* A number below @n, evenly drawn; 0 if @n is 0, which stands for 2^64. */
static u64 below(struct rnd_state *rnd, u64 n)
{
	u64 any = kp_draw64(rnd);

	return n ? any % n : any;
}

static u32 die(struct rnd_state *rnd, u32 sides)
{
	return prandom_u32_state(rnd) % sides;
}

/*
 * For hand-written drivers. One value in eight is an end of the range: limits are
 * where implementations part ways, and a uniform draw over 64 bits would never
 * meet them.
 */
static u64 draw_evenly(struct rnd_state *rnd, const struct kp_arg *arg)
{
	u64 span = arg->hi - arg->lo;
	u32 side = die(rnd, 16);

	if (arg->log2)
		return (1ULL << (arg->lo + kp_draw64(rnd) % (span + 1))) - !side;
	if (side == 0)
		return arg->lo;
	if (side == 1)
		return arg->hi;
	return arg->lo + below(rnd, span + 1);
}

/* A power of two, less one, as it is, or more one; mostly one where a type ends. */
static u64 near_power(struct rnd_state *rnd)
{
	static const u8 ends[] = { 7, 8, 15, 16, 31, 32, 63 };
	u32 bit = die(rnd, 2) ? die(rnd, 64) : ends[die(rnd, ARRAY_SIZE(ends))];

	return (1ULL << bit) + die(rnd, 3) - 1;
}

/* The same, and negative in one case of four. */
static u64 draw_power(struct rnd_state *rnd, const struct kp_arg *arg)
{
	u64 value = near_power(rnd);

	return arg->is_signed && !die(rnd, 4) ? -value : value;
}

static u32 nr_names(const struct kp_arg *arg)
{
	u32 n = 0;

	while (arg->names && arg->names[n].name)
		n++;
	return n;
}

/* A bit of an argument's type; each second one is that of the sign. */
static u64 draw_bit(struct rnd_state *rnd, const struct kp_arg *arg)
{
	u32 bits = 8 * arg->size;

	return 1ULL << (die(rnd, 2) ? bits - 1 : die(rnd, bits));
}

static u64 draw_named(struct rnd_state *rnd, const struct kp_arg *arg)
{
	u32 i, n = nr_names(arg);
	u64 value = 0;

	if (!arg->flags) {
		value = arg->names[die(rnd, n)].value;
	} else {
		for (i = 0; i < n; i++)
			if (die(rnd, 2))
				value |= arg->names[i].value;
	}
	return die(rnd, 8) ? value : value ^ draw_bit(rnd, arg);
}

/* Any integer that an operation before this one was given, in the first operation 0. */
static u64 draw_earlier(struct rnd_state *rnd, const struct kp_program *prog,
			u32 step)
{
	const struct kp_step *s = &prog->step[step ? die(rnd, step) : 0];

	return step ? s->arg[die(rnd, KP_NR_ARGS)] : 0;
}

/* A byte of text or bytes, the last one in each second case; 0 if there is none. */
static u64 draw_of(struct rnd_state *rnd, const struct kp_program *prog, u64 span)
{
	u32 len = kp_span_len(span);

	return len ? prog->pool[kp_span_at(span) +
				(die(rnd, 2) ? len - 1 : die(rnd, len))] : 0;
}

/* @span: an earlier argument's bytes, of which the number may be one, or their count */
static u64 draw_number(struct rnd_state *rnd, const struct kp_arg *arg,
		       const struct kp_program *prog, u32 step, u64 span)
{
	u64 value;

	if (!arg->size)
		return draw_evenly(rnd, arg);
	if (nr_names(arg))
		return draw_named(rnd, arg);
	switch (die(rnd, 20)) {
	case 16:
	case 17:
		value = draw_of(rnd, prog, span);
		break;
	case 18:
		value = kp_span_len(span) + die(rnd, 3) - 1;
		break;
	case 0:
		return arg->lo;
	case 1:
		return arg->hi;
	case 2:
		value = arg->lo + 1;
		break;
	case 3:
		value = arg->hi - 1;
		break;
	case 4:
	case 5:
	case 6:
		value = draw_power(rnd, arg);
		break;
	case 7:
	case 8:
		value = draw_earlier(rnd, prog, step) + die(rnd, 3) - 1;
		break;
	case 9:
	case 10:
	case 11:
		/* As many small numbers as large ones. */
		value = arg->lo + (kp_draw64(rnd) >> die(rnd, 64));
		break;
	default:
		value = arg->lo + below(rnd, arg->hi - arg->lo + 1);
		break;
	}
	return kp_in_range(arg, value) ? value :
		arg->lo + below(rnd, arg->hi - arg->lo + 1);
}

static u8 draw_byte(struct rnd_state *rnd, const struct kp_arg *arg)
{
	if (arg->of)
		return arg->of[die(rnd, strlen(arg->of))];
	return arg->kind == KP_TEXT ? 1 + die(rnd, 255) : die(rnd, 256);
}

static u32 draw_len(struct rnd_state *rnd, const struct kp_arg *arg)
{
	switch (die(rnd, 8)) {
	case 0:
		return 0;
	case 1:
		return arg->max;
	case 2:
		return arg->max - min(arg->max, 1);
	case 3:
	case 4:
		return die(rnd, min(arg->max, 4) + 1);
	default:
		return die(rnd, arg->max + 1);
	}
}

/* One byte over and over, but for one place, which in each second case is the last. */
static u32 fill_evenly(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 i, len = draw_len(rnd, arg);
	u8 byte = draw_byte(rnd, arg);

	for (i = 0; i < len; i++)
		to[i] = byte;
	if (len)
		to[die(rnd, 2) ? len - 1 : die(rnd, len)] = draw_byte(rnd, arg);
	return len;
}

static bool allowed(const struct kp_arg *arg, const u8 *text, u32 len)
{
	u32 i;

	for (i = 0; arg->of && i < len; i++)
		if (!strchr(arg->of, text[i]))
			return false;
	return true;
}

/* A number as a person writes it, near where types end, now and then not quite. */
static u32 fill_numeric(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	static const char *const signs[] = { "", "", "-", "-", "+" };
	static const char *const forms[] = {
		"%s%llu", "%s%llu", "%s%llu", "%s0x%llx", "%s0%llo", "%s%llx",
	};
	u64 value = die(rnd, 2) ? near_power(rnd) : kp_draw64(rnd) >> die(rnd, 64);
	char text[40];
	u32 len;

	len = scnprintf(text, sizeof(text), forms[die(rnd, ARRAY_SIZE(forms))],
			signs[die(rnd, ARRAY_SIZE(signs))], value);
	if (!die(rnd, 8))
		text[len++] = draw_byte(rnd, arg);
	if (!die(rnd, 16)) {
		memmove(text + 1, text, len++);
		text[0] = draw_byte(rnd, arg);
	}
	len = min(len, arg->max);
	if (!allowed(arg, (const u8 *)text, len))
		return 0;
	memcpy(to, text, len);
	return len;
}

static u32 fill_anyhow(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 i, len = draw_len(rnd, arg);

	for (i = 0; i < len; i++)
		to[i] = draw_byte(rnd, arg);
	return len;
}

/* Pieces, and a character between them now and then. */
static u32 fill_from_parts(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 nr = 0, len = 0, n, tries = 1 + die(rnd, 5);
	const char *part;

	while (arg->parts[nr])
		nr++;
	while (tries--) {
		part = arg->parts[die(rnd, nr)];
		n = strlen(part);
		if (len + n > arg->max)
			break;
		memcpy(to + len, part, n);
		len += n;
		if (len < arg->max && !die(rnd, 3))
			to[len++] = draw_byte(rnd, arg);
	}
	return len;
}

/*
 * An earlier text or bytes with up to two characters changed, added or left out.
 * What is compared or matched is so mostly near enough for every character to
 * count. Characters that this argument may not have are replaced.
 */
static u32 fill_from(struct rnd_state *rnd, const struct kp_arg *arg,
		     const u8 *from, u32 len, u8 *to)
{
	u32 i, at, edits = die(rnd, 3);

	len = min(len, arg->max);
	memcpy(to, from, len);
	while (edits--) {
		at = len ? die(rnd, len) : 0;
		switch (die(rnd, 3)) {
		case 0:
			if (len)
				memmove(to + at, to + at + 1, --len - at);
			break;
		case 1:
			if (len < arg->max) {
				memmove(to + at + 1, to + at, len++ - at);
				to[at] = draw_byte(rnd, arg);
			}
			break;
		default:
			if (len)
				to[at] = draw_byte(rnd, arg);
			break;
		}
	}
	for (i = 0; i < len; i++)
		if (arg->kind == KP_TEXT && (!to[i] || (arg->of && !strchr(arg->of, to[i]))))
			to[i] = draw_byte(rnd, arg);
	return len;
}

/* The text or bytes of an earlier argument of the same operation or an earlier one. */
static u64 earlier_span(struct rnd_state *rnd, const u64 *spans, u32 nr)
{
	return nr ? spans[die(rnd, nr)] : 0;
}

/* Programs can be longer than their pool: what no longer fits is empty. */
static u64 draw_bytes(struct rnd_state *rnd, const struct kp_arg *arg,
		      struct kp_program *prog, u64 near)
{
	u8 *to = prog->pool + prog->pool_used;
	u32 at = prog->pool_used, len;
	u32 side = die(rnd, 8);

	if (KP_POOL_SIZE - at < arg->max)
		return kp_span(at, 0);
	if (arg->numeric && side < 6)
		len = fill_numeric(rnd, arg, to);
	else if (kp_span_len(near) && side < 4)
		len = fill_from(rnd, arg, prog->pool + kp_span_at(near),
				kp_span_len(near), to);
	else if (arg->parts && side < 6)
		len = fill_from_parts(rnd, arg, to);
	else if (side == 6)
		len = fill_evenly(rnd, arg, to);
	else
		len = fill_anyhow(rnd, arg, to);
	prog->pool_used += len;
	return kp_span(at, len);
}

/**
 * kp_draw_args() - draw the arguments of one operation, or of an object's creation
 * @rnd: where from
 * @arg: what they are drawn from
 * @prog: the program; has the operations before this one
 * @value: receives the arguments
 * @step: number of the operation
 */
void kp_draw_args(struct rnd_state *rnd, const struct kp_arg *arg,
		  struct kp_program *prog, u64 *value, u32 step)
{
	u64 spans[KP_NR_ARGS];
	u32 a, nr = 0;

	for (a = 0; a < KP_NR_ARGS; a++) {
		value[a] = 0;
		if (!arg[a].name) {
			/* A seed of a hand-written driver gives the programs it always gave. */
			if (a < 3)
				die(rnd, 16);
			continue;
		}
		switch (arg[a].kind) {
		case KP_NUMBER:
		case KP_INOUT:
			value[a] = draw_number(rnd, &arg[a], prog, step,
					       earlier_span(rnd, spans, nr));
			break;
		case KP_TEXT:
		case KP_BYTES:
			value[a] = draw_bytes(rnd, &arg[a], prog,
					      earlier_span(rnd, spans, nr));
			spans[nr++] = value[a];
			break;
		case KP_BUFFER:
			value[a] = draw_len(rnd, &arg[a]);
			break;
		case KP_OUTPUT:
			break;
		}
	}
}
