// SPDX-License-Identifier: GPL-2.0
/*
 * Contended blocks of lane time: while one CPU carries out a program that is timed, a thread on
 * another one carries out operations on the same object, one right behind the other. All are such
 * as the contract lets run beside each other. So the timed CPU finds the object's cache lines at
 * the other one, and its locks sometimes held.
 *
 * What operations give depends then on what the other CPU has done, and is not compared. That they
 * keep the contract is looked at as far as a call alone shows it; the rest is for lane history.
 */
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "contended.h"
#include "draw.h"
#include "history.h"

/* Operations that the other CPU carries out before it looks whether others want that CPU. */
#define CHUNK		16
/* How long it may take to begin: the host may not run it. */
#define BEGINS_WITHIN	HZ
/* How long to look for a moment in which both CPUs run. */
#define BOTH_WITHIN	(1 + HZ / 200)
/* So often in a row the other CPU is to get on while this one looks. */
#define GETS_ON		4

/* Whether an operation can be carried out by one of the CPUs. */
static bool is_free(const struct kp_operation *op)
{
	/* One that waits could do so as long as the other CPU goes on. */
	return op->weight && !op->alone && !op->waits;
}

/* The first operation of the same role. */
static u32 first_of(const struct kp_pair *pair, u32 op)
{
	u32 i;

	for (i = 1; i < op; i++)
		if (pair->operation[i].role &&
		    !strcmp(pair->operation[i].role, pair->operation[op].role))
			break;
	return i;
}

/*
 * The CPU of an operation's role: 0 is the timed one. Operations of one role exclude each other,
 * and so are of one CPU.
 */
static u32 cpu_of(const struct kp_pair *pair, u32 op, u32 half)
{
	const u32 first = first_of(pair, op);
	u32 i, before = 0;

	for (i = 1; i < first; i++)
		before += pair->operation[i].role && first_of(pair, i) == i;
	return (before + half) % 2;
}

/* The weights of a CPU's operations; whether it has any. */
static bool weigh(const struct kp_pair *pair, u32 *weight, u32 cpu, u32 half)
{
	bool any = false;
	u32 op;

	kp_weights(pair, weight);
	/* The no-op tells what a call itself takes: only the timed CPU needs it. */
	if (cpu)
		weight[0] = 0;
	for (op = 1; op < pair->nr_ops; op++) {
		if (!is_free(&pair->operation[op]) ||
		    (pair->operation[op].role && cpu_of(pair, op, half) != cpu))
			weight[op] = 0;
		any |= weight[op];
	}
	return any;
}

/* Draw the operations of both CPUs, on the object of a program that has one. */
static bool draw(struct kp_contended *c, const struct kp_program *valid, u32 half)
{
	struct kp_program *prog = c->prog[half];
	struct kp_drawing d = { .pair = c->pair, .prog = prog };
	u32 i, weight[2][KP_MAX_OPS];
	bool any = weigh(c->pair, weight[0], 0, half);

	any &= weigh(c->pair, weight[1], 1, half);
	if (!any)
		return false;
	kp_draw_begin(&d, valid->seed, valid->index, 2 * c->steps, KP_DRAW_USUAL);
	kp_draw_steps(&d, weight[0], 0, c->steps);
	kp_draw_steps(&d, weight[1], c->steps, 2 * c->steps);
	for (i = 0; i < 2 * c->steps; i++) {
		struct kp_step *step = &prog->step[i];

		/* Often both are about the same key, say. */
		if (i >= c->steps && kp_die(&d.rnd, 2))
			kp_copy_arguments(c->pair, step, &prog->step[kp_die(&d.rnd, c->steps)]);
		step->column = 1 + (i >= c->steps);
		kp_keep_apart(c->pair, step);
		kp_hold_still(c->pair, step);
		step->column = 0;
	}
	prog->nr_steps = c->steps;
	return true;
}

/**
 * kp_contended_alloc() - make ready what two CPUs are to carry out
 * @pair: the pair
 * @valid: a program whose object C over C makes
 * @steps: operations of the timed CPU in a program
 *
 * Context: may sleep.
 * Return: all of it, of which @may says whether there is anything; NULL without memory
 */
struct kp_contended *kp_contended_alloc(const struct kp_pair *pair,
					const struct kp_program *valid, u32 steps)
{
	struct kp_contended *c = kvzalloc_obj(*c);
	bool all = c;
	u32 i;

	if (!c)
		return NULL;
	c->pair = pair;
	c->steps = steps;
	for (i = 0; i < KP_HALVES; i++)
		all &= !!(c->prog[i] = kp_program_alloc(2 * steps));
	for (i = 0; i < KP_RUNS; i++)
		all &= !!(c->run[i] = kp_trace_alloc(steps, false));
	all &= !!(c->other = kp_trace_alloc(2 * steps, false));
	all &= !!(c->call = kp_call_alloc());
	if (!all) {
		kp_contended_free(c);
		return NULL;
	}
	/* A function has no object, which two could want. */
	for (i = 0; i < KP_HALVES && !pair->stateless; i++)
		c->may[i] = draw(c, valid, i);
	return c;
}

/**
 * kp_contended_free() - undo kp_contended_alloc()
 * @c: what that returned, or NULL; its thread has ended
 */
