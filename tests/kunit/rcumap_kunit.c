// SPDX-License-Identifier: GPL-2.0
/*
 * rcumap: the case of its own, a writer and a reader on two CPUs.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "rcumap_glue.h"
#include "engine/suite.h"

#define WALK_ROUNDS	3000
#define WALK_STAYS	1 /* this key is always there */
#define WALK_MOVES	(WALK_STAYS + RCUMAP_BUCKETS) /* this one comes and goes, before it */

/* A map with two entries in one bucket, whose values are the same in both halves. */
struct walk {
	const struct kp_path_param *path;
	void *obj;
	u32 wrong;	/* values that the reader got */
	u32 absent;	/* lookups of what is always there */
	u32 slept;	/* lookups that did */
	u32 failed;	/* operations of the writer */
	struct completion done;
};

static bool walk_write(struct walk *w, u32 op, u32 key, u32 half)
{
	return !kp_once(w->path, w->obj, op, key, half * 0x100000001ULL).ret;
}

/* Look a key up; whether it was found. */
static bool walk_read(struct walk *w, u32 key)
{
	const unsigned long switches = current->nvcsw;
	const struct kp_result res = kp_once(w->path, w->obj, RCUMAP_LOOKUP, key);

	w->slept += current->nvcsw != switches;
	if (res.ret == -ENOENT)
		return false;
	w->wrong += res.ret || !res.out || (u32)res.out != res.out >> 32;
	return true;
}

/* Take out what the reader may be at, replace what it goes on to, and put the first one back. */
static int walk_change(void *data)
{
	struct walk *w = data;
	u32 i;

	for (i = 2; i < WALK_ROUNDS; i++) {
		w->failed += !walk_write(w, RCUMAP_REMOVE, WALK_MOVES, 0);
		w->failed += !walk_write(w, RCUMAP_REPLACE, WALK_STAYS, i);
		w->failed += !walk_write(w, RCUMAP_INSERT, WALK_MOVES, i);
		cond_resched();
	}
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&w->done, 0);
}

static void walk(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	struct walk *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	u64 param[KP_NR_ARGS] = { 2 };
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, w);
	init_completion(&w->done);
	w->path = path;
	w->obj = kp_create(path->pair, path->id, param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, w->obj);
	KUNIT_EXPECT_TRUE(test, walk_write(w, RCUMAP_INSERT, WALK_STAYS, 1));
	KUNIT_EXPECT_TRUE(test, walk_write(w, RCUMAP_INSERT, WALK_MOVES, 1));
	task = kthread_run_on_cpu(walk_change, w, kp_other_cpu(), "kparity-rcu/%u");
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no writer: %pe", task);
		complete(&w->done);
	}
	while (!completion_done(&w->done)) {
		walk_read(w, WALK_MOVES);
		w->absent += !walk_read(w, WALK_STAYS);
		kp_alive();
		cond_resched();
	}
	wait_for_completion(&w->done);
	KP_EXPECT(test, grace, !w->wrong);
	KP_EXPECT(test, never_absent, !w->absent);
	KP_EXPECT(test, reads_never_sleep, !w->slept);
	KUNIT_EXPECT_EQ(test, 0U, w->failed);
	kp_destroy(path->pair, path->id, w->obj);
}

KP_SUITES(rcumap, KP_CASE(rcumap, walk));
