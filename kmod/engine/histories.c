// SPDX-License-Identifier: GPL-2.0
/*
 * Draws histories: operations on an object, and then operations of two threads that may meet.
 */
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "draw.h"
#include "history.h"

/* Draws of a history that can be carried out. */
#define DRAWS		16
/* Operations that a callback carries out, at most. */
#define MOST_INSIDE	2

/**
 * kp_can_meet() - whether an operation can be one of a thread's
 * @pair: the pair
 * @op: the operation's number
 *
 * Declared differences are not judged here.
 *
 * Return: whether it can
 */
bool kp_can_meet(const struct kp_pair *pair, u32 op)
{
	u32 d;

	for (d = 0; d < pair->nr_diverges; d++)
		if (pair->diverges[d].op == op)
			return false;
	return op && !pair->operation[op].alone;
}

/* The weights of the operations of threads; in half of all histories those of two alone. */
static u32 weigh(const struct kp_pair *pair, struct kp_random *rnd, u32 *weight, bool inside)
{
	u32 op, total = 0, two[2] = {}, n;

	for (n = 0; n < 64 && (!two[0] || !two[1]); n++) {
		op = kp_die(rnd, pair->nr_ops);
		if (pair->operation[op].weight && kp_can_meet(pair, op))
			two[two[0] ? 1 : 0] = op;
	}
	n = kp_die(rnd, 2);
	for (op = 0; op < pair->nr_ops; op++) {
		weight[op] = kp_can_meet(pair, op) && (n || op == two[0] || op == two[1]) &&
			!(inside && pair->operation[op].waits) ?
			pair->operation[op].weight : 0;
		total += weight[op];
	}
	return total;
}

/* Who carries out which role, in a history. */
struct roles {
	const char *name[KP_MAX_OPS];
	u8 column[KP_MAX_OPS];
	u32 nr;
	u32 first;
};

/* The thread of an operation: those of one role are of one thread, two roles of two. */
static u8 column_of(struct roles *roles, struct kp_random *rnd, const struct kp_operation *op)
{
	u32 i;

	if (!op->role)
		return 1 + kp_die(rnd, KP_COLUMNS);
	for (i = 0; i < roles->nr; i++)
		if (!strcmp(roles->name[i], op->role))
			return roles->column[i];
	roles->name[i] = op->role;
	roles->column[i] = 1 + (roles->first + i) % KP_COLUMNS;
	roles->nr++;
	return roles->column[i];
}

/**
 * kp_keep_apart() - have each column use every second or third place for handles, as its own
 * @pair: the pair
 * @step: an operation of a thread, or of the callback
 */
void kp_keep_apart(const struct kp_pair *pair, struct kp_step *step)
{
	const struct kp_arg *arg = pair->operation[step->op].arg;
	const u32 columns = pair->callback ? KP_INSIDE : KP_COLUMNS;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!kp_is_handle(&arg[a]))
			continue;
		step->arg[a] = step->arg[a] / columns * columns + step->column - 1;
		if (step->arg[a] >= pair->nr_handles)
			step->arg[a] = step->column - 1;
	}
}

/* Often an operation is about what an earlier one gave. */
static void relate(struct kp_drawing *d, struct kp_step *step, u32 i)
{
	const struct kp_arg *arg = d->pair->operation[step->op].arg;
	u32 a;

	for (a = 0; i && a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].kind != KP_NUMBER || kp_has_names(&arg[a]) || kp_die(&d->rnd, 3))
			continue;
		step->after = 1 + kp_die(&d->rnd, i);
		step->decided = a;
		step->more = 0;
	}
}

/* The operation that has the callback run; 0 for none. */
static u32 that_calls_back(const struct kp_pair *pair)
{
	u32 op;

	for (op = 1; op < pair->nr_ops; op++)
		if (pair->operation[op].calls_back)
			return op;
	return 0;
}

/* Where a callback may run in a thread, draw what it then carries out. */
static void draw_inside(struct kp_history *h, struct kp_drawing *d)
{
	const struct kp_pair *pair = d->pair;
	u32 i, op, nr, total = 0, pick, weight[KP_MAX_OPS];
	bool calls_back = false;

	for (op = 0; op < pair->nr_ops; op++) {
		const struct kp_operation *row = &pair->operation[op];

		weight[op] = kp_can_meet(pair, op) && !row->not_inside && !row->role ?
			row->weight : 0;
		total += weight[op];
	}
	for (i = h->before; i < h->prog->nr_steps; i++)
		calls_back |= pair->operation[h->prog->step[i].op].calls_back;
	if (!calls_back || !total)
		return;
	for (nr = kp_die(&d->rnd, 1 + MOST_INSIDE); nr; nr--) {
		struct kp_step *step = &h->prog->step[h->prog->nr_steps];

		pick = kp_die(&d->rnd, total);
		for (op = 0; pick >= weight[op]; op++)
			pick -= weight[op];
		*step = (struct kp_step){ .op = op, .column = KP_INSIDE };
		kp_draw_args(d, pair->operation[op].arg, step->arg, h->prog->nr_steps);
		if (kp_die(&d->rnd, 2))
			kp_copy_arguments(pair, step, step - 1 -
					  kp_die(&d->rnd, h->prog->nr_steps - h->before));
		kp_keep_apart(pair, step);
		h->prog->nr_steps++;
		h->prog->columns++;
	}
}

