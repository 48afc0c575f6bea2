/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarations that the files of case history share: history.c draws histories, columns.c has
 * two threads carry them out, inside.c the object's callback, turns.c stops one of these at a
 * chosen instruction, places.c has it do that at each of them in turn, orders.c looks for an order
 * of the operations that explains the results, unordered.c makes a history small that has none, and
 * tells of it.
 */
#ifndef _KPARITY_HISTORY_H
#define _KPARITY_HISTORY_H

#include <linux/bits.h>
#include "engine.h"

/** define KP_COLUMNS - threads of a history */
#define KP_COLUMNS	2

/** define KP_INSIDE - column of the operations that the object's callback carries out */
#define KP_INSIDE	(KP_COLUMNS + 1)

/** define KP_BEFORE - operations before the threads begin, at most */
#define KP_BEFORE	72

/** define KP_BESIDE - operations of all threads and the callback, at most */
#define KP_BESIDE	8

/** define KP_ORDER_PLACES - places in an order, of which one with a callback within has two */
#define KP_ORDER_PLACES	(2 * KP_BESIDE)

/** define KP_RETURNS - in an order, the callback within the operation returns here */
#define KP_RETURNS	BIT(7)

/** define KP_CALLBACKS - runs of the callback that are taken down, of a history */
#define KP_CALLBACKS	8

/** define KP_BATCH - histories that are carried out right behind each other */
#define KP_BATCH	8

/** define KP_HISTORY_STEPS - operations of a history, at most */
#define KP_HISTORY_STEPS	(KP_BEFORE + KP_BESIDE)

/**
 * struct kp_event - an operation of a thread, or of the callback
 * @delay: turns of an empty loop before it
 * @called: it was called; else it takes a handle that its thread does not hold, or its new
 *          handle has no place
 * @begun: kp_stamp() right before the call
 * @ended: kp_stamp() right behind it
 * @entered: kp_stamp() where the callback began that ran within it, and divides it in two; 0 if
 *           it is a single step
 * @returned: kp_stamp() where that ended
 * @unbalanced: it left interrupts, preemption or RCU other than it found them
 * @broken: the part of its contract that it broke, or NULL
 */
struct kp_event {
	u32 delay;
	bool called;
	u64 begun;
	u64 ended;
	u64 entered;
	u64 returned;
	bool unbalanced;
	const char *broken;
};

/**
 * struct kp_callback - a run of the object's callback
 * @entered: kp_stamp() where it began
 * @returned: kp_stamp() where it ended
 * @column: the thread on whose task it ran, from 1; 0 for another task
 * @carries: it has carried out the operations of its column
 */
struct kp_callback {
	u64 entered;
	u64 returned;
	u8 column;
	bool carries;
};

/** define KP_TURN_PARTS - parts of an operation's length, of which one is drawn */
#define KP_TURN_PARTS	4096

/**
 * struct kp_turn - the operations that meet where CPUs take turns, see turns.c
 * @event: the operation of each thread
 * @swap: the second thread is on CPU 0, and not on CPU 1
 * @part: where the one on CPU 1 is stopped
 * @second: where the one on CPU 0 is interrupted, or 0
 * @at: where the one on CPU 1 is stopped, in instructions; 0: as @part says
 * @waited: when the wait before the one on CPU 1 ended; 0 where there was none
 */
struct kp_turn {
	u32 event[KP_COLUMNS];
	u32 swap;
	u32 part;
	u32 second;
	u32 at;
	u64 waited;
};

/**
 * enum kp_ordered - whether the results of a history are those of an order of its operations
 * @KP_IN_ORDER: they are
 * @KP_IN_ORDER_BUT: they are but for what the contract excuses
 * @KP_UNDECIDED: none of the orders that were tried; there are more
 * @KP_UNORDERED: there is no such order, or the contract was broken otherwise
 */
enum kp_ordered { KP_IN_ORDER, KP_IN_ORDER_BUT, KP_UNDECIDED, KP_UNORDERED };

