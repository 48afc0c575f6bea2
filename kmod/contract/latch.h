/* SPDX-License-Identifier: GPL-2.0 */
/*
 * latch: a count of samples and their sum, which a hard interrupt may read.
 *
 * Both are kept twice. A writer sends readers to the one copy while it changes
 * the other one, so a reader that has stopped a writer half way neither waits for
 * it nor sees what it has not finished: the pattern of seqcount_latch_t, see
 * write_seqcount_latch_begin() in linux/seqlock.h.
 *
 * Writers exclude each other by a spinlock that leaves interrupts enabled. With
 * interrupts disabled no reader of that CPU but an NMI would find a writer half
 * way, and one copy would do.
 */
#ifndef _KPARITY_LATCH_H
#define _KPARITY_LATCH_H

#include "contract/kparity.h"

/** struct latch - a counter; each implementation has its own definition */
struct latch;

/**
 * struct latch_view - the state of a counter that both languages must agree on
 * @count: samples added
 * @sum: their sum
 */
struct latch_view {
	u64 count;
	u64 sum;
};

/**
 * latch_create() - make a counter that no sample has been added to
 *
 * Return: the counter, owned by the caller, who gives it to latch_destroy();
 *         ERR_PTR(-ENOMEM)
 */
struct latch *latch_create(void);

#if IS_ENABLED(CONFIG_KUNIT)
/**
 * latch_create_at() - make a counter whose sequence is about to wrap, for tests
 * @at: how many samples of 0 count as added already
 *
 * Return: as for latch_create()
 */
struct latch *latch_create_at(u32 at);
#endif

/**
 * latch_destroy() - release a counter
 * @latch: the counter; no one may use it any more
 */
void latch_destroy(struct latch *latch);

/**
 * latch_add() - add a sample
 * @latch: the counter
 * @value: added to the sum, which is modulo 2^64
 *
 * Context: process, not below an interrupt or a softirq: these could find the lock
 *          taken by what they have stopped.
 */
void latch_add(struct latch *latch, u32 value);

/**
 * latch_read() - read count and sum of one moment
 * @latch: the counter
 * @count: receives the count
 * @sum: receives the sum
 *
 * It reads again if writers on another CPU have meanwhile come back to the copy
 * that it was reading, and waits for none.
 */
void latch_read(struct latch *latch, u64 *count, u64 *sum);

/**
 * latch_view() - describe the state
 * @latch: the counter
 * @view: receives the state; zeroed
 */
void latch_view(struct latch *latch, struct latch_view *view);

/*
 * The orders name the first word of a copy alone: arm64 has instructions that C takes both
 * words with, and these are recorded as accesses to the first one.
 */
KP_OBJECT(struct latch, struct latch_view, latch_view)
KP_CREATE(latch_create_at, SLEEPS, KP_RESULT(struct latch *, -ENOMEM),
	  KP_NUMBER(u32, at, .wraps = true),
	  .budget = "60 %: memory is allocated by krealloc_node_align(), C's by kmalloc()")
KP_DESTROY(latch_destroy, SLEEPS,
	   .budget = "50 %: memory is freed by krealloc_node_align(), C's by kfree()")
KP_METHOD(latch_add, PROCESS, KP_VOID, KP_NUMBER(u32, value),
	  .weight = 12, .locks = "spinlock", .orders = "release seq, release count",
	  .budget = "10 %, 9 instructions: C adds in memory; an atomic is loaded and stored")
KP_METHOD(latch_read, ANY, KP_VOID, KP_OUTPUT(u64, count), KP_OUTPUT(u64, sum),
	  .orders = "acquire seq, acquire count")

KP_TYPE(struct latch_view, count, sum)

KP_INVARIANT(add_counts, ownership,
	     "an add counts one sample more and adds its value to the sum",
	     "both copies are changed under one spinlock",
	     op == LATCH_ADD,
	     now->count == was->count + 1 && now->sum == was->sum + arg[0])
KP_INVARIANT(read_pure, compatibility,
	     "a read gives the count and changes nothing",
	     "read stores to its outputs alone",
	     op == LATCH_READ,
	     out == now->count && now->count == was->count && now->sum == was->sum)
KP_INVARIANT(monotonic, lifetime,
	     "the count never goes back, and nor does what a reader sees of it",
	     "a copy is changed before readers are sent to it, and the sequence only goes on",
	     true,
	     now->count >= was->count)
KP_PROMISE(no_torn, concurrency,
	   "count and sum of a read are of one moment, whoever writes meanwhile",
	   "the sequence is looked at before and behind, and names the copy that is not written")
KP_PROMISE(never_sleeps, context,
	   "add does not sleep, and read waits for nobody",
	   "add takes a spinlock, read none")
KP_PROMISE(layout, layout,
	   "both languages see the same view of a counter",
	   "one definition, in this header, which bindgen reads")

/* What make coverage finds no program for, and why. */
KP_UNREACHED("latch.c: latch_create(): {",
	     "latch.c: latch_create(): }",
	     "programs use latch_create_at(), into which it is inlined")
KP_UNREACHED("latch.rs: fn new(count: u64) -> Self {",
	     "latch.rs: new(): }",
	     "it is inlined where it is called; nothing calls the copy that the compiler keeps")
KP_ONE_WAY("latch.c: } while (read_seqcount_latch_retry(&latch->seq, seq));",
	   "latch.rs: if self.seq.load(Relaxed) == seq {",
	   "only if a writer comes between, as at each instruction in lane irq", .chance = true)

#endif
