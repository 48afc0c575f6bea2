// SPDX-License-Identifier: GPL-2.0
/*
 * Text and bytes: empty, as long as they can be, or earlier ones but for a character.
 * In programs that are varied, bytes of a structure are broken in one place or two, or
 * are as many as there may be.
 */
#include <linux/array_size.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "draw.h"

/*
 * Without a list: any, and those that mean something to many functions more often. Bytes
 * that are no text are often a table or a bitmap, of which all bits of a byte are alike.
 */
static u8 draw_byte(struct kp_random *rnd, const struct kp_arg *arg)
{
	static const char special[] = " \t\n0123456789aAzZfF-+.,/\\=\"'%\x7f\x80\xff";

	if (arg->of)
		return arg->of[kp_die(rnd, arg->nr_of)];
	if (arg->kind != KP_TEXT && !kp_die(rnd, 4))
		return kp_die(rnd, 2) ? 0xff : 0;
	if (kp_die(rnd, 2))
		return special[kp_die(rnd, sizeof(special) - 1)];
	return arg->kind == KP_TEXT ? 1 + kp_die(rnd, 255) : kp_die(rnd, 256);
}

/**
 * kp_draw_len() - draw a number of bytes
 * @rnd: where from
 * @arg: the argument
 *
 * Return: the number
 */
u32 kp_draw_len(struct kp_random *rnd, const struct kp_arg *arg)
{
	u32 more = arg->max - arg->min;

	switch (kp_die(rnd, 8)) {
	case 0:
		return arg->min;
	case 1:
		return arg->max;
	case 2:
		return arg->max - min(more, 1);
	case 3:
	case 4:
		return arg->min + kp_die(rnd, min(more, 4) + 1);
	default:
		return arg->min + kp_die(rnd, more + 1);
	}
}

static bool may_have(const struct kp_arg *arg, u8 byte)
{
	if (arg->kind == KP_TEXT && !byte)
		return false;
	return !arg->of || memchr(arg->of, byte, arg->nr_of);
}

/*
 * One byte over and over, but for one place, which in each second case is the last.
 * In each second case it is as long as it may be: a search that ends one too early is
 * met so. Where a byte may be anything, that place often differs in one bit alone.
 */
static u32 fill_evenly(struct kp_random *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 i, len = kp_die(rnd, 2) ? arg->max : kp_draw_len(rnd, arg);
	u8 byte = draw_byte(rnd, arg);
	bool flip = false;

	if (may_have(arg, 0) && kp_die(rnd, 2)) {
		byte = may_have(arg, 0xff) && kp_die(rnd, 2) ? 0xff : 0;
		flip = !arg->of && kp_die(rnd, 2);
	}
	for (i = 0; i < len; i++)
		to[i] = byte;
	if (len)
		to[kp_die(rnd, 2) ? len - 1 : kp_die(rnd, len)] =
			flip ? byte ^ 1 << kp_die(rnd, 8) : draw_byte(rnd, arg);
	return len;
}

static u32 fill_anyhow(struct kp_random *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 i, len = kp_draw_len(rnd, arg);

	for (i = 0; i < len; i++)
		to[i] = draw_byte(rnd, arg);
	return len;
}

/*
 * A number as a person writes it, near where types end; and what people get wrong: a
 * prefix without a digit, a sign behind it or twice, leading zeros, something behind.
 */
