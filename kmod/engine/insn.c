// SPDX-License-Identifier: GPL-2.0
/*
 * Lane insn: the cost of each operation on each path, in executed instructions.
 *
 * Under QEMU -icount shift=0 the CPU's counter advances by one an instruction,
 * so with interrupts off the count of one operation is exact. Where operations
 * may sleep, interrupts stay on, and a count can hold one as well. As a program
 * does the same each time, and no interrupt comes at the same operation each
 * time, the least count of several runs then is the operation's own. The engine
 * hands out the whole distribution: for each operation, path and end that it came
 * to, each cost that occurred and how often.
 */
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "engine.h"
#include "say.h"

/* Enough for a hundred samples of an operation that is one in forty. */
#define INSN_STEPS	4096
#define NOPS		1000
/* Runs that are counted where interrupts stay on, and of what shows growth, and stack. */
#define INSN_RUNS	3
#define INSN_RUNS_MORE	2
/* Operations of which the stack is looked at. */
#define DEPTH_STEPS	512
/* Objects that are made and released to count that. */
#define INSN_MADE	16
/* Programs of case lockstep that are looked through for outcomes that are missing. */
#define INSN_OTHERS	32

/**
 * struct sample - a counted operation
 * @end: the end that it came to
 * @cost: its cost
 */
struct sample {
	s32 end;
	u64 cost;
};

/*
 * The lane rests on the counter counting instructions. Nops are the one thing
 * whose number is known: more of them must cost exactly their number.
 */
static bool counter_counts_instructions(void)
{
	unsigned long flags;
	u64 t0, t1, t2;

	local_irq_save(flags);
	t0 = kp_clock();
	t1 = kp_clock();
	asm volatile(".rept " __stringify(NOPS) "\n\tnop\n\t.endr");
	t2 = kp_clock();
	local_irq_restore(flags);
	return (t2 - t1) - (t1 - t0) == NOPS;
}

static int by_value(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->cost < y->cost ? -1 : x->cost > y->cost;
}

/*
 * Whether a step is counted: all are of the first program, without @seen, and of a further one
 * those with outcomes that no program before it came to.
 */
static bool is_new(const struct kp_trace *t, u32 i, const u32 *seen)
{
	const struct kp_operation *op = &t->pair->operation[t->prog->step[i].op];
	u32 outcomes = kp_outcomes(op);

	if (t->step[i].skipped)
		return false;
	return !seen || kp_outcome_of(op, t->step[i].ret) & outcomes & ~seen[t->prog->step[i].op];
}

/* Add costs of one operation, or of objects' creation or end, to a table. */
static int add_samples(struct kp_costs *to, enum kp_path_id path, u32 op, struct sample *got, u32 n)
{
	u32 i, from = 0;
	int err;

	sort(got, n, sizeof(*got), by_value, NULL);
	for (i = 1; i <= n; i++) {
		if (i < n && !by_value(&got[i], &got[from]))
			continue;
		err = kp_stats_cost(to, &(struct kp_cost){
			.value = got[from].cost, .times = i - from, .end = got[from].end,
			.op = op, .path = path,
		});
		if (err)
			return err;
		from = i;
	}
	return 0;
}

/* Add what one operation has cost to a table of the pair's. */
static int distribution(struct kp_costs *to, const struct kp_trace *t, u32 op, const u32 *seen,
			struct sample *got)
{
	u32 i, n = 0;
	s32 end;

	for (i = 0; i < t->nr; i++) {
		if (t->prog->step[i].op != op || !is_new(t, i, seen))
			continue;
		end = kp_end(&t->pair->operation[op], t->step[i].ret);
		if (to == &t->pair->stats->cost)
			kp_say(KP_SAY_KEEP, (u64)(u32)end << 32 | i);
		got[n++] = (struct sample){ .end = end, .cost = t->step[i].cost };
	}
	return add_samples(to, t->path, op, got, n);
}

/* Of operations that wait what the caller executes itself has a table of its own. */
static void store_costs(struct kunit *test, const struct kp_trace *t, const u32 *seen, bool alone)
{
	struct sample *got = kvcalloc(t->nr, sizeof(*got), GFP_KERNEL);
	struct kp_costs *to = alone ? &t->pair->stats->alone : &t->pair->stats->cost;
	int err = got ? 0 : -ENOMEM;
	u32 op;

	for (op = 0; !err && op < t->pair->nr_ops; op++)
		if (!alone || t->pair->operation[op].waits)
			err = distribution(to, t, op, seen, got);
	if (err)
		KUNIT_FAIL(test, "no memory for the cost table");
	kvfree(got);
}

