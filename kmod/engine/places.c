// SPDX-License-Identifier: GPL-2.0
/*
 * Two operations that meet place by place: one of them is stopped before each of its instructions
 * in turn, on one CPU, while the other one runs on another CPU. A place that is drawn may be any
 * of a hundred, and what goes wrong at one of them alone is seldom met so.
 *
 * That is done where CPUs take turns (turns.c), of histories whose threads have one operation
 * each, and for each kind: which operations these are, what they come to one after the other, and
 * whether they have the same arguments.
 */
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "history.h"

/* Kinds that are taken down; more are taken for new ones. */
#define KINDS		256
/* Times that each is carried out: not always is an operation stopped at the very next place. */
#define TIMES		3
/* Places of a meeting, at most; of a longer operation there is one in so many instructions. */
#define MOST_PLACES	256
/* Places in which the operations have not met, before the first that do and behind the last. */
#define BEFORE		300
#define BEHIND		24
/* Places before the one in which operations first met the last time. */
#define EARLIER		16

/**
 * struct meeting - two operations that meet
 * @op: the operation that is stopped, and the other one
 * @end: what they came to in the program's order on C over C, as kp_end() has it
 * @alike: they have the same arguments
 */
struct meeting {
	u32 op[2];
	s32 end[2];
	u32 alike;
};

static struct {
	u64 kind[KINDS];
	u32 times[KINDS];
	u32 nr;
	u32 begins;
} places;

/**
 * kp_places_start() - forget which meetings there were
 */
void kp_places_start(void)
{
	places.nr = 0;
	places.begins = 0;
}

/* The meeting of a history with two operations, of which one is stopped. */
static struct meeting meeting_of(struct kp_history *h, u32 stopped)
{
	const struct kp_step *step = &h->prog->step[h->before];
	const struct kp_step_trace *gave = &h->ref->step[h->before];
	struct meeting m = {
		.alike = !memcmp(step[0].arg, step[1].arg, sizeof(step[0].arg)),
	};
	u32 i;

	for (i = 0; i < 2; i++) {
		m.op[i ^ stopped] = step[i].op;
		m.end[i ^ stopped] = kp_end(kp_event_op(h, i), gave[i].ret);
	}
	return m;
}

/* Whether there were not enough of such meetings before. */
static bool is_wanted(struct kp_history *h, u32 stopped)
{
	const struct meeting m = meeting_of(h, stopped);
	const u64 kind = kp_hash(0, &m, sizeof(m));
	u32 i;

	for (i = 0; i < places.nr; i++)
		if (places.kind[i] == kind)
			return places.times[i]++ < TIMES;
	if (places.nr < KINDS) {
		places.times[places.nr] = 1;
		places.kind[places.nr++] = kind;
	}
	return true;
}

/* Carry out a batch of one history, at so many places; whether one goes wrong. */
static struct kp_history *try_places(struct kp_batch *batch, u32 *nr, u32 *missed, bool *met)
{
	const struct kp_path_param *p = batch->h[0].p;
	struct kp_histories *sum = &p->pair->stats->histories[p->id];
	struct kp_history *wrong = kp_try_batch(batch, nr, 0);
	const struct kp_history *h;

	for (h = batch->h; h < batch->h + *nr; h++) {
		sum->operations += kp_beside(h);
		sum->undecided += h->found == KP_UNDECIDED;
		sum->allowed += h->found == KP_IN_ORDER_BUT;
		sum->places += h->together;
		*missed = h->together ? 0 : *missed + 1;
		if (h->together && !*met)
			places.begins = h->turn.at;
		*met |= h->together;
	}
	return wrong;
}

/* Have two operations meet, of which @stopped is stopped at each place in turn. */
static struct kp_history *meet(struct kp_batch *batch, u32 stopped, u32 most)
{
	const struct kp_path_param *p = batch->h[0].p;
	struct kp_histories *sum = &p->pair->stats->histories[p->id];
	const u32 length = kp_turns_length(kp_event_step(&batch->h[0], stopped)->op);
	struct kp_history *wrong = NULL;
	u32 nr, missed = 0, at = places.begins > EARLIER ? places.begins - EARLIER : 1;
	bool met = false;

	batch->by = 1 + length / most;
	batch->stopped = stopped;
	while (!wrong && !batch->stuck && missed < (met ? BEHIND : BEFORE) &&
	       at < places.begins + 4 * length + BEFORE) {
		batch->at = at;
		nr = batch->size;
		wrong = try_places(batch, &nr, &missed, &met);
		at += nr * batch->by;
	}
	/* The next one is looked for from the beginning. */
	if (!met)
		places.begins = 0;
	sum->meetings += met;
	batch->at = 0;
	return wrong;
}

/**
 * kp_places_fit() - whether a history can be carried out place by place
 * @h: the history
 *
 * Return: whether CPUs take turns, and each thread has one operation, none of which waits
 */
bool kp_places_fit(const struct kp_history *h)
{
	return kp_turns_taken() && kp_beside(h) == KP_COLUMNS && !kp_of_callback(h->prog) &&
		!kp_waits_beside(h);
}

/**
 * kp_places_try() - carry out a history place by place, either operation stopped by turns
 * @batch: the histories; all of them are this one, see kp_set_batch()
 * @again: often, whatever meetings there were before
 *
 * Context: may sleep, between kp_columns_start() and kp_columns_stop().
 * Return: a history that goes wrong, or NULL
 */
struct kp_history *kp_places_try(struct kp_batch *batch, bool again)
{
	struct kp_history *wrong = NULL;
	u32 i;

	for (i = 0; i < (again ? TIMES : 1) * KP_COLUMNS && !wrong && !batch->stuck; i++) {
		const u32 stopped = i % KP_COLUMNS;

		if (again)
			wrong = meet(batch, stopped, U32_MAX);
		else if (kp_one_by_one(&batch->h[0]) && is_wanted(&batch->h[0], stopped))
			wrong = meet(batch, stopped, MOST_PLACES);
	}
	return wrong;
}
