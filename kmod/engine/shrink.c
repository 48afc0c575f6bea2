// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinking: from a program on which two paths part to the smallest one on
 * which they still do. Deletes ever smaller runs of operations, as delta
 * debugging does (Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", IEEE TSE 28(2), 2002), in complement order only.
 */
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "engine.h"

static void delete_steps(struct kp_program *prog, const struct kp_step *from,
			 u32 nr, u32 at, u32 len)
{
	memcpy(prog->step, from, at * sizeof(*from));
	memcpy(prog->step + at, from + at + len,
	       (nr - at - len) * sizeof(*from));
	prog->nr_steps = nr - len;
}

/* Two texts of at most so many bytes are made shorter at once. */
#define BOTH_MAX	12
/* A text of more bytes is not tried in all the ways that a short one is. */
#define LONG		64

/* State of kp_shrink(). */
struct shrink {
	const struct kp_pair *pair;
	enum kp_path_id path;
	struct kp_program *prog;
	struct kp_trace *ref;
	struct kp_trace *got;
	struct kp_diff diff;
	unsigned long end;
	bool late;
};

/*
 * A program still fails if the same operation differs in the same way. Else one
 * difference would turn into another, and hide behind it.
 */
static bool still_fails(struct shrink *s)
{
	struct kp_diff now;

	s->late |= time_after(jiffies, s->end);
	if (s->late)
		return false;
	kp_trace_both(s->ref, s->got, s->pair, s->path, s->prog);
	if (!kp_trace_diff(s->ref, s->got, 0, &now))
		return false;
	return kp_same_kind(&now, &s->diff);
}

static u64 distance(const struct kp_arg *arg, u64 value)
{
	return arg->is_signed && (s64)value < 0 ? -value : value;
}

/* Put a value in place of an argument's, if it is a smaller one and still fails. */
static bool try_number(struct shrink *s, const struct kp_arg *arg, u64 *value,
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
	if (still_fails(s))
		return true;
	*value = was;
	return false;
}

/* Of values that have names, take the first one in the list that still fails. */
static bool shrink_choice(struct shrink *s, const struct kp_arg *arg, u64 *value)
{
	const struct kp_name *n;
	u64 was = *value;

	for (n = arg->names; n->name && kp_of_type(arg, n->value) != was; n++) {
		*value = kp_of_type(arg, n->value);
		if (still_fails(s))
			return true;
		*value = was;
	}
	return false;
}

/* Bring a number nearer to 0: at once, by a bit, by halves, by one; and above 0. */
static bool shrink_number(struct shrink *s, const struct kp_arg *arg, u64 *value)
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

/* The next number of bytes to leave out: half; of a short argument one less, from 6 on. */
static u32 next_cut(u32 cut, u32 len)
{
	return cut > 6 || len > LONG ? cut / 2 : cut - 1;
}

/* Leave out bytes, many at first and then one at a time. */
static bool shorten(struct shrink *s, const struct kp_arg *arg, u64 *span,
		    u8 *keep)
{
	u32 len = kp_span_len(*span), cut, at;
	bool done = false;

	memcpy(keep, s->prog->pool + kp_span_at(*span), len);
	for (cut = len; cut && !s->late; cut = next_cut(cut, len)) {
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
			if (still_fails(s)) {
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
static bool flatten(struct shrink *s, u64 *span, u8 plain, u8 *keep)
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
			if (still_fails(s))
				done = true;
			else
				memcpy(pool + at, keep, n);
		}
	}
	return done;
}

/* Put a plainer byte in place of each one, the plainest that still fails. */
static bool make_plain(struct shrink *s, const struct kp_arg *arg, u64 *span,
		       u8 *keep)
{
	static const char any[] = "a0x -";
	const char *plain = arg->of ?: any;
	u32 i, p, nr = arg->of ? min(arg->nr_of, 2) : sizeof(any) - 1;
	u8 *pool = s->prog->pool + kp_span_at(*span);
	bool done = false;
	u8 was;

	if (kp_span_len(*span) > LONG) {
		done = flatten(s, span, plain[0], keep);
		nr = 1;
	}
	for (i = 0; i < kp_span_len(*span) && !s->late; i++) {
		was = pool[i];
		for (p = 0; p < nr && was != (u8)plain[p]; p++) {
			pool[i] = plain[p];
			if (still_fails(s)) {
				done = true;
				break;
			}
			pool[i] = was;
		}
	}
	return done;
}

/* Leave out some bytes of each of two arguments; whether it still fails. */
static bool try_both(struct shrink *s, u64 *one, u64 *two, const u32 at[2],
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
	if (still_fails(s))
		return true;
	for (i = 0; i < 2; i++)
		set_span(s->prog, span[i], was[i], keep + i * BOTH_MAX);
	return false;
}

/* Leave out the same part of two texts that are equal; whether any was. */
static bool shorten_equal(struct shrink *s, u64 *one, u64 *two, u32 least, u8 *keep)
{
	u64 *span[] = { one, two };
	u32 len = kp_span_len(*one), cut, at, i;
	bool done = false;

	if (len != kp_span_len(*two) ||
	    memcmp(s->prog->pool + kp_span_at(*one), s->prog->pool + kp_span_at(*two), len))
		return false;
	memcpy(keep, s->prog->pool + kp_span_at(*one), len);
	for (cut = len; cut && !s->late; cut = next_cut(cut, len)) {
		for (at = 0; at + cut <= len && len - cut >= least && !s->late;) {
			u64 was[] = { *one, *two };

			for (i = 0; i < 2; i++) {
				u8 *pool = s->prog->pool + kp_span_at(*span[i]);

				memmove(pool + at, pool + at + cut, len - at - cut);
				*span[i] = kp_span_resized(was[i], len - cut);
			}
			if (still_fails(s)) {
				len -= cut;
				memcpy(keep, s->prog->pool + kp_span_at(*one), len);
				done = true;
			} else {
				set_span(s->prog, one, was[0], keep);
				set_span(s->prog, two, was[1], keep);
				at += cut;
			}
		}
	}
	return done;
}

/*
 * Leave out a part of each of two short texts at once, any part. A pattern and its
 * text lose parts that belong together so, and not one by one.
 */
static bool shorten_both(struct shrink *s, const struct kp_arg *arg, u64 *value,
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
static bool shrink_shift(struct shrink *s, u32 *shift)
{
	u32 was = *shift;

	if (!was)
		return false;
	*shift = 0;
	if (still_fails(s))
		return true;
	*shift = was;
	return false;
}

/* Have user memory lie where it simply is, or fewer of its bytes behind an end. */
static bool shrink_place(struct shrink *s, u64 *span)
{
	u64 was = *span;
	u32 most = kp_place_bytes(was), fewer[] = { 0, most / 2, most - 1 }, i;

	if (kp_place(was) == KP_MAPPED)
		return false;
	*span = kp_placed(was, KP_MAPPED, 0);
	if (still_fails(s))
		return true;
	for (i = 0; most && i < ARRAY_SIZE(fewer); i++) {
		*span = kp_placed(was, kp_place(was), fewer[i]);
		if (*span != was && still_fails(s))
			return true;
	}
	*span = was;
	return false;
}

/* Make a buffer in user memory smaller: at once, by halves, by one. */
static bool shrink_size(struct shrink *s, const struct kp_arg *arg, u64 *span)
{
	u32 len = kp_span_len(*span), cut;
	bool done = false;

	for (cut = len; cut && !s->late; cut /= 2) {
		while (len >= cut && len - cut >= arg->min) {
			u64 was = *span;

			*span = kp_span_resized(was, len - cut);
			if (!still_fails(s)) {
				*span = was;
				break;
			}
			len -= cut;
			done = true;
		}
	}
	return done;
}

/* Any two texts of an operation. */
static bool shrink_pairs(struct shrink *s, const struct kp_arg *arg, u64 *value,
			 u8 *keep)
{
	bool done = false;
	u32 a, b;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		for (b = a + 1; b < KP_NR_ARGS && arg[b].name; b++)
			if (kp_in_pool(&arg[a]) && kp_in_pool(&arg[b])) {
				done |= shorten_equal(s, &value[a], &value[b],
						      max(arg[a].min, arg[b].min), keep);
				done |= shorten_both(s, arg, value, a, b, keep);
			}
	return done;
}

/* A program of more operations is not tried with numbers that change together. */
#define ALIKE_MAX	64

/* Put a number in place of another one in all operations; how many have it, if all may. */
static u32 replace_number(const struct shrink *s, u64 from, u64 to)
{
	u32 i, a, n = 0;

	for (i = 0; i < s->prog->nr_steps; i++) {
		struct kp_step *step = &s->prog->step[i];
		const struct kp_arg *arg = s->pair->operation[step->op].arg;

		for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
			if (arg[a].kind != KP_NUMBER || arg[a].names || !arg[a].size ||
			    step->arg[a] != from)
				continue;
			if (!kp_in_range(&arg[a], to))
				return 0;
			step->arg[a] = to;
			n++;
		}
	}
	return n;
}

/* Replace a number in all operations; whether it still fails, else all is as it was. */
static bool try_alike(struct shrink *s, u64 from, u64 to, u64 *keep)
{
	u32 i, n, nr = s->prog->nr_steps;

	for (i = 0; i < nr; i++)
		memcpy(keep + i * KP_NR_ARGS, s->prog->step[i].arg,
		       sizeof(s->prog->step[i].arg));
	n = replace_number(s, from, to);
	if (n > 1 && still_fails(s))
		return true;
	for (i = 0; i < nr; i++)
		memcpy(s->prog->step[i].arg, keep + i * KP_NR_ARGS,
		       sizeof(s->prog->step[i].arg));
	return false;
}

/* Bring numbers that are the same in several operations nearer to 0, all at once. */
static bool shrink_alike(struct shrink *s, u8 *room)
{
	u64 *keep = (u64 *)room, value;
	bool done = false;
	u32 i, a;

	BUILD_BUG_ON(ALIKE_MAX * KP_NR_ARGS * sizeof(*keep) > KP_BYTES_MAX);
	if (s->prog->nr_steps > ALIKE_MAX)
		return false;
	for (i = 0; i < s->prog->nr_steps; i++) {
		for (a = 0; a < KP_NR_ARGS && !s->late; a++) {
			value = s->prog->step[i].arg[a];
			if (!value || (s64)value < 0)
				continue;
			done |= try_alike(s, value, 0, keep) ||
				try_alike(s, value, value / 2, keep) ||
				try_alike(s, value, value - 1, keep);
		}
	}
	return done;
}

static void rename_handle(const struct shrink *s, u64 from, u64 to)
{
	u32 i, a;

	for (i = 0; i < s->prog->nr_steps; i++) {
		struct kp_step *step = &s->prog->step[i];
		const struct kp_arg *arg = s->pair->operation[step->op].arg;

		for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
			if (kp_is_handle(&arg[a]) && step->arg[a] == from)
				step->arg[a] = to;
	}
}

/* Whether a program names a place for a handle. */
static bool names_handle(const struct shrink *s, u64 place)
{
	u32 i, a;

	for (i = 0; i < s->prog->nr_steps; i++) {
		const struct kp_step *step = &s->prog->step[i];
		const struct kp_arg *arg = s->pair->operation[step->op].arg;

		for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
			if (kp_is_handle(&arg[a]) && step->arg[a] == place)
				return true;
	}
	return false;
}

/* Name each handle by the first place that is free, in all operations at once. */
static bool shrink_handles(struct shrink *s)
{
	bool done = false;
	u64 from, to;

	for (from = 1; from < s->pair->nr_handles && !s->late; from++) {
		for (to = 0; to < from && names_handle(s, from); to++) {
			if (names_handle(s, to))
				continue;
			rename_handle(s, from, to);
			if (still_fails(s)) {
				done = true;
				break;
			}
			rename_handle(s, to, from);
		}
	}
	return done;
}

/* The arguments of one call; whether any became smaller. */
static bool shrink_call(struct shrink *s, const struct kp_arg *arg, u64 *value, u32 *shift,
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
			if (kp_span_len(value[a]) > LONG)
				done |= make_plain(s, &arg[a], &value[a], keep);
			done |= shorten(s, &arg[a], &value[a], keep);
			done |= make_plain(s, &arg[a], &value[a], keep);
		} else if (arg[a].kind != KP_OUTPUT) {
			done |= shrink_number(s, &arg[a], &value[a]);
		}
	}
	return done;
}