static void store_growth(struct kunit *test, const struct kp_trace *t, const u32 *held)
{
	if (kp_growth_add(t, held))
		KUNIT_FAIL(test, "no memory for costs by size");
}

/*
 * Tell the plugin of make explain (qemu/counts.c) where the engine's own code is, which is no part
 * of any operation. That of a kernel which it is built into stands among others.
 */
static void say_engine(void)
{
#ifdef MODULE
	const struct module_memory *code = &THIS_MODULE->mem[MOD_TEXT];

	kp_say(KP_SAY_ENGINE, (unsigned long)code->base);
	kp_say(KP_SAY_ENGINE, (unsigned long)code->base + code->size);
#endif
}

/* Name the case, and all operations, to the plugin. */
static void say_case(const struct kp_path_param *p)
{
	u32 op;

	say_engine();
	kp_say_name(p->pair->name);
	kp_say(KP_SAY_PATH, p->id);
	for (op = 0; op < p->pair->nr_ops; op++) {
		kp_say_name(p->pair->operation[op].name);
		kp_say(KP_SAY_OP, op);
	}
	kp_say_name("create");
	kp_say(KP_SAY_OP, KP_MAKING(p->pair));
	kp_say_name("destroy");
	kp_say(KP_SAY_OP, KP_ENDING(p->pair));
}

/* Count one run of a program on a fresh object; @ended receives what its end costs, if not NULL. */
static int counted_run(const struct kp_path_param *p, struct kp_trace *got, bool told, u64 *ended)
{
	unsigned long flags;
	void *obj;
	u64 cost;

	obj = kp_make(got);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	got->told = told;
	if (kp_never_sleeps(p->pair)) {
		local_irq_save(flags);
		kp_run(p->pair, p->id, obj, got->prog, got);
		local_irq_restore(flags);
	} else {
		kp_run(p->pair, p->id, obj, got->prog, got);
	}
	got->told = false;
	cost = kp_unmake(got, obj);
	if (ended)
		*ended = cost;
	return 0;
}

/* Tell what the counted program shows; its states as well, if it does so when they are taken. */
static void tell(struct kunit *test, const struct kp_path_param *p, struct kp_program *prog,
		 struct kp_trace *ref, struct kp_trace *got, struct kp_diff *diff,
		 const char *which)
{
	char name[60];
	u32 at = diff->at;

	prog->observe = true;
	kp_trace_run(ref, p->pair, KP_C_C, prog);
	kp_trace_run(got, p->pair, p->id, prog);
	if (!kp_trace_diff(ref, got, 0, diff)) {
		KUNIT_FAIL(test, "seed %llu, %s %u: step %u differs, not with states taken",
			   prog->seed, which, prog->index, at + 1);
		return;
	}
	scnprintf(name, sizeof(name), "%s %u of seed %llu, in lane insn", which,
		  prog->index, prog->seed);
	kp_report_given(test, p, prog, name, ref, got, diff);
}

/*
 * Of each call the least of several runs of a program on fresh objects, which give what @ref has.
 * With @told the plugin hears of them; with @alone what callers execute themselves is counted of
 * calls that wait.
 */
static bool count_runs(struct kunit *test, struct kp_program *prog, struct kp_trace *ref,
		       struct kp_trace *got, u32 runs, bool told, bool alone, const char *which)
{
	const struct kp_path_param *p = test->param_value;
	u64 *least = kvcalloc(prog->nr_steps, sizeof(*least), GFP_KERNEL);
	struct kp_diff diff;
	u32 i, run;
	int err = 0;

	if (!least) {
		KUNIT_FAIL(test, "no memory for %u costs", prog->nr_steps);
		return false;
	}
	for (run = 0; run < runs; run++) {
		kp_alive();
		kp_trace_start(got, p->pair, p->id, prog);
		got->alone = alone;
		err = counted_run(p, got, told, NULL);
		got->alone = false;
		if (err) {
			KUNIT_FAIL(test, "create: %pe", ERR_PTR(err));
			break;
		}
		if (kp_trace_diff(ref, got, 0, &diff)) {
			tell(test, p, prog, ref, got, &diff, which);
			err = -EINVAL;
			break;
		}
		for (i = 0; i < got->nr; i++) {
			if (run)
				got->step[i].cost = min(got->step[i].cost, least[i]);
			least[i] = got->step[i].cost;
		}
	}
	kvfree(least);
	return !err;
}

