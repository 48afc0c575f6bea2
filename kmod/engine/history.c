// SPDX-License-Identifier: GPL-2.0
/*
 * Case history: two threads on two CPUs carry out operations on one object at the same time.
 * What these return, and the state behind them, must be what C over C gives for the same
 * operations one after the other, in an order in which each comes between its begin and its end.
 *
 * What runs at the same time is luck, so there are many short histories, on small objects, with
 * delays that differ, until operations have run at the same time in so many of them.
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

/* Kinds of histories that are told in full. */
#define TOLD		3
/* The time that they may take, for each; and how many are tried for each of them. */
#define MOST_MS		10
#define MOST_TRIED	4
/* Runs of a history that the host has handed over. */
#define GIVEN_RUNS	3000
/* Turns of the longest delay before an operation: some take as long. */
#define DELAY_MAX	512
/* Draws of a history that can be carried out. */
#define DRAWS		16

static unsigned int histories = 1200;
module_param(histories, uint, 0444);
MODULE_PARM_DESC(histories, "histories of a pair on a path with operations at the same time");

/* Whether an operation can be one of a thread's: declared differences are not judged here. */
static bool can_meet(const struct kp_pair *pair, u32 op)
{
	u32 d;

	for (d = 0; d < pair->nr_diverges; d++)
		if (pair->diverges[d].op == op)
			return false;
	return op && pair->operation[op].weight && !pair->operation[op].alone;
}

/* The weights of the operations of threads; in half of all histories those of two alone. */
static u32 weigh(const struct kp_pair *pair, struct kp_random *rnd, u32 *weight)
{
	u32 op, total = 0, two[2] = {}, n;

	for (n = 0; n < 64 && (!two[0] || !two[1]); n++) {
		op = kp_die(rnd, pair->nr_ops);
		if (can_meet(pair, op))
			two[two[0] ? 1 : 0] = op;
	}
	n = kp_die(rnd, 2);
	for (op = 0; op < pair->nr_ops; op++) {
		weight[op] = can_meet(pair, op) && (n || op == two[0] || op == two[1]) ?
			pair->operation[op].weight : 0;
		total += weight[op];
	}
	return total;
}

/* Who carries out which role, in a history. */
struct roles {
	const char *name[KP_MAX_OPS];
	u8 column[KP_MAX_OPS];
	u32 nr;
	u32 first;
};

/* The thread of an operation: those of one role are of one thread, two roles of two. */
static u8 column_of(struct roles *roles, struct kp_random *rnd, const struct kp_operation *op)
{
	u32 i;

	if (!op->role)
		return 1 + kp_die(rnd, KP_COLUMNS);
	for (i = 0; i < roles->nr; i++)
		if (!strcmp(roles->name[i], op->role))
			return roles->column[i];
	roles->name[i] = op->role;
	roles->column[i] = 1 + (roles->first + i) % KP_COLUMNS;
	roles->nr++;
	return roles->column[i];
}

/* Each thread has every second place for handles as its own. */
static void keep_apart(const struct kp_pair *pair, struct kp_step *step)
{
	const struct kp_arg *arg = pair->operation[step->op].arg;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!kp_is_handle(&arg[a]))
			continue;
		step->arg[a] = step->arg[a] / KP_COLUMNS * KP_COLUMNS + step->column - 1;
		if (step->arg[a] >= pair->nr_handles)
			step->arg[a] = step->column - 1;
	}
}

/* Draw the operations of the threads; false if one of these has none. */
static bool draw_columns(struct kp_history *h, struct kp_random *rnd, u32 nr)
{
	struct kp_drawing d = { .rnd = *rnd, .pair = h->p->pair, .prog = h->prog };
	struct roles roles = { .first = kp_die(&d.rnd, KP_COLUMNS) };
	u32 weight[KP_MAX_OPS], total, i, op, pick, used = 0;

	total = weigh(d.pair, &d.rnd, weight);
	if (!total)
		return false;
	for (i = h->before; i < h->before + nr; i++) {
		struct kp_step *step = &h->prog->step[i];

		pick = kp_die(&d.rnd, total);
		for (op = 0; pick >= weight[op]; op++)
			pick -= weight[op];
		*step = (struct kp_step){ .op = op };
		kp_draw_args(&d, d.pair->operation[op].arg, step->arg, i);
		if (i > h->before && kp_die(&d.rnd, 2))
			kp_copy_arguments(d.pair, step, step - 1 -
					  kp_die(&d.rnd, i - h->before));
		step->column = column_of(&roles, &d.rnd, &d.pair->operation[op]);
		keep_apart(d.pair, step);
		used |= BIT(step->column);
	}
	*rnd = d.rnd;
	h->prog->nr_steps = h->before + nr;
	h->prog->columns = nr;
	return used == GENMASK(KP_COLUMNS, 1);
}

