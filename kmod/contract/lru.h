/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lru: a cache of bounded size, which memory reclaim may shrink.
 *
 * An entry is on one of two lists: that of the entries that may be evicted, the
 * oldest first, or that of those that are pinned. A full cache evicts its oldest
 * entry to take another one, and lru_shrink() is what a shrinker's scan_objects()
 * calls. Entries are taken off their list under the lock, and freed behind it.
 */
#ifndef _KPARITY_LRU_H
#define _KPARITY_LRU_H

#include "contract/kparity.h"

/** define LRU_MAX - the most entries a cache can be made for */
#define LRU_MAX		8

/** define LRU_KEYS - keys of entries are below this, which is no entry's */
#define LRU_KEYS	11

/** define LRU_PINS_MAX - how often an entry can be pinned */
#define LRU_PINS_MAX	3

/** struct lru - a cache; each implementation has its own definition */
struct lru;

/**
 * struct lru_view - the state of a cache that both languages must agree on
 * @sum: of the values of all entries, modulo 2^64
 * @capacity: how many entries it can have
 * @unpinned: number of entries that may be evicted, as the cache counts them
 * @pinned: number of those that may not, likewise
 * @order: keys of the ones, the oldest first; %LRU_KEYS behind the last
 * @pins: how often each key is pinned
 */
struct lru_view {
	u64 sum;
	u32 capacity;
	u32 unpinned;
	u32 pinned;
	u32 order[LRU_MAX];
	u32 pins[LRU_KEYS];
};

/**
 * lru_create() - make a cache, without entries
 * @capacity: how many it can have, 1 to %LRU_MAX
 *
 * Return: the cache, owned by the caller, who gives it to lru_destroy();
 *         ERR_PTR(-EINVAL) for any other capacity; ERR_PTR(-ENOMEM)
 */
struct lru *lru_create(u32 capacity);

/**
 * lru_destroy() - free a cache and all its entries, pinned or not
 * @lru: the cache; no one may use it any more
 */
void lru_destroy(struct lru *lru);

/**
 * lru_add() - add an entry as the youngest one
 * @lru: the cache; a full one evicts its oldest entry that is not pinned
 * @key: below %LRU_KEYS
 * @value: what the entry holds
 *
 * Return: 0; -ENOMEM, first; -EEXIST when there is an entry with this key;
 *         -ENOSPC when the cache is full and all entries are pinned
 */
int lru_add(struct lru *lru, u32 key, u64 value);

/**
 * lru_get() - read an entry, which becomes the youngest one if it is not pinned
 * @lru: the cache
 * @key: the entry's key
 * @value: receives what it was added with
 *
 * Return: 0; -ENOENT when there is no entry with this key
 */
int lru_get(struct lru *lru, u32 key, u64 *value);

/**
 * lru_pin() - keep an entry from being evicted
 * @lru: the cache
 * @key: the entry's key
 *
 * Return: 0; -ENOENT when there is no entry with this key; -EBUSY at %LRU_PINS_MAX pins
 */
int lru_pin(struct lru *lru, u32 key);

/**
 * lru_unpin() - take back one lru_pin(); the last one makes the entry the youngest
 * @lru: the cache
 * @key: the entry's key
 *
 * Return: 0; -ENOENT when there is no entry with this key; -EINVAL when it is not pinned
 */
int lru_unpin(struct lru *lru, u32 key);

/**
 * lru_shrink() - evict the oldest entries that are not pinned
 * @lru: the cache
 * @nr: how many at most
 *
 * Return: how many were evicted
 */
u32 lru_shrink(struct lru *lru, u32 nr);

/**
 * lru_count() - count what lru_shrink() could evict
 * @lru: the cache
 *
 * Return: the number of entries that are not pinned
 */
u32 lru_count(struct lru *lru);

/**
 * lru_view() - describe the state
 * @lru: the cache
 * @view: receives the state; zeroed
 */
void lru_view(struct lru *lru, struct lru_view *view);

/* The invariants call the rest. Where a key is in the order; LRU_MAX if nowhere. */
static inline u32 lru_at(const struct lru_view *v, u64 key)
{
	u32 at;

	for (at = 0; at < LRU_MAX && v->order[at] != key; at++)
		;
	return at;
}

/* Whether there is an entry with a key. */
static inline bool lru_has(const struct lru_view *v, u64 key)
{
	return key < LRU_KEYS && (v->pins[key] || lru_at(v, key) < LRU_MAX);
}

