// SPDX-License-Identifier: GPL-2.0
/*
 * The KUnit cases of lane check that every pair has.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/seq_buf.h>
#include "engine.h"

/* The most lines of a program's operations; beyond them its last ones are printed. */
#define PRINT_MAX	64
#define PRINT_LAST	8

static bool same_argument(const struct kp_program *prog, const struct kp_arg *arg, u64 a, u64 b)
{
	if (!kp_in_pool(arg) || a == b)
		return a == b;
	return a << 32 == b << 32 && !memcmp(prog->pool + kp_span_at(a),
					     prog->pool + kp_span_at(b), kp_span_len(a));
}

/* Whether an operation is the one before it once more, with the same results. */
static bool repeats(const struct kp_program *prog, u32 i, const struct kp_trace *ref)
{
	const struct kp_step *a = &prog->step[i - 1], *b = &prog->step[i];
	const struct kp_step_trace *s = &ref->step[i - 1], *t = &ref->step[i];
	const struct kp_operation *op = &ref->pair->operation[b->op];
	u32 arg;

	if (a->op != b->op || a->shift != b->shift || a->fail != b->fail || i >= ref->nr ||
	    s->ret != t->ret ||
	    s->outs != t->outs || s->stored != t->stored || s->same != t->same ||
	    s->skipped != t->skipped)
		return false;
	for (arg = 0; arg < op->nr_args; arg++)
		if (!same_argument(prog, &op->arg[arg], a->arg[arg], b->arg[arg]))
			return false;
	return true;
}

static void print_step(struct seq_buf *s, const struct kp_program *prog, u32 i,
		       const struct kp_trace *ref, const struct kp_trace *got,
		       bool here)
{
	seq_buf_puts(s, "    ");
	kp_print_step(s, got->pair, prog, i);
	/* Where an allocation fails C over C has not been called, or not so. */
	seq_buf_printf(s, "\n          %s: ", !here ? "both" : prog->step[i].fail ? "due" : "c->c");
	if (i < ref->nr)
		kp_print_result(s, ref, i, got);
	else
		seq_buf_puts(s, "not run");
	if (here) {
		seq_buf_puts(s, "\n          this path: ");
		if (i < got->nr)
			kp_print_result(s, got, i, ref);
		else
			seq_buf_puts(s, "not run");
	}
	seq_buf_putc(s, '\n');
}

static void print_nth(struct seq_buf *s, u32 nth)
{
	static const char *const end[] = { "th", "st", "nd", "rd" };

	seq_buf_printf(s, "%u%s", nth,
		       nth % 100 / 10 == 1 || nth % 10 > 3 ? end[0] : end[nth % 10]);
}

/* Which allocation has failed and where, and what is not given back. */
static void print_memory(struct seq_buf *s, const struct kp_program *prog,
			 const struct kp_trace *got)
{
	u32 i;

	if (prog->fail && got->made.failed) {
		seq_buf_puts(s, "    fault: ");
		print_nth(s, prog->fail);
		seq_buf_puts(s, " allocation of the object's creation");
	}
	for (i = 0; i < min(got->nr, prog->nr_steps); i++) {
		if (!got->step[i].failed)
			continue;
		seq_buf_puts(s, "    fault: ");
		print_nth(s, prog->step[i].fail);
		seq_buf_printf(s, " allocation of step %u", i + 1);
		break;
	}
	if (got->failed_by) {
		seq_buf_puts(s, ", in ");
		kp_print_function(s, got->failed_by);
	}
	if (got->made.failed || i < min(got->nr, prog->nr_steps))
		seq_buf_putc(s, '\n');
	if (got->twice_by) {
		seq_buf_puts(s, "    given back twice: the second time by ");
		kp_print_function(s, got->twice_by);
		seq_buf_putc(s, '\n');
	}
	if (got->leak.nr) {
		seq_buf_printf(s, "    not given back: %zu bytes of ", got->leak.size);
		kp_print_function(s, got->leak.by);
		seq_buf_puts(s, got->leak.nr > 1 ? ", and more\n" : "\n");
	}
}

/**
 * kp_print_program() - print a program beside the results of both paths
 * @s: where to
 * @prog: the program
 * @ref: its trace on C over C
 * @got: its trace on the path
 * @diff: their first difference
 *
 * The path is not named: paths that differ in the same way print the same. Operations
 * that are the same are told once; of a long program the last ones up to the difference.
 */
