// SPDX-License-Identifier: GPL-2.0
/*
 * Programs: made from a seed. The same seed, index and contract give the same
 * program on every machine.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include "draw.h"

/**
 * kp_program_alloc() - make room for a program
 * @steps: the most operations it will have
 *
 * Context: may sleep.
 * Return: the program, owned by the caller, or NULL
 */
struct kp_program *kp_program_alloc(u32 steps)
{
	struct kp_program *prog = kzalloc_obj(*prog);

	if (!prog)
		return NULL;
	prog->step = kvcalloc(steps, sizeof(*prog->step), GFP_KERNEL);
	prog->pool = vmalloc(KP_POOL_SIZE);
	if (!prog->step || !prog->pool) {
		kp_program_free(prog);
		return NULL;
	}
	return prog;
}

/**
 * kp_program_free() - release a program
 * @prog: the program or NULL
 */
void kp_program_free(struct kp_program *prog)
{
	if (!prog)
		return;
	vfree(prog->pool);
	kvfree(prog->step);
	kfree(prog);
}

/* Whether an operation is given text, bytes or room for them. */
static bool in_memory(const struct kp_arg *arg)
{
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (kp_in_pool(&arg[a]) || arg[a].kind == KP_BUFFER ||
		    arg[a].kind == KP_USER_BUFFER)
			return true;
	return false;
}

/*
 * Draw the arguments of a call; whether some lie in memory. Inline, as programs are drawn for
 * each path again.
 */
static __always_inline bool draw_call(struct kp_drawing *d, const struct kp_arg *arg,
				      u64 *value, u32 step)
{
	bool memory = in_memory(arg);

	kp_draw_args(d, arg, value, step);
	if (memory && d->prog->draw == KP_DRAW_VARIED)
		kp_vary_sizes(d, arg);
	return memory;
}

/**
 * kp_draw_steps() - draw operations of a program
 * @d: the program
 * @weight: how often each operation is drawn
 * @from: the first one
 * @to: the one behind the last
 */
void kp_draw_steps(struct kp_drawing *d, const u32 *weight, u32 from, u32 to)
{
	const struct kp_pair *pair = d->pair;
	u32 i, op, pick, total = 0;
	bool memory;

	for (op = 0; op < pair->nr_ops; op++)
		total += weight[op];
	for (i = from; i < to; i++) {
		struct kp_step *step = &d->prog->step[i];

		pick = kp_die(&d->rnd, total);
		for (op = 0; pick >= weight[op]; op++)
			pick -= weight[op];
		step->op = op;
		step->after = 0;
		step->column = 0;
		step->inside = 0;
		memory = draw_call(d, pair->operation[op].arg, step->arg, i);
		step->shift = memory || pair->stateless ? kp_die(&d->rnd, 8) : 0;
	}
}

/**
 * kp_draw_begin() - begin to draw a program: the arguments of its object's creation
 * @d: the program
 * @seed: with @index, names it
 * @index: which program of that seed
 * @steps: how many operations it will have
 * @draw: how values are drawn
 */
void kp_draw_begin(struct kp_drawing *d, u64 seed, u32 index, u32 steps, enum kp_draw draw)
{
	struct kp_program *prog = d->prog;

	/* 64-bit golden ratio: states of neighbouring indices are far apart. */
	d->rnd.state = seed + index * 0x9e3779b97f4a7c15ULL;
	prog->seed = seed;
	prog->index = index;
	prog->nr_steps = steps;
	prog->pool_used = 0;
	prog->during = 0;
	prog->columns = 0;
	prog->draw = draw;
	prog->shift = draw_call(d, d->pair->creation.arg, prog->param, 0) ?
		kp_die(&d->rnd, 8) : 0;
}

/**
 * kp_try_out() - run a program's first operations on C over C, which may fail
 * @pair: the pair
 * @prog: the program
 * @nr: how many operations
 *
 * Context: may sleep.
 * Return: the trace, owned by the caller; NULL without memory
 */
struct kp_trace *kp_try_out(const struct kp_pair *pair, struct kp_program *prog, u32 nr)
{
	struct kp_trace *trace = kp_trace_alloc(nr, true);
	u32 steps = prog->nr_steps;
	bool observe = prog->observe;

	if (!trace)
		return NULL;
	prog->nr_steps = nr;
	prog->observe = false;
	kp_trace_run(trace, pair, KP_C_C, prog);
	prog->nr_steps = steps;
	prog->observe = observe;
	return trace;
}

/* Whether C over C makes the object of a program. */
static bool is_made(const struct kp_pair *pair, struct kp_program *prog)
{
	struct kp_trace *trace = kp_try_out(pair, prog, 0);
	bool made = trace && !trace->err;

	kp_trace_free(trace);
	return made;
}

/**
 * kp_weights() - how often each operation is drawn in the pair's own mix
 * @pair: the pair
 * @weight: receives it, by operation
 */
void kp_weights(const struct kp_pair *pair, u32 *weight)
{
	u32 op;

	for (op = 0; op < pair->nr_ops; op++)
		weight[op] = pair->operation[op].weight;
}