/* One round over the arguments of all operations; whether any became smaller. */
static bool shrink_args(struct shrink *s, u8 *keep)
{
	bool done = shrink_alike(s, keep);
	u32 i;

	done |= shrink_handles(s);
	for (i = 0; i < s->prog->nr_steps; i++) {
		struct kp_step *step = &s->prog->step[i];

		done |= shrink_call(s, s->pair->operation[step->op].arg, step->arg, &step->shift,
				    keep);
	}
	return done;
}

/* Make the object smaller; whether it is. */
static bool shrink_params(struct shrink *s, u8 *keep)
{
	return shrink_call(s, s->pair->creation.arg, s->prog->param, &s->prog->shift, keep);
}

/* Whether some operations and the one before them are all the same. */
static bool same_steps(const struct kp_step *step, u32 at, u32 len)
{
	const struct kp_step *first = &step[at - 1];
	u32 i;

	for (i = at; i < at + len; i++)
		if (step[i].op != first->op || step[i].shift != first->shift ||
		    step[i].fail != first->fail ||
		    memcmp(step[i].arg, first->arg, sizeof(first->arg)))
			return false;
	return true;
}

/* Make numbers of an operation 0 where they may be; whether any was not. */
static bool clear_numbers(const struct kp_pair *pair, struct kp_step *step)
{
	const struct kp_arg *arg = pair->operation[step->op].arg;
	bool done = false;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].kind != KP_NUMBER || arg[a].names || !step->arg[a] ||
		    !kp_in_range(&arg[a], 0))
			continue;
		step->arg[a] = 0;
		done = true;
	}
	return done;
}