void kp_print_program(struct seq_buf *s, const struct kp_program *prog,
		      const struct kp_trace *ref, const struct kp_trace *got,
		      const struct kp_diff *diff)
{
	u32 nr = min(prog->nr_steps, diff->at + 1), i, first = 0, lines = 0, times;

	seq_buf_puts(s, "    ");
	kp_print_create(s, got->pair, prog);
	seq_buf_putc(s, '\n');
	if (diff->what == KP_DIFFERS_CREATE || ref->err || got->err) {
		seq_buf_puts(s, prog->fail ? "          due: " : "          c->c: ");
		kp_print_created(s, ref, got);
		seq_buf_puts(s, "\n          this path: ");
		kp_print_created(s, got, ref);
		seq_buf_putc(s, '\n');
	}
	for (i = 1; i < nr; i++)
		lines += i == diff->at || !repeats(prog, i, ref);
	if (lines >= PRINT_MAX) {
		first = nr - min(nr, PRINT_LAST);
		seq_buf_printf(s, "    ... %u operations before these\n", first);
	}
	for (i = first; i < nr; i += times) {
		print_step(s, prog, i, ref, got, i == diff->at);
		for (times = 1; i + times < min(nr, diff->at) &&
		     repeats(prog, i + times, ref); times++)
			;
		if (times > 1)
			seq_buf_printf(s, "          and %u times more\n", times - 1);
	}
	if (nr < prog->nr_steps)
		seq_buf_printf(s, "    ... %u operations behind these, of states that differ\n",
			       prog->nr_steps - nr);
	print_memory(s, prog, got);
	if (diff->broken)
		seq_buf_printf(s, "    this path broke its contract: %s\n", diff->broken);
	if (ref->broken && ref->broken_at == KP_AT_CREATION)
		seq_buf_printf(s, "    c->c itself breaks the contract, making the object: %s\n",
			       ref->broken);
	else if (ref->broken)
		seq_buf_printf(s, "    c->c itself breaks the contract at step %u: %s\n",
			       ref->broken_at + 1, ref->broken);
}

/**
 * kp_print_lines() - print a text into the log of a case
 * @test: the case
 * @text: the text; its ends of line are used up
 *
 * Line by line: several at once would lose their indentation in the log.
 */
void kp_print_lines(struct kunit *test, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (*line)
			kunit_err(test, "%s", line);
}

/* Room for a program of a few operations, and the results of both paths. */
#define TEXT_SIZE	8192
#define JSON_SIZE	65536

/* Print one program that is not to be made smaller, and fail. */
static void report(struct kunit *test, const struct kp_program *prog,
		   const char *name, const struct kp_trace *ref,
		   const struct kp_trace *got, const struct kp_diff *diff)
{
	char *text = kunit_kmalloc(test, TEXT_SIZE, GFP_KERNEL);
	char *json = kunit_kmalloc(test, JSON_SIZE, GFP_KERNEL);
	struct seq_buf s;

	if (diff->what == KP_DIFFERS_CREATE)
		KUNIT_FAIL(test, "%s: the object is not made as on c->c, or breaks its contract",
			   name);
	else
		KUNIT_FAIL(test, "%s: step %u of %u differs from c->c, or breaks its contract",
			   name, min(diff->at + 1, prog->nr_steps), prog->nr_steps);
	if (!text || !json)
		return;
	seq_buf_init(&s, json, JSON_SIZE);
	kp_failure_print(&s, prog, ref, got, diff);
	kp_failure_add(test, name, 1, seq_buf_str(&s));
	seq_buf_init(&s, text, TEXT_SIZE);
	kp_print_program(&s, prog, ref, got, diff);
	seq_buf_str(&s);
	kp_print_lines(test, text);
}

/*
 * C over C is its own reference: the same program twice, so a result that
 * depends on anything but the program shows here before it confuses a port.
 */
static void lockstep(struct kunit *test, const struct kp_path_param *p,
		     struct kp_program *prog, struct kp_trace *ref,
		     struct kp_trace *got, struct kp_groups *groups)
{
	u32 i, nr = kp_program_count(p->pair);
	const struct kp_trace *expected;
	bool unsteady;

