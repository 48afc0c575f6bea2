// SPDX-License-Identifier: GPL-2.0
/*
 * badge: the case of its own, a badge whose arguments change once it is made.
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "badge_glue.h"
#include "engine/suite.h"

static void apart(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	struct badge_view made, then;
	char name[] = "abc";
	u8 table[] = { 1, 2 };
	u32 serial = 7;
	struct kp_slot slot[KP_NR_ARGS] = {
		{ strlen(name), name }, { sizeof(table), table }, { 3 }, { BADGE_USES }, {},
		{ serial, &serial },
	};
	void *badge;

	KUNIT_ASSERT_EQ(test, kp_user_attach(), 0);
	slot[2].p = (void *)kp_user_at(2);
	badge = kp_create_slots(path->pair, path->id, slot);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, badge);
	KUNIT_EXPECT_EQ(test, serial, 8);
	kp_view(path->pair, path->id, badge, &made);
	memset(name, 'x', strlen(name));
	memset(table, 'x', sizeof(table));
	KUNIT_EXPECT_EQ(test, put_user('x', (char __user *)slot[2].p), 0);
	kp_view(path->pair, path->id, badge, &then);
	KP_EXPECT(test, apart, !memcmp(&made, &then, sizeof(made)));
	kp_destroy(path->pair, path->id, badge);
}

KP_SUITES(badge, KP_CASE(badge, apart));
