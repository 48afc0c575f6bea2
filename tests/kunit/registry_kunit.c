// SPDX-License-Identifier: GPL-2.0
/*
 * registry: table of operations, C callers, and the suite.
 */
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "contract/registry.h"
#include "engine/engine.h"

#define KP_PAIR		registry
#define KP_CONTRACT	"contract/registry.h"
#include "contract/records.h"

static const struct kp_pair registry_pair;

/* A C caller: the registry, and the references that programs name by slot. */
struct caller {
	struct kp_c_object object; /* ops, and this caller as its own object */
	struct registry *reg;
	struct registry_object *slot[REGISTRY_SLOTS];
};

/* What a slot holds, or NULL. */
static struct registry_object *held(const struct caller *c, u64 slot)
{
	return slot < REGISTRY_SLOTS ? c->slot[slot] : NULL;
}

/* Move a reference into a slot and put the one that was there. */
static void fill(const struct registry_ops *ops, struct caller *c, u64 slot,
		 struct registry_object *obj)
{
	struct registry_object *old = c->slot[slot];

	c->slot[slot] = obj;
	if (old)
		ops->put(old);
}

static void call_noop(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = 0;
}

static void call_add(const void *ops, void *obj, const u64 *arg,
		     struct kp_result *res)
{
	struct caller *c = obj;

	res->ret = ((const struct registry_ops *)ops)->add(c->reg, arg[0], arg[1]);
}

static void call_get(const void *ops, void *obj, const u64 *arg,
		     struct kp_result *res)
{
	const struct registry_ops *o = ops;
	struct registry_object *found;
	struct caller *c = obj;

	if (arg[0] >= REGISTRY_SLOTS) {
		res->ret = -EBADF;
		return;
	}
	found = o->get(c->reg, arg[1]);
	res->ret = PTR_ERR_OR_ZERO(found);
	if (!IS_ERR(found))
		fill(o, c, arg[0], found);
}

static void call_ref(const void *ops, void *obj, const u64 *arg,
		     struct kp_result *res)
{
	const struct registry_ops *o = ops;
	struct caller *c = obj;
	struct registry_object *from = held(c, arg[0]);

	if (!from || arg[1] >= REGISTRY_SLOTS) {
		res->ret = -EBADF;
		return;
	}
	o->ref(from);
	fill(o, c, arg[1], from);
	res->ret = 0;
}

static void call_put(const void *ops, void *obj, const u64 *arg,
		     struct kp_result *res)
{
	struct caller *c = obj;

	if (!held(c, arg[0])) {
		res->ret = -EBADF;
		return;
	}
	fill(ops, c, arg[0], NULL);
	res->ret = 0;
}

static void call_remove(const void *ops, void *obj, const u64 *arg,
			struct kp_result *res)
{
	struct caller *c = obj;

	res->ret = ((const struct registry_ops *)ops)->remove(c->reg, arg[0]);
}

static void call_value(const void *ops, void *obj, const u64 *arg,
		       struct kp_result *res)
{
	struct registry_object *from = held(obj, arg[0]);

	if (!from) {
		res->ret = -EBADF;
		return;
	}
	res->out = ((const struct registry_ops *)ops)->value(from);
	res->ret = 0;
}

/*
 * About half of the names are registered at a time; most slots are full, as get
 * and ref fill one whatever it holds. The top of get's slots does not exist.
 */
static const struct kp_op registry_op[] = {
	[REGISTRY_NOOP] = { .weight = 4, .call = call_noop },
	[REGISTRY_ADD] = {
		.weight = 10, .call = call_add,
		.arg = { { "name", 0, 11 }, { "value", 0, U64_MAX } },
	},
	[REGISTRY_GET] = {
		.weight = 14, .call = call_get,
		.arg = { { "slot", 0, REGISTRY_SLOTS }, { "name", 0, 11 } },
	},
	[REGISTRY_REF] = {
		.weight = 6, .call = call_ref,
		.arg = { { "slot", 0, REGISTRY_SLOTS - 1 },
			 { "to", 0, REGISTRY_SLOTS } },
	},
	[REGISTRY_PUT] = {
		.weight = 5, .call = call_put,
		.arg = { { "slot", 0, REGISTRY_SLOTS - 1 } },
	},
	[REGISTRY_REMOVE] = {
		.weight = 8, .call = call_remove,
		.arg = { { "name", 0, 11 } },
	},
	[REGISTRY_VALUE] = {
		.weight = 6, .call = call_value,
		.arg = { { "slot", 0, REGISTRY_SLOTS - 1 } },
	},
};