	for (i = 0; i < nr && !kp_groups_late(groups); i++) {
		kp_alive();
		kp_program_vary(p->pair, prog, i);
		kp_trace_run(got, p->pair, p->id, prog);
		expected = kp_reference(got, i, ref, &unsteady);
		kp_groups_collect(groups, prog, expected, got, unsteady);
	}
	kp_groups_report(groups, test);
	if (i < nr)
		kunit_err(test, "  ended after %u of %u programs: they take too long", i, nr);
}

/**
 * kp_case_lockstep() - the same programs on one path and on C over C
 * @test: its parameter is the path
 *
 * Fails if a trace differs, an errno is not in the contract or an invariant
 * does not hold after an operation; and tells all differences, a group for each
 * kind.
 */
void kp_case_lockstep(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	u32 steps = kp_program_longest(p->pair);
	struct kp_program *prog = kp_program_alloc(steps);
	struct kp_trace *ref = kp_trace_alloc(steps, true);
	struct kp_trace *got = kp_trace_alloc(steps, false);
	struct kp_groups *groups = kp_groups_alloc(p, steps);

	if (prog && ref && got && groups) {
		prog->observe = true;
		lockstep(test, p, prog, ref, got, groups);
	} else {
		KUNIT_FAIL(test, "no memory for programs of %u steps", steps);
	}
	kp_groups_free(groups);
	kp_trace_free(got);
	kp_trace_free(ref);
	kp_program_free(prog);
}
EXPORT_SYMBOL_GPL(kp_case_lockstep);

/**
 * kp_measure() - have a case measure programs on a path and beside C over C
 * @test: the case; its parameter is the path
 * @least: steps that its programs have, or those of the pair's longest if that has more
 * @measure: measures, with room for a program and for its traces on C over C and on the path
 *
 * Context: may sleep.
 */
void kp_measure(struct kunit *test, u32 least,
		void (*measure)(struct kunit *test, struct kp_program *prog,
				struct kp_trace *ref, struct kp_trace *got))
{
	const struct kp_path_param *p = test->param_value;
	u32 steps = max(least, kp_program_longest(p->pair));
	struct kp_program *prog = kp_program_alloc(steps);
	struct kp_trace *ref = kp_trace_alloc(steps, true);
	struct kp_trace *got = kp_trace_alloc(steps, false);

	if (prog && ref && got)
		measure(test, prog, ref, got);
	else
		KUNIT_FAIL(test, "no memory for a program of %u steps", steps);
	kp_trace_free(got);
	kp_trace_free(ref);
	kp_program_free(prog);
}

/* The part of a file's path behind its folder. */
static const char *basename_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/*
 * Whether a declared difference is one that callers in Rust cannot see: in outputs
 * beside an error, of which only callers in C are given any.
 */
static bool unseen(const struct kp_diverges *diverges, const struct kp_trace *got)
{
	u32 i;

	if (got->path != KP_RUST_RUST || diverges->in != KP_IN_OUTPUTS)
		return false;
	for (i = 0; i < got->nr; i++)
		if (got->prog->step[i].op == diverges->op && !got->step[i].hides)
			return false;
	return true;
}

/*
 * A difference that the contract accepts must occur: a row whose difference is gone
 * would hide the next one. Its witness is the program of its name.
 */
static void judge_witness(struct kunit *test, const struct kp_path_param *p,
			  const char *name, const struct kp_trace *ref,
			  const struct kp_trace *got, u32 *seen)
{
	u32 times[KP_MAX_DIVERGES] = {}, d;

	kp_trace_accepted(ref, got, times);
	for (d = 0; d < p->pair->nr_diverges; d++) {
		if (strcmp(basename_of(name), p->pair->diverges[d].id))
			continue;
		*seen |= BIT(d);
		if (!times[d] && !unseen(&p->pair->diverges[d], got))
			KUNIT_FAIL(test, "%s: the declared difference %s is no longer there",
				   name, p->pair->diverges[d].id);
	}
}

/**
 * kp_report_given() - fail with what a program shows that is not to be made smaller
 * @test: the case
 * @p: the path
 * @prog: the program; it ends at the first difference afterwards
 * @name: how to call it
 * @ref: its trace on C over C
 * @got: its trace on the path
 * @diff: their first difference; replaced
 *
 * States are printed as they are at the end of a program: it runs again up to the first
 * difference, unless that is gone then.
 *
 * Context: may sleep.
 */
