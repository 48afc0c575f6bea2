// SPDX-License-Identifier: GPL-2.0
/*
 * Case history: two threads on two CPUs carry out operations on one object at the same time.
 * What these return, and the state behind them, must be what C over C gives for the same
 * operations one after the other, in an order in which each comes between its begin and its end.
 *
 * There are many short histories, on small objects, until operations have run at the same time in
 * so many of them. Which ones do is drawn where CPUs take turns, see turns.c, and else luck.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "draw.h"
#include "history.h"
#include "nesting.h"

/* Kinds of histories that are told in full. */
#define TOLD		3
/* The milliseconds that they may take, for each; and how many are tried for each of them. */
#define MOST_MS		8
#define MOST_TRIED	6
/* The part of them below which the host was too busy for a verdict. */
#define TOO_FEW		4
/* The part of that which is left to operations that have nothing to do with each other. */
#define FAR		4
/* Histories that are drawn for them beside each batch, and the number of the first. */
#define PLACE_DRAWS	8
#define ONE_EACH	BIT(30)
/* Runs of a history that the host has handed over, and the milliseconds for each. */
#define GIVEN_RUNS	3000
#define GIVEN_MS	5
/* Turns of the longest delay before an operation: some take as long. */
#define DELAY_MAX	512

static unsigned int histories = 600;
module_param(histories, uint, 0444);
MODULE_PARM_DESC(histories, "histories of a pair on a path with operations at the same time");

/**
 * kp_history_enter() - make the object, and carry out what comes before the threads
 * @h: the history; its @obj is an ERR_PTR where none is made
 *
 * Context: may sleep.
 */
void kp_history_enter(struct kp_history *h)
{
	const struct kp_pair *pair = h->p->pair;
	u32 c, nr = h->prog->nr_steps, columns = h->prog->columns;

	for (c = 0; c < KP_INSIDE; c++)
		kp_trace_start(h->result[c], pair, h->path, h->prog);
	kp_trace_start(h->ahead, pair, h->path, h->prog);
	if (pair->after)
		pair->after(h->prog->param);
	h->obj = kp_make(h->ahead);
	if (IS_ERR(h->obj))
		return;
	h->prog->observe = false;
	h->prog->nr_steps = h->before;
	h->prog->columns = 0;
	kp_run(pair, h->path, h->obj, h->prog, h->ahead);
	h->prog->nr_steps = nr;
	h->prog->columns = columns;
}

/**
 * kp_history_leave() - take the state behind all, and release the object
 * @h: the history; all its operations have ended
 *
 * An object of which an operation came back with a lock held is left alone.
 *
 * Context: may sleep.
 */
void kp_history_leave(struct kp_history *h)
{
	const struct kp_pair *pair = h->p->pair;
	u32 i;

	/* The kernel may not survive what the threads have left. */
	kp_watch(h->ahead, true);
	h->together = false;
	h->stuck = false;
	kp_inside_settle(h);
	for (i = 0; i < kp_beside(h); i++) {
		const struct kp_event *e = &h->event[i];
		u32 j;

		if (e->unbalanced) {
			h->broken = KP_NOT_AS_FOUND;
			h->stuck = true;
		}
		h->broken = h->broken ?: e->broken;
		for (j = 0; j < i; j++)
			h->together |= kp_meets(h, i, j);
	}
	if (h->stuck) {
		kp_watch(NULL, false);
		return;
	}
	if (pair->view_size) {
		kp_view(pair, h->path, h->obj, h->ahead->view);
		h->broken = h->broken ?: kp_judge_state(pair, h->prog, h->ahead->view);
		h->view = kp_timeless(pair, h->ahead->view);
	}
	kp_unmake(h->ahead, h->obj);
	if (pair->after && !pair->after(h->prog->param))
		h->broken = h->broken ?: pair->invariant[pair->after_judges].id;
}

/* Whether what came before the threads gave what it gives on C over C. */
static bool same_before(const struct kp_history *h)
{
	u32 i;

	for (i = 0; i < h->before; i++)
		if (!kp_same_results(&h->ahead->step[i], &h->ref->step[i]))
			return false;
	return true;
}

/**
 * kp_history_judge() - judge a history that has been carried out
 * @h: the history; its @broken says what is wrong with it so far
 *
 * Context: may sleep.
 * Return: the verdict
 */
enum kp_ordered kp_history_judge(struct kp_history *h)
{
	enum kp_ordered found;