/*
 * The first run fills caches and grows storage; those that follow are counted. All are the same
 * program on a fresh object. What each operation cost is in @got then. With @held, which receives
 * what the object holds before each, the plugin hears nothing: it is no part of the table of costs.
 */
static bool count(struct kunit *test, const struct kp_path_param *p, struct kp_program *prog,
		  struct kp_trace *ref, struct kp_trace *got, u32 *held)
{
	u32 runs = kp_never_sleeps(p->pair) ? 1 : held ? INSN_RUNS_MORE : INSN_RUNS;

	got->held = held;
	kp_trace_run(got, p->pair, p->id, prog);
	got->held = NULL;

	if (!held)
		kp_say(KP_SAY_PROGRAM, 0);
	return count_runs(test, prog, ref, got, runs, !held, false, held ? "level" : "program");
}

static bool any_waits(const struct kp_pair *pair)
{
	u32 op;

	for (op = 1; op < pair->nr_ops; op++)
		if (pair->operation[op].waits)
			return true;
	return false;
}

/*
 * The same program once more, to tell of calls that wait what the caller executes itself: with
 * probes, which cost something each time that another thread runs. Where the kernel has none the
 * table stays empty, on each path.
 */
static void count_alone(struct kunit *test, struct kp_program *prog, struct kp_trace *ref,
			struct kp_trace *got, const u32 *seen)
{
	int err = kp_waits_begin();
	u32 missed;
	bool passed;

	if (err == -EOPNOTSUPP || err == -ENOENT || err == -EINVAL) {
		kunit_info(test, "what calls that wait execute themselves is not counted: %pe",
			   ERR_PTR(err));
	} else if (err) {
		KUNIT_FAIL(test, "what calls that wait execute themselves: %pe", ERR_PTR(err));
	} else {
		passed = count_runs(test, prog, ref, got, INSN_RUNS, false, true, "program");
		missed = kp_waits_end();
		if (missed)
			KUNIT_FAIL(test, "the scheduler was not seen %u times", missed);
		else if (passed)
			store_costs(test, got, seen, true);
	}
}

/* Note all outcomes that a program came to. */
static void note(const struct kp_trace *t, u32 *seen)
{
	u32 i, op;

	for (i = 0; i < t->nr; i++) {
		op = t->prog->step[i].op;
		if (!t->step[i].skipped)
			seen[op] |= kp_outcome_of(&t->pair->operation[op], t->step[i].ret);
	}
}

static bool any_missing(const struct kp_pair *pair, const u32 *seen)
{
	u32 op;

	for (op = 1; op < pair->nr_ops; op++)
		if (pair->operation[op].weight && kp_outcomes(&pair->operation[op]) & ~seen[op])
			return true;
	return false;
}

static bool any_new(const struct kp_trace *t, const u32 *seen)
{
	u32 i;

	for (i = 0; i < t->nr; i++)
		if (is_new(t, i, seen))
			return true;
	return false;
}

/*
 * How much stack operations take, of the first part of a counted program: there interrupts, which
 * take some as well, come at a call in one run and not in the next. Calls are chosen by
 * what they came to in @ref.
 */
static void measure_depth(struct kunit *test, struct kp_program *prog, const struct kp_trace *ref,
			  struct kp_trace *got)
{
	const struct kp_path_param *p = test->param_value;
	u32 i, run, runs = kp_never_sleeps(p->pair) ? 1 : INSN_RUNS_MORE, steps = prog->nr_steps;
	u32 *depth = kvcalloc(DEPTH_STEPS, sizeof(*depth), GFP_KERNEL);
	u32 *least = kvcalloc(DEPTH_STEPS, sizeof(*least), GFP_KERNEL);
	int err = depth && least ? 0 : -ENOMEM;

	prog->nr_steps = min(steps, DEPTH_STEPS);
	for (run = 0; run < runs && !err; run++) {
		kp_alive();
		kp_trace_start(got, p->pair, p->id, prog);
		kp_depth_choose(ref, depth, prog->nr_steps);
		got->depth = depth;
		err = counted_run(p, got, false, NULL);
		got->depth = NULL;
		for (i = 0; i < got->nr; i++)
			least[i] = run ? min(least[i], depth[i]) : depth[i];
	}
	prog->nr_steps = steps;
	err = err ?: kp_depth_add(got, least);
	if (err)
		KUNIT_FAIL(test, "how much stack calls take: %pe", ERR_PTR(err));
	kvfree(least);
	kvfree(depth);
}