/* Whether each entry is on one list, once, and is counted there. */
static inline bool lru_one_list(const struct lru_view *v)
{
	u32 at, key, unpinned = 0, pinned = 0;

	for (at = 0; at < LRU_MAX && v->order[at] < LRU_KEYS; at++)
		unpinned += lru_at(v, v->order[at]) == at && !v->pins[v->order[at]];
	for (key = 0; key < LRU_KEYS; key++)
		pinned += !!v->pins[key];
	return unpinned == at && unpinned == v->unpinned && pinned == v->pinned;
}

/* Whether the order is what it was, but for @nr keys from @at on, and with @key behind. */
static inline bool lru_order(const struct lru_view *was, const struct lru_view *now,
			     u32 at, u64 nr, u64 key)
{
	u32 i, n = 0;

	for (i = 0; i < LRU_MAX && was->order[i] < LRU_KEYS; i++)
		if ((i < at || i - at >= nr) && now->order[n++] != was->order[i])
			return false;
	if (key < LRU_KEYS && (n == LRU_MAX || now->order[n++] != key))
		return false;
	return n == LRU_MAX || now->order[n] == LRU_KEYS;
}

/* Whether all pins are what they were, but for @change more of @key's. */
static inline bool lru_pins(const struct lru_view *was, const struct lru_view *now,
			    u64 key, u32 change)
{
	u32 i;

	for (i = 0; i < LRU_KEYS; i++)
		if (now->pins[i] != was->pins[i] + (i == key ? change : 0))
			return false;
	return true;
}

KP_OBJECT(struct lru, struct lru_view, lru_view)
KP_CREATE(lru_create, SLEEPS, KP_RESULT(struct lru *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, capacity, .lo = 1, .to = 4, .hi = LRU_MAX, .beyond = true))
KP_DESTROY(lru_destroy, SLEEPS,
	   .budget = "50 %: memory is freed by krealloc_node_align(), C's by kfree()")
KP_METHOD(lru_add, ATOMIC, KP_ERRNO(-ENOMEM, -EEXIST, -ENOSPC),
	  KP_NUMBER(u32, key, .hi = LRU_KEYS - 1), KP_NUMBER(u64, value),
	  .locks = "spinlock irq-off", .on_error = "nothing is evicted, and the new entry is freed",
	  .budget = "60 %: an Arc is allocated by krealloc_node_align(), C's entry by kmalloc()")
KP_METHOD(lru_get, ANY, KP_ERRNO(-ENOENT),
	  KP_NUMBER(u32, key, .hi = LRU_KEYS - 1, .any = true), KP_OUTPUT(u64, value),
	  .weight = 12, .locks = "spinlock irq-off")
KP_METHOD(lru_pin, ANY, KP_ERRNO(-ENOENT, -EBUSY),
	  KP_NUMBER(u32, key, .hi = LRU_KEYS - 1, .any = true),
	  .weight = 12, .locks = "spinlock irq-off")
KP_METHOD(lru_unpin, ANY, KP_ERRNO(-ENOENT, -EINVAL),
	  KP_NUMBER(u32, key, .hi = LRU_KEYS - 1, .any = true),
	  .weight = 12, .locks = "spinlock irq-off")
KP_METHOD(lru_shrink, ATOMIC, KP_UNSIGNED(u32), KP_NUMBER(u32, nr, .to = 3),
	  .weight = 4, .locks = "spinlock irq-off", .owns = "what is evicted is freed",
	  .budget = "60 %: each entry is an Arc, and each one more costs 57 % more than in C")
KP_METHOD(lru_count, ANY, KP_UNSIGNED(u32), .weight = 4, .locks = "spinlock irq-off",
	  .budget = "10 %, 20 instructions: SpinLockIrq counts who has disabled interrupts")
KP_BUDGET("45 %: SpinLockIrq counts, and a step in a list costs half as much again as in C")
KP_HOLDS(entries, now->unpinned + now->pinned)
KP_TYPE(struct lru_view, sum, capacity, unpinned, pinned, order, pins)

KP_INVARIANT(one_list, ownership,
	     "an entry is on one list, the one that its pins say, and is counted there",
	     "one list_head in the entry; list_move_tail() and both counts in one section",
	     true, lru_one_list(now))
KP_INVARIANT(within_capacity, lifetime,
	     "there are never more entries than the capacity, which is fixed",
	     "both counts are compared with capacity before an entry is listed", true,
	     now->unpinned + now->pinned <= now->capacity && now->capacity == was->capacity)
