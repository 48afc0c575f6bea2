/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histories are drawn from a seed.
 */
#ifndef _KPARITY_USER_HISTORY_DRAW_H
#define _KPARITY_USER_HISTORY_DRAW_H

#include "history.h"

/* Parts of a call's length, of which one is drawn. */
#define TURN_PARTS	4096
/* Turns of the loop before a call, at most. */
#define DELAY_MAX	512

static void draw_step(const struct history_pair *pair, struct history *h,
		      struct history_random *rnd, __u32 at, __u8 call)
{
	struct history_step *step = &h->step[at];
	__u32 a;

	*step = (struct history_step){ .call = call };
	for (a = 0; a < HISTORY_ARGS; a++) {
		const struct history_arg *arg = &pair->call[call].arg[a];

		step->arg[a] = arg->serial ? at + 1 :
			arg->lo + history_die(rnd, arg->hi - arg->lo + 1);
	}
}

/* A call, by its weight. */
static __u8 draw_call(const struct history_pair *pair, struct history_random *rnd)
{
	__u32 i, pick, total = 0;

	for (i = 0; i < pair->nr_calls; i++)
		total += pair->call[i].weight;
	pick = history_die(rnd, total);
	for (i = 0; pick >= pair->call[i].weight; i++)
		pick -= pair->call[i].weight;
	return i;
}

/*
 * Draw the calls of the processes. In most histories these are few, and those of one process are
 * alike: two kinds of calls then meet at many places.
 */
static void draw_beside(const struct history_pair *pair, struct history *h,
			struct history_random *rnd)
{
	const bool alike = history_die(rnd, 4);
	__u8 kind[HISTORY_COLUMNS];
	__u32 i;

	for (i = 0; i < HISTORY_COLUMNS; i++)
		kind[i] = draw_call(pair, rnd);
	h->beside = 2 + history_die(rnd, alike ? 3 : HISTORY_BESIDE - 1);
	for (i = 0; i < h->beside; i++) {
		/* Each process has one. */
		const __u32 column = i < HISTORY_COLUMNS ? i : history_die(rnd, HISTORY_COLUMNS);

		draw_step(pair, h, rnd, h->before + i,
			  alike ? kind[column] : draw_call(pair, rnd));
		h->step[h->before + i].column = column;
	}
}

/**
 * history_draw() - draw a history
 * @pair: of this pair
 * @h: receives it
 * @seed: what it is drawn from
 */
static void history_draw(const struct history_pair *pair, struct history *h, __u64 seed)
{
	struct history_random rnd = { .state = seed };
	const __u32 opening = history_die(&rnd, pair->nr_openings);
	__u32 nr;

	for (h->before = 0; h->before < pair->nr_opening[opening]; h->before++)
		draw_step(pair, h, &rnd, h->before, pair->opening[opening][h->before]);
	nr = h->before + (history_die(&rnd, 2) ? history_die(&rnd, 4) : 0);
	for (; h->before < nr && h->before < HISTORY_BEFORE; h->before++)
		draw_step(pair, h, &rnd, h->before, draw_call(pair, &rnd));
	draw_beside(pair, h, &rnd);
	h->known = false;
}

/**
 * history_draw_meeting() - draw how the calls of a history meet
 * @h: the history
 * @by_turns: CPUs take turns
 * @seed: what it is drawn from
 */
static void history_draw_meeting(struct history *h, bool by_turns, __u64 seed)
{
	struct history_random rnd = { .state = seed };
	__u32 i, nr[HISTORY_COLUMNS] = {};

	h->turn.swap = history_die(&rnd, 2);
	h->turn.part = history_die(&rnd, TURN_PARTS);
	h->turn.second = history_die(&rnd, 2) ? 1 + history_die(&rnd, TURN_PARTS) : 0;
	for (i = 0; i < h->beside; i++) {
		__u32 column = history_column(h, i);

		if (!history_die(&rnd, ++nr[column]))
			h->turn.event[column] = i;
		h->event[i].delay = by_turns ? 0 :
			history_die(&rnd, DELAY_MAX >> history_die(&rnd, 9));
	}
}

#endif
