// SPDX-License-Identifier: GPL-2.0
/*
 * The KUnit cases of lane check that every pair has.
 */
#include <linux/module.h>
#include <linux/seq_buf.h>
#include "engine.h"

/* Room for a line of a report, text of a few arguments included. */
#define LINE_SIZE	8192

/* Print one operation beside what both paths made of it. */
static void report_step(struct kunit *test, const struct kp_program *prog,
			u32 i, const struct kp_trace *ref,
			const struct kp_trace *got, const char *mark, char *line)
{
	const struct kp_trace *traces[] = { ref, got };
	struct seq_buf s;
	u32 n;

	seq_buf_init(&s, line, LINE_SIZE);
	kp_print_step(&s, got->pair, prog, i);
	kunit_err(test, "    %s", seq_buf_str(&s));
	for (n = 0; n < ARRAY_SIZE(traces); n++) {
		seq_buf_clear(&s);
		if (i < traces[n]->nr)
			kp_print_result(&s, traces[n], i);
		else
			seq_buf_puts(&s, "not run");
		kunit_err(test, "          %s: %s%s", n ? kp_path_name[got->path] : "c->c",
			  seq_buf_str(&s), n ? mark : "");
	}
}

/* Print the smallest failing program beside what both paths made of it. */
static void report(struct kunit *test, const struct kp_program *prog,
		   const char *whence, const struct kp_trace *ref,
		   const struct kp_trace *got)
{
	char *line = kunit_kmalloc(test, LINE_SIZE, GFP_KERNEL);
	const struct kp_pair *pair = got->pair;
	const char *name = kp_path_name[got->path];
	bool differ;
	struct seq_buf s;
	u32 at, i;

	if (!line) {
		KUNIT_FAIL(test, "%s: %s differs, and there is no memory to say how",
			   pair->name, name);
		return;
	}
	differ = kp_trace_differ(ref, got, &at);
	if (!differ && got->broken)
		at = got->broken_at;
	kunit_err(test, "%s: %s: step %u of %u", pair->name, whence,
		  min(at + 1, prog->nr_steps), prog->nr_steps);
	seq_buf_init(&s, line, LINE_SIZE);
	kp_print_create(&s, pair, prog->param);
	kunit_err(test, "    %s", seq_buf_str(&s));
	if (ref->err || got->err)
		kunit_err(test, "          create gave c->c: %d  %s: %d", ref->err,
			  name, got->err);
	for (i = 0; i < prog->nr_steps; i++)
		report_step(test, prog, i, ref, got,
			    differ && i == at ? "   <-- differs" : "", line);
	if (got->broken)
		kunit_err(test, "  broken at step %u on %s: %s",
			  got->broken_at + 1, name, got->broken);
	KUNIT_FAIL(test, "%s: %s %s", pair->name, name,
		   differ ? "differs from c->c" : "breaks its contract");
}

/*
 * C over C is its own reference: the same program twice, so a result that
 * depends on anything but the program shows here before it confuses a port.
 */
static void lockstep(struct kunit *test, const struct kp_pair *pair,
		     enum kp_path_id path, struct kp_program *prog,
		     struct kp_trace *ref, struct kp_trace *got)
{
	char whence[120];
	bool smallest;
	u32 i, at;

	for (i = 0; i < kp_programs; i++) {
		kp_alive();
		kp_program_make(pair, prog, kp_seed, i, kp_steps);
		kp_trace_run(ref, pair, KP_C_C, prog);
		kp_trace_run(got, pair, path, prog);
		if (!got->broken && !kp_trace_differ(ref, got, &at))
			continue;
		smallest = kp_shrink(pair, path, prog, ref, got);
		scnprintf(whence, sizeof(whence), "seed %llu, program %u, shrunk from %u steps%s",
			  prog->seed, prog->index, kp_steps,
			  smallest ? "" : ", and given up: it takes too long");
		report(test, prog, whence, ref, got);
		return;
	}
}

/**
 * kp_case_lockstep() - the same programs on one path and on C over C
 * @test: its parameter is the path
 *
 * Fails if a trace differs, an errno is not in the contract or an invariant
 * does not hold after an operation.
 */
void kp_case_lockstep(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_program *prog = kp_program_alloc(kp_steps);
	struct kp_trace *ref = kp_trace_alloc(kp_steps);
	struct kp_trace *got = kp_trace_alloc(kp_steps);

	if (prog && ref && got) {
		prog->observe = true;
		lockstep(test, p->pair, p->id, prog, ref, got);
	} else {
		KUNIT_FAIL(test, "no memory for programs of %u steps", kp_steps);
	}
	kp_trace_free(got);
	kp_trace_free(ref);
	kp_program_free(prog);
}
EXPORT_SYMBOL_GPL(kp_case_lockstep);

