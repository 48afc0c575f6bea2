/* SPDX-License-Identifier: GPL-2.0 */
/*
 * registry: counted objects that are found by name.
 *
 * A registered object is held by its registry; who looks it up gets a
 * reference of his own. Removing a name drops the registry's reference alone,
 * so the object lives on for those who hold it, and is released with the last
 * one. An object holds its registry in turn: a reference may outlive
 * registry_destroy().
 */
#ifndef _KPARITY_REGISTRY_H
#define _KPARITY_REGISTRY_H

#include "contract/kparity.h"

/** define REGISTRY_MAX - the most objects a registry can be made for */
#define REGISTRY_MAX	16

/** define REGISTRY_SLOTS - how many references a program can hold */
#define REGISTRY_SLOTS	6

/** struct registry - a registry; each implementation has its own definition */
struct registry;

/** struct registry_object - an object; likewise */
struct registry_object;

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
 * @limit: number of objects it can have registered
 * @registered: number of objects it has registered
 * @names: bit n is set when name n is registered; names from 32 on do not show
 * @made: objects made since creation, those that add refused included,
 *	modulo 2^32
 * @live: objects that are not released
 * @blocked: releases that found the lock taken. Without a second thread that
 *	is by whoever dropped the reference, so it stays 0.
 * @slot: each reference that the caller holds; zeroes if none. The caller's to
 *	fill.
 */
struct registry_view {
	u32 limit;
	u32 registered;
	u32 names;
	u32 made;
	u32 live;
	u32 blocked;
	struct registry_info slot[REGISTRY_SLOTS];
};

/**
 * registry_create() - make a registry, without objects
 * @limit: how many it can have registered, 1 to %REGISTRY_MAX
 *
 * Return: the registry, owned by the caller, who gives it to
 *         registry_destroy(); ERR_PTR(-EINVAL) for any other limit, before
 *         memory is touched; ERR_PTR(-ENOMEM)
 */
struct registry *registry_create(u32 limit);

/**
 * registry_destroy() - remove every name and give up the registry
 * @reg: the registry
 *
 * Objects that are held stay, and may still be used.
 */
void registry_destroy(struct registry *reg);

/**
 * registry_add() - make an object and register it
 * @reg: the registry
 * @name: what it is found by
 * @value: what it holds
 *
 * Return: 0; -ENOMEM, first; -EEXIST when the name is registered; -ENOSPC when
 *         as many objects are as the registry was made for
 */
int registry_add(struct registry *reg, u32 name, u64 value);

/**
 * registry_get() - look an object up
 * @reg: the registry
 * @name: its name
 *
 * Return: the object, given back with registry_put(); ERR_PTR(-ENOENT) when
 *         the name is not registered, whether or not someone still holds an
 *         object that once had it
 */
struct registry_object *registry_get(struct registry *reg, u32 name);

/**
 * registry_ref() - take a further reference
 * @obj: the object
 *
 * Return: the same object, given back with registry_put() as well
 */
struct registry_object *registry_ref(struct registry_object *obj);

/**
 * registry_put() - give up a reference
 * @obj: the object; the last reference releases it
 *
 * The registry's lock must not be held: the release looks whether it is.
 */
void registry_put(struct registry_object *obj);

/**
 * registry_remove() - unregister an object
 * @reg: the registry
 * @name: its name
 *
 * Return: 0; -ENOENT when the name is not registered
 */
int registry_remove(struct registry *reg, u32 name);

/**
 * registry_value() - read an object
 * @obj: the object
 *
 * Return: what it was added with
 */
u64 registry_value(struct registry_object *obj);

/**
 * registries_left() - count the registries that are not released
 *
 * Return: how many are not destroyed, or were with an object of theirs held
 */
u32 registries_left(void);

/**
 * registry_view() - describe a registry
 * @reg: the registry
 * @view: receives the state; zeroed
 */
void registry_view(struct registry *reg, struct registry_view *view);

/**
 * registry_info() - describe an object
 * @obj: the object
 * @info: receives its state
 *
 * Takes the registry's lock.
 */
