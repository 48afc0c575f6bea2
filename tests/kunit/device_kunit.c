// SPDX-License-Identifier: GPL-2.0
/*
 * device: the cases of its own, threads that share a unit, and the nodes.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include "device_glue.h"
#include "engine/suite.h"

#define FEEDS		2000
#define CAPACITY	8
#define BIAS		1000

/* A unit that threads share, and their results. */
struct shared {
	const struct kp_path_param *path;
	void *obj;
	u32 reads;
	s64 ret;
	u32 wrong;
	struct completion begun;	/* once for each thread */
	struct completion done;
	bool alone;	/* the reader is the only thread that uses the unit */
	bool stop;
};

static struct kp_result once(struct shared *s, u32 op, u64 arg)
{
	return kp_once(s->path, s->obj, op, arg);
}

/* Run a configured unit whose samples are biased, on a fresh object. */
static struct shared *share(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	const u64 param[KP_NR_ARGS] = { CAPACITY };
	struct shared *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->path = path;
	init_completion(&s->begun);
	init_completion(&s->done);
	s->obj = kp_create(path->pair, path->id, param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, s->obj);
	KUNIT_EXPECT_EQ(test, 0LL,
			kp_once(path, s->obj, DEVICE_CONFIGURE, CAPACITY, 0, BIAS).ret);
	KUNIT_EXPECT_EQ(test, 0LL,
			kp_once(path, s->obj, DEVICE_COMMAND, DEVICE_IOC_START).ret);
	return s;
}

/* Check what the unit itself saw of its locks, then destroy it. */
static void unshare(struct kunit *test, struct shared *s)
{
	struct device_view view = {};

	kp_view(s->path->pair, s->path->id, s->obj, &view);
	KP_EXPECT(test, guard_thread, !view.misowned);
	KP_EXPECT(test, lock_order, !view.misordered);
	kp_destroy(s->path->pair, s->path->id, s->obj);
}

/* Read consecutive samples, blocking, until one fails. */
static int reader(void *data)
{
	struct shared *s = data;
	struct kp_result res;
	u32 i;

	complete(&s->begun);
	allow_signal(SIGTERM);
	for (i = 0; i < s->reads; i++) {
		res = once(s, DEVICE_READ, 0);
		WRITE_ONCE(s->ret, res.ret);
		if (res.ret)
			break;
		if (res.out != BIAS + i)
			WRITE_ONCE(s->wrong, s->wrong + 1);
	}
	complete(&s->done);
	return 0;
}

/* Stop and start the unit again and again, and look at it. */
static int meddler(void *data)
{
	struct shared *s = data;

	complete(&s->begun);
	while (!READ_ONCE(s->stop)) {
		once(s, DEVICE_POLL, 0);
		once(s, DEVICE_COMMAND, DEVICE_IOC_STOP);
		once(s, DEVICE_COMMAND, DEVICE_IOC_START);
		cond_resched();
	}
	return 0;
}

/* A thread that has begun, and that the case can wait for even after it has returned. */
static struct task_struct *spawn(struct kunit *test, int (*fn)(void *),
				 struct shared *s)
{
	struct task_struct *task = kthread_create(fn, s, "kparity-device");

	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "kthread_create: %pe", task);
		return NULL;
	}
	get_task_struct(task);
	wake_up_process(task);
	wait_for_completion(&s->begun);
	return task;
}

/*
 * Wait until a reader is done; false if it sleeps, and no one will wake it. A
 * reader that is alone with the unit sleeps for a sample, in whatever state;
 * one that is not sleeps for a lock as well, but not so that signals wake it.
 */
static bool reads_on(struct shared *s, struct task_struct *task)
{
	return kp_done_or_asleep(&s->done, task,
				 s->alone ? TASK_NORMAL : TASK_INTERRUPTIBLE);
}

/* End a reader, by a signal or, where it heeds none, by a sample. */
static void end_reader(struct shared *s, struct task_struct *task)
{
	send_sig(SIGTERM, task, 1);
	if (!reads_on(s, task))
		once(s, DEVICE_FEED, 0);
	kthread_stop_put(task);
}

/* A reader that sleeps is woken by a sample. */
static void blocking(struct kunit *test)
{
	struct shared *s = share(test);
	struct task_struct *task;
	bool done;

	s->reads = 1;
	s->alone = true;
	task = spawn(test, reader, s);
	if (task) {
		KP_EXPECT(test, blocks, !reads_on(s, task));
		KUNIT_EXPECT_EQ(test, once(s, DEVICE_FEED, 0).ret, 0LL);
		done = reads_on(s, task);
		KP_EXPECT(test, blocks, done && !s->ret && !s->wrong);
		end_reader(s, task);
	}
	unshare(test, s);
}

/* A reader that sleeps is woken by a signal, and takes nothing with it. */
static void interrupted(struct kunit *test)
{
	struct shared *s = share(test);
	struct task_struct *task;
	struct kp_result res;
	bool done;

	s->reads = 1;
	s->alone = true;
	task = spawn(test, reader, s);
	if (task) {
		/* The reader sleeps, and so has allowed the signal before. */
		KP_EXPECT(test, interruptible, !reads_on(s, task));
		send_sig(SIGTERM, task, 1);
		done = reads_on(s, task);
		KP_EXPECT(test, interruptible, done && s->ret == -ERESTARTSYS);
		end_reader(s, task);
		KUNIT_EXPECT_EQ(test, once(s, DEVICE_FEED, 5).ret, 0LL);
		res = once(s, DEVICE_READ, 1);
		KP_EXPECT(test, interruptible, !res.ret && res.out == BIAS + 5);
	}
	unshare(test, s);
}

