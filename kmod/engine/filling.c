// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that fill the largest object that there can be: those of case lockstep, which find
 * errors at its limit, and those of lane insn, which show what operations cost at each level.
 */
#include <linux/minmax.h>
#include <linux/string.h>
#include "draw.h"

/* Numbers of operations on an object before it is filled, and again afterwards. */
#define SETUP		32
#define AFTERWARDS	64
/* Of programs that show growth: the most elements, and operations at all levels together. */
#define GROW_MOST	256
#define AT_LEVELS	512

/* The largest size that an object of the pair is made with; @of says which one an argument has. */
static u64 largest_of(const struct kp_pair *pair, u64 (*of)(const struct kp_arg *arg))
{
	const struct kp_arg *arg = pair->creation.arg;
	u64 most = 0;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (kp_is_size(&arg[a]) && !arg[a].names)
			most = max(most, of(&arg[a]));
	return most;
}

/* The largest object that programs usually make. */
static u64 usual(const struct kp_arg *arg)
{
	return arg->to ?: arg->hi;
}

/* The most that an object of the pair holds, as far as a program can fill it. */
static u32 largest(const struct kp_pair *pair)
{
	return min(largest_of(pair, usual), 4 * kp_steps);
}

/* Operations that fill such an object: some give a name twice, or are refused. */
static u32 filling(const struct kp_pair *pair)
{
	return largest(pair) + largest(pair) / 16 + AFTERWARDS;
}

/**
 * kp_filling_steps() - operations of a program that fills an object
 * @pair: whose object
 * @nr: which of these programs; each fourth one drains the object
 *
 * Return: their number
 */
u32 kp_filling_steps(const struct kp_pair *pair, u32 nr)
{
	return SETUP + filling(pair) + (nr % 4 ? AFTERWARDS : filling(pair)) + AFTERWARDS;
}

/* Whether an operation says that there is no more room: it is one that fills. */
static bool fills(const struct kp_operation *op)
{
	const int *e;

	for (e = op->errnos; op->weight && *e; e++)
		if (*e == -ENOSPC)
			return true;
	return false;
}

/* The operation that is behind another one by so many, the no-op left out. */
static u32 behind(const struct kp_pair *pair, u32 op, u32 nr)
{
	u32 tries = pair->nr_ops;

	op = 1 + (op + nr % (pair->nr_ops - 1)) % (pair->nr_ops - 1);
	while (tries-- && !pair->operation[op].weight)
		op = 1 + op % (pair->nr_ops - 1);
	return op;
}

/*
 * The operation that a long program fills its object with: each that says when there
 * is no more room, in turn; where none does, each one.
 */
static u32 filler(const struct kp_pair *pair, u32 nr)
{
	u32 op, n = 0;

	for (op = 1; op < pair->nr_ops; op++)
		n += fills(&pair->operation[op]);
	for (op = 1; n; op = op % (pair->nr_ops - 1) + 1)
		if (fills(&pair->operation[op]) && !(nr-- % n))
			return op;
	return behind(pair, nr % (pair->nr_ops - 1), 0);
}

/* Make the largest object, do something with it, and then one thing over and over. */
static void set_up(struct kp_drawing *d, u32 op, u32 try, u32 to)
{
	u32 weight[KP_MAX_OPS], index = d->prog->index, a;
	const struct kp_pair *pair = d->pair;
	struct kp_program *prog = d->prog;

	kp_draw_begin(d, kp_seed, index + (try << 16), prog->nr_steps, KP_DRAW_LARGE);
	prog->index = index;
	for (a = 0; a < KP_NR_ARGS && pair->creation.arg[a].name; a++) {
		const struct kp_arg *arg = &pair->creation.arg[a];

		if (arg->wraps)
			prog->param[a] = kp_of_type(arg, -(u64)(largest(pair) / 2));
		else if (kp_is_size(arg) && !arg->names)
			prog->param[a] = arg->to ?: arg->hi;
	}
	kp_weights(pair, weight);
	kp_draw_steps(d, weight, 0, SETUP);
	prog->draw = KP_DRAW_VALID;
	memset(weight, 0, sizeof(weight));
	weight[op] = 1;
	kp_draw_steps(d, weight, SETUP, to);
}

/* Operations that try a setup, and setups that are tried. */
#define TRIED		32
#define TRIES		16

/* How many of the first operations behind a setup succeed, on C over C. */
static u32 room_after(struct kp_drawing *d, u32 op, u32 try)
{
	struct kp_trace *trace;
	u32 i, n = 0;

	set_up(d, op, try, SETUP + TRIED);
	trace = kp_try_out(d->pair, d->prog, SETUP + TRIED);
	for (i = SETUP; trace && i < trace->nr; i++)
		n += trace->step[i].ret >= 0;
	kp_trace_free(trace);
	return n;
}

