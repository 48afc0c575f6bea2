// SPDX-License-Identifier: GPL-2.0
/*
 * The objects of a path. The handles that a program holds belong to the object that they
 * came from.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "engine.h"
#include "say.h"

static void put_all(const struct kp_pair *pair, const struct kp_driver *driver,
		    struct kp_holder *holder)
{
	u32 i;

	for (i = 0; i < pair->nr_handles; i++)
		if (holder->handle[i])
			driver->put(holder->handle[i]);
}

/* Call the creation; of a program with a trace, one of its allocations can be to fail. */
static void *create(const struct kp_pair *pair, enum kp_path_id path,
		    const struct kp_slot *slot, struct kp_trace *trace)
{
	const struct kp_driver *driver = pair->path[path];
	/* As with operations: where costs are counted the caller makes nothing dirty. */
	const bool counted = trace && !trace->prog->observe && driver->create_counted;
	void *(*make)(const struct kp_slot *slot) =
		counted ? driver->create_counted : driver->create;
	u64 start;
	void *obj;

	if (trace)
		kp_fail_enter(trace, trace->prog->fail);
	if (trace && trace->told_making)
		kp_say(KP_SAY_BEGIN, KP_SAID_MAKING << 32 | KP_MAKING(pair));
	start = kp_clock();
	obj = make(slot);
	if (trace) {
		trace->made.cost = kp_clock() - start;
		if (trace->told_making)
			kp_say(KP_SAY_COST, trace->made.cost);
		kp_fail_leave(trace, &trace->made, trace->prog->fail);
	}
	kp_outcome_created(pair, path, PTR_ERR_OR_ZERO(obj));
	return obj;
}

static void *make(const struct kp_pair *pair, enum kp_path_id path,
		  const struct kp_slot *slot, struct kp_trace *trace)
{
	struct kp_holder *holder;
	void *obj;

	if (!pair->path[path]->create)
		return NULL;
	if (!pair->nr_handles)
		return create(pair, path, slot, trace);
	holder = kzalloc_obj(*holder);
	if (!holder)
		return ERR_PTR(-ENOMEM);
	obj = create(pair, path, slot, trace);
	if (IS_ERR(obj)) {
		kfree(holder);
		return obj;
	}
	holder->obj = obj;
	return holder;
}

/**
 * kp_create_watched() - make the object of a program
 * @trace: the program's trace
 * @slot: the arguments, in the order of the contract
 *
 * Context: may sleep.
 * Return: as kp_create_slots()
 */
void *kp_create_watched(struct kp_trace *trace, const struct kp_slot *slot)
{
	return make(trace->pair, trace->path, slot, trace);
}

/**
 * kp_create_slots() - make an object from arguments that the caller lays out
 * @pair: the pair
 * @path: the path
 * @slot: the arguments, in the order of the contract
 *
 * Context: may sleep.
 * Return: the object, to be released with kp_destroy(); NULL for a pair of
 *         functions; an ERR_PTR on failure
 */
void *kp_create_slots(const struct kp_pair *pair, enum kp_path_id path,
		      const struct kp_slot *slot)
{
	return make(pair, path, slot, NULL);
}
EXPORT_SYMBOL_GPL(kp_create_slots);

/**
 * kp_create() - make an object from numbers
 * @pair: the pair; its objects are made from numbers and callbacks alone, some of which
 *        the creation may change
 * @path: the path
 * @param: the numbers, in the order of the contract
 *
 * Context: may sleep.
 * Return: as kp_create_slots()
 */
void *kp_create(const struct kp_pair *pair, enum kp_path_id path, const u64 *param)
{
	const struct kp_arg *arg = pair->creation.arg;
	struct kp_slot slot[KP_NR_ARGS] = {};
	u64 number[KP_NR_ARGS];
	u32 a;

	for (a = 0; a < pair->creation.nr_args; a++) {
		if (WARN_ON_ONCE(!kp_is_number(&arg[a])))
			return ERR_PTR(-EINVAL);
		number[a] = param[a];
		slot[a] = (struct kp_slot){ .p = &number[a], .n = param[a] };
	}
	return kp_create_slots(pair, path, slot);
}
EXPORT_SYMBOL_GPL(kp_create);

/**
 * kp_destroy_counted() - release an object, and count what that costs
 * @pair: the pair
 * @path: the path
 * @obj: what kp_create() returned for it, and no error
 * @told: the plugin of make explain hears of it
 *
 * Handles that are still held are given back, after the object where the contract
 * lets them outlive it and before it elsewhere. That does not count.
 *
 * Context: may sleep.
 * Return: kp_clock() behind the call minus kp_clock() before it
 */
u64 kp_destroy_counted(const struct kp_pair *pair, enum kp_path_id path, void *obj, bool told)
{
	const struct kp_driver *driver = pair->path[path];
	void *own;
	u64 cost;

	if (!driver->destroy)
		return 0;
	own = kp_object(pair, obj);
	if (pair->nr_handles && !pair->handles_outlive)
		put_all(pair, driver, obj);
	if (told)
		kp_say(KP_SAY_BEGIN, KP_SAID_ENDING << 32 | KP_ENDING(pair));
	cost = kp_clock();
	driver->destroy(own);
	cost = kp_clock() - cost;
	if (told)
		kp_say(KP_SAY_COST, cost);
	if (pair->nr_handles && pair->handles_outlive)
		put_all(pair, driver, obj);
	if (pair->nr_handles)
		kfree(obj);
	return cost;
}

/**
 * kp_destroy() - release an object
 * @pair: the pair
 * @path: the path
 * @obj: what kp_create() returned for it, and no error
 *
 * Context: may sleep. Handles as for kp_destroy_counted().
 */
void kp_destroy(const struct kp_pair *pair, enum kp_path_id path, void *obj)
{
	kp_destroy_counted(pair, path, obj, false);
}
EXPORT_SYMBOL_GPL(kp_destroy);
