/* SPDX-License-Identifier: GPL-2.0 */
/*
 * registry: counted objects that are found by name.
 *
 * A registered object is held by its registry; who looks it up gets a
 * reference of his own. Removing a name drops the registry's reference alone,
 * so the object lives on for those who hold it, and is released with the last
 * one. An object holds its registry in turn: a reference may outlive destroy().
 */
#ifndef _KPARITY_REGISTRY_H
#define _KPARITY_REGISTRY_H

#include "contract/kparity.h"

/** define REGISTRY_MAX - the most objects a registry can be made for */
#define REGISTRY_MAX	16

/** define REGISTRY_SLOTS - how many references a caller of a program can hold */
#define REGISTRY_SLOTS	6

/** struct registry - a registry; each implementation has its own definition */
struct registry;

/** struct registry_object - an object; likewise */
struct registry_object;

/**
 * struct registry_state - what a registry shows of itself
 * @limit: number of objects it can have registered
 * @registered: number of objects it has registered
 * @names: bit n is set when name n is registered; names from 32 on do not show
 * @made: objects made since creation, those that add refused included,
 *	modulo 2^32
 * @live: objects that are not released
 * @blocked: releases that found the lock taken. Without a second thread that
 *	is by whoever dropped the reference, so it stays 0.
 */
struct registry_state {
	u32 limit;
	u32 registered;
	u32 names;
	u32 made;
	u32 live;
	u32 blocked;
};

/**
 * struct registry_info - what an object shows of itself
 * @serial: counts the objects of a registry from 1; 0 for no object
 * @name: the name it was registered by
 * @refs: number of references to it
 * @listed: 1 while it is registered, else 0
 */
struct registry_info {
	u32 serial;
	u32 name;
	u32 refs;
	u32 listed;
};

/**
 * struct registry_view - the state that both languages must agree on
 * @state: the registry
 * @slot: the object that each of the caller's slots holds; zeroes if none
 */
struct registry_view {
	struct registry_state state;
	struct registry_info slot[REGISTRY_SLOTS];
};

/**
 * struct registry_ops - the interface, once for each implementation
 *
 * Pointers to objects are owned references: each is given to @put once.
 *
 * @create: Make a registry for @limit objects, 1 to %REGISTRY_MAX, none there.
 *	The caller owns it and gives it to @destroy.
 *	Return: the registry; ERR_PTR(-EINVAL) for any other limit, before
 *	memory is touched; ERR_PTR(-ENOMEM).
 *	Context: process, may sleep.
 *
 * @destroy: Remove every name and give up the registry. Objects that are held
 *	stay, and may still be used with @ref, @put, @value and @info.
 *	Context: process, may sleep.
 *
 * @add: Make an object and register it; the registry owns its reference.
 *	Return: 0; -ENOMEM, first; -EEXIST when the name is registered; -ENOSPC
 *	when @limit objects are. On error the object is gone again.
 *	Context: any but hard interrupt; does not sleep. Takes the lock.
 *
 * @get: Look an object up. The caller owns the reference.
 *	Return: the object; ERR_PTR(-ENOENT) when the name is not registered,
 *	whether or not someone still holds an object that once had it.
 *	Context: any but hard interrupt; does not sleep. Takes the lock.
 *
 * @ref: Take a further reference to an object that the caller holds, which
 *	the caller owns as well.
 *	Context: any, does not sleep, takes no lock.
 *
 * @put: Give up a reference; the last one releases the object.
 *	Context: any but hard interrupt; does not sleep. The lock must not be
 *	held: the release looks whether it is.
 *
 * @remove: Unregister an object and drop the registry's reference to it.
 *	Return: 0; -ENOENT when the name is not registered.
 *	Context: any but hard interrupt; does not sleep. Takes the lock.
 *
 * @value: What the object was added with. Borrows the reference.
 *	Context: any, does not sleep, takes no lock.
 *
 * @state: Describe the registry; @state is zeroed.
 *	Context: any but hard interrupt; does not sleep. Takes the lock.
 *
 * @info: Describe an object; borrows the reference.
 *	Context: as @state.
 *
 * @left: Number of registries of this implementation that are not released: not
 *	destroyed, or destroyed with an object of theirs still held.
 *	Context: any, does not sleep, takes no lock.
 */