/*
 * This thread feeds consecutive values, one reads them, one gets in the way. A
 * value that is lost, repeated or out of order shows at once. So does a reader
 * that was not told of one: it sleeps while the queue is full.
 */
static void threads(struct kunit *test)
{
	struct shared *s = share(test);
	struct task_struct *read, *meddle;
	unsigned long asleep;
	bool done = false;
	u64 value = 0;
	s64 ret;

	s->reads = FEEDS;
	read = spawn(test, reader, s);
	meddle = spawn(test, meddler, s);
	while (read && meddle && value < FEEDS && !completion_done(&s->done)) {
		asleep = kp_asleep(read, TASK_INTERRUPTIBLE);
		ret = once(s, DEVICE_FEED, value).ret;
		if (!ret) {
			value++;
			kp_alive();
		} else if (ret != -ENOSPC && ret != -EBUSY) {
			break;
		} else if (ret == -ENOSPC && asleep &&
			   asleep == kp_asleep(read, TASK_INTERRUPTIBLE)) {
			break; /* it has slept all the while */
		}
		cond_resched();
	}
	if (read) {
		if (value == FEEDS)
			done = reads_on(s, read);
		KP_EXPECT(test, in_order, done && !s->ret && !s->wrong);
		end_reader(s, read);
	}
	WRITE_ONCE(s->stop, true);
	if (meddle)
		kthread_stop_put(meddle);
	unshare(test, s);
}

/* How many hold this module; -1 where it is built into the kernel, which nobody holds. */
static int refs_of_module(void)
{
#ifdef MODULE
	return module_refcount(THIS_MODULE);
#else
	return -1;
#endif
}

static void judge_pinned(struct kunit *test, const struct file_operations *fops, int refs)
{
	if (refs < 0) {
		KP_CANNOT_JUDGE(test, module_pinned);
		return;
	}
	KP_EXPECT(test, module_pinned, fops->owner == THIS_MODULE);
	KP_EXPECT(test, module_pinned, refs_of_module() == refs + 1);
}

/* What is built in runs while the kernel boots, and nothing is mounted at /dev by then. */
static void skip_node(struct kunit *test)
{
	KP_CANNOT_JUDGE(test, module_pinned);
	KP_CANNOT_JUDGE(test, node_ioctl);
	KP_CANNOT_JUDGE(test, node_read);
	KP_CANNOT_JUDGE(test, numbers);
	kunit_skip(test, "nothing is mounted at /dev while the kernel boots");
}

/* The node of the path's implementation, opened from within the kernel. */
static void node(struct kunit *test)
{
	static const u32 number[] = {
		DEVICE_IOC_CONFIGURE, DEVICE_IOC_START, DEVICE_IOC_STOP,
		DEVICE_IOC_RESET, DEVICE_IOC_FEED, DEVICE_IOC_STATUS,
	};
	/* Results on a unit that is idle. */
	static const long expected[] = {
		-EFAULT, -EBUSY, -EBUSY, 0, -EFAULT, -EFAULT,
	};
	const struct kp_path_param *path = test->param_value;
	bool c = path->id == KP_C_C || path->id == KP_RUST_C;
	int refs = refs_of_module();
	const struct file_operations *fops;
	struct file *file;
	loff_t pos = 0;
	u64 value;
	u32 i;

	/* A kernel thread sees no files but through the eyes of init. */
	scoped_with_init_fs()
		file = filp_open(c ? "/dev/kparity-device-c" :
				 "/dev/kparity-device-rust",
				 O_RDWR | O_NONBLOCK, 0);
	if (refs < 0 && PTR_ERR_OR_ZERO(file) == -ENOENT)
		skip_node(test);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	fops = file->f_op;
	judge_pinned(test, fops, refs);
	/* An argument that no one can read is looked at where there should be one. */
	for (i = 0; i < ARRAY_SIZE(number); i++)
		KP_EXPECT(test, numbers,
			  fops->unlocked_ioctl(file, number[i], 1) == expected[i]);
	KP_EXPECT(test, node_ioctl,
		  fops->unlocked_ioctl(file, _IO(DEVICE_IOC_MAGIC, 99), 1) == -ENOTTY);
	/* The right number, but for the direction and the size. */
	KP_EXPECT(test, node_ioctl,
		  fops->unlocked_ioctl(file, _IO(DEVICE_IOC_MAGIC, 1), 1) == -ENOTTY);
	KP_EXPECT(test, node_read, vfs_poll(file, NULL) == 0);
	KP_EXPECT(test, node_read,
		  kernel_read(file, &value, sizeof(value), &pos) == -EAGAIN);
	KP_EXPECT(test, node_read,
		  kernel_read(file, &value, sizeof(value) - 1, &pos) == -EINVAL);
	/* Not fput(), which in a kernel thread takes effect later. */
	__fput_sync(file);
	if (refs >= 0)
		KP_EXPECT(test, module_pinned, refs_of_module() == refs);
}

KP_SUITES(device, KP_CASE(device, blocking) KP_CASE(device, interrupted)
	  KP_CASE(device, threads) KP_CASE(device, node));
