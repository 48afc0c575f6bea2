// SPDX-License-Identifier: GPL-2.0
/*
 * What the allocator has in stock, brought to a state that does not depend on what ran before.
 *
 * SLUB hands objects out of a CPU's sheaf and takes them back into it. An allocation that finds it
 * empty, and the end of an object that finds it full, costs several hundred instructions more.
 * Where that comes is a matter of all that was allocated before, on this path and on others, and
 * comes at the same call each time: the least of several runs does not show what the call costs
 * without. So the stocks of all sizes are emptied, which leaves nothing in sheaves, filled by an
 * allocation, and then so much is taken out of each.
 */
#include <linux/slab.h>
#include "engine.h"

/* The stocks that memory for the kernel's own use comes from. */
static bool is_usual(u32 type)
{
	return type == KMALLOC_NORMAL || (type != KMALLOC_RECLAIM && type != KMALLOC_DMA);
}

/* The stock of a type and size; NULL for none, or where another size has it. */
static struct kmem_cache *stock_of(u32 type, u32 size)
{
	struct kmem_cache *cache = kmalloc_caches[type][size];
	u32 i;

	for (i = 0; i < size; i++)
		if (kmalloc_caches[type][i] == cache)
			return NULL;
	return cache;
}

/* What a sheaf holds; as calculate_sheaf_capacity() in mm/slub.c, rounded up as there. */
static u32 capacity_of(struct kmem_cache *cache)
{
	u32 size = kmem_cache_size(cache);

	return size >= PAGE_SIZE ? 4 : size >= 1024 ? 12 : size >= 256 ? 28 : 60;
}

/* What is taken is a list, each of its objects leads to the next one. */
static void take(struct kmem_cache *cache, u32 nr, void **taken)
{
	while (nr--) {
		void **object = kmem_cache_alloc(cache, GFP_KERNEL);

		if (!object)
			return;
		*object = *taken;
		*taken = object;
	}
}

/**
 * kp_stocks_empty() - leave the allocator nothing in stock, of any size
 *
 * Context: may sleep.
 */
void kp_stocks_empty(void)
{
	struct kmem_cache *cache;
	u32 type, size;

	for (type = 0; type < ARRAY_SIZE(kmalloc_caches); type++) {
		for (size = 0; is_usual(type) && size < ARRAY_SIZE(kmalloc_caches[0]); size++) {
			cache = stock_of(type, size);
			if (cache)
				kmem_cache_shrink(cache);
		}
	}
}

/**
 * kp_stocks_set() - have the allocator's stocks in a state that only @third decides
 * @third: 0 to 2: of each size a sixth, a half or five sixths of a sheaf are taken out
 * @taken: receives what was taken, for kp_stocks_release(); without any it is NULL
 *
 * Of three runs, each with a state of its own, at least one then has a third of a sheaf in stock
 * and room for a third. An empty sheaf besides takes what the first has no room for.
 *
 * Context: may sleep.
 */
void kp_stocks_set(u32 third, void **taken)
{
	struct kmem_cache *cache;
	u32 type, size;

	kp_stocks_release(taken);
	kp_stocks_empty();
	for (type = 0; type < ARRAY_SIZE(kmalloc_caches); type++) {
		for (size = 0; is_usual(type) && size < ARRAY_SIZE(kmalloc_caches[0]); size++) {
			cache = stock_of(type, size);
			if (cache)
				take(cache, max(1U, (2 * third + 1) * capacity_of(cache) / 6),
				     taken);
		}
	}
}

/**
 * kp_stocks_release() - give back what was taken out of the allocator's stocks
 * @taken: what kp_stocks_set() has left there; NULL then
 */
void kp_stocks_release(void **taken)
{
	void **object, **next;

	for (object = *taken; object; object = next) {
		next = *object;
		kfree(object);
	}
	*taken = NULL;
}
