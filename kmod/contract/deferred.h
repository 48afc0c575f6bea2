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

/** typedef deferred_fn - a user's function, called with the user's data */
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
 * deferred_create() - make an object that is not armed
 * @fn: called with @data by a worker, where it may sleep. May call anything
 *	but deferred_destroy(), deferred_cancel_sync() and deferred_flush(), which
 *	wait for it.
 * @release: called with @data once, after the last run
 * @data: the user's. Both functions must be ready to be called on any task and,
 *	though this object does not do so, @fn on several at the same time.
 *
 * Return: the object, owned by the caller, who gives it to deferred_destroy() or
 *         deferred_detach(); or an ERR_PTR
 */
struct deferred *deferred_create(deferred_fn fn, deferred_fn release,
				 void *data);

/**
 * deferred_destroy() - take back a callback that is armed, and release the object
 * @d: the object; no one may use it any more
 *
 * Waits for a callback that runs. The data has been released on return.
 */
void deferred_destroy(struct deferred *d);

/**
 * deferred_detach() - let go of the object as it is
 * @d: the object; no one may use it any more
 *
 * An armed callback still runs and, if it shall, re-arms itself. The data is released
 * when no more runs follow: by the last one or, when not armed, before return.
 */
void deferred_detach(struct deferred *d);

/**
 * deferred_arm() - run the callback later
 * @d: the object
 * @repeats: how often it re-arms itself then, with the same delay
 * @delay_ms: milliseconds, or a little more; 0 is as soon as possible
 *
 * Return: 0; -EINVAL for @repeats or @delay_ms beyond the greatest; -EBUSY while
 *         armed, or while someone cancels
 */
int deferred_arm(struct deferred *d, u32 repeats, u32 delay_ms);

/**
 * deferred_cancel() - take back a callback that is armed and stop repeating
 * @d: the object
 *
 * Does not wait for a callback that runs.
 *
 * Return: true if it was armed, and then it does not run
 */
bool deferred_cancel(struct deferred *d);

/**
 * deferred_cancel_sync() - take back a callback that is armed, and wait for one that runs
 * @d: the object; afterwards it does not run unless armed anew
 *
 * Return: as for deferred_cancel()
 */
bool deferred_cancel_sync(struct deferred *d);

/**
 * deferred_flush() - run a callback that is armed now instead of later, and wait for it
 * @d: the object; if the callback re-arms itself, with its whole delay, it is armed
 *	again afterwards
 */
void deferred_flush(struct deferred *d);

/**
 * deferred_armed() - ask whether the callback is queued
 * @d: the object
 *
 * Return: whether it is
 */
bool deferred_armed(struct deferred *d);

/**
 * deferred_runs() - count the runs
 * @d: the object
 *
 * Return: how often the callback has run, modulo 2^32, one that runs now included
 */
u32 deferred_runs(struct deferred *d);

/**
 * deferred_view() - describe the state
 * @d: the object; its callback is not running
 * @view: receives the state; zeroed
 *
 * Context: as for deferred_arm().
 */
void deferred_view(struct deferred *d, struct deferred_view *view);

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
 * The data that the suite hands over, in either language, is a probe: a number by
 * which the suite keeps what the callback saw.
 */
#define DEFERRED_PROBES		6	/* how many there are */
#define DEFERRED_DETACHED	4	/* the probe of objects that are detached */

/** deferred_saw_run() - the callback of probe @data runs; it may sleep here */
void deferred_saw_run(void *data);

/** deferred_saw_release() - the data of probe @data has been released */
void deferred_saw_release(void *data);

/**
 * deferred_released_once() - judge what the callback of a program's object saw
 * @param: the program's probe; it is as new afterwards
 *
 * Return: whether its data was released once, and nothing ran then or later
 */
bool deferred_released_once(const u64 *param);

/**
 * deferred_wait_release() - wait until the data of a probe is released
 * @probe: the probe; it is as new afterwards
 *
 * Context: may sleep.
 * Return: runs seen before the release; -EPROTO if there were more releases
 *         than one, or a run after it; -ETIMEDOUT
 */
int deferred_wait_release(u32 probe);

struct deferred_ops;

/**
 * deferred_detach_armed() - make another object, arm it and detach it
 * @ops: the side that is used
 * @repeats: as for deferred_arm(), whose delay is 0
 *
 * Return: how often it ran before its data was released
 */
int deferred_detach_armed(const struct deferred_ops *ops, u32 repeats);