static u32 fill_numeric(struct kp_random *rnd, const struct kp_arg *arg, u8 *to)
{
	static const char *const signs[] = { "", "", "", "-", "-", "+", "--", "-+", "++" };
	static const char *const prefixes[] = {
		"", "", "", "", "0x", "0X", "0", "00", "0x-", "0x+", "0x0x",
	};
	static const char *const forms[] = { "%s%s%llu", "%s%s%llx", "%s%s%llX", "%s%s%llo" };
	static const char *const ends[] = { "\n", "\n\n", "\r\n", " ", "\t", "x", "0" };
	u64 value = kp_die(rnd, 2) ? kp_near_power(rnd) : kp_draw64(rnd) >> kp_die(rnd, 64);
	char text[64];
	u32 i, n, len;

	len = scnprintf(text, sizeof(text) / 2, kp_die(rnd, 12) ?
			forms[kp_die(rnd, ARRAY_SIZE(forms))] : "%s%s",
			signs[kp_die(rnd, ARRAY_SIZE(signs))],
			prefixes[kp_die(rnd, ARRAY_SIZE(prefixes))], value);
	if (!kp_die(rnd, 4))
		len += scnprintf(text + len, sizeof(text) - len, "%s",
				 ends[kp_die(rnd, ARRAY_SIZE(ends))]);
	if (!kp_die(rnd, 8))
		text[len++] = draw_byte(rnd, arg);
	if (!kp_die(rnd, 16)) {
		memmove(text + 1, text, len++);
		text[0] = draw_byte(rnd, arg);
	}
	for (i = 0, n = 0; i < len && n < arg->max; i++)
		if (may_have(arg, text[i]))
			to[n++] = text[i];
	return n < arg->min ? fill_anyhow(rnd, arg, to) : n;
}

