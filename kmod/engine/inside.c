// SPDX-License-Identifier: GPL-2.0
/*
 * Operations that an object's callback carries out. The pair's callback calls kp_inside(), on
 * whatever task it runs: while the threads of a history run, the first call carries out the
 * operations of the callback's column. Each run of the callback is taken down as well, as it
 * divides the operation that has it run in two.
 *
 * On C over C the operations that an order has within a callback are called from there too.
 *
 * An operation that waits for the one which calls back never returns: a lock may be held across
 * the callback. Nothing could be told then, so the kernel is made to panic: that names the program.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/panic.h>
#include <linux/sched.h>
#include <linux/string.h>
#include "history.h"

/*
 * How long the operations within a callback may take: of instructions, and of real time. Where the
 * kernel has checkers it may print a report of itself meanwhile, which takes some milliseconds.
 */
#define REPORTS		(IS_ENABLED(CONFIG_KCSAN) || IS_ENABLED(CONFIG_KASAN) ? 10 : 1)
#define LIMIT_NS	(kp_turns_taken() ? REPORTS * 10 * NSEC_PER_MSEC : 5 * NSEC_PER_SEC)

static struct {
	struct kp_history *open;
	struct kp_history *reference;
	bool expected;
	void *obj;
	u32 first;
	u32 nr;
	atomic_t busy;
	atomic_t runs;
	atomic_t carried;
	const struct task_struct *thread[KP_COLUMNS];
	struct hrtimer guard[KP_COLUMNS];
	u64 since;
} inside;

/* On a CPU of the threads: whether what a callback carries out never ends. */
static enum hrtimer_restart look(struct hrtimer *timer)
{
	const u64 since = READ_ONCE(inside.since);

	if (since && ktime_get_ns() - since > LIMIT_NS)
		panic("kparity: an operation that a callback carries out does not return");
	hrtimer_forward_now(timer, ns_to_ktime(LIMIT_NS / 2));
	return HRTIMER_RESTART;
}

/**
 * kp_inside_start() - get ready for callbacks
 */
void kp_inside_start(void)
{
	u32 i;

	for (i = 0; i < KP_COLUMNS; i++)
		hrtimer_setup(&inside.guard[i], look, CLOCK_MONOTONIC,
			      HRTIMER_MODE_REL_PINNED_HARD);
	inside.since = 0;
}

/**
 * kp_inside_stop() - undo kp_inside_start()
 *
 * Context: may sleep.
 */
void kp_inside_stop(void)
{
	u32 i;

	for (i = 0; i < KP_COLUMNS; i++)
		hrtimer_cancel(&inside.guard[i]);
}

/**
 * kp_inside_guard() - watch from this CPU that what a callback carries out ends
 * @cpu: the CPU, of 0 and 1
 * @column: the thread that the calling task is now, from 0
 *
 * From both, as it may keep interrupts off on its own.
 *
 * Context: task, on that CPU.
 */
void kp_inside_guard(u32 cpu, u32 column)
{
	WRITE_ONCE(inside.thread[column], current);
	hrtimer_start(&inside.guard[cpu], ns_to_ktime(LIMIT_NS / 2), HRTIMER_MODE_REL_PINNED_HARD);
}

/**
 * kp_inside_unguard() - undo kp_inside_guard()
 * @cpu: the CPU, of 0 and 1
 *
 * Context: may sleep, in the task of kp_inside_guard().
 */
void kp_inside_unguard(u32 cpu)
{
	u32 c;

	/* In the next history this task can be the other thread. */
	for (c = 0; c < KP_COLUMNS; c++)
		if (READ_ONCE(inside.thread[c]) == current)
			WRITE_ONCE(inside.thread[c], NULL);
	hrtimer_cancel(&inside.guard[cpu]);
}

/**
 * kp_inside_open() - have the callback of a history's object carry out its column from now on
 * @h: the history; its threads have not begun
 */
void kp_inside_open(struct kp_history *h)
{
	memset(h->callback, 0, sizeof(h->callback));
	h->watched = true;
	atomic_set(&inside.runs, 0);
	atomic_set(&inside.carried, 0);
	/* Pairs with the load in kp_inside(). */
	smp_store_release(&inside.open, h);
}

/* Wait for callbacks that still run. */
static void wait_for_callbacks(void)
{
	/* Pairs with the barrier in kp_inside(): one that is not counted yet has nothing to do. */
	smp_mb();
	while (atomic_read_acquire(&inside.busy))
		usleep_range(10, 20);
}

/**
 * kp_inside_close() - undo kp_inside_open(): callbacks that run later carry out nothing
 * @h: the history; its threads have ended
 *
 * Context: may sleep.
 */
void kp_inside_close(struct kp_history *h)
{
	WRITE_ONCE(inside.open, NULL);
	wait_for_callbacks();
	h->nr_callbacks = atomic_read(&inside.runs);
}

/* The thread of a history that this task is, from 1; 0 for none. */
static u8 thread_here(void)
{
	u8 c;

	for (c = 0; c < KP_COLUMNS; c++)
		if (READ_ONCE(inside.thread[c]) == current)
			return c + 1;
	return 0;
}

