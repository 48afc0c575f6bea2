// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the results of a history are those of an order of its operations: it is linearizable
 * then. An operation that had ended before another one began comes before it in every order.
 *
 * The sequential reference is the C side itself, on fresh objects. It has no copies of its
 * state to go back to, so the search of Wing and Gong (Testing and Verifying Concurrent Objects,
 * 1993) runs whole orders. The first operation of an order that gives something else than in the
 * history rules out all orders that begin in the same way.
 *
 * An operation within which the callback ran is two steps: one up to where that is entered, and one
 * from where it returns. What an order has in between is carried out from inside of the callback.
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
 * @next: of each column, the first event that is not placed yet
 * @order: the places so far: events, and where callbacks return
 * @nr: how many these are
 * @of: how many there are to be
 * @open: the event within whose callback the next ones are, and one more; 0 for none
 */
struct search {
	struct kp_history *h;
	u32 left_out;
	bool lenient;
	bool excused;
	u32 next[KP_INSIDE];
	u8 order[KP_ORDER_PLACES];
	u32 nr;
	u32 of;
	u32 open;
};

/* What may have the next place in an order, and the time within which that was. */
struct choice {
	u8 place;
	u64 begun;
	u64 ended;
};

/* Whether an event is part of the search: it was called, and is not left out. */
static bool takes_part(const struct search *s, u32 event)
{
	return s->h->event[event].called && !(s->left_out & BIT(event));
}

/* The next event of a column from one on, or the number of all. */
static u32 next_of(const struct search *s, u32 column, u32 event)
{
	while (event < kp_beside(s->h) &&
	       (kp_event_step(s->h, event)->column != column + 1 || !takes_part(s, event)))
		event++;
	return event;
}

/* Whether a callback ran within an event: it has a place where that returns, too. */
static bool spans(const struct kp_history *h, u32 event)
{
	return h->event[event].entered;
}

static u32 event_of(u8 place)
{
	return place & ~KP_RETURNS;
}

/* Whether an event ran at the same time as one that is not in its column, nor around it. */
static bool is_beside(const struct kp_history *h, u32 event)
{
	u32 i;

	for (i = 0; i < kp_beside(h); i++)
		if (kp_meets(h, i, event))
			return true;
	return false;
}

/*
 * Whether an event ran while another one was to have the callback run. From there to where the
 * callback is entered is more than a step: what is due is due no more, and then that it runs is
 * counted, say.
 */
static bool is_beside_entry(const struct kp_history *h, u32 event)
{
	const struct kp_event *e = &h->event[event];
	u32 i;

	for (i = 0; i < kp_beside(h); i++)
		if (spans(h, i) && kp_meets(h, i, event) && e->begun <= h->event[i].entered)
			return true;
	return false;
}

/* Whether an operation that waits is divided in two steps by the callback that it waits for. */
static bool is_clear(const struct kp_history *h, u32 event)
{
	u32 i;

	if (!h->watched || !kp_event_op(h, event)->calls_back)
		return false;
	/* Two that wait for the same run may each be the one that has it run. */
	for (i = 0; i < kp_beside(h); i++)
		if (kp_event_op(h, i)->waits && kp_meets(h, i, event))
			return false;
	return true;
}

/**
 * kp_waits_beside() - whether an operation that waits for others ran at the same time as one
 * @h: the history
 *
 * Such an operation is no single step, and no order has to explain what it saw: but where it waits
 * for a callback whose begin and end are known, it is two steps.
 *
 * Return: whether one did
 */
bool kp_waits_beside(const struct kp_history *h)
{
	u32 i;

	for (i = 0; i < kp_beside(h); i++)
		if (kp_event_op(h, i)->waits && is_beside(h, i) && !is_clear(h, i))
			return true;
	return h->unclear;
}

/* The step of an order at a place, in its program. */
static u32 step_at(const struct kp_history *h, const u8 *order, u32 at)
{
	u32 i, step = h->before;

	for (i = 0; i < at; i++)
		step += !(order[i] & KP_RETURNS);
	return step;
}

/* The event within whose callback a place of an order is, and one more; 0 for none. */
static u32 around(const struct kp_history *h, const u8 *order, u32 at)
{
	u32 i, open = 0;

	for (i = 0; i < at; i++) {
		if (order[i] & KP_RETURNS)
			open = 0;
		else if (spans(h, order[i]))
			open = order[i] + 1;
	}
	return open;
}

/* What an order gives for the event at a place; that of a callback is where that returns. */
static const struct kp_step_trace *given_at(const struct kp_history *h, const u8 *order, u32 at)
{
	u32 first = at;

	if (order[at] & KP_RETURNS)
		while (order[first] != event_of(order[at]))
			first--;
	return &(around(h, order, first) ? h->ref_inside : h->ref)->step[step_at(h, order, first)];
}

/* Whether an event may have a place within another one's callback, or outside of all. */
static bool may_be_within(const struct kp_history *h, u32 event, u32 open)
{
	const struct kp_operation *op = kp_event_op(h, event);

	if (kp_event_step(h, event)->column == KP_INSIDE)
		return open && open - 1 == h->outer;
	return !open || (!spans(h, event) && (!op->not_inside || op->unwaiting) &&
			 kp_event_step(h, event)->column != kp_event_step(h, open - 1)->column);
}