struct registry_ops {
	struct registry *(*create)(u32 limit);
	void (*destroy)(struct registry *reg);
	int (*add)(struct registry *reg, u32 name, u64 value);
	struct registry_object *(*get)(struct registry *reg, u32 name);
	void (*ref)(struct registry_object *obj);
	void (*put)(struct registry_object *obj);
	int (*remove)(struct registry *reg, u32 name);
	u64 (*value)(struct registry_object *obj);
	void (*state)(struct registry *reg, struct registry_state *state);
	void (*info)(struct registry_object *obj, struct registry_info *info);
	u32 (*left)(void);
};

/* The operations, in the order of both languages' tables. */
enum registry_op {
	REGISTRY_NOOP, REGISTRY_ADD, REGISTRY_GET, REGISTRY_REF, REGISTRY_PUT,
	REGISTRY_REMOVE, REGISTRY_VALUE,
};

extern const struct registry_ops registry_c;
extern const struct registry_ops registry_rust;

extern const struct kp_driver registry_rust_over_c;
extern const struct kp_driver registry_rust_over_rust;

/**
 * registry_lend_c() - the registry behind an object of registry_rust_over_c
 * @obj: the driver's object
 *
 * So that a case can use one registry from both languages at the same time.
 *
 * Return: a registry of registry_c, borrowed until the object is destroyed
 */
struct registry *registry_lend_c(void *obj);

/**
 * registry_lend_rust() - the registry behind an object of registry_rust_over_rust
 * @obj: the driver's object
 *
 * Return: a registry of registry_rust, borrowed until the object is destroyed
 */
struct registry *registry_lend_rust(void *obj);

/* The rest is what invariants are said in. */

/* How many slots hold the object with a serial number. */
static inline u32 registry_holders(const struct registry_view *v, u32 serial)
{
	u32 i, n = 0;

	for (i = 0; i < REGISTRY_SLOTS; i++)
		n += v->slot[i].serial == serial;
	return n;
}

/* Whether every held object counts its holders and the registry, no more. */
static inline bool registry_counts_match(const struct registry_view *v)
{
	const struct registry_info *s;

	for (s = v->slot; s < v->slot + REGISTRY_SLOTS; s++)
		if (s->serial &&
		    s->refs != s->listed + registry_holders(v, s->serial))
			return false;
	return true;
}

/* Number of objects that are held but no longer registered. */
static inline u32 registry_unlisted(const struct registry_view *v)
{
	u32 i, j, n = 0;

	for (i = 0; i < REGISTRY_SLOTS; i++) {
		for (j = 0; v->slot[j].serial != v->slot[i].serial; j++)
			;
		n += i == j && v->slot[i].serial && !v->slot[i].listed;
	}
	return n;
}

/* The latest object of a name that is held and registered, or not; 0 if none. */
static inline u32 registry_held(const struct registry_view *v, u32 name,
				u32 listed)
{
	const struct registry_info *s;
	u32 serial = 0;

	for (s = v->slot; s < v->slot + REGISTRY_SLOTS; s++)
		if (s->name == name && s->listed == listed && s->serial > serial)
			serial = s->serial;
	return serial;
}

/* Whether the slots hold the same objects. */
static inline bool registry_same_slots(const struct registry_view *a,
				       const struct registry_view *b)
{
	u32 i;

	for (i = 0; i < REGISTRY_SLOTS; i++)
		if (a->slot[i].serial != b->slot[i].serial)
			return false;
	return true;
}

/* How many objects have been released, modulo 2^32. */
static inline u32 registry_released(const struct registry_state *s)
{
	return s->made - s->live;
}

#endif

#ifdef KP_RECORDS
KP_OPERATION(noop, ANY, "none", KP_NO_ERRNOS, "nothing", "cannot fail")
KP_OPERATION(add, ATOMIC, "takes the registry's spinlock",
	     KP_ERRNOS(-ENOMEM, -EEXIST, -ENOSPC),
	     "the registry owns the new object's reference",
	     "the new object is released, without the lock")
KP_OPERATION(get, ATOMIC, "takes the registry's spinlock",
	     KP_ERRNOS(-EBADF, -ENOENT),
	     "the slot owns the new reference; the one that it held is put",
	     "no reference is taken, the slot keeps what it held")
