// SPDX-License-Identifier: GPL-2.0
/*
 * Case fault: each allocation fails once. Programs of case lockstep run once for what
 * their calls allocate; then each again for each of these allocations, which fails. What
 * is due then is said at kp_trace_both().
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include "engine.h"

/*
 * How often the n-th allocation of an operation fails on a path, in one program and in all.
 * Where there are more of them in a program, those that fail are spread over it.
 */
#define TIMES		(IS_SLOW ? 2 : 8)
#define TIMES_ALL	(IS_SLOW ? 4 : 32)
/* Allocations of a call that are told apart for that; those beyond are one. */
#define NTH_MAX		16
/* Operations behind the one that fails: the object is to work on. */
#define AFTERWARDS	64
/*
 * Programs, where a checker makes each take long. It sees more than the engine does, but
 * not by more programs: variant fault runs them all.
 */
#define FEW		4
#define IS_SLOW		(IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))

/**
 * struct sweep - case fault on one path
 * @p: the path
 * @prog: the program
 * @ref: what is due of it
 * @got: its trace on the path
 * @groups: differences
 * @steps: operations of @prog as it was drawn
 * @times: how often the n-th allocation of an operation has failed; the creation is 0
 * @here: how many of these there are in @prog
 * @seen: how many of them have been looked at
 */
struct sweep {
	const struct kp_path_param *p;
	struct kp_program *prog;
	struct kp_trace *ref;
	struct kp_trace *got;
	struct kp_groups *groups;
	u32 steps;
	u32 times[KP_MAX_OPS][NTH_MAX];
	u32 here[KP_MAX_OPS][NTH_MAX];
	u32 seen[KP_MAX_OPS][NTH_MAX];
};

static struct kp_failing *failing(const struct sweep *s, u32 op)
{
	return &s->p->pair->stats->failing[op][s->p->id];
}

static void add(struct sweep *s, u32 op, const struct kp_step_trace *t)
{
	struct kp_failing *f = failing(s, op);
	u32 n;

	f->calls++;
	f->allocations += t->allocations;
	f->most = max(f->most, t->allocations);
	f->bytes = max(f->bytes, t->bytes);
	for (n = 0; n < t->allocations; n++)
		s->here[op][min(n, NTH_MAX - 1)]++;
}

/* Run the program without a failure, and count what each call allocates. */
static void count(struct sweep *s)
{
	const struct kp_pair *pair = s->p->pair;
	u32 i;

	s->prog->count = true;
	s->prog->nr_steps = s->steps;
	memset(s->here, 0, sizeof(s->here));
	memset(s->seen, 0, sizeof(s->seen));
	kp_trace_run(s->got, pair, s->p->id, s->prog);
	if (s->got->leak.nr || s->got->twice_by || s->got->stuck) {
		kp_trace_run(s->ref, pair, KP_C_C, s->prog);
		kp_groups_collect(s->groups, s->prog, s->ref, s->got, false);
	}
	s->prog->count = false;
	if (!pair->stateless)
		add(s, 0, &s->got->made);
	/* The no-op's place is the creation's. */
	for (i = 0; i < s->got->nr; i++)
		if (s->prog->step[i].op && !s->got->step[i].skipped)
			add(s, s->prog->step[i].op, &s->got->step[i]);
}

/* Whether this allocation is one of those to fail; it is counted as one if so. */
static bool wanted(struct sweep *s, u32 op, u32 nth)
{
	u32 n = min(nth - 1, NTH_MAX - 1), at = s->seen[op][n]++;
	u32 every = DIV_ROUND_UP(s->here[op][n], TIMES);

	if (at % every || s->times[op][n] >= TIMES_ALL)
		return false;
	s->times[op][n]++;
	return true;
}

/* Run the program with the failure that it says. */
static void fail(struct sweep *s, u32 step)
{
	struct kp_failing *f;
	bool failed;

	kp_alive();
	kp_trace_both(s->ref, s->got, s->p->pair, s->p->id, s->prog);
	if (step == KP_AT_CREATION) {
		f = failing(s, 0);
		failed = s->got->made.failed;
	} else {
		f = failing(s, s->prog->step[step].op);
		failed = step < s->got->nr && s->got->step[step].failed;
	}
	if (s->got->disturbed) {
		f->unknown++;
		return;
	}
	f->failed += failed;
	f->refused += kp_refused(s->got, step);
	kp_groups_collect(s->groups, s->prog, s->ref, s->got, false);
}

