// SPDX-License-Identifier: GPL-2.0
/*
 * idalloc: table of operations, C callers, and the suite.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "contract/idalloc.h"
#include "engine/engine.h"

#define KP_PAIR		idalloc
#define KP_CONTRACT	"contract/idalloc.h"
#include "contract/records.h"

static const struct kp_pair idalloc_pair;

static void call_noop(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = 0;
}

static void call_alloc(const void *ops, void *obj, const u64 *arg,
		       struct kp_result *res)
{
	res->ret = ((const struct idalloc_ops *)ops)->alloc(obj);
}

static void call_free(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = ((const struct idalloc_ops *)ops)->free(obj, arg[0]);
}

static void call_used(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = ((const struct idalloc_ops *)ops)->used(obj, arg[0]);
}

/*
 * Ids are drawn from the range that a program fills, so that most frees hit;
 * the top of the range is beyond every limit.
 */
static const struct kp_op idalloc_op[] = {
	[IDALLOC_NOOP] = { .weight = 4, .call = call_noop },
	[IDALLOC_ALLOC] = { .weight = 16, .call = call_alloc },
	[IDALLOC_FREE] = {
		.weight = 10, .call = call_free,
		.arg = { { "id", 0, 160 } },
	},
	[IDALLOC_USED] = {
		.weight = 6, .call = call_used,
		.arg = { { "id", 0, 160 } },
	},
};

static struct idalloc *idalloc_create(const struct idalloc_ops *ops,
				      const u64 *param)
{
	return ops->create(param[0]);
}

KP_C_DRIVER(idalloc_c_over_c, idalloc, idalloc_c);
KP_C_DRIVER(idalloc_c_over_rust, idalloc, idalloc_rust);

static struct kp_stats idalloc_stats;

static const struct kp_pair idalloc_pair = {
	.name = "idalloc",
	.param = { { "limit", 0, 150 } },
	.operation = idalloc_operations,
	.op = idalloc_op,
	.nr_ops = ARRAY_SIZE(idalloc_op),
	.invariant = idalloc_invariants,
	.nr_invariants = ARRAY_SIZE(idalloc_invariants),
	.view_size = sizeof(struct idalloc_view),
	.path = {
		[KP_C_C] = &idalloc_c_over_c,
		[KP_C_RUST] = &idalloc_c_over_rust,
		[KP_RUST_C] = &idalloc_rust_over_c,
		[KP_RUST_RUST] = &idalloc_rust_over_rust,
	},
	.stats = &idalloc_stats,
};

#define UNIQUE_THREADS	3
#define UNIQUE_ROUNDS	2000
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

static void unique(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	const struct kp_driver *driver = path->pair->path[path->id];
	u64 param[KP_NR_ARGS] = { UNIQUE_LIMIT };
	struct unique *u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	struct task_struct *task;
	int i, started = 0;

	KUNIT_ASSERT_NOT_NULL(test, u);
	u->path = path;
	init_completion(&u->done);
	u->obj = driver->create(param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, u->obj);
	for (i = 0; i < UNIQUE_THREADS; i++) {
		task = kthread_run(unique_thread, u, "kparity-ids/%d", i);
		if (IS_ERR(task))
			KUNIT_FAIL(test, "kthread_run: %pe", task);
		else
			started++;
	}
	while (started--)
		wait_for_completion(&u->done);
	KP_EXPECT(test, unique, !atomic_read(&u->clashes));
	driver->destroy(u->obj);
}

KP_SUITES(idalloc, KP_CASE(idalloc, unique));