void registry_info(struct registry_object *obj, struct registry_info *info);

/* The rest are functions that the invariants call. */

/* The bit of a name in @names: none for one that no registry takes. */
static inline u32 registry_bit(u64 name)
{
	return name < 32 ? 1U << name : 0;
}

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
static inline u32 registry_released(const struct registry_view *v)
{
	return v->made - v->live;
}

/* There is a name more than the largest registry takes; mostly, most slots are full. */
KP_OBJECT(struct registry, struct registry_view, registry_view)
KP_CREATE(registry_create, SLEEPS, KP_RESULT(struct registry *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, limit, .lo = 1, .from = 6, .hi = REGISTRY_MAX, .beyond = true))
KP_DESTROY(registry_destroy, SLEEPS,
	   .budget = "40 %: a guard for each object, and krealloc_node_align() frees")
KP_HANDLE(struct registry_object, struct registry_info, registry_info, registry_put,
	  slot, .outlives = true)
KP_METHOD(registry_add, ATOMIC, KP_ERRNO(-ENOMEM, -EEXIST, -ENOSPC),
	  KP_NUMBER(u32, name, .hi = REGISTRY_MAX), KP_NUMBER(u64, value),
	  .weight = 10, .locks = "1-2 spinlock irq-off: a release tries it",
	  .budget = "65 %: a box is allocated by krealloc_node_align(), C's by kmalloc()",
	  .owns = "the registry owns the new object's reference",
	  .on_error = "the new object is released, without the lock")
KP_METHOD(registry_get, ATOMIC, KP_NEW(struct registry_object *, -ENOENT),
	  KP_NUMBER(u32, name, .hi = REGISTRY_MAX, .any = true),
	  .weight = 14, .locks = "spinlock irq-off",
	  .budget = "30 %, 27 instructions: SpinLockIrq counts; a step is 6 instructions, C's 5",
	  .on_error = "no reference is taken")
KP_FUNCTION(registry_ref, ANY, KP_NEW(struct registry_object *),
	    KP_BORROWED(struct registry_object, obj), .weight = 6)
KP_FUNCTION(registry_put, ATOMIC, KP_VOID, KP_GIVEN(struct registry_object, obj),
	    .weight = 5, .budget = "10 %, 17 instructions: what is freed is looked at by its type",
	    .orders = "release kref=refs",
	    .locks = "0-1 spinlock irq-off: a release tries it, to see that nobody holds it")
KP_METHOD(registry_remove, ATOMIC, KP_ERRNO(-ENOENT),
	  KP_NUMBER(u32, name, .hi = REGISTRY_MAX, .any = true),
	  .weight = 8, .locks = "1-2 spinlock irq-off: a release tries it",
	  .budget = "45 %: SpinLockIrq counts, and the vector's last entry takes the place",
	  .owns = "the registry's reference is gone")
KP_FUNCTION(registry_value, ANY, KP_UNSIGNED(u64),
	    KP_BORROWED(struct registry_object, obj), .weight = 6)
KP_FUNCTION(registries_left, ANY, KP_UNSIGNED(u32), .weight = 0)

KP_HOLDS(objects, now->registered)

/* An object that is refused has its number before the lock is taken. */
KP_TYPE(struct registry_info, serial, name, refs, listed, .timing = serial)
KP_TYPE(struct registry_view, limit, registered, names, made, live, blocked, slot,
	.timing = blocked)

KP_DIVERGES(serial_relaxed, registry_add, made,
	    "a serial has only to be another one; the lock orders what it numbers",
	    "atomic_inc_return() orders all that is around it, for no one here",
	    .orders = true)

KP_INVARIANT(one_count, ownership,
	     "an object's count is one for each slot that holds it and one for the registry that lists it",
	     "one kref in the object; list and slots each own one reference",
	     registry_holders(now, 0) < REGISTRY_SLOTS,
	     registry_counts_match(now))
