// SPDX-License-Identifier: GPL-2.0
/*
 * The handles that a program holds, and what a call takes of them and adds to them.
 */
#include <linux/bits.h>
#include <linux/module.h>
#include "call.h"

/**
 * kp_handles() - the handles that an object's caller holds
 * @pair: the pair; its operations return handles
 * @obj: what kp_create() returned
 *
 * A handle is a pointer that C functions of the path's implementation take, whatever
 * language its caller is written in.
 *
 * Return: an array, with NULL in each place that holds none
 */
void **kp_handles(const struct kp_pair *pair, void *obj)
{
	return ((struct kp_holder *)obj)->handle;
}
EXPORT_SYMBOL_GPL(kp_handles);

/**
 * kp_take_handles() - put the handles that an operation takes into its arguments
 * @arg: what the arguments are
 * @value: the arguments, of which handles are places
 * @held: the handles that its caller holds
 * @slot: receives them, and the place for the one that it returns
 * @made: that place
 *
 * Return: true; false if a handle is not held, or is both given away and used: then the
 *         operation cannot be called
 */
bool kp_take_handles(const struct kp_arg *arg, const u64 *value, void *const *held,
		     struct kp_slot *slot, void **made)
{
	u32 a, used = 0, given = 0;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		u32 place = BIT(value[a] % KP_HANDLES_MAX);

		if (!kp_is_handle(&arg[a]))
			continue;
		slot[a].p = arg[a].kind == KP_NEW ? made : held[value[a]];
		if (!slot[a].p || given & place ||
		    (arg[a].kind == KP_GIVEN && used & place))
			return false;
		if (arg[a].kind == KP_GIVEN)
			given |= place;
		else if (arg[a].kind == KP_BORROWED)
			used |= place;
	}
	return true;
}

/* A handle that was given away is no longer held. */
static void drop_given(const struct kp_arg *arg, const u64 *value, void **held)
{
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (arg[a].kind == KP_GIVEN)
			held[value[a]] = NULL;
}

/* The first place that holds a handle; -1 for none. */
static s32 held_at(const struct kp_pair *pair, void *const *held, const void *handle)
{
	u32 i;

	for (i = 0; handle && i < pair->nr_handles; i++)
		if (held[i] == handle)
			return i;
	return -1;
}

/*
 * Hold the handle that a call returned. The one held in its place is given back now and
 * not before the call: so the two could be compared.
 */
static void hold(const struct kp_driver *driver, const struct kp_arg *arg,
		 const u64 *value, void **held, void *made)
{
	void *old;
	u32 a;

	for (a = 0; made && a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].kind != KP_NEW)
			continue;
		old = held[value[a]];
		held[value[a]] = made;
		if (old)
			driver->put(old);
	}
}

static bool returns_handle(const struct kp_arg *arg)
{
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (arg[a].kind == KP_NEW)
			return true;
	return false;
}

/**
 * kp_pass_handles() - settle what the caller of an operation holds after it
 * @driver: of the path
 * @arg: what the arguments are
 * @value: the arguments
 * @held: the handles that the caller holds
 * @made: the handle that was returned; NULL for none
 */
void kp_pass_handles(const struct kp_driver *driver, const struct kp_arg *arg,
		     const u64 *value, void **held, void *made)
{
	drop_given(arg, value, held);
	hold(driver, arg, value, held, made);
}

/**
 * kp_settle_handles() - the same of a call in a program, which is judged and recorded
 * @c: the call
 * @held: the handles that its caller holds
 * @t: receives whether the handle that it returned is held already
 * @res: what it gave
 *
 * Return: NULL, or the part of the contract that it broke
 */
const char *kp_settle_handles(const struct kp_arguments *c, void **held, struct kp_step_trace *t,
			      const struct kp_result *res)
{
	const struct kp_trace *trace = c->trace;

	drop_given(c->arg, c->step->arg, held);
	t->same = held_at(trace->pair, held, c->made);
	hold(trace->pair->path[trace->path], c->arg, c->step->arg, held, c->made);
	return returns_handle(c->arg) && !res->ret && !c->made ?
		"returned neither a handle nor an errno" : NULL;
}
