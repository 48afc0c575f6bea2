// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinking the arguments of one call, or of an object's creation: shorter, nearer zero, of
 * plainer characters.
 */
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "shrink.h"

/* Two texts of at most so many bytes are made shorter at once. */
#define BOTH_MAX	12

static u64 distance(const struct kp_arg *arg, u64 value)
{
	return arg->is_signed && (s64)value < 0 ? -value : value;
}

/* Put a value in place of an argument's, if it is a smaller one and still fails. */
static bool try_number(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value,
		       u64 smaller)
{
	u64 was = *value;

	if (!kp_in_range(arg, smaller) || distance(arg, smaller) > distance(arg, was))
		return false;
	/* Of two that are as near to 0, the one above it is the plainer one. */
	if (distance(arg, smaller) == distance(arg, was) &&
	    !(arg->is_signed && (s64)was < 0 && (s64)smaller > 0))
		return false;
	*value = smaller;
	if (kp_still_fails(s))
		return true;
	*value = was;
	return false;
}

/* Of values that have names, take the first one in the list that still fails. */
static bool shrink_choice(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value)
{
	const struct kp_name *n;
	u64 was = *value;

	for (n = arg->names; n->name && kp_of_type(arg, n->value) != was; n++) {
		*value = kp_of_type(arg, n->value);
		if (kp_still_fails(s))
			return true;
		*value = was;
	}
	return false;
}

/* Bring a number nearer to 0: at once, by a bit, by halves, by one; and above 0. */
static bool shrink_number(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value)
{
	bool done = false;
	u64 half;
	u32 bit;

	if (arg->names && !arg->flags)
		return shrink_choice(s, arg, value);
	done |= try_number(s, arg, value, 0);
	if (!arg->is_signed || (s64)*value > 0)
		for (bit = 64; bit--;)
			if (*value & BIT_ULL(bit))
				done |= try_number(s, arg, value, *value & ~BIT_ULL(bit));
	if (arg->flags)
		return done;
	if (arg->is_signed && (s64)*value < 0)
		done |= try_number(s, arg, value, -*value);
	for (half = distance(arg, *value) / 2; half; half /= 2)
		while (try_number(s, arg, value, (s64)*value < 0 && arg->is_signed ?
				  *value + half : *value - half))
			done = true;
	return done;
}

/* Restore an argument some bytes of which were left out: its span @was, bytes @from. */
static void set_span(struct kp_program *prog, u64 *span, u64 was, const u8 *from)
{
	memcpy(prog->pool + kp_span_at(was), from, kp_span_len(was));
	*span = was;
}

/* Leave out bytes, many at first and then one at a time. */
static bool shorten(struct kp_shrinking *s, const struct kp_arg *arg, u64 *span,
		    u8 *keep)
{
	u32 len = kp_span_len(*span), cut, at;
	bool done = false;

	memcpy(keep, s->prog->pool + kp_span_at(*span), len);
	for (cut = len; cut && !s->late; cut = kp_next_cut(cut, len)) {
		for (at = 0; at + cut <= len && len - cut >= arg->min && !s->late;) {
			u8 *pool = s->prog->pool + kp_span_at(*span);
			u64 was = *span;

			/* To leave out one of several that are the same is all one. */
			if (at && !memchr_inv(pool + at, pool[at - 1], cut)) {
				at += cut;
				continue;
			}
			memmove(pool + at, pool + at + cut, len - at - cut);
			*span = kp_span_resized(was, len - cut);
			if (kp_still_fails(s)) {
				len -= cut;
				memcpy(keep, pool, len);
				done = true;
			} else {
				set_span(s->prog, span, was, keep);
				at += cut;
			}
		}
	}
	return done;
}

/* Make as many bytes in a row plain at once as there can be. */
static bool flatten(struct kp_shrinking *s, u64 *span, u8 plain, u8 *keep)
{
	u8 *pool = s->prog->pool + kp_span_at(*span);
	u32 len = kp_span_len(*span), n, at;
	bool done = false;

	for (n = len; n > 1 && !s->late; n /= 2) {
		for (at = 0; at + n <= len && !s->late; at += n) {
			if (!memchr_inv(pool + at, plain, n))
				continue;
			memcpy(keep, pool + at, n);
			memset(pool + at, plain, n);
			if (kp_still_fails(s))
				done = true;
			else
				memcpy(pool + at, keep, n);
		}
	}
	return done;
}

