// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments: drawn where implementations part ways. Limits and their neighbours,
 * powers of two, values near those drawn before, named values with a bit flipped;
 * text that is empty, as long as it can be, or an earlier text but for a character.
 *
 * Programs that are varied have more: values near the object's size or near an earlier
 * operation's result, limits that are beyond where most values are, bytes of a
 * structure that are broken in one place or two, or are as many as there may be.
 */
#include <linux/array_size.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/string.h>
#include "engine.h"

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

	if (arg->beyond)
		return kp_of_type(arg, value) == value;
	if (!arg->names || arg->flags)
		return in_limits(arg, value);
	for (n = arg->names; n->name; n++)
		if (kp_of_type(arg, n->value) == value)
			return true;
	return false;
}

static u64 draw64(struct rnd_state *rnd)
{
	u64 hi = prandom_u32_state(rnd);

	return hi << 32 | prandom_u32_state(rnd);
}

/* A number below @n, evenly drawn; 0 if @n is 0, which stands for 2^64. */
static u64 below(struct rnd_state *rnd, u64 n)
{
	u64 any = draw64(rnd);

	return n ? any % n : any;
}

static u32 die(struct rnd_state *rnd, u32 sides)
{
	return prandom_u32_state(rnd) % sides;
}

/* A power of two, less one, as it is, or more one; mostly one where a type ends. */
static u64 near_power(struct rnd_state *rnd)
{
	static const u8 ends[] = { 7, 8, 15, 16, 31, 32, 63 };
	u32 bit = die(rnd, 2) ? die(rnd, 64) : ends[die(rnd, ARRAY_SIZE(ends))];

	return (1ULL << bit) + die(rnd, 3) - 1;
}

/* A power of two as above, negative in one case of four. */
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
	if (arg->beyond && !die(rnd, 8))
		value ^= draw_bit(rnd, arg);
	return kp_of_type(arg, value);
}

/* Whether an argument of an object's creation says something of what it can hold. */
static bool has_size(const struct kp_arg *arg)
{
	return arg->name && arg->size && !arg->wraps;
}

/*
 * An integer of an earlier argument of the same operation or of an earlier one, or one
 * that the object is made with: its size, mostly.
 */
static u64 draw_earlier(struct rnd_state *rnd, const struct kp_pair *pair,
			const struct kp_program *prog, const u64 *value, u32 a, u32 step)
{
	if (pair->creation.arg[0].size && value != prog->param && !die(rnd, 4))
		return prog->param[has_size(&pair->creation.arg[1]) ? die(rnd, 2) : 0];
	if (a && die(rnd, 2))
		return value[die(rnd, a)];
	return step ? prog->step[die(rnd, step)].arg[die(rnd, KP_NR_ARGS)] : 0;
}

/* A byte of text or bytes, the last one in each second case; 0 if there is none. */
static u64 draw_of(struct rnd_state *rnd, const struct kp_program *prog, u64 span)
{
	u32 len = kp_span_len(span);

	return len ? prog->pool[kp_span_at(span) +
				(die(rnd, 2) ? len - 1 : die(rnd, len))] : 0;
}

/* A square, less one, as it is, or more one. */
static u64 near_square(struct rnd_state *rnd)
{
	u64 root = prandom_u32_state(rnd) >> die(rnd, 32);

	return root * root + die(rnd, 3) - 1;
}

/* An argument with the limits that most of its values have; valid ones only, if @valid. */
static struct kp_arg usual_part(const struct kp_arg *arg, bool valid)
{
	struct kp_arg part = *arg;

	if (arg->from)
		part.lo = arg->from;
	if (arg->to)
		part.hi = arg->to;
	if (valid)
		part.beyond = false;
	return part;
}

/* An argument that may be anything that its type has room for, and is drawn so. */
static struct kp_arg whole_type(const struct kp_arg *arg)
{
	struct kp_arg whole = *arg;
	u64 sign = 1ULL << (8 * arg->size - 1);

