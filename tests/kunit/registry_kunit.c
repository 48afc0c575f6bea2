// SPDX-License-Identifier: GPL-2.0
/*
 * registry: cases of its own. References that C and Rust hold at the same time,
 * objects left in the end, and threads that use one name.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "registry_glue.h"
#include "engine/suite.h"

/* The implementation of a path. */
static bool in_rust(const struct kp_path_param *path)
{
	return path->id == KP_C_RUST || path->id == KP_RUST_RUST;
}

static u32 left(const struct kp_path_param *path)
{
	return in_rust(path) ? registry_rust_registries_left() : registries_left();
}

/* The reference that the path's caller holds in a slot, as C sees it. */
static struct registry_object *held(const struct kp_path_param *path, void *obj,
				    u32 slot)
{
	return kp_handles(path->pair, obj)[slot];
}

/* A further reference, which C holds. */
static struct registry_object *ref(const struct kp_path_param *path,
				   struct registry_object *obj)
{
	return in_rust(path) ? registry_rust_ref(obj) : registry_ref(obj);
}

static void put(const struct kp_path_param *path, struct registry_object *obj)
{
	if (in_rust(path))
		registry_rust_put(obj);
	else
		registry_put(obj);
}

static u32 refs_of(const struct kp_path_param *path, struct registry_object *obj)
{
	struct registry_info info = {};

	if (in_rust(path))
		registry_rust_info(obj, &info);
	else
		registry_info(obj, &info);
	return info.refs;
}

static u32 live_in(const struct kp_path_param *path, void *obj)
{
	struct registry_view view;

	kp_view(path->pair, path->id, obj, &view);
	return view.live;
}

static void *make(const struct kp_path_param *path)
{
	u64 param[KP_NR_ARGS] = { REGISTRY_MAX };

	return kp_create(path->pair, path->id, param);
}

/*
 * One object, held by the path's caller in its own language and by this case
 * in C. Each side's references must show in the one count, and either side may
 * be the last to put.
 */
static void shared(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	void *obj = make(path);
	struct registry_object *mine;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_ADD, 0, 7).ret);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_GET, 0, 0).ret);
	if (!held(path, obj, 0)) {
		kp_destroy(path->pair, path->id, obj);
		return;
	}
	KP_EXPECT(test, shared_count, refs_of(path, held(path, obj, 0)) == 2);
	mine = ref(path, held(path, obj, 0));
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_GET, 0, 1).ret);
	KP_EXPECT(test, shared_count, refs_of(path, mine) == 4);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_PUT, 1).ret);
	KP_EXPECT(test, shared_count, refs_of(path, mine) == 3);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_REMOVE, 0).ret);
	KP_EXPECT(test, shared_count, refs_of(path, mine) == 2);
	put(path, mine);
	/* The caller's reference alone keeps it: it can still be read. */
	KP_EXPECT(test, shared_count, live_in(path, obj) == 1);
	KP_EXPECT(test, shared_count,
		  kp_once(path, obj, REGISTRY_VALUE, 0).ret == 7);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_PUT, 0).ret);
	KP_EXPECT(test, shared_count, live_in(path, obj) == 0);
	kp_destroy(path->pair, path->id, obj);
}

/*
 * Objects that are registered, held or both, one of them held by C until last
 * of all: whatever order they go in, none is left. The registry itself is what
 * shows it, as it is not released before the last of its objects.
 */
static void unload(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	struct registry_object *last = NULL;
	u32 name, before = left(path);
	void *obj = make(path);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	for (name = 0; name < 4; name++)
		KUNIT_EXPECT_EQ(test, 0LL,
				kp_once(path, obj, REGISTRY_ADD, name).ret);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_GET, 0, 0).ret);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_REMOVE, 0).ret);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(path, obj, REGISTRY_GET, 1, 1).ret);
	if (held(path, obj, 1))
		last = ref(path, held(path, obj, 1));
	KUNIT_EXPECT_EQ(test, 4, live_in(path, obj));
	kp_destroy(path->pair, path->id, obj);
	if (!last)
		return;
	KP_EXPECT(test, nothing_left, left(path) == before + 1);
	KP_EXPECT(test, nothing_left, refs_of(path, last) == 1);
	put(path, last);
	KP_EXPECT(test, nothing_left, left(path) == before);
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

/* Read the object that was found: it was added with 0. */
static void race_value(struct race *r, u32 slot)
{
	if (kp_once(r->path, r->obj, REGISTRY_VALUE, slot).ret)
		atomic_inc(&r->wrong);
}

/*
 * Look at the count of references, in C. One that was taken up from zero is not a
 * number of references. That the kernel warns of it would not do: it does so once,
 * and taints itself once.
 */
static void race_count(struct race *r, u32 slot)
{
	u32 refs = refs_of(r->path, held(r->path, r->obj, slot));

	if (!refs || refs > RACE_REFS)
		atomic_inc(&r->wrong);
}

/* Look the name up, and read the object that is found. */
static bool race_look(struct race *r, u32 slot,
		      void (*look)(struct race *r, u32 slot))
{
	if (kp_once(r->path, r->obj, REGISTRY_GET, 0, slot).ret)
		return false;
	look(r, slot);
	if (kp_once(r->path, r->obj, REGISTRY_PUT, slot).ret)
		atomic_inc(&r->wrong);
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

	if (!race_look(r, slot, race_value) || !race_look(r, slot, race_count))
		atomic_inc(&r->wrong);
	complete(&r->found);
	for (i = 0; !READ_ONCE(r->stop); i++) {
		if (i % 64 == 0)
			kp_once(r->path, r->obj, REGISTRY_ADD, 0);
		if (!race_look(r, slot, i % 2 ? race_value : race_count))
			continue;
		atomic_inc(&r->hits);
		cond_resched();
	}
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&r->done, 0);
}

/*
 * Each time this thread wakes it stops a reader, wherever that is; and while
 * it sleeps, an object that it removed stays unused memory. So a reader that took its
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
	struct race *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	u32 before = left(path);
	int i, readers = 0, started;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->path = path;
	init_completion(&r->found);
	init_completion(&r->done);
	r->obj = make(path);
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
	kp_destroy(path->pair, path->id, r->obj);
	KP_EXPECT(test, threads, left(path) == before);
}

KP_SUITES(registry,
	  KP_CASE(registry, shared)
	  KP_CASE(registry, unload)
	  KP_CASE(registry, threads));
