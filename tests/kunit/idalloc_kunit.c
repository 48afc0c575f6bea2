// SPDX-License-Identifier: GPL-2.0
/*
 * idalloc: the case of its own, threads that take and free ids at the same time.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "idalloc_glue.h"
#include "engine/suite.h"

#define UNIQUE_THREADS	3
/* KCSAN looks at one access in 500. */
#define UNIQUE_ROUNDS	(IS_ENABLED(CONFIG_KCSAN) ? 10000 : 2000)
#define UNIQUE_LIMIT	150

/* Threads that allocate and free ids of one allocator. */
struct unique {
	const struct kp_path_param *path;
	void *obj;
	atomic_t owned[UNIQUE_LIMIT];
	atomic_t clashes;
	struct completion done;	/* once for each thread */
};

/* Take an id, note that it is ours alone, give it back. */
static int unique_thread(void *data)
{
	struct unique *u = data;
	s64 id;
	int i;

	for (i = 0; i < UNIQUE_ROUNDS; i++) {
		kp_alive();
		id = kp_once(u->path, u->obj, IDALLOC_ALLOC, 0).ret;
		if (id < 0 || id >= UNIQUE_LIMIT ||
		    atomic_inc_return(&u->owned[id]) != 1) {
			atomic_inc(&u->clashes);
			break;
		}
		if (i % 16 == 0)
			cond_resched();
		atomic_dec(&u->owned[id]);
		if (kp_once(u->path, u->obj, IDALLOC_FREE, id).ret)
			atomic_inc(&u->clashes);
	}
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&u->done, 0);
}

/*
 * Threads are spread over the CPUs: where those of one CPU take turns, each in a
 * slice of time of its own, none gets in the way of another.
 */
static void unique(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	u64 param[KP_NR_ARGS] = { UNIQUE_LIMIT };
	struct unique *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	struct task_struct *task;
	u32 cpu;
	int i, started = 0;

	KUNIT_ASSERT_NOT_NULL(test, u);
	u->path = path;
	init_completion(&u->done);
	u->obj = kp_create(path->pair, path->id, param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, u->obj);
	for (i = 0; i < UNIQUE_THREADS; i++) {
		cpu = cpumask_nth(i % num_online_cpus(), cpu_online_mask);
		task = kthread_run_on_cpu(unique_thread, u, cpu, "kparity-ids/%u");
		if (IS_ERR(task))
			KUNIT_FAIL(test, "no thread: %pe", task);
		else
			started++;
	}
	while (started--)
		wait_for_completion(&u->done);
	KP_EXPECT(test, unique, !atomic_read(&u->clashes));
	kp_destroy(path->pair, path->id, u->obj);
}

KP_SUITES(idalloc, KP_CASE(idalloc, unique));