KP_INVARIANT(released_once, lifetime,
	     "what is live is what is registered or held, no less and no more",
	     "the release is kref_put()'s, which calls it at zero alone",
	     true,
	     now->live == now->registered + registry_unlisted(now))
KP_INVARIANT(within_limit, lifetime,
	     "never more objects registered than the limit; the limit is fixed",
	     "registered is compared with limit before the object is listed",
	     true,
	     now->registered <= now->limit &&
	     now->limit == was->limit)
KP_INVARIANT(add_registers, ownership,
	     "an add that succeeds makes one object, registered by its name",
	     "the reference of kref_init() becomes the list's",
	     op == REGISTRY_ADD && ret == 0,
	     !(was->names & registry_bit(arg[0])) &&
	     now->names == (was->names | registry_bit(arg[0])) &&
	     now->registered == was->registered + 1 &&
	     now->made == was->made + 1 &&
	     now->live == was->live + 1)
KP_INVARIANT(add_exists, errors,
	     "add of a registered name is EEXIST, also when the registry is full",
	     "the name is looked up before the limit is looked at",
	     op == REGISTRY_ADD && was->names & registry_bit(arg[0]),
	     ret == -EEXIST || ret == -ENOMEM)
KP_INVARIANT(add_full, errors,
	     "add of a new name is ENOSPC when the registry is full and at no other time",
	     "registered counts the list, under its lock",
	     op == REGISTRY_ADD && !(was->names & registry_bit(arg[0])),
	     ret == -ENOMEM ||
	     (ret == -ENOSPC) == (was->registered == was->limit))
KP_INVARIANT(add_balanced, errors,
	     "an add that fails leaves no object and no reference behind",
	     "the error path puts the one reference to the new object",
	     op == REGISTRY_ADD && ret < 0,
	     now->live == was->live &&
	     now->names == was->names &&
	     now->registered == was->registered &&
	     registry_same_slots(was, now))
KP_INVARIANT(get_takes, ownership,
	     "a get that succeeds gives a reference to the object with that name, on top of the registry's",
	     "kref_get() under the lock that keeps the object listed",
	     op == REGISTRY_GET && ret == 0,
	     now->slot[arg[1]].serial && now->slot[arg[1]].name == arg[0] &&
	     now->slot[arg[1]].listed && now->slot[arg[1]].refs >= 2 &&
	     now->registered == was->registered)
KP_INVARIANT(get_absent, errors,
	     "get of a name that is not registered is ENOENT and takes no reference",
	     "the slot is written after the lookup",
	     op == REGISTRY_GET && !(was->names & registry_bit(arg[0])),
	     ret == -ENOENT && registry_same_slots(was, now))
KP_INVARIANT(get_removed, lifetime,
	     "a removed object is never found again, even while it is held",
	     "remove takes it off the list in the section that gives up the name",
	     op == REGISTRY_GET && registry_held(was, arg[0], 0),
	     ret < 0 || now->slot[arg[1]].serial > registry_held(was, arg[0], 0))
KP_INVARIANT(ref_shares, ownership,
	     "a holder can take a further reference to the same object, registered or not",
	     "kref_get() on the strength of the reference that is held",
	     op == REGISTRY_REF && was->slot[arg[0]].serial,
	     ret == 0 && now->slot[arg[0]].serial == was->slot[arg[0]].serial &&
	     now->slot[arg[1]].serial == was->slot[arg[0]].serial)
KP_INVARIANT(put_gives_up, ownership,
	     "a put gives up one reference, and the last one releases the object",
	     "kref_put()",
	     op == REGISTRY_PUT && ret == 0,
	     was->slot[arg[0]].serial && !now->slot[arg[0]].serial &&
	     now->live == was->live - (was->slot[arg[0]].refs == 1))
KP_INVARIANT(empty_slot, errors,
	     "where no object is held, nothing is called and nothing changes",
	     "the caller's duty: an object's functions take a reference that is held",
	     (op == REGISTRY_PUT || op == REGISTRY_REF || op == REGISTRY_VALUE) &&
	     !was->slot[arg[0]].serial,
	     !called && out == KP_POISON &&
	     now->live == was->live && registry_same_slots(was, now))