/**
 * struct kp_history - a history: operations, and what they gave
 * @test: the case
 * @p: its path
 * @path: the path that is tried: @p's, or C over C for comparison
 * @prog: operations before, then those of the threads, whose @column is set
 * @own: room for one
 * @before: how many come before
 * @obj: the object, or an ERR_PTR
 * @ahead: results of those before, and the view behind all
 * @view: hash of that view
 * @result: those of each thread, and of the callback
 * @call: calls of each
 * @event: operations of the threads and the callback, in the program's order
 * @watched: runs of the callback are taken down
 * @callback: these
 * @nr_callbacks: how many there were, which may be more than there is room for
 * @outer: the event within which the callback carried out the operations of its column; -1 if it
 *         carried out none
 * @unclear: within which event a callback ran is not known
 * @together: two operations of different threads ran at the same time
 * @broken: what is wrong with it; NULL for nothing
 * @order: room for an order of the operations, as a program
 * @ref: its results on C over C
 * @ref_inside: those of operations that are carried out within a callback there
 * @missed: the step of that order whose callback did not run there; -1 for none
 * @nearest: the order that explains most results: numbers of events, and %KP_RETURNS
 * @nr_nearest: how many places it has
 * @explains: how many results of it are those of the history
 * @orders: orders that were tried
 * @found: the verdict
 * @stuck: an operation came back with a lock held, say; the object is left alone
 * @ip: where an operation was interrupted by all others; 0 if it was not
 * @by: where the pair had called the function that @ip is in; 0 if it is the pair's own
 * @by_turns: CPUs take turns, see turns.c
 * @turn: where these end
 */
struct kp_history {
	struct kunit *test;
	const struct kp_path_param *p;
	enum kp_path_id path;
	struct kp_program *prog;
	struct kp_program *own;
	u32 before;
	void *obj;
	struct kp_trace *ahead;
	u64 view;
	struct kp_trace *result[KP_INSIDE];
	struct kp_call *call[KP_INSIDE];
	struct kp_event event[KP_BESIDE];
	bool watched;
	struct kp_callback callback[KP_CALLBACKS];
	u32 nr_callbacks;
	s32 outer;
	bool unclear;
	bool together;
	const char *broken;
	struct kp_program order;
	struct kp_trace *ref;
	struct kp_trace *ref_inside;
	s32 missed;
	u8 nearest[KP_ORDER_PLACES];
	u32 nr_nearest;
	s32 explains;
	u32 orders;
	enum kp_ordered found;
	bool stuck;
	unsigned long ip;
	unsigned long by;
	bool by_turns;
	struct kp_turn turn;
};

struct kp_batch;
typedef struct kp_history *(*kp_again)(struct kp_batch *batch, u32 most, u32 *runs);

/**
 * struct kp_batch - histories that are carried out right behind each other
 * @h: the histories
 * @size: how many at most: one, where what objects leave behind is judged as well
 * @again: tries the one that all of them are, so many times at most, until it goes wrong: that
 *         one, or NULL; receives how often it was tried
 * @end: when it is to give up, in ticks
 * @stuck: one of them is stuck: no more are to be tried
 * @at: all are one, and where an operation of the first is stopped, see places.c; 0: that is drawn
 * @by: in each one behind it that is so many instructions further on
 * @stopped: which operation is stopped, of those of the threads
 * @both: the other one is stopped as well, at a place that is drawn
 * @wrong_at: where one was stopped when that went wrong; 0 for nowhere
 */
struct kp_batch {
	struct kp_history h[KP_BATCH];
	u32 size;
	kp_again again;
	unsigned long end;
	bool stuck;
	u32 at;
	u32 by;
	u32 stopped;
	bool both;
	u32 wrong_at;
};

/**
 * kp_beside() - how many operations the threads of a history have
 * @h: the history
 *
 * Return: their number
 */
static inline u32 kp_beside(const struct kp_history *h)
{
	return h->prog->nr_steps - h->before;
}

/**
 * kp_has_all_threads() - whether each thread of a program has an operation
 * @prog: the program
 * @before: how many of its operations come before the threads
 *
 * Return: whether it has
 */
static inline bool kp_has_all_threads(const struct kp_program *prog, u32 before)
{
	u32 i, used = 0;

	for (i = before; i < prog->nr_steps; i++)
		used |= BIT(prog->step[i].column);
	return (used & ~BIT(KP_INSIDE)) == GENMASK(KP_COLUMNS, 1);
}

/**
 * kp_of_callback() - how many operations of a program its object's callback carries out
 * @prog: the program
 *
 * Return: their number
 */
static inline u32 kp_of_callback(const struct kp_program *prog)
{
	u32 i, n = 0;

	for (i = prog->nr_steps - prog->columns; i < prog->nr_steps; i++)
		n += prog->step[i].column == KP_INSIDE;
	return n;
}

/**
 * kp_event_step() - the operation of an event
 * @h: the history
 * @event: the event's number
 *
 * Return: its step of the program
 */
static inline struct kp_step *kp_event_step(const struct kp_history *h, u32 event)
{
	return &h->prog->step[h->before + event];
}

/**
 * kp_event_op() - the row of an event's operation
 * @h: the history
 * @event: the event's number
 *
 * Return: the row
 */
