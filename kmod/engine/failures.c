// SPDX-License-Identifier: GPL-2.0
/*
 * Failures for a program to read: a line of JSON each, in the debugfs file failures
 * of the pair. scripts/results.schema.json describes their form in results.json.
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include "engine.h"

/* Room for one operation of a program as text, or the object's creation. */
#define LINE_SIZE	(128 * 1024)
/* All failures of a pair. Those that do not fit are in the log all the same. */
#define ALL_SIZE	(1024 * 1024)

/* A string of JSON; what is printed has no characters but those of ASCII. */
static void put_string(struct seq_buf *s, const char *text)
{
	seq_buf_putc(s, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			seq_buf_putc(s, '\\');
		seq_buf_putc(s, *text);
	}
	seq_buf_putc(s, '"');
}

static void put_text(struct seq_buf *s, const char *name, const char *text)
{
	seq_buf_printf(s, ", \"%s\": ", name);
	if (text)
		put_string(s, text);
	else
		seq_buf_puts(s, "null");
}

static void put_results(struct seq_buf *s, const char *name,
			const struct kp_trace *trace, const struct kp_trace *other,
			struct seq_buf *line)
{
	u32 i;

	seq_buf_printf(s, ", \"%s\": [", name);
	for (i = 0; i < min(trace->nr, trace->prog->nr_steps); i++) {
		seq_buf_clear(line);
		kp_print_result(line, trace, i, other);
		seq_buf_puts(s, i ? ", " : "");
		put_string(s, seq_buf_str(line));
	}
	seq_buf_puts(s, "]");
}

/* What the object's creation came to; null where there is no object. */
static void put_made(struct seq_buf *s, const char *name, const struct kp_trace *trace,
		     const struct kp_trace *other, struct seq_buf *line)
{
	seq_buf_clear(line);
	kp_print_created(line, trace, other);
	put_text(s, name, trace->pair->stateless ? NULL : seq_buf_str(line));
}

/* The object's creation and all steps; returns whether one of them does not fit @line. */
static bool put_program(struct seq_buf *s, const struct kp_pair *pair,
			const struct kp_program *prog, struct seq_buf *line)
{
	bool cut;
	u32 i;

	seq_buf_clear(line);
	kp_print_create(line, pair, prog);
	cut = seq_buf_has_overflowed(line);
	seq_buf_puts(s, ", \"program\": [");
	put_string(s, seq_buf_str(line));
	for (i = 0; i < prog->nr_steps; i++) {
		seq_buf_clear(line);
		kp_print_step(line, pair, prog, i);
		cut |= seq_buf_has_overflowed(line);
		seq_buf_puts(s, ", ");
		put_string(s, seq_buf_str(line));
	}
	seq_buf_puts(s, "]");
	return cut;
}

/**
 * kp_failure_print() - print a program and the results of both paths, as JSON
 * @s: where to: members of an object, without its braces
 * @prog: the program
 * @ref: its trace on C over C
 * @got: its trace on the path
 * @diff: their first difference
 *
 * Context: may sleep.
 */
void kp_failure_print(struct seq_buf *s, const struct kp_program *prog,
		      const struct kp_trace *ref, const struct kp_trace *got,
		      const struct kp_diff *diff)
{
	static const char *const what[] = {
		[KP_DIFFERS_CREATE] = "create", [KP_DIFFERS_RETURN] = "return",
		[KP_DIFFERS_OUTPUT] = "output", [KP_DIFFERS_STATE] = "state",
		[KP_DIFFERS_CONTRACT] = "contract", [KP_DIFFERS_END] = "end",
	};
	char *text = kvmalloc(LINE_SIZE, GFP_KERNEL);
	struct seq_buf line;
	bool cut;

	if (!text)
		return;
	seq_buf_init(&line, text, LINE_SIZE);
	seq_buf_printf(s, "\"what\": \"%s\", \"step\": %u", what[diff->what],
		       diff->at < prog->nr_steps ? diff->at + 1 : 0);
	put_text(s, "operation", diff->at < prog->nr_steps ?
		 got->pair->operation[diff->op].name : NULL);
	cut = put_program(s, got->pair, prog, &line);
	seq_buf_printf(s, ", \"created\": {\"expected\": %d, \"got\": %d}", ref->err,
		       got->err);
	put_made(s, "made_expected", ref, got, &line);
	put_made(s, "made_got", got, ref, &line);
	put_results(s, "expected", ref, got, &line);
	put_results(s, "got", got, ref, &line);
	put_text(s, "broken", diff->broken);
	put_text(s, "reference_broken", ref->broken);
	kvfree(text);
	if (!cut && !seq_buf_has_overflowed(s))
		return;
	seq_buf_clear(s);
	seq_buf_printf(s, "\"what\": \"%s\", \"too_long\": true", what[diff->what]);
}

