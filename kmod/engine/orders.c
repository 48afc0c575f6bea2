// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the results of a history are those of an order of its operations: it is linearizable
 * then. An operation that had ended before another one began comes before it in every order.
 *
 * The sequential reference is the C side itself, on fresh objects. It has no copies of its
 * state to go back to, so the search of Wing and Gong (Testing and Verifying Concurrent Objects,
 * 1993) runs whole orders. The first operation of an order that gives something else than in the
 * history rules out all orders that begin in the same way.
 */
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "history.h"

/* Orders of a history that are tried. */
#define ORDERS		200
/* What a search returns for an order that explains all. */
#define FOUND		S32_MAX

/**
 * struct search - a search for an order
 * @h: the history
 * @left_out: operations that are as if they had not been called, as bits
 * @lenient: what the contract excuses is no difference
 * @excused: the last order was found because of that
 * @next: of each thread, the first event that is not placed yet
 * @order: those that are placed
 * @nr: how many these are
 * @of: how many there are to place
 */
struct search {
	struct kp_history *h;
	u32 left_out;
	bool lenient;
	bool excused;
	u32 next[KP_COLUMNS];
	u8 order[KP_BESIDE];
	u32 nr;
	u32 of;
};

/* Whether an event is part of the search: it was called, and is not left out. */
static bool takes_part(const struct search *s, u32 event)
{
	return s->h->event[event].called && !(s->left_out & BIT(event));
}

/* The next event of a thread from one on, or the number of all. */
static u32 next_of(const struct search *s, u32 column, u32 event)
{
	while (event < kp_beside(s->h) &&
	       (kp_event_step(s->h, event)->column != column + 1 || !takes_part(s, event)))
		event++;
	return event;
}

/* Whether an event ran at the same time as one of another thread. */
static bool is_beside(const struct kp_history *h, u32 event)
{
	u32 i;

	for (i = 0; i < kp_beside(h); i++)
		if (h->event[i].called && h->event[event].called &&
		    kp_event_step(h, i)->column != kp_event_step(h, event)->column &&
		    kp_at_once(&h->event[i], &h->event[event]))
			return true;
	return false;
}

/**
 * kp_waits_beside() - whether an operation that waits for others ran at the same time as one
 * @h: the history
 *
 * Such an operation is no single step, and no order has to explain what it saw.
 *
 * Return: whether one did
 */
bool kp_waits_beside(const struct kp_history *h)
{
	u32 i;

	for (i = 0; i < kp_beside(h); i++)
		if (kp_event_op(h, i)->waits && is_beside(h, i))
			return true;
	return false;
}

/* Make the program of an order; the events are behind the operations before. */
static void make_order(struct kp_history *h, const u8 *order, u32 nr)
{
	struct kp_step *step = h->order.step;
	u32 i;

	h->order = *h->prog;
	h->order.step = step;
	h->order.columns = 0;
	h->order.nr_steps = h->before + nr;
	h->order.observe = true;
	memcpy(step, h->prog->step, h->before * sizeof(*step));
	for (i = 0; i < nr; i++) {
		step[h->before + i] = *kp_event_step(h, order[i]);
		step[h->before + i].column = 0;
	}
	kp_trace_run(h->ref, h->p->pair, KP_C_C, &h->order);
}

/*
 * Whether a snapshot is what its operation gives at another place of the order, among those that
 * ran at the same time. The order is carried out again afterwards.
 */
static bool gives_elsewhere(struct search *s, u32 at)
{
	struct kp_history *h = s->h;
	const u32 event = s->order[at];
	const struct kp_step_trace *got = &kp_event_trace(h, event)->step[h->before + event];
	u8 order[KP_BESIDE];
	bool found = false;
	u32 i, n;

	for (i = 0; i < s->nr && !found; i++) {
		if (i == at || !kp_at_once(&h->event[event], &h->event[s->order[i]]))
			continue;
		for (n = 0; n < s->nr; n++)
			order[n] = s->order[n];
		/* Move it there, and what is between by one. */
		for (n = at; n < i; n++)
			order[n] = order[n + 1];
		for (n = at; n > i; n--)
			order[n] = order[n - 1];
		order[i] = event;
		make_order(h, order, s->nr);
		found = h->ref->nr == h->order.nr_steps &&
			kp_same_results(&h->ref->step[h->before + i], got);
	}
	make_order(h, s->order, s->nr);
	return found;
}

