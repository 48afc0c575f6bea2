// SPDX-License-Identifier: GPL-2.0
/*
 * Grace periods that end while an operation is interrupted.
 *
 * What the operation inside leaves to RCU would be freed long after the interrupted one has gone
 * on: a reader that uses an entry behind its read section finds it as it was. But a task that is
 * no reader can be kept from running for any time, and a grace period ends meanwhile. So what the
 * inner operation leaves to kfree_rcu() or call_rcu() is kept, and carried out behind it, where
 * what is interrupted is no reader. Else RCU gets it, a little later than it would have.
 */
#include <linux/bottom_half.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/ptrace.h>
#include "engine.h"
#include "irq.h"

/* Pieces of memory that one operation leaves to RCU; RCU gets the others at once. */
#define KEPT_MAX	64

/**
 * struct kept - what was left to RCU
 * @head: its head
 * @func: what call_rcu() was given; NULL where it was kvfree_call_rcu()
 * @ptr: what that was given
 */
struct kept {
	struct rcu_head *head;
	rcu_callback_t func;
	void *ptr;
};

static struct {
	struct task_struct *runner;
	u8 level;
	u32 nr;
	struct kept kept[KEPT_MAX];
} grace;

/* Contexts that interrupt one another. */
enum level { IN_TASK, IN_SOFTIRQ, IN_HARDIRQ };

/* The level, of a number of preempt_count(). */
static u8 __kprobes level_of(unsigned int count)
{
	if (count & HARDIRQ_MASK)
		return IN_HARDIRQ;
	return count & SOFTIRQ_OFFSET ? IN_SOFTIRQ : IN_TASK;
}

/* The level of what met a probe: x86's trap counts as an NMI. */
static u8 __kprobes probed_level(void)
{
	unsigned int count = preempt_count();

	return level_of(count & NMI_MASK ? count - NMI_OFFSET - HARDIRQ_OFFSET : count);
}

/* Comes in place of the function that was called. */
static noinline void kept_instead(void)
{
	barrier();
}

/*
 * Whether this is a call of the inner operation: an interrupt of that runs as the same task. A head
 * is asked for: without one kfree_rcu() waits itself.
 */
static bool __kprobes is_inner(const struct pt_regs *regs)
{
	return READ_ONCE(grace.runner) == current && grace.level == probed_level() &&
	       grace.nr < KEPT_MAX && regs_get_kernel_argument((struct pt_regs *)regs, 0);
}

static int __kprobes keep(struct pt_regs *regs, rcu_callback_t func, void *ptr)
{
	grace.kept[grace.nr++] = (struct kept){
		.head = (void *)regs_get_kernel_argument(regs, 0), .func = func, .ptr = ptr,
	};
	instruction_pointer_set(regs, (unsigned long)kept_instead);
	return 1;
}

static int __kprobes on_kfree_rcu(struct kprobe *p, struct pt_regs *regs)
{
	kp_irq_trapped();
	return is_inner(regs) ? keep(regs, NULL, (void *)regs_get_kernel_argument(regs, 1)) : 0;
}

static int __kprobes on_call_rcu(struct kprobe *p, struct pt_regs *regs)
{
	kp_irq_trapped();
	return is_inner(regs) ?
		keep(regs, (rcu_callback_t)regs_get_kernel_argument(regs, 1), NULL) : 0;
}

static struct kprobe kfree_rcu_probe = {
	.symbol_name = "kvfree_call_rcu", .pre_handler = on_kfree_rcu,
	.post_handler = kp_keeps_the_trap,
};

static struct kprobe call_rcu_probe = {
	.symbol_name = "call_rcu", .pre_handler = on_call_rcu, .post_handler = kp_keeps_the_trap,
};

/**
 * kp_grace_probes - what is probed between kp_irq_start() and kp_irq_exit()
 */
struct kprobe *const kp_grace_probes[KP_GRACE_PROBES] = { &kfree_rcu_probe, &call_rcu_probe };

/**
 * kp_grace_probed() - whether an address is where a probe's trap leads back to
 * @ip: the address
 *
 * Return: true if it is that of a probe, or right behind it
 */
bool kp_grace_probed(unsigned long ip)
{
	u32 i;

	for (i = 0; i < KP_GRACE_PROBES; i++) {
		unsigned long at = (unsigned long)kp_grace_probes[i]->addr;

		/* An instruction has up to 15 bytes. */
		if (ip - at < 16)
			return true;
	}
	return false;
}

/**
 * kp_grace_begin() - an operation begins that interrupts another one
 *
 * Context: that of the operation.
 */
void kp_grace_begin(void)
{
	grace.nr = 0;
	grace.level = level_of(preempt_count());
	WRITE_ONCE(grace.runner, current);
}

/*
 * Whether what was interrupted keeps a grace period from ending. A section in which preemption or
 * softirqs are off does so too; a thread comes where neither is. In an interrupt, current is it.
 */
static bool is_reader(const struct task_struct *outer)
{
	if (grace.level == IN_HARDIRQ && preempt_count() & (PREEMPT_MASK | SOFTIRQ_MASK))
		return true;
	if (grace.level == IN_SOFTIRQ && preempt_count() & PREEMPT_MASK)
		return true;
#ifdef CONFIG_PREEMPT_RCU
	return READ_ONCE(outer->rcu_read_lock_nesting);
#else
	return true;
#endif
}

/* RCU calls functions in a softirq: not here where that cannot be. */
static void carry_out(const struct kept *kept, bool reader)
{
	if (!kept->func && !reader) {
		kvfree(kept->ptr);
	} else if (!kept->func) {
		kvfree_call_rcu((void *)kept->head, kept->ptr);
	} else if (!reader && grace.level < IN_HARDIRQ) {
		local_bh_disable();
		kept->func(kept->head);
		local_bh_enable();
	} else {
		call_rcu(kept->head, kept->func);
	}
}

/**
 * kp_grace_end() - it has ended, or is left where it spins
 * @outer: the task that was interrupted
 * @ended: it has ended, and a grace period may as well
 *
 * Context: that of the operation.
 */
void kp_grace_end(const struct task_struct *outer, bool ended)
{
	bool reader = !ended || is_reader(outer);
	u32 i;

	WRITE_ONCE(grace.runner, NULL);
	for (i = 0; i < grace.nr; i++)
		carry_out(&grace.kept[i], reader);
	grace.nr = 0;
}