	if (h->broken)
		return KP_UNORDERED;
	if (kp_waits_beside(h))
		return KP_IN_ORDER_BUT;
	found = kp_find_order(h);
	if (found != KP_UNORDERED)
		return found;
	/* What differs before the threads is told by lockstep, unless it is declared. */
	if (!same_before(h)) {
		h->broken = "operations before the threads differ from c->c";
		return h->p->pair->nr_diverges ? KP_UNDECIDED : KP_UNORDERED;
	}
	h->broken = "the results are those of no order";
	return KP_UNORDERED;
}

/**
 * kp_try_batch() - carry some histories out once, and judge them
 * @batch: the histories; receives the results
 * @nr: how many these are; receives how many were carried out: those before one whose object is
 *      not made beside theirs. From then on there is one at a time.
 * @draw: what delays are drawn from
 *
 * Context: may sleep, between kp_columns_start() and kp_columns_stop().
 * Return: the first history that goes wrong, or NULL
 */
struct kp_history *kp_try_batch(struct kp_batch *batch, u32 *nr, u64 draw)
{
	struct kp_random rnd = { .state = draw };
	struct kp_history *h, *first = NULL;
	u32 i, e;

	kp_alive();
	for (i = 0; i < *nr; i++) {
		h = &batch->h[i];
		h->broken = NULL;
		h->explains = -1;
		memset(h->event, 0, sizeof(h->event));
		h->watched = false;
		h->by_turns = kp_turns_taken();
		if (batch->at)
			kp_turns_set(h, batch->stopped, batch->at + i * batch->by,
				     batch->both ? &rnd : NULL);
		else if (h->by_turns)
			kp_turns_draw(h, &rnd);
		for (e = 0; e < KP_BESIDE && !h->by_turns; e++)
			h->event[e].delay = kp_die(&rnd, DELAY_MAX >> kp_die(&rnd, 9));
		kp_history_enter(h);
		if (IS_ERR(h->obj) && i) {
			batch->size = 1;
			*nr = i;
		}
	}
	kp_columns_run(batch, *nr);
	for (i = 0; i < *nr; i++) {
		h = &batch->h[i];
		h->together = false;
		if (IS_ERR(h->obj))
			h->broken = "the object is not made, as it is on c->c";
		else
			kp_history_leave(h);
		batch->stuck |= h->stuck;
	}
	for (i = 0; i < *nr; i++) {
		h = &batch->h[i];
		h->found = kp_history_judge(h);
		if (h->found == KP_UNORDERED)
			first = first ?: h;
	}
	return first;
}

static void count(const struct kp_batch *batch, u32 nr)
{
	const struct kp_path_param *p = batch->h[0].p;
	struct kp_histories *sum = &p->pair->stats->histories[p->id];
	const struct kp_history *h;
	u32 i;

	for (h = batch->h; h < batch->h + nr; h++) {
		sum->tried++;
		for (i = 0; i < kp_beside(h); i++)
			sum->inside += h->event[i].called &&
				kp_event_step(h, i)->column == KP_INSIDE;
		/* What an operation that waits has met is not judged. */
		sum->together += h->together && !kp_waits_beside(h);
		sum->operations += kp_beside(h);
		sum->undecided += h->found == KP_UNDECIDED;
		sum->allowed += h->found == KP_IN_ORDER_BUT;
	}
}

/* Draw the next histories; how many there are. */
static u32 draw_batch(struct kp_batch *batch, u32 *index)
{
	u32 nr = 0;

	for (; nr < batch->size && *index < MOST_TRIED * histories; ++*index) {
		kp_alive();
		nr += kp_draw_history(&batch->h[nr], *index, KP_OF_ANY);
	}
	return nr;
}

/**
 * kp_both_meet() - whether two operations of a pair run at the same time in histories
 * @pair: the pair
 * @a: number of one operation
 * @b: that of the other one
 *
 * Return: whether programs have both, neither waits, and the contract lets them
 */
bool kp_both_meet(const struct kp_pair *pair, u32 a, u32 b)
{
	const struct kp_operation *one = &pair->operation[a], *other = &pair->operation[b];

	return one->weight && other->weight && !one->waits && !other->waits &&
	       kp_can_meet(pair, a) && kp_can_meet(pair, b) && kp_may_meet(one, other);
}