/**
 * kp_plain_bytes() - the plainest bytes that an argument can be made of
 * @arg: the argument, text or bytes
 * @nr: receives how many there are
 *
 * Return: the bytes, the plainest one first
 */
const char *kp_plain_bytes(const struct kp_arg *arg, u32 *nr)
{
	static const char any[] = "a0x -";

	*nr = arg->of ? min(arg->nr_of, 2) : sizeof(any) - 1;
	return arg->of ?: any;
}

/* Put a plainer byte in place of each one, the plainest that still fails. */
static bool make_plain(struct kp_shrinking *s, const struct kp_arg *arg, u64 *span,
		       u8 *keep)
{
	u32 i, p, nr;
	const char *plain = kp_plain_bytes(arg, &nr);
	u8 *pool = s->prog->pool + kp_span_at(*span);
	bool done = false;
	u8 was;

	if (kp_span_len(*span) > KP_LONG) {
		done = flatten(s, span, plain[0], keep);
		nr = 1;
	}
	for (i = 0; i < kp_span_len(*span) && !s->late; i++) {
		was = pool[i];
		for (p = 0; p < nr && was != (u8)plain[p]; p++) {
			pool[i] = plain[p];
			if (kp_still_fails(s)) {
				done = true;
				break;
			}
			pool[i] = was;
		}
	}
	return done;
}

/* Leave out some bytes of each of two arguments; whether it still fails. */
static bool try_both(struct kp_shrinking *s, u64 *one, u64 *two, const u32 at[2],
		     const u32 cut[2], u8 *keep)
{
	u64 *span[] = { one, two }, was[] = { *one, *two };
	u32 len, i;

	for (i = 0; i < 2; i++) {
		u8 *pool = s->prog->pool + kp_span_at(was[i]);

		len = kp_span_len(was[i]);
		memcpy(keep + i * BOTH_MAX, pool, len);
		memmove(pool + at[i], pool + at[i] + cut[i], len - at[i] - cut[i]);
		*span[i] = kp_span_resized(was[i], len - cut[i]);
	}
	if (kp_still_fails(s))
		return true;
	for (i = 0; i < 2; i++)
		set_span(s->prog, span[i], was[i], keep + i * BOTH_MAX);
	return false;
}

/* Leave out the same part of two texts that are equal; whether any was. */
static bool shorten_equal(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value, u32 a,
			  u32 b, u8 *keep)
{
	struct kp_same same = {
		.span = { &value[a], &value[b] }, .nr = 2, .min = max(arg[a].min, arg[b].min),
	};
	const u8 *pool = s->prog->pool;
	u32 len = kp_span_len(value[a]);

	return len == kp_span_len(value[b]) &&
	       !memcmp(pool + kp_span_at(value[a]), pool + kp_span_at(value[b]), len) &&
	       kp_shorten_same(s, &same, keep);
}

/*
 * Leave out a part of each of two short texts at once, any part. A pattern and its
 * text lose parts that belong together so, and not one by one.
 */
static bool shorten_both(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value,
			 u32 a, u32 b, u8 *keep)
{
	u32 least[2] = { arg[a].min, arg[b].min }, at[2], cut[2], len[2];

	len[0] = kp_span_len(value[a]);
	len[1] = kp_span_len(value[b]);
	if (len[0] > BOTH_MAX || len[1] > BOTH_MAX)
		return false;
	for (cut[0] = len[0]; cut[0]; cut[0]--) {
		for (at[0] = 0; at[0] + cut[0] <= len[0]; at[0]++) {
			for (cut[1] = len[1]; cut[1]; cut[1]--) {
				for (at[1] = 0; at[1] + cut[1] <= len[1]; at[1]++) {
					if (s->late || len[0] - cut[0] < least[0] ||
					    len[1] - cut[1] < least[1])
						continue;
					if (try_both(s, &value[a], &value[b], at, cut, keep))
						return true;
				}
			}
		}
	}
	return false;
}

/* Bring text and bytes to a multiple of 8. */
static bool shrink_shift(struct kp_shrinking *s, u32 *shift)
{
	u32 was = *shift;

	if (!was)
		return false;
	*shift = 0;
	if (kp_still_fails(s))
		return true;
	*shift = was;
	return false;
}

