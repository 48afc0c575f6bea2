/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rcumap: a hash table that readers walk under RCU, without a lock.
 *
 * An entry is constant once it can be found. Writers exclude each other by a spinlock;
 * what they take out is freed after a grace period, as readers may still be at it.
 * The lock leaves interrupts enabled, so that a reader finds writers half way.
 *
 * Buckets are lists of this pair's own, of pointers that are marked __rcu: sparse and
 * CONFIG_PROVE_RCU look at each use of these. Of an hlist, CONFIG_PROVE_RCU_LIST does that
 * alone; and an rhashtable grows in a worker, at a time of its own.
 */
#ifndef _KPARITY_RCUMAP_H
#define _KPARITY_RCUMAP_H

#include "contract/kparity.h"

/** define RCUMAP_MAX - the most entries a map can be made for */
#define RCUMAP_MAX	8

/** define RCUMAP_BUCKETS - how many buckets there are; entries of a bucket are a list */
#define RCUMAP_BUCKETS	4

/** struct rcumap - a map; each implementation has its own definition */
struct rcumap;

/**
 * struct rcumap_view - the state of a map that both languages must agree on
 * @limit: number of entries it can have
 * @count: number of entries, as counted
 * @linked: number of entries, as found in the buckets
 * @strays: entries in the wrong bucket, and those behind one of the same key
 * @keys: bit n is set when there is an entry with key n; keys from 64 on do not show
 * @digest: sum of what rcumap_digest() is of each entry, modulo 2^64
 */
struct rcumap_view {
	u32 limit;
	u32 count;
	u32 linked;
	u32 strays;
	u64 keys;
	u64 digest;
};

/**
 * rcumap_create() - make a map without entries
 * @limit: how many it can have, 1 to %RCUMAP_MAX
 *
 * Return: the map, owned by the caller, who gives it to rcumap_destroy();
 *         ERR_PTR(-EINVAL) for any other limit, before memory is touched; ERR_PTR(-ENOMEM)
 */
struct rcumap *rcumap_create(u32 limit);

/**
 * rcumap_destroy() - release a map and its entries
 * @map: the map; no one may use it any more
 *
 * What was taken out before may still wait for its grace period. It is freed by the
 * kernel's own code, so the module may go meanwhile.
 */
void rcumap_destroy(struct rcumap *map);

/**
 * rcumap_insert() - add an entry
 * @map: the map
 * @key: what it is found by
 * @value: what is found
 *
 * Return: 0; -ENOMEM, first; -EEXIST when there is an entry with that key; -ENOSPC when
 *         there are as many entries as the map was made for
 */
int rcumap_insert(struct rcumap *map, u32 key, u64 value);

/**
 * rcumap_replace() - put another entry in the place of one
 * @map: the map
 * @key: the key of both
 * @value: what is found from then on
 *
 * Return: 0; -ENOMEM, first; -ENOENT when there is no entry with that key
 */
int rcumap_replace(struct rcumap *map, u32 key, u64 value);

/**
 * rcumap_lookup() - find an entry
 * @map: the map
 * @key: its key
 * @value: receives its value
 *
 * Return: 0; -ENOENT when there is no entry with that key
 */
int rcumap_lookup(struct rcumap *map, u32 key, u64 *value);

/**
 * rcumap_remove() - take out an entry
 * @map: the map
 * @key: its key
 *
 * Return: 0; -ENOENT when there is no entry with that key
 */
int rcumap_remove(struct rcumap *map, u32 key);

/**
 * rcumap_count() - tell how many entries there are
 * @map: the map
 *
 * Return: their number, which is read without the lock
 */
u32 rcumap_count(struct rcumap *map);

/**
 * rcumap_view() - describe the state
 * @map: the map
 * @view: receives the state; zeroed
 */
void rcumap_view(struct rcumap *map, struct rcumap_view *view);

/* What an entry adds to a view's digest. */
static inline u64 rcumap_digest(u32 key, u64 value)
{
	return (2ULL * key + 1) * (value + 1);
}

/* Whether a view shows that there is an entry with a key. */
static inline bool rcumap_has(const struct rcumap_view *v, u64 key)
{
	return key < 64 && v->keys >> key & 1;
}

/* Whether a view shows that there is none. */
static inline bool rcumap_lacks(const struct rcumap_view *v, u64 key)
{
	return key < 64 && !(v->keys >> key & 1);
}

/* Whether nothing has changed. */
static inline bool rcumap_same(const struct rcumap_view *a, const struct rcumap_view *b)
{
	return a->limit == b->limit && a->count == b->count && a->linked == b->linked &&
	       a->keys == b->keys && a->digest == b->digest;
}

KP_OBJECT(struct rcumap, struct rcumap_view, rcumap_view)
KP_CREATE(rcumap_create, SLEEPS, KP_RESULT(struct rcumap *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, limit, .lo = 1, .hi = RCUMAP_MAX, .beyond = true),
	  .budget = "60 %: memory is allocated by krealloc_node_align(), C's by kmalloc()")
KP_DESTROY(rcumap_destroy, SLEEPS,
	   .budget = "45 %: memory is freed by krealloc_node_align(), C's by kfree()")
KP_METHOD(rcumap_insert, SLEEPS, KP_ERRNO(-ENOMEM, -EEXIST, -ENOSPC),
	  KP_NUMBER(u32, key, .to = 11), KP_NUMBER(u64, value),
	  .weight = 12, .locks = "spinlock", .orders = "release bucket",
	  .budget = "75 %: a box is allocated by krealloc_node_align(), C's by kmalloc()",
	  .owns = "the map owns the new entry",
	  .on_error = "the new entry is given back, and freed without the lock")