static bool any_meet(const struct kp_pair *pair)
{
	u32 a, b;

	for (a = 1; a < pair->nr_ops; a++)
		for (b = 1; b < pair->nr_ops; b++)
			if (kp_both_meet(pair, a, b))
				return true;
	return false;
}

/* Where too few operations met nothing was judged, and nothing found wrong. */
static void judge_meetings(struct kunit *test, u32 together, u32 of)
{
	if (together * TOO_FEW < of && test->status == KUNIT_SUCCESS)
		kunit_mark_skipped(test, "%s: operations met in %u of %u", kp_turns_taken() ?
				   "too few met" : "the host is too busy", together, of);
}

/*
 * Draw some histories whose threads have one operation each, and carry them out place by place,
 * until there were so many places: one that goes wrong so, or NULL. All of the batch are that one
 * afterwards.
 */
static struct kp_history *try_places(struct kp_batch *batch, u32 *drawn, u32 most)
{
	const struct kp_path_param *p = batch->h[0].p;
	const struct kp_histories *sum = &p->pair->stats->histories[p->id];
	const bool close = sum->together < sum->of - histories / FAR;
	struct kp_history *wrong = NULL;
	u32 i;

	for (i = 0; i < PLACE_DRAWS && !wrong && !batch->stuck && sum->places < most; i++) {
		kp_alive();
		kp_reset_batch(batch);
		if (!kp_draw_history(&batch->h[0], ONE_EACH + (*drawn)++, KP_OF_ONE_EACH))
			continue;
		kp_set_batch(batch, batch->h[0].own, batch->h[0].before);
		if (kp_places_fit(&batch->h[0]))
			wrong = kp_places_try(batch, false, close);
	}
	return wrong;
}

/*
 * Try histories that are drawn, until enough of them had operations at the same time. Where a busy
 * host seldom runs two of an emulator's CPUs at once, time is over before that, and the report
 * shows how many had.
 */
static void run_drawn(struct kp_batch *batch)
{
	const struct kp_path_param *p = batch->h[0].p;
	struct kp_histories *sum = &p->pair->stats->histories[p->id];
	const u32 before = sum->together, tried = sum->tried, inside = sum->inside;
	const u32 most = sum->places + histories;
	u32 index = 0, drawn = 0, nr = 1, wrong = 0;
	struct kunit *test = batch->h[0].test;
	unsigned long end, since;
	struct kp_history *h;
	long for_places;
	char name[60];

	if (!any_meet(p->pair)) {
		if (test->status == KUNIT_SUCCESS)
			kunit_mark_skipped(test, "by its contract none meets another, or it waits");
		return;
	}
	sum->of += histories;
	end = jiffies + msecs_to_jiffies(histories * MOST_MS);
	for_places = msecs_to_jiffies(histories * MOST_MS);
	while (time_before(jiffies, end) && sum->together - before < histories &&
	       !batch->stuck && (nr = draw_batch(batch, &index))) {
		h = kp_try_batch(batch, &nr, kp_seed + index * 1000003ULL);
		count(batch, nr);
		if (!h && sum->places < most && for_places > 0) {
			since = jiffies;
			h = try_places(batch, &drawn, most);
			/* Each has a time of its own: what one takes is not the other's. */
			for_places -= jiffies - since;
			end += jiffies - since;
		}
		if (h && wrong++ < TOLD) {
			scnprintf(name, sizeof(name), "seed %lu, history %u", kp_seed,
				  h->prog->index);
			kp_unordered(batch, h, name);
		}
		kp_reset_batch(batch);
	}
	if (wrong > TOLD)
		KUNIT_FAIL(test, "more histories go wrong");
	if (sum->tried == tried)
		KUNIT_FAIL(test, "c->c carries out none of %u histories that were drawn", index);
	else
		judge_meetings(test, sum->together - before, histories);
	if (p->pair->callback && sum->inside == inside && !batch->stuck)
		KUNIT_FAIL(test, "no callback carries an operation out: does it call kp_inside()?");
}

/**
 * kp_history_unfit() - whether a program is no history that can be carried out
 * @h: of the pair
 * @prog: the program
 *
 * Return: why it is none, or NULL
 */