/* Have user memory lie where it simply is, or fewer of its bytes behind an end. */
static bool shrink_place(struct kp_shrinking *s, u64 *span)
{
	u64 was = *span;
	u32 most = kp_place_bytes(was), fewer[] = { 0, most / 2, most - 1 }, i;

	if (kp_place(was) == KP_MAPPED)
		return false;
	*span = kp_placed(was, KP_MAPPED, 0);
	if (kp_still_fails(s))
		return true;
	for (i = 0; most && i < ARRAY_SIZE(fewer); i++) {
		*span = kp_placed(was, kp_place(was), fewer[i]);
		if (*span != was && kp_still_fails(s))
			return true;
	}
	*span = was;
	return false;
}

/* Make a buffer in user memory smaller: at once, by halves, by one. */
static bool shrink_size(struct kp_shrinking *s, const struct kp_arg *arg, u64 *span)
{
	u32 len = kp_span_len(*span), cut;
	bool done = false;

	for (cut = len; cut && !s->late; cut /= 2) {
		while (len >= cut && len - cut >= arg->min) {
			u64 was = *span;

			*span = kp_span_resized(was, len - cut);
			if (!kp_still_fails(s)) {
				*span = was;
				break;
			}
			len -= cut;
			done = true;
		}
	}
	return done;
}

/*
 * Make a buffer and the bytes beside it smaller at once: what a function does with the one
 * often depends on by how much the other is larger. Bytes are left out at their end, and so
 * they are made plain before.
 */
static bool shrink_room(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value, u32 room,
			u32 bytes)
{
	bool user = arg[room].kind == KP_USER_BUFFER, done = false;
	u64 was[] = { value[room], value[bytes] };
	u32 size, len, cut;

	for (cut = kp_span_len(value[bytes]); cut && !s->late; cut /= 2) {
		for (;;) {
			size = user ? kp_span_len(value[room]) : value[room];
			len = kp_span_len(value[bytes]);
			if (len < arg[bytes].min + cut || size < arg[room].min + cut)
				break;
			was[0] = value[room];
			was[1] = value[bytes];
			value[room] = user ? kp_span_resized(was[0], size - cut) : size - cut;
			value[bytes] = kp_span_resized(was[1], len - cut);
			if (!kp_still_fails(s)) {
				value[room] = was[0];
				value[bytes] = was[1];
				break;
			}
			done = true;
		}
	}
	return done;
}

/* Any two texts of an operation, and any text with a buffer. */
static bool shrink_pairs(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value, u8 *keep)
{
	bool done = false;
	u32 a, b;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		for (b = 0; b < KP_NR_ARGS && arg[b].name; b++) {
			if (!kp_in_pool(&arg[b]) || a == b)
				continue;
			if (arg[a].kind == KP_BUFFER || arg[a].kind == KP_USER_BUFFER)
				done |= shrink_room(s, arg, value, a, b);
			if (!kp_in_pool(&arg[a]) || a > b)
				continue;
			done |= shorten_equal(s, arg, value, a, b, keep);
			done |= shorten_both(s, arg, value, a, b, keep);
		}
	}
	return done;
}

/**
 * kp_shrink_call() - make the arguments of one call smaller, one round
 * @s: the program
 * @arg: what they are
 * @value: the arguments
 * @shift: where text and bytes lie
 * @keep: room for %KP_BYTES_MAX bytes
 *
 * Context: may sleep.
 * Return: whether any became smaller
 */
bool kp_shrink_call(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value, u32 *shift,
		    u8 *keep)
{
	bool done = shrink_shift(s, shift);
	u32 a;

	done |= shrink_pairs(s, arg, value, keep);
	for (a = 0; a < KP_NR_ARGS && arg[a].name && !s->late; a++) {
		if (kp_in_user(&arg[a]))
			done |= shrink_place(s, &value[a]);
		if (arg[a].kind == KP_USER_BUFFER) {
			done |= shrink_size(s, &arg[a], &value[a]);
		} else if (kp_in_pool(&arg[a])) {
			/* A long argument is made plain first, which shortens it faster. */
			if (kp_span_len(value[a]) > KP_LONG)
				done |= make_plain(s, &arg[a], &value[a], keep);
			done |= shorten(s, &arg[a], &value[a], keep);
			done |= make_plain(s, &arg[a], &value[a], keep);
		} else if (arg[a].kind != KP_OUTPUT) {
			done |= shrink_number(s, &arg[a], &value[a]);
		}
	}
	return done;
}