/**
 * kp_failure_beside() - print operations beside each other that go wrong, as JSON
 * @s: where to: members of an object, without its braces
 * @pair: the pair
 * @prog: the program
 * @told: what is told of them
 *
 * Context: may sleep.
 */
void kp_failure_beside(struct seq_buf *s, const struct kp_pair *pair,
		       const struct kp_program *prog, const struct kp_beside_told *told)
{
	char *text = kvmalloc(LINE_SIZE, GFP_KERNEL);
	const char *at = told->got;
	struct seq_buf line;
	bool cut;
	u32 i;

	if (!text)
		return;
	seq_buf_init(&line, text, LINE_SIZE);
	seq_buf_printf(s, "\"what\": \"%s\", \"step\": %u", told->what, told->step);
	put_text(s, "operation", told->step ?
		 pair->operation[prog->step[told->step - 1].op].name : NULL);
	cut = put_program(s, pair, prog, &line);
	seq_buf_puts(s, ", \"created\": {\"expected\": 0, \"got\": 0}");
	put_text(s, "made_expected", NULL);
	put_text(s, "made_got", NULL);
	seq_buf_puts(s, ", \"expected\": [");
	for (i = 0; i < told->nr_orders; i++) {
		seq_buf_puts(s, i ? ", " : "");
		put_string(s, told->orders[i]);
	}
	seq_buf_puts(s, "], \"got\": [");
	while (*at) {
		size_t len = strcspn(at, "\n");

		seq_buf_clear(&line);
		seq_buf_printf(&line, "%.*s", (int)len, at);
		seq_buf_puts(s, at == told->got ? "" : ", ");
		put_string(s, seq_buf_str(&line));
		at += len + !!at[len];
	}
	seq_buf_puts(s, "]");
	put_text(s, "broken", told->broken);
	put_text(s, "reference_broken", told->reference);
	kvfree(text);
	if (!cut && !seq_buf_has_overflowed(s))
		return;
	seq_buf_clear(s);
	seq_buf_printf(s, "\"what\": \"%s\", \"too_long\": true", told->what);
}

/**
 * kp_failure_add() - add a failure to those of a pair
 * @test: the case; its parameter is the path
 * @whence: seed or file of the program
 * @times: how often it was met
 * @text: the program and its results, from kp_failure_print()
 *
 * Context: may sleep.
 */
void kp_failure_add(struct kunit *test, const char *whence, u32 times,
		    const char *text)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_failures *all = &p->pair->stats->failures;
	struct seq_buf s;

	if (!all->text)
		all->text = kvmalloc(ALL_SIZE, GFP_KERNEL);
	if (!all->text)
		return;
	seq_buf_init(&s, all->text + all->len, ALL_SIZE - all->len);
	seq_buf_printf(&s, "{\"case\": \"%s\", \"path\": \"%s\", \"times\": %u", test->name,
		       kp_path_name[p->id], times);
	put_text(&s, "source", whence);
	seq_buf_printf(&s, ", %s}\n", text);
	if (!seq_buf_has_overflowed(&s))
		all->len += seq_buf_used(&s);
}