const char *kp_history_unfit(const struct kp_history *h, const struct kp_program *prog)
{
	const struct kp_pair *pair = h->p->pair;
	u32 i, j, before = prog->nr_steps - prog->columns;
	bool calls_back = false;

	if (!kp_has_all_threads(prog, before))
		return "each thread needs an operation";
	if (before > KP_BEFORE || prog->columns > KP_BESIDE)
		return "at most " __stringify(KP_BEFORE) " operations before the threads, and "
			__stringify(KP_BESIDE) " of threads";
	for (i = before; i < prog->nr_steps; i++) {
		const struct kp_operation *op = &pair->operation[prog->step[i].op];

		if (!kp_can_meet(pair, prog->step[i].op))
			return "one of its operations is an adapter, or has a KP_DIVERGES row";
		if (prog->step[i].column == KP_INSIDE && op->not_inside)
			return "by its contract no callback calls one of its operations";
		calls_back |= prog->step[i].column != KP_INSIDE && op->calls_back;
		for (j = before; j < i; j++)
			if (prog->step[j].column != prog->step[i].column &&
			    !kp_may_meet(op, &pair->operation[prog->step[j].op]))
				return "by their roles two of its operations exclude each other";
	}
	if (kp_of_callback(prog) && !pair->callback)
		return "no operation of the pair has a callback run";
	if (kp_of_callback(prog) && !calls_back)
		return "none of its threads has an operation that has the callback run";
	return NULL;
}

/**
 * kp_set_batch() - have all histories be one, so that it can be tried often
 * @batch: the histories
 * @prog: the program
 * @before: how many of its operations come before the threads
 */
void kp_set_batch(struct kp_batch *batch, struct kp_program *prog, u32 before)
{
	struct kp_history *h;

	for (h = batch->h; h < batch->h + batch->size; h++) {
		h->prog = prog;
		h->before = before;
	}
}

/**
 * kp_reset_batch() - give histories their own programs again, and forget where one went wrong
 * @batch: the histories
 */
void kp_reset_batch(struct kp_batch *batch)
{
	struct kp_history *h;

	for (h = batch->h; h < batch->h + batch->size; h++)
		h->prog = h->own;
	batch->wrong_at = 0;
}

/* Carry out a history that the host has handed over, again and again. */
static void run_given(struct kp_batch *batch, struct kp_program *prog, const char *name)
{
	const struct kp_path_param *p = batch->h[0].p;
	struct kp_histories *sum = &p->pair->stats->histories[p->id];
	u32 i, nr, before = prog->nr_steps - prog->columns, before_it = sum->together;
	const unsigned long end = jiffies + msecs_to_jiffies(GIVEN_RUNS * GIVEN_MS);
	struct kp_history *h = &batch->h[0];
	struct kunit *test = h->test;
	const char *why = kp_history_unfit(h, prog);

	for (i = 0; i < prog->nr_steps; i++)
		kp_hold_still(p->pair, &prog->step[i]);
	for (i = before; i < prog->nr_steps; i++)
		kp_keep_apart(p->pair, &prog->step[i]);
	kp_set_batch(batch, prog, before);
	if (!why && !kp_one_by_one(h))
		why = "c->c does not make its object";
	if (why)
		KUNIT_FAIL(h->test, "%s: %s", name, why);
	h = !why && kp_places_fit(h) ? kp_places_try(batch, true, false) : NULL;
	if (h) {
		kp_unordered(batch, h, name);
		kp_reset_batch(batch);
		return;
	}
	sum->of += why ? 0 : GIVEN_RUNS;
	for (i = 0; !why && i < GIVEN_RUNS && time_before(jiffies, end) && !batch->stuck; i += nr) {
		nr = batch->size;
		h = kp_try_batch(batch, &nr, kp_seed + i * 1000003ULL);
		count(batch, nr);
		if (h) {
			kp_unordered(batch, h, name);
			break;
		}
	}
	/* Else those that are drawn decide. */
	if (!why && kp_lone)
		judge_meetings(test, sum->together - before_it, GIVEN_RUNS);
	kp_reset_batch(batch);
}

static void run_all_given(struct kp_batch *batch)
{
	const struct kp_path_param *p = batch->h[0].p;
	const char *text = p->pair->stats->given.text;
	struct kp_program *prog;
	char *name = kvmalloc(KP_NAME_MAX, GFP_KERNEL);

	if (!name)
		KUNIT_FAIL(batch->h[0].test, "no memory");
	while (name && !batch->stuck && (prog = kp_given_next(batch->h[0].test, &text, name))) {
		if (prog->columns)
			run_given(batch, prog, name);
		kp_program_free(prog);
	}
	kvfree(name);
}

/**
 * kp_batch_free() - release histories
 * @batch: the histories
 */
