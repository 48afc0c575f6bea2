// SPDX-License-Identifier: GPL-2.0
/*
 * Two operations, one after the other, inside of one that they interrupt: the part of case
 * interrupt that is drawn. What one of them undoes, as a push behind a pop, only two show.
 *
 * These are histories of two threads, of which the second one runs as a whole at one instruction
 * of the first one's operation. They are drawn, carried out on one CPU, and judged as histories
 * are: a result must be that of an order.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include "history.h"
#include "interrupt.h"
#include "nesting.h"

/* Positions of a sequence that are tried. */
#define POSITIONS	4
/* Sequences that are drawn, at most; of those that go wrong, so many are told. */
#define SEQUENCES	16384
#define TOLD		3

/* The first thread's operation, with the moments of its begin and end. */
static void call_outer(void *data)
{
	struct kp_history *h = data;

	h->event[0].begun = kp_stamp();
	kp_call_make(h->call[0]);
	h->event[0].ended = kp_stamp();
}

static void run_inner(void *data)
{
	kp_column_run(data, 1);
}

/* The strongest context that all operations of the second thread allow. */
static enum kp_inside where(const struct kp_history *h)
{
	enum kp_inside found = KP_IN_HARDIRQ;
	u32 i;

	/* User memory, and allocations for what KASAN watches, are for threads. */
	if (h->p->pair->user || IS_ENABLED(CONFIG_KASAN))
		return KP_IN_THREAD;
	for (i = 1; i < kp_beside(h); i++)
		found = max(found, kp_where(kp_event_op(h, i)));
	return found;
}

/* Get ready: the object, and the arguments of the operation that is interrupted. */
static bool begin(struct kp_history *h)
{
	h->broken = NULL;
	h->explains = -1;
	h->ip = 0;
	h->by = 0;
	h->watched = false;
	memset(h->event, 0, sizeof(h->event));
	kp_history_enter(h);
	if (IS_ERR(h->obj)) {
		h->broken = "the object is not made, as it is on c->c";
		return false;
	}
	h->event[0].called = kp_call_begin(h->call[0], h->result[0], h->obj, h->before, 0);
	return h->event[0].called;
}

/* Record the operation that was interrupted, and take the state. */
static void end(struct kp_history *h)
{
	h->event[0].broken = kp_call_end(h->call[0], h->before);
	kp_history_leave(h);
}

/* Instructions of the operation that is to be interrupted; 0 if it cannot be called. */
static u32 length_of(struct kp_history *h)
{
	u32 length;

	if (!begin(h)) {
		if (!IS_ERR(h->obj))
			end(h);
		return 0;
	}
	length = kp_irq_length(call_outer, h);
	end(h);
	return length;
}

/* Interrupt once, at an instruction; false if the operation was not interrupted. */
static bool try_at(struct kp_history *h, struct kp_interruption *in, u32 at)
{
	kp_alive();
	h->found = KP_UNORDERED;
	*in = (struct kp_interruption){ .missed = true };
	if (!begin(h)) {
		if (!IS_ERR(h->obj)) {
			end(h);
			h->found = KP_IN_ORDER;
		}
		return false;
	}
	*in = (struct kp_interruption){
		.outer = call_outer, .outer_data = h, .inner = run_inner, .inner_data = h,
		.at = at, .where = where(h),
	};
	kp_interrupt(in);
	h->ip = in->ip;
	h->by = kp_called_at(in, h->p->pair->owner);
	if (in->spins || (in->hit && !in->ended)) {
		/* It holds locks, or will yet use the object: that is left as it is. */
		h->broken = in->spins ?
			"waits for a spinlock of what it has interrupted, for ever" :
			"does not end although what it has interrupted has";
		kp_watch(NULL, false);
		return true;
	}
	end(h);
	if (!in->hit) {
		h->found = KP_IN_ORDER;
		return false;
	}
	if (in->unbalanced)
		h->broken = KP_NOT_AS_FOUND;
	h->found = kp_history_judge(h);
	return true;
}

/* What interrupts; it outlives a trial that never ends. */
static struct kp_interruption inside;

static bool is_stuck(void)
{
	return inside.hit && inside.inner && !inside.ended && !inside.spins;
}

/*
 * Interrupt at an instruction, with some tries for it; where it came. What comes late behind
 * interrupts off, or early where preemption is, does so each time. A tick of the clock in between
 * makes a trial late, or early, once.
 */