/*
 * Make the numbers of as many operations in a row 0 at once as there can be. Of those
 * that are the same then, one stands for all.
 */
static void flatten_numbers(struct shrink *s, struct kp_step *keep)
{
	u32 nr = s->prog->nr_steps, n, at, i;
	bool changed;

	for (n = nr; n > 1 && !s->late; n /= 2) {
		for (at = 0; at + n <= nr && !s->late; at += n) {
			memcpy(keep, s->prog->step + at, n * sizeof(*keep));
			for (i = 0, changed = false; i < n; i++)
				changed |= clear_numbers(s->pair, &s->prog->step[at + i]);
			if (changed && !still_fails(s))
				memcpy(s->prog->step + at, keep, n * sizeof(*keep));
		}
	}
}

/* Leave out operations, at least so many at a time; whether any was. */
static bool shrink_steps(struct shrink *s, struct kp_step *keep, u32 least)
{
	struct kp_program *prog = s->prog;
	u32 nr = prog->nr_steps, len, at;
	bool done = false;

	memcpy(keep, prog->step, nr * sizeof(*keep));
	for (len = max(nr / 2, 1); len >= least && len && !s->late; len /= 2) {
		for (at = 0; at + len <= nr && !s->late;) {
			/* To leave out one of several that are the same is all one. */
			if (at && same_steps(keep, at, len)) {
				at += len;
				continue;
			}
			delete_steps(prog, keep, nr, at, len);
			if (still_fails(s)) {
				nr -= len;
				memcpy(keep, prog->step, nr * sizeof(*keep));
				done = true;
			} else {
				at += len;
			}
		}
	}
	memcpy(prog->step, keep, nr * sizeof(*keep));
	prog->nr_steps = nr;
	return done;
}

