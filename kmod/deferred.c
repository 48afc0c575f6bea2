// SPDX-License-Identifier: GPL-2.0
/*
 * deferred in C. See contract/deferred.h.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "contract/deferred.h"

/**
 * struct deferred - the C definition
 * @work: the work item on the queue
 * @ref: one for the owner, one for the queue while armed or running
 * @lock: taken by arm, cancel and the callback, for a short time
 * @left: how often the callback will re-arm itself
 * @arms: times @work has been queued
 * @cancelled: times @work has been taken back
 * @delay: of the last arm, in jiffies
 * @runs: times the callback has run; written by the callback alone
 * @bad_context: runs in the wrong context; written by the callback alone
 * @fn: called by the callback
 * @release: called for @data at the end
 * @data: the user's
 */
struct deferred {
	struct delayed_work work;
	struct kref ref;
	spinlock_t lock; /* protects left, arms, cancelled, delay */
	u32 left;
	u32 arms;
	u32 cancelled;
	unsigned long delay;
	u32 runs;
	u32 bad_context;
	deferred_fn fn;
	deferred_fn release;
	void *data;
};

bool deferred_in_worker(void)
{
	/* Without a preemption count the kernel itself cannot tell. */
	bool may_sleep = !IS_ENABLED(CONFIG_PREEMPT_COUNT) || preemptible();

	return may_sleep && in_task() && current->flags & PF_WQ_WORKER;
}

static void deferred_free(struct kref *ref)
{
	struct deferred *d = container_of(ref, struct deferred, ref);

	d->release(d->data);
	kfree(d);
}

static void deferred_put(struct deferred *d)
{
	kref_put(&d->ref, deferred_free);
}

/*
 * Queue the work, together with a reference. It is taken first: once queued,
 * the work can be cancelled by another CPU, and the reference dropped, at any
 * time. The lock is held.
 */
static inline bool deferred_queue(struct deferred *d, unsigned long delay)
{
	kref_get(&d->ref);
	if (!queue_delayed_work(system_percpu_wq, &d->work, delay)) {
		deferred_put(d);
		return false;
	}
	d->arms++;
	return true;
}

static void deferred_work(struct work_struct *work)
{
	struct deferred *d = container_of(to_delayed_work(work),
					  struct deferred, work);

	if (!deferred_in_worker())
		WRITE_ONCE(d->bad_context, d->bad_context + 1);
	WRITE_ONCE(d->runs, d->runs + 1);
	d->fn(d->data);

	/* The lock also waits for the arm that queued this run to be done. */
	spin_lock(&d->lock);
	if (d->left && deferred_queue(d, d->delay))
		d->left--;
	spin_unlock(&d->lock);
	deferred_put(d);
}

struct deferred *deferred_create(deferred_fn fn, deferred_fn release,
				 void *data)
{
	struct deferred *d = kzalloc_obj(*d);

	if (!d) {
		release(data);
		return ERR_PTR(-ENOMEM);
	}
	INIT_DELAYED_WORK(&d->work, deferred_work);
	kref_init(&d->ref);
	spin_lock_init(&d->lock);
	d->fn = fn;
	d->release = release;
	d->data = data;
	return d;
}

int deferred_arm(struct deferred *d, u32 repeats, u32 delay_ms)
{
	unsigned long delay;
	int err = -EBUSY;

	if (repeats > DEFERRED_MAX_REPEATS || delay_ms > DEFERRED_MAX_DELAY)
		return -EINVAL;
	delay = msecs_to_jiffies(delay_ms);
	spin_lock(&d->lock);
	if (deferred_queue(d, delay)) {
		d->left = repeats;
		d->delay = delay;
		err = 0;
	}
	spin_unlock(&d->lock);
	return err;
}

bool deferred_cancel(struct deferred *d)
{
	bool armed;

	spin_lock(&d->lock);
	armed = cancel_delayed_work(&d->work);
	d->cancelled += armed;
	d->left = 0;
	spin_unlock(&d->lock);
	if (armed)
		deferred_put(d);
	return armed;
}

bool deferred_cancel_sync(struct deferred *d)
{
	/* Until this is done the callback cannot re-arm itself. */
	if (!cancel_delayed_work_sync(&d->work))
		return false;
	spin_lock(&d->lock);
	d->cancelled++;
	spin_unlock(&d->lock);
	deferred_put(d);
	return true;
}

void deferred_flush(struct deferred *d)
{
	flush_delayed_work(&d->work);
}

void deferred_detach(struct deferred *d)
{
	deferred_put(d);
}

void deferred_destroy(struct deferred *d)
{
	deferred_cancel_sync(d);
	deferred_put(d);
}

bool deferred_armed(struct deferred *d)
{
	return delayed_work_pending(&d->work);
}

u32 deferred_runs(struct deferred *d)
{
	return READ_ONCE(d->runs);
}

void deferred_view(struct deferred *d, struct deferred_view *view)
{
	spin_lock(&d->lock);
	view->armed = deferred_armed(d);
	view->left = view->armed ? d->left : 0;
	view->arms = d->arms;
	view->runs = READ_ONCE(d->runs);
	view->cancelled = d->cancelled;
	view->bad_context = READ_ONCE(d->bad_context);
	view->delay = view->armed ? d->delay : 0;
	spin_unlock(&d->lock);
}
