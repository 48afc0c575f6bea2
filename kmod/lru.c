// SPDX-License-Identifier: GPL-2.0
/*
 * lru in C. See contract/lru.h.
 */
#include <linux/err.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include "contract/lru.h"

/**
 * struct lru - the C definition
 * @lock: taken for a short time, also in interrupts
 * @unpinned: entries that may be evicted, the oldest first
 * @pinned: those that may not
 * @nr_unpinned: number of the ones
 * @nr_pinned: number of the others
 * @capacity: constant
 */
struct lru {
	spinlock_t lock; /* protects the lists, all entries on them, and the counts */
	struct list_head unpinned;
	struct list_head pinned;
	u32 nr_unpinned;
	u32 nr_pinned;
	u32 capacity;
};

/**
 * struct lru_entry - an entry
 * @node: in one of the lists
 * @key: what it is found by; constant
 * @pins: 0 on the list of unpinned ones
 * @value: what it was added with; constant
 */
struct lru_entry {
	struct list_head node;
	u32 key;
	u32 pins;
	u64 value;
};

struct lru *lru_create(u32 capacity)
{
	struct lru *lru;

	if (!capacity || capacity > LRU_MAX)
		return ERR_PTR(-EINVAL);
	lru = kzalloc_obj(*lru);
	if (!lru)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&lru->lock);
	INIT_LIST_HEAD(&lru->unpinned);
	INIT_LIST_HEAD(&lru->pinned);
	lru->capacity = capacity;
	return lru;
}

static void lru_free(struct list_head *entries)
{
	struct lru_entry *entry, *next;

	list_for_each_entry_safe(entry, next, entries, node)
		kfree(entry);
}

void lru_destroy(struct lru *lru)
{
	lru_free(&lru->unpinned);
	lru_free(&lru->pinned);
	kfree(lru);
}

static struct lru_entry *lru_find_in(struct list_head *entries, u32 key)
{
	struct lru_entry *entry;

	list_for_each_entry(entry, entries, node)
		if (entry->key == key)
			return entry;
	return NULL;
}

/* The entry with a key, or NULL; the lock is held. */
static struct lru_entry *lru_find(struct lru *lru, u32 key)
{
	return lru_find_in(&lru->unpinned, key) ?: lru_find_in(&lru->pinned, key);
}

/* Move the oldest entries to a list of the caller's; the lock is held. */
static u32 lru_evict(struct lru *lru, u32 nr, struct list_head *evicted)
{
	u32 n;

	for (n = 0; n < nr && !list_empty(&lru->unpinned); n++)
		list_move_tail(lru->unpinned.next, evicted);
	lru->nr_unpinned -= n;
	return n;
}

/* List an entry, and take the oldest one off if need be; the lock is held. */
static int lru_insert(struct lru *lru, struct lru_entry *entry, struct list_head *evicted)
{
	if (lru_find(lru, entry->key))
		return -EEXIST;
	if (lru->nr_unpinned + lru->nr_pinned == lru->capacity && !lru_evict(lru, 1, evicted))
		return -ENOSPC;
	list_add_tail(&entry->node, &lru->unpinned);
	lru->nr_unpinned++;
	return 0;
}

int lru_add(struct lru *lru, u32 key, u64 value)
{
	struct lru_entry *entry = kmalloc_obj(*entry, GFP_ATOMIC);
	LIST_HEAD(evicted);
	unsigned long flags;
	int err;

	if (!entry)
		return -ENOMEM;
	entry->key = key;
	entry->pins = 0;
	entry->value = value;
	spin_lock_irqsave(&lru->lock, flags);
	err = lru_insert(lru, entry, &evicted);
	spin_unlock_irqrestore(&lru->lock, flags);
	if (err)
		kfree(entry);
	lru_free(&evicted);
	return err;
}

int lru_get(struct lru *lru, u32 key, u64 *value)
{
	struct lru_entry *entry;
	unsigned long flags;

	spin_lock_irqsave(&lru->lock, flags);
	entry = lru_find(lru, key);
	if (entry) {
		*value = entry->value;
		if (!entry->pins)
			list_move_tail(&entry->node, &lru->unpinned);
	}
	spin_unlock_irqrestore(&lru->lock, flags);
	return entry ? 0 : -ENOENT;
}

int lru_pin(struct lru *lru, u32 key)
{
	struct lru_entry *entry;
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&lru->lock, flags);
	entry = lru_find(lru, key);
	if (!entry) {
		err = -ENOENT;
	} else if (entry->pins == LRU_PINS_MAX) {
		err = -EBUSY;
	} else if (!entry->pins++) {
		list_move_tail(&entry->node, &lru->pinned);
		lru->nr_unpinned--;
		lru->nr_pinned++;
	}
	spin_unlock_irqrestore(&lru->lock, flags);
	return err;
}

int lru_unpin(struct lru *lru, u32 key)
{
	struct lru_entry *entry;
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&lru->lock, flags);
	entry = lru_find(lru, key);
	if (!entry) {
		err = -ENOENT;
	} else if (!entry->pins) {
		err = -EINVAL;
	} else if (!--entry->pins) {
		list_move_tail(&entry->node, &lru->unpinned);
		lru->nr_pinned--;
		lru->nr_unpinned++;
	}
	spin_unlock_irqrestore(&lru->lock, flags);
	return err;
}

u32 lru_shrink(struct lru *lru, u32 nr)
{
	LIST_HEAD(evicted);
	unsigned long flags;

	spin_lock_irqsave(&lru->lock, flags);
	nr = lru_evict(lru, nr, &evicted);
	spin_unlock_irqrestore(&lru->lock, flags);
	lru_free(&evicted);
	return nr;
}

u32 lru_count(struct lru *lru)
{
	unsigned long flags;
	u32 nr;

	spin_lock_irqsave(&lru->lock, flags);
	nr = lru->nr_unpinned;
	spin_unlock_irqrestore(&lru->lock, flags);
	return nr;
}

void lru_view(struct lru *lru, struct lru_view *view)
{
	struct lru_entry *entry;
	u32 n = 0;

	view->capacity = lru->capacity;
	view->unpinned = lru->nr_unpinned;
	view->pinned = lru->nr_pinned;
	memset32(view->order, LRU_KEYS, LRU_MAX);
	list_for_each_entry(entry, &lru->unpinned, node) {
		/* One too many shows in the sum alone. */
		if (n < LRU_MAX)
			view->order[n++] = entry->key;
		view->sum += entry->value;
	}
	list_for_each_entry(entry, &lru->pinned, node) {
		view->pins[entry->key] = entry->pins;
		view->sum += entry->value;
	}
}
