// SPDX-License-Identifier: GPL-2.0
/*
 * lru: the case of its own, in which memory reclaim calls the cache, by a struct shrinker.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/shrinker.h>
#include "lru_glue.h"
#include "engine/suite.h"

#define RECLAIM_KEYS	4
#define RECLAIM_PINNED	1 /* the key of the one that is pinned */

struct reclaim {
	const struct kp_path_param *path;
	void *obj;
	atomic_t scans;
};

static unsigned long reclaim_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct reclaim *r = shrinker->private_data;

	return kp_once(r->path, r->obj, LRU_COUNT).ret ?: SHRINK_EMPTY;
}

static unsigned long reclaim_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct reclaim *r = shrinker->private_data;

	atomic_inc(&r->scans);
	return kp_once(r->path, r->obj, LRU_SHRINK, sc->nr_to_scan).ret ?: SHRINK_STOP;
}

/*
 * Have the kernel shrink all that has a shrinker, as sysctl vm.drop_caches=2 does. A kernel
 * thread sees no file system that init has mounted, so it mounts one for itself.
 */
static int reclaim_now(void)
{
	struct vfsmount *mnt = kern_mount(get_fs_type("proc"));
	struct file *file;
	loff_t pos = 0;
	ssize_t n;

	if (IS_ERR(mnt))
		return PTR_ERR(mnt);
	file = file_open_root_mnt(mnt, "sys/vm/drop_caches", O_WRONLY, 0);
	n = PTR_ERR_OR_ZERO(file);
	if (!n) {
		n = kernel_write(file, "2", 1, &pos);
		fput(file);
	}
	kern_unmount(mnt);
	return min(n, 0);
}

/* What is left of the cache, when the kernel has taken what it could get. */
static void reclaim_look(struct kunit *test, struct reclaim *r)
{
	u64 key;

	KP_EXPECT(test, reclaim, atomic_read(&r->scans) &&
		  !kp_once(r->path, r->obj, LRU_COUNT).ret);
	for (key = 0; key < RECLAIM_KEYS; key++)
		KP_EXPECT(test, reclaim, kp_once(r->path, r->obj, LRU_GET, key).ret ==
			  (key == RECLAIM_PINNED ? 0 : -ENOENT));
}

static void reclaim(struct kunit *test)
{
	struct reclaim r = { .path = test->param_value };
	struct shrinker *shrinker = shrinker_alloc(0, "kparity-lru");
	u64 key;

	KUNIT_ASSERT_NOT_NULL(test, shrinker);
	r.obj = kp_create(r.path->pair, r.path->id, (u64[KP_NR_ARGS]) { RECLAIM_KEYS });
	if (IS_ERR_OR_NULL(r.obj)) {
		shrinker_free(shrinker);
		KUNIT_FAIL_AND_ABORT(test, "no cache: %pe", r.obj);
	}
	for (key = 0; key < RECLAIM_KEYS; key++)
		KUNIT_EXPECT_EQ(test, 0LL, kp_once(r.path, r.obj, LRU_ADD, key, key).ret);
	KUNIT_EXPECT_EQ(test, 0LL, kp_once(r.path, r.obj, LRU_PIN, RECLAIM_PINNED).ret);
	shrinker->count_objects = reclaim_count;
	shrinker->scan_objects = reclaim_scan;
	shrinker->private_data = &r;
	shrinker_register(shrinker);
	KUNIT_EXPECT_EQ(test, 0, reclaim_now());
	/* No one is in the callbacks any more when this returns. */
	shrinker_free(shrinker);
	reclaim_look(test, &r);
	kp_destroy(r.path->pair, r.path->id, r.obj);
}

KP_SUITES(lru, KP_CASE(lru, reclaim));
