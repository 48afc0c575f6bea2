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
 * idalloc_create() - make an allocator, no id of which is in use
 * @limit: how many ids it has, 1 to %IDALLOC_MAX
 *
 * Return: the allocator, owned by the caller, who gives it to idalloc_destroy();
 *         ERR_PTR(-EINVAL) for any other limit, before memory is touched;
 *         ERR_PTR(-ENOMEM)
 */
struct idalloc *idalloc_create(u32 limit);

/**
 * idalloc_destroy() - release an allocator, ids still in use or not
 * @ida: the allocator; no one may use it any more
 */
void idalloc_destroy(struct idalloc *ida);

/**
 * idalloc_alloc() - take the lowest free id
 * @ida: the allocator
 *
 * Return: the id; -ENOSPC when all are in use; -ENOMEM when storage must grow
 *         and cannot
 */
int idalloc_alloc(struct idalloc *ida);

/**
 * idalloc_free() - give an id back
 * @ida: the allocator
 * @id: the id
 *
 * Return: 0; -EINVAL for an id that is not below the limit, first; -ENOENT for
 *         one not in use
 */
int idalloc_free(struct idalloc *ida, u32 id);

/**
 * idalloc_used() - ask whether an id is in use
 * @ida: the allocator
 * @id: the id
 *
 * Return: 1 or 0; -EINVAL for an id that is not below the limit
 */
int idalloc_used(struct idalloc *ida, u32 id);

/**
 * idalloc_view() - describe the state
 * @ida: the allocator
 * @view: receives the state; zeroed
 */
void idalloc_view(struct idalloc *ida, struct idalloc_view *view);

/*
 * Most limits are those that a program can fill, and most ids are from the range that
 * it fills, so that most frees hit; some are beyond every limit.
 */
KP_OBJECT(struct idalloc, struct idalloc_view, idalloc_view)
KP_CREATE(idalloc_create, SLEEPS, KP_RESULT(struct idalloc *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, limit, .lo = 1, .hi = IDALLOC_MAX, .to = 150, .beyond = true),
	  .budget = "65 %: krealloc_node_align() allocates, and zeroes a KVec of 4 words; C has 1")
KP_DESTROY(idalloc_destroy, SLEEPS,
	   .budget = "40 %: memory is freed by krealloc_node_align(), C's by kfree()")
KP_METHOD(idalloc_alloc, ATOMIC, KP_RESULT(u32, -ENOSPC, -ENOMEM),
	  .weight = 16, .locks = "spinlock irq-off",
	  .budget = "10 %, 35 instructions: SpinLockIrq counts who has disabled interrupts",
	  .owns = "the caller owns the id until free", .on_error = "no id is taken")
KP_METHOD(idalloc_free, ATOMIC, KP_ERRNO(-EINVAL, -ENOENT),
	  KP_NUMBER(u32, id, .hi = IDALLOC_MAX, .to = 160, .beyond = true),
	  .weight = 10, .locks = "spinlock irq-off",
	  .budget = "10 %, 24 instructions: SpinLockIrq counts; -= looks for an overflow",
	  .owns = "the id goes back to the allocator", .on_error = "the id stays as it was")
KP_METHOD(idalloc_used, ATOMIC, KP_RESULT(bool, -EINVAL),
	  KP_NUMBER(u32, id, .hi = IDALLOC_MAX, .to = 160, .beyond = true),
	  .weight = 6, .locks = "spinlock irq-off", .owns = "nothing",
	  .budget = "10 %, 27 instructions: SpinLockIrq counts; a Result<bool> is one word")

KP_HOLDS(ids, now->used)
KP_TYPE(struct idalloc_view, limit, used, lowest, room)

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

/* What make coverage finds no program for, and why. */
KP_UNREACHED("idalloc.rs: used(): }",
	     "idalloc.rs: fn create(limit: u32) -> Result<impl PinInit<Self>> {",
	     "idalloc.rs: create(): return Err(EINVAL);",
	     "it is inlined where it is called; nothing calls the copy that the compiler keeps")
KP_UNREACHED("idalloc.rs: create(): }",
	     "nothing calls that copy, and here no other code is of the line", .arch = arm64)
KP_ONE_WAY("idalloc.rs: let in_word = self.words.get(full).map_or(0, |w| w.trailing_ones());",
	   "idalloc.rs: let bit = word.trailing_ones();",
	   "x86 looks for 0 first; a word that is not full has a bit to find", .arch = x86_64)
KP_ONE_WAY("idalloc.rs: let (word, bit) = self.word(id).ok_or(EINVAL)?;",
	   "the storage has become twice as large, so that the id is in it")

#endif
