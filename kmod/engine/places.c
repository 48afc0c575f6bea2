// SPDX-License-Identifier: GPL-2.0
/*
 * Two operations that meet place by place: one of them is stopped before each of its instructions
 * in turn, on one CPU, while the other one runs on another CPU. A place that is drawn may be any
 * of a hundred, and what goes wrong at one of them alone is seldom met so. Every second time the
 * other one is stopped as well, at a place that is drawn.
 *
 * That is done where CPUs take turns (turns.c), of histories whose threads have one operation
 * each, and for each kind: which operations these are, what they come to one after the other, and
 * whether they have the same arguments. Those whose order matters come first, and those that both
 * change the state: of others it does not show in what order they were, nor whether in any.
 */
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include "history.h"

/* Kinds that are taken down; more are taken for new ones. */
#define KINDS		256
/*
 * Times that each is carried out, and one that is given. Not always is an operation stopped at the
 * very next place: one in four is passed over.
 */
#define TIMES		3
/* Meetings of a kind whose order is found not to matter, before no more are looked at. */
#define FAR		8
#define TIMES_GIVEN	8
/* Batches of a given program that are drawn before that, at most. */
#define FIRST		16
/*
 * Places of a meeting, spread over the length of the operation: those that there are for each two
 * operations, within these bounds. Another time the places are those between. Behind twice as many
 * there is one in twice as many instructions, as some calls take longer than others do.
 */
#define FEW_PLACES	12U
#define MANY_PLACES	256U
/* Places in which the operations have not met, before the first that do and behind the last. */
#define BEFORE		300
#define BEHIND		24
#define FEW_BEHIND	8
/* Runs that these places may take, for each that there is to be. */
#define RUNS		3

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
	u32 far[KINDS];
	u32 nr;
	u32 left;
	u32 many;
} places;

/* Which operation meets which one, either of them the one that is stopped. */
static u32 meetings_of(const struct kp_pair *pair)
{
	u32 a, b, nr = 0;

	for (a = 1; a < pair->nr_ops; a++)
		for (b = 1; b < pair->nr_ops; b++)
			nr += kp_both_meet(pair, a, b);
	return nr;
}

/**
 * kp_places_start() - forget which meetings there were
 * @pair: the pair
 * @places_wanted: how many places there are to be, but for programs that are given
 */
