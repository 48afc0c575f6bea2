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
	u32 i, op, pick;

	/* 64-bit golden ratio: neighbouring indices must not share a state. */
	prandom_seed_state(&rnd, seed + index * 0x9e3779b97f4a7c15ULL);
	for (op = 0; op < pair->nr_ops; op++)
		total += pair->op[op].weight;

	prog->seed = seed;
	prog->index = index;
	prog->nr_steps = steps;
	prog->pool_used = 0;
	kp_draw_args(&rnd, pair, pair->param, prog, prog->param, 0);
	for (i = 0; i < steps; i++) {
		struct kp_step *step = &prog->step[i];

		pick = prandom_u32_state(&rnd) % total;
		for (op = 0; pick >= pair->op[op].weight; op++)
			pick -= pair->op[op].weight;
		step->op = op;
		kp_draw_args(&rnd, pair, pair->op[op].arg, prog, step->arg, i);
		step->shift = pair->stateless ? prandom_u32_state(&rnd) % 8 : 0;
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