void kp_report_given(struct kunit *test, const struct kp_path_param *p,
		     struct kp_program *prog, const char *name, struct kp_trace *ref,
		     struct kp_trace *got, struct kp_diff *diff)
{
	u32 steps = prog->nr_steps, nr = diff->what == KP_DIFFERS_CREATE ? 0 : diff->at + 1;
	struct kp_diff again;

	if (!p->pair->stateless && nr < steps) {
		prog->nr_steps = nr;
		kp_trace_both(ref, got, p->pair, p->id, prog);
		if (kp_trace_diff(ref, got, 0, &again)) {
			*diff = again;
		} else {
			prog->nr_steps = steps;
			kp_trace_both(ref, got, p->pair, p->id, prog);
			if (!kp_trace_diff(ref, got, 0, diff))
				KUNIT_FAIL(test, "%s: it differed once, not when run again",
					   name);
		}
	}
	report(test, prog, name, ref, got, diff);
}

/*
 * Whether a program can run in this kernel: one of an allocation that fails needs a kernel
 * in which it does. One of the pair's own is for those variants alone.
 */
static bool can_run(struct kunit *test, const struct kp_program *prog, const char *name)
{
	if (!prog->balance || kp_can_fail())
		return true;
	if (kp_lone)
		KUNIT_FAIL(test, "%s: line 1: fail= wants a kernel like that of VARIANT=fault",
			   name);
	return false;
}

/* Run one program that the host has handed over. */
static void run_given(struct kunit *test, const struct kp_path_param *p,
		      const char *name, struct kp_program *prog, u32 *seen)
{
	struct kp_trace *ref = kp_trace_alloc(prog->nr_steps, true);
	struct kp_trace *got = kp_trace_alloc(prog->nr_steps, false);
	struct kp_diff diff;

	if (ref && got) {
		prog->observe = true;
		/* A leak may need no allocation that fails. */
		prog->balance |= kp_can_fail();
		kp_trace_both(ref, got, p->pair, p->id, prog);
		if (got->disturbed)
			kunit_mark_skipped(test, "%s: the kernel allocated in between, each time",
					   name);
		else if (kp_trace_diff(ref, got, 0, &diff))
			kp_report_given(test, p, prog, name, ref, got, &diff);
		if (kp_rust_is_called(p->id))
			judge_witness(test, p, name, ref, got, seen);
	} else {
		KUNIT_FAIL(test, "no memory for %s", name);
	}
	kp_trace_free(got);
	kp_trace_free(ref);
}

/* The first line of a text, without "@ "; @text is moved behind it. */
static void get_name(const char **text, char *name, size_t size)
{
	size_t len = strcspn(*text, "\n");

	strscpy(name, *text + min(len, 2), min(size, len - min(len, 2) + 1));
	*text += len + !!(*text)[len];
}

/**
 * kp_given_next() - read the next of the programs that the host has handed over
 * @test: the case; it fails if that is no program
 * @text: the rest of them; moved behind the program
 * @name: receives the program's name, up to %KP_NAME_MAX bytes
 *
 * Return: the program, owned by the caller; NULL if there are no more
 */
struct kp_program *kp_given_next(struct kunit *test, const char **text, char *name)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_program *prog = NULL;
	struct seq_buf wrong;
	char said[200];

	while (!prog && *text && **text == '@') {
		get_name(text, name, KP_NAME_MAX);
		seq_buf_init(&wrong, said, sizeof(said));
		prog = kp_program_parse(p->pair, text, &wrong);
		if (!prog)
			KUNIT_FAIL(test, "%s: %s", name, seq_buf_str(&wrong));
		while (**text && **text != '@') {
			*text += strcspn(*text, "\n");
			*text += !!**text;
		}
		kp_alive();
	}
	return prog;
}

bool kp_lone;
module_param_named(lone, kp_lone, bool, 0444);
MODULE_PARM_DESC(lone, "the host gives a program of its own, in place of a pair's");