void kp_places_start(const struct kp_pair *pair, u32 places_wanted)
{
	places.many = clamp(places_wanted / max(meetings_of(pair), 1), FEW_PLACES, MANY_PLACES);
	places.nr = 0;
	places.left = RUNS * places_wanted;
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

/* The number of a meeting's kind; KINDS where there are more of them. */
static u32 kind_of(struct kp_history *h, u32 stopped)
{
	const struct meeting m = meeting_of(h, stopped);
	const u64 kind = kp_hash(0, &m, sizeof(m));
	u32 i;

	for (i = 0; i < places.nr; i++)
		if (places.kind[i] == kind)
			return i;
	if (places.nr == KINDS)
		return KINDS;
	places.times[i] = 0;
	places.far[i] = 0;
	places.kind[places.nr++] = kind;
	return i;
}

/* How many such meetings there were before; this one is counted. */
static u32 times_of(struct kp_history *h, u32 stopped)
{
	const u32 kind = kind_of(h, stopped);

	return kind < KINDS ? places.times[kind]++ : 0;
}

/* Whether either operation is still to be stopped in such a meeting. */
static bool is_wanted(struct kp_history *h)
{
	u32 i, kind;

	for (i = 0; i < KP_COLUMNS; i++) {
		kind = kind_of(h, i);
		if (kind == KINDS || (places.times[kind] < TIMES && places.far[kind] < FAR))
			return true;
	}
	return false;
}

/* Its order did not matter. */
static void note_far(struct kp_history *h)
{
	u32 i, kind;

	for (i = 0; i < KP_COLUMNS; i++) {
		kind = kind_of(h, i);
		if (kind < KINDS)
			places.far[kind]++;
	}
}

/* One by one, with the state behind each operation. */
static bool look(struct kp_history *h)
{
	bool made;

	h->prog->observe = true;
	made = kp_one_by_one(h);
	h->prog->observe = false;
	return made;
}

/*
 * Whether it shows in what order two operations are carried out, or both change the state, as it is
 * behind each of them in @ref.
 */
static bool is_close(struct kp_history *h)
{
	struct kp_step *step = &h->prog->step[h->before];
	const struct kp_step_trace *t = &h->ref->step[h->before];
	const struct kp_step_trace first = t[0], second = t[1];
	const u64 found = h->before ? t[-1].view : h->ref->start;
	bool matters;

	if (!h->p->pair->view_size || (first.view != found && second.view != first.view))
		return true;
	swap(step[0], step[1]);
	matters = look(h) && (!kp_same_results(&t[0], &second) || !kp_same_results(&t[1], &first) ||
			      t[1].view != second.view);
	swap(step[0], step[1]);
	if (matters)
		return look(h);
	/* Results are those of this order again, for note_far(). */
	h->ref->step[h->before] = first;
	h->ref->step[h->before + 1] = second;
	note_far(h);
	return false;
}

/* Carry out a batch of one history, at so many places; whether one goes wrong. */
static struct kp_history *try_places(struct kp_batch *batch, u32 *nr, u32 *missed, bool *met)
{
	const struct kp_path_param *p = batch->h[0].p;
	struct kp_histories *sum = &p->pair->stats->histories[p->id];
	struct kp_history *wrong = kp_try_batch(batch, nr, kp_seed + sum->places);
	const struct kp_history *h;

	for (h = batch->h; h < batch->h + *nr; h++) {
		sum->operations += kp_beside(h);
		sum->undecided += h->found == KP_UNDECIDED;
		sum->allowed += h->found == KP_IN_ORDER_BUT;
		/* What the contract excuses is not judged. */
		sum->places += h->together && h->found != KP_IN_ORDER_BUT;
		*missed = h->together ? 0 : *missed + 1;
		*met |= h->together;
	}
	return wrong;
}

/* Have two operations meet, of which @stopped is stopped at each place in turn; whether they do. */
static bool meet(struct kp_batch *batch, u32 stopped, u32 times, u32 many,
		 struct kp_history **wrong)
{
	const u32 op = kp_event_step(&batch->h[0], stopped)->op;
	const u32 by = max(kp_turns_length(op) / many, 1), begin = kp_turns_begin();
	u32 nr, tried = 0, missed = 0, at = begin ? begin + times * by / TIMES : 0;
	bool met = false;

	batch->by = by;
	batch->stopped = stopped;
	batch->both = times % 2;
	while (at && !*wrong && !batch->stuck && places.left &&
	       missed < (met ? max(BEHIND / by, FEW_BEHIND) : BEFORE)) {
		batch->at = at;
		nr = batch->size;
		*wrong = try_places(batch, &nr, &missed, &met);
		at += nr * batch->by;
		places.left -= min(nr, places.left);
		tried += met ? nr : 0;
		if (tried >= 2 * many) {
			batch->by *= 2;
			tried = 0;
		}
	}
	batch->wrong_at = *wrong ? (*wrong)->turn.at : 0;
	batch->at = 0;
	return met;
}

/* The same; where they do not meet the aim is found anew, and that tried once more. */
static struct kp_history *meet_or_aim(struct kp_batch *batch, u32 stopped, u32 times, u32 many)
{
	const struct kp_path_param *p = batch->h[0].p;
	struct kp_histories *sum = &p->pair->stats->histories[p->id];
	struct kp_history *wrong = NULL;
	bool met = meet(batch, stopped, times, many, &wrong);

	if (!met && !wrong && !batch->stuck) {
		kp_turns_aim();
		met = meet(batch, stopped, times, many, &wrong);
	}
	sum->meetings += met;
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
	return kp_turns_taken() && kp_has_all_threads(h->prog, h->before) &&
		kp_beside(h) == KP_COLUMNS && !kp_event_op(h, 0)->waits &&
		!kp_event_op(h, 1)->waits;
}

/**
 * kp_places_try() - carry out a history place by place, either operation stopped by turns
 * @batch: the histories; all of them are this one, see kp_set_batch()
 * @given: often, whatever meetings there were before
 * @close: else only if the order of its operations matters
 *
 * Context: may sleep, between kp_columns_start() and kp_columns_stop().
 * Return: a history that goes wrong, or NULL
 */
struct kp_history *kp_places_try(struct kp_batch *batch, bool given, bool close)
{
	struct kp_history *wrong = NULL;
	u32 i, times, nr, left;

	/* Each look makes an object and ends it, which can take a grace period of RCU. */
	if (!given && (!places.left || !is_wanted(&batch->h[0]) || !look(&batch->h[0]) ||
		       (close && !is_close(&batch->h[0]))))
		return NULL;
	/* Where operations begin is found out by places that are drawn. */
	for (i = 0; given && i < FIRST && !wrong && !kp_turns_begin(); i++) {
		nr = batch->size;
		wrong = kp_try_batch(batch, &nr, kp_seed + i);
	}
	left = places.left;
	if (given)
		places.left = U32_MAX;
	for (i = 0; i < (given ? TIMES_GIVEN : 1) * KP_COLUMNS && !wrong && !batch->stuck; i++) {
		const u32 stopped = i % KP_COLUMNS;

		times = given ? i / KP_COLUMNS : times_of(&batch->h[0], stopped);
		if (given || times < TIMES)
			wrong = meet_or_aim(batch, stopped, times,
					    given ? MANY_PLACES : places.many);
	}
	if (given)
		places.left = left;
	return wrong;
}
