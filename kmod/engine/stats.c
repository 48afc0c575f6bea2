// SPDX-License-Identifier: GPL-2.0
/*
 * Which invariant was put to the test where and how often.
 */
#include <linux/module.h>
#include "engine.h"

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
