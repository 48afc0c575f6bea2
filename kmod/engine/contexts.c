// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of operations from the strongest context that their rows allow. In a kernel with lockdep
 * that shows a lock which is taken elsewhere without keeping that context away, where no two calls
 * need to meet for it.
 */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include "engine.h"
#include "nesting.h"

/* A call that is made elsewhere. */
struct placed {
	struct irq_work work;
	struct tasklet_struct tasklet;
	struct completion done;
	kp_invoke invoke;
	void *obj;
	const struct kp_slot *slot;
	struct kp_result *res;
	bool unbalanced;
};

static void make(struct placed *p)
{
	const struct kp_nesting before = kp_nesting_now();

	p->invoke(p->obj, p->slot, p->res);
	p->unbalanced = kp_nesting_restore(&before);
}

static void from_hardirq(struct irq_work *work)
{
	struct placed *p = container_of(work, struct placed, work);

	make(p);
	complete(&p->done);
}

static void from_softirq(struct tasklet_struct *tasklet)
{
	struct placed *p = from_tasklet(p, tasklet, tasklet);

	make(p);
	complete(&p->done);
}

/**
 * kp_invoke_in() - call an operation from the strongest context that its row allows
 * @context: what the row says
 * @invoke: the function that calls it
 * @obj: its object
 * @slot: its arguments
 * @res: receives what it returned
 *
 * Context: may sleep.
 * Return: whether it left interrupts, preemption and RCU as it found them
 */
bool kp_invoke_in(enum kp_context context, kp_invoke invoke, void *obj,
		  const struct kp_slot *slot, struct kp_result *res)
{
	struct placed p = { .invoke = invoke, .obj = obj, .slot = slot, .res = res };

	init_completion(&p.done);
	switch (context) {
	case KP_ANY:
		p.work = IRQ_WORK_INIT(from_hardirq);
		irq_work_queue(&p.work);
		wait_for_completion(&p.done);
		irq_work_sync(&p.work);
		break;
	case KP_ATOMIC:
		tasklet_setup(&p.tasklet, from_softirq);
		tasklet_hi_schedule(&p.tasklet);
		wait_for_completion(&p.done);
		tasklet_kill(&p.tasklet);
		break;
	case KP_PROCESS:
	case KP_SLEEPS:
		make(&p);
		break;
	}
	return !p.unbalanced;
}

/**
 * kp_invoke_unpreempted() - call an operation with preemption off, unless it may sleep
 * @context: what its row says
 * @invoke: the function that calls it
 * @obj: its object
 * @slot: its arguments
 * @res: receives what it returned
 *
 * A sleep counts as a switch of this thread, and the thread goes on.
 *
 * Context: may sleep.
 * Return: whether it slept although it may not
 */
bool kp_invoke_unpreempted(enum kp_context context, kp_invoke invoke, void *obj,
			   const struct kp_slot *slot, struct kp_result *res)
{
	unsigned long switches;

	if (context == KP_SLEEPS) {
		invoke(obj, slot, res);
		return false;
	}
	preempt_disable();
	switches = current->nvcsw;
	invoke(obj, slot, res);
	switches = current->nvcsw - switches;
	preempt_enable();
	return switches;
}
