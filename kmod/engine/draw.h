/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarations that the files which draw programs share.
 */
#ifndef _KPARITY_DRAW_H
#define _KPARITY_DRAW_H

#include <linux/types.h>
#include "engine.h"

/**
 * define KP_LONG_EVERY - of so many programs of case lockstep one fills the largest object
 *
 * It is as long as that takes, and the others are shorter.
 */
#define KP_LONG_EVERY	16

/**
 * struct kp_random - a generator of random numbers
 * @state: what it goes on from; any number will do to begin with
 */
struct kp_random {
	u64 state;
};

/**
 * struct kp_drawing - a program that is being drawn
 * @rnd: where from
 * @pair: whose operations
 * @prog: the program; has the operations before the one that is drawn
 * @step: number of that one
 * @value: its arguments that are drawn already, or those of the object's creation
 * @spans: the bytes of those among them that are text or bytes
 * @nr_spans: how many these are
 */
struct kp_drawing {
	struct kp_random rnd;
	const struct kp_pair *pair;
	struct kp_program *prog;
	u32 step;
	u64 *value;
	u64 spans[KP_NR_ARGS];
	u32 nr_spans;
};

/**
 * kp_draw64() - draw a word
 * @rnd: where from
 *
 * Wang Yi's wyrand, public domain: https://github.com/wangyi-fudan/wyhash. Programs are
 * drawn anew for each path; prandom_u32_state() costs four times as much, for half of
 * the bits.
 *
 * Return: the word
 */
static inline u64 kp_draw64(struct kp_random *rnd)
{
	u128 product;

	rnd->state += 0xa0761d6478bd642fULL;
	product = (u128)rnd->state * (rnd->state ^ 0xe7037ed1a0b428dbULL);
	return (u64)(product >> 64) ^ (u64)product;
}

/**
 * kp_below() - draw a number below a limit
 * @rnd: where from
 * @n: the limit; 0 stands for 2^64
 *
 * By multiplication, as a division costs several times as much (Lemire, Fast Random
 * Integer Generation in an Interval, 2019).
 *
 * Return: the number, evenly drawn but for 1 part in 2^64 / @n
 */
static inline u64 kp_below(struct kp_random *rnd, u64 n)
{
	u64 any = kp_draw64(rnd);

	return n ? (u128)any * n >> 64 : any;
}

/**
 * kp_die() - draw a small number
 * @rnd: where from
 * @sides: how many numbers there are
 *
 * Return: a number below @sides, as from kp_below()
 */
static inline u32 kp_die(struct kp_random *rnd, u32 sides)
{
	return (kp_draw64(rnd) >> 32) * sides >> 32;
}

/**
 * kp_has_names() - whether values of an argument have names
 * @arg: the argument
 *
 * Return: whether they have
 */
static inline bool kp_has_names(const struct kp_arg *arg)
{
	return arg->names && arg->names->name;
}

/* program.c */
void kp_draw_begin(struct kp_drawing *d, u64 seed, u32 index, u32 steps, enum kp_draw draw);
void kp_draw_steps(struct kp_drawing *d, const u32 *weight, u32 from, u32 to);
struct kp_trace *kp_try_out(const struct kp_pair *pair, struct kp_program *prog, u32 nr);
void kp_weights(const struct kp_pair *pair, u32 *weight);

/* filling.c */
u32 kp_filling_steps(const struct kp_pair *pair, u32 nr);
void kp_fill_up(struct kp_drawing *d, u32 nr);

/* args.c */
u32 kp_nr_names(const struct kp_arg *arg);
void kp_draw_args(struct kp_drawing *d, const struct kp_arg *arg, u64 *value, u32 step);
void kp_vary_sizes(struct kp_drawing *d, const struct kp_arg *arg);

/* numbers.c */
u64 kp_near_power(struct kp_random *rnd);
u64 kp_draw_number(struct kp_drawing *d, const struct kp_arg *arg, u32 a);
u32 kp_vary_size(struct kp_drawing *d, const struct kp_arg *arg, u32 a, u32 size);

/* bytes.c */
u32 kp_draw_len(struct kp_random *rnd, const struct kp_arg *arg);
u64 kp_draw_bytes(struct kp_drawing *d, const struct kp_arg *arg, u32 a);
u64 kp_earlier_span(struct kp_drawing *d);

#endif