/**
 * kp_case_regress() - programs that once failed, or that a person wrote
 * @test: its parameter is the path
 *
 * The host hands them over as text, each behind a line "@ NAME". They run as in
 * lockstep: on the path and on C over C.
 */
void kp_case_regress(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	const char *text = p->pair->stats->given.text;
	struct kp_program *prog;
	char name[KP_NAME_MAX];
	u32 d, seen = 0;
	bool ran = false;

	if ((!text || *text != '@') && !p->pair->nr_diverges) {
		kunit_skip(test, "no programs in its regress folder, nor given with PROGRAM=");
		return;
	}
	while ((prog = kp_given_next(test, &text, name))) {
		/* One with an interruption is for lane irq, one of threads for lane history. */
		if (!prog->during && !prog->columns && can_run(test, prog, name)) {
			run_given(test, p, name, prog, &seen);
			ran = true;
		}
		kp_program_free(prog);
	}
	/* A failure is not to become a skip. */
	if (!ran && text && test->status == KUNIT_SUCCESS && !p->pair->nr_diverges)
		kunit_mark_skipped(test, "its programs are of other lanes, or of variant fault");
	if (kp_lone || !kp_rust_is_called(p->id))
		return;
	for (d = 0; d < p->pair->nr_diverges; d++)
		if (!(seen & BIT(d)))
			KUNIT_FAIL(test, "the declared difference %s has no witness in regress",
				   p->pair->diverges[d].id);
}
EXPORT_SYMBOL_GPL(kp_case_regress);

/* Count a promise that the engine itself judges, if the contract makes it. */
static void judge_id(struct kunit *test, const char *id)
{
	const struct kp_path_param *p = test->param_value;
	u32 i;

	for (i = 0; i < p->pair->nr_invariants; i++)
		if (!strcmp(p->pair->invariant[i].id, id))
			kp_count_judged(test, i);
}

/**
 * kp_never_sleeps() - whether no operation of a pair may sleep
 * @pair: the pair
 *
 * Return: true if each operation may be called in atomic context
 */
bool kp_never_sleeps(const struct kp_pair *pair)
{
	u32 i;

	for (i = 0; i < pair->nr_ops; i++)
		if (pair->operation[i].context == KP_SLEEPS)
			return false;
	return true;
}

/* What making a program small may take that gives something else in atomic context. */
#define SHRINKS_FOR	(2 * HZ)

/*
 * A program must give the same there as C over C gives anywhere. One that does not is made smaller,
 * called from there each time, but for one that slept. Whether it does.
 */
static bool judge_atomic(struct kunit *test, struct kp_program *prog, struct kp_trace *ref,
			 struct kp_trace *got, const char *where)
{
	const bool slept = got->slept;
	struct kp_diff diff;
	char name[80];

	if (!kp_trace_diff(ref, got, 0, &diff))
		return true;
	scnprintf(name, sizeof(name), "program %u of seed %llu, %s", prog->index, prog->seed,
		  where);
	if (slept) {
		report(test, prog, name, ref, got, &diff);
		return false;
	}
	prog->nr_steps = min(diff.at + 1, prog->nr_steps);
	kp_shrink(got->pair, got->path, prog, ref, got, &diff, jiffies + SHRINKS_FOR);
	if (kp_trace_diff(ref, got, 0, &diff))
		report(test, prog, name, ref, got, &diff);
	else
		KUNIT_FAIL(test, "%s: it differed once, and not when it was run again", name);
	return false;
}

/* Whether there is any operation that may not sleep. */
static bool any_still(const struct kp_pair *pair)
{
	u32 i;

	for (i = 1; i < pair->nr_ops; i++)
		if (pair->operation[i].context != KP_SLEEPS)
			return true;
	return false;
}

/**
 * kp_case_atomic() - operations that must not sleep do not
 * @test: its parameter is the path
 *
 * Runs a program with preemption off where operations may not sleep: a sleep counts as a switch of
 * this thread. If none slept, and it gave the same, each operation is then called from the
 * strongest context that its row allows, a hard interrupt or a softirq. Beside that a debug kernel
 * tells of a sleep that was only possible, and of a lock that such a context and others take. The
 * trace is compared with that of C over C, as in lockstep: calls that gave up early have shown
 * nothing.
 */
