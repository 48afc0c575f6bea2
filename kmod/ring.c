// SPDX-License-Identifier: GPL-2.0
/*
 * ring in C. See contract/ring.h.
 */
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include "contract/ring.h"

/**
 * struct ring - the C definition
 * @mask: capacity - 1
 * @head: elements popped; written by the consumer alone
 * @tail: elements pushed; written by the producer alone
 * @slot: element i lives in slot i & @mask
 *
 * The indices run on and wrap with u32; their difference is the length.
 */
struct ring {
	u32 mask;
	u32 head;
	u32 tail;
	u64 slot[];
};

struct ring *ring_create(u32 capacity)
{
	struct ring *ring;

	if (!is_power_of_2(capacity) || capacity > RING_MAX_CAPACITY)
		return ERR_PTR(-EINVAL);
	ring = kzalloc_flex(*ring, slot, capacity);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	ring->mask = capacity - 1;
	return ring;
}

#if IS_ENABLED(CONFIG_KUNIT)
struct ring *ring_create_at(u32 capacity, u32 at)
{
	struct ring *ring = ring_create(capacity);

	/* What ring_create() has made is seen where nothing else is asked for. */
	if (IS_ERR(ring) || !at)
		return ring;
	ring->head = at;
	ring->tail = at;
	return ring;
}
#endif

void ring_destroy(struct ring *ring)
{
	kfree(ring);
}

int ring_push(struct ring *ring, u64 value)
{
	/* Pairs with the release in ring_pop(): the slot has been read. */
	u32 head = smp_load_acquire(&ring->head);
	u32 tail = ring->tail;

	if (tail - head > ring->mask)
		return -ENOSPC;
	ring->slot[tail & ring->mask] = value;
	/* Pairs with the acquire in ring_front(): the slot is filled. */
	smp_store_release(&ring->tail, tail + 1);
	return 0;
}

/* The oldest element, or NULL; for the consumer. */
static const u64 *ring_front(const struct ring *ring)
{
	/* Pairs with the release in ring_push(). */
	u32 tail = smp_load_acquire(&ring->tail);
	u32 head = ring->head;

	return tail == head ? NULL : &ring->slot[head & ring->mask];
}

int ring_pop(struct ring *ring, u64 *value)
{
	const u64 *front = ring_front(ring);

	if (!front)
		return -ENODATA;
	*value = *front;
	/* Pairs with the acquire in ring_push(). */
	smp_store_release(&ring->head, ring->head + 1);
	return 0;
}

int ring_peek(struct ring *ring, u64 *value)
{
	const u64 *front = ring_front(ring);

	if (!front)
		return -ENODATA;
	*value = *front;
	return 0;
}

u32 ring_len(struct ring *ring)
{
	/* Head first: the difference then never exceeds the capacity. */
	u32 head = smp_load_acquire(&ring->head);

	/* Pairs with the release in ring_push(). */
	return smp_load_acquire(&ring->tail) - head;
}

void ring_view(struct ring *ring, struct ring_view *view)
{
	const u64 *front = ring_front(ring);

	view->capacity = ring->mask + 1;
	view->pushed = ring->tail;
	view->popped = ring->head;
	view->front = front ? *front : 0;
}
