// SPDX-License-Identifier: GPL-2.0
/*
 * An interruption at a chosen instruction.
 *
 * Under QEMU -icount shift=0 the clock that timers go by advances by one an instruction:
 * a timer that is armed so many ns ahead fires so many instructions later. The function to
 * be interrupted is called when its n-th instruction will be that one. The counter is read
 * before the call and in the interrupt, so it is known where the interruption came; where
 * it was not to come, as clock event devices have coarser steps, the next one is aimed
 * by what this one missed by.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <linux/sched.h>
#include <asm/irq_regs.h>
#include <asm/ptrace.h>
#include "delay.h"
#include "engine.h"
#include "irq.h"
#include "nesting.h"

/*
 * Instructions between arming and the call at least, and so many times what arming takes: debugging
 * options make that long.
 */
#define AHEAD		2500
#define TO_ARM		4
/*
 * A timer is armed so far ahead that it fires behind the position: by few distances, as the aim is
 * found for each of them. Clock event devices count in their own units, and how late that makes
 * them depends on the distance.
 */
#define STRIDE		1024
#define STRIDES		32
/* Instructions that a timer which has not fired is waited for. */
#define PATIENCE	40000
/* Nops whose number tells what an interrupt costs before its handler. */
#define NOPS		2048
/* Ticks that what interrupts is waited for behind what was interrupted. Idle ones cost nothing. */
#define ENDS_WITHIN	(60 * HZ)

static struct {
	struct hrtimer timer;
	struct tasklet_struct tasklet;
	struct task_struct *thread;
	struct mm_struct *mm;
	struct completion wanted;
	struct completion done;
	struct kp_interruption *now;
	struct task_struct *task;
	struct task_struct *runner;
	struct kp_escape escape;
	struct kp_escape way_out;
	bool inside;
	bool fired;
	bool stop;
	bool stuck;
	bool probed;
	unsigned long ticks;
	u64 expires;
	u64 called;
	u64 came;
	u32 ahead;
	u32 stride;
	struct kp_aim {
		s64 late;
		s64 entry;
		u32 stride;
		bool found;
	} aim[STRIDES];
} irq;

/*
 * Spinning has begun. With one CPU the holder of the lock does not run until the one that spins
 * gives up, unless that is a thread which can be preempted: and no holder of a spinlock is.
 */
static int __kprobes spins(struct kprobe *p, struct pt_regs *regs)
{
	const struct kp_escape *to = NULL;

	if (READ_ONCE(irq.runner) == current)
		to = &irq.escape;
	else if (READ_ONCE(irq.task) == current && irq.inside && irq.now->spins)
		/* A lock that is held by what was left. */
		to = &irq.way_out;
	if (!to)
		return 0;
#ifdef CONFIG_X86_64
	regs->di = (unsigned long)to;
#else
	regs->regs[0] = (unsigned long)to;
#endif
	instruction_pointer_set(regs, (unsigned long)kp_escape);
	return 1;
}

/**
 * kp_keeps_the_trap() - the post handler of a probe that leads elsewhere
 * @p: the probe
 * @regs: registers behind it
 * @flags: unused
 *
 * With one of these the kernel makes no jump of the probe, which could not lead elsewhere.
 *
 * Context: a probe's trap.
 */
