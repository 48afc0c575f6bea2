/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a call must leave as it found it, and what shows locks that it still holds.
 */
#ifndef KPARITY_ENGINE_NESTING_H
#define KPARITY_ENGINE_NESTING_H

#include <linux/compiler.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/sched.h>

/** define KP_NOT_AS_FOUND - what an operation did where kp_nesting_restore() had to restore */
#define KP_NOT_AS_FOUND	"interrupts, preemption or RCU are not left as found"

/**
 * struct kp_nesting - what is nested where the CPU is
 * @preempt: preempt_count()
 * @rcu: nesting of RCU's read side, where the kernel counts it
 * @irqs_off: interrupts are disabled
 */
struct kp_nesting {
	int preempt;
	int rcu;
	bool irqs_off;
};

/**
 * kp_nesting_now() - the nesting as it is
 *
 * Context: any.
 * Return: to be given to kp_nesting_restore()
 */
static inline struct kp_nesting kp_nesting_now(void)
{
	struct kp_nesting now = {
		.preempt = preempt_count(),
		.irqs_off = irqs_disabled(),
	};

#ifdef CONFIG_PREEMPT_RCU
	/* An interrupt counts up and down again, which KCSAN would take for a race. */
	now.rcu = READ_ONCE(current->rcu_read_lock_nesting);
#endif
	return now;
}

/**
 * kp_nesting_restore() - put the nesting right, if it is another one than before
 * @before: the nesting before the call
 *
 * A call came back with a lock held, as on a way out that forgets it, or with one unlocked
 * twice. The lock itself stays as it is.
 *
 * Context: any, in the task of kp_nesting_now().
 * Return: true if it was another one
 */
static inline bool kp_nesting_restore(const struct kp_nesting *before)
{
	const struct kp_nesting now = kp_nesting_now();

	if (now.preempt == before->preempt && now.rcu == before->rcu &&
	    now.irqs_off == before->irqs_off)
		return false;
#ifdef CONFIG_PREEMPT_RCU
	WRITE_ONCE(current->rcu_read_lock_nesting, before->rcu);
#endif
	preempt_count_set(before->preempt);
	if (before->irqs_off)
		local_irq_disable();
	else
		local_irq_enable();
	return true;
}

#endif /* KPARITY_ENGINE_NESTING_H */
