/* SPDX-License-Identifier: GPL-2.0 */
/*
 * idalloc: unique ids from 0 up, the lowest free one first.
 *
 * Storage starts small and grows with the highest id in use; it never shrinks
 * before the allocator is destroyed. All operations may run at the same time
 * from several CPUs; a spinlock inside orders them.
 */
#ifndef _KPARITY_IDALLOC_H
#define _KPARITY_IDALLOC_H

#include "contract/kparity.h"

/** define IDALLOC_MAX - the most ids an allocator can hold */
#define IDALLOC_MAX	65536

/** struct idalloc - an allocator; each implementation has its own definition */
struct idalloc;

/**
 * struct idalloc_view - the state that both languages must agree on
 * @limit: ids run from 0 to @limit - 1
 * @used: number of ids in use
 * @lowest: the lowest free id, or @limit when there is none
 * @room: number of ids that storage has room for
 */
struct idalloc_view {
	u32 limit;
	u32 used;
	u32 lowest;
	u32 room;
};

/**
 * struct idalloc_ops - the interface, once for each implementation
 *
 * @create: Make an allocator of @limit ids, 1 to %IDALLOC_MAX, none in use.
 *	The caller owns it and gives it to @destroy.
 *	Return: the allocator; ERR_PTR(-EINVAL) for any other limit, before
 *	memory is touched; ERR_PTR(-ENOMEM).
 *	Context: process, may sleep.
 *
 * @destroy: Release an allocator, ids still in use or not. No one may use it
 *	any more.
 *	Context: process, may sleep.
 *
 * @alloc: Take the lowest free id. The caller owns the id until @free.
 *	Return: the id; -ENOSPC when all are in use; -ENOMEM when storage must
 *	grow and cannot. On error nothing has changed.
 *	Context: any but hard interrupt; does not sleep. Takes the inner lock.
 *
 * @free: Give an id back.
 *	Return: 0; -EINVAL for an id that is not below the limit, first;
 *	-ENOENT for one not in use. On error nothing has changed.
 *	Context: any but hard interrupt; does not sleep. Takes the inner lock.
 *
 * @used: Ask whether an id is in use.
 *	Return: 1 or 0; -EINVAL for an id that is not below the limit.
 *	Context: any but hard interrupt; does not sleep. Takes the inner lock.
 *
 * @view: Describe the state; @view is zeroed.
 *	Context: as @used.
 */
struct idalloc_ops {
	struct idalloc *(*create)(u32 limit);
	void (*destroy)(struct idalloc *ida);
	int (*alloc)(struct idalloc *ida);
	int (*free)(struct idalloc *ida, u32 id);
	int (*used)(struct idalloc *ida, u32 id);
	void (*view)(struct idalloc *ida, struct idalloc_view *view);
};

/* The operations, in the order of both languages' tables. */
enum idalloc_op { IDALLOC_NOOP, IDALLOC_ALLOC, IDALLOC_FREE, IDALLOC_USED };

extern const struct idalloc_ops idalloc_c;
extern const struct idalloc_ops idalloc_rust;

extern const struct kp_driver idalloc_rust_over_c;
extern const struct kp_driver idalloc_rust_over_rust;

#endif

#ifdef KP_RECORDS
KP_OPERATION(noop, ANY, "none", KP_NO_ERRNOS, "nothing", "cannot fail")
KP_OPERATION(alloc, ATOMIC, "takes the inner spinlock",
	     KP_ERRNOS(-ENOSPC, -ENOMEM),
	     "the caller owns the id until free", "no id is taken")
KP_OPERATION(free, ATOMIC, "takes the inner spinlock",
	     KP_ERRNOS(-EINVAL, -ENOENT),
	     "the id goes back to the allocator", "the id stays as it was")
KP_OPERATION(used, ATOMIC, "takes the inner spinlock", KP_ERRNOS(-EINVAL),
	     "nothing", "nothing has changed")

KP_TYPE(struct idalloc_view)
KP_MEMBER(struct idalloc_view, limit)
KP_MEMBER(struct idalloc_view, used)
KP_MEMBER(struct idalloc_view, lowest)
KP_MEMBER(struct idalloc_view, room)

KP_INVARIANT(within_limit, lifetime,
	     "never more ids in use than the limit or the storage allow; the limit is fixed",
	     "used is compared with limit before an id is taken; limit is written by create alone",
	     true,
	     now->used <= now->limit && now->used <= now->room &&
	     now->limit == was->limit)
KP_INVARIANT(lowest_first, ownership,
	     "alloc gives the lowest free id, which then is in use",
	     "find_first_zero_bit() under the lock",
	     op == IDALLOC_ALLOC && ret >= 0,
	     ret == was->lowest && now->used == was->used + 1 &&
	     now->lowest > was->lowest)
KP_INVARIANT(alloc_full, errors,
	     "alloc fails with ENOSPC when every id is in use and changes nothing",
	     "the count is looked at before the map",
	     op == IDALLOC_ALLOC && was->used == was->limit,
	     ret == -ENOSPC && now->used == was->used)
KP_INVARIANT(alloc_not_full, errors,
	     "alloc does not say ENOSPC while an id is free",
	     "the count and the map change together, under the lock",
	     op == IDALLOC_ALLOC && was->used < was->limit,
	     ret != -ENOSPC)
KP_INVARIANT(free_releases, ownership,
	     "a free that succeeds gives back exactly one id, reusable at once",
	     "the bit is cleared under the lock that found it set",
	     op == IDALLOC_FREE && ret == 0,
	     now->used == was->used - 1 &&
	     now->lowest == (arg[0] < was->lowest ? arg[0] : was->lowest))
KP_INVARIANT(free_range, errors,
	     "free of an id beyond the limit is EINVAL, before anything else",
	     "compared with the constant limit before the lock is taken",
	     op == IDALLOC_FREE && arg[0] >= was->limit,
	     ret == -EINVAL && now->used == was->used)
KP_INVARIANT(free_twice, ownership,
	     "free of an id that is not in use is ENOENT and changes nothing",
	     "the bit is tested before it is cleared, under one lock",
	     op == IDALLOC_FREE && arg[0] < was->limit && ret < 0,
	     ret == -ENOENT && now->used == was->used &&
	     now->lowest == was->lowest)
KP_INVARIANT(used_pure, compatibility,
	     "asking whether an id is in use changes nothing",
	     "used only reads",
	     op == IDALLOC_USED,
	     now->used == was->used && now->lowest == was->lowest &&
	     now->room == was->room)
KP_INVARIANT(used_range, errors,
	     "used answers 0 or 1 below the limit and EINVAL beyond it",
	     "compared with the constant limit before the lock is taken",
	     op == IDALLOC_USED,
	     arg[0] < was->limit ? ret == 0 || ret == 1 : ret == -EINVAL)
KP_INVARIANT(no_shrink, lifetime,
	     "storage never shrinks",
	     "the map is replaced by a larger one or not at all",
	     true,
	     now->room >= was->room)
KP_PROMISE(unique, concurrency,
	   "threads that allocate and free at the same time never hold the same id",
	   "one spinlock around each operation")
KP_PROMISE(never_sleeps, context,
	   "no operation sleeps",
	   "spinlock and GFP_ATOMIC alone after create")
KP_PROMISE(layout, layout,
	   "both languages see the same view of an allocator",
	   "one definition, in this header, which bindgen reads")
#endif
