// SPDX-License-Identifier: GPL-2.0
/*
 * Which invariant was put to the test where and how often, and what operations
 * have cost.
 */
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

/**
 * kp_stats_count() - an invariant was put to the test
 * @pair: the pair
 * @path: on this path
 * @invariant: its number
 */
void kp_stats_count(const struct kp_pair *pair, enum kp_path_id path,
		    u32 invariant)
{
	pair->stats->judged[invariant][path]++;
	pair->stats->judged_in[invariant] |= BIT(pair->stats->now);
}

/**
 * kp_judge() - an invariant was put to the test by a case
 * @test: the case; its parameter is the path
 * @invariant: its number
 */
void kp_judge(struct kunit *test, u32 invariant)
{
	const struct kp_path_param *p = test->param_value;

	kp_stats_count(p->pair, p->id, invariant);
}
EXPORT_SYMBOL_GPL(kp_judge);

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
