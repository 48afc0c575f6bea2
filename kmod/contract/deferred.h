/* SPDX-License-Identifier: GPL-2.0 */
/*
 * deferred: a callback that runs later, and can be taken back.
 *
 * Arming puts the callback on a workqueue after a delay. The queue then holds a
 * reference on the object, so that its owner may let go of it while it is
 * armed. A callback may re-arm itself a number of times. All operations may run
 * at the same time from several CPUs.
 */
#ifndef _KPARITY_DEFERRED_H
#define _KPARITY_DEFERRED_H

#include "contract/kparity.h"

/** define DEFERRED_MAX_REPEATS - how often a callback can re-arm itself */
#define DEFERRED_MAX_REPEATS	15

/** define DEFERRED_MAX_DELAY - the longest delay, in milliseconds: a day */
#define DEFERRED_MAX_DELAY	86400000

/** struct deferred - an object; each implementation has its own definition */
struct deferred;

/** typedef deferred_fn - what a user hands over together with its data */
typedef void (*deferred_fn)(void *data);

/**
 * struct deferred_view - the state that both languages must agree on
 * @armed: 1 while the callback is queued, 0 when not
 * @left: how often it will re-arm itself; 0 when not armed
 * @arms: times it has been armed, by itself or others, modulo 2^32
 * @runs: times it has run, modulo 2^32
 * @cancelled: times it has been taken back, modulo 2^32
 * @bad_context: runs that were not in a worker's process context
 * @delay: the delay that it was armed with, in jiffies; 0 when not armed
 */
struct deferred_view {
	u32 armed;
	u32 left;
	u32 arms;
	u32 runs;
	u32 cancelled;
	u32 bad_context;
	u64 delay;
};

/**
 * struct deferred_ops - the interface, once for each implementation
 *
 * @create: Make an object, not armed, whose callback calls @fn with @data. The
 *	caller owns the object and gives it to @destroy or @detach. @data
 *	belongs to the object from now on: @release is called for it once,
 *	after the last run; on error before create returns. Both functions may
 *	be called from any task. @fn runs in process context and may sleep; it
 *	never runs twice at the same time. It may call any operation but
 *	@destroy, @cancel_sync and @flush, which wait for it.
 *	Return: the object; ERR_PTR(-ENOMEM).
 *	Context: process, may sleep.
 *
 * @destroy: Take back what is armed, wait for a callback that runs, and give
 *	the object back. @release has been called when destroy returns.
 *	Context: process, may sleep.
 *
 * @detach: Give the object back as it is. What is armed still runs and, if it
 *	shall, re-arms itself; @release is called when no more runs follow,
 *	by the last one or, when not armed, before detach returns.
 *	Context: process, as @release may need.
 *
 * @arm: Run the callback in @delay_ms milliseconds or a little later, with 0
 *	as soon as possible, and let it re-arm itself @repeats times with the
 *	same delay. The queue takes a reference on the object.
 *	Return: 0; -EINVAL for @repeats or @delay_ms beyond the greatest, first;
 *	-EBUSY while armed, or while someone cancels. On error nothing has
 *	changed.
 *	Context: process, does not sleep. Takes the inner lock.
 *
 * @cancel: Take back what is armed and stop repeating, without waiting for a
 *	callback that runs.
 *	Return: true if it was armed, and then it does not run.
 *	Context: process, does not sleep. Takes the inner lock.
 *
 * @cancel_sync: As @cancel, and wait for a callback that runs. It does not
 *	run afterwards unless armed anew.
 *	Return: true if it was armed, and then it does not run.
 *	Context: process, may sleep. Takes the inner lock.
 *
 * @flush: Run what is armed now instead of later, and wait for it. A callback
 *	that re-arms itself is armed again afterwards, with its whole delay.
 *	Context: process, may sleep. Takes no lock of this object.
 *
 * @armed: Ask whether the callback is queued.
 *	Context: any, does not sleep, takes no lock.
 *
 * @runs: How often the callback has run, modulo 2^32, the one that runs
 *	included.
 *	Context: any, does not sleep, takes no lock.
 *
 * @view: Describe the state; @view is zeroed. No callback may be running.
 *	Context: as @arm.
 */
struct deferred_ops {
	struct deferred *(*create)(deferred_fn fn, deferred_fn release,
				   void *data);
	void (*destroy)(struct deferred *d);
	void (*detach)(struct deferred *d);
	int (*arm)(struct deferred *d, u32 repeats, u32 delay_ms);
	bool (*cancel)(struct deferred *d);
	bool (*cancel_sync)(struct deferred *d);
	void (*flush)(struct deferred *d);
	bool (*armed)(struct deferred *d);
	u32 (*runs)(struct deferred *d);
	void (*view)(struct deferred *d, struct deferred_view *view);
};