static u32 try_exactly(struct kp_history *h, u32 at, u32 *runs)
{
	s64 before = -1;
	u32 n;

	for (n = 0; n < KP_TRIES && !is_stuck(); n++) {
		++*runs;
		try_at(h, &inside, at);
		if (h->found == KP_UNORDERED)
			break;
		/* Behind the end of the operation nothing is interrupted. */
		if (inside.missed || inside.came_at <= (s64)at - KP_SHORTER ||
		    (!inside.hit && inside.came_at != at)) {
			before = -1;
			continue;
		}
		if (inside.came_at == at || inside.came_at == before) {
			kp_irq_keep();
			return max_t(s64, inside.came_at, at);
		}
		before = inside.came_at;
	}
	return at;
}

/* Try each instruction until it goes wrong; see @again of &struct kp_batch. */
static struct kp_history *again(struct kp_batch *batch, u32 most, u32 *runs)
{
	struct kp_history *h = &batch->h[0];
	u32 at, length;

	*runs = 0;
	if (is_stuck() || kp_event_step(h, 0)->column != 1 ||
	    (kp_beside(h) > 1 && kp_event_step(h, 1)->column != 2))
		return NULL;
	length = length_of(h);
	for (at = 0; at < length && !is_stuck(); at++) {
		at = try_exactly(h, at, runs);
		if (h->found == KP_UNORDERED)
			return h;
	}
	return NULL;
}

/* Try some positions of a sequence; whether one of them goes wrong. */
static bool try_some(struct kp_history *h, struct kp_sequences *sum)
{
	u32 n, length = length_of(h), step = max(length * 618 / 1000, 1);

	for (n = 0; n < POSITIONS && length; n++) {
		if (!try_at(h, &inside, (h->prog->index + (u64)n * step) % length) &&
		    h->found != KP_UNORDERED)
			continue;
		sum->tried++;
		sum->allowed += h->found == KP_IN_ORDER_BUT;
		if (h->found == KP_UNORDERED)
			return true;
	}
	return false;
}

/**
 * kp_try_sequences() - have operations interrupted by two others, one after the other
 * @test: the case; its parameter is the path
 * @go_on: whether there is time for one more
 * @data: for @go_on
 * @sum: receives what was tried
 *
 * Context: may sleep, between kp_irq_start() and kp_irq_stop().
 * Return: false if what interrupts has never ended: then it still uses what it was given
 */
bool kp_try_sequences(struct kunit *test, bool (*go_on)(const void *data), const void *data,
		      struct kp_sequences *sum)
{
	struct kp_batch *batch = kp_batch_alloc(test, 1, again);
	u32 i, wrong = 0;
	char name[60];

	if (!batch) {
		KUNIT_FAIL(test, "no memory");
		return true;
	}
	inside = (struct kp_interruption){};
	for (i = 0; i < SEQUENCES && wrong < TOLD && go_on(data) && !is_stuck() &&
	     !batch->h[0].stuck; i++) {
		if (!kp_draw_history(&batch->h[0], i, KP_OF_ONE_INSIDE)) {
			/* By its contract no operation comes while another one runs. */
			if (!sum->drawn && i > 64)
				break;
			continue;
		}
		sum->drawn++;
		if (!try_some(&batch->h[0], sum))
			continue;
		wrong++;
		scnprintf(name, sizeof(name), "seed %lu, sequence %u", kp_seed, i);
		kp_unordered(batch, &batch->h[0], name);
	}
	if (is_stuck())
		return false;
	kp_batch_free(batch);
	return true;
}

/**
 * kp_try_sequence() - have an operation interrupted by those of a program, at each instruction
 * @test: the case; its parameter is the path
 * @prog: the program: its first thread has one operation
 * @name: how to call it
 *
 * Context: may sleep, between kp_irq_start() and kp_irq_stop().
 * Return: as for kp_try_sequences()
 */
bool kp_try_sequence(struct kunit *test, struct kp_program *prog, const char *name)
{
	struct kp_batch *batch = kp_batch_alloc(test, 1, again);
	const char *why = NULL;
	u32 runs;

	if (!batch) {
		KUNIT_FAIL(test, "no memory");
		return true;
	}
	inside = (struct kp_interruption){};
	kp_set_batch(batch, prog, prog->nr_steps - prog->columns);
	why = kp_history_unfit(&batch->h[0], prog);
	if (!why && !kp_one_by_one(&batch->h[0]))
		why = "c->c does not make its object";
	if (why)
		KUNIT_FAIL(test, "%s: %s", name, why);
	else if (again(batch, 1, &runs))
		kp_unordered(batch, &batch->h[0], name);
	kp_reset_batch(batch);
	if (is_stuck())
		return false;
	kp_batch_free(batch);
	return true;
}