/* Often an object is small: two threads reach its limits then, at the same time. */
static void make_small(const struct kp_pair *pair, struct kp_random *rnd,
		       struct kp_program *prog)
{
	const struct kp_arg *arg = pair->creation.arg;
	u64 value;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!kp_is_size(&arg[a]) || arg[a].names)
			continue;
		value = arg[a].log2 ? BIT(kp_die(rnd, 3)) : arg[a].lo + kp_die(rnd, 4);
		if (kp_in_range(&arg[a], value))
			prog->param[a] = value;
	}
}

/* Now and then one operation, many times: about as many as fill what grows by doubling. */
static void repeat(struct kp_history *h, struct kp_random *rnd)
{
	u32 times = (8 << kp_die(rnd, 4)) - 1 + kp_die(rnd, 2);
	const struct kp_step last = h->prog->step[h->before - 1];

	for (; h->before < times && h->before < KP_BEFORE; h->before++)
		h->prog->step[h->before] = last;
}

/**
 * kp_one_by_one() - carry out a history on C over C, one operation after the other
 * @h: the history
 *
 * Numbers that earlier operations decide are settled by that.
 *
 * Context: may sleep.
 * Return: whether C over C makes the object
 */
bool kp_one_by_one(struct kp_history *h)
{
	kp_trace_run(h->ref, h->p->pair, KP_C_C, h->prog);
	return h->ref->nr == h->prog->nr_steps;
}

/* Draw a history once; false if C over C does not carry it out. */
static bool draw_once(struct kp_history *h, u32 index)
{
	struct kp_random rnd = { .state = kp_seed * 0x9e3779b97f4a7c15ULL + index };
	const struct kp_pair *pair = h->p->pair;
	u32 i, nr = KP_COLUMNS + kp_die(&rnd, KP_BESIDE - KP_COLUMNS - 1);

	h->before = kp_die(&rnd, 10);
	kp_program_make(pair, h->prog, kp_seed, index, h->before);
	if (kp_die(&rnd, 2))
		make_small(pair, &rnd, h->prog);
	if (h->before && !kp_die(&rnd, 6))
		repeat(h, &rnd);
	if (!draw_columns(h, &rnd, nr))
		return false;
	for (i = 0; i < h->prog->nr_steps; i++)
		kp_hold_still(pair, &h->prog->step[i]);
	return kp_one_by_one(h);
}

static bool draw_history(struct kp_history *h, u32 index)
{
	u32 i;

	for (i = 0; i < DRAWS; i++)
		if (draw_once(h, index + (i << 16)))
			return true;
	return false;
}

/* Make the object, and carry out what comes before the threads. */
static void enter(struct kp_history *h)
{
	const struct kp_pair *pair = h->p->pair;
	u32 c, nr = h->prog->nr_steps;

	for (c = 0; c < KP_COLUMNS; c++)
		kp_trace_start(h->result[c], pair, h->path, h->prog);
	kp_trace_start(h->ahead, pair, h->path, h->prog);
	if (pair->after)
		pair->after(h->prog->param);
	h->obj = kp_make(h->ahead);
	if (IS_ERR(h->obj))
		return;
	h->prog->observe = false;
	h->prog->nr_steps = h->before;
	kp_run(pair, h->path, h->obj, h->prog, h->ahead);
	h->prog->nr_steps = nr;
}