KP_INVARIANT(add_youngest, ownership,
	     "an entry that is added is the youngest, and the oldest is evicted for it if need be",
	     "list_add_tail(), and the list's first entry goes", op == LRU_ADD && ret == 0,
	     !lru_has(was, arg[0]) && lru_pins(was, now, arg[0], 0) &&
	     lru_order(was, now, 0, was->unpinned + was->pinned == was->capacity, arg[0]))
KP_INVARIANT(add_exists, errors,
	     "add of a key that is there is EEXIST, also where nothing can be evicted",
	     "the key is looked for before the counts are looked at",
	     op == LRU_ADD && lru_has(was, arg[0]), ret == -EEXIST || ret == -ENOMEM)
KP_INVARIANT(add_pinned, errors,
	     "add of a new key is ENOSPC where the cache is full of pinned ones, and nowhere else",
	     "an empty list alone keeps from evicting", op == LRU_ADD && !lru_has(was, arg[0]),
	     ret == -ENOMEM || (ret == -ENOSPC) == (was->pinned == was->capacity))
KP_INVARIANT(get_youngest, ownership,
	     "get makes an entry the youngest if it is not pinned, and changes nothing else",
	     "list_move_tail() where the count is 0", op == LRU_GET && ret == 0,
	     lru_has(was, arg[0]) && now->sum == was->sum && lru_pins(was, now, arg[0], 0) &&
	     lru_order(was, now, lru_at(was, arg[0]), 1, was->pins[arg[0]] ? LRU_KEYS : arg[0]))
KP_INVARIANT(pin_keeps, lifetime,
	     "pin counts, and the first one takes the entry away from those that are evicted",
	     "list_move_tail() where the count was 0", op == LRU_PIN && ret == 0,
	     lru_has(was, arg[0]) && now->pins[arg[0]] <= LRU_PINS_MAX &&
	     now->sum == was->sum && lru_pins(was, now, arg[0], 1) &&
	     lru_order(was, now, lru_at(was, arg[0]), 1, LRU_KEYS))
KP_INVARIANT(unpin_youngest, lifetime,
	     "unpin takes one pin back, and the last one makes the entry the youngest",
	     "list_move_tail() where the count has become 0", op == LRU_UNPIN && ret == 0,
	     lru_has(was, arg[0]) && now->sum == was->sum && lru_pins(was, now, arg[0], -1) &&
	     lru_order(was, now, LRU_MAX, 0, now->pins[arg[0]] ? LRU_KEYS : arg[0]))
KP_INVARIANT(shrink_oldest, lifetime,
	     "shrink evicts as many as it is asked for, the oldest, and no pinned one",
	     "it takes from the front of a list that has none", op == LRU_SHRINK,
	     ret == min(arg[0], (u64)was->unpinned) && lru_pins(was, now, 0, 0) &&
	     lru_order(was, now, 0, ret, LRU_KEYS))
KP_INVARIANT(absent, errors,
	     "a key is ENOENT where there is no entry with it, and nowhere else",
	     "both lists are searched", op == LRU_GET || op == LRU_PIN || op == LRU_UNPIN,
	     (ret == -ENOENT) == !lru_has(was, arg[0]))
KP_INVARIANT(unchanged, errors,
	     "what fails changes nothing, and nor does count",
	     "all checks come before the first change", ret < 0 || op == LRU_COUNT,
	     now->sum == was->sum && lru_pins(was, now, 0, 0) &&
	     lru_order(was, now, 0, 0, LRU_KEYS))
KP_PROMISE(reclaim, compatibility,
	   "memory reclaim gets what is not pinned, through a struct shrinker, and nothing else",
	   "lru_count() and lru_shrink() are what count_objects() and scan_objects() want")
KP_PROMISE(never_sleeps, context,
	   "no operation sleeps", "a spinlock and GFP_ATOMIC alone after create")
KP_PROMISE(layout, layout,
	   "both languages see the same view of a cache",
	   "one definition, in this header, which bindgen reads")

/* What make coverage finds no program for, and why. */
KP_ONE_WAY("lru.c: return lru_find_in(&lru->unpinned, key) ?: lru_find_in(&lru->pinned, key);",
	   "lru.c: if (lru_find(lru, entry->key))",
	   "lru.c: if (entry) {",
	   "lru.c: if (!entry) {",
	   "behind lru_find_in(), which is inlined: NULL has gone another way already")
KP_ONE_WAY("lru.c: if (n < LRU_MAX)",
	   "a list with more entries than any cache may have is a bug, which the sum then shows")
KP_ONE_WAY("lru.rs: add(): }",
	   "a ListArc is the only Arc of an entry, so that what it drops is the last")

#endif