/* As many pieces as there is room for: each drawn, or one and the same. */
static u32 fill_to_the_end(struct kp_random *rnd, const struct kp_arg *arg, u8 *to)
{
	u32 nr = 0, len = 0, tries = arg->max, one;
	const struct kp_part *part;
	bool same = kp_die(rnd, 2);

	while (arg->parts[nr].at)
		nr++;
	one = kp_die(rnd, nr);
	while (tries-- && len < arg->max) {
		part = &arg->parts[same ? one : kp_die(rnd, nr)];
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
static u32 fill_from_parts(struct kp_random *rnd, const struct kp_arg *arg, u8 *to)
{
	/* Bytes mostly have a structure, unlike text, which one between pieces breaks. */
	bool text = arg->kind == KP_TEXT, between = text || !kp_die(rnd, 8);
	u32 nr = 0, len = 0, tries = 1 + kp_die(rnd, text ? 5 : 3);
	const struct kp_part *part;

	while (arg->parts[nr].at)
		nr++;
	while (tries--) {
		part = &arg->parts[kp_die(rnd, nr)];
		if (len + part->len > arg->max)
			break;
		memcpy(to + len, part->at, part->len);
		len += part->len;
		if (between && len < arg->max && !kp_die(rnd, 3))
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
static void break_bytes(struct kp_random *rnd, const struct kp_arg *arg, u8 *to, u32 len)
{
	u32 faults = kp_die(rnd, 4) ? 0 : 1 + kp_die(rnd, 2), at;
	u8 byte;

	while (len && faults--) {
		at = kp_die(rnd, 2) ? kp_die(rnd, len) : kp_die(rnd, min(len, 8));
		switch (kp_die(rnd, 4)) {
		case 0:
			byte = to[at] ^ 1 << kp_die(rnd, 8);
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
static u32 fill_from(struct kp_random *rnd, const struct kp_arg *arg,
		     const u8 *from, u32 len, u8 *to)
{
	u32 i, at, edits = kp_die(rnd, 3);

	len = min(len, arg->max);
	at = 0;
	/* A part of the earlier bytes; or the whole, with others before and behind. */
	if (!kp_die(rnd, 4) && len) {
		at = kp_die(rnd, len);
		from += at;
		len = 1 + kp_die(rnd, len - at);
		at = 0;
	} else if (!kp_die(rnd, 3)) {
		while (at < arg->max - len && kp_die(rnd, 3))
			to[at++] = draw_byte(rnd, arg);
	}
	memcpy(to + at, from, len);
	len += at;
	while (at && len < arg->max && kp_die(rnd, 2))
		to[len++] = draw_byte(rnd, arg);
	while (edits--) {
		/* At the end as often as anywhere else: one may begin with the other. */
		at = kp_die(rnd, 2) ? len : kp_die(rnd, len + 1);
		switch (kp_die(rnd, 4)) {
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

/* Text or bytes that an operation's object is made of; the empty span if there are none. */
static u64 made_of(struct kp_drawing *d)
{
	const struct kp_arg *creation = d->pair->creation.arg;
	u64 spans[KP_NR_ARGS];
	u32 a, nr = 0;

	if (d->value == d->prog->param)
		return 0;
	for (a = 0; a < KP_NR_ARGS && creation[a].name; a++)
		if (kp_in_pool(&creation[a]))
			spans[nr++] = d->prog->param[a];
	return nr ? spans[kp_die(&d->rnd, nr)] : 0;
}

/**
 * kp_earlier_span() - draw text or bytes from those drawn before
 * @d: the program
 *
 * Return: those of an argument of the same operation, of any argument of an earlier one,
 *         or of the object's creation; the empty span if it has none
 */
u64 kp_earlier_span(struct kp_drawing *d)
{
	struct kp_random *rnd = &d->rnd;
	const struct kp_step *s;
	u64 made;
	u32 a;

	if (d->nr_spans && kp_die(rnd, 4))
		return d->spans[kp_die(rnd, d->nr_spans)];
	made = made_of(d);
	if (made && !kp_die(rnd, 4))
		return made;
	if (!d->step)
		return 0;
	s = &d->prog->step[kp_die(rnd, d->step)];
	a = kp_die(rnd, KP_NR_ARGS);
	return kp_in_pool(&d->pair->operation[s->op].arg[a]) ? s->arg[a] : 0;
}

/* The bytes that an operation of the same kind was given for the same argument. */
static u64 same_again(struct kp_drawing *d, u32 a)
{
	u32 i, at = d->step ? kp_die(&d->rnd, d->step) : 0;
	const struct kp_step *step = d->prog->step;

	for (i = 0; i < d->step; i++) {
		const struct kp_step *s = &step[(at + i) % d->step];

		if (s->op == step[d->step].op)
			return s->arg[a];
	}
	return kp_span(0, 0);
}

/**
 * kp_draw_bytes() - draw text or bytes into a program's pool
 * @d: the program, and the arguments before this one
 * @arg: the argument
 * @a: its place among them
 *
 * Return: the span; that of an earlier operation where the pool is full
 */
u64 kp_draw_bytes(struct kp_drawing *d, const struct kp_arg *arg, u32 a)
{
	struct kp_program *prog = d->prog;
	u8 *to = prog->pool + prog->pool_used;
	u32 at = prog->pool_used, len, side;
	struct kp_random *rnd = &d->rnd;
	u64 near;

	if (KP_POOL_SIZE - prog->pool_used <= KP_BYTES_MAX)
		return same_again(d, a);
	side = kp_die(rnd, 8);
	near = side < 4 + arg->numeric ? kp_earlier_span(d) : 0;
	if (arg->numeric && side < 4)
		len = fill_numeric(rnd, arg, to);
	else if (kp_span_len(near))
		len = fill_from(rnd, arg, prog->pool + kp_span_at(near),
				kp_span_len(near), to);
	else if (arg->parts && side < (arg->kind == KP_TEXT ? 6 : 7))
		len = prog->draw == KP_DRAW_VARIED && !kp_die(rnd, 8) ?
			fill_to_the_end(rnd, arg, to) : fill_from_parts(rnd, arg, to);
	else if (side == 6 || (side == 5 && arg->kind != KP_TEXT))
		len = fill_evenly(rnd, arg, to);
	else
		len = fill_anyhow(rnd, arg, to);
	if (prog->draw == KP_DRAW_VARIED && arg->parts && arg->kind != KP_TEXT)
		break_bytes(rnd, arg, to, len);
	prog->pool_used += len;
	return kp_span(at, len);
}