/* Take the state behind all, and release the object. */
static void leave(struct kp_history *h)
{
	const struct kp_pair *pair = h->p->pair;
	u32 i;

	h->together = false;
	for (i = 0; i < kp_beside(h); i++) {
		const struct kp_event *e = &h->event[i];
		u32 j;

		if (e->unbalanced)
			h->broken = "interrupts, preemption or RCU are not left as found";
		h->broken = h->broken ?: e->broken;
		for (j = 0; j < i && e->called; j++)
			h->together |= h->event[j].called && kp_at_once(e, &h->event[j]) &&
				kp_event_step(h, i)->column != kp_event_step(h, j)->column;
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

/* Judge a history that has been carried out. */
static enum kp_ordered judge(struct kp_history *h)
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
 * @nr: how many these are
 * @draw: what delays are drawn from
 *
 * Context: may sleep, between kp_columns_start() and kp_columns_stop().
 * Return: the first history that goes wrong, or NULL
 */
struct kp_history *kp_try_batch(struct kp_batch *batch, u32 nr, u64 draw)
{
	struct kp_random rnd = { .state = draw };
	struct kp_history *h, *first = NULL;
	u32 i, e;

	kp_alive();
	for (i = 0; i < nr; i++) {
		h = &batch->h[i];
		h->broken = NULL;
		h->explains = -1;
		for (e = 0; e < KP_BESIDE; e++)
			h->event[e].delay = kp_die(&rnd, DELAY_MAX >> kp_die(&rnd, 9));
		enter(h);
	}
	kp_columns_run(batch, nr);
	for (i = 0; i < nr; i++) {
		h = &batch->h[i];
		if (IS_ERR(h->obj))
			h->broken = "the object is not made, as it is on c->c";
		else
			leave(h);
	}
	for (i = 0; i < nr; i++) {
		h = &batch->h[i];
		h->found = judge(h);
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

	for (h = batch->h; h < batch->h + nr; h++) {
		sum->tried++;
		sum->together += h->together;
		sum->operations += kp_beside(h);
		sum->undecided += h->found == KP_UNDECIDED;
		sum->allowed += h->found == KP_IN_ORDER_BUT;
	}
}

/* Draw the next histories; how many there are. */
static u32 draw_batch(struct kp_batch *batch, u32 *index)
{
	u32 nr = 0;

	for (; nr < batch->size && *index < MOST_TRIED * histories; ++*index)
		nr += draw_history(&batch->h[nr], *index);
	return nr;
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
	struct kunit *test = batch->h[0].test;
	u32 index = 0, nr = 1, wrong = 0;
	unsigned long end;
	struct kp_history *h;
	char name[60];

	sum->of += histories;
	end = jiffies + msecs_to_jiffies(histories * MOST_MS);
	while (time_before(jiffies, end) && sum->together < histories &&
	       (nr = draw_batch(batch, &index))) {
		h = kp_try_batch(batch, nr, kp_seed + index * 1000003ULL);
		count(batch, nr);
		if (!h || wrong++ >= TOLD)
			continue;
		scnprintf(name, sizeof(name), "seed %lu, history %u", kp_seed, h->prog->index);
		kp_unordered(batch, h, name);
	}
	if (wrong > TOLD)
		KUNIT_FAIL(test, "more histories go wrong");
	if (!nr && !sum->tried)
		sum->of -= histories;
	if (!nr && !sum->tried && test->status == KUNIT_SUCCESS)
		kunit_mark_skipped(test, "by its contract no operation runs beside another");
	else if (sum->tried && !sum->together)
		KUNIT_FAIL(test, "of %u histories none had operations at the same time",
			   sum->tried);
}

/* Whether a program that the host has handed over is a history that can be carried out. */
static const char *unfit(const struct kp_history *h, const struct kp_program *prog)
{
	const struct kp_pair *pair = h->p->pair;
	u32 i, j, before = prog->nr_steps - prog->columns;

	if (before > KP_BEFORE || prog->columns > KP_BESIDE)
		return "at most " __stringify(KP_BEFORE) " operations before the threads, and "
			__stringify(KP_BESIDE) " of threads";
	for (i = before; i < prog->nr_steps; i++) {
		const struct kp_operation *op = &pair->operation[prog->step[i].op];

		if (op->alone)
			return "one of its operations has by its contract none beside it";
		for (j = before; j < i; j++)
			if (prog->step[j].column != prog->step[i].column &&
			    !kp_may_meet(op, &pair->operation[prog->step[j].op]))
				return "by their roles two of its operations exclude each other";
	}
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
 * kp_reset_batch() - give histories their own programs again
 * @batch: the histories
 */
void kp_reset_batch(struct kp_batch *batch)
{
	struct kp_history *h;

	for (h = batch->h; h < batch->h + batch->size; h++)
		h->prog = h->own;
}

/* Carry out a history that the host has handed over, again and again. */
static void run_given(struct kp_batch *batch, struct kp_program *prog, const char *name)
{
	const struct kp_path_param *p = batch->h[0].p;
	struct kp_histories *sum = &p->pair->stats->histories[p->id];
	u32 i, before = prog->nr_steps - prog->columns;
	struct kp_history *h = &batch->h[0];
	const char *why = unfit(h, prog);

	for (i = 0; i < prog->nr_steps; i++)
		kp_hold_still(p->pair, &prog->step[i]);
	for (i = before; i < prog->nr_steps; i++)
		keep_apart(p->pair, &prog->step[i]);
	kp_set_batch(batch, prog, before);
	if (!why && !kp_one_by_one(h))
		why = "c->c does not make its object";
	if (why)
		KUNIT_FAIL(h->test, "%s: %s", name, why);
	sum->of += why ? 0 : GIVEN_RUNS;
	for (i = 0; !why && i < GIVEN_RUNS; i += batch->size) {
		h = kp_try_batch(batch, batch->size, kp_seed + i * 1000003ULL);
		count(batch, batch->size);
		if (h) {
			kp_unordered(batch, h, name);
			break;
		}
	}
	kp_reset_batch(batch);
}

static void run_all_given(struct kp_batch *batch)
{
	const struct kp_path_param *p = batch->h[0].p;
	const char *text = p->pair->stats->given.text;
	struct kp_program *prog;
	char *name = kvmalloc(KP_NAME_MAX, GFP_KERNEL);

	while (name && (prog = kp_given_next(batch->h[0].test, &text, name))) {
		if (prog->columns)
			run_given(batch, prog, name);
		kp_program_free(prog);
	}
	kvfree(name);
}

static void batch_free(struct kp_batch *batch)
{
	struct kp_history *h;
	u32 c;

	for (h = batch->h; h < batch->h + KP_BATCH; h++) {
		for (c = 0; c < KP_COLUMNS; c++) {
			kvfree(h->call[c]);
			kp_trace_free(h->result[c]);
		}
		kp_trace_free(h->ahead);
		kp_program_free(h->own);
	}
	/* These are used one after the other, and shared. */
	kp_trace_free(batch->h[0].ref);
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
	for (c = 0; c < KP_COLUMNS; c++) {
		h->result[c] = kp_trace_alloc(KP_HISTORY_STEPS, false);
		h->call[c] = kp_call_alloc();
		able &= h->result[c] && h->call[c];
	}
	return able && h->own && h->ahead;
}

static struct kp_batch *batch_alloc(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_batch *batch = kvzalloc_obj(*batch);
	struct kp_step *step;
	struct kp_trace *ref;
	bool able = true;
	u32 i;

	if (!batch)
		return NULL;
	batch->size = p->pair->after ? 1 : KP_BATCH;
	ref = kp_trace_alloc(KP_HISTORY_STEPS, true);
	step = kvcalloc(KP_HISTORY_STEPS, sizeof(*step), GFP_KERNEL);
	for (i = 0; i < batch->size; i++) {
		able &= history_init(&batch->h[i], test);
		batch->h[i].ref = ref;
		batch->h[i].order.step = step;
	}
	if (able && ref && step)
		return batch;
	batch_free(batch);
	return NULL;
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
	batch = batch_alloc(test);
	if (!batch) {
		KUNIT_FAIL(test, "no memory");
		return;
	}
	if (p->pair->user)
		kp_user_attach();
	err = kp_columns_start();
	if (err) {
		KUNIT_FAIL(test, "no second thread: %pe", ERR_PTR(err));
	} else {
		run_all_given(batch);
		if (!kp_lone)
			run_drawn(batch);
		kp_columns_stop();
	}
	batch_free(batch);
}
EXPORT_SYMBOL_GPL(kp_case_history);