void kp_keeps_the_trap(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

#define SPINS_IN(name) \
	{ .symbol_name = name, .pre_handler = spins, .post_handler = kp_keeps_the_trap }

static struct kprobe spinning[] = {
	SPINS_IN("queued_spin_lock_slowpath"),
	SPINS_IN("queued_read_lock_slowpath"),
	SPINS_IN("queued_write_lock_slowpath"),
};

/* Run the inner function. One that would spin for ever is left, with all locks that it holds. */
static void run_inner(struct kp_interruption *in)
{
	const struct kp_nesting before = kp_nesting_now();

	kp_grace_begin();
	if (!kp_escape_to(&irq.escape)) {
		WRITE_ONCE(irq.runner, current);
		in->inner(in->inner_data);
		WRITE_ONCE(irq.runner, NULL);
		in->unbalanced |= kp_nesting_restore(&before);
		kp_grace_end(irq.task, true);
		WRITE_ONCE(in->ended, true);
		return;
	}
	WRITE_ONCE(irq.runner, NULL);
	in->spins = true;
	kp_nesting_restore(&before);
	kp_grace_end(irq.task, false);
}

static void run_in_softirq(struct tasklet_struct *unused)
{
	run_inner(irq.now);
	complete(&irq.done);
}

static int run_in_thread(void *unused)
{
	if (irq.mm)
		kthread_use_mm(irq.mm);
	for (;;) {
		wait_for_completion(&irq.wanted);
		if (READ_ONCE(irq.stop))
			break;
		run_inner(irq.now);
		complete(&irq.done);
	}
	if (irq.mm)
		kthread_unuse_mm(irq.mm);
	kthread_complete_and_exit(&irq.done, 0);
}

/* Keep what may tell from where the function that is interrupted was called. */
static void keep_stack(struct kp_interruption *in, const struct pt_regs *regs)
{
	const unsigned long *top = (void *)kernel_stack_pointer((struct pt_regs *)regs);
	u32 i;

#ifdef CONFIG_ARM64
	in->stack[0] = regs->regs[30];
#else
	in->stack[0] = 0;
#endif
	for (i = 1; i < KP_STACK_TOP; i++)
		in->stack[i] = READ_ONCE_NOCHECK(top[i - 1]);
}

/**
 * kp_called_at() - from where a pair's code had called what was interrupted
 * @in: the interruption; it came
 * @owner: the pair's module; NULL if it is built into the kernel
 *
 * Only what the kernel's functions that a pair calls itself have on the stack is looked at: it is
 * for those that end a section in which nothing interrupts.
 *
 * Context: any.
 * Return: an address in the call instruction; 0 if it came in the pair's own code, or that is not
 *         known
 */
unsigned long kp_called_at(const struct kp_interruption *in, const struct module *owner)
{
#ifdef MODULE
	unsigned long at;
	u32 i;

	if (!in->hit || !owner || within_module(in->ip, owner) ||
	    within_module(in->ip, THIS_MODULE))
		return 0;
	for (i = 0; i < KP_STACK_TOP; i++) {
		at = in->stack[i];
#ifdef CONFIG_ARM64_PTR_AUTH_KERNEL
		at = ptrauth_strip_kernel_insn_pac(at);
#endif
		if (within_module_mem_type(at, owner, MOD_TEXT))
			return at - 1;
	}
#endif
	return 0;
}

static enum hrtimer_restart fire(struct hrtimer *unused)
{
	u64 now = kp_clock();
	struct kp_interruption *in = irq.now;
	struct pt_regs *regs = get_irq_regs();

	irq.came = now;
	WRITE_ONCE(irq.fired, true);
	if (!READ_ONCE(irq.inside))
		return HRTIMER_NORESTART;
	in->ip = regs ? instruction_pointer(regs) : 0;
	in->hit = true;
	in->ticked = time_after(jiffies, irq.ticks);
	if (regs)
		keep_stack(in, regs);
	if (!in->inner)
		return HRTIMER_NORESTART;
	switch (in->where) {
	case KP_IN_HARDIRQ:
		run_inner(in);
		complete(&irq.done);
		break;
	case KP_IN_SOFTIRQ:
		tasklet_hi_schedule(&irq.tasklet);
		break;
	case KP_IN_THREAD:
		complete(&irq.wanted);
		break;
	}
	return HRTIMER_NORESTART;
}

static noinline void run_nops(void *unused)
{
	/* Nothing goes to the label: positions are measured from it. */
	asm volatile(".globl kp_nops\nkp_nops:\n\t" ANNOTATE_NOENDBR "\n\t"
		     ".rept " __stringify(NOPS) "\n\tnop\n\t.endr");
}

extern char kp_nops[];

/* The aim for the distance at which the timer is armed. */
static struct kp_aim *aim(void)
{
	return &irq.aim[irq.stride % STRIDES];
}

/* Arm the timer; it will fire behind all positions of the stride. */
static void arm(void)
{
	const u32 ahead = irq.ahead + (irq.stride + 1) * STRIDE;

	WRITE_ONCE(irq.fired, false);
	irq.expires = kp_clock() + ahead;
	hrtimer_start(&irq.timer, ns_to_ktime(ahead), HRTIMER_MODE_REL_HARD);
}

/* Call the outer function when the interruption will come after so many instructions of it. */
static bool call_outer(struct kp_interruption *in)
{
	const struct kp_nesting before = kp_nesting_now();
	u64 start = irq.expires + aim()->late - in->at;
	s64 left;

	do {
		left = start - kp_clock();
	} while (left >= KP_DELAY);
	if (left < 0)
		return false;
	kp_delay(left);
	if (!kp_escape_to(&irq.way_out)) {
		irq.ticks = jiffies;
		WRITE_ONCE(irq.inside, true);
		irq.called = kp_clock();
		in->outer(in->outer_data);
	}
	WRITE_ONCE(irq.inside, false);
	in->unbalanced |= kp_nesting_restore(&before) && !in->spins;
	return true;
}

static noinline void nothing(void *unused)
{
	barrier();
}

/**
 * kp_irq_trapped() - a probe is met that is there for the operation inside
 *
 * Context: a probe's handler.
 */
void __kprobes kp_irq_trapped(void)
{
	if (READ_ONCE(irq.task) == current && irq.inside && irq.now)
		irq.now->trapped = true;
}

/**
 * kp_irq_length() - count the instructions of a function that is not interrupted
 * @outer: the function
 * @data: its argument
 *
 * Return: about as many as @at of &struct kp_interruption can be
 */
u32 kp_irq_length(void (*outer)(void *data), void *data)
{
	u64 begin, own, all;

	begin = kp_clock();
	nothing(NULL);
	own = kp_clock() - begin;
	begin = kp_clock();
	outer(data);
	all = kp_clock() - begin;
	return all > own ? all - own : 1;
}

static void interrupt_once(struct kp_interruption *in)
{
	u64 from;

	in->hit = false;
	in->ended = false;
	in->spins = false;
	in->unbalanced = false;
	in->ticked = false;
	in->trapped = false;
	in->ip = 0;
	irq.task = current;
	reinit_completion(&irq.done);
	irq.now = in;
	arm();
	in->missed = !call_outer(in);
	if (in->missed) {
		hrtimer_cancel(&irq.timer);
		return;
	}
	for (from = kp_clock(); !READ_ONCE(irq.fired) && kp_clock() - from < PATIENCE;)
		;
	hrtimer_cancel(&irq.timer);
	if (!irq.fired) {
		in->missed = true;
		return;
	}
	if (in->hit && in->inner)
		wait_for_completion_timeout(&irq.done, ENDS_WITHIN);
	in->came_at = irq.came - aim()->entry - irq.called;
}

/*
 * Find out, for the distance at which the timer is armed, when it fires, and what an interrupt
 * costs between the interrupted instruction and its handler's clock.
 * An event device with coarse steps interrupts up to one step too early, and then the kernel
 * waits within the interrupt, or has the device do so once more.
 */
static int calibrate(void)
{
	struct kp_interruption in = { .outer = run_nops, .at = NOPS / 4 };
	struct kp_aim *to = aim();
	u32 i, n = 0;

	*to = (struct kp_aim){ .stride = irq.stride };
	for (i = 0; i < 40; i++) {
		s64 at, entry;

		interrupt_once(&in);
		at = ((long)in.ip - (long)kp_nops) / KP_NOP_SIZE;
		if (!in.hit || at < 0 || at >= NOPS)
			continue;
		entry = irq.came - irq.called - at;
		to->late += at - in.at;
		n = at == in.at && entry == to->entry ? n + 1 : 0;
		to->entry = entry;
		if (n == 2) {
			to->found = true;
			return 0;
		}
	}
	return -ENODATA;
}

/**
 * kp_interrupt() - call a function that is interrupted by another one
 * @in: both, and where; the rest is filled in
 *
 * Context: task, between kp_irq_start() and kp_irq_stop().
 */
void kp_interrupt(struct kp_interruption *in)
{
	irq.stride = in->at / STRIDE;
	if (!(aim()->found && aim()->stride == irq.stride) && calibrate()) {
		in->hit = false;
		in->missed = true;
		return;
	}
	interrupt_once(in);
	/* A tick can come between, and what it changes in the queue of timers lasts. */
	aim()->found = !in->missed && in->came_at == in->at;
}

/**
 * kp_irq_keep() - keep the aim, as the last interruption came where it could
 *
 * Context: as for kp_interrupt(), right after it. Else it finds out anew what an interrupt costs,
 * where the last one did not come as it was to.
 */
void kp_irq_keep(void)
{
	aim()->found = true;
}

/* All probes, those of grace.c among them: how many they are. */
static u32 all_probes(struct kprobe **probes)
{
	u32 i, n = 0;

	for (i = 0; i < ARRAY_SIZE(spinning); i++)
		probes[n++] = &spinning[i];
	for (i = 0; i < KP_GRACE_PROBES; i++)
		probes[n++] = kp_grace_probes[i];
	return n;
}

/* Once for all cases: to remove a probe takes a grace period of RCU. */
static int add_probes(void)
{
	struct kprobe *probes[ARRAY_SIZE(spinning) + KP_GRACE_PROBES];
	int err;

	if (irq.probed)
		return 0;
	err = register_kprobes(probes, all_probes(probes));
	irq.probed = !err;
	return err;
}

/**
 * kp_irq_exit() - undo what is left of kp_irq_start() when the module goes
 */
void kp_irq_exit(void)
{
	struct kprobe *probes[ARRAY_SIZE(spinning) + KP_GRACE_PROBES];
	u32 nr = all_probes(probes);

	if (irq.probed)
		unregister_kprobes(probes, nr);
	irq.probed = false;
}

/**
 * kp_irq_start() - get ready for interruptions
 *
 * Context: may sleep; one user at a time, in whose address space inner functions run.
 * Return: 0, to be undone by kp_irq_stop(); -EOPNOTSUPP where the kernel has no probes,
 *         -ENODATA where timers do not fire when they are to, -EBUSY where what interrupted has
 *         never ended in this boot, or another errno
 */
int kp_irq_start(void)
{
	int err = add_probes();
	u64 begin;
	u32 i;

	if (err)
		return err;
	if (irq.stuck)
		return -EBUSY;
	hrtimer_setup(&irq.timer, fire, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	tasklet_setup(&irq.tasklet, run_in_softirq);
	init_completion(&irq.wanted);
	init_completion(&irq.done);
	irq.stop = false;
	irq.mm = current->mm;
	irq.thread = kthread_run(run_in_thread, NULL, "kparity-inside");
	if (IS_ERR(irq.thread))
		return PTR_ERR(irq.thread);
	sched_set_fifo(irq.thread);
	irq.ahead = AHEAD;
	memset(irq.aim, 0, sizeof(irq.aim));
	irq.stride = 0;
	for (i = 0; i < 2; i++) {
		begin = kp_clock();
		arm();
		irq.ahead = max_t(u64, AHEAD, TO_ARM * (kp_clock() - begin));
		hrtimer_cancel(&irq.timer);
	}
	err = calibrate();
	if (err)
		kp_irq_stop();
	return err;
}

/**
 * kp_irq_stop() - undo kp_irq_start()
 *
 * Context: may sleep.
 */
void kp_irq_stop(void)
{
	if (READ_ONCE(irq.runner)) {
		/* It sleeps for ever in what it runs, and that is code of modules. */
		__module_get(THIS_MODULE);
		irq.stuck = true;
	} else {
		WRITE_ONCE(irq.stop, true);
		reinit_completion(&irq.done);
		complete(&irq.wanted);
		wait_for_completion(&irq.done);
	}
	tasklet_kill(&irq.tasklet);
}