/*
 * A setup behind which there is room: objects may have to be told their size, or to be
 * started, before they take anything. Of some setups, the one after which most goes in.
 */
static u32 find_setup(struct kp_drawing *d, u32 op, u32 nr)
{
	const struct kp_pair *pair = d->pair;
	u32 try, n, best = 0, most = 0;

	if (!fills(&pair->operation[op]))
		return 0;
	if (nr < KP_MAX_SETUPS && pair->stats->setup[nr])
		return pair->stats->setup[nr] - 1;
	for (try = 0; try < TRIES && most < TRIED; try++) {
		n = room_after(d, op, try);
		if (n <= most)
			continue;
		most = n;
		best = try;
	}
	if (nr < KP_MAX_SETUPS)
		pair->stats->setup[nr] = best + 1;
	return best;
}

/**
 * kp_fill_up() - draw a program that fills the largest object that there can be
 * @d: the program has kp_filling_steps() operations, and its index
 * @nr: which of these programs
 *
 * One operation fills it, and then the others are carried out, or all is taken out again: an
 * error by one there shows nowhere else.
 */
void kp_fill_up(struct kp_drawing *d, u32 nr)
{
	const struct kp_pair *pair = d->pair;
	struct kp_program *prog = d->prog;
	u32 full = SETUP + filling(pair), then = prog->nr_steps - AFTERWARDS;
	u32 op = filler(pair, nr), weight[KP_MAX_OPS] = {};

	set_up(d, op, find_setup(d, op, nr), full);
	weight[op] = 1;
	weight[behind(pair, op, nr)] += 31;
	kp_draw_steps(d, weight, full, then);
	prog->draw = KP_DRAW_VARIED;
	kp_weights(pair, weight);
	kp_draw_steps(d, weight, then, prog->nr_steps);
}

/* The largest object of a program that shows growth: what @arg allows, if that is not too much. */
static u64 grown(const struct kp_arg *arg)
{
	return arg->hi <= 4 * kp_steps ? arg->hi : usual(arg);
}

/* The most that such a program puts into an object. */
static u32 most(const struct kp_pair *pair)
{
	return min(largest_of(pair, grown) ?: GROW_MOST, GROW_MOST);
}

/* How many elements a level has: 0, 16, 64 and so on, and the last one as many as there can be. */
static u32 level(const struct kp_pair *pair, u32 nr)
{
	return nr ? min(most(pair), 4U << 2 * min(nr, 8)) : 0;
}

static u32 nr_levels(const struct kp_pair *pair)
{
	u32 nr = 1;

	while (level(pair, nr) != level(pair, nr - 1))
		nr++;
	return nr;
}

/**
 * kp_program_grow() - fill a program that shows what operations cost at a level of an object
 * @pair: whose operations to draw
 * @prog: has room for kp_program_longest() operations
 * @nr: the level, from 0
 *
 * An object is filled up to the level, and then has the pair's mix of operations. Where no
 * operation says that there is no more room, the mix fills it as far as it does.
 *
 * Context: may sleep.
 * Return: false if the level before was the last one, and the program is not filled
 */
bool kp_program_grow(const struct kp_pair *pair, struct kp_program *prog, u32 nr)
{
	u32 op = filler(pair, 0), weight[KP_MAX_OPS] = {}, to = level(pair, nr), a, full;
	const struct kp_arg *arg = pair->creation.arg;
	struct kp_drawing d = { .pair = pair, .prog = prog };

	if (nr >= nr_levels(pair))
		return false;
	/* The first one of case lockstep that fills an object has the same setup. */
	prog->index = KP_LONG_EVERY - 1;
	full = SETUP + to + to / 16;
	prog->nr_steps = full + AT_LEVELS / nr_levels(pair);
	set_up(&d, op, find_setup(&d, op, 0), SETUP);
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (kp_is_size(&arg[a]) && !arg[a].names)
			prog->param[a] = grown(&arg[a]);
	kp_weights(pair, weight);
	if (fills(&pair->operation[op])) {
		memset(weight, 0, sizeof(weight));
		weight[op] = 1;
	}
	kp_draw_steps(&d, weight, SETUP, full);
	prog->draw = KP_DRAW_VARIED;
	kp_weights(pair, weight);
	kp_draw_steps(&d, weight, full, prog->nr_steps);
	prog->index = nr;
	return true;
}
