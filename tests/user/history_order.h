/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether the results of a history are those of some order of its calls, made one after the other
 * on the pair's C node. Two processes of which each makes one call after the other have at most
 * 20 orders of six calls; all are tried that do not begin as one which has gone wrong.
 */
#ifndef _KPARITY_USER_HISTORY_ORDER_H
#define _KPARITY_USER_HISTORY_ORDER_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "history.h"

/* What an output holds until a call writes it. */
#define POISON	0x5a5a5a5a5a5a5a5aULL

/**
 * history_make() - make a call
 * @call: its row
 * @fd: the file
 * @arg: its arguments
 * @result: receives what it gave
 */
static inline void history_make(const struct history_call *call, int fd, const __u64 *arg,
				struct history_result *result)
{
	long ret = call->make(fd, arg, result->out);

	result->ret = ret == -1 ? -errno : ret;
}

/**
 * history_clear() - make results ready for calls
 * @result: the results
 * @nr: how many there are
 */
static void history_clear(struct history_result *result, __u32 nr)
{
	__u32 i, o;

	for (i = 0; i < nr; i++)
		for (o = 0; o < HISTORY_OUTS; o++)
			result[i].out[o] = POISON;
}

static bool same_result(const struct history_result *a, const struct history_result *b)
{
	__u32 o;

	for (o = 0; o < HISTORY_OUTS; o++)
		if (a->out[o] != b->out[o])
			return false;
	return a->ret == b->ret;
}

static bool same_results(const struct history_result *a, const struct history_result *b, __u32 nr)
{
	while (nr--)
		if (!same_result(&a[nr], &b[nr]))
			return false;
	return true;
}

/**
 * history_steps() - make some calls, one after the other
 * @pair: the pair
 * @h: the history
 * @fd: the file
 * @at: the first of its steps
 * @nr: how many
 * @result: receives what they gave
 */
static void history_steps(const struct history_pair *pair, const struct history *h, int fd,
			  __u32 at, __u32 nr, struct history_result *result)
{
	__u32 i;

	for (i = 0; i < nr; i++)
		history_make(&pair->call[h->step[at + i].call], fd, h->step[at + i].arg,
			     &result[i]);
}

/**
 * history_behind() - make the calls behind all others
 * @pair: the pair
 * @fd: the file
 * @result: receives what they gave
 */
static void history_behind(const struct history_pair *pair, int fd,
			   struct history_result *result)
{
	static const __u64 none[HISTORY_ARGS];
	__u32 i;

	for (i = 0; i < pair->nr_behind; i++)
		history_make(&pair->call[pair->behind[i]], fd, none, &result[i]);
}

/**
 * struct reference - what an order gives on the C node
 * @before: results of the calls before the processes
 * @event: those of the processes' calls, by their events
 * @behind: those of the calls behind
 */
struct reference {
	struct history_result before[HISTORY_BEFORE];
	struct history_result event[HISTORY_BESIDE];
	struct history_result behind[HISTORY_BEHIND];
};

/**
 * history_in_order() - make the calls of a history in an order, on the C node
 * @pair: the pair
 * @node: the C node
 * @h: the history
 * @order: the order, as numbers of events
 * @ref: receives what they gave
 *
 * Return: whether the node could be opened
 */
static bool history_in_order(const struct history_pair *pair, const char *node,
			     const struct history *h, const __u8 *order,
			     struct reference *ref)
{
	int fd = open(node, pair->flags);
	__u32 i;

	if (fd < 0)
		return false;
	history_clear(ref->before, HISTORY_BEFORE);
	history_clear(ref->event, HISTORY_BESIDE);
	history_clear(ref->behind, HISTORY_BEHIND);
	history_steps(pair, h, fd, 0, h->before, ref->before);
	for (i = 0; i < h->beside; i++)
		history_steps(pair, h, fd, h->before + order[i], 1, &ref->event[order[i]]);
	history_behind(pair, fd, ref->behind);
	close(fd);
	return true;
}

/* Whether one call comes before another one in each order. */
static bool precedes(const struct history *h, __u32 a, __u32 b)
{
	return history_column(h, a) == history_column(h, b) ? a < b :
		h->event[a].ended < h->event[b].begun;
}