	whole.lo = arg->is_signed ? -sign : 0;
	whole.hi = arg->is_signed ? sign - 1 : kp_of_type(arg, U64_MAX);
	whole.log2 = false;
	whole.beyond = false;
	return whole;
}

/* A value right before or behind an argument's limits, or twice the upper one. */
static u64 draw_neighbour(struct rnd_state *rnd, const struct kp_arg *arg)
{
	switch (die(rnd, arg->log2 ? 3 : 2)) {
	case 0:
		return kp_of_type(arg, arg->lo - 1);
	case 1:
		return kp_of_type(arg, arg->hi + 1);
	default:
		return kp_of_type(arg, arg->hi * 2);
	}
}

/*
 * @earlier: an integer that was drawn before
 * @span: an earlier argument's bytes, of which the number may be one, or their count
 */
static u64 draw_number(struct rnd_state *rnd, const struct kp_arg *arg,
		       const struct kp_program *prog, u64 earlier, u64 span)
{
	struct kp_arg whole;
	u64 value;

	if (nr_names(arg))
		return draw_named(rnd, arg);
	if (arg->beyond && !die(rnd, 8)) {
		if (die(rnd, 4))
			return draw_neighbour(rnd, arg);
		whole = whole_type(arg);
		return draw_number(rnd, &whole, prog, earlier, span);
	}
	if (arg->log2)
		return 1ULL << (ilog2(arg->lo) + die(rnd, ilog2(arg->hi / arg->lo) + 1));
	switch (die(rnd, 20)) {
	case 16:
	case 17:
		value = draw_of(rnd, prog, span);
		break;
	case 18:
		value = kp_span_len(span) + die(rnd, 3) - 1;
		break;
	case 19:
		value = near_square(rnd);
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
		value = earlier + die(rnd, 3) - 1;
		break;
	case 9:
	case 10:
	case 11:
		/* As many small numbers as large ones. */
		value = arg->lo + (draw64(rnd) >> die(rnd, 64));
		break;
	default:
		value = arg->lo + below(rnd, arg->hi - arg->lo + 1);
		break;
	}
	return in_limits(arg, value) ? value :
		arg->lo + below(rnd, arg->hi - arg->lo + 1);
}

/*
 * An index that wraps within a program: it begins a little before its type ends, or
 * before half or a part of it does. In each second object it begins at 0.
 */
static u64 draw_start(struct rnd_state *rnd, const struct kp_arg *arg)
{
	u32 bits = 8 * arg->size, ends[] = { bits, bits, bits - 1, 16, 8 };
	u32 bit = ends[die(rnd, ARRAY_SIZE(ends))], before = 1 + die(rnd, 1 + die(rnd, 64));

	if (die(rnd, 2))
		return 0;
	return kp_of_type(arg, (bit < 64 ? 1ULL << bit : 0) - before);
}

/* A limit, or its neighbour: of all values, or of those that are usual. */
static u64 draw_limit(struct rnd_state *rnd, const struct kp_arg *arg)
{
	u64 limit[] = { arg->lo, arg->hi, arg->from ?: arg->lo, arg->to ?: arg->hi };

	return limit[die(rnd, ARRAY_SIZE(limit))] + die(rnd, 3) - 1;
}

/* A value near what the object was made for; @value if it was made for nothing. */
static u64 near_size(struct rnd_state *rnd, const struct kp_pair *pair,
		     const struct kp_program *prog, u64 value)
{
	u32 a = die(rnd, KP_NR_ARGS);

	if (!has_size(&pair->creation.arg[a]))
		a = 0;
	return has_size(&pair->creation.arg[a]) ? prog->param[a] + die(rnd, 3) - 1 : value;
}

/*
 * A number of an operation where implementations part ways, in place of @value: see
 * above. The result of an operation before it is known once that one has run.
 */