KP_OPERATION(ref, ATOMIC, "none", KP_ERRNOS(-EBADF),
	     "the second slot owns the new reference; the one that it held is put",
	     "both slots keep what they held")
KP_OPERATION(put, ATOMIC, "none; none may be held", KP_ERRNOS(-EBADF),
	     "the slot's reference is gone", "nothing has changed")
KP_OPERATION(remove, ATOMIC, "takes the registry's spinlock",
	     KP_ERRNOS(-ENOENT),
	     "the registry's reference is gone", "nothing has changed")
KP_OPERATION(value, ANY, "none", KP_ERRNOS(-EBADF),
	     "the slot keeps its reference", "the output is as it was")

KP_TYPE(struct registry_state)
KP_MEMBER(struct registry_state, limit)
KP_MEMBER(struct registry_state, registered)
KP_MEMBER(struct registry_state, names)
KP_MEMBER(struct registry_state, made)
KP_MEMBER(struct registry_state, live)
KP_MEMBER(struct registry_state, blocked)
KP_TYPE(struct registry_info)
KP_MEMBER(struct registry_info, serial)
KP_MEMBER(struct registry_info, name)
KP_MEMBER(struct registry_info, refs)
KP_MEMBER(struct registry_info, listed)
KP_TYPE(struct registry_view)
KP_MEMBER(struct registry_view, state)
KP_MEMBER(struct registry_view, slot)

KP_INVARIANT(one_count, ownership,
	     "an object's count is one for each slot that holds it and one for the registry that lists it",
	     "one kref in the object; list and slots each own one reference",
	     registry_holders(now, 0) < REGISTRY_SLOTS,
	     registry_counts_match(now))
KP_INVARIANT(released_once, lifetime,
	     "what is live is what is registered or held, no less and no more",
	     "the release is kref_put()'s, which calls it at zero alone",
	     true,
	     now->state.live == now->state.registered + registry_unlisted(now))
KP_INVARIANT(within_limit, lifetime,
	     "never more objects registered than the limit; the limit is fixed",
	     "registered is compared with limit before the object is listed",
	     true,
	     now->state.registered <= now->state.limit &&
	     now->state.limit == was->state.limit)
KP_INVARIANT(add_registers, ownership,
	     "an add that succeeds makes one object, registered by its name",
	     "the reference of kref_init() becomes the list's",
	     op == REGISTRY_ADD && ret == 0,
	     !(was->state.names & BIT(arg[0])) &&
	     now->state.names == (was->state.names | BIT(arg[0])) &&
	     now->state.registered == was->state.registered + 1 &&
	     now->state.made == was->state.made + 1 &&
	     now->state.live == was->state.live + 1)
KP_INVARIANT(add_exists, errors,
	     "add of a registered name is EEXIST, also when the registry is full",
	     "the name is looked up before the limit is looked at",
	     op == REGISTRY_ADD && was->state.names & BIT(arg[0]),
	     ret == -EEXIST || ret == -ENOMEM)
KP_INVARIANT(add_full, errors,
	     "add of a new name is ENOSPC when the registry is full and at no other time",
	     "registered counts the list, under its lock",
	     op == REGISTRY_ADD && !(was->state.names & BIT(arg[0])),
	     ret == -ENOMEM ||
	     (ret == -ENOSPC) == (was->state.registered == was->state.limit))
KP_INVARIANT(add_balanced, errors,
	     "an add that fails leaves no object and no reference behind",
	     "the error path puts the one reference to the new object",
	     op == REGISTRY_ADD && ret < 0,
	     now->state.live == was->state.live &&
	     now->state.names == was->state.names &&
	     now->state.registered == was->state.registered &&
	     registry_same_slots(was, now))
KP_INVARIANT(get_takes, ownership,
	     "a get that succeeds gives a reference to the object with that name, on top of the registry's",
	     "kref_get() under the lock that keeps the object listed",
	     op == REGISTRY_GET && ret == 0,
	     now->slot[arg[0]].serial && now->slot[arg[0]].name == arg[1] &&
	     now->slot[arg[0]].listed && now->slot[arg[0]].refs >= 2 &&
	     now->state.registered == was->state.registered)
