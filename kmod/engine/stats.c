// SPDX-License-Identifier: GPL-2.0
/*
 * Which invariant was put to the test where and how often, and what operations
 * have cost.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include "engine.h"

/* Room for most pairs. */
#define COSTS_AT_FIRST	4096

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
 * kp_outcome() - an operation was called
 * @pair: the pair
 * @path: on this path
 * @op: the operation's number
 * @ret: what it returned
 */
void kp_outcome(const struct kp_pair *pair, enum kp_path_id path, u32 op, s64 ret)
{
	u32 i, *seen = &pair->stats->outcome[op][path];
	const int *e = pair->operation[op].errnos;

	switch (pair->operation[op].returns) {
	case KP_RET_BOOL:
		*seen |= ret ? OUTCOME_GOOD : OUTCOME_NONE;
		return;
	case KP_RET_OFFSET:
		*seen |= ret >= 0 ? OUTCOME_GOOD : OUTCOME_NONE;
		return;
	case KP_RET_RESULT:
		if (ret >= 0) {
			*seen |= OUTCOME_GOOD;
			return;
		}
		for (i = 0; e[i] && i < 32 - OUTCOME_ERRNO; i++)
			if (e[i] == ret)
				break;
		if (e[i] && i < 32 - OUTCOME_ERRNO)
			*seen |= BIT(OUTCOME_ERRNO + i);
		return;
	default:
		return;
	}
}

/* Fail with an outcome that no call of an operation has come to. */
static void missing(struct kunit *test, const struct kp_path_param *p, u32 op,
		    const char *what)
{
	KUNIT_FAIL(test, "%s: never %s on %s in %u programs of %u steps; see its row",
		   p->pair->operation[op].name, what, kp_path_name[p->id],
		   kp_programs, kp_steps);
}

/**
 * kp_case_outcomes() - each way for an operation to end has been met
 * @test: its parameter is the path
 *
 * An errno that no call gave was compared with nothing, and nor was what a function
 * does if it only ever fails. Runs behind lockstep.
 */
void kp_case_outcomes(struct kunit *test)
{
	static const char *const good[] = {
		[KP_RET_RESULT] = "succeeded", [KP_RET_BOOL] = "true",
		[KP_RET_OFFSET] = "a place",
	};
	const struct kp_path_param *p = test->param_value;
	char name[24];
	u32 op, i, seen;

	for (op = 1; op < p->pair->nr_ops; op++) {
		enum kp_returns returns = p->pair->operation[op].returns;
		const int *e = p->pair->operation[op].errnos;

		if (returns != KP_RET_RESULT && returns != KP_RET_BOOL &&
		    returns != KP_RET_OFFSET)
			continue;
		seen = p->pair->stats->outcome[op][p->id];
		if (!(seen & OUTCOME_GOOD))
			missing(test, p, op, good[returns]);
		if (returns != KP_RET_RESULT && !(seen & OUTCOME_NONE))
			missing(test, p, op, returns == KP_RET_BOOL ? "false" : "none");
		if (returns != KP_RET_RESULT)
			continue;
		for (i = 0; e[i] && i < 32 - OUTCOME_ERRNO; i++) {
			scnprintf(name, sizeof(name), "gave %pe", ERR_PTR(e[i]));
			if (!(seen & BIT(OUTCOME_ERRNO + i)))
				missing(test, p, op, name);
		}
	}
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
 * kp_stats_cost() - add a line to the cost table
 * @pair: the pair
 * @cost: what to add; copied
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM
 */
int kp_stats_cost(const struct kp_pair *pair, const struct kp_cost *cost)
{
	struct kp_stats *stats = pair->stats;
	struct kp_cost *more;
	u32 max;

	if (stats->nr_costs == stats->max_costs) {
		max = stats->max_costs ? 2 * stats->max_costs : COSTS_AT_FIRST;
		more = kvrealloc(stats->cost, array_size(max, sizeof(*more)),
				 GFP_KERNEL);
		if (!more)
			return -ENOMEM;
		stats->cost = more;
		stats->max_costs = max;
	}
	stats->cost[stats->nr_costs++] = *cost;
	return 0;
}