static void *caller_create(const struct registry_ops *ops, const u64 *param)
{
	struct caller *c = kzalloc_obj(*c);
	struct registry *reg;

	if (!c)
		return ERR_PTR(-ENOMEM);
	reg = ops->create(param[0]);
	if (IS_ERR(reg)) {
		kfree(c);
		return reg;
	}
	c->object = (struct kp_c_object){ ops, c };
	c->reg = reg;
	return c;
}

static void caller_view(const void *ops, void *obj, void *view)
{
	const struct registry_ops *o = ops;
	struct registry_view *v = view;
	struct caller *c = obj;
	u32 i;

	o->state(c->reg, &v->state);
	for (i = 0; i < REGISTRY_SLOTS; i++)
		if (c->slot[i])
			o->info(c->slot[i], &v->slot[i]);
}

static void caller_run(void *obj, const struct kp_program *prog,
		       struct kp_trace *trace)
{
	kp_c_run(&registry_pair, caller_view, obj, prog, trace);
}

/* References outlive the registry here: each is put after it is gone. */
static void caller_destroy(void *obj)
{
	struct caller *c = obj;
	const struct registry_ops *ops = c->object.ops;
	u32 i;

	ops->destroy(c->reg);
	for (i = 0; i < REGISTRY_SLOTS; i++)
		fill(ops, c, i, NULL);
	kfree(c);
}

static void *c_over_c_create(const u64 *param)
{
	return caller_create(&registry_c, param);
}

static void *c_over_rust_create(const u64 *param)
{
	return caller_create(&registry_rust, param);
}

static const struct kp_driver registry_c_over_c = {
	.create = c_over_c_create,
	.run = caller_run,
	.destroy = caller_destroy,
	.layout = { ARRAY_SIZE(registry_layout), registry_layout },
};

static const struct kp_driver registry_c_over_rust = {
	.create = c_over_rust_create,
	.run = caller_run,
	.destroy = caller_destroy,
	.layout = { ARRAY_SIZE(registry_layout), registry_layout },
};

static struct kp_stats registry_stats;

static const struct kp_pair registry_pair = {
	.name = "registry",
	.param = { { "limit", 6, REGISTRY_MAX + 1 } },
	.operation = registry_operations,
	.op = registry_op,
	.nr_ops = ARRAY_SIZE(registry_op),
	.invariant = registry_invariants,
	.nr_invariants = ARRAY_SIZE(registry_invariants),
	.view_size = sizeof(struct registry_view),
	.path = {
		[KP_C_C] = &registry_c_over_c,
		[KP_C_RUST] = &registry_c_over_rust,
		[KP_RUST_C] = &registry_rust_over_c,
		[KP_RUST_RUST] = &registry_rust_over_rust,
	},
	.stats = &registry_stats,
};

/* The implementation of a path. */
static const struct registry_ops *ops_of(const struct kp_path_param *path)
{
	return path->id == KP_C_C || path->id == KP_RUST_C ? &registry_c :
							     &registry_rust;
}

/* The registry behind a path's object, as C sees it. */
static struct registry *lend(const struct kp_path_param *path, void *obj)
{
	switch (path->id) {
	case KP_RUST_C:
		return registry_lend_c(obj);
	case KP_RUST_RUST:
		return registry_lend_rust(obj);
	default:
		return ((struct caller *)obj)->reg;
	}
}

static u32 live_in(const struct registry_ops *ops, struct registry *reg)
{
	struct registry_state state = {};

	ops->state(reg, &state);
	return state.live;
}

