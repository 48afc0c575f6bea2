/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarations that the files which carry out calls share.
 */
#ifndef _KPARITY_CALL_H
#define _KPARITY_CALL_H

#include <linux/align.h>
#include "engine.h"

/**
 * KP_ROOM() - bytes that an argument takes, at any alignment and with its guards
 * @n: bytes of its own
 */
#define KP_ROOM(n)	(ALIGN((n) + 8, 8) + 2 * KP_GUARD)

/**
 * struct kp_laid - one argument in memory
 * @at: where it is
 * @room: all that was set aside for it
 * @size: its bytes
 * @may: they may be written
 * @own: @room is an allocation of its own
 * @user: @room is but an image of what is in user memory
 * @piece: that part of user memory
 */
struct kp_laid {
	u8 *at;
	u8 *room;
	u32 size;
	bool may;
	bool own;
	bool user;
	struct kp_user_piece piece;
};

/**
 * struct kp_arguments - the arguments of one call
 * @trace: the trace that it is recorded in
 * @step: the operation and the values of its arguments
 * @arg: what these are
 * @nr: how many they are
 * @guard: the value of guards
 * @own: arguments are allocations of their own
 * @called: it has been called
 * @unbalanced: it left interrupts, preemption or RCU other than it found them
 * @user: the first of its areas in user memory
 * @words: those in memory in the form of lay_word(), bits by their number
 * @bytes: all others in memory, of which @laid is set
 * @made: the handle that it returned
 * @slot: the arguments as the function takes them
 * @laid: those in @bytes
 */
struct kp_arguments {
	struct kp_trace *trace;
	const struct kp_step *step;
	const struct kp_arg *arg;
	u32 nr;
	u8 guard;
	bool own;
	bool called;
	bool unbalanced;
	u32 user;
	u32 words;
	u32 bytes;
	void *made;
	struct kp_slot slot[KP_NR_ARGS];
	struct kp_laid laid[KP_NR_ARGS];
};

/* calls.c */
u8 *kp_keep(struct kp_trace *trace, struct kp_step_trace *t, u32 size);
void kp_collect_number(struct kp_arguments *c, u32 a, u64 number, struct kp_step_trace *t,
		       struct kp_result *res);

/* memory.c */
bool kp_lay_bytes(struct kp_arguments *c, u32 a, u8 *room);
const char *kp_collect_bytes(struct kp_arguments *c, u32 a, struct kp_step_trace *t,
			     struct kp_result *res);
void kp_spoil(struct kp_arguments *c);
void kp_release(const struct kp_arguments *c);

/* handles.c */
bool kp_take_handles(const struct kp_arg *arg, const u64 *value, void *const *held,
		     struct kp_slot *slot, void **made);
void kp_pass_handles(const struct kp_driver *driver, const struct kp_arg *arg,
		     const u64 *value, void **held, void *made);
const char *kp_settle_handles(const struct kp_arguments *c, void **held, struct kp_step_trace *t,
			      const struct kp_result *res);

#endif
