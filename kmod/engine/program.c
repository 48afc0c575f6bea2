// SPDX-License-Identifier: GPL-2.0
/*
 * Programs: made from a seed. The same seed, index and contract give the same
 * program on every machine.
 */
#include <linux/err.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "engine.h"

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

/* Draw the operations from @from to @to; @weight says how often each is drawn. */
static void fill(const struct kp_pair *pair, struct kp_program *prog,
		 struct rnd_state *rnd, const u32 *weight, u32 from, u32 to)
{
	u32 i, op, pick, total = 0;

	for (op = 0; op < pair->nr_ops; op++)
		total += weight[op];
	for (i = from; i < to; i++) {
		struct kp_step *step = &prog->step[i];

		pick = prandom_u32_state(rnd) % total;
		for (op = 0; pick >= weight[op]; op++)
			pick -= weight[op];
		step->op = op;
		kp_draw_args(rnd, pair, pair->operation[op].arg, prog, step->arg, i);
		step->shift = pair->stateless || in_memory(pair->operation[op].arg) ?
			prandom_u32_state(rnd) % 8 : 0;
	}
}

static void begin(const struct kp_pair *pair, struct kp_program *prog,
		  struct rnd_state *rnd, u64 seed, u32 index, u32 steps)
{
	/* 64-bit golden ratio: neighbouring indices must not share a state. */
	prandom_seed_state(rnd, seed + index * 0x9e3779b97f4a7c15ULL);
	prog->seed = seed;
	prog->index = index;
	prog->nr_steps = steps;
	prog->pool_used = 0;
	kp_draw_args(rnd, pair, pair->creation.arg, prog, prog->param, 0);
}

static void weights(const struct kp_pair *pair, u32 *weight)
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
	u32 weight[KP_MAX_OPS];
	struct rnd_state rnd;

	begin(pair, prog, &rnd, seed, index, steps);
	weights(pair, weight);
	fill(pair, prog, &rnd, weight, 0, steps);
}

/* Programs of case lockstep: one in 16 is long enough to fill the largest objects. */
#define LONG_EVERY	16
#define LONG_TIMES	6
/* The others are shorter, so that all together have kp_steps operations each. */
#define SHORT(steps)	(((steps) * (LONG_EVERY - LONG_TIMES) + LONG_EVERY - 2) / (LONG_EVERY - 1))

/**
 * kp_program_longest() - the most operations of a program of case lockstep
 *
 * Return: their number
 */
u32 kp_program_longest(void)
{
	return kp_steps * LONG_TIMES;
}

/* An operation that programs use, other than the no-op. */
static u32 draw_op(const struct kp_pair *pair, struct rnd_state *rnd)
{
	u32 op = 0, tries = 64;

	while (tries-- && (!op || !pair->operation[op].weight))
		op = prandom_u32_state(rnd) % pair->nr_ops;
	return op;
}

/*
 * Which operations a program is made of, from its operation @from on. What is rare
 * in an even mix is common in another: an object that is full, or empty for long, or
 * two operations in turn that the others always came between. Swarm testing (Groce et
 * al., ISSTA 2012) leaves out operations at random for that.
 */
static void mix(const struct kp_pair *pair, struct rnd_state *rnd, u32 *weight)
{
	u32 a = draw_op(pair, rnd), b = draw_op(pair, rnd), op;

	weights(pair, weight);
	switch (prandom_u32_state(rnd) % 4) {
	case 0:
		/* Two of them alone. */
		for (op = 0; op < pair->nr_ops; op++)
			if (op != a && op != b)
				weight[op] = 0;
		break;
	case 1:
		/* About half of them. */
		for (op = 0; op < pair->nr_ops; op++)
			if (op != a && prandom_u32_state(rnd) % 2)
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

/*
 * Fill the largest object that there can be with one operation, and then do with it
 * what the others do: what is one off there shows nowhere else.
 */
static void fill_up(const struct kp_pair *pair, struct kp_program *prog,
		    struct rnd_state *rnd, u32 op)
{
	u32 steps = prog->nr_steps, weight[KP_MAX_OPS], a;

	for (a = 0; a < KP_NR_ARGS && pair->creation.arg[a].name; a++)
		if (pair->creation.arg[a].size && !pair->creation.arg[a].names)
			prog->param[a] = pair->creation.arg[a].hi;
	weights(pair, weight);
	weight[op] *= 16;
	fill(pair, prog, rnd, weight, 0, steps * 4 / 5);
	mix(pair, rnd, weight);
	fill(pair, prog, rnd, weight, steps * 4 / 5, steps);
}

/**
 * kp_program_vary() - fill a program of case lockstep
 * @pair: whose operations to draw
 * @prog: has room for kp_program_longest() operations
 * @index: which program of the seed
 *
 * Every fourth has the pair's own mix of operations. The others have up to three
 * parts, each of a mix that is drawn: one part can fill an object, and the next
 * drain it. Long ones fill the largest object with each operation in turn.
 */
void kp_program_vary(const struct kp_pair *pair, struct kp_program *prog, u32 index)
{
	bool is_long = index % LONG_EVERY == LONG_EVERY - 1;
	u32 steps = is_long ? kp_steps * LONG_TIMES : SHORT(kp_steps);
	u32 weight[KP_MAX_OPS], parts, part;
	struct rnd_state rnd;

	if (pair->stateless || index % 4 == 0) {
		kp_program_make(pair, prog, kp_seed, index, steps);
		return;
	}
	begin(pair, prog, &rnd, kp_seed, index, steps);
	if (is_long && pair->nr_ops > 1) {
		fill_up(pair, prog, &rnd, 1 + index / LONG_EVERY % (pair->nr_ops - 1));
		return;
	}
	parts = 1 + prandom_u32_state(&rnd) % 3;
	for (part = 0; part < parts; part++) {
		mix(pair, &rnd, weight);
		fill(pair, prog, &rnd, weight, steps * part / parts,
		     steps * (part + 1) / parts);
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
	void *obj;
	u32 i;

	for (i = 0; i < 100; i++) {
		kp_program_make(pair, prog, kp_seed, i, steps);
		obj = kp_create(pair, KP_C_C, prog->param);
		if (IS_ERR(obj))
			continue;
		kp_destroy(pair, KP_C_C, obj);
		return;
	}
}
