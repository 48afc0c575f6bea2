// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinking what is the same in several calls: numbers, texts and bytes, names of handles.
 */
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "shrink.h"

/* Put a number in place of another one in all operations; how many have it, if all may. */
static u32 replace_number(const struct kp_shrinking *s, u64 from, u64 to)
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
static bool try_alike(struct kp_shrinking *s, u64 from, u64 to, u64 *keep)
{
	u32 i, n, nr = s->prog->nr_steps;

	for (i = 0; i < nr; i++)
		memcpy(keep + i * KP_NR_ARGS, s->prog->step[i].arg,
		       sizeof(s->prog->step[i].arg));
	n = replace_number(s, from, to);
	if (n > 1 && kp_still_fails(s))
		return true;
	for (i = 0; i < nr; i++)
		memcpy(s->prog->step[i].arg, keep + i * KP_NR_ARGS,
		       sizeof(s->prog->step[i].arg));
	return false;
}

/* Bring numbers that are the same in several operations nearer to 0, all at once. */
static bool shrink_numbers(struct kp_shrinking *s, u8 *room)
{
	u64 *keep = (u64 *)room, value;
	bool done = false;
	u32 i, a;

	BUILD_BUG_ON(KP_ALIKE_MAX * KP_NR_ARGS * sizeof(*keep) > KP_BYTES_MAX);
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

static void rename_handle(const struct kp_shrinking *s, u64 from, u64 to)
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
static bool names_handle(const struct kp_shrinking *s, u64 place)
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
static bool shrink_handles(struct kp_shrinking *s)
{
	bool done = false;
	u64 from, to;

	for (from = 1; from < s->pair->nr_handles && !s->late; from++) {
		for (to = 0; to < from && names_handle(s, from); to++) {
			if (names_handle(s, to))
				continue;
			rename_handle(s, from, to);
			if (kp_still_fails(s)) {
				done = true;
				break;
			}
			rename_handle(s, to, from);
		}
	}
	return done;
}

/* The text of the first of some arguments that are the same. */
static u8 *first_of(const struct kp_shrinking *s, const struct kp_same *same)
{
	return s->prog->pool + kp_span_at(*same->span[0]);
}

/* Whether an argument has its bytes where one before it has them, in a pool that was full. */
static bool is_shared(const struct kp_same *same, u32 i)
{
	u32 j;

	for (j = 0; j < i; j++)
		if (kp_span_at(*same->span[j]) == kp_span_at(*same->span[i]))
			return true;
	return false;
}

/* Put bytes into all of them. */
static void set_same(struct kp_shrinking *s, struct kp_same *same, const u8 *bytes, u32 len)
{
	u32 i;

	for (i = 0; i < same->nr; i++)
		memcpy(s->prog->pool + kp_span_at(*same->span[i]), bytes, len);
}

/* Leave out some bytes of each; whether it still fails, else all is as it was. */
static bool cut_same(struct kp_shrinking *s, struct kp_same *same, u32 at, u32 cut, u8 *keep)
{
	u32 i, len = kp_span_len(*same->span[0]);

	memcpy(keep, first_of(s, same), len);
	for (i = 0; i < same->nr; i++) {
		u8 *pool = s->prog->pool + kp_span_at(*same->span[i]);

		if (!is_shared(same, i))
			memmove(pool + at, pool + at + cut, len - at - cut);
		same->was[i] = *same->span[i];
	}
	for (i = 0; i < same->nr; i++)
		*same->span[i] = kp_span_resized(same->was[i], len - cut);
	if (kp_still_fails(s))
		return true;
	for (i = 0; i < same->nr; i++)
		*same->span[i] = same->was[i];
	set_same(s, same, keep, len);
	return false;
}

/**
 * kp_shorten_same() - leave out the same parts of arguments that are the same
 * @s: the program
 * @same: the arguments
 * @keep: room for %KP_BYTES_MAX bytes
 *
 * Context: may sleep.
 * Return: whether anything was left out
 */
bool kp_shorten_same(struct kp_shrinking *s, struct kp_same *same, u8 *keep)
{
	u32 len = kp_span_len(*same->span[0]), cut, at;
	bool done = false;

	for (cut = len; cut && !s->late; cut = kp_next_cut(cut, len)) {
		for (at = 0; at + cut <= len && len - cut >= same->min && !s->late;) {
			if (cut_same(s, same, at, cut, keep)) {
				len -= cut;
				done = true;
			} else {
				at += cut;
			}
		}
	}
	return done;
}

/* Put a plainer byte in the same place of each. */
static bool make_same_plain(struct kp_shrinking *s, const struct kp_arg *arg, struct kp_same *same,
			    u8 *keep)
{
	u32 i, p, nr, len = kp_span_len(*same->span[0]);
	const char *plain = kp_plain_bytes(arg, &nr);
	bool done = false;

	memcpy(keep, first_of(s, same), len);
	for (i = 0; i < len && !s->late; i++) {
		u8 was = keep[i];

		for (p = 0; p < nr && was != (u8)plain[p]; p++) {
			keep[i] = plain[p];
			set_same(s, same, keep, len);
			if (kp_still_fails(s)) {
				done = true;
				break;
			}
			keep[i] = was;
			set_same(s, same, keep, len);
		}
	}
	return done;
}

/* Add the arguments of a call that have the same bytes as one; false if there are too many. */
static bool add_same(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value, u64 as,
		     struct kp_same *same)
{
	const u8 *pool = s->prog->pool;
	u32 a, len = kp_span_len(as);

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!kp_in_pool(&arg[a]) || kp_span_len(value[a]) != len ||
		    memcmp(pool + kp_span_at(value[a]), pool + kp_span_at(as), len))
			continue;
		if (same->nr == KP_SAME_MAX)
			return false;
		same->span[same->nr++] = &value[a];
		same->min = max(same->min, arg[a].min);
	}
	return true;
}