/**
 * kp_shrink() - make a failing program as small as it can be
 * @pair: the pair
 * @path: the path that differs from C over C
 * @prog: the program; must fail. Replaced by the smaller one.
 * @ref: receives the trace of the smaller program on C over C
 * @got: receives its trace on @path
 * @diff: its difference, which stays but for where it is
 * @end: when to give up, in jiffies
 *
 * Without memory for a copy the program stays as it is.
 *
 * Context: may sleep.
 * Return: whether nothing more can be taken away; false if that was given up
 */
bool kp_shrink(const struct kp_pair *pair, enum kp_path_id path,
	       struct kp_program *prog, struct kp_trace *ref,
	       struct kp_trace *got, const struct kp_diff *diff,
	       unsigned long end)
{
	struct shrink s = {
		.pair = pair, .path = path, .prog = prog, .ref = ref, .got = got,
		.diff = *diff, .end = end,
	};
	struct kp_step *steps = kvcalloc(prog->nr_steps, sizeof(*steps), GFP_KERNEL);
	u8 *bytes = kvmalloc(KP_BYTES_MAX, GFP_KERNEL);
	bool able = steps && bytes;

	if (able) {
		/* Chunks go first: a program that stays long would take long step by step. */
		shrink_steps(&s, steps, prog->nr_steps / 32);
		if (prog->nr_steps > ALIKE_MAX)
			flatten_numbers(&s, steps);
		shrink_steps(&s, steps, 1);
		while ((shrink_args(&s, bytes) || shrink_params(&s, bytes)) && !s.late)
			shrink_steps(&s, steps, 1);
	}
	kvfree(bytes);
	kvfree(steps);
	kp_trace_both(ref, got, pair, path, prog);
	return able && !s.late;
}