KP_OBJECT(struct deferred, struct deferred_view, deferred_view)
KP_CREATE(deferred_create, SLEEPS, KP_RESULT(struct deferred *, -ENOMEM),
	  KP_CALLBACK(deferred_fn, task, deferred_saw_run, deferred_saw_release,
		      .hi = DEFERRED_DETACHED - 1),
	  .owns = "the data belongs to the object",
	  .on_error = "the data was released before return")
KP_DESTROY(deferred_destroy, SLEEPS)
KP_CONSUME(deferred_detach, SLEEPS, .owns = "the queue alone holds what is armed")

/*
 * Delays are an hour at least: in a program nothing fires by itself, so that
 * results do not depend on time. One more than the greatest is refused.
 */
KP_METHOD(deferred_arm, PROCESS, KP_ERRNO(-EINVAL, -EBUSY),
	  KP_NUMBER(u32, repeats, .hi = DEFERRED_MAX_REPEATS + 1, .any = true),
	  KP_NUMBER(u32, delay_ms, .lo = 3600000, .hi = DEFERRED_MAX_DELAY + 1,
		    .any = true),
	  .weight = 8, .transient = -EBUSY, .locks = "spinlock",
	  .budget = "10 %, 8 instructions: a Rust caller makes a Result of an int",
	  .owns = "the queue takes a reference on the object",
	  .on_error = "the object is as it was")
KP_METHOD(deferred_cancel, PROCESS, KP_BOOL, .weight = 8, .locks = "spinlock",
	  .owns = "the queue's reference is dropped if it was armed")
KP_METHOD(deferred_cancel_sync, SLEEPS, KP_BOOL, .weight = 5,
	  .not_inside = true, .unwaiting = deferred_cancel,
	  .locks = "spinlock",
	  .owns = "the queue's reference is dropped if it was armed")
KP_METHOD(deferred_flush, SLEEPS, KP_VOID, .weight = 5, .waits = true,
	  .calls_back = true, .not_inside = true,
	  .owns = "the callback drops the queue's reference")
/* A work is pending as well while a cancel of the kernel's looks whether it was. */
KP_METHOD(deferred_armed, ANY, KP_BOOL, .weight = 4, .hint = true,
	  .budget = "10 %: one instruction more, as the owner has an Arc of what is queued")
KP_METHOD(deferred_runs, ANY, KP_UNSIGNED(u32), .weight = 4,
	  .budget = "10 %: as for armed")
KP_ADAPTER(deferred_detach_armed, SLEEPS, KP_RESULT(int, -ENOMEM),
	   KP_NUMBER(u32, repeats, .hi = 3), .weight = 2, .waits = true,
	   .budget = "30 %: a C caller's callback has a KBox beside the Arc, one allocation more",
	   .on_error = "the data of the other object has been released")

KP_AFTER(destroy_final, deferred_released_once)

KP_TYPE(struct deferred_view, armed, left, arms, runs, cancelled, bad_context, delay)

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
	     op == DEFERRED_DETACH_ARMED && ret != -ENOMEM,
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

/* What make coverage finds no program for, and why. */
KP_UNREACHED("deferred.c: WRITE_ONCE(d->bad_context, d->bad_context + 1);",
	     "a run outside of a worker is a bug, which the invariant in_process names")
KP_UNREACHED("deferred.rs: fn detach(mut self) {",
	     "deferred.rs: unsafe fn view(&self) -> bindings::deferred_view {",
	     "deferred.rs: bindings::deferred_view {",
	     "it is inlined where it is called; nothing calls the copy that the compiler keeps")
KP_ONE_WAY("deferred.c: bool may_sleep = !IS_ENABLED(CONFIG_PREEMPT_COUNT) || preemptible();",
	   "deferred.c: return may_sleep && in_task() && current->flags & PF_WQ_WORKER;",
	   "deferred.c: if (!deferred_in_worker())",
	   "deferred.rs: if !unsafe { bindings::deferred_in_worker() } {",
	   "a run outside of a worker is a bug, which the invariant in_process names")
KP_ONE_WAY("deferred.c: kref_get(&d->ref);",
	   "refcount_inc() looks for 0 and for a saturated count; its caller holds a reference")
KP_ONE_WAY("deferred.rs: let queued = queue().enqueue_delayed(this.clone(), delay).is_ok();",
	   "the caller holds an Arc: the count is not 0, nor saturated, and ours not the last")
KP_ONE_WAY("deferred.rs: drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.inner)) });",
	   "the owner holds an Arc: the queue's is never the last")
KP_ONE_WAY("deferred.rs: let armed = another.arm(repeats, 0);",
	   "its work is not queued yet, and programs give no more repeats than are allowed")

#endif