static u32 refs_of(const struct registry_ops *ops, struct registry_object *obj)
{
	struct registry_info info = {};

	ops->info(obj, &info);
	return info.refs;
}

/*
 * One object, held by the path's caller in its own language and by this case
 * in C. Each side's references must show in the one count, and either side may
 * be the last to put.
 */
static void shared(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	const struct kp_driver *driver = path->pair->path[path->id];
	const struct registry_ops *ops = ops_of(path);
	u64 param[KP_NR_ARGS] = { REGISTRY_MAX };
	struct registry_object *mine;
	struct registry *reg;
	void *obj;

	obj = driver->create(param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	reg = lend(path, obj);
	KUNIT_EXPECT_EQ(test, 0, ops->add(reg, 0, 7));
	mine = ops->get(reg, 0);
	if (IS_ERR(mine)) {
		KUNIT_FAIL(test, "get: %pe", mine);
		driver->destroy(obj);
		return;
	}
	KP_EXPECT(test, shared_count, refs_of(ops, mine) == 2);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_GET, 0).ret);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_GET, 1).ret);
	KP_EXPECT(test, shared_count, refs_of(ops, mine) == 4);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_PUT, 1).ret);
	KP_EXPECT(test, shared_count, refs_of(ops, mine) == 3);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_REMOVE, 0).ret);
	KP_EXPECT(test, shared_count, refs_of(ops, mine) == 2);
	ops->put(mine);
	/* The caller's reference alone keeps it: it can still be read. */
	KP_EXPECT(test, shared_count, live_in(ops, reg) == 1);
	KP_EXPECT(test, shared_count,
		  kp_once(path, obj, REGISTRY_VALUE, 0).out == 7);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_PUT, 0).ret);
	KP_EXPECT(test, shared_count, live_in(ops, reg) == 0);
	driver->destroy(obj);
}

/*
 * Objects that are registered, held or both, one of them held by C until last
 * of all: whatever order they go in, none is left. The registry itself is what
 * shows it, as it is not released before the last of its objects.
 */
static void unload(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	const struct kp_driver *driver = path->pair->path[path->id];
	const struct registry_ops *ops = ops_of(path);
	u64 param[KP_NR_ARGS] = { REGISTRY_MAX };
	struct registry_object *last;
	u32 before = ops->left();
	void *obj;
	u32 name;

	obj = driver->create(param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	for (name = 0; name < 4; name++)
		KUNIT_EXPECT_EQ(test, 0LL,
				kp_once(path, obj, REGISTRY_ADD, name).ret);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_GET, 0).ret);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_REMOVE, 0).ret);
	last = ops->get(lend(path, obj), 1);
	KUNIT_EXPECT_EQ(test, 4, live_in(ops, lend(path, obj)));
	driver->destroy(obj);
	if (IS_ERR(last)) {
		KUNIT_FAIL(test, "get: %pe", last);
		return;
	}
	KP_EXPECT(test, nothing_left, ops->left() == before + 1);
	KP_EXPECT(test, nothing_left, refs_of(ops, last) == 1);
	ops->put(last);
	KP_EXPECT(test, nothing_left, ops->left() == before);
}

#define RACE_READERS	2
#define RACE_ROUNDS	32
/* More references than all threads together can have to one object. */
#define RACE_REFS	16

/* Threads that use one name of one registry. */
struct race {
	const struct kp_path_param *path;
	void *obj;
	atomic_t slots;
	atomic_t wrong;
	atomic_t hits;
	struct completion found;
	bool stop;
	struct completion done;	/* once for each thread */
};

/* Look the name up as the path's caller, and read what is found. */
static bool race_look(struct race *r, u32 slot)
{
	struct kp_result res;

	if (kp_once(r->path, r->obj, REGISTRY_GET, slot).ret)
		return false;
	res = kp_once(r->path, r->obj, REGISTRY_VALUE, slot);
	if (res.ret || res.out)
		atomic_inc(&r->wrong);
	if (kp_once(r->path, r->obj, REGISTRY_PUT, slot).ret)
		atomic_inc(&r->wrong);
	return true;
}

