// SPDX-License-Identifier: GPL-2.0
/*
 * Threads of a case. Whether one has done something, or waits for it, is read
 * from the thread and not from a clock: a bound in time is either too short on
 * a machine that has other work, or too long on every other one.
 */
#include <kunit/test-bug.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/time64.h>
#include "engine.h"

/*
 * CPU time that a thread may need while it is waited for. It counts ticks that came
 * while the thread ran: it does not grow while the host does not run the guest's CPU,
 * as sum_exec_runtime does.
 */
#define SPINS_NS	(2 * NSEC_PER_SEC)

/**
 * kp_asleep() - whether a thread sleeps
 * @task: the thread; the caller holds a reference
 * @state: in which state, as TASK_INTERRUPTIBLE or TASK_NORMAL
 *
 * The answer is of one moment during the call: the thread was off every CPU, with
 * a state in @state, and none was to run it. It says nothing of why: a thread that
 * waits for a lock or for memory sleeps as well.
 *
 * A wake-up takes effect before the function that gives it returns: a thread
 * that has slept all the while since before that call was not woken by it. Two
 * calls tell, one before and one after, that give the same number.
 *
 * Context: any.
 * Return: 0 if the thread does not sleep; else a number that is another one once
 *         it has slept again
 */
unsigned long kp_asleep(struct task_struct *task, unsigned int state)
{
	unsigned long switches = READ_ONCE(task->nvcsw);
	bool there;

	smp_rmb(); /* Later reads are not older than the number of switches, */
	there = READ_ONCE(task->__state) & state;
	/* A race with the scheduler: what it changes meanwhile is seen below. */
	there = there && !data_race(task_is_runnable(task));
	/* A task leaves its run queue before the switch, which is counted, is over. */
	there = there && !READ_ONCE(task->on_cpu);
	smp_rmb(); /* and if that has not changed, it is all of the same time. */
	there = there && (READ_ONCE(task->__state) & state) &&
		READ_ONCE(task->nvcsw) == switches;
	return there ? switches + 1 : 0;
}
EXPORT_SYMBOL_GPL(kp_asleep);

/**
 * kp_done_or_asleep() - wait until a thread has done something, or sleeps
 * @done: what the thread completes; stays completed
 * @task: the thread; the caller holds a reference. It has begun its function: a
 *	new thread may sleep before that, for a lock of the kernel's
 * @state: the state in which it sleeps if it does not get that far
 *
 * Without a bound in time: a thread that runs, or waits for a CPU, can still get
 * there, however slow the machine is. One that has used a CPU for two seconds and
 * is neither done nor asleep fails the current test.
 *
 * Context: may sleep.
 * Return: true if it is done, false if the thread sleeps or runs on and on
 */
bool kp_done_or_asleep(struct completion *done, struct task_struct *task,
		       unsigned int state)
{
	u64 ran = READ_ONCE(task->stime);
	bool asleep;

	for (;;) {
		/* In this order: after it is done a thread may sleep for anything. */
		asleep = kp_asleep(task, state);
		smp_rmb(); /* All that it did before it slept is seen. */
		if (completion_done(done))
			return true;
		if (asleep)
			return false;
		if (READ_ONCE(task->stime) - ran > SPINS_NS) {
			kunit_fail_current_test("thread %s runs on and on",
						task->comm);
			return false;
		}
		usleep_range(50, 100);
	}
}
EXPORT_SYMBOL_GPL(kp_done_or_asleep);

/**
 * kp_other_cpu() - keep this thread on its CPU, and find one for another thread
 *
 * On one and the same CPU threads take turns, and KCSAN sees no race between two that
 * never run at the same time.
 *
 * Context: may sleep.
 * Return: another CPU; this one where no other is online
 */
u32 kp_other_cpu(void)
{
	u32 here = raw_smp_processor_id();
	u32 there = cpumask_any_but(cpu_online_mask, here);

	set_cpus_allowed_ptr(current, cpumask_of(here));
	return there < nr_cpu_ids ? there : here;
}
EXPORT_SYMBOL_GPL(kp_other_cpu);