KP_METHOD(rcumap_replace, SLEEPS, KP_ERRNO(-ENOMEM, -ENOENT),
	  KP_NUMBER(u32, key, .to = 11), KP_NUMBER(u64, value),
	  .weight = 8, .locks = "spinlock", .orders = "release bucket",
	  .budget = "65 %: as for insert", .on_error = "as for insert",
	  .owns = "the map owns the new entry; the old one is RCU's")
KP_METHOD(rcumap_lookup, ANY, KP_ERRNO(-ENOENT),
	  KP_NUMBER(u32, key, .to = 11), KP_OUTPUT(u64, value))
KP_METHOD(rcumap_remove, PROCESS, KP_ERRNO(-ENOENT),
	  KP_NUMBER(u32, key, .to = 11),
	  .weight = 8, .locks = "spinlock", .owns = "the entry is RCU's",
	  .budget = "10 %, 13 instructions: -1 is checked for an overflow; more registers are used")
KP_METHOD(rcumap_count, ANY, KP_UNSIGNED(u32), .weight = 4, .snapshot = true)

KP_HOLDS(entries, now->count)
KP_TYPE(struct rcumap_view, limit, count, linked, strays, keys, digest)

KP_INVARIANT(linked_once, ownership,
	     "each entry is in the bucket of its key, the only one of that key, and is counted",
	     "one lock around the search for the key, the link and the count",
	     true,
	     !now->strays && now->linked == now->count)
KP_INVARIANT(within_limit, lifetime,
	     "never more entries than the limit; the limit is fixed",
	     "the count is compared with the limit before an entry is linked",
	     true,
	     now->count <= now->limit && now->limit == was->limit)
KP_INVARIANT(insert_adds, ownership,
	     "an insert that succeeds adds one entry with its key and value",
	     "the new entry goes to the front of its bucket, under the lock",
	     op == RCUMAP_INSERT && ret == 0,
	     !rcumap_has(was, arg[0]) && !rcumap_lacks(now, arg[0]) &&
	     now->count == was->count + 1 &&
	     now->digest == was->digest + rcumap_digest(arg[0], arg[1]))
KP_INVARIANT(insert_exists, errors,
	     "insert of a key that is there is EEXIST, also when the map is full",
	     "the key is looked for before the limit is looked at",
	     op == RCUMAP_INSERT && rcumap_has(was, arg[0]),
	     ret == -EEXIST || ret == -ENOMEM)
KP_INVARIANT(insert_full, errors,
	     "insert of a new key is ENOSPC when the map is full and at no other time",
	     "the count is of what is linked, under one lock",
	     op == RCUMAP_INSERT && rcumap_lacks(was, arg[0]),
	     ret == -ENOMEM || (ret == -ENOSPC) == (was->count == was->limit))
KP_INVARIANT(replace_keeps, ownership,
	     "a replace that succeeds changes the value of one entry, and no key",
	     "the new entry takes over the old one's next before it takes its place",
	     op == RCUMAP_REPLACE && ret == 0,
	     !rcumap_lacks(was, arg[0]) &&
	     now->keys == was->keys && now->count == was->count)
KP_INVARIANT(remove_takes, ownership,
	     "a remove that succeeds takes out the entry with its key, no other",
	     "what leads to the entry leads to its next from then on",
	     op == RCUMAP_REMOVE && ret == 0,
	     !rcumap_lacks(was, arg[0]) && !rcumap_has(now, arg[0]) &&
	     now->count == was->count - 1)
KP_INVARIANT(absent, errors,
	     "a key that is not there is ENOENT, and no other one is",
	     "the search ends at the end of the bucket, or at the key",
	     (op == RCUMAP_REPLACE || op == RCUMAP_LOOKUP || op == RCUMAP_REMOVE) &&
	     (rcumap_lacks(was, arg[0]) || rcumap_has(was, arg[0])),
	     (op != RCUMAP_LOOKUP && ret == -ENOMEM) ||
	     (ret == -ENOENT) == rcumap_lacks(was, arg[0]))
KP_INVARIANT(failed_nothing, errors,
	     "what fails changes nothing",
	     "an entry is linked behind all checks, and what was not linked is freed",
	     ret < 0,
	     rcumap_same(was, now) && out == KP_POISON)
KP_INVARIANT(read_pure, compatibility,
	     "lookup and count change nothing",
	     "they only read, and store to their outputs",
	     op == RCUMAP_LOOKUP || op == RCUMAP_COUNT,
	     rcumap_same(was, now))
KP_PROMISE(grace, lifetime,
	   "a lookup never sees an entry that was freed, nor one that is not filled",
	   "rcu_read_lock(), kfree_rcu() and rcu_assign_pointer()")
KP_PROMISE(never_absent, concurrency,
	   "a key that is replaced is found at any time, whoever is taken out before it",
	   "one store puts the new entry in the old one's place; what is taken out leads on")
KP_PROMISE(reads_never_sleep, context,
	   "a lookup waits for nobody, and nobody sleeps in a read section or with the lock held",
	   "entries are allocated before the lock is taken, with a head for kfree_rcu() in each")
KP_PROMISE(layout, layout,
	   "both languages see the same view of a map",
	   "one definition, in this header, which bindgen reads")

#endif