KP_INVARIANT(get_absent, errors,
	     "get of a name that is not registered is ENOENT and takes no reference",
	     "the slot is written after the lookup",
	     op == REGISTRY_GET && arg[0] < REGISTRY_SLOTS &&
	     !(was->state.names & BIT(arg[1])),
	     ret == -ENOENT && registry_same_slots(was, now))
KP_INVARIANT(get_removed, lifetime,
	     "a removed object is never found again, even while it is held",
	     "remove takes it off the list in the section that gives up the name",
	     op == REGISTRY_GET && registry_held(was, arg[1], 0),
	     ret < 0 || now->slot[arg[0]].serial > registry_held(was, arg[1], 0))
KP_INVARIANT(ref_shares, ownership,
	     "a holder can take a further reference to the same object, registered or not",
	     "kref_get() on the strength of the reference that is held",
	     op == REGISTRY_REF && arg[0] < REGISTRY_SLOTS &&
	     arg[1] < REGISTRY_SLOTS && was->slot[arg[0]].serial,
	     ret == 0 && now->slot[arg[0]].serial == was->slot[arg[0]].serial &&
	     now->slot[arg[1]].serial == was->slot[arg[0]].serial)
KP_INVARIANT(put_gives_up, ownership,
	     "a put gives up one reference, and the last one releases the object",
	     "kref_put()",
	     op == REGISTRY_PUT && ret == 0,
	     was->slot[arg[0]].serial && !now->slot[arg[0]].serial &&
	     now->state.live == was->state.live - (was->slot[arg[0]].refs == 1))
KP_INVARIANT(empty_slot, errors,
	     "a slot that holds nothing or does not exist is EBADF and nothing changes",
	     "the slot is looked at before anything is called",
	     (op == REGISTRY_PUT || op == REGISTRY_REF || op == REGISTRY_VALUE) &&
	     (arg[0] >= REGISTRY_SLOTS || !was->slot[arg[0]].serial),
	     ret == -EBADF && out == KP_POISON &&
	     now->state.live == was->state.live && registry_same_slots(was, now))
KP_INVARIANT(remove_keeps, lifetime,
	     "remove drops the registry's reference alone: what is held lives on",
	     "list_del_init() and one kref_put()",
	     op == REGISTRY_REMOVE && ret == 0,
	     now->state.names == (was->state.names & ~BIT(arg[0])) &&
	     now->state.registered == was->state.registered - 1 &&
	     registry_same_slots(was, now) &&
	     now->state.live == was->state.live - !registry_held(was, arg[0], 1))
KP_INVARIANT(remove_absent, errors,
	     "remove of a name that is not registered is ENOENT and changes nothing",
	     "a held object that once had the name is off the list",
	     op == REGISTRY_REMOVE && !(was->state.names & BIT(arg[0])),
	     ret == -ENOENT && now->state.live == was->state.live &&
	     now->state.registered == was->state.registered &&
	     registry_same_slots(was, now))
KP_INVARIANT(value_pure, compatibility,
	     "reading an object changes nothing",
	     "value only reads, from memory that is constant while it is held",
	     op == REGISTRY_VALUE && ret == 0,
	     was->slot[arg[0]].serial && now->state.live == was->state.live &&
	     registry_same_slots(was, now))
KP_INVARIANT(release_unlocked, context,
	     "an object is released without the registry's lock",
	     "every kref_put() comes after the unlock",
	     registry_released(&now->state) != registry_released(&was->state),
	     now->state.blocked == was->state.blocked)
KP_PROMISE(threads, concurrency,
	   "threads that add, get, put and remove one name never see a released object and never leak one",
	   "get takes its reference under the lock that remove unlists under")
KP_PROMISE(shared_count, compatibility,
	   "references that C and Rust hold to one object at the same time share one count",
	   "one kref; either language puts through the same table")
KP_PROMISE(nothing_left, lifetime,
	   "no object is left once the registry is destroyed and every reference is put",
	   "destroy removes every name; objects hold the registry, not the other way")
KP_PROMISE(never_sleeps, context,
	   "no operation sleeps",
	   "spinlock and GFP_ATOMIC alone after create")
KP_PROMISE(layout, layout,
	   "both languages see the same view of a registry and its objects",
	   "one definition, in this header, which bindgen reads")
#endif