/* All arguments with the bytes of one; whether these are some, and it is the first of them. */
static bool find_same(struct kp_shrinking *s, u64 *value, struct kp_same *same)
{
	struct kp_program *prog = s->prog;
	u32 i;

	*same = (struct kp_same){};
	if (!kp_span_len(*value) ||
	    !add_same(s, s->pair->creation.arg, prog->param, *value, same))
		return false;
	for (i = 0; i < prog->nr_steps; i++)
		if (!add_same(s, s->pair->operation[prog->step[i].op].arg, prog->step[i].arg,
			      *value, same))
			return false;
	return same->nr > 1 && same->span[0] == value;
}

/* Texts of one call that are the same as others, of any call and of the object's creation. */
static bool shrink_texts(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value, u8 *keep)
{
	struct kp_same same;
	bool done = false;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name && !s->late; a++) {
		if (!kp_in_pool(&arg[a]) || !find_same(s, &value[a], &same))
			continue;
		done |= kp_shorten_same(s, &same, keep);
		done |= make_same_plain(s, &arg[a], &same, keep);
	}
	return done;
}

/**
 * kp_shrink_alike() - make smaller what is the same in several calls, in all of them
 * @s: the program
 * @keep: room for %KP_BYTES_MAX bytes
 *
 * A text that the object is made of and that an operation is given, say: to change one
 * alone is another program.
 *
 * Context: may sleep.
 * Return: whether anything became smaller
 */
bool kp_shrink_alike(struct kp_shrinking *s, u8 *keep)
{
	bool done = false;
	u32 i;

	if (s->prog->nr_steps <= KP_ALIKE_MAX) {
		done |= shrink_numbers(s, keep);
		done |= shrink_texts(s, s->pair->creation.arg, s->prog->param, keep);
		for (i = 0; i < s->prog->nr_steps; i++) {
			struct kp_step *step = &s->prog->step[i];

			done |= shrink_texts(s, s->pair->operation[step->op].arg, step->arg, keep);
		}
	}
	return shrink_handles(s) || done;
}