/* Have each allocation of the program fail. */
static void sweep(struct sweep *s, u16 *allocations)
{
	u32 i, nth, made, nr;

	count(s);
	made = s->got->made.allocations;
	nr = s->got->nr;
	for (i = 0; i < nr; i++)
		allocations[i] = s->got->step[i].allocations;
	s->prog->nr_steps = min(s->steps, AFTERWARDS);
	for (nth = 1; nth <= made; nth++) {
		if (!wanted(s, 0, nth))
			continue;
		s->prog->fail = nth;
		fail(s, KP_AT_CREATION);
	}
	s->prog->fail = 0;
	for (i = 0; i < nr; i++) {
		s->prog->nr_steps = min(s->steps, i + 1 + AFTERWARDS);
		for (nth = 1; nth <= allocations[i] && !kp_groups_late(s->groups); nth++) {
			if (!wanted(s, s->prog->step[i].op, nth))
				continue;
			s->prog->step[i].fail = nth;
			fail(s, i);
		}
		s->prog->step[i].fail = 0;
	}
}

/* Say what the path has allocated, if that is nothing. */
static void tell(struct kunit *test, const struct sweep *s)
{
	u32 op, all = 0;

	for (op = 0; op < s->p->pair->nr_ops; op++) {
		const struct kp_failing *f = failing(s, op);

		all += f->allocations;
		if (f->unknown && !f->failed && test->status == KUNIT_SUCCESS)
			kunit_mark_skipped(test,
					   "%s: in none of %u calls is it known which allocation failed",
					   op ? s->p->pair->operation[op].name : "create",
					   f->unknown);
	}
	if (!all && test->status == KUNIT_SUCCESS)
		kunit_mark_skipped(test, "no call of its allocates memory");
	else if (all)
		s->p->pair->stats->all_failed[s->p->id] = !IS_SLOW;
}

static void sweep_all(struct kunit *test, struct sweep *s, u16 *allocations)
{
	const struct kp_pair *pair = s->p->pair;
	u32 i, nr = min(kp_program_count(pair), kp_programs);

	if (IS_SLOW)
		nr = min(nr, FEW);
	for (i = 0; i < nr && !kp_groups_late(s->groups); i++) {
		kp_alive();
		kp_program_vary(pair, s->prog, i);
		s->steps = s->prog->nr_steps;
		sweep(s, allocations);
	}
	kp_groups_report(s->groups, test);
	tell(test, s);
}

/**
 * kp_case_fault() - each allocation of a path fails once, and nothing else goes wrong
 * @test: its parameter is the path
 *
 * An operation whose allocation fails gives -ENOMEM where its row lists that, and then
 * has changed nothing; or what it gives with memory. The object works on, and all that
 * was taken is given back.
 */
void kp_case_fault(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	u32 steps = kp_program_longest(p->pair);
	struct sweep *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	u16 *allocations = kunit_kcalloc(test, steps, sizeof(*allocations), GFP_KERNEL);

	if (!kp_can_fail()) {
		kunit_skip(test, "failslab spares what may sleep: its ignore-gfp-wait is Y");
		return;
	}
	if (!s || !allocations) {
		KUNIT_FAIL(test, "no memory for programs of %u steps", steps);
		return;
	}
	s->p = p;
	s->prog = kp_program_alloc(steps);
	s->ref = kp_trace_alloc(steps, true);
	s->got = kp_trace_alloc(steps, false);
	s->groups = kp_groups_alloc(p, steps);
	if (s->prog && s->ref && s->got && s->groups) {
		s->prog->observe = true;
		s->prog->balance = true;
		sweep_all(test, s, allocations);
	} else {
		KUNIT_FAIL(test, "no memory for programs of %u steps", steps);
	}
	kp_groups_free(s->groups);
	kp_trace_free(s->got);
	kp_trace_free(s->ref);
	kp_program_free(s->prog);
}
EXPORT_SYMBOL_GPL(kp_case_fault);
