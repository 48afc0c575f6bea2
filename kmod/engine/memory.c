// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments in memory: text, bytes, buffers, and whatever has an allocation of its own. Each
 * has guards on both sides. Numbers that a call stores are mostly laid out in calls.c, in a
 * cheaper form.
 */
#include <linux/bits.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "call.h"

#define ARENA_SIZE	(KP_NR_ARGS * KP_ROOM(KP_BYTES_MAX + 1))

/**
 * kp_arena_alloc() - make room for the arguments of one operation
 *
 * Context: may sleep.
 * Return: the room, to be released with kvfree(), or NULL
 */
u8 *kp_arena_alloc(void)
{
	return kvmalloc(ARENA_SIZE, GFP_KERNEL);
}

/* Bytes of memory that an argument needs; 0 if it is passed by value. */
static u32 size_of(const struct kp_arg *arg, u64 value)
{
	switch (arg->kind) {
	case KP_TEXT:
		return kp_span_len(value) + 1;
	case KP_BYTES:
	case KP_USER_BYTES:
	case KP_USER_BUFFER:
		return kp_span_len(value);
	case KP_OUTPUT:
	case KP_INOUT:
		return arg->size;
	case KP_BUFFER:
		return value;
	default:
		return 0;
	}
}

static void fill(const struct kp_arg *arg, const struct kp_program *prog,
		 u64 value, struct kp_laid *laid)
{
	u32 len = kp_span_len(value);

	switch (arg->kind) {
	case KP_TEXT:
		laid->at[len] = '\0';
		fallthrough;
	case KP_BYTES:
	case KP_USER_BYTES:
		memcpy(laid->at, prog->pool + kp_span_at(value), len);
		break;
	case KP_INOUT:
		/* Both arches are little-endian. */
		memcpy(laid->at, &value, arg->size);
		break;
	default:
		memset(laid->at, KP_UNWRITTEN, laid->size);
		break;
	}
}

/* Move an argument that is laid out to user memory; false without memory. */
static bool move_to_user(struct kp_arguments *c, u32 a)
{
	struct kp_laid *laid = &c->laid[a];
	u64 value = c->step->arg[a];
	unsigned long at;

	/*
	 * Where costs are counted, pages are there: a fault costs fifty times the rest. Where
	 * allocations fail as well: those of a fault are the kernel's own.
	 */
	if (kp_place(value) == KP_CHANGES &&
	    (!c->trace->prog->observe || c->trace->prog->balance))
		value = kp_placed(value, KP_SPLIT, kp_place_bytes(value));
	at = kp_user_put(&laid->piece, c->user + a, value, c->step->shift, laid->room,
			 KP_ROOM(laid->size), laid->at - laid->room, c->guard);
	laid->user = true;
	c->slot[a] = (struct kp_slot){ kp_user_size(&c->arg[a], value), (void *)at };
	return at;
}

/**
 * kp_release() - give back what the arguments of a call have taken
 * @c: the call
 */
void kp_release(const struct kp_arguments *c)
{
	u32 a;

	for (a = 0; a < c->nr; a++) {
		if (!(c->bytes & BIT(a)))
			continue;
		if (c->laid[a].own)
			kfree(c->laid[a].room);
		if (c->laid[a].user)
			kp_user_drop(&c->laid[a].piece);
	}
}

/**
 * kp_lay_bytes() - lay out an argument that is bytes
 * @c: the call
 * @a: the argument
 * @room: where to, if it is no allocation of its own
 *
 * Context: that of the call.
 * Return: true; false without memory
 */
bool kp_lay_bytes(struct kp_arguments *c, u32 a, u8 *room)
{
	const struct kp_arg *arg = &c->arg[a];
	struct kp_laid *laid = &c->laid[a];
	u32 size = size_of(arg, c->step->arg[a]);
	u32 shift = kp_in_pool(arg) || arg->kind == KP_BUFFER ? c->step->shift : 0;

	laid->own = c->own && !kp_in_user(arg);
	laid->user = false;
	laid->size = size;
	laid->may = !kp_in_pool(arg);
	if (laid->own) {
		laid->room = kmalloc(8 + shift + size, GFP_ATOMIC);
		if (!laid->room)
			return false;
		laid->at = laid->room + 8 + shift;
	} else {
		laid->room = room;
		laid->at = room + KP_GUARD + shift;
		memset(room, c->guard, KP_ROOM(size));
	}
	c->bytes |= BIT(a);
	fill(arg, c->trace->prog, c->step->arg[a], laid);
	c->slot[a].p = laid->at;
	if (kp_in_pool(arg))
		c->slot[a].n = kp_span_len(c->step->arg[a]);
	return !kp_in_user(arg) || move_to_user(c, a);
}

/* Whether nothing was written on either side of an argument. */
static bool guarded(const struct kp_laid *laid, u8 guard)
{
	u8 *end = laid->at + laid->size;

	return laid->own ||
	       (!memchr_inv(laid->room, guard, laid->at - laid->room) &&
		!memchr_inv(end, guard, laid->room + KP_ROOM(laid->size) - end));
}

static bool unchanged(const struct kp_arg *arg, const struct kp_program *prog,
		      u64 value, const struct kp_laid *laid)
{
	return !memcmp(laid->at, prog->pool + kp_span_at(value), kp_span_len(value)) &&
	       (arg->kind != KP_TEXT || !laid->at[kp_span_len(value)]);
}

/**
 * kp_collect_bytes() - judge what a call did to an argument that is bytes, and record it
 * @c: the call
 * @a: the argument
 * @t: receives what it stored
 * @res: receives the first number that it stored
 *
 * Context: that of the call.
 * Return: NULL, or the part of the contract that it broke
 */
const char *kp_collect_bytes(struct kp_arguments *c, u32 a, struct kp_step_trace *t,
			     struct kp_result *res)
{
	const struct kp_arg *arg = &c->arg[a];
	struct kp_laid *laid = &c->laid[a];
	u64 number = 0;
	u8 *kept;

	if (laid->user)
		kp_user_get(&laid->piece);
	if (arg->kind == KP_OUTPUT || arg->kind == KP_INOUT) {
		memcpy(&number, laid->at, laid->size);
		kp_collect_number(c, a, number, t, res);
	} else if (laid->may) {
		t->outs = kp_hash(t->outs, laid->at, laid->size);
		kept = kp_keep(c->trace, t, laid->size);
		if (kept)
			memcpy(kept, laid->at, laid->size);
	}
	if (!guarded(laid, c->guard))
		return "wrote outside of its arguments";
	if (!laid->may && !unchanged(arg, c->trace->prog, c->step->arg[a], laid))
		return "wrote to an argument that it may only read";
	return NULL;
}

/**
 * kp_spoil() - write over text, bytes and user memory that an object was made of
 * @c: the object's creation, once it has been called and judged
 *
 * It was to copy them: one that looks at them later finds other ones, on each path.
 */
void kp_spoil(struct kp_arguments *c)
{
	u32 a;

	for (a = 0; a < c->nr; a++) {
		struct kp_laid *laid = &c->laid[a];

		if (!(c->bytes & BIT(a)) || laid->own)
			continue;
		if (laid->user)
			kp_user_spoil(&laid->piece, c->guard);
		else
			memset(laid->at, c->guard, laid->size);
	}
}