void kp_batch_free(struct kp_batch *batch)
{
	struct kp_history *h;
	u32 c;

	for (h = batch->h; h < batch->h + KP_BATCH; h++) {
		for (c = 0; c < KP_INSIDE; c++) {
			kvfree(h->call[c]);
			kp_trace_free(h->result[c]);
		}
		kp_trace_free(h->ahead);
		kp_program_free(h->own);
	}
	/* These are used one after the other, and shared. */
	kp_trace_free(batch->h[0].ref);
	kp_trace_free(batch->h[0].ref_inside);
	kvfree(batch->h[0].order.step);
	kvfree(batch);
}

static bool history_init(struct kp_history *h, struct kunit *test)
{
	bool able = true;
	u32 c;

	h->test = test;
	h->p = test->param_value;
	h->path = h->p->id;
	h->own = kp_program_alloc(KP_HISTORY_STEPS);
	h->prog = h->own;
	h->ahead = kp_trace_alloc(KP_HISTORY_STEPS, false);
	for (c = 0; c < KP_INSIDE; c++) {
		h->result[c] = kp_trace_alloc(KP_HISTORY_STEPS, false);
		h->call[c] = kp_call_alloc();
		able &= h->result[c] && h->call[c];
	}
	return able && h->own && h->ahead;
}

/**
 * kp_batch_alloc() - make room for histories
 * @test: their case; its parameter is the path
 * @size: how many there are at most
 * @again: tries one of them until it goes wrong; see &struct kp_batch
 *
 * Context: may sleep.
 * Return: the histories, or NULL
 */
struct kp_batch *kp_batch_alloc(struct kunit *test, u32 size, kp_again again)
{
	struct kp_batch *batch = kvzalloc_obj(*batch);
	struct kp_step *step;
	struct kp_trace *ref, *ref_inside;
	bool able = true;
	u32 i;

	if (!batch)
		return NULL;
	batch->size = size;
	batch->again = again;
	ref = kp_trace_alloc(KP_HISTORY_STEPS, true);
	ref_inside = kp_trace_alloc(KP_HISTORY_STEPS, true);
	step = kvcalloc(KP_HISTORY_STEPS, sizeof(*step), GFP_KERNEL);
	for (i = 0; i < batch->size; i++) {
		able &= history_init(&batch->h[i], test);
		batch->h[i].ref = ref;
		batch->h[i].ref_inside = ref_inside;
		batch->h[i].outer = -1;
		batch->h[i].order.step = step;
	}
	if (able && ref && ref_inside && step)
		return batch;
	kp_batch_free(batch);
	return NULL;
}

/* Try a history until it goes wrong, @most times; @runs receives how often, up to a batch more. */
static struct kp_history *again(struct kp_batch *batch, u32 most, u32 *runs)
{
	struct kp_history *h = NULL;
	u32 nr, turn = 0;

	for (*runs = 0; !h && *runs < most && time_before(jiffies, batch->end); *runs += nr) {
		nr = batch->size;
		/* About where it went wrong, every second time. */
		if (batch->wrong_at && kp_places_fit(&batch->h[0]) && (turn++ & 1))
			batch->at = max(batch->wrong_at, nr / 2 + 1) - nr / 2;
		h = kp_try_batch(batch, &nr, kp_seed + *runs * 7919ULL);
		batch->at = 0;
	}
	return h;
}

/**
 * kp_case_history() - operations of two threads, at the same time
 * @test: its parameter is the path
 */
void kp_case_history(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_batch *batch;
	int err;

	if (p->pair->stateless) {
		kunit_skip(test, "its functions share no object");
		return;
	}
	batch = kp_batch_alloc(test, p->pair->after || p->pair->callback ? 1 : KP_BATCH, again);
	if (!batch) {
		KUNIT_FAIL(test, "no memory");
		return;
	}
	err = p->pair->user ? kp_user_attach() : 0;
	err = err ?: kp_columns_start();
	if (err == -EOPNOTSUPP) {
		kunit_mark_skipped(test, "the CPUs' counters are not in step, and tell no order");
	} else if (err) {
		KUNIT_FAIL(test, "no second thread: %pe", ERR_PTR(err));
	} else {
		kp_places_start(p->pair, histories);
		run_all_given(batch);
		if (!kp_lone)
			run_drawn(batch);
		kp_columns_stop();
	}
	kp_batch_free(batch);
}
EXPORT_SYMBOL_GPL(kp_case_history);
