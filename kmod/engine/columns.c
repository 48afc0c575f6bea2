// SPDX-License-Identifier: GPL-2.0
/*
 * Two threads, each on a CPU of its own, that carry out the operations of a history at the same
 * time. The thread of the case is one of them.
 *
 * An operation's begin and end are read from the CPU's counter, and not from one that both
 * threads change: that would have each operation wait for the cache line that the other thread
 * has just written, and order what they do.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/timex.h>
#ifdef CONFIG_X86_64
#include <asm/tsc.h>
#endif
#include "history.h"
#include "nesting.h"

/*
 * Turns of a thread that waits for the other one before it sleeps: a worker that an operation
 * waits for may want this CPU. Between two histories it does not: an emulator that has less than a
 * core for each CPU would have both run by turns.
 */
#define TURNS		4096

static struct {
	struct task_struct *other;
	struct mm_struct *mm;
	struct completion ended;
	struct kp_batch *now;
	u32 nr;
	cpumask_t allowed;
	u32 wanted;
	u32 at[KP_COLUMNS];
	u32 done;
	bool stop;
} columns;

/**
 * kp_stamp() - the counter, read between all that comes before and all that comes behind
 *
 * An operation whose end is before another one's begin is over then for all CPUs.
 *
 * Context: any.
 * Return: the counter
 */
u64 kp_stamp(void)
{
	u64 now;

	mb(); /* what was stored is seen by all CPUs, */
#ifdef CONFIG_X86_64
	now = rdtsc_ordered();
#else
	now = get_cycles();
#endif
	mb(); /* and nothing behind has begun. */
	return now;
}

static void delay(u32 turns)
{
	while (turns--)
		OPTIMIZER_HIDE_VAR(turns);
}

/*
 * Whether the handle that an operation returns would take the place of one that is held. That one
 * would be given back behind the call, which no operation of the history does.
 */
static bool is_taken(const struct kp_history *h, const struct kp_step *step)
{
	const struct kp_pair *pair = h->p->pair;
	const struct kp_arg *arg = pair->operation[step->op].arg;
	u32 a;

	for (a = 0; pair->nr_handles && a < KP_NR_ARGS && arg[a].name; a++)
		if (arg[a].kind == KP_NEW && kp_handles(pair, h->obj)[step->arg[a]])
			return true;
	return false;
}

static void carry_out(struct kp_history *h, u32 column, u32 event)
{
	const bool thread = column < KP_COLUMNS;
	const bool meets = thread && h->by_turns && event == h->turn.event[column];
	const u32 cpu = column ^ h->turn.swap;
	struct kp_trace *trace = h->result[column];
	struct kp_event *e = &h->event[event];
	struct kp_nesting before;
	u32 i = h->before + event;

	*e = (struct kp_event){ .delay = e->delay };
	if (is_taken(h, &h->prog->step[i])) {
		trace->step[i].skipped = true;
		if (meets)
			kp_turns_meet(h, cpu, event, false);
		return;
	}
	e->called = kp_call_begin(h->call[column], trace, h->obj, i, column * KP_NR_ARGS);
	if (meets)
		kp_turns_meet(h, cpu, event, e->called);
	else
		delay(e->delay);
	if (e->called) {
		before = kp_nesting_now();
		e->begun = kp_stamp();
		kp_call_make(h->call[column]);
		e->ended = kp_stamp();
		e->unbalanced = kp_nesting_restore(&before);
	}
	if (thread && h->by_turns)
		kp_turns_ended(cpu);
	e->broken = kp_call_end(h->call[column], i);
}

/**
 * kp_column_run() - carry out the operations of one thread, or of the callback
 * @h: the history
 * @column: the column, from 0
 *
 * Context: that of the operations.
 */
void kp_column_run(struct kp_history *h, u32 column)
{
	u32 event;

	for (event = 0; event < kp_beside(h); event++)
		if (kp_event_step(h, event)->column == column + 1)
			carry_out(h, column, event);
}

/* Wait until the other thread has set a number; false if it is to end. */
static bool wait_for(const u32 *at, u32 value)
{
	u32 turns = 0;

	/* Pairs with the release by the thread that sets it. */
	while (smp_load_acquire(at) != value) {
		if (READ_ONCE(columns.stop))
			return false;
		if (++turns < TURNS)
			cpu_relax();
		else
			usleep_range(10, 20);
	}
	return true;
}

/* Wait until the other CPU has come to a history. */
static void wait_for_column(u32 other, u32 at)
{
	/* Pairs with the release there. */
	while (smp_load_acquire(&columns.at[other]) < at)
		cpu_relax();
}