/* Run one program that the host has handed over. */
static void run_given(struct kunit *test, const struct kp_path_param *p,
		      const char *name, struct kp_program *prog)
{
	struct kp_trace *ref = kp_trace_alloc(prog->nr_steps);
	struct kp_trace *got = kp_trace_alloc(prog->nr_steps);
	u32 at;

	if (ref && got) {
		prog->observe = true;
		kp_trace_run(ref, p->pair, KP_C_C, prog);
		kp_trace_run(got, p->pair, p->id, prog);
		if (got->broken || kp_trace_differ(ref, got, &at))
			report(test, prog, name, ref, got);
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
	char name[128], said[200];
	struct kp_program *prog;
	struct seq_buf wrong;

	if (!text || *text != '@') {
		kunit_skip(test, "no programs in tests/regress, nor given with PROGRAM=");
		return;
	}
	while (*text == '@') {
		get_name(&text, name, sizeof(name));
		seq_buf_init(&wrong, said, sizeof(said));
		prog = kp_program_parse(p->pair, &text, &wrong);
		if (prog)
			run_given(test, p, name, prog);
		else
			KUNIT_FAIL(test, "%s: %s", name, seq_buf_str(&wrong));
		kp_program_free(prog);
		while (*text && *text != '@') {
			text += strcspn(text, "\n");
			text += !!*text;
		}
		kp_alive();
	}
}
EXPORT_SYMBOL_GPL(kp_case_regress);

/* Count a promise that the engine itself judges, if the contract makes it. */
static void judge_id(struct kunit *test, const char *id)
{
	const struct kp_path_param *p = test->param_value;
	u32 i;

	for (i = 0; i < p->pair->nr_invariants; i++)
		if (!strcmp(p->pair->invariant[i].id, id))
			kp_judge(test, i);
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

/* What a program gave with preemption off is what C over C gives anywhere. */
static void judge_atomic(struct kunit *test, const struct kp_program *prog,
			 const struct kp_trace *ref, const struct kp_trace *got)
{
	char *line;
	u32 at;

	KUNIT_EXPECT_PTR_EQ_MSG(test, got->broken, NULL,
				"broken at step %u: %s", got->broken_at + 1,
				got->broken);
	if (!kp_trace_differ(ref, got, &at))
		return;
	line = kunit_kmalloc(test, LINE_SIZE, GFP_KERNEL);
	if (line && at < prog->nr_steps)
		report_step(test, prog, at, ref, got, "   <-- differs", line);
	KUNIT_FAIL(test, "%s: %s differs from c->c, in program %u of seed %llu",
		   got->pair->name, kp_path_name[got->path], prog->index,
		   prog->seed);
}

/**
 * kp_case_atomic() - operations that must not sleep do not
 * @test: its parameter is the path
 *
 * Runs a program with preemption off. A sleep counts as a switch of this
 * thread; a debug kernel also tells of one that was only possible. The trace is
 * compared with that of C over C, as in lockstep: calls that gave up early have
 * shown nothing.
 */
void kp_case_atomic(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	const struct kp_driver *driver = p->pair->path[p->id];
	struct kp_trace *trace, *ref;
	struct kp_program *prog;
	unsigned long switches;
	void *obj;

	if (!kp_never_sleeps(p->pair)) {
		kunit_skip(test, "the contract lets operations of %s sleep",
			   p->pair->name);
		return;
	}
	prog = kp_program_alloc(kp_steps);
	trace = kp_trace_alloc(kp_steps);
	ref = kp_trace_alloc(kp_steps);
	if (!prog || !trace || !ref) {
		KUNIT_FAIL(test, "no memory for a program of %u steps", kp_steps);
		goto out;
	}
	kp_program_valid(p->pair, prog, kp_steps);
	prog->observe = true;
	kp_trace_run(ref, p->pair, KP_C_C, prog);
	kp_trace_start(trace, p->pair, p->id, prog);
	obj = driver->create(prog->param);
	if (IS_ERR(obj)) {
		KUNIT_FAIL(test, "create: %pe", obj);
		goto out;
	}
	preempt_disable();
	switches = current->nvcsw;
	driver->run(obj, prog, trace);
	switches = current->nvcsw - switches;
	preempt_enable();
	driver->destroy(obj);
	judge_id(test, "never_sleeps");
	KUNIT_EXPECT_EQ_MSG(test, switches, 0UL, "an operation slept");
	judge_atomic(test, prog, ref, trace);
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
 * cause, as an object that could not be made.
 */
void kp_case_invariants(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	const struct kp_pair *pair = p->pair;
	struct seq_buf never;
	char names[800];
	u32 i;

	seq_buf_init(&never, names, sizeof(names));
	for (i = 0; i < pair->nr_invariants; i++)
		if (!pair->stats->judged[i][p->id])
			seq_buf_printf(&never, " %s", pair->invariant[i].id);
	if (seq_buf_used(&never))
		KUNIT_FAIL(test, "%s: never judged on %s, in %u programs of %u steps:%s",
			   pair->name, kp_path_name[p->id], kp_programs,
			   kp_steps, seq_buf_str(&never));
}
EXPORT_SYMBOL_GPL(kp_case_invariants);