/**
 * kp_program_make() - fill a program from a seed
 * @pair: whose operations to draw
 * @prog: has room for @steps operations
 * @seed: with @index, names the program
 * @index: which program of that seed
 * @steps: how many operations
 */
void kp_program_make(const struct kp_pair *pair, struct kp_program *prog,
		     u64 seed, u32 index, u32 steps)
{
	struct kp_drawing d = { .pair = pair, .prog = prog };
	u32 weight[KP_MAX_OPS];

	kp_draw_begin(&d, seed, index, steps, KP_DRAW_USUAL);
	kp_weights(pair, weight);
	kp_draw_steps(&d, weight, 0, steps);
}

/* Operations of a program that makes an object at an edge of its parameters. */
#define EDGE_STEPS	16
/* How often the other parameters are drawn, until C makes an object of them. */
#define EDGE_TRIES	16

/* Those that fill no object are so long that all together have kp_steps operations each. */
static u32 short_steps(const struct kp_pair *pair)
{
	u32 all = 4 * KP_LONG_EVERY * kp_steps, nr, used = 0;

	if (pair->stateless || pair->nr_ops < 2)
		return kp_steps;
	for (nr = 0; nr < 4; nr++)
		used += kp_filling_steps(pair, nr);
	return max(all - min(used, all), 1) / (4 * (KP_LONG_EVERY - 1)) + 1;
}

/**
 * kp_program_longest() - the most operations of a program of case lockstep
 * @pair: the pair
 *
 * Return: their number
 */
u32 kp_program_longest(const struct kp_pair *pair)
{
	return max3(kp_filling_steps(pair, 0), short_steps(pair), EDGE_STEPS);
}

/* Whether the pair's objects are made with an edge of this number; where, and which. */
static bool find_edge(const struct kp_pair *pair, u32 nr, u32 *a, u64 *value)
{
	const struct kp_arg *arg = pair->creation.arg;
	u32 of;

	for (*a = 0; *a < KP_NR_ARGS && arg[*a].name; ++*a) {
		for (of = 0; kp_edge(&arg[*a], of, value); of++)
			if (!nr--)
				return true;
	}
	return false;
}

/* Short programs, for each other one, of a pair whose objects are made of more than numbers. */
#define MAKING		8

/*
 * Whether an object is made of text, bytes or memory, which have no few edges: what its
 * creation does with them shows in many objects, and not in many operations on one.
 */
static bool is_made_of_bytes(const struct kp_pair *pair)
{
	u32 a;

	for (a = 0; a < pair->creation.nr_args; a++)
		if (!kp_is_number(&pair->creation.arg[a]))
			return true;
	return false;
}

/**
 * kp_program_count() - how many programs case lockstep has
 * @pair: the pair
 *
 * Return: the parameter programs, one for each edge of each number that objects are
 *         made with, and several short ones for each where they are made of bytes
 */
u32 kp_program_count(const struct kp_pair *pair)
{
	u32 nr = 0, a;
	u64 value;

	while (find_edge(pair, nr, &a, &value))
		nr++;
	if (is_made_of_bytes(pair))
		nr += MAKING * kp_programs;
	return kp_programs + nr;
}

/* An operation that programs use, other than the no-op. */
static u32 draw_op(struct kp_drawing *d)
{
	const struct kp_pair *pair = d->pair;
	u32 op = 0, tries = 64;

	while (tries-- && (!op || !pair->operation[op].weight))
		op = kp_die(&d->rnd, pair->nr_ops);
	return op;
}

/*
 * Draw the weights of a mix of operations. A state that is rare in an even mix is
 * common in another: an object that is full, or empty for long, or two operations in
 * turn that the others always came between. Swarm testing (Groce et
 * al., ISSTA 2012) leaves out operations at random for that.
 */
static void mix(struct kp_drawing *d, u32 *weight)
{
	u32 a = draw_op(d), b = draw_op(d), op;
	const struct kp_pair *pair = d->pair;

	kp_weights(pair, weight);
	switch (kp_die(&d->rnd, 4)) {
	case 0:
		/* Two of them alone. */
		for (op = 0; op < pair->nr_ops; op++)
			if (op != a && op != b)
				weight[op] = 0;
		break;
	case 1:
		/* About half of them. */
		for (op = 0; op < pair->nr_ops; op++)
			if (op != a && kp_die(&d->rnd, 2))
				weight[op] = 0;
		break;
	case 2:
		/* Mostly one. */
		weight[a] *= 16;
		break;
	default:
		break;
	}
}

/* Whether objects are made of this argument alone, but for an index that they begin with. */
static bool is_alone(const struct kp_pair *pair, u32 a)
{
	u32 i;

	for (i = 0; i < pair->creation.nr_args; i++)
		if (i != a && !pair->creation.arg[i].wraps)
			return false;
	return true;
}

/*
 * Make an object with an edge of one argument. All others are such that C makes an object
 * of them: where one of them is refused, the edge is not looked at.
 */