void kp_contended_free(struct kp_contended *c)
{
	u32 i;

	if (!c)
		return;
	for (i = 0; i < KP_HALVES; i++)
		kp_program_free(c->prog[i]);
	for (i = 0; i < KP_RUNS; i++)
		kp_trace_free(c->run[i]);
	kp_trace_free(c->other);
	kvfree(c->call);
	kvfree(c);
}

/* Carry out an operation on the other CPU. */
static void carry_out(struct kp_contended *c, u32 i)
{
	struct kp_trace *trace = c->other;
	const char *broken;

	trace->step[i].skipped = false;
	trace->step[i].broken = NULL;
	if (kp_call_begin(c->call, trace, c->obj, i, KP_NR_ARGS))
		kp_call_make(c->call);
	broken = kp_call_end(c->call, i);
	if (broken)
		kp_trace_broken(trace, i, broken);
}

/*
 * Carry out operations until that is to stop. As on the timed CPU, interrupts are off where no
 * operation sleeps: else one that comes while a lock is held would be timed there. They are on
 * between chunks, so that this CPU does what else it has to.
 */
static void carry_out_all(struct kp_contended *c)
{
	const bool atomic = kp_never_sleeps(c->pair);
	u32 i = c->steps, n, done = 0;
	unsigned long flags;

	/* Pairs with the release in kp_contended_leave(). */
	while (!smp_load_acquire(&c->stop)) {
		if (atomic)
			local_irq_save(flags);
		for (n = 0; n < CHUNK && !READ_ONCE(c->stop); n++) {
			carry_out(c, i);
			if (++i == 2 * c->steps) {
				i = c->steps;
				c->other->kept_used = 0;
			}
			WRITE_ONCE(c->done, ++done);
		}
		if (atomic)
			local_irq_restore(flags);
		if (done <= CHUNK)
			complete(&c->begun);
		cond_resched();
	}
}

static int run_other(void *data)
{
	struct kp_contended *c = data;

	if (c->mm)
		kthread_use_mm(c->mm);
	for (;;) {
		/* Idle, and not a task that hangs. */
		wait_for_completion_state(&c->go, TASK_IDLE);
		if (c->quit)
			break;
		carry_out_all(c);
		complete(&c->ended);
	}
	if (c->mm)
		kthread_unuse_mm(c->mm);
	kthread_complete_and_exit(&c->gone, 0);
}

/**
 * kp_contended_start() - have a thread wait on another CPU
 * @c: what kp_contended_alloc() returned
 * @cpu: the CPU, on which the caller does not run
 *
 * Context: may sleep. User memory that operations need has been attached.
 * Return: 0 or an errno
 */
int kp_contended_start(struct kp_contended *c, u32 cpu)
{
	struct task_struct *task = kthread_create(run_other, c, "kparity-beside");

	if (IS_ERR(task))
		return PTR_ERR(task);
	init_completion(&c->go);
	init_completion(&c->begun);
	init_completion(&c->ended);
	init_completion(&c->gone);
	c->mm = current->mm;
	kthread_bind(task, cpu);
	c->task = task;
	wake_up_process(task);
	return 0;
}

/**
 * kp_contended_stop() - undo kp_contended_start()
 * @c: what kp_contended_alloc() returned
 *
 * Context: may sleep.
 */
void kp_contended_stop(struct kp_contended *c)
{
	if (!c->task)
		return;
	c->quit = true;
	complete(&c->go);
	wait_for_completion(&c->gone);
	c->task = NULL;
}

/*
 * Wait for a moment in which both CPUs run: the host may run them by turns. Then this one finds
 * again and again that the other one has got on a little; a leap shows that it was itself that did
 * not run.
 */
static bool both_run(const struct kp_contended *c)
{
	const unsigned long end = jiffies + BOTH_WITHIN;
	u32 seen = READ_ONCE(c->done), now, times = 0;

	while (times < GETS_ON && time_before(jiffies, end)) {
		cpu_relax();
		now = READ_ONCE(c->done);
		if (now == seen)
			continue;
		times = now - seen <= CHUNK ? times + 1 : 0;
		seen = now;
	}
	return times == GETS_ON;
}

/**
 * kp_contended_enter() - have the other CPU carry out operations on an object from now on
 * @c: what kp_contended_start() was called for
 * @half: which program
 * @path: the path
 * @obj: the object, which stays until kp_contended_leave()
 *
 * Context: may sleep.
 * Return: whether both CPUs run, as of now; false if the host does not have them do so
 */
bool kp_contended_enter(struct kp_contended *c, u32 half, enum kp_path_id path, void *obj)
{
	c->obj = obj;
	c->prog[half]->nr_steps = 2 * c->steps;
	kp_trace_start(c->other, c->pair, path, c->prog[half]);
	c->prog[half]->nr_steps = c->steps;
	c->stop = false;
	c->done = 0;
	reinit_completion(&c->begun);
	complete(&c->go);
	return wait_for_completion_timeout(&c->begun, BEGINS_WITHIN) && both_run(c);
}

/**
 * kp_contended_leave() - have the other CPU leave the object
 * @c: what kp_contended_enter() was called for, whatever that returned
 *
 * Context: may sleep.
 * Return: the part of the contract that one of its operations broke, or NULL
 */
const char *kp_contended_leave(struct kp_contended *c)
{
	/* Pairs with the loop in carry_out_all(). */
	smp_store_release(&c->stop, true);
	wait_for_completion(&c->ended);
	return c->other->broken;
}