/* Carry an order out on C over C; how many of its results are those of the history. */
static s32 try_order(struct search *s)
{
	struct kp_history *h = s->h;
	u32 i;

	h->orders++;
	s->excused = false;
	make_order(h, s->order, s->nr);
	if (h->ref->nr != h->order.nr_steps)
		return 0;
	for (i = 0; i < s->nr; i++) {
		const struct kp_step_trace *want = &h->ref->step[h->before + i];
		const u32 event = s->order[i];

		if (kp_same_results(want, &kp_event_trace(h, event)->step[h->before + event]))
			continue;
		if (!s->lenient || !is_beside(h, event) ||
		    !(kp_event_op(h, event)->hint ||
		      (kp_event_op(h, event)->snapshot && gives_elsewhere(s, i))))
			return i;
		s->excused = true;
	}
	if (h->p->pair->view_size &&
	    kp_timeless(h->p->pair, h->ref->view) != h->view)
		return s->nr;
	return FOUND;
}

/* Note the order that explains most, to be told of. */
static void note_nearest(struct search *s, s32 explains)
{
	if (explains <= s->h->explains)
		return;
	s->h->explains = explains;
	s->h->nr_nearest = s->nr;
	memcpy(s->h->nearest, s->order, s->nr);
}

/* Whether an event may come next: no other one that is not placed had ended before it. */
static bool may_be_next(const struct search *s, u32 event)
{
	u32 c;

	for (c = 0; c < KP_COLUMNS; c++) {
		const u32 other = s->next[c];

		if (other < kp_beside(s->h) && s->h->event[other].ended < s->h->event[event].begun)
			return false;
	}
	return true;
}

/*
 * Place all events that are left. Returns FOUND, or the place of the first event in the last
 * order with another result: only orders that differ before or there need be tried.
 */
static s32 place(struct search *s)
{
	const u32 depth = s->nr;
	s32 got = depth;
	u32 n, c, first;

	if (depth == s->of) {
		got = try_order(s);
		note_nearest(s, min_t(s32, got, s->nr));
		return got;
	}
	/* The one that ended first is the likeliest to come first. */
	first = s->next[0] < kp_beside(s->h) && (s->next[1] == kp_beside(s->h) ||
		s->h->event[s->next[0]].ended <= s->h->event[s->next[1]].ended) ? 0 : 1;
	for (n = 0; n < KP_COLUMNS; n++) {
		u32 event;

		c = (first + n) % KP_COLUMNS;
		event = s->next[c];
		if (event == kp_beside(s->h) || !may_be_next(s, event))
			continue;
		if (s->h->orders >= ORDERS)
			return 0;
		s->order[s->nr++] = event;
		s->next[c] = next_of(s, c, event + 1);
		got = place(s);
		s->next[c] = event;
		s->nr--;
		if (got == FOUND || got < (s32)depth)
			return got;
	}
	return (s32)depth - 1;
}

/* Look for an order of all events but those left out. */
static bool search(struct kp_history *h, u32 left_out, bool lenient, bool *excused)
{
	struct search s = { .h = h, .left_out = left_out, .lenient = lenient };
	bool found;
	u32 i;

	for (i = 0; i < kp_beside(h); i++)
		s.of += takes_part(&s, i);
	for (i = 0; i < KP_COLUMNS; i++)
		s.next[i] = next_of(&s, i, 0);
	found = place(&s) == FOUND;
	*excused = s.excused || left_out;
	return found;
}

/* Events that failed as the contract lets them fail only because another operation runs. */
static u32 transients(const struct kp_history *h)
{
	u32 i, found = 0;

	for (i = 0; i < kp_beside(h); i++) {
		const struct kp_operation *op = kp_event_op(h, i);
		s64 ret = kp_event_trace(h, i)->step[h->before + i].ret;

		if (h->event[i].called && op->transient && ret == op->transient &&
		    is_beside(h, i))
			found |= BIT(i);
	}
	return found;
}

/**
 * kp_find_order() - look for an order of a history's operations that explains its results
 * @h: the history, which has been carried out; receives the order that explains most
 *
 * Without what the contract excuses first, so that is counted where nothing else explains them.
 *
 * Context: may sleep.
 * Return: whether there is one
 */
enum kp_ordered kp_find_order(struct kp_history *h)
{
	const u32 may = transients(h);
	u32 out = 0;
	bool excused;

	h->orders = 0;
	h->explains = -1;
	if (search(h, 0, false, &excused))
		return KP_IN_ORDER;
	/* All sets of those that may be left out, the empty one first. */
	do {
		if (search(h, out, true, &excused))
			return excused ? KP_IN_ORDER_BUT : KP_IN_ORDER;
		out = (out - may) & may;
	} while (out);
	return h->orders >= ORDERS ? KP_UNDECIDED : KP_UNORDERED;
}

/**
 * kp_run_nearest() - carry out the order that explained most once more, on C over C
 * @h: the history; its @ref receives the results
 *
 * Context: may sleep.
 * Return: whether there is such an order
 */
bool kp_run_nearest(struct kp_history *h)
{
	if (h->explains < 0)
		return false;
	make_order(h, h->nearest, h->nr_nearest);
	return h->ref->nr == h->order.nr_steps;
}
