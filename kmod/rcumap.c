// SPDX-License-Identifier: GPL-2.0
/*
 * rcumap in C. See contract/rcumap.h.
 */
#include <linux/err.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "contract/rcumap.h"

/**
 * struct rcumap_entry - the C definition
 * @next: in the same bucket, or NULL
 * @rcu: for kfree_rcu()
 * @key: what it is found by; constant
 * @value: what is found; constant
 */
struct rcumap_entry {
	struct rcumap_entry __rcu *next;
	struct rcu_head rcu;
	u32 key;
	u64 value;
};

/**
 * struct rcumap - the C definition
 * @lock: taken by writers, for a short time
 * @limit: the most that @count may become; constant
 * @count: number of entries; read without the lock, too
 * @bucket: the first entry of each
 */
struct rcumap {
	spinlock_t lock; /* protects the writing of all pointers and of count */
	u32 limit;
	u32 count;
	struct rcumap_entry __rcu *bucket[RCUMAP_BUCKETS];
};

/* The entry that a link leads to; the lock is held. */
static struct rcumap_entry *entry_at(struct rcumap *map, struct rcumap_entry __rcu **link)
{
	return rcu_dereference_protected(*link, lockdep_is_held(&map->lock));
}

/* The link to the entry with a key, or the one that ends its bucket; the lock is held. */
static struct rcumap_entry __rcu **link_of(struct rcumap *map, u32 key)
{
	struct rcumap_entry __rcu **link = &map->bucket[key % RCUMAP_BUCKETS];
	struct rcumap_entry *entry;

	while ((entry = entry_at(map, link)) && entry->key != key)
		link = &entry->next;
	return link;
}

static struct rcumap_entry *entry_new(u32 key, u64 value)
{
	struct rcumap_entry *entry = kmalloc_obj(*entry);

	if (!entry)
		return NULL;
	entry->key = key;
	entry->value = value;
	return entry;
}

struct rcumap *rcumap_create(u32 limit)
{
	struct rcumap *map;

	if (!limit || limit > RCUMAP_MAX)
		return ERR_PTR(-EINVAL);
	map = kzalloc_obj(*map);
	if (!map)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&map->lock);
	map->limit = limit;
	return map;
}

void rcumap_destroy(struct rcumap *map)
{
	struct rcumap_entry *entry, *next;
	u32 i;

	for (i = 0; i < RCUMAP_BUCKETS; i++) {
		for (entry = rcu_dereference_protected(map->bucket[i], true); entry; entry = next) {
			next = rcu_dereference_protected(entry->next, true);
			kfree(entry);
		}
	}
	kfree(map);
}

/* Link a new entry, which the map owns from then on; the lock is held. */
static int link_entry(struct rcumap *map, struct rcumap_entry *entry)
{
	struct rcumap_entry __rcu **first = &map->bucket[entry->key % RCUMAP_BUCKETS];

	if (entry_at(map, link_of(map, entry->key)))
		return -EEXIST;
	if (map->count == map->limit)
		return -ENOSPC;
	RCU_INIT_POINTER(entry->next, entry_at(map, first));
	rcu_assign_pointer(*first, entry);
	WRITE_ONCE(map->count, map->count + 1);
	return 0;
}

int rcumap_insert(struct rcumap *map, u32 key, u64 value)
{
	struct rcumap_entry *entry = entry_new(key, value);
	int err;

	if (!entry)
		return -ENOMEM;
	spin_lock(&map->lock);
	err = link_entry(map, entry);
	spin_unlock(&map->lock);
	if (err)
		kfree(entry);
	return err;
}

/* Link a new entry in place of that with its key, if there is one; the lock is held. */
static struct rcumap_entry *swap_entry(struct rcumap *map, struct rcumap_entry *entry)
{
	struct rcumap_entry __rcu **link = link_of(map, entry->key);
	struct rcumap_entry *old = entry_at(map, link);

	if (!old)
		return NULL;
	RCU_INIT_POINTER(entry->next, entry_at(map, &old->next));
	rcu_assign_pointer(*link, entry);
	return old;
}

int rcumap_replace(struct rcumap *map, u32 key, u64 value)
{
	struct rcumap_entry *entry = entry_new(key, value);
	struct rcumap_entry *old;

	if (!entry)
		return -ENOMEM;
	spin_lock(&map->lock);
	old = swap_entry(map, entry);
	spin_unlock(&map->lock);
	if (!old) {
		kfree(entry);
		return -ENOENT;
	}
	kfree_rcu(old, rcu);
	return 0;
}

int rcumap_lookup(struct rcumap *map, u32 key, u64 *value)
{
	struct rcumap_entry *entry;
	int err = -ENOENT;

	rcu_read_lock();
	entry = rcu_dereference(map->bucket[key % RCUMAP_BUCKETS]);
	while (entry && entry->key != key)
		entry = rcu_dereference(entry->next);
	if (entry) {
		*value = entry->value;
		err = 0;
	}
	rcu_read_unlock();
	return err;
}

int rcumap_remove(struct rcumap *map, u32 key)
{
	struct rcumap_entry __rcu **link;
	struct rcumap_entry *entry;

	spin_lock(&map->lock);
	link = link_of(map, key);
	entry = entry_at(map, link);
	if (entry) {
		/* Readers have seen what is next: there is nothing to publish. */
		RCU_INIT_POINTER(*link, entry_at(map, &entry->next));
		WRITE_ONCE(map->count, map->count - 1);
	}
	spin_unlock(&map->lock);
	if (!entry)
		return -ENOENT;
	kfree_rcu(entry, rcu);
	return 0;
}

u32 rcumap_count(struct rcumap *map)
{
	return READ_ONCE(map->count);
}

void rcumap_view(struct rcumap *map, struct rcumap_view *view)
{
	struct rcumap_entry __rcu **link;
	struct rcumap_entry *entry;
	u32 i;

	spin_lock(&map->lock);
	view->limit = map->limit;
	view->count = map->count;
	for (i = 0; i < RCUMAP_BUCKETS; i++) {
		for (link = &map->bucket[i]; (entry = entry_at(map, link)); link = &entry->next) {
			view->linked++;
			view->strays += link_of(map, entry->key) != link;
			view->keys |= entry->key < 64 ? BIT_ULL(entry->key) : 0;
			view->digest += rcumap_digest(entry->key, entry->value);
		}
	}
	spin_unlock(&map->lock);
}
