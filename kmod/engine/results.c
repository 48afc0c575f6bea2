// SPDX-License-Identifier: GPL-2.0
/*
 * What programs give on a path, as text, for the host to keep and to compare:
 *
 *	@ program 3 of seed 1
 *	ring capacity=4		# created, state 0a1b2c3d
 *	push 11			# 0, state 4e5f6071
 *
 * Without what stands behind a tab and a # these are programs as parse.c reads them. Nothing in
 * it depends on when or where it was made: states are digests of what all paths agree on.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/seq_buf.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "engine.h"

static char *results = "";
module_param(results, charp, 0444);
MODULE_PARM_DESC(results, "PATH,... on which case results tells what programs give");

static bool drawn;
module_param(drawn, bool, 0444);
MODULE_PARM_DESC(drawn, "case results has the programs of case lockstep, before those handed over");

/* The longest line: an operation with all its text and bytes, and its results. */
#define LINE_SIZE	(64 * 1024)
/* Room for results, at first. */
#define FIRST_SIZE	(128 * 1024)

/**
 * struct telling - a case results under way
 * @test: the case
 * @p: the path
 * @all: where results go
 * @line: room for a line
 */
struct telling {
	struct kunit *test;
	const struct kp_path_param *p;
	struct kp_results *all;
	struct seq_buf line;
};

/**
 * kp_results_wanted() - whether case results is to run
 *
 * Return: true if the host asks for the results of any path
 */
bool kp_results_wanted(void)
{
	return *results;
}

/**
 * kp_results_show() - print what programs gave in case results
 * @seq: where to
 * @pair: the pair
 */
void kp_results_show(struct seq_file *seq, const struct kp_pair *pair)
{
	u32 path;

	for (path = 0; path < KP_NR_PATHS; path++) {
		const struct kp_results *all = &pair->stats->results[path];

		if (!all->text)
			continue;
		seq_printf(seq, "= %s\n", kp_path_name[path]);
		seq_write(seq, all->text, all->len);
	}
}

/**
 * kp_results_free() - forget what programs gave
 * @pair: the pair
 */
void kp_results_free(const struct kp_pair *pair)
{
	u32 path;

	for (path = 0; path < KP_NR_PATHS; path++)
		kvfree(pair->stats->results[path].text);
}

/* Add a line to the results, and begin the next one. */
static void end_line(struct telling *t)
{
	struct kp_results *all = t->all;
	size_t len = t->line.len;

	if (seq_buf_has_overflowed(&t->line)) {
		KUNIT_FAIL(t->test, "an operation and its results have more than %u characters",
			   LINE_SIZE);
	} else {
		if (all->size - all->len < len + 1) {
			size_t size = max(2 * all->size, FIRST_SIZE);
			char *text = kvrealloc(all->text, size, GFP_KERNEL);

			if (!text) {
				KUNIT_FAIL(t->test, "no memory for %zu bytes of results", size);
				goto next;
			}
			all->text = text;
			all->size = size;
		}
		memcpy(all->text + all->len, t->line.buffer, len);
		all->text[all->len + len] = '\n';
		all->len += len + 1;
	}
next:
	seq_buf_clear(&t->line);
}

/* Print a program and what it gave. One whose object could not be made has no operations. */
static void print(struct telling *t, const char *name, const struct kp_trace *got)
{
	const struct kp_program *prog = got->prog;
	u32 i;

	seq_buf_printf(&t->line, "@ %s", name);
	end_line(t);
	kp_print_create(&t->line, got->pair, prog);
	seq_buf_puts(&t->line, "\t# ");
	kp_print_made(&t->line, got);
	end_line(t);
	for (i = 0; !got->err && i < prog->nr_steps; i++) {
		kp_print_step(&t->line, got->pair, prog, i);
		seq_buf_puts(&t->line, "\t# ");
		if (i < got->nr)
			kp_print_kept(&t->line, got, i);
		else
			seq_buf_puts(&t->line, "not run");
		end_line(t);
	}
}

/* Whether a program is one of the kind whose results are told: of one thread, with memory. */
static bool is_plain(const struct kp_program *prog)
{
	return !prog->during && !prog->columns && !prog->balance;
}

/*
 * Run a program and tell what it gives. One that the host is yet to keep is held against C over
 * C first: what depends on more than the program, on c->c as well, is not to be kept.
 */
static void tell(struct telling *t, const char *name, struct kp_program *prog)
{
	struct kp_trace *ref = drawn ? kp_trace_alloc(prog->nr_steps, true) : NULL;
	struct kp_trace *got = kp_trace_alloc(prog->nr_steps, false);
	struct kp_diff diff;
	bool same = true;

	if (!got || (drawn && !ref)) {
		KUNIT_FAIL(t->test, "no memory for %s", name);
		goto out;
	}
	prog->observe = true;
	if (ref)
		kp_trace_run(ref, t->p->pair, KP_C_C, prog);
	kp_trace_run(got, t->p->pair, t->p->id, prog);
	print(t, name, got);
	if (ref)
		same = !kp_trace_diff(ref, got, 0, &diff);
	if (!same)
		kp_report_given(t->test, t->p, prog, name, ref, got, &diff);
	else if (got->broken && got->broken_at == KP_AT_CREATION)
		KUNIT_FAIL(t->test, "%s: the object's creation broke its contract: %s", name,
			   got->broken);
	else if (got->broken)
		KUNIT_FAIL(t->test, "%s: step %u broke its contract: %s", name,
			   got->broken_at + 1, got->broken);
out:
	kp_trace_free(got);
	kp_trace_free(ref);
}

/* Tell what the programs of case lockstep give. */
static void tell_drawn(struct telling *t)
{
	const struct kp_pair *pair = t->p->pair;
	u32 i, nr = kp_program_count(pair);
	struct kp_program *prog;
	char name[64];

	prog = kp_program_alloc(kp_program_longest(pair));
	if (!prog) {
		KUNIT_FAIL(t->test, "no memory for programs");
		return;
	}
	for (i = 0; i < nr; i++) {
		kp_alive();
		kp_program_vary(pair, prog, i);
		scnprintf(name, sizeof(name), "program %u of seed %lu", i, kp_seed);
		tell(t, name, prog);
	}
	kp_program_free(prog);
}

/**
 * kp_case_results() - what programs give on a path, for the host to keep or to compare
 * @test: its parameter is the path
 *
 * Runs those that the host has handed over, and with parameter drawn those of case lockstep
 * before. Fails where an operation breaks its contract: all else is the host's to judge.
 */
void kp_case_results(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	struct telling t = { .test = test, .p = p, .all = &p->pair->stats->results[p->id] };
	const char *text = p->pair->stats->given.text;
	struct kp_program *prog;
	char name[KP_NAME_MAX];
	char *line;

	if (!kp_listed(results, kp_path_name[p->id])) {
		kunit_skip(test, "the host does not ask for this path");
		return;
	}
	line = kvmalloc(LINE_SIZE, GFP_KERNEL);
	if (!line) {
		KUNIT_FAIL(test, "no memory for a line");
		return;
	}
	seq_buf_init(&t.line, line, LINE_SIZE);
	if (drawn)
		tell_drawn(&t);
	while (text && (prog = kp_given_next(test, &text, name))) {
		if (is_plain(prog))
			tell(&t, name, prog);
		kp_program_free(prog);
	}
	kvfree(line);
}
EXPORT_SYMBOL_GPL(kp_case_results);