KP_INVARIANT(remove_keeps, lifetime,
	     "remove drops the registry's reference alone: what is held lives on",
	     "list_del_init() and one kref_put()",
	     op == REGISTRY_REMOVE && ret == 0,
	     now->names == (was->names & ~registry_bit(arg[0])) &&
	     now->registered == was->registered - 1 &&
	     registry_same_slots(was, now) &&
	     now->live == was->live - !registry_held(was, arg[0], 1))
KP_INVARIANT(remove_absent, errors,
	     "remove of a name that is not registered is ENOENT and changes nothing",
	     "a held object that once had the name is off the list",
	     op == REGISTRY_REMOVE && !(was->names & registry_bit(arg[0])),
	     ret == -ENOENT && now->live == was->live &&
	     now->registered == was->registered &&
	     registry_same_slots(was, now))
KP_INVARIANT(value_pure, compatibility,
	     "reading an object changes nothing",
	     "value only reads, from memory that is constant while it is held",
	     op == REGISTRY_VALUE && called,
	     was->slot[arg[0]].serial && now->live == was->live &&
	     registry_same_slots(was, now))
KP_INVARIANT(release_unlocked, context,
	     "an object is released without the registry's lock",
	     "every kref_put() comes after the unlock",
	     registry_released(now) != registry_released(was),
	     now->blocked == was->blocked)
KP_PROMISE(threads, concurrency,
	   "threads that add, get, put and remove one name never see a released object and never leak one",
	   "get takes its reference under the lock that remove unlists under")
KP_PROMISE(shared_count, compatibility,
	   "references that C and Rust hold to one object at the same time share one count",
	   "one kref; either language puts with registry_put()")
KP_PROMISE(nothing_left, lifetime,
	   "no object is left once the registry is destroyed and every reference is put",
	   "destroy removes every name; objects hold the registry, not the other way")
KP_PROMISE(never_sleeps, context,
	   "no operation sleeps",
	   "spinlock and GFP_ATOMIC alone after create")
KP_PROMISE(layout, layout,
	   "both languages see the same view of a registry and its objects",
	   "one definition, in this header, which bindgen reads")

/* What make coverage finds no program for, and why. */
KP_UNREACHED("registry.rs: #[pin_data(PinnedDrop)]",
	     "registry.rs: fn info(obj: &Entry) -> bindings::registry_info {",
	     "it is inlined where it is called; nothing calls the copy that the compiler keeps")
KP_UNREACHED("registry.c: atomic_inc(&reg->blocked);",
	     "registry.rs: self.shared.blocked.add(1, Relaxed);",
	     "only if another CPU has the lock just then", .chance = true)
KP_ONE_WAY("registry.c: if (spin_trylock_irqsave(&reg->lock, flags))",
	   "registry.rs: if self.shared.objects.try_lock().is_none() {",
	   "only if another CPU has the lock just then", .chance = true)
KP_ONE_WAY("registry.c: object_new(): kref_get(&reg->kref);",
	   "registry.c: kref_get(&obj->kref);",
	   "registry.rs: shared: shared.clone(),",
	   "registry.rs: self.refs.inc();",
	   "refcount_inc() looks for 0 and for a saturated count; its caller holds a reference")
KP_ONE_WAY("registry.c: if (registry_find(reg, obj->name))",
	   "registry.c: registry_get(): if (obj)",
	   "registry.c: registry_remove(): if (obj)",
	   "behind registry_find(), which is inlined: NULL has gone another way already")
KP_ONE_WAY("registry.c: if (obj->name < 32)",
	   "programs add names up to REGISTRY_MAX, so that they meet some that are there")
KP_ONE_WAY("registry.rs: Ok(objects.push(object, GFP_ATOMIC)?)",
	   "create() has made room for all that the limit allows")
KP_ONE_WAY("registry.rs: objects.pop()",
	   "the object was found in it, so that it is not empty")

#endif