/**
 * deferred_in_worker() - whether a callback is where the contract promises
 *
 * A shim for Rust, whose kernel crate cannot ask: the conditions are macros
 * in C.
 *
 * Context: any.
 * Return: true in process context, on a worker of a workqueue, where the
 *         caller may sleep
 */
bool deferred_in_worker(void);

/*
 * What the callbacks of the suite report, in either language. Each object has
 * a probe, by number; the suite keeps what it saw.
 */
#define DEFERRED_PROBES		6	/* how many there are */
#define DEFERRED_DETACHED	4	/* the probe of objects that are detached */

/** deferred_saw_run() - the callback of @probe runs; it may sleep here */
void deferred_saw_run(u32 probe);

/** deferred_saw_release() - the data of @probe has been released */
void deferred_saw_release(u32 probe);

/**
 * deferred_wait_release() - wait until the data of a probe is released
 * @probe: the probe; it is as new afterwards
 *
 * Context: may sleep.
 * Return: runs seen before the release; -EPROTO if there were more releases
 *         than one, or a run after it; -ETIMEDOUT
 */
int deferred_wait_release(u32 probe);

/* The operations, in the order of both languages' tables. */
enum deferred_op {
	DEFERRED_NOOP, DEFERRED_ARM, DEFERRED_CANCEL, DEFERRED_CANCEL_SYNC,
	DEFERRED_FLUSH, DEFERRED_ARMED, DEFERRED_RUNS, DEFERRED_DETACH,
};

extern const struct deferred_ops deferred_c;
extern const struct deferred_ops deferred_rust;

extern const struct kp_driver deferred_rust_over_c;
extern const struct kp_driver deferred_rust_over_rust;

#endif

#ifdef KP_RECORDS
KP_OPERATION(noop, ANY, "none", KP_NO_ERRNOS, "nothing", "cannot fail")
KP_OPERATION(arm, ATOMIC, "takes the inner spinlock",
	     KP_ERRNOS(-EINVAL, -EBUSY),
	     "the queue takes a reference on the object",
	     "the object is as it was")
KP_OPERATION(cancel, ATOMIC, "takes the inner spinlock", KP_NO_ERRNOS,
	     "the queue's reference is dropped if it was armed", "cannot fail")
KP_OPERATION(cancel_sync, SLEEPS, "takes the inner spinlock", KP_NO_ERRNOS,
	     "the queue's reference is dropped if it was armed", "cannot fail")
KP_OPERATION(flush, SLEEPS, "none", KP_NO_ERRNOS,
	     "the callback drops the queue's reference", "cannot fail")
KP_OPERATION(armed, ANY, "none", KP_NO_ERRNOS, "nothing", "cannot fail")
KP_OPERATION(runs, ANY, "none", KP_NO_ERRNOS, "nothing", "cannot fail")
KP_OPERATION(detach, SLEEPS, "takes the inner spinlock of another object",
	     KP_ERRNOS(-ENOMEM),
	     "makes another object, arms it and detaches it; its runs until the release are the result",
	     "the data has been released")

KP_TYPE(struct deferred_view)
KP_MEMBER(struct deferred_view, armed)
KP_MEMBER(struct deferred_view, left)
KP_MEMBER(struct deferred_view, arms)
KP_MEMBER(struct deferred_view, runs)
KP_MEMBER(struct deferred_view, cancelled)
KP_MEMBER(struct deferred_view, bad_context)
KP_MEMBER(struct deferred_view, delay)

KP_INVARIANT(one_end, concurrency,
	     "every arm ends in one run or in one cancel that says so, never in both",
	     "the pending bit of the work has one taker: the worker or a cancel",
	     true,
	     now->arms == now->runs + now->cancelled + now->armed)
KP_INVARIANT(arm_idle, ownership,
	     "arm succeeds when idle: armed once, with these repeats and this delay",
	     "left and delay are written under the lock that the callback's re-arm takes",
	     op == DEFERRED_ARM && !was->armed &&
	     arg[0] <= DEFERRED_MAX_REPEATS && arg[1] <= DEFERRED_MAX_DELAY,
	     ret == 0 && now->armed == 1 && now->arms == was->arms + 1 &&
	     now->left == arg[0] && now->delay == msecs_to_jiffies(arg[1]))