void kp_case_atomic(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_trace *trace, *ref;
	struct kp_program *prog;
	bool same;

	if (!any_still(p->pair)) {
		kunit_skip(test, "the contract lets each operation of %s sleep", p->pair->name);
		return;
	}
	prog = kp_program_alloc(kp_steps);
	trace = kp_trace_alloc(kp_steps, false);
	ref = kp_trace_alloc(kp_steps, true);
	if (!prog || !trace || !ref) {
		KUNIT_FAIL(test, "no memory for a program of %u steps", kp_steps);
		goto out;
	}
	kp_program_valid(p->pair, prog, kp_steps);
	prog->observe = true;
	kp_trace_run(ref, p->pair, KP_C_C, prog);
	if (ref->err) {
		KUNIT_FAIL(test, "create: %pe", ERR_PTR(ref->err));
		goto out;
	}
	trace->slept = 0;
	trace->placed = KP_PLACED_UNPREEMPTED;
	kp_trace_run(trace, p->pair, p->id, prog);
	if (kp_never_sleeps(p->pair))
		judge_id(test, "never_sleeps");
	KUNIT_EXPECT_EQ_MSG(test, trace->slept, 0, "an operation slept");
	same = judge_atomic(test, prog, ref, trace, "in atomic context");
	/* What sleeps there is lost. */
	if (trace->slept || !same)
		goto out;
	trace->placed = KP_PLACED_STRONGEST;
	kp_trace_run(trace, p->pair, p->id, prog);
	judge_atomic(test, prog, ref, trace, "from interrupts and softirqs");
out:
	kp_trace_free(ref);
	kp_trace_free(trace);
	kp_program_free(prog);
}
EXPORT_SYMBOL_GPL(kp_case_atomic);

/**
 * kp_case_layout() - both languages see the same sizes and offsets
 * @test: its parameter is the path
 *
 * Compares the caller language's layout of the shared types with C's, and so
 * judges the contract's promise layout. Where a language leaves a field out, all
 * that follow it differ as well: only the first difference is told.
 */
void kp_case_layout(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	const struct kp_layout *want = &p->pair->path[KP_C_C]->layout;
	const struct kp_layout *have = &p->pair->path[p->id]->layout;
	u32 i, nr = min(want->nr, have->nr);

	for (i = 0; i < nr; i++)
		if (want->field[i].at != have->field[i].at)
			break;
	if (i < nr)
		KUNIT_FAIL(test, "layout: %s is %u in C, %s is %u on %s",
			   want->field[i].name, want->field[i].at,
			   have->field[i].name, have->field[i].at,
			   kp_path_name[p->id]);
	else if (i < want->nr)
		KUNIT_FAIL(test, "layout: %s is in the contract and not on %s",
			   want->field[i].name, kp_path_name[p->id]);
	else if (i < have->nr)
		KUNIT_FAIL(test, "layout: %s is on %s and not in the contract",
			   have->field[i].name, kp_path_name[p->id]);
	judge_id(test, "layout");
}
EXPORT_SYMBOL_GPL(kp_case_layout);

/**
 * kp_case_invariants() - every invariant has been put to the test
 * @test: its parameter is the path
 *
 * An invariant whose condition nothing has met proves nothing. Runs last and
 * fails with all that were never judged on this path: mostly they have one
 * cause, as an object that could not be made. It is skipped for those alone
 * that a case has said it cannot judge in this kernel.
 */
void kp_case_invariants(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	const struct kp_pair *pair = p->pair;
	struct seq_buf never;
	bool excused = true;
	char names[800];
	u32 i;

	seq_buf_init(&never, names, sizeof(names));
	for (i = 0; i < pair->nr_invariants; i++)
		if (!pair->stats->judged[i][p->id]) {
			seq_buf_printf(&never, " %s", pair->invariant[i].id);
			excused &= pair->stats->excused[i][p->id];
		}
	if (seq_buf_used(&never) && excused)
		kunit_mark_skipped(test, "not judged in this kernel:%s", seq_buf_str(&never));
	else if (seq_buf_used(&never))
		KUNIT_FAIL(test, "%s: never judged on %s, in %u programs of %u steps:%s",
			   pair->name, kp_path_name[p->id], kp_programs,
			   kp_steps, seq_buf_str(&never));
}
EXPORT_SYMBOL_GPL(kp_case_invariants);
