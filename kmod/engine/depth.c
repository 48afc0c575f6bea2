// SPDX-License-Identifier: GPL-2.0
/*
 * How much stack calls take: what lies below the caller's frame is filled with a pattern before
 * a call, and looked at behind it.
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include "engine.h"

/* Bytes below the frame that are looked at; one that takes more is said to take these. */
#define LOOKED	4096
/* No address, and no number that programs use. */
#define PATTERN	0x6b705f6465707468UL
/* Calls of one operation that came to one end, of those that are looked at. */
#define CALLS	8

/**
 * kp_depth_call() - make a call, and find how much stack it takes
 * @call: what is called
 * @obj: its object
 * @slot: its arguments
 * @res: receives its result
 *
 * An interrupt may come meanwhile, and counts as well where it has no stack of its own; it is over
 * before a word is written or read here.
 *
 * Context: that of the call, in a thread.
 * Return: bytes, from this function's frame to the last one that was written
 */
noinline __no_sanitize_address u64 kp_depth_call(kp_invoke call, void *obj,
						 const struct kp_slot *slot,
						 struct kp_result *res)
{
	unsigned long *top = (unsigned long *)current_stack_pointer;
	unsigned long *end = max(top - LOOKED / sizeof(*top), end_of_stack(current) + 1), *at;

	for (at = top - 1; at >= end; at--)
		WRITE_ONCE(*at, PATTERN);
	call(obj, slot, res);
	for (at = end; at < top && READ_ONCE(*at) == PATTERN; at++)
		;
	return (top - at) * sizeof(*top);
}

/* How many calls before this one were of the same operation, and came to the same end. */
static u32 before(const struct kp_trace *t, u32 i)
{
	const struct kp_operation *op = &t->pair->operation[t->prog->step[i].op];
	u32 n = 0, b;

	for (b = 0; b < i && n < CALLS; b++)
		n += !t->step[b].skipped && t->prog->step[b].op == t->prog->step[i].op &&
			kp_end(op, t->step[b].ret) == kp_end(op, t->step[i].ret);
	return n;
}

/**
 * kp_depth_choose() - choose calls to look at: the first few of each operation and end
 * @t: a trace of the program
 * @depth: receives 1 for each call that is looked at, and else 0
 * @nr: how many calls there are to choose from
 */
void kp_depth_choose(const struct kp_trace *t, u32 *depth, u32 nr)
{
	u32 i;

	for (i = 0; i < min(nr, t->nr); i++)
		depth[i] = !t->step[i].skipped && before(t, i) < CALLS;
}

/**
 * kp_depth_add() - add how much stack calls took to the pair's table
 * @t: their trace
 * @depth: how much each took; 0 for those that were not looked at
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM
 */
int kp_depth_add(const struct kp_trace *t, const u32 *depth)
{
	int err = 0;
	u32 i;

	for (i = 0; i < t->nr && !err; i++) {
		const struct kp_step *step = &t->prog->step[i];

		if (depth[i])
			err = kp_stats_cost(&t->pair->stats->depth, &(struct kp_cost){
				.value = depth[i], .times = 1, .op = step->op, .path = t->path,
				.end = kp_end(&t->pair->operation[step->op], t->step[i].ret),
			});
	}
	return err;
}
