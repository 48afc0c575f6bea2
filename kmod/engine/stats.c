// SPDX-License-Identifier: GPL-2.0
/*
 * Which invariant was put to the test where and how often, and what operations
 * have cost.
 */
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include "engine.h"

/* Room for most pairs. */
#define ROWS_AT_FIRST	1024

/**
 * kp_stats_enter() - a case begins
 * @pair: the pair
 * @name: the case; must live as long as the pair
 */
void kp_stats_enter(const struct kp_pair *pair, const char *name)
{
	struct kp_stats *stats = pair->stats;
	u32 i;

	for (i = 0; i < KP_MAX_CASES - 1; i++)
		if (!stats->case_name[i] || stats->case_name[i] == name)
			break;
	stats->case_name[i] = name;
	stats->now = i;
}

/* Bits of an outcome: not negative, negative or none, then a bit for each errno. */
#define OUTCOME_GOOD	BIT(0)
#define OUTCOME_NONE	BIT(1)
#define OUTCOME_ERRNO	2

/**
 * kp_end() - the end that an operation came to
 * @op: the operation
 * @ret: what it returned
 *
 * Return: an errno, or 1 for false or none, or 0
 */
s32 kp_end(const struct kp_operation *op, s64 ret)
{
	switch (op->returns) {
	case KP_RET_RESULT:
		return ret < 0 ? ret : 0;
	case KP_RET_BOOL:
		return !ret;
	case KP_RET_OFFSET:
		return ret < 0;
	default:
		return 0;
	}
}

/**
 * kp_outcome_of() - the outcome of a call, as a bit
 * @op: the operation
 * @ret: what it returned
 *
 * Return: the bit, as kp_outcomes() has it; 0 for an errno that the row does not list, and where
 *         an operation has one outcome alone
 */
u32 kp_outcome_of(const struct kp_operation *op, s64 ret)
{
	u32 i;

	switch (op->returns) {
	case KP_RET_BOOL:
		return ret ? OUTCOME_GOOD : OUTCOME_NONE;
	case KP_RET_OFFSET:
		return ret >= 0 ? OUTCOME_GOOD : OUTCOME_NONE;
	case KP_RET_RESULT:
		if (ret >= 0)
			return OUTCOME_GOOD;
		for (i = 0; op->errnos[i] && i < 32 - OUTCOME_ERRNO; i++)
			if (op->errnos[i] == ret)
				return BIT(OUTCOME_ERRNO + i);
		return 0;
	default:
		return 0;
	}
}

/**
 * kp_outcomes() - the outcomes that arguments can bring about
 * @op: the operation
 *
 * Return: a bit for each; none for -ENOMEM, and none where there is one outcome alone
 */
u32 kp_outcomes(const struct kp_operation *op)
{
	u32 i, found = OUTCOME_GOOD;

	if (op->returns == KP_RET_BOOL || op->returns == KP_RET_OFFSET)
		return OUTCOME_GOOD | OUTCOME_NONE;
	if (op->returns != KP_RET_RESULT)
		return 0;
	for (i = 0; op->errnos[i] && i < 32 - OUTCOME_ERRNO; i++)
		if (op->errnos[i] != -ENOMEM)
			found |= BIT(OUTCOME_ERRNO + i);
	return found;
}

/* Threads of a case come here at the same time: nearly always with an outcome seen before. */
static void note(atomic_t *seen, u32 outcome)
{
	if (outcome & ~atomic_read(seen))
		atomic_or(outcome, seen);
}

/**
 * kp_outcome() - an operation was called
 * @pair: the pair
 * @path: on this path
 * @op: the operation's number
 * @ret: what it returned
 *
 * Context: any.
 */
void kp_outcome(const struct kp_pair *pair, enum kp_path_id path, u32 op, s64 ret)
{
	note(&pair->stats->outcome[op][path], kp_outcome_of(&pair->operation[op], ret));
}

/**
 * kp_outcome_created() - an object was to be made
 * @pair: the pair
 * @path: on this path
 * @err: errno of its creation, or 0
 *
 * Context: any.
 */
void kp_outcome_created(const struct kp_pair *pair, enum kp_path_id path, int err)
{
	note(&pair->stats->created[path], kp_outcome_of(&pair->creation, err));
}