/* Carry out the operations of a CPU in all histories; both begin each together. */
static void run_columns(u32 cpu)
{
	const u32 other = (cpu + 1) % KP_COLUMNS;
	u32 i;

	for (i = 0; i < columns.nr; i++) {
		struct kp_history *h = &columns.now->h[i];

		/*
		 * The kernel may not survive this one: it is told from here on, when the other CPU,
		 * which may be stopped in the one before, has ended that.
		 */
		if (!cpu)
			wait_for_column(other, i + 1);
		if (!cpu && !IS_ERR(h->obj))
			kp_watch(h->ahead, true);
		/* Pairs with the loop in the other thread. */
		smp_store_release(&columns.at[cpu], i + 1);
		if (cpu)
			wait_for_column(other, i + 1);
		if (IS_ERR(h->obj))
			continue;
		if (h->watched)
			kp_inside_guard(cpu, cpu ^ h->turn.swap);
		kp_column_run(h, cpu ^ h->turn.swap);
	}
}

static int run_other(void *unused)
{
	u32 n;

	if (columns.mm)
		kthread_use_mm(columns.mm);
	for (n = 1; wait_for(&columns.wanted, n); n++) {
		run_columns(1);
		kp_inside_unguard(1);
		/* Pairs with wait_for() in the other thread: all results are seen there. */
		smp_store_release(&columns.done, n);
	}
	if (columns.mm)
		kthread_unuse_mm(columns.mm);
	kthread_complete_and_exit(&columns.ended, 0);
}

/**
 * kp_columns_run() - carry out the operations of threads at the same time
 * @batch: the histories; their objects are made, and nothing else uses them
 * @nr: how many these are
 *
 * One history comes right behind the other: under an emulator on a busy host the two CPUs seldom
 * run at the same time, and that is the time to do much in.
 *
 * Context: may sleep, between kp_columns_start() and kp_columns_stop().
 */
void kp_columns_run(struct kp_batch *batch, u32 nr)
{
	u32 n = columns.wanted + 1;

	/* Such histories come one at a time. */
	if (batch->h[0].p->pair->callback && !IS_ERR(batch->h[0].obj))
		kp_inside_open(&batch->h[0]);
	columns.now = batch;
	columns.nr = nr;
	columns.at[0] = 0;
	columns.at[1] = 0;
	/* Pairs with wait_for() in the other thread: all of this is seen there. */
	smp_store_release(&columns.wanted, n);
	run_columns(0);
	wait_for(&columns.done, n);
	if (batch->h[0].watched)
		kp_inside_close(&batch->h[0]);
	kp_inside_unguard(0);
	for (n = 0; kp_turns_taken() && n < nr; n++)
		if (!IS_ERR(batch->h[n].obj))
			kp_turns_measure(&batch->h[n]);
}

/**
 * kp_columns_start() - have a second thread wait on another CPU
 *
 * The calling thread stays on its CPU until kp_columns_stop(). The second one has its address
 * space.
 *
 * Context: may sleep; one user at a time.
 * Return: 0; -ENODEV on one CPU, -EOPNOTSUPP where counters of CPUs are not in step, or another
 *         errno
 */
int kp_columns_start(void)
{
	u32 here, there;

#ifdef CONFIG_X86_64
	if (check_tsc_unstable())
		return -EOPNOTSUPP;
#endif
	here = cpumask_first(cpu_online_mask);
	there = cpumask_next(here, cpu_online_mask);
	if (there >= nr_cpu_ids)
		return -ENODEV;
	if (kp_turns_taken())
		kp_turns_start();
	kp_inside_start();
	init_completion(&columns.ended);
	columns.wanted = 0;
	columns.done = 0;
	columns.stop = false;
	columns.mm = current->mm;
	columns.other = kthread_create(run_other, NULL, "kparity-column");
	if (IS_ERR(columns.other))
		return PTR_ERR(columns.other);
	kthread_bind(columns.other, there);
	cpumask_copy(&columns.allowed, current->cpus_ptr);
	set_cpus_allowed_ptr(current, cpumask_of(here));
	wake_up_process(columns.other);
	return 0;
}

/**
 * kp_columns_stop() - undo kp_columns_start()
 *
 * Context: may sleep.
 */
void kp_columns_stop(void)
{
	WRITE_ONCE(columns.stop, true);
	wait_for_completion(&columns.ended);
	if (kp_turns_taken())
		kp_turns_stop();
	kp_inside_stop();
	set_cpus_allowed_ptr(current, &columns.allowed);
}
