// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations of a program's calls that fail.
 *
 * The kernel fails the n-th allocation of a task that says so in its fail_nth, which is
 * set right before the call and cleared right behind it: what the engine allocates itself
 * never fails. What is left of n afterwards says how many allocations there were. Workers
 * are other tasks, and none of theirs fails.
 */
#include <linux/bits.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "engine.h"
#include "nesting.h"

#ifdef CONFIG_FAULT_INJECTION
/* More allocations than a call has. */
#define UNLIMITED	BIT(30)

static void fail_nth(u32 nth)
{
	WRITE_ONCE(current->fail_nth, nth);
}

static u32 fail_nth_left(void)
{
	return READ_ONCE(current->fail_nth);
}
#else
#define UNLIMITED	0UL
static void fail_nth(u32 nth) { }
static u32 fail_nth_left(void) { return 0; }
#endif

/**
 * kp_can_fail() - whether allocations fail here that are told to
 *
 * Where the kernel can have them fail it still spares those that may sleep, until debugfs
 * is told otherwise.
 *
 * Context: may sleep.
 * Return: true if one that may sleep fails
 */
bool kp_can_fail(void)
{
	void *at;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		return false;
	fail_nth(1);
	at = kmalloc(8, GFP_KERNEL);
	fail_nth(0);
	kfree(at);
	return !at;
}

/* When the call began. */
static struct kp_nesting nesting;

/**
 * __kp_fail_enter() - kp_fail_enter() of a program that is watched
 * @trace: the program's trace
 * @fail: which of its allocations is to fail; 0 for none
 */
void __kp_fail_enter(struct kp_trace *trace, u32 fail)
{
	if (trace->like)
		return;
	nesting = kp_nesting_now();
	kp_balance_watch();
	fail_nth(fail ?: trace->prog->count ? UNLIMITED : 0);
}

/**
 * __kp_fail_leave() - kp_fail_leave() of a program that is watched
 * @trace: the program's trace
 * @t: that of the call
 * @fail: as for kp_fail_enter()
 */
void __kp_fail_leave(struct kp_trace *trace, struct kp_step_trace *t, u32 fail)
{
	u32 left = fail_nth_left(), others, bytes;

	if (trace->like)
		return;
	fail_nth(0);
	others = kp_balance_unwatch(fail && !left ? &trace->failed_by : NULL, &bytes);
	trace->disturbed |= fail && others;
	/* The object may be locked, and is left alone from then on. */
	trace->stuck |= kp_nesting_restore(&nesting);
	t->failed = fail && !left;
	if (!fail && trace->prog->count) {
		t->allocations = min(UNLIMITED - left - others, U16_MAX);
		t->bytes = bytes;
	}
}
