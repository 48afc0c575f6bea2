/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ring: a bounded queue of u64 between one producer and one consumer.
 *
 * The producer may push while the consumer pops, without a lock. Each side
 * owns one index; it publishes its own with release and reads the other one
 * with acquire, so that a slot's content is visible before the index that
 * hands it over.
 */
#ifndef _KPARITY_RING_H
#define _KPARITY_RING_H

#include "contract/kparity.h"

/** define RING_MAX_CAPACITY - the largest ring, in elements */
#define RING_MAX_CAPACITY	1024

/** struct ring - a ring; each implementation has its own definition */
struct ring;

/**
 * struct ring_view - the state of a ring that both languages must agree on
 * @capacity: number of elements it holds when full
 * @pushed: elements pushed since creation, and before the first one, modulo 2^32
 * @popped: elements popped, likewise
 * @reserved: 0
 * @front: the oldest element; 0 when empty
 */
struct ring_view {
	u32 capacity;
	u32 pushed;
	u32 popped;
	u32 reserved;
	u64 front;
};

/**
 * ring_create() - make an empty ring
 * @capacity: how many elements it holds, a power of two up to %RING_MAX_CAPACITY
 *
 * Context: process, may sleep.
 * Return: the ring, owned by the caller, who gives it to ring_destroy();
 *         ERR_PTR(-EINVAL) for any other capacity, before memory is touched;
 *         ERR_PTR(-ENOMEM)
 */
struct ring *ring_create(u32 capacity);

#if IS_ENABLED(CONFIG_KUNIT)
/**
 * ring_create_at() - make an empty ring whose indices are about to wrap, for tests
 * @capacity: as for ring_create()
 * @at: how many elements count as pushed and popped already
 *
 * Context: process, may sleep.
 * Return: as for ring_create()
 */
struct ring *ring_create_at(u32 capacity, u32 at);
#endif

/**
 * ring_destroy() - release a ring
 * @ring: the ring; no one may use it any more
 *
 * Context: process, may sleep.
 */
void ring_destroy(struct ring *ring);

/**
 * ring_push() - append a value
 * @ring: the ring; one producer at a time
 * @value: the value
 *
 * Return: 0; -ENOSPC when full, and then nothing has changed
 */
int ring_push(struct ring *ring, u64 value);

/**
 * ring_pop() - take the oldest element out
 * @ring: the ring; one consumer at a time
 * @value: receives the element
 *
 * Return: 0; -ENODATA when empty, and then @value is untouched
 */
int ring_pop(struct ring *ring, u64 *value);

/**
 * ring_peek() - copy the oldest element and leave it where it is
 * @ring: the ring; the consumer's
 * @value: receives the element
 *
 * Return: 0; -ENODATA when empty, and then @value is untouched
 */
int ring_peek(struct ring *ring, u64 *value);

/**
 * ring_len() - count the elements
 * @ring: the ring
 *
 * Return: their number; exact for producer and consumer when the other is idle,
 *         else a snapshot
 */
u32 ring_len(struct ring *ring);

/**
 * ring_view() - describe the state
 * @ring: the ring; neither side may be active
 * @view: receives the state; zeroed
 */
void ring_view(struct ring *ring, struct ring_view *view);

KP_OBJECT(struct ring, struct ring_view, ring_view)
KP_CREATE(ring_create_at, SLEEPS, KP_RESULT(struct ring *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, capacity, .lo = 1, .hi = RING_MAX_CAPACITY, .log2 = true,
		    .beyond = true),
	  KP_NUMBER(u32, at, .wraps = true))
KP_DESTROY(ring_destroy, SLEEPS)
KP_METHOD(ring_push, ANY, KP_ERRNO(-ENOSPC), KP_NUMBER(u64, value),
	  .role = producer, .weight = 12, .orders = "acquire head, release tail",
	  .budget = "10 %, 10 instructions: a Rust caller has an Arc, and makes a Result of an int",
	  .owns = "the value is copied", .on_error = "the ring is as it was")
KP_METHOD(ring_pop, ANY, KP_ERRNO(-ENODATA), KP_OUTPUT(u64, value),
	  .role = consumer, .weight = 10, .orders = "acquire tail, release head",
	  .budget = "10 %, 6 instructions: a Rust caller makes a Result of int and output",
	  .owns = "the value is copied out and gone from the ring",
	  .on_error = "ring and output are as they were")
KP_METHOD(ring_peek, ANY, KP_ERRNO(-ENODATA), KP_OUTPUT(u64, value),
	  .role = consumer, .weight = 4, .orders = "acquire tail",
	  .budget = "10 %, 6 instructions: a Rust caller makes a Result of int and output",
	  .owns = "the value is copied out and stays in the ring",
	  .on_error = "ring and output are as they were")
