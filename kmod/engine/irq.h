/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An interruption at a chosen instruction.
 */
#ifndef _KPARITY_IRQ_H
#define _KPARITY_IRQ_H

#include <linux/types.h>

struct kprobe;
struct module;
struct pt_regs;
struct task_struct;

/**
 * enum kp_inside - the context of what interrupts
 * @KP_IN_HARDIRQ: a hard interrupt
 * @KP_IN_SOFTIRQ: a softirq, on the way out of the interrupt or once they are allowed
 * @KP_IN_THREAD: a thread of higher priority, which preempts once that is allowed
 */
enum kp_inside { KP_IN_HARDIRQ, KP_IN_SOFTIRQ, KP_IN_THREAD };

/** define KP_STACK_TOP - words of which one should be the address that a function returns to */
#define KP_STACK_TOP	16

/**
 * struct kp_interruption - two functions, of which one runs inside the other
 * @outer: the function that is interrupted, in the calling thread
 * @outer_data: its argument
 * @inner: the function that runs inside of it
 * @inner_data: its argument
 * @where: context of @inner
 * @at: how many instructions from the call of @outer on go before the interruption
 * @hit: it came while @outer ran; only then @inner was called
 * @ended: @inner has returned
 * @spins: @inner met a spinlock that is held: on one CPU it would never get it
 * @unbalanced: one of the two left interrupts, preemption or RCU other than it found them
 * @ticked: the clock has ticked since the call of @outer: some instructions were the tick's
 * @trapped: @outer has met a probe, which is interrupts off for longer than it has them off
 * @came_at: as @at, but where it came
 * @missed: the timer did not fire, or @outer began too late for it
 * @ip: address of the instruction that it came before
 * @stack: the return address that the CPU has in a register, or 0, and what is on top of the stack
 *         there
 */
struct kp_interruption {
	void (*outer)(void *data);
	void *outer_data;
	void (*inner)(void *data);
	void *inner_data;
	enum kp_inside where;
	u32 at;
	bool hit;
	bool ended;
	bool spins;
	bool unbalanced;
	bool ticked;
	bool trapped;
	s64 came_at;
	bool missed;
	unsigned long ip;
	unsigned long stack[KP_STACK_TOP];
};

int kp_irq_start(void);
void kp_irq_stop(void);
void kp_irq_exit(void);
u32 kp_irq_length(void (*outer)(void *data), void *data);
void kp_interrupt(struct kp_interruption *in);
void kp_irq_keep(void);
void kp_irq_trapped(void);
unsigned long kp_called_at(const struct kp_interruption *in, const struct module *owner);

void kp_keeps_the_trap(struct kprobe *p, struct pt_regs *regs, unsigned long flags);

/* grace.c */

/** define KP_GRACE_PROBES - elements of kp_grace_probes */
#define KP_GRACE_PROBES	2

extern struct kprobe *const kp_grace_probes[KP_GRACE_PROBES];
bool kp_grace_probed(unsigned long ip);
void kp_grace_begin(void);
void kp_grace_end(const struct task_struct *outer, bool ended);

/**
 * struct kp_escape - registers that a function's caller goes on with
 * @reg: as escape.S keeps them
 */
struct kp_escape {
	unsigned long reg[16];
};

/* escape.S */
int kp_escape_to(struct kp_escape *to) __attribute__((returns_twice));
void __noreturn kp_escape(const struct kp_escape *to);

#endif
