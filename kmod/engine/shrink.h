/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarations that the files which make programs smaller share.
 */
#ifndef _KPARITY_SHRINK_H
#define _KPARITY_SHRINK_H

#include "engine.h"

/** define KP_LONG - a text of more bytes is not tried in all the ways that a short one is */
#define KP_LONG		64

/** define KP_ALIKE_MAX - nor is a program of more operations with what is alike in them */
#define KP_ALIKE_MAX	64

/** define KP_SAME_MAX - the most texts that are made smaller at once */
#define KP_SAME_MAX	16

/**
 * struct kp_shrinking - a program that is being made smaller
 * @pair: the pair
 * @path: the path that differs from C over C
 * @prog: the program
 * @ref: a trace for C over C
 * @got: a trace for @path
 * @diff: the difference that stays
 * @end: when to give up, in jiffies
 * @late: that has been
 */
struct kp_shrinking {
	const struct kp_pair *pair;
	enum kp_path_id path;
	struct kp_program *prog;
	struct kp_trace *ref;
	struct kp_trace *got;
	struct kp_diff diff;
	unsigned long end;
	bool late;
};

/**
 * struct kp_same - texts or bytes that are the same
 * @span: the arguments
 * @was: room for what they were
 * @nr: how many there are
 * @min: the least number of bytes that all of them may have
 */
struct kp_same {
	u64 *span[KP_SAME_MAX];
	u64 was[KP_SAME_MAX];
	u32 nr;
	u32 min;
};

/**
 * kp_next_cut() - the next number of bytes to leave out
 * @cut: the last one
 * @len: how many bytes there are
 *
 * Return: half; of a short argument one less, from 6 on
 */
static inline u32 kp_next_cut(u32 cut, u32 len)
{
	return cut > 6 || len > KP_LONG ? cut / 2 : cut - 1;
}

/* shrink.c */
bool kp_still_fails(struct kp_shrinking *s);

/* shrink_args.c */
const char *kp_plain_bytes(const struct kp_arg *arg, u32 *nr);
bool kp_shrink_call(struct kp_shrinking *s, const struct kp_arg *arg, u64 *value, u32 *shift,
		    u8 *keep);

/* shrink_alike.c */
bool kp_shorten_same(struct kp_shrinking *s, struct kp_same *same, u8 *keep);
bool kp_shrink_alike(struct kp_shrinking *s, u8 *keep);

#endif