/* The callback of a history's object runs while the threads do. */
static void run_beside(struct kp_history *h)
{
	const u32 n = atomic_fetch_inc(&inside.runs);
	struct kp_callback *run = &h->callback[n];

	if (n >= KP_CALLBACKS)
		return;
	run->column = thread_here();
	run->entered = kp_stamp();
	if (kp_of_callback(h->prog) && !atomic_xchg(&inside.carried, 1)) {
		run->carries = true;
		WRITE_ONCE(inside.since, ktime_get_ns());
		kp_column_run(h, KP_INSIDE - 1);
		WRITE_ONCE(inside.since, 0);
	}
	run->returned = kp_stamp();
}

/* The callback of a reference's object runs, in the operation that is to call it. */
static void run_reference(struct kp_history *h)
{
	struct kp_call *call = h->call[KP_INSIDE - 1];
	u32 i;

	WRITE_ONCE(inside.expected, false);
	WRITE_ONCE(inside.since, ktime_get_ns());
	for (i = inside.first; i < inside.first + inside.nr; i++) {
		if (kp_call_begin(call, h->ref_inside, inside.obj, i, 0))
			kp_call_make(call);
		kp_call_end(call, i);
	}
	WRITE_ONCE(inside.since, 0);
}

/**
 * kp_inside() - the callback of a pair's object runs: carry out what a history has it do
 * @number: its data, which the creation of the object has handed over as a KP_CALLBACK()
 *
 * A suite's callback calls it, each time it runs, where it holds nothing.
 *
 * Context: that of the callback; what is called then are operations that the contract lets a
 * callback call.
 */
void kp_inside(u64 number)
{
	struct kp_history *h;

	atomic_inc(&inside.busy);
	/* Pairs with the barrier in wait_for_callbacks(). */
	smp_mb__after_atomic();
	/* Pairs with the release in kp_inside_open(). */
	h = smp_load_acquire(&inside.open);
	if (h && h->prog->param[h->p->pair->callback - 1] == number) {
		run_beside(h);
	} else if (READ_ONCE(inside.expected)) {
		h = inside.reference;
		if (h->order.param[h->p->pair->callback - 1] == number)
			run_reference(h);
	}
	atomic_dec_return_release(&inside.busy);
}
EXPORT_SYMBOL_GPL(kp_inside);

/* The only event within which a callback ran; -1 if there are none or several. */
static s32 event_around(const struct kp_history *h, const struct kp_callback *run)
{
	s32 found = -1;
	u32 i;

	for (i = 0; i < kp_beside(h); i++) {
		const struct kp_event *e = &h->event[i];
		const u8 column = kp_event_step(h, i)->column;

		if (!e->called || column == KP_INSIDE || !kp_event_op(h, i)->calls_back ||
		    (run->column && run->column != column) ||
		    e->begun > run->entered || e->ended < run->returned)
			continue;
		if (found >= 0)
			return -1;
		found = i;
	}
	return found;
}

/**
 * kp_inside_settle() - find the operations that a callback's runs divide in two
 * @h: the history; its threads have ended
 */
void kp_inside_settle(struct kp_history *h)
{
	const struct kp_callback *run;
	struct kp_event *e;
	s32 around;

	h->outer = -1;
	h->unclear = h->watched && h->nr_callbacks > KP_CALLBACKS;
	for (run = h->callback; h->watched && run < h->callback + KP_CALLBACKS &&
	     run < h->callback + h->nr_callbacks; run++) {
		around = event_around(h, run);
		if (around < 0) {
			h->unclear = true;
			continue;
		}
		/* Others are single steps, unless they wait for it. */
		if (!run->carries && !kp_event_op(h, around)->waits)
			continue;
		e = &h->event[around];
		h->unclear |= !!e->entered;
		e->entered = run->entered;
		e->returned = run->returned;
		if (run->carries)
			h->outer = around;
	}
}

/**
 * kp_inside_reference() - name the history whose orders are carried out
 * @h: the history, or NULL for none
 */
void kp_inside_reference(struct kp_history *h)
{
	inside.reference = h;
}

/**
 * kp_inside_begin() - the next operation of an order is to have the callback run
 * @obj: its object
 * @first: the first step that is to be carried out from inside
 * @nr: how many are
 *
 * Context: task.
 */
void kp_inside_begin(void *obj, u32 first, u32 nr)
{
	inside.obj = obj;
	inside.first = first;
	inside.nr = nr;
	/* An order is no program that runs again; the history is. */
	kp_watch(inside.reference->ahead, true);
	kp_inside_guard(0, 0);
	WRITE_ONCE(inside.expected, true);
}

/**
 * kp_inside_end() - undo kp_inside_begin(), and note whether the callback ran
 *
 * Context: may sleep.
 */
void kp_inside_end(void)
{
	struct kp_history *h = inside.reference;

	if (READ_ONCE(inside.expected))
		h->missed = inside.first - 1;
	WRITE_ONCE(inside.expected, false);
	wait_for_callbacks();
	kp_inside_unguard(0);
	kp_watch(h->ref, true);
}