/* Make the program of an order; the events are behind the operations before. */
static void make_order(struct kp_history *h, const u8 *order, u32 nr)
{
	struct kp_step *step = h->order.step, *outer = NULL;
	u32 i, n = h->before;

	h->order = *h->prog;
	h->order.step = step;
	h->order.columns = 0;
	h->order.observe = true;
	memcpy(step, h->prog->step, h->before * sizeof(*step));
	for (i = 0; i < nr; i++) {
		const u32 event = event_of(order[i]);

		if (order[i] & KP_RETURNS) {
			outer = NULL;
			continue;
		}
		step[n] = *kp_event_step(h, event);
		step[n].column = 0;
		if (outer) {
			outer->inside++;
			/* It would wait for the callback that carries it out. */
			step[n].op = kp_event_op(h, event)->unwaiting ?: step[n].op;
		}
		if (spans(h, event))
			outer = &step[n];
		n++;
	}
	h->order.nr_steps = n;
	h->missed = -1;
	kp_trace_start(h->ref_inside, h->p->pair, KP_C_C, &h->order);
	kp_inside_reference(h);
	kp_trace_run(h->ref, h->p->pair, KP_C_C, &h->order);
	kp_inside_reference(NULL);
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
	u8 order[KP_ORDER_PLACES];
	bool found = false;
	u32 i, n;

	for (i = 0; i < s->nr && !found; i++) {
		if (i == at || !kp_meets(h, event, event_of(s->order[i])))
			continue;
		for (n = 0; n < s->nr; n++)
			order[n] = s->order[n];
		/* Move it there, and what is between by one. */
		for (n = at; n < i; n++)
			order[n] = order[n + 1];
		for (n = at; n > i; n--)
			order[n] = order[n - 1];
		order[i] = event;
		if (!may_be_within(h, event, around(h, order, i)))
			continue;
		make_order(h, order, s->nr);
		found = h->ref->nr == h->order.nr_steps && h->missed < 0 &&
			kp_same_results(given_at(h, order, i), got);
	}
	make_order(h, s->order, s->nr);
	return found;
}

/* Whether the contract lets an event give something else than at its place in the order. */
static bool may_differ(struct search *s, u32 at)
{
	const u32 event = event_of(s->order[at]);
	const struct kp_operation *op = kp_event_op(s->h, event);

	if (!s->lenient || !is_beside(s->h, event))
		return false;
	if (op->hint)
		return true;
	return (op->snapshot || is_beside_entry(s->h, event)) && !spans(s->h, event) &&
		gives_elsewhere(s, at);
}

/* Carry an order out on C over C; how many of its places give what the history has. */
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
		const u32 event = event_of(s->order[i]);

		/* What has the callback run gives something when that has returned. */
		if (spans(h, event) && !(s->order[i] & KP_RETURNS)) {
			if (h->missed == step_at(h, s->order, i))
				return i;
			continue;
		}
		if (kp_same_results(given_at(h, s->order, i),
				    &kp_event_trace(h, event)->step[h->before + event]))
			continue;
		if (!may_differ(s, i))
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

/* What is next in each column, and that the callback returns; those that ended first come first. */
static u32 choices(const struct search *s, struct choice *choice)
{
	const struct kp_event *e;
	u32 c, i, n = 0;

	for (c = 0; c < KP_INSIDE; c++) {
		if (s->next[c] == kp_beside(s->h))
			continue;
		e = &s->h->event[s->next[c]];
		choice[n++] = (struct choice){ s->next[c], e->begun, e->entered ?: e->ended };
	}
	if (s->open) {
		e = &s->h->event[s->open - 1];
		choice[n++] = (struct choice){ KP_RETURNS | (s->open - 1), e->returned, e->ended };
	}
	for (c = 1; c < n; c++)
		for (i = c; i && choice[i - 1].ended > choice[i].ended; i--)
			swap(choice[i - 1], choice[i]);
	return n;
}

/* Whether one of @n choices may come next. */
static bool may_be_next(const struct search *s, const struct choice *choice, u32 n, u32 which)
{
	const u8 place = choice[which].place;
	u32 i;

	/* No other one had ended before it began. */
	for (i = 0; i < n; i++)
		if (choice[i].ended < choice[which].begun)
			return false;
	if (place & KP_RETURNS)
		return event_of(place) != s->h->outer || s->next[KP_INSIDE - 1] == kp_beside(s->h);
	return may_be_within(s->h, place, s->open);
}

/*
 * Place all events that are left. Returns FOUND, or the place of the first event in the last
 * order with another result: only orders that differ before or there need be tried.
 */
static s32 place(struct search *s)
{
	struct choice choice[KP_INSIDE + 1];
	const u32 depth = s->nr, open = s->open;
	u32 i, n, column, event;
	s32 got = depth;

	if (depth == s->of) {
		got = try_order(s);
		note_nearest(s, min_t(s32, got, s->nr));
		return got;
	}
	n = choices(s, choice);
	for (i = 0; i < n; i++) {
		if (!may_be_next(s, choice, n, i))
			continue;
		if (s->h->orders >= ORDERS)
			return 0;
		s->order[s->nr++] = choice[i].place;
		event = event_of(choice[i].place);
		column = kp_event_step(s->h, event)->column - 1;
		if (choice[i].place & KP_RETURNS) {
			s->open = 0;
		} else {
			s->next[column] = next_of(s, column, event + 1);
			s->open = spans(s->h, event) ? event + 1 : open;
		}
		got = place(s);
		if (!(choice[i].place & KP_RETURNS))
			s->next[column] = event;
		s->open = open;
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
		s.of += takes_part(&s, i) * (1 + spans(h, i));
	for (i = 0; i < KP_INSIDE; i++)
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