static inline const struct kp_operation *kp_event_op(const struct kp_history *h, u32 event)
{
	return &h->p->pair->operation[kp_event_step(h, event)->op];
}

/**
 * kp_event_trace() - where an event's results are
 * @h: the history
 * @event: the event's number
 *
 * Return: the trace of its thread, or of the callback
 */
static inline struct kp_trace *kp_event_trace(const struct kp_history *h, u32 event)
{
	return h->result[kp_event_step(h, event)->column - 1];
}

/**
 * kp_at_once() - whether two operations ran at the same time
 * @a: one
 * @b: the other
 *
 * Return: false if one of them had ended when the other one began
 */
static inline bool kp_at_once(const struct kp_event *a, const struct kp_event *b)
{
	return a->begun <= b->ended && b->begun <= a->ended;
}

/**
 * kp_meets() - whether two operations ran at the same time, neither within the other one's callback
 * @h: the history
 * @a: the number of one's event
 * @b: that of the other
 *
 * Return: whether they did
 */
static inline bool kp_meets(const struct kp_history *h, u32 a, u32 b)
{
	const u8 of_a = kp_event_step(h, a)->column, of_b = kp_event_step(h, b)->column;

	return of_a != of_b && h->event[a].called && h->event[b].called &&
		!(of_a == KP_INSIDE && h->outer == b) && !(of_b == KP_INSIDE && h->outer == a) &&
		kp_at_once(&h->event[a], &h->event[b]);
}

/* histories.c */
bool kp_can_meet(const struct kp_pair *pair, u32 op);
bool kp_both_meet(const struct kp_pair *pair, u32 a, u32 b);
/**
 * enum kp_threads - what the threads of a history carry out
 * @KP_OF_ANY: some operations
 * @KP_OF_ONE_EACH: one operation each
 * @KP_OF_ONE_INSIDE: the first one operation, and the other one two, which may both come while that
 *                    runs; none of them waits
 */
enum kp_threads { KP_OF_ANY, KP_OF_ONE_EACH, KP_OF_ONE_INSIDE };

bool kp_draw_history(struct kp_history *h, u32 index, enum kp_threads threads);
void kp_keep_apart(const struct kp_pair *pair, struct kp_step *step);
bool kp_one_by_one(struct kp_history *h);

/* history.c */
struct kp_batch *kp_batch_alloc(struct kunit *test, u32 size, kp_again again);
void kp_batch_free(struct kp_batch *batch);
const char *kp_history_unfit(const struct kp_history *h, const struct kp_program *prog);
void kp_history_enter(struct kp_history *h);
void kp_history_leave(struct kp_history *h);
enum kp_ordered kp_history_judge(struct kp_history *h);
void kp_set_batch(struct kp_batch *batch, struct kp_program *prog, u32 before);
void kp_reset_batch(struct kp_batch *batch);
struct kp_history *kp_try_batch(struct kp_batch *batch, u32 *nr, u64 draw);

/* columns.c */
u64 kp_stamp(void);
void kp_column_run(struct kp_history *h, u32 column);
int kp_columns_start(void);
void kp_columns_stop(void);
void kp_columns_run(struct kp_batch *batch, u32 nr);

/* inside.c */
void kp_inside_start(void);
void kp_inside_stop(void);
void kp_inside_guard(u32 cpu, u32 column);
void kp_inside_unguard(u32 cpu);
void kp_inside_open(struct kp_history *h);
void kp_inside_close(struct kp_history *h);
void kp_inside_settle(struct kp_history *h);
void kp_inside_reference(struct kp_history *h);

/* turns.c */
struct kp_random;
bool kp_turns_taken(void);
void kp_turns_start(void);
void kp_turns_stop(void);
void kp_turns_draw(struct kp_history *h, struct kp_random *rnd);
void kp_turns_set(struct kp_history *h, u32 stopped, u32 at, struct kp_random *second);
u32 kp_turns_length(u32 op);
void kp_turns_aim(void);
u32 kp_turns_begin(void);
void kp_turns_meet(struct kp_history *h, u32 cpu, u32 event, bool called);
void kp_turns_ended(u32 cpu);
void kp_turns_measure(const struct kp_history *h);

/* places.c */
void kp_places_start(const struct kp_pair *pair, u32 places_wanted);
bool kp_places_fit(const struct kp_history *h);
struct kp_history *kp_places_try(struct kp_batch *batch, bool given, bool close);

/* orders.c */
bool kp_waits_beside(const struct kp_history *h);
enum kp_ordered kp_find_order(struct kp_history *h);
bool kp_run_nearest(struct kp_history *h);

/* unordered.c */
void kp_unordered(struct kp_batch *batch, struct kp_history *h, const char *name);

#endif
