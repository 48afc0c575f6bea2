// SPDX-License-Identifier: GPL-2.0
/*
 * What a call that waits executes itself. All that runs until it returns is counted where one
 * CPU counts instructions, so what other threads do meanwhile, and the scheduler, is in its
 * cost. Probes tell when the caller goes into the scheduler, to sleep or because another thread
 * is to run, and when it is back. (Not at __switch_to(), where the thread that runs and the
 * stack are not of the same task.)
 *
 * An interrupt that comes while the caller runs is in its part, and not in the least of several
 * runs.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include "engine.h"
#include "irq.h"

/*
 * @task: the caller, while its call runs
 * @left: the time when it last went into the scheduler
 * @away: how long it has been there since the call began
 * @times: how often
 * @hit: what the probes execute each time, outside of that
 */
static struct {
	struct task_struct *task;
	u64 left;
	u64 away;
	u32 times;
	u64 hit;
} waits;

/* Others' way into the scheduler is not looked at when they are back. */
static int __kprobes leaves(struct kretprobe_instance *at, struct pt_regs *regs)
{
	const u64 now = kp_clock();

	if (READ_ONCE(waits.task) != current)
		return 1;
	waits.left = now;
	waits.times++;
	return 0;
}

static int __kprobes is_back(struct kretprobe_instance *at, struct pt_regs *regs)
{
	waits.away += kp_clock() - waits.left;
	return 0;
}

static int __kprobes nothing_before(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

/* As the scheduler, a function with a frame: another first instruction would cost less. */
static noinline void like_schedule(void)
{
	barrier();
	kp_nothing(NULL);
	barrier();
}

/*
 * struct pair_of_probes - what tells of one function
 * @pin: keeps the other one from becoming a jump, which costs something else
 * @there: when it is called, and when it returns
 */
struct pair_of_probes {
	struct kprobe pin;
	struct kretprobe there;
};

static struct pair_of_probes scheduler;

static int probe(struct pair_of_probes *probes, const char *name, void *addr)
{
	int err;

	*probes = (struct pair_of_probes){
		.pin = { .symbol_name = name, .addr = addr, .pre_handler = nothing_before,
			 .post_handler = kp_keeps_the_trap },
		.there = { .kp = { .symbol_name = name, .addr = addr }, .entry_handler = leaves,
			   .handler = is_back, .maxactive = 8 },
	};
	err = register_kprobe(&probes->pin);
	if (err)
		return err;
	err = register_kretprobe(&probes->there);
	if (err)
		unregister_kprobe(&probes->pin);
	return err;
}

static void unprobe(struct pair_of_probes *probes)
{
	unregister_kretprobe(&probes->there);
	unregister_kprobe(&probes->pin);
}

/* What a call costs, without the time in the scheduler or in what stands for it. */
static u64 cost_of(void (*call)(void))
{
	unsigned long flags;
	u64 start, cost;

	waits.away = 0;
	local_irq_save(flags);
	waits.task = current;
	start = kp_clock();
	call();
	cost = kp_clock() - start;
	waits.task = NULL;
	local_irq_restore(flags);
	return cost - waits.away;
}

static noinline void empty(void)
{
	barrier();
}

/* What probes cost each time; the second time, as the first may fault. */
static int take_hit(void)
{
	static struct pair_of_probes again;
	u64 without;
	int err;

	cost_of(empty);
	without = cost_of(empty);
	err = probe(&again, NULL, like_schedule);
	if (err)
		return err;
	cost_of(like_schedule);
	waits.hit = cost_of(like_schedule) - without;
	unprobe(&again);
	return 0;
}

/**
 * kp_waits_begin() - make ready to tell a caller's own part
 *
 * Context: may sleep; one user at a time.
 * Return: 0, to be undone by kp_waits_end(); -EOPNOTSUPP, -ENOENT or -EINVAL where this kernel
 *         has no probes, or none there; or another errno
 */
int kp_waits_begin(void)
{
	int err = take_hit();

	return err ?: probe(&scheduler, "__schedule", NULL);
}

/**
 * kp_waits_end() - undo kp_waits_begin()
 *
 * Context: may sleep.
 * Return: how often the scheduler was not seen
 */
u32 kp_waits_end(void)
{
	unprobe(&scheduler);
	return scheduler.there.nmissed + scheduler.there.kp.nmissed;
}

/**
 * kp_waits_call() - make a call, and count what its caller executes
 * @call: what is called
 * @obj: its object
 * @slot: its arguments
 * @res: receives its result
 *
 * Context: that of the call, in a thread, after kp_waits_begin().
 * Return: instructions, without those of the scheduler and of other threads
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
	return cost - waits.away - waits.times * waits.hit;
}