/* Whether a call can come at a place of an order, behind those that stand before that place. */
static bool may_come(const struct history *h, const __u8 *order, __u32 at, __u32 event)
{
	__u32 i, left = (1U << h->beside) - 1;

	for (i = 0; i < at; i++)
		left &= ~(1U << order[i]);
	if (!(left & 1U << event))
		return false;
	for (i = 0; i < h->beside; i++)
		if (i != event && (left & 1U << i) && precedes(h, i, event))
			return false;
	return true;
}

/* Fill an order from a place on: of the calls that can come there, the lowest by @rank. */
static void fill(const struct history *h, const __u8 *rank, __u8 *order, __u32 at)
{
	__u32 r;

	for (; at < h->beside; at++) {
		for (r = 0; !may_come(h, order, at, rank[r]); r++)
			;
		order[at] = rank[r];
	}
}

/* The next order that differs from this one at @at or before; false if there is none. */
static bool next_order(const struct history *h, const __u8 *rank, __u8 *order, int at)
{
	__u32 r;

	for (; at >= 0; at--) {
		for (r = 0; rank[r] != order[at]; r++)
			;
		while (++r < h->beside) {
			if (!may_come(h, order, at, rank[r]))
				continue;
			order[at] = rank[r];
			fill(h, rank, order, at + 1);
			return true;
		}
	}
	return false;
}

/* Calls in the order in which they ended: the likeliest one comes first. */
static void rank_by_end(const struct history *h, __u8 *rank)
{
	__u32 i, j;

	for (i = 0; i < h->beside; i++) {
		for (j = i; j && h->event[rank[j - 1]].ended > h->event[i].ended; j--)
			rank[j] = rank[j - 1];
		rank[j] = i;
	}
}

/* Whether the results are those of the time before, and the order that explained them will do. */
static bool is_known(const struct history_pair *pair, const struct history *h)
{
	__u32 i, j;

	if (!h->known || !same_results(h->result, h->known_result, h->before + h->beside) ||
	    !same_results(h->behind, h->known_behind, pair->nr_behind))
		return false;
	for (i = 0; i < h->beside; i++)
		for (j = 0; j < i; j++)
			if (precedes(h, h->nearest[i], h->nearest[j]))
				return false;
	return true;
}

static void make_known(const struct history_pair *pair, struct history *h)
{
	__u32 i;

	for (i = 0; i < h->before + h->beside; i++)
		h->known_result[i] = h->result[i];
	for (i = 0; i < pair->nr_behind; i++)
		h->known_behind[i] = h->behind[i];
	h->known = true;
}

/**
 * history_judge() - look for an order of the calls that gives the results of a history
 * @pair: the pair
 * @node: the C node
 * @h: the history, which has been carried out; its @broken says what is wrong with it
 */
static void history_judge(const struct history_pair *pair, const char *node, struct history *h)
{
	__u8 rank[HISTORY_BESIDE], order[HISTORY_BESIDE];
	struct reference ref;
	int same;

	h->broken = NULL;
	if (is_known(pair, h))
		return;
	h->known = false;
	h->explains = -1;
	rank_by_end(h, rank);
	fill(h, rank, order, 0);
	do {
		if (!history_in_order(pair, node, h, order, &ref)) {
			h->broken = "the C node cannot be opened";
			return;
		}
		if (!same_results(ref.before, h->result, h->before)) {
			h->broken = "calls before the processes differ from the C node";
			return;
		}
		for (same = 0; same < (int)h->beside; same++)
			if (!same_result(&ref.event[order[same]],
					 &h->result[h->before + order[same]]))
				break;
		if (same > h->explains) {
			h->explains = same;
			memcpy(h->nearest, order, sizeof(order));
		}
		if (same == (int)h->beside &&
		    same_results(ref.behind, h->behind, pair->nr_behind)) {
			make_known(pair, h);
			return;
		}
		/* With the state alone wrong, another order of all can be right. */
	} while (next_order(h, rank, order, same < (int)h->beside ? same : same - 1));
	h->broken = "the results are those of no order";
}

#endif