KP_INVARIANT(arm_busy, errors,
	     "arm fails with EBUSY while armed and changes nothing",
	     "left and delay are written after queue_delayed_work() has said yes",
	     op == DEFERRED_ARM && was->armed &&
	     arg[0] <= DEFERRED_MAX_REPEATS && arg[1] <= DEFERRED_MAX_DELAY,
	     ret == -EBUSY && now->armed == 1 && now->arms == was->arms &&
	     now->left == was->left && now->delay == was->delay)
KP_INVARIANT(arm_range, errors,
	     "arm fails with EINVAL for too many repeats or too long a delay, before anything else",
	     "both are compared with constants before the lock is taken",
	     op == DEFERRED_ARM && (arg[0] > DEFERRED_MAX_REPEATS ||
				    arg[1] > DEFERRED_MAX_DELAY),
	     ret == -EINVAL && now->armed == was->armed &&
	     now->arms == was->arms && now->left == was->left &&
	     now->delay == was->delay)
KP_INVARIANT(cancel_takes, ownership,
	     "a cancel says whether it was armed, takes exactly that back and stops repeating",
	     "one cancel alone gets true for an arm, and drops its reference",
	     op == DEFERRED_CANCEL || op == DEFERRED_CANCEL_SYNC,
	     ret == was->armed && !now->armed && now->runs == was->runs &&
	     now->cancelled == was->cancelled + ret)
KP_INVARIANT(flush_runs, concurrency,
	     "when flush returns, what was armed has run exactly once",
	     "flush_delayed_work() queues at once and waits",
	     op == DEFERRED_FLUSH && was->armed,
	     now->runs == was->runs + 1 && now->cancelled == was->cancelled)
KP_INVARIANT(rearm, lifetime,
	     "a callback with repeats left re-arms itself with the same delay; the last one does not",
	     "left is counted down under the lock, when the work was queued",
	     op == DEFERRED_FLUSH && was->armed,
	     was->left ? now->armed && now->left == was->left - 1 &&
			 now->delay == was->delay && now->arms == was->arms + 1 :
			 !now->armed && now->arms == was->arms)
KP_INVARIANT(flush_idle, compatibility,
	     "flush does nothing when not armed",
	     "flush_delayed_work() finds neither timer nor work",
	     op == DEFERRED_FLUSH && !was->armed,
	     !now->armed && now->runs == was->runs && now->arms == was->arms)
KP_INVARIANT(not_early, compatibility,
	     "nothing but flush runs a callback before its delay is over",
	     "the timer alone queues the work",
	     op != DEFERRED_FLUSH,
	     now->runs == was->runs)
KP_INVARIANT(in_process, context,
	     "the callback runs in process context on a worker, where it may sleep",
	     "system_percpu_wq; the callback itself looks with deferred_in_worker()",
	     op == DEFERRED_FLUSH && was->armed,
	     !now->bad_context)
KP_INVARIANT(asks_pure, compatibility,
	     "armed and runs tell the truth and change nothing",
	     "both read one word",
	     op == DEFERRED_ARMED || op == DEFERRED_RUNS,
	     ret == (op == DEFERRED_ARMED ? now->armed : now->runs) &&
	     now->armed == was->armed && now->arms == was->arms &&
	     now->left == was->left && now->cancelled == was->cancelled)
KP_INVARIANT(queue_holds, lifetime,
	     "an object that is let go while armed lives until its last run and is then released once",
	     "a reference for the queue is taken before the work is queued",
	     op == DEFERRED_DETACH && ret != -ENOMEM,
	     ret == (s64)arg[0] + 1)
KP_PROMISE(destroy_final, lifetime,
	   "when destroy returns the data has been released once and nothing runs any more",
	   "destroy cancels synchronously and drops the last reference")
KP_PROMISE(cancel_final, concurrency,
	   "nothing runs after cancel_sync has returned, whatever was armed or running",
	   "cancel_delayed_work_sync() disables the work and waits")
KP_PROMISE(not_twice, concurrency,
	   "the callback never runs twice at the same time",
	   "a work item is not re-entrant: its workqueue sees to that")
KP_PROMISE(from_any_task, ownership,
	   "the data belongs to the object, and is used and released on any task",
	   "the caller's duty, stated at create")
KP_PROMISE(arm_never_sleeps, context,
	   "arm, cancel, armed and runs do not sleep",
	   "a spinlock, and the workqueue's own raw ones")
KP_PROMISE(layout, layout,
	   "both languages see the same view of an object",
	   "one definition, in this header, which bindgen reads")
#endif