/* Fail with all outcomes that no call of an operation has come to. */
static void judge_outcomes(struct kunit *test, const struct kp_operation *op, u32 seen,
			   u32 seen_in_c)
{
	static const char *const good[] = {
		[KP_RET_RESULT] = "succeeded", [KP_RET_BOOL] = "true",
		[KP_RET_OFFSET] = "a place",
	};
	const struct kp_path_param *p = test->param_value;
	char never[200];
	struct seq_buf s;
	u32 i;

	if (op->returns != KP_RET_RESULT && op->returns != KP_RET_BOOL &&
	    op->returns != KP_RET_OFFSET)
		return;
	seq_buf_init(&s, never, sizeof(never));
	if (!(seen & OUTCOME_GOOD))
		seq_buf_printf(&s, ", %s", good[op->returns]);
	if (op->returns != KP_RET_RESULT && !(seen & OUTCOME_NONE))
		seq_buf_puts(&s, op->returns == KP_RET_BOOL ? ", false" : ", none");
	for (i = 0; op->returns == KP_RET_RESULT && op->errnos[i] &&
	     i < 32 - OUTCOME_ERRNO; i++)
		if (!(seen & BIT(OUTCOME_ERRNO + i)) &&
		    (op->errnos[i] != -ENOMEM || (p->pair->stats->all_failed[p->id] &&
						  seen_in_c & BIT(OUTCOME_ERRNO + i))))
			seq_buf_printf(&s, ", gave %pe", ERR_PTR(op->errnos[i]));
	if (seq_buf_used(&s))
		KUNIT_FAIL(test, "%s: never %s on %s in %u programs of %u steps; see its row",
			   op->name, seq_buf_str(&s) + 2, kp_path_name[p->id],
			   kp_programs, kp_steps);
}

/**
 * kp_case_outcomes() - each way for an operation to end has been met
 * @test: its parameter is the path
 *
 * An errno that no call gave was compared with nothing, and nor was the success of an
 * operation that only ever fails. -ENOMEM is left out where case fault has not run, as no
 * argument brings it about; and where C over C has not given it, as one allocation that fails
 * can have a substitute.
 * Runs behind lockstep and the cases of a pair's own, whose calls
 * count as well.
 */
void kp_case_outcomes(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	const struct kp_pair *pair = p->pair;
	u32 op;

	if (!pair->stateless)
		judge_outcomes(test, &pair->creation,
			       atomic_read(&pair->stats->created[p->id]),
			       atomic_read(&pair->stats->created[KP_C_C]));
	for (op = 1; op < pair->nr_ops; op++)
		if (pair->operation[op].weight)
			judge_outcomes(test, &pair->operation[op],
				       atomic_read(&pair->stats->outcome[op][p->id]),
				       atomic_read(&pair->stats->outcome[op][KP_C_C]));
}
EXPORT_SYMBOL_GPL(kp_case_outcomes);

/**
 * kp_count_judged() - an invariant was put to the test by a case
 * @test: the case; its parameter is the path
 * @invariant: its number
 */
void kp_count_judged(struct kunit *test, u32 invariant)
{
	const struct kp_path_param *p = test->param_value;

	kp_stats_count(p->pair->stats, p->id, invariant);
}
EXPORT_SYMBOL_GPL(kp_count_judged);

/**
 * kp_count_excused() - an invariant cannot be put to the test by a case in this kernel
 * @test: the case; its parameter is the path
 * @invariant: its number
 */
void kp_count_excused(struct kunit *test, u32 invariant)
{
	const struct kp_path_param *p = test->param_value;

	p->pair->stats->excused[invariant][p->id] = true;
}
EXPORT_SYMBOL_GPL(kp_count_excused);

/**
 * kp_room() - have room for one more row in a table
 * @rows: the table; NULL for one without rows
 * @nr: rows in use
 * @max: rows that there is room for; goes up where the table grows
 * @size: bytes of a row
 *
 * Context: may sleep.
 * Return: the table, which may have moved, for the caller to kvfree(); NULL without memory,
 *	   and it is as it was
 */
void *kp_room(void *rows, u32 nr, u32 *max, size_t size)
{
	u32 more = *max ? 2 * *max : ROWS_AT_FIRST;

	if (nr < *max)
		return rows;
	rows = kvrealloc(rows, array_size(more, size), GFP_KERNEL);
	if (rows)
		*max = more;
	return rows;
}

/**
 * kp_stats_cost() - add a line to a cost table
 * @costs: the table
 * @cost: the line; copied
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM
 */
int kp_stats_cost(struct kp_costs *costs, const struct kp_cost *cost)
{
	struct kp_cost *row = kp_room(costs->row, costs->nr, &costs->max, sizeof(*row));

	if (!row)
		return -ENOMEM;
	costs->row = row;
	costs->row[costs->nr++] = *cost;
	return 0;
}