/*
 * Look the name up in C, and at the count of references. One that was taken up
 * from zero is not a number of references. That the kernel warns of it would
 * not do: it does so once, and taints itself once.
 */
static bool race_count(struct race *r)
{
	const struct registry_ops *ops = ops_of(r->path);
	struct registry_object *found = ops->get(lend(r->path, r->obj), 0);
	u32 refs;

	if (IS_ERR(found))
		return false;
	refs = refs_of(ops, found);
	if (!refs || refs > RACE_REFS)
		atomic_inc(&r->wrong);
	ops->put(found);
	return true;
}

/*
 * Look the name up all the time, now and then add. The name is there, and stays
 * until each reader has looked.
 */
static int race_read(void *data)
{
	struct race *r = data;
	u32 slot = atomic_inc_return(&r->slots) - 1;
	u32 i;

	if (!race_look(r, slot) || !race_count(r))
		atomic_inc(&r->wrong);
	complete(&r->found);
	for (i = 0; !READ_ONCE(r->stop); i++) {
		if (i % 64 == 0)
			kp_once(r->path, r->obj, REGISTRY_ADD, 0);
		if (!(i % 2 ? race_look(r, slot) : race_count(r)))
			continue;
		atomic_inc(&r->hits);
		cond_resched();
	}
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&r->done, 0);
}

/*
 * Each time this thread wakes it stops a reader, wherever that is; and while
 * it sleeps, what it has removed stays unused memory. So a reader that took its
 * reference too late finds a count of zero. Readers go on until this thread ends:
 * it alone tells the host that there is progress.
 */
static int race_write(void *data)
{
	struct race *r = data;
	int i, hits, was = 0;
	s64 ret;

	/* Rounds in which no reader found anything show nothing. */
	for (i = 0; ; i++) {
		hits = atomic_read(&r->hits);
		if (i >= RACE_ROUNDS && hits >= RACE_ROUNDS)
			break;
		if (i < RACE_ROUNDS || hits != was)
			kp_alive();
		was = hits;
		ret = kp_once(r->path, r->obj, REGISTRY_ADD, 0).ret;
		if (ret && ret != -EEXIST)
			atomic_inc(&r->wrong);
		usleep_range(20, 40);
		if (kp_once(r->path, r->obj, REGISTRY_REMOVE, 0).ret)
			atomic_inc(&r->wrong);
		usleep_range(20, 40);
	}
	WRITE_ONCE(r->stop, true);
	kthread_complete_and_exit(&r->done, 0);
}

static bool race_start(struct kunit *test, struct race *r,
		       int (*run)(void *data), bool first)
{
	struct task_struct *task = kthread_create(run, r, "kparity-reg");

	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "kthread_create: %pe", task);
		return false;
	}
	if (first)
		sched_set_fifo(task);
	wake_up_process(task);
	return true;
}

static void threads(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	const struct kp_driver *driver = path->pair->path[path->id];
	u64 param[KP_NR_ARGS] = { REGISTRY_MAX };
	struct race *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	u32 before = ops_of(path)->left();
	int i, readers = 0, started;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->path = path;
	init_completion(&r->found);
	init_completion(&r->done);
	r->obj = driver->create(param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r->obj);
	KUNIT_EXPECT_EQ(test, kp_once(path, r->obj, REGISTRY_ADD, 0).ret, 0LL);
	for (i = 0; i < RACE_READERS; i++)
		readers += race_start(test, r, race_read, false);
	for (i = 0; i < readers; i++)
		wait_for_completion(&r->found);
	started = readers;
	if (readers && race_start(test, r, race_write, true))
		started++;
	else
		WRITE_ONCE(r->stop, true);
	while (started--)
		wait_for_completion(&r->done);
	KP_EXPECT(test, threads, !atomic_read(&r->wrong));
	driver->destroy(r->obj);
	KP_EXPECT(test, threads, ops_of(path)->left() == before);
}

KP_SUITES(registry,
	  KP_CASE(registry, shared)
	  KP_CASE(registry, unload)
	  KP_CASE(registry, threads));
