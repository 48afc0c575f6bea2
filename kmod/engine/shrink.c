// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinking: from a program on which two paths part to the smallest one on
 * which they still do. Deletes ever smaller runs of operations, as delta
 * debugging does (Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", IEEE TSE 28(2), 2002), in complement order only.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "shrink.h"

static void delete_steps(struct kp_program *prog, const struct kp_step *from,
			 u32 nr, u32 at, u32 len)
{
	memcpy(prog->step, from, at * sizeof(*from));
	memcpy(prog->step + at, from + at + len,
	       (nr - at - len) * sizeof(*from));
	prog->nr_steps = nr - len;
}

/**
 * kp_still_fails() - whether a program still fails once something of it has changed
 * @s: the program
 *
 * It does if the same operation differs in the same way. Else one difference would turn
 * into another, and hide behind it.
 *
 * Context: may sleep.
 * Return: whether it does; false if it is late
 */
bool kp_still_fails(struct kp_shrinking *s)
{
	struct kp_diff now;

	s->late |= time_after(jiffies, s->end);
	if (s->late)
		return false;
	kp_trace_both(s->ref, s->got, s->pair, s->path, s->prog);
	if (s->got->disturbed || !kp_trace_diff(s->ref, s->got, 0, &now))
		return false;
	return kp_same_kind(&now, &s->diff);
}

/* One round over the arguments of all operations; whether any became smaller. */
static bool shrink_args(struct kp_shrinking *s, u8 *keep)
{
	bool done = kp_shrink_alike(s, keep);
	u32 i;

	for (i = 0; i < s->prog->nr_steps; i++) {
		struct kp_step *step = &s->prog->step[i];

		done |= kp_shrink_call(s, s->pair->operation[step->op].arg, step->arg,
				       &step->shift, keep);
	}
	return done;
}

/* Make the object smaller; whether it is. */
static bool shrink_params(struct kp_shrinking *s, u8 *keep)
{
	return kp_shrink_call(s, s->pair->creation.arg, s->prog->param, &s->prog->shift, keep);
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
static void flatten_numbers(struct kp_shrinking *s, struct kp_step *keep)
{
	u32 nr = s->prog->nr_steps, n, at, i;
	bool changed;

	for (n = nr; n > 1 && !s->late; n /= 2) {
		for (at = 0; at + n <= nr && !s->late; at += n) {
			memcpy(keep, s->prog->step + at, n * sizeof(*keep));
			for (i = 0, changed = false; i < n; i++)
				changed |= clear_numbers(s->pair, &s->prog->step[at + i]);
			if (changed && !kp_still_fails(s))
				memcpy(s->prog->step + at, keep, n * sizeof(*keep));
		}
	}
}

/* Leave out operations, at least so many at a time; whether any was. */
static bool shrink_steps(struct kp_shrinking *s, struct kp_step *keep, u32 least)
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
			if (kp_still_fails(s)) {
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
	struct kp_shrinking s = {
		.pair = pair, .path = path, .prog = prog, .ref = ref, .got = got,
		.diff = *diff, .end = end,
	};
	struct kp_step *steps = kvcalloc(prog->nr_steps, sizeof(*steps), GFP_KERNEL);
	u8 *bytes = kvmalloc(KP_BYTES_MAX, GFP_KERNEL);
	bool able = steps && bytes;

	if (able) {
		/* Chunks go first: a program that stays long would take long step by step. */
		shrink_steps(&s, steps, prog->nr_steps / 32);
		if (prog->nr_steps > KP_ALIKE_MAX)
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