/*
 * The program of the mix has an object that most often holds little. Others have it filled to
 * several levels, to show how costs grow; they are not part of the table of costs.
 */
static void measure_levels(struct kunit *test, struct kp_program *prog, struct kp_trace *ref,
			   struct kp_trace *got)
{
	const struct kp_path_param *p = test->param_value;
	u32 i, *held = kvcalloc(got->step_max + 1, sizeof(*held), GFP_KERNEL);

	if (!held) {
		KUNIT_FAIL(test, "no memory for what objects hold");
		return;
	}
	for (i = 0; kp_program_grow(p->pair, prog, i); i++) {
		kp_trace_run(ref, p->pair, KP_C_C, prog);
		if (ref->err)
			continue;
		if (!count(test, p, prog, ref, got, held))
			break;
		store_growth(test, got, held);
	}
	kvfree(held);
}

static bool differs(const struct kp_trace *ref, const struct kp_trace *got)
{
	struct kp_diff diff;

	return kp_trace_diff(ref, got, 0, &diff);
}

/*
 * Make an object, carry out its program, and end it, with the allocator's stocks in one of three
 * states before the first and the last of these; the costs of both if they are less than they
 * were. False if its results are not those of the reference.
 */
static bool make_and_end(const struct kp_path_param *p, const struct kp_program *prog,
			 const struct kp_trace *ref, struct kp_trace *got, u32 run,
			 struct sample *made, struct sample *ended)
{
	void *obj, *taken = NULL;
	u64 cost;

	kp_trace_start(got, p->pair, p->id, prog);
	kp_stocks_set(run % 3, &taken);
	got->told_making = true;
	obj = kp_make(got);
	got->told_making = false;
	made->cost = min(made->cost, got->made.cost);
	if (!IS_ERR(obj)) {
		if (!got->stuck)
			kp_run(p->pair, p->id, obj, prog, got);
		if (got->stuck) {
			/* It is left alone. */
			kp_watch(NULL, false);
			kp_stocks_release(&taken);
			return false;
		}
		kp_stocks_set(run % 3, &taken);
		got->told_making = true;
		cost = kp_unmake(got, obj);
		got->told_making = false;
		ended->cost = min(ended->cost, cost);
	}
	kp_stocks_release(&taken);
	return PTR_ERR_OR_ZERO(obj) == ref->err && !got->made.broken &&
		(ref->err || !differs(ref, got));
}

/*
 * What making an object costs, and what releasing it does once a program has used it: the least of
 * several runs, as interrupts are on. Where operations wait for others, so may the end of
 * an object, and is not counted.
 */
static bool measure_making(struct kunit *test, struct kp_program *prog, struct kp_trace *ref,
			   struct kp_trace *got)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_costs *to = &p->pair->stats->cost;
	struct sample made[INSN_MADE], ended[INSN_MADE];
	const u32 nr = min(kp_program_count(p->pair), INSN_MADE);
	const bool ends = !any_waits(p->pair);
	u32 i, run, nr_ended = 0;
	bool right = true;
	int err;

	for (i = 0; i < nr && right; i++) {
		made[i].cost = U64_MAX;
		ended[nr_ended] = (struct sample){ .cost = U64_MAX };
		kp_program_vary(p->pair, prog, i);
		kp_trace_run(ref, p->pair, KP_C_C, prog);
		made[i].end = ref->err;
		kp_say(KP_SAY_PROGRAM, 0);
		for (run = 0; run < INSN_RUNS && right; run++) {
			kp_alive();
			right = make_and_end(p, prog, ref, got, run, &made[i], &ended[nr_ended]);
		}
		kp_say(KP_SAY_KEEP, (u64)(u32)made[i].end << 32 | KP_SAID_MAKING);
		if (!ref->err && ends)
			kp_say(KP_SAY_KEEP, KP_SAID_ENDING);
		nr_ended += !ref->err;
	}
	/* What is not known to be right is not counted; case lockstep makes such programs small. */
	if (!right) {
		KUNIT_FAIL(test,
			   "seed %llu, program %u: its object, or its results, are not those of c->c",
			   prog->seed, prog->index);
		return false;
	}
	err = add_samples(to, p->id, KP_MAKING(p->pair), made, nr);
	if (ends)
		err = err ?: add_samples(to, p->id, KP_ENDING(p->pair), ended, nr_ended);
	if (err)
		KUNIT_FAIL(test, "no memory for what objects cost");
	return !err;
}