KP_METHOD(ring_len, ANY, KP_UNSIGNED(u32), .role = consumer, .weight = 4,
	  .budget = "10 %: a Rust caller goes through its end's Arc, which is 2 instructions",
	  .orders = "acquire head, acquire tail")

KP_HOLDS(elements, now->pushed - now->popped)
KP_TYPE(struct ring_view, capacity, pushed, popped, reserved, front)

KP_INVARIANT(bounded, concurrency,
	     "a ring never holds more than its capacity",
	     "push looks at the acquired head before it touches a slot",
	     true,
	     now->pushed - now->popped <= now->capacity)
KP_INVARIANT(capacity_fixed, lifetime,
	     "the capacity is the one it was created with",
	     "mask is written by create alone",
	     true,
	     now->capacity == was->capacity)
KP_INVARIANT(push_appends, ownership,
	     "a push that succeeds adds exactly one element",
	     "tail is stored once, as the last thing that push does",
	     op == RING_PUSH && ret == 0,
	     now->pushed == was->pushed + 1 && now->popped == was->popped)
KP_INVARIANT(push_full, errors,
	     "a push into a full ring fails with ENOSPC and changes nothing",
	     "the length is compared with the mask before any store",
	     op == RING_PUSH && was->pushed - was->popped == was->capacity,
	     ret == -ENOSPC && now->pushed == was->pushed)
KP_INVARIANT(push_not_full, errors,
	     "a push into a ring that is not full succeeds",
	     "there is no other way out of push",
	     op == RING_PUSH && was->pushed - was->popped < was->capacity,
	     ret == 0)
KP_INVARIANT(pop_oldest, concurrency,
	     "a pop gives the oldest element and takes exactly one out",
	     "head is released after the slot has been read",
	     op == RING_POP && was->pushed != was->popped,
	     ret == 0 && out == was->front && now->popped == was->popped + 1 &&
	     now->pushed == was->pushed)
KP_INVARIANT(empty_untouched, errors,
	     "pop and peek on an empty ring fail with ENODATA and leave the output alone",
	     "the output is written after ring_front() has found an element",
	     (op == RING_POP || op == RING_PEEK) && was->pushed == was->popped,
	     ret == -ENODATA && out == KP_POISON && now->popped == was->popped)
KP_INVARIANT(peek_pure, ownership,
	     "a peek gives the oldest element and changes nothing",
	     "peek stores to the output alone",
	     op == RING_PEEK && was->pushed != was->popped,
	     ret == 0 && out == was->front && now->pushed == was->pushed &&
	     now->popped == was->popped && now->front == was->front)
KP_INVARIANT(len_counts, compatibility,
	     "len is the number of elements pushed and not yet popped",
	     "the difference of the indices, taken modulo 2^32",
	     op == RING_LEN,
	     ret == (s64)(now->pushed - now->popped))
KP_PROMISE(spsc, concurrency,
	   "a producer and a consumer on two CPUs lose, repeat and reorder nothing",
	   "each index has one writer; release and acquire pair as noted at each")
KP_PROMISE(two_ends, ownership,
	   "there is one producer and one consumer, and each can be handed to a thread",
	   "the caller's duty, stated at push, pop and peek")
KP_PROMISE(never_sleeps, context,
	   "no operation sleeps, so that interrupts may use a ring",
	   "no lock and no allocation after create")
KP_PROMISE(layout, layout,
	   "both languages see the same view of a ring",
	   "one definition, in this header, which bindgen reads")

/* What make coverage finds no program for, and why. */
KP_UNREACHED("ring.c: ring_create(): {",
	     "ring.c: ring_create(): }",
	     "programs use ring_create_at(), into which it is inlined")
KP_UNREACHED("ring.rs: mask: capacity - 1,",
	     "a panic, for a capacity of 0, which is no power of two", .arch = arm64)
KP_ONE_WAY("ring.c: if (!front)",
	   "behind ring_front(), which is inlined: the address of a slot is looked at again")
KP_ONE_WAY("ring.rs: self.slots.get((index & self.mask) as usize)",
	   "the mask rules out an index that is too large")
KP_ONE_WAY("ring.rs: slots.push(Atomic::new(0), GFP_KERNEL)?;",
	   "with_capacity() has made the room")
KP_ONE_WAY("ring.rs: Ok((Producer(queue.clone()), Consumer(queue)))",
	   "refcount_inc() looks for 0 and for a saturated count; its caller holds a reference")

#endif
