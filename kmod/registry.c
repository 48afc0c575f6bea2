// SPDX-License-Identifier: GPL-2.0
/*
 * registry in C. See contract/registry.h.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "contract/registry.h"

/**
 * struct registry - the C definition
 * @kref: one reference is the creator's, the others are the objects'
 * @lock: never held when a reference is put
 * @objects: the registered ones; the list owns a reference to each
 * @registered: length of @objects
 * @limit: the most that @registered may become; constant
 * @made: objects made so far
 * @live: objects made and not released
 * @blocked: releases that found @lock taken
 */
struct registry {
	struct kref kref;
	spinlock_t lock; /* protects objects and registered */
	struct list_head objects;
	u32 registered;
	u32 limit;
	atomic_t made;
	atomic_t live;
	atomic_t blocked;
};

/**
 * struct registry_object - the C definition
 * @kref: how many references there are
 * @name: what it is found by; constant
 * @serial: counts the objects of a registry; constant
 * @value: what it was added with; constant
 * @node: in the registry's list, or empty
 * @reg: the registry, to which this is a reference
 */
struct registry_object {
	struct kref kref;
	u32 name;
	u32 serial;
	u64 value;
	struct list_head node;
	struct registry *reg;
};

/* Registries that are not released. */
static atomic_t registry_count = ATOMIC_INIT(0);

static void registry_release(struct kref *kref)
{
	kfree(container_of(kref, struct registry, kref));
	atomic_dec(&registry_count);
}

/* The new object has one reference, the caller's. */
static struct registry_object *object_new(struct registry *reg, u32 name,
					  u64 value)
{
	struct registry_object *obj = kmalloc_obj(*obj, GFP_ATOMIC);

	if (!obj)
		return NULL;
	kref_init(&obj->kref);
	obj->name = name;
	obj->serial = atomic_inc_return(&reg->made);
	obj->value = value;
	INIT_LIST_HEAD(&obj->node);
	kref_get(&reg->kref);
	obj->reg = reg;
	atomic_inc(&reg->live);
	return obj;
}

static void object_release(struct kref *kref)
{
	struct registry_object *obj =
		container_of(kref, struct registry_object, kref);
	struct registry *reg = obj->reg;
	unsigned long flags;

	/* The lock is not needed here. Whether it is ours to take is. */
	if (spin_trylock_irqsave(&reg->lock, flags))
		spin_unlock_irqrestore(&reg->lock, flags);
	else
		atomic_inc(&reg->blocked);
	kfree(obj);
	atomic_dec(&reg->live);
	kref_put(&reg->kref, registry_release);
}

struct registry_object *registry_ref(struct registry_object *obj)
{
	kref_get(&obj->kref);
	return obj;
}

void registry_put(struct registry_object *obj)
{
	kref_put(&obj->kref, object_release);
}

struct registry *registry_create(u32 limit)
{
	struct registry *reg;

	if (!limit || limit > REGISTRY_MAX)
		return ERR_PTR(-EINVAL);
	reg = kzalloc_obj(*reg);
	if (!reg)
		return ERR_PTR(-ENOMEM);
	kref_init(&reg->kref);
	spin_lock_init(&reg->lock);
	INIT_LIST_HEAD(&reg->objects);
	reg->limit = limit;
	atomic_inc(&registry_count);
	return reg;
}

/* The object with a name, or NULL; the lock is held. */
static struct registry_object *registry_find(struct registry *reg, u32 name)
{
	struct registry_object *obj;

	list_for_each_entry(obj, &reg->objects, node)
		if (obj->name == name)
			return obj;
	return NULL;
}

/* Take an object off the list, reference and all; the lock is held. */
static void registry_unlist(struct registry *reg, struct registry_object *obj)
{
	list_del_init(&obj->node);
	reg->registered--;
}

void registry_destroy(struct registry *reg)
{
	struct registry_object *obj;
	unsigned long flags;

	for (;;) {
		spin_lock_irqsave(&reg->lock, flags);
		obj = list_first_entry_or_null(&reg->objects,
					       struct registry_object, node);
		if (obj)
			registry_unlist(reg, obj);
		spin_unlock_irqrestore(&reg->lock, flags);
		if (!obj)
			break;
		registry_put(obj);
	}
	kref_put(&reg->kref, registry_release);
}

/* List an object and take over its reference; the lock is held. */
static int registry_list(struct registry *reg, struct registry_object *obj)
{
	if (registry_find(reg, obj->name))
		return -EEXIST;
	if (reg->registered == reg->limit)
		return -ENOSPC;
	list_add_tail(&obj->node, &reg->objects);
	reg->registered++;
	return 0;
}

int registry_add(struct registry *reg, u32 name, u64 value)
{
	struct registry_object *obj = object_new(reg, name, value);
	int err;
	unsigned long flags;

	if (!obj)
		return -ENOMEM;
	spin_lock_irqsave(&reg->lock, flags);
	err = registry_list(reg, obj);
	spin_unlock_irqrestore(&reg->lock, flags);
	if (err)
		registry_put(obj);
	return err;
}

struct registry_object *registry_get(struct registry *reg, u32 name)
{
	struct registry_object *obj;
	unsigned long flags;

	spin_lock_irqsave(&reg->lock, flags);
	obj = registry_find(reg, name);
	/* The list's reference keeps the count above zero up to here. */
	if (obj)
		kref_get(&obj->kref);
	spin_unlock_irqrestore(&reg->lock, flags);
	return obj ?: ERR_PTR(-ENOENT);
}

int registry_remove(struct registry *reg, u32 name)
{
	struct registry_object *obj;
	unsigned long flags;

	spin_lock_irqsave(&reg->lock, flags);
	obj = registry_find(reg, name);
	if (obj)
		registry_unlist(reg, obj);
	spin_unlock_irqrestore(&reg->lock, flags);
	if (!obj)
		return -ENOENT;
	registry_put(obj);
	return 0;
}

u64 registry_value(struct registry_object *obj)
{
	return obj->value;
}

void registry_view(struct registry *reg, struct registry_view *view)
{
	struct registry_object *obj;
	unsigned long flags;

	spin_lock_irqsave(&reg->lock, flags);
	view->limit = reg->limit;
	view->registered = reg->registered;
	list_for_each_entry(obj, &reg->objects, node)
		if (obj->name < 32)
			view->names |= BIT(obj->name);
	spin_unlock_irqrestore(&reg->lock, flags);
	view->made = atomic_read(&reg->made);
	view->live = atomic_read(&reg->live);
	view->blocked = atomic_read(&reg->blocked);
}

void registry_info(struct registry_object *obj, struct registry_info *info)
{
	unsigned long flags;

	info->serial = obj->serial;
	info->name = obj->name;
	info->refs = kref_read(&obj->kref);
	spin_lock_irqsave(&obj->reg->lock, flags);
	info->listed = !list_empty(&obj->node);
	spin_unlock_irqrestore(&obj->reg->lock, flags);
}

u32 registries_left(void)
{
	return atomic_read(&registry_count);
}