/* Draw the operations of the threads; false if one of these has none. */
static bool draw_columns(struct kp_history *h, struct kp_random *rnd, u32 nr,
			 enum kp_threads threads)
{
	struct kp_drawing d = { .rnd = *rnd, .pair = h->p->pair, .prog = h->prog };
	struct roles roles = { .first = kp_die(&d.rnd, KP_COLUMNS) };
	const bool inside = threads == KP_OF_ONE_INSIDE;
	u32 weight[KP_MAX_OPS], total, i, op, pick;

	total = weigh(d.pair, &d.rnd, weight, inside);
	if (!total)
		return false;
	for (i = h->before; i < h->before + nr; i++) {
		struct kp_step *step = &h->prog->step[i];

		pick = kp_die(&d.rnd, total);
		for (op = 0; pick >= weight[op]; op++)
			pick -= weight[op];
		/* Often the callback may run. */
		if (d.pair->callback && !inside && i == h->before && kp_die(&d.rnd, 2))
			op = that_calls_back(d.pair);
		*step = (struct kp_step){ .op = op };
		kp_draw_args(&d, d.pair->operation[op].arg, step->arg, i);
		if (i > h->before && kp_die(&d.rnd, 2))
			kp_copy_arguments(d.pair, step, step - 1 -
					  kp_die(&d.rnd, i - h->before));
		relate(&d, step, i);
		step->column = inside ? 1 + (i > h->before) :
			column_of(&roles, &d.rnd, &d.pair->operation[op]);
		if (inside && i > h->before &&
		    !kp_may_meet(&d.pair->operation[h->prog->step[h->before].op],
				 &d.pair->operation[op]))
			return false;
		kp_keep_apart(d.pair, step);
	}
	h->prog->nr_steps = h->before + nr;
	h->prog->columns = nr;
	if (d.pair->callback && threads == KP_OF_ANY)
		draw_inside(h, &d);
	*rnd = d.rnd;
	return kp_has_all_threads(h->prog, h->before);
}

/* Often an object is small: two threads reach its limits then, at the same time. */
static void make_small(const struct kp_pair *pair, struct kp_random *rnd,
		       struct kp_program *prog)
{
	const struct kp_arg *arg = pair->creation.arg;
	u64 value;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!kp_is_size(&arg[a]) || arg[a].names)
			continue;
		value = arg[a].log2 ? BIT(kp_die(rnd, 3)) : arg[a].lo + kp_die(rnd, 4);
		if (kp_in_range(&arg[a], value))
			prog->param[a] = value;
	}
}

/* Now and then one operation, many times: about as many as fill what grows by doubling. */
static void repeat(struct kp_history *h, struct kp_random *rnd)
{
	u32 times = (8 << kp_die(rnd, 4)) - 1 + kp_die(rnd, 2);
	const struct kp_step last = h->prog->step[h->before - 1];

	for (; h->before < times && h->before < KP_BEFORE; h->before++)
		h->prog->step[h->before] = last;
}

/**
 * kp_one_by_one() - carry out a history on C over C, one operation after the other
 * @h: the history
 *
 * Numbers that earlier operations decide are settled by that.
 *
 * Context: may sleep.
 * Return: whether C over C makes the object
 */
bool kp_one_by_one(struct kp_history *h)
{
	kp_trace_run(h->ref, h->p->pair, KP_C_C, h->prog);
	return h->ref->nr == h->prog->nr_steps;
}

/* Draw a history once; false if C over C does not carry it out. */
static bool draw_once(struct kp_history *h, u32 index, enum kp_threads threads)
{
	struct kp_random rnd = { .state = kp_seed * 0x9e3779b97f4a7c15ULL + index };
	const struct kp_pair *pair = h->p->pair;
	u32 i, nr;

	switch (threads) {
	case KP_OF_ONE_INSIDE:
		nr = 3;
		break;
	case KP_OF_ONE_EACH:
		nr = KP_COLUMNS;
		break;
	default:
		nr = KP_COLUMNS + kp_die(&rnd, KP_BESIDE - KP_COLUMNS - 1);
	}

	h->before = kp_die(&rnd, 10);
	kp_program_make(pair, h->prog, kp_seed, index, h->before);
	if (kp_die(&rnd, 2))
		make_small(pair, &rnd, h->prog);
	if (h->before && threads != KP_OF_ONE_INSIDE && !kp_die(&rnd, 6))
		repeat(h, &rnd);
	if (!draw_columns(h, &rnd, nr, threads))
		return false;
	for (i = 0; i < h->prog->nr_steps; i++)
		kp_hold_still(pair, &h->prog->step[i]);
	return kp_one_by_one(h);
}

/**
 * kp_draw_history() - draw a history
 * @h: receives it
 * @index: which one of the seed
 * @threads: what its threads carry out
 *
 * Context: may sleep.
 * Return: whether there is one
 */
bool kp_draw_history(struct kp_history *h, u32 index, enum kp_threads threads)
{
	u32 i;

	for (i = 0; i < DRAWS; i++)
		if (draw_once(h, index + (i << 16), threads))
			return true;
	return false;
}
