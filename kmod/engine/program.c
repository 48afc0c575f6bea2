// SPDX-License-Identifier: GPL-2.0
/*
 * Programs: made from a seed, printed for a human. The same seed, index and
 * contract give the same program on every machine.
 */
#include <linux/err.h>
#include <linux/prandom.h>
#include <linux/slab.h>
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
	if (!prog->step) {
		kfree(prog);
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
	kvfree(prog->step);
	kfree(prog);
}

static u64 draw64(struct rnd_state *rnd)
{
	u64 hi = prandom_u32_state(rnd);

	return hi << 32 | prandom_u32_state(rnd);
}

/*
 * One value in eight is an end of the range: limits are where implementations
 * part ways, and a uniform draw over 64 bits would never meet them.
 */
static u64 draw_range(struct rnd_state *rnd, const struct kp_range *range)
{
	u64 span = range->hi - range->lo;
	u32 die = prandom_u32_state(rnd) % 16;

	if (!range->name)
		return 0;
	if (range->log2)
		return (1ULL << (range->lo + draw64(rnd) % (span + 1))) - !die;
	if (die == 0)
		return range->lo;
	if (die == 1)
		return range->hi;
	return range->lo + (span == U64_MAX ? draw64(rnd) :
			    draw64(rnd) % (span + 1));
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
	struct rnd_state rnd;
	u32 total = 0;
	u32 i, op, a, pick;

	/* 64-bit golden ratio: neighbouring indices must not share a state. */
	prandom_seed_state(&rnd, seed + index * 0x9e3779b97f4a7c15ULL);
	for (op = 0; op < pair->nr_ops; op++)
		total += pair->op[op].weight;

	prog->seed = seed;
	prog->index = index;
	prog->nr_steps = steps;
	for (a = 0; a < KP_NR_ARGS; a++)
		prog->param[a] = draw_range(&rnd, &pair->param[a]);
	for (i = 0; i < steps; i++) {
		struct kp_step *step = &prog->step[i];

		pick = prandom_u32_state(&rnd) % total;
		for (op = 0; pick >= pair->op[op].weight; op++)
			pick -= pair->op[op].weight;
		step->op = op;
		for (a = 0; a < KP_NR_ARGS; a++)
			step->arg[a] = draw_range(&rnd, &pair->op[op].arg[a]);
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
	const struct kp_driver *driver = pair->path[KP_C_C];
	void *obj;
	u32 i;

	for (i = 0; i < 100; i++) {
		kp_program_make(pair, prog, kp_seed, i, steps);
		obj = driver->create(prog->param);
		if (IS_ERR(obj))
			continue;
		driver->destroy(obj);
		return;
	}
}

static void format_args(const struct kp_range *range, const u64 *arg,
			char *buf, size_t size)
{
	size_t n = 0;
	u32 a;

	buf[0] = '\0';
	for (a = 0; a < KP_NR_ARGS && range[a].name; a++)
		n += scnprintf(buf + n, size - n, "%s%s=%llu", a ? ", " : "",
			       range[a].name, arg[a]);
}

/**
 * kp_format_step() - print an operation as a call
 * @pair: the pair
 * @step: the operation
 * @buf: where to
 * @size: of @buf
 */
void kp_format_step(const struct kp_pair *pair, const struct kp_step *step,
		    char *buf, size_t size)
{
	char args[96];

	format_args(pair->op[step->op].arg, step->arg, args, sizeof(args));
	scnprintf(buf, size, "%s(%s)", pair->operation[step->op].name, args);
}

/**
 * kp_format_params() - print how a program creates its object
 * @pair: the pair
 * @param: the parameters
 * @buf: where to
 * @size: of @buf
 */
void kp_format_params(const struct kp_pair *pair, const u64 *param, char *buf,
		      size_t size)
{
	char args[96];

	format_args(pair->param, param, args, sizeof(args));
	scnprintf(buf, size, "create(%s)", args);
}

/**
 * kp_format_result() - print a result
 * @t: the operation's trace
 * @buf: where to
 * @size: of @buf
 */
void kp_format_result(const struct kp_step_trace *t, char *buf, size_t size)
{
	size_t n;

	if (IS_ERR_VALUE((unsigned long)t->res.ret))
		n = scnprintf(buf, size, "%pe", ERR_PTR(t->res.ret));
	else
		n = scnprintf(buf, size, "%lld", t->res.ret);
	if (t->res.out != KP_POISON)
		n += scnprintf(buf + n, size - n, ", out %llu", t->res.out);
	/* Eight digits tell two states apart; the full hash tells no more. */
	scnprintf(buf + n, size - n, ", state %08x", (u32)t->view);
}
