// SPDX-License-Identifier: GPL-2.0
/*
 * latch: the case of its own, a writer and two readers: a thread on another CPU, and
 * a hard interrupt on the writer's.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include "latch_glue.h"
#include "engine/suite.h"

/* KCSAN looks at one access in 500. */
#define SNAPSHOT_SAMPLES	(IS_ENABLED(CONFIG_KCSAN) ? 15000 : 5000)
#define SNAPSHOT_VALUE		0xc0000001 /* both words of the sum change */
#define SNAPSHOT_READS		8 /* of the thread, to one of the interrupt */

/* One reader of a counter. */
struct snapshot_reader {
	const struct kp_path_param *path;
	void *obj;
	u64 last;	/* count */
	u32 torn;	/* reads */
	u32 back;	/* reads */
};

/* A counter whose samples are all alike, so that there is one sum for each count. */
struct snapshot {
	struct snapshot_reader thread;
	struct snapshot_reader irq;
	struct completion done;
};

/* Read once, as the reader that @data is. */
static void snapshot_read(void *data)
{
	struct snapshot_reader *r = data;
	u64 count = KP_POISON, sum = KP_POISON;
	const struct kp_slot slot[KP_NR_ARGS] = { { .p = &count }, { .p = &sum } };

	kp_once_slots(r->path, r->obj, LATCH_READ, slot);
	r->torn += sum != count * SNAPSHOT_VALUE;
	r->back += count < r->last;
	r->last = count;
}

static int snapshot_write(void *data)
{
	struct snapshot *s = data;
	u32 i;

	for (i = 0; i < SNAPSHOT_SAMPLES; i++) {
		kp_once(s->thread.path, s->thread.obj, LATCH_ADD, SNAPSHOT_VALUE);
		cond_resched();
	}
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&s->done, 0);
}

/* Read in this thread, and interrupt the writer's CPU now and then, until it has ended. */
static void snapshot_watch(struct kunit *test, struct snapshot *s, u32 cpu)
{
	u32 reads = 0;

	while (!completion_done(&s->done)) {
		snapshot_read(&s->thread);
		if (++reads % SNAPSHOT_READS == 0)
			KUNIT_EXPECT_EQ(test, 0, smp_call_function_single(cpu, snapshot_read,
									  &s->irq, 1));
		kp_alive();
		cond_resched();
	}
}

static void snapshot(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	struct snapshot *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	u64 param[KP_NR_ARGS] = {};
	struct task_struct *task;
	u32 there;
	void *obj;

	KUNIT_ASSERT_NOT_NULL(test, s);
	init_completion(&s->done);
	obj = kp_create(path->pair, path->id, param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	s->thread = (struct snapshot_reader) { .path = path, .obj = obj };
	s->irq = s->thread;
	there = kp_other_cpu();
	task = kthread_run_on_cpu(snapshot_write, s, there, "kparity-add/%u");
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no writer: %pe", task);
	} else {
		snapshot_watch(test, s, there);
		wait_for_completion(&s->done);
		snapshot_read(&s->thread);
		KP_EXPECT(test, no_torn, !s->thread.torn && !s->irq.torn);
		KP_EXPECT(test, monotonic, !s->thread.back && !s->irq.back);
		KUNIT_EXPECT_EQ(test, (u64)SNAPSHOT_SAMPLES, s->thread.last);
	}
	kp_destroy(path->pair, path->id, obj);
}

KP_SUITES(latch, KP_CASE(latch, snapshot));
