// SPDX-License-Identifier: GPL-2.0
/*
 * What a call that waits executes itself. All that runs until it returns is counted where one
 * CPU counts instructions, so what other threads do meanwhile, and the scheduler between these,
 * is in its cost. A probe where CPUs change from one thread to the next tells when the caller
 * has left and when it is back.
 *
 * A thread's own part has what its thread does to leave and after it is back. An interrupt that
 * comes while it runs is in it, and not in the least of several runs.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include "engine.h"
#include "irq.h"

/*
 * @task: the caller, while its call runs
 * @left: the time when it last left
 * @away: how long it has been away since the call began
 * @times: how often
 * @hit: what a probe that is met executes
 */
static struct {
	struct task_struct *task;
	u64 left;
	u64 away;
	u32 times;
	u64 hit;
} waits;

/* Also where its own cost is taken: at a function that is called with other arguments. */
static int __kprobes at_switch(struct kprobe *p, struct pt_regs *regs)
{
	const u64 now = kp_clock();
	struct task_struct *task = READ_ONCE(waits.task);

	if (!task)
		return 0;
	if ((void *)regs_get_kernel_argument(regs, 0) == task) {
		waits.left = now;
		waits.times++;
	} else if ((void *)regs_get_kernel_argument(regs, 1) == task) {
		waits.away += now - waits.left;
	}
	return 0;
}

/* A function with a frame, as what is probed else has one: another first instruction costs less. */
static noinline void like_switch(void)
{
	barrier();
	kp_nothing(NULL);
	barrier();
}

/* __switch_to(prev, next): where the old thread's part ends, and the new one's begins. */
static struct kprobe probe = {
	.symbol_name = "__switch_to", .pre_handler = at_switch,
	.post_handler = kp_keeps_the_trap,
};

static u64 cost_of_like_switch(void)
{
	unsigned long flags;
	u64 start, cost;

	local_irq_save(flags);
	start = kp_clock();
	like_switch();
	cost = kp_clock() - start;
	local_irq_restore(flags);
	return cost;
}

/* What a probe costs, where nothing else is counted: the second time, as the first may fault. */
static int take_hit(void)
{
	struct kprobe again = {
		.addr = (void *)like_switch, .pre_handler = at_switch,
		.post_handler = kp_keeps_the_trap,
	};
	u64 without;
	int err;

	cost_of_like_switch();
	without = cost_of_like_switch();
	err = register_kprobe(&again);
	if (err)
		return err;
	cost_of_like_switch();
	waits.hit = cost_of_like_switch() - without;
	unregister_kprobe(&again);
	return 0;
}

/**
 * kp_waits_begin() - make ready to tell a caller's own part
 *
 * Context: may sleep; one user at a time.
 * Return: 0, to be undone by kp_waits_end(); -EOPNOTSUPP or another errno where this kernel has no
 *         probes, or none there
 */
int kp_waits_begin(void)
{
	int err = take_hit();

	return err ?: register_kprobe(&probe);
}

/**
 * kp_waits_end() - undo kp_waits_begin()
 *
 * Context: may sleep.
 */
void kp_waits_end(void)
{
	unregister_kprobe(&probe);
	/* It can be registered again. */
	probe.addr = NULL;
	probe.flags = 0;
}

/**
 * kp_waits_call() - make a call, and count what its caller executes
 * @call: what is called
 * @obj: its object
 * @slot: its arguments
 * @res: receives its result
 *
 * Context: that of the call, in a thread, after kp_waits_begin().
 * Return: instructions, without those of the time when another thread ran
 */
u64 kp_waits_call(kp_invoke call, void *obj, const struct kp_slot *slot, struct kp_result *res)
{
	u64 start, cost;

	waits.away = 0;
	waits.times = 0;
	WRITE_ONCE(waits.task, current);
	start = kp_clock();
	call(obj, slot, res);
	cost = kp_clock() - start;
	WRITE_ONCE(waits.task, NULL);
	/* Of each probe one thread has what is before its reading of the clock, the next the rest. */
	return cost - waits.away - waits.times * waits.hit;
}