static void at_edge(struct kp_drawing *d, u32 a, u64 value)
{
	struct kp_program *prog = d->prog;
	u32 weight[KP_MAX_OPS], index = prog->index, try = 0;

	do
		kp_draw_begin(d, kp_seed, index + (try << 16), EDGE_STEPS, KP_DRAW_VALID);
	while (!is_alone(d->pair, a) && !is_made(d->pair, prog) && ++try < EDGE_TRIES);
	prog->index = index;
	prog->param[a] = value;
	prog->draw = KP_DRAW_VARIED;
	kp_weights(d->pair, weight);
	kp_draw_steps(d, weight, 0, EDGE_STEPS);
}

/* Up to three parts, each of a mix that is drawn. */
static void mixed(struct kp_drawing *d)
{
	u32 weight[KP_MAX_OPS], steps = d->prog->nr_steps, part;
	u32 parts = 1 + kp_die(&d->rnd, 3);

	for (part = 0; part < parts; part++) {
		mix(d, weight);
		kp_draw_steps(d, weight, steps * part / parts, steps * (part + 1) / parts);
	}
}

/**
 * kp_program_vary() - fill a program of case lockstep
 * @pair: whose operations to draw
 * @prog: has room for kp_program_longest() operations
 * @index: which program of the seed, below kp_program_count()
 *
 * Every fourth has the pair's own mix of operations. The others have up to three
 * parts, each of a mix that is drawn: one part can fill an object, and the next
 * drain it. Long ones fill the largest object. The last ones make an object with
 * each edge of its numbers, most of which are to be refused, and all else as it should
 * be; and many objects of other bytes.
 *
 * Context: may sleep.
 */
void kp_program_vary(const struct kp_pair *pair, struct kp_program *prog, u32 index)
{
	u32 nr = index / KP_LONG_EVERY, steps = short_steps(pair), weight[KP_MAX_OPS], a;
	bool is_long = index % KP_LONG_EVERY == KP_LONG_EVERY - 1 && !pair->stateless &&
		pair->nr_ops > 1;
	struct kp_drawing d = { .pair = pair, .prog = prog };
	u64 value;

	if (index < kp_programs && index % 4 == 0) {
		kp_program_make(pair, prog, kp_seed, index, steps);
		return;
	}
	kp_draw_begin(&d, kp_seed, index, steps, KP_DRAW_VARIED);
	if (index >= kp_programs && find_edge(pair, index - kp_programs, &a, &value)) {
		at_edge(&d, a, value);
	} else if (index >= kp_programs) {
		prog->nr_steps = EDGE_STEPS;
		kp_weights(pair, weight);
		kp_draw_steps(&d, weight, 0, EDGE_STEPS);
	} else if (is_long) {
		prog->nr_steps = kp_filling_steps(pair, nr);
		kp_fill_up(&d, nr);
	} else if (pair->stateless) {
		kp_weights(pair, weight);
		kp_draw_steps(&d, weight, 0, steps);
	} else {
		mixed(&d);
	}
}

/**
 * kp_program_settle() - give an operation the argument that another one decides
 * @trace: what the operations before it have given
 * @at: the operation, which has @after in &struct kp_step
 *
 * An operation can be marked to take a number near what an earlier one gives. That is
 * known once the first path has run so far: from then on the program has the number
 * itself, and the other paths run with the same. The operation keeps its own number
 * where the earlier one gave none, or one that it may not take.
 *
 * Context: any.
 */
void kp_program_settle(const struct kp_trace *trace, u32 at)
{
	const struct kp_program *prog = trace->prog;
	struct kp_step *step = &prog->step[at];
	const struct kp_step_trace *t;
	const struct kp_arg *arg;
	u64 gave, value;
	u32 from;

	if (step->after > at) {
		/* A program was made smaller before it ran so far. */
		step->after = 0;
		return;
	}
	from = at - step->after;
	t = &trace->step[from];
	step->after = 0;
	arg = &trace->pair->operation[step->op].arg[step->decided];
	gave = t->out == KP_POISON ? t->ret : t->out;
	value = kp_of_type(arg, gave + step->more);
	/* All paths decide alike, by what all callers can see. */
	if (t->skipped || t->ret < 0 ||
	    kp_unseen_by_rust(&trace->pair->operation[trace->prog->step[from].op], t->ret))
		return;
	if (arg->kind == KP_USER_BUFFER) {
		if (kp_fits(arg, value))
			step->arg[step->decided] =
				kp_span_resized(step->arg[step->decided], value);
	} else if (kp_in_range(arg, value)) {
		step->arg[step->decided] = value;
	}
}

/**
 * kp_program_valid() - fill a program whose object can be made
 * @pair: whose operations to draw
 * @prog: has room for @steps operations
 * @steps: how many operations
 *
 * Some programs ask for an object that cannot be; this takes the first one of
 * the seed, in index, that C over C can make.
 *
 * Context: may sleep.
 */
void kp_program_valid(const struct kp_pair *pair, struct kp_program *prog,
		      u32 steps)
{
	u32 i = 0;

	do
		kp_program_make(pair, prog, kp_seed, i, steps);
	while (!is_made(pair, prog) && ++i < 100);
}
