// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinking: from a program on which two paths part to the smallest one on
 * which they still do. Deletes ever smaller runs of operations, as delta
 * debugging does (Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", IEEE TSE 28(2), 2002), in complement order only.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>
#include "engine.h"

/*
 * A program whose operations wait for what a bug keeps from them can take
 * seconds. What is left after this time is small enough to be read.
 */
#define SHRINK_FOR	(10 * HZ)

/*
 * A program counts as failing while the paths differ or a promise breaks. How
 * it fails may change on the way: the smallest failure is the one to read.
 */
static bool fails(const struct kp_pair *pair, enum kp_path_id path,
		  const struct kp_program *prog, struct kp_trace *ref,
		  struct kp_trace *got)
{
	u32 at;

	kp_trace_run(ref, pair, KP_C_C, prog);
	kp_trace_run(got, pair, path, prog);
	return got->broken || kp_trace_differ(ref, got, &at);
}

static void delete_steps(struct kp_program *prog, const struct kp_step *from,
			 u32 nr, u32 at, u32 len)
{
	memcpy(prog->step, from, at * sizeof(*from));
	memcpy(prog->step + at, from + at + len,
	       (nr - at - len) * sizeof(*from));
	prog->nr_steps = nr - len;
}

/**
 * kp_shrink() - make a failing program as small as deletion can
 * @pair: the pair
 * @path: the path that differs from C over C
 * @prog: the program; must fail. Replaced by the smaller one.
 * @ref: receives the trace of the smaller program on C over C
 * @got: receives its trace on @path
 *
 * Without memory for a copy the program stays as it is.
 *
 * Context: may sleep.
 * Return: whether nothing more can be deleted; false if that was given up
 */
bool kp_shrink(const struct kp_pair *pair, enum kp_path_id path,
	       struct kp_program *prog, struct kp_trace *ref,
	       struct kp_trace *got)
{
	unsigned long end = jiffies + SHRINK_FOR;
	struct kp_step *keep;
	u32 nr = prog->nr_steps;
	bool late = false;
	u32 len, at;

	keep = kvmemdup(prog->step, nr * sizeof(*keep), GFP_KERNEL);
	for (len = nr / 2; keep && len && !late; len /= 2) {
		for (at = 0; at + len <= nr && !late;) {
			late = time_after(jiffies, end);
			delete_steps(prog, keep, nr, at, len);
			if (fails(pair, path, prog, ref, got)) {
				nr -= len;
				memcpy(keep, prog->step, nr * sizeof(*keep));
			} else {
				at += len;
			}
		}
	}
	if (keep) {
		memcpy(prog->step, keep, nr * sizeof(*keep));
		prog->nr_steps = nr;
	}
	fails(pair, path, prog, ref, got);
	late |= !keep;
	kvfree(keep);
	return !late;
}