/* Add what the first call of each outcome has cost to the table of first calls. */
static int store_first(const struct kp_trace *t, const u64 *ended)
{
	struct kp_costs *to = &t->pair->stats->first;
	u32 i, bit, seen[KP_MAX_OPS] = {};
	int err = 0;

	for (i = 0; i < t->nr && !err; i++) {
		const u32 op = t->prog->step[i].op;

		if (!op || t->step[i].skipped)
			continue;
		/* A bit for the row's only outcome, if it has but one. */
		bit = kp_outcome_of(&t->pair->operation[op], t->step[i].ret) ?: BIT(31);
		if (seen[op] & bit)
			continue;
		seen[op] |= bit;
		err = add_samples(to, t->path, op, &(struct sample){
			.end = kp_end(&t->pair->operation[op], t->step[i].ret),
			.cost = t->step[i].cost,
		}, 1);
	}
	if (err || !t->pair->path[t->path]->create)
		return err;
	err = add_samples(to, t->path, KP_MAKING(t->pair),
			  &(struct sample){ .cost = t->made.cost }, 1);
	if (!err && ended)
		err = add_samples(to, t->path, KP_ENDING(t->pair),
				  &(struct sample){ .cost = *ended }, 1);
	return err;
}

/*
 * Carry out a program where nothing of the pair has run on the path, with an allocator that has
 * nothing in stock. On C over C its object was made before, to see whether the program is one that
 * has an object. The reference, which is to say whether it was right, comes after it.
 */
static void measure_first(struct kunit *test, const struct kp_program *prog, struct kp_trace *ref,
			  struct kp_trace *got)
{
	const struct kp_path_param *p = test->param_value;
	u64 ended;
	int err;

	kp_trace_start(got, p->pair, p->id, prog);
	kp_stocks_empty();
	err = counted_run(p, got, false, &ended);
	kp_trace_run(ref, p->pair, KP_C_C, prog);
	/* The runs behind this one tell of what is wrong. */
	if (err || got->stuck || got->made.broken || differs(ref, got))
		return;
	if (store_first(got, any_waits(p->pair) ? NULL : &ended))
		KUNIT_FAIL(test, "no memory for what first calls cost");
}

/*
 * One long program has the contract's mix of operations and of values. Of outcomes that it does
 * not come to the calls of a program of case lockstep are counted, and no others of that: what
 * operations cost on the whole stays nearly that of the mix.
 */
static void measure(struct kunit *test, struct kp_program *prog, struct kp_trace *ref,
		    struct kp_trace *got)
{
	const struct kp_path_param *p = test->param_value;
	u32 i, seen[KP_MAX_OPS] = {}, others = min(kp_program_count(p->pair), INSN_OTHERS);

	say_case(p);
	kp_program_valid(p->pair, prog, INSN_STEPS);
	measure_first(test, prog, ref, got);
	if (!count(test, p, prog, ref, got, NULL))
		return;
	store_costs(test, got, NULL, false);
	if (kp_grows(p->pair) && !p->pair->holds)
		store_growth(test, got, NULL);
	measure_depth(test, prog, ref, got);
	if (any_waits(p->pair))
		count_alone(test, prog, ref, got, NULL);
	note(ref, seen);
	for (i = 0; i < others && any_missing(p->pair, seen); i++) {
		kp_program_vary(p->pair, prog, i);
		kp_trace_run(ref, p->pair, KP_C_C, prog);
		if (ref->err || !any_new(ref, seen))
			continue;
		if (!count(test, p, prog, ref, got, NULL))
			return;
		store_costs(test, got, seen, false);
		if (any_waits(p->pair))
			count_alone(test, prog, ref, got, seen);
		note(ref, seen);
	}
	if (p->pair->path[p->id]->create && !measure_making(test, prog, ref, got))
		return;
	kp_say(KP_SAY_CLOSE, 0);
	if (p->pair->holds)
		measure_levels(test, prog, ref, got);
}

/**
 * kp_case_insn() - count the instructions of each operation
 * @test: its parameter is the path
 *
 * The results of the counted run are compared with those of C over C, so that
 * the counted operations are known to be right.
 */
void kp_case_insn(struct kunit *test)
{
	if (!counter_counts_instructions())
		KUNIT_FAIL(test, "the counter does not count instructions (QEMU -icount shift=0)");
	else
		kp_measure(test, INSN_STEPS, measure);
}
EXPORT_SYMBOL_GPL(kp_case_insn);