static u64 vary_number(struct rnd_state *rnd, const struct kp_pair *pair,
		       const struct kp_program *prog, u32 step, u32 a, u64 value)
{
	const struct kp_arg *arg = &pair->operation[prog->step[step].op].arg[a];
	u64 other = value;

	switch (die(rnd, 16)) {
	case 0:
		other = near_size(rnd, pair, prog, value);
		break;
	case 1:
		other = draw_limit(rnd, arg);
		break;
	case 2:
		if (!step)
			break;
		prog->step[step].after = 1 + die(rnd, min(step, 1 + die(rnd, 64)));
		prog->step[step].decided = a;
		prog->step[step].more = (int)die(rnd, 3) - 1;
		break;
	}
	other = kp_of_type(arg, other);
	return kp_in_range(arg, other) ? other : value;
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
	u32 i, n = nr_names(arg);
	u64 seen;

	if (arg->wraps)
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

/* Without a list: any, and those that mean something to many functions more often. */
static u8 draw_byte(struct rnd_state *rnd, const struct kp_arg *arg)
{
	static const char special[] = " \t\n0123456789aAzZfF-+.,/\\=\"'%\x7f\x80\xff";

	if (arg->of)
		return arg->of[die(rnd, arg->nr_of)];
	if (die(rnd, 2))
		return special[die(rnd, sizeof(special) - 1)];
	return arg->kind == KP_TEXT ? 1 + die(rnd, 255) : die(rnd, 256);
}

static u32 draw_len(struct rnd_state *rnd, const struct kp_arg *arg)
{
	u32 more = arg->max - arg->min;

	switch (die(rnd, 8)) {
	case 0:
		return arg->min;
	case 1:
		return arg->max;
	case 2:
		return arg->max - min(more, 1);
	case 3:
	case 4:
		return arg->min + die(rnd, min(more, 4) + 1);
	default:
		return arg->min + die(rnd, more + 1);
	}
}

/*
 * One byte over and over, but for one place, which in each second case is the last.
 * In each second case it is as long as it may be: a search that ends one too early is
 * met so.
 */
static u32 fill_evenly(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 i, len = die(rnd, 2) ? arg->max : draw_len(rnd, arg);
	u8 byte = draw_byte(rnd, arg);

	for (i = 0; i < len; i++)
		to[i] = byte;
	if (len)
		to[die(rnd, 2) ? len - 1 : die(rnd, len)] = draw_byte(rnd, arg);
	return len;
}

static bool may_have(const struct kp_arg *arg, u8 byte)
{
	if (arg->kind == KP_TEXT && !byte)
		return false;
	return !arg->of || memchr(arg->of, byte, arg->nr_of);
}

static u32 fill_anyhow(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 i, len = draw_len(rnd, arg);

	for (i = 0; i < len; i++)
		to[i] = draw_byte(rnd, arg);
	return len;
}

/*
 * A number as a person writes it, near where types end; and what people get wrong: a
 * prefix without a digit, a sign behind it or twice, leading zeros, something behind.
 */
static u32 fill_numeric(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	static const char *const signs[] = { "", "", "", "-", "-", "+", "--", "-+", "++" };
	static const char *const prefixes[] = {
		"", "", "", "", "0x", "0X", "0", "00", "0x-", "0x+", "0x0x",
	};
	static const char *const forms[] = { "%s%s%llu", "%s%s%llx", "%s%s%llX", "%s%s%llo" };
	static const char *const ends[] = { "\n", "\n\n", "\r\n", " ", "\t", "x", "0" };
	u64 value = die(rnd, 2) ? near_power(rnd) : draw64(rnd) >> die(rnd, 64);
	char text[64];
	u32 i, n, len;

	len = scnprintf(text, sizeof(text) / 2, die(rnd, 12) ?
			forms[die(rnd, ARRAY_SIZE(forms))] : "%s%s",
			signs[die(rnd, ARRAY_SIZE(signs))],
			prefixes[die(rnd, ARRAY_SIZE(prefixes))], value);
	if (!die(rnd, 4))
		len += scnprintf(text + len, sizeof(text) - len, "%s",
				 ends[die(rnd, ARRAY_SIZE(ends))]);
	if (!die(rnd, 8))
		text[len++] = draw_byte(rnd, arg);
	if (!die(rnd, 16)) {
		memmove(text + 1, text, len++);
		text[0] = draw_byte(rnd, arg);
	}
	for (i = 0, n = 0; i < len && n < arg->max; i++)
		if (may_have(arg, text[i]))
			to[n++] = text[i];
	return n < arg->min ? fill_anyhow(rnd, arg, to) : n;
}

/* As many pieces as there is room for: each drawn, or one and the same. */
static u32 fill_to_the_end(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 nr = 0, len = 0, tries = arg->max, one;
	const struct kp_part *part;
	bool same = die(rnd, 2);

	while (arg->parts[nr].at)
		nr++;
	one = die(rnd, nr);
	while (tries-- && len < arg->max) {
		part = &arg->parts[same ? one : die(rnd, nr)];
		if (len + part->len > arg->max)
			continue;
		memcpy(to + len, part->at, part->len);
		len += part->len;
	}
	while (len < arg->min)
		to[len++] = draw_byte(rnd, arg);
	return len;
}

/* Pieces, and a character between them now and then. */
static u32 fill_from_parts(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to)
{
	/* Bytes mostly have a structure, unlike text, which one between pieces breaks. */
	bool text = arg->kind == KP_TEXT, between = text || !die(rnd, 8);
	u32 nr = 0, len = 0, tries = 1 + die(rnd, text ? 5 : 3);
	const struct kp_part *part;

	while (arg->parts[nr].at)
		nr++;
	while (tries--) {
		part = &arg->parts[die(rnd, nr)];
		if (len + part->len > arg->max)
			break;
		memcpy(to + len, part->at, part->len);
		len += part->len;
		if (between && len < arg->max && !die(rnd, 3))
			to[len++] = draw_byte(rnd, arg);
	}
	while (len < arg->min)
		to[len++] = draw_byte(rnd, arg);
	return len;
}

/*
 * Break bytes that were put together of pieces, in one place or two: a length, a type,
 * a payload. The result of two faults says in which order they are looked for.
 */
static void break_bytes(struct rnd_state *rnd, const struct kp_arg *arg, u8 *to, u32 len)
{
	u32 faults = die(rnd, 4) ? 0 : 1 + die(rnd, 2), at;
	u8 byte;

	while (len && faults--) {
		at = die(rnd, 2) ? die(rnd, len) : die(rnd, min(len, 8));
		switch (die(rnd, 4)) {
		case 0:
			byte = to[at] ^ 1 << die(rnd, 8);
			break;
		case 1:
			byte = to[at] + 1;
			break;
		case 2:
			byte = to[at] - 1;
			break;
		default:
			byte = draw_byte(rnd, arg);
			break;
		}
		if (may_have(arg, byte))
			to[at] = byte;
	}
}

/*
 * An earlier text or bytes with up to two characters changed, added or left out.
 * Arguments that are compared or matched are so mostly near enough for every
 * character to count. Characters that this argument may not have are replaced.
 */
static u32 fill_from(struct rnd_state *rnd, const struct kp_arg *arg,
		     const u8 *from, u32 len, u8 *to)
{
	u32 i, at, edits = die(rnd, 3);

	len = min(len, arg->max);
	at = 0;
	/* A part of the earlier bytes; or the whole, with others before and behind. */
	if (!die(rnd, 4) && len) {
		at = die(rnd, len);
		from += at;
		len = 1 + die(rnd, len - at);
		at = 0;
	} else if (!die(rnd, 3)) {
		while (at < arg->max - len && die(rnd, 3))
			to[at++] = draw_byte(rnd, arg);
	}
	memcpy(to + at, from, len);
	len += at;
	while (at && len < arg->max && die(rnd, 2))
		to[len++] = draw_byte(rnd, arg);
	while (edits--) {
		/* At the end as often as anywhere else: one may begin with the other. */
		at = die(rnd, 2) ? len : die(rnd, len + 1);
		switch (die(rnd, 4)) {
		case 0:
			if (at < len)
				memmove(to + at, to + at + 1, len - at - 1);
			if (len)
				len--;
			break;
		case 1:
			if (len < arg->max) {
				memmove(to + at + 1, to + at, len++ - at);
				to[at] = draw_byte(rnd, arg);
			}
			break;
		case 2:
			/* A letter of the other case. */
			if (len)
				to[min(at, len - 1)] ^= 0x20;
			break;
		default:
			if (len)
				to[min(at, len - 1)] = draw_byte(rnd, arg);
			break;
		}
	}
	while (len < arg->min)
		to[len++] = draw_byte(rnd, arg);
	for (i = 0; i < len; i++)
		if (!may_have(arg, to[i]))
			to[i] = draw_byte(rnd, arg);
	return len;
}

/*
 * The text or bytes of an earlier argument of the same operation, or of any argument
 * of an earlier one; the empty span if there is none.
 */
static u64 earlier_span(struct rnd_state *rnd, const struct kp_pair *pair,
			const struct kp_program *prog, const u64 *spans, u32 nr,
			u32 step)
{
	const struct kp_step *s;
	u32 a;

	if (nr && die(rnd, 4))
		return spans[die(rnd, nr)];
	if (!step)
		return 0;
	s = &prog->step[die(rnd, step)];
	a = die(rnd, KP_NR_ARGS);
	return kp_in_pool(&pair->operation[s->op].arg[a]) ? s->arg[a] : 0;
}

/* The bytes that an operation of the same kind was given for the same argument. */
static u64 same_again(struct rnd_state *rnd, const struct kp_program *prog,
		      u32 a, u32 step)
{
	u32 i, at = step ? die(rnd, step) : 0;

	for (i = 0; i < step; i++) {
		const struct kp_step *s = &prog->step[(at + i) % step];

		if (s->op == prog->step[step].op)
			return s->arg[a];
	}
	return kp_span(0, 0);
}

static u64 draw_bytes(struct rnd_state *rnd, const struct kp_arg *arg,
		      struct kp_program *prog, u64 near)
{
	u8 *to = prog->pool + prog->pool_used;
	u32 at = prog->pool_used, len;
	u32 side = die(rnd, 8);

	if (arg->numeric && side < 4)
		len = fill_numeric(rnd, arg, to);
	else if (kp_span_len(near) && side < 4 + arg->numeric)
		len = fill_from(rnd, arg, prog->pool + kp_span_at(near),
				kp_span_len(near), to);
	else if (arg->parts && side < (arg->kind == KP_TEXT ? 6 : 7))
		len = prog->draw == KP_DRAW_VARIED && !die(rnd, 8) ?
			fill_to_the_end(rnd, arg, to) : fill_from_parts(rnd, arg, to);
	else if (side == 6)
		len = fill_evenly(rnd, arg, to);
	else
		len = fill_anyhow(rnd, arg, to);
	if (prog->draw == KP_DRAW_VARIED && arg->parts && arg->kind != KP_TEXT)
		break_bytes(rnd, arg, to, len);
	prog->pool_used += len;
	return kp_span(at, len);
}

/* A number, as the program wants it. */
static u64 draw_value(struct rnd_state *rnd, const struct kp_arg *arg,
		      const struct kp_program *prog, u64 earlier, u64 span)
{
	struct kp_arg part;

	if (arg->wraps)
		return draw_start(rnd, arg);
	if (prog->draw == KP_DRAW_LARGE && arg->to && !nr_names(arg) && die(rnd, 4))
		return arg->hi;
	if (!arg->from && !arg->to && prog->draw < KP_DRAW_LARGE)
		return draw_number(rnd, arg, prog, earlier, span);
	part = usual_part(arg, prog->draw >= KP_DRAW_LARGE);
	return draw_number(rnd, &part, prog, earlier, span);
}

/* Draw a place in user memory: three times in four one that is mapped. */
static u64 draw_place(struct rnd_state *rnd, const struct kp_arg *arg, u64 span)
{
	static const enum kp_place places[] = {
		KP_END, KP_END, KP_END, KP_SPLIT, KP_UNMAPPED, KP_KERNEL, KP_HUGE,
		KP_CHANGES,
	};
	enum kp_place place = die(rnd, 4) ? KP_MAPPED : places[die(rnd, ARRAY_SIZE(places))];
	u32 len = kp_span_len(span), bytes = 0;

	if ((place == KP_HUGE && !arg->beyond) || (place == KP_CHANGES && !arg->once))
		place = KP_MAPPED;
	/* Bytes behind the end: a single one, or any number. */
	if (place == KP_SPLIT || place == KP_CHANGES || (place == KP_END && die(rnd, 3)))
		bytes = die(rnd, 3) ? 1 + die(rnd, max(len, 1)) : 1;
	return kp_placed(span, place, bytes);
}

/**
 * kp_draw_args() - draw the arguments of one operation, or of an object's creation
 * @rnd: where from
 * @pair: the pair
 * @arg: what they are drawn from
 * @prog: the program; has the operations before this one
 * @value: receives the arguments
 * @step: number of the operation
 *
 * Programs can be longer than their pool: an operation that no longer has room in
 * it is given the bytes of an earlier one.
 */
void kp_draw_args(struct rnd_state *rnd, const struct kp_pair *pair,
		  const struct kp_arg *arg, struct kp_program *prog,
		  u64 *value, u32 step)
{
	u64 spans[KP_NR_ARGS], near;
	u32 a, nr = 0;

	for (a = 0; a < KP_NR_ARGS; a++) {
		value[a] = 0;
		/* Programs that costs are counted with begin where production does. */
		if (!arg[a].name || (arg[a].wraps && prog->draw == KP_DRAW_USUAL))
			continue;
		near = arg[a].size || kp_in_pool(&arg[a]) ?
			earlier_span(rnd, pair, prog, spans, nr, step) : 0;
		switch (arg[a].kind) {
		case KP_NUMBER:
		case KP_INOUT:
			value[a] = draw_value(rnd, &arg[a], prog, arg[a].size ?
				draw_earlier(rnd, pair, prog, value, a, step) : 0, near);
			if (prog->draw == KP_DRAW_VARIED && value != prog->param &&
			    arg[a].size && !nr_names(&arg[a]))
				value[a] = vary_number(rnd, pair, prog, step, a, value[a]);
			break;
		case KP_TEXT:
		case KP_BYTES:
		case KP_USER_BYTES:
			value[a] = KP_POOL_SIZE - prog->pool_used > KP_BYTES_MAX ?
				draw_bytes(rnd, &arg[a], prog, near) :
				same_again(rnd, prog, a, step);
			spans[nr++] = value[a];
			if (kp_in_user(&arg[a]))
				value[a] = draw_place(rnd, &arg[a], value[a]);
			break;
		case KP_BUFFER:
			value[a] = draw_len(rnd, &arg[a]);
			break;
		case KP_BORROWED:
		case KP_GIVEN:
		case KP_NEW:
			value[a] = die(rnd, arg[a].hi + 1);
			break;
		case KP_USER_BUFFER:
			value[a] = draw_place(rnd, &arg[a],
					      kp_span(0, draw_len(rnd, &arg[a])));
			break;
		case KP_OUTPUT:
			break;
		}
	}
}
