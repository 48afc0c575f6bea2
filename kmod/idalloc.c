// SPDX-License-Identifier: GPL-2.0
/*
 * idalloc in C. See contract/idalloc.h.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "contract/idalloc.h"

/**
 * struct idalloc - the C definition
 * @lock: taken by every operation, for a short time
 * @limit: ids run from 0 to @limit - 1; constant
 * @used: number of bits set in @map
 * @room: number of bits in @map, a multiple of BITS_PER_LONG
 * @map: a bit an id, set while it is in use
 */
struct idalloc {
	spinlock_t lock; /* protects all below */
	u32 limit;
	u32 used;
	u32 room;
	unsigned long *map;
};

struct idalloc *idalloc_create(u32 limit)
{
	struct idalloc *ida;

	if (!limit || limit > IDALLOC_MAX)
		return ERR_PTR(-EINVAL);
	ida = kzalloc_obj(*ida);
	if (!ida)
		return ERR_PTR(-ENOMEM);
	ida->map = bitmap_zalloc(BITS_PER_LONG, GFP_KERNEL);
	if (!ida->map) {
		kfree(ida);
		return ERR_PTR(-ENOMEM);
	}
	spin_lock_init(&ida->lock);
	ida->limit = limit;
	ida->room = BITS_PER_LONG;
	return ida;
}

void idalloc_destroy(struct idalloc *ida)
{
	bitmap_free(ida->map);
	kfree(ida);
}

/* Double the storage. The lock is held, so the allocation must not sleep. */
static int idalloc_grow(struct idalloc *ida)
{
	unsigned long *map = bitmap_zalloc(2 * ida->room, GFP_ATOMIC);

	if (!map)
		return -ENOMEM;
	bitmap_copy(map, ida->map, ida->room);
	bitmap_free(ida->map);
	ida->map = map;
	ida->room *= 2;
	return 0;
}

static int idalloc_alloc_locked(struct idalloc *ida)
{
	unsigned long id;
	int err;

	if (ida->used == ida->limit)
		return -ENOSPC;
	id = find_first_zero_bit(ida->map, ida->room);
	if (id == ida->room) {
		err = idalloc_grow(ida);
		if (err)
			return err;
	}
	__set_bit(id, ida->map);
	ida->used++;
	return id;
}

int idalloc_alloc(struct idalloc *ida)
{
	int id;
	unsigned long flags;

	spin_lock_irqsave(&ida->lock, flags);
	id = idalloc_alloc_locked(ida);
	spin_unlock_irqrestore(&ida->lock, flags);
	return id;
}

/* Whether an id below the limit is in use; the lock is held. */
static bool idalloc_test(const struct idalloc *ida, u32 id)
{
	return id < ida->room && test_bit(id, ida->map);
}

int idalloc_free(struct idalloc *ida, u32 id)
{
	int err = -ENOENT;
	unsigned long flags;

	if (id >= ida->limit)
		return -EINVAL;
	spin_lock_irqsave(&ida->lock, flags);
	if (idalloc_test(ida, id)) {
		__clear_bit(id, ida->map);
		ida->used--;
		err = 0;
	}
	spin_unlock_irqrestore(&ida->lock, flags);
	return err;
}

int idalloc_used(struct idalloc *ida, u32 id)
{
	int used;
	unsigned long flags;

	if (id >= ida->limit)
		return -EINVAL;
	spin_lock_irqsave(&ida->lock, flags);
	used = idalloc_test(ida, id);
	spin_unlock_irqrestore(&ida->lock, flags);
	return used;
}

void idalloc_view(struct idalloc *ida, struct idalloc_view *view)
{
	unsigned long flags;

	spin_lock_irqsave(&ida->lock, flags);
	view->limit = ida->limit;
	view->used = ida->used;
	view->lowest = min_t(u32, ida->limit,
			     find_first_zero_bit(ida->map, ida->room));
	view->room = ida->room;
	spin_unlock_irqrestore(&ida->lock, flags);
}
