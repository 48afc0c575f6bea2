// SPDX-License-Identifier: GPL-2.0
/*
 * slate: the case of its own, two slates side by side.
 */
#include <linux/err.h>
#include <linux/module.h>
#include "slate_glue.h"
#include "engine/suite.h"

/* The second one makes letters large; the first one, which is older, must not. */
static void apart(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	const enum slate_kind kind[] = { SLATE_PLAIN, SLATE_UPPER };
	void *slate[ARRAY_SIZE(kind)];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		u64 param[KP_NR_ARGS] = { 8, kind[i] };

		slate[i] = kp_create(path->pair, path->id, param);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, slate[i]);
	}
	KP_EXPECT(test, apart, !kp_once(path, slate[0], SLATE_PUT, 'a').ret);
	KP_EXPECT(test, apart, kp_once(path, slate[0], SLATE_FIND, 'a').ret);
	KP_EXPECT(test, apart, !kp_once(path, slate[1], SLATE_FIND, 'a').ret);
	for (i = 0; i < ARRAY_SIZE(kind); i++)
		kp_destroy(path->pair, path->id, slate[i]);
}

KP_SUITES(slate, KP_CASE(slate, apart));
