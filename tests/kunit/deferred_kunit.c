// SPDX-License-Identifier: GPL-2.0
/*
 * deferred: probes that callbacks report to, and the cases of its own.
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "deferred_glue.h"
#include "engine/suite.h"

/* Events that the callbacks of one object have seen. */
struct probe {
	atomic_t runs;
	atomic_t releases;
	atomic_t inside;	/* callbacks that are running */
	atomic_t twice;		/* runs that began while another one ran */
	atomic_t late;		/* runs after a release */
	bool linger;		/* take a while, for others to get in the way */
	bool hold;		/* run until told to go on */
	struct completion go_on;
	pid_t run_by;
};

static struct probe probes[DEFERRED_PROBES];
static DECLARE_WAIT_QUEUE_HEAD(released);
static DECLARE_WAIT_QUEUE_HEAD(held);

/* Probes of programs come first; the last one is for cases of the suite. */
#define SUITE_PROBE	(DEFERRED_PROBES - 1)
#define LINGER_US	50

/* The probe that a callback's data names; for any number there is one. */
static struct probe *probe_of(const void *data)
{
	uintptr_t number = (uintptr_t)data;

	return &probes[min(number, SUITE_PROBE)];
}

/*
 * The worker's CPU is the one that armed: unless the callback sleeps now and
 * then, that one rarely gets to see it running. Where it must not sleep,
 * bad_context tells; a hang would tell less.
 */
static void linger(struct probe *p)
{
	bool may_sleep = deferred_in_worker();

	if (p->hold && may_sleep) {
		wake_up(&held);
		wait_for_completion(&p->go_on);
	} else if (may_sleep && atomic_read(&p->runs) % 32 == 0) {
		usleep_range(LINGER_US, 2 * LINGER_US);
	} else {
		udelay(LINGER_US);
	}
}

void deferred_saw_run(void *data)
{
	struct probe *p = probe_of(data);

	if (atomic_inc_return(&p->inside) != 1)
		atomic_inc(&p->twice);
	if (atomic_read(&p->releases))
		atomic_inc(&p->late);
	WRITE_ONCE(p->run_by, current->pid);
	might_sleep();
	cond_resched();
	if (p->linger)
		linger(p);
	kp_inside((uintptr_t)data);
	atomic_inc(&p->runs);
	atomic_dec(&p->inside);
}

void deferred_saw_release(void *data)
{
	atomic_inc(&probe_of(data)->releases);
	wake_up(&released);
}

/* Work that is queued behind an object's. */
static long nothing(void *unused)
{
	return 0;
}

#define QUIET_ROUNDS	25

/*
 * Wait for the event that work on an object must bring about. Work of ours that is queued
 * behind it on the same CPU has run when that has begun. A worker that was
 * preempted then, or sleeps, has had its turn some rounds later: rounds count
 * and not time, so that a slow machine is not taken for an object that is lost.
 * Each run starts anew, but no object of the suite runs more often than one that
 * re-arms itself as often as it may: one that does so for ever brings nothing.
 */
static bool work_brings(const struct probe *p, const atomic_t *what,
			struct wait_queue_head *wq)
{
	int round, cpu, runs;

	for (round = 0; round < QUIET_ROUNDS; round++) {
		runs = atomic_read(&p->runs);
		if (wait_event_timeout(*wq, atomic_read(what),
				       round ? 1 : HZ / 20))
			return true;
		cpus_read_lock();
		for_each_online_cpu(cpu)
			work_on_cpu(cpu, nothing, NULL);
		cpus_read_unlock();
		if (atomic_read(&p->runs) > DEFERRED_MAX_REPEATS + 1)
			break;
		if (atomic_read(&p->runs) != runs)
			round = 0;
	}
	return false;
}

/* Runs of an object that has ended; the next one has its probe as new. */
static int runs_until_release(struct probe *p)
{
	int runs = atomic_xchg(&p->runs, 0);
	int releases = atomic_xchg(&p->releases, 0);
	int late = atomic_xchg(&p->late, 0);

	return releases == 1 && !late && !atomic_read(&p->inside) ? runs : -EPROTO;
}

bool deferred_released_once(const u64 *param)
{
	return runs_until_release(&probes[param[0]]) >= 0;
}

int deferred_wait_release(u32 probe)
{
	struct probe *p = &probes[probe];
	bool came = work_brings(p, &p->releases, &released);
	int runs = runs_until_release(p);

	return came ? runs : -ETIMEDOUT;
}

int deferred_detach_armed(const struct deferred_ops *ops, u32 repeats)
{
	struct deferred *another = ops->create(deferred_saw_run, deferred_saw_release,
					       (void *)DEFERRED_DETACHED);
	int err = PTR_ERR_OR_ZERO(another), runs;

	if (!err) {
		err = ops->arm(another, repeats, 0);
		ops->detach(another);
	}
	/* An object that could not be made has released its data, once, as well. */
	runs = deferred_wait_release(DEFERRED_DETACHED);
	return runs < 0 ? runs : err ?: runs;
}

/* Make an object of the suite's own, and its probe as new. */
static void *suite_object(const struct kp_path_param *path)
{
	u64 param[KP_NR_ARGS] = { SUITE_PROBE };

	memset(&probes[SUITE_PROBE], 0, sizeof(probes[SUITE_PROBE]));
	probes[SUITE_PROBE].linger = true;
	init_completion(&probes[SUITE_PROBE].go_on);
	return kp_create(path->pair, path->id, param);
}

static s64 suite_arm(const struct kp_path_param *path, void *obj, u32 repeats,
		     u32 delay_ms)
{
	return kp_once(path, obj, DEFERRED_ARM, repeats, delay_ms).ret;
}

/* An object that a thread destroys. */
struct doomed {
	const struct kp_path_param *path;
	void *obj;
	struct completion begun;
	struct completion done;
};

static int doomed_destroy(void *data)
{
	struct doomed *d = data;

	complete(&d->begun);
	kp_destroy(d->path->pair, d->path->id, d->obj);
	complete(&d->done);
	return 0;
}

/*
 * Destroy an object whose callback runs, and goes on only when the thread that
 * destroys it sleeps, as it should, or has ended. Returns whether that ended
 * with the callback still running; @destroyer is that thread.
 */
static bool destroy_running(struct kunit *test, const struct kp_path_param *path,
			    void *obj, pid_t *destroyer)
{
	struct probe *p = &probes[SUITE_PROBE];
	struct doomed d = { path, obj };
	struct task_struct *task;
	bool stray;

	init_completion(&d.begun);
	init_completion(&d.done);
	task = kthread_create(doomed_destroy, &d, "kparity-destroy");
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "kthread_create: %pe", task);
		complete_all(&p->go_on);
		kp_destroy(path->pair, path->id, obj);
		return false;
	}
	get_task_struct(task);
	*destroyer = task->pid;
	wake_up_process(task);
	wait_for_completion(&d.begun);
	stray = kp_done_or_asleep(&d.done, task, TASK_NORMAL) &&
		atomic_read(&p->inside);
	complete_all(&p->go_on);
	wait_for_completion(&d.done);
	/* One that slept, but for something else, may have ended too early as well. */
	stray |= atomic_read(&p->inside) > 0;
	kthread_stop_put(task);
	while (atomic_read(&p->inside) > 0)
		usleep_range(LINGER_US, 2 * LINGER_US);
	return stray;
}

#define DESTROY_ROUNDS	90

/* Destroy an object that waits for its delay, is about to run, or runs. */
static void destroy(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	struct probe *p = &probes[SUITE_PROBE];
	u32 i, bad = 0, strays = 0;
	pid_t destroyer, run_by;
	void *obj;
	int runs;

	for (i = 0; i < DESTROY_ROUNDS && !bad && !strays; i++) {
		kp_alive();
		obj = suite_object(path);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
		destroyer = current->pid;
		p->hold = i % 3 == 2;
		bad += suite_arm(path, obj, i % 4, i % 3 ? 0 : 60000) != 0;
		if (p->hold) {
			bad += !work_brings(p, &p->inside, &held);
			strays += destroy_running(test, path, obj,
						  &destroyer);
		} else {
			kp_destroy(path->pair, path->id, obj);
		}

		strays += atomic_read(&p->inside);
		runs = atomic_read(&p->runs);
		bad += atomic_read(&p->releases) != 1 || runs > 1 + i % 4;
		run_by = READ_ONCE(p->run_by);
		if (i % 3 == 2)
			KP_EXPECT(test, from_any_task,
				  runs > 0 && run_by != current->pid &&
				  run_by != destroyer);
		udelay(LINGER_US);
		strays += atomic_read(&p->runs) != runs || atomic_read(&p->late);
	}
	/* A callback that still runs on a destroyed object uses the probe. */
	if (strays)
		work_brings(p, &p->releases, &released);
	KP_EXPECT(test, destroy_final, !bad && !strays);
}

#define RACE_ARMS	1500
#define RACE_ARMS_MAX	(100 * RACE_ARMS)	/* for anything to be seen */

/* An object that one thread arms and another one cancels. */
struct race {
	const struct kp_path_param *path;
	void *obj;
	struct mutex arming;	/* held around each arm */
	struct completion done;
	struct deferred_view before;	/* when the race began */
	bool seen;		/* callbacks that ran, and arms taken back */
	u32 may_run;
	u32 wrong;
};

/* Arm at once and, every third time, for the next tick of the timer. */
static int race_arm(void *data)
{
	struct race *r = data;
	s64 ret;
	int i;

	/* Rounds in which nothing ran, or was taken back, show nothing. */
	for (i = 0; i < RACE_ARMS_MAX; i++) {
		if (i >= RACE_ARMS && READ_ONCE(r->seen))
			break;
		kp_alive();
		mutex_lock(&r->arming);
		ret = suite_arm(r->path, r->obj, i % 4, i % 3 == 0);
		mutex_unlock(&r->arming);
		if (!ret)
			r->may_run += 1 + i % 4;
		else if (ret != -EBUSY)
			r->wrong++;
		if (i % 8 == 0)
			usleep_range(10, 50);
	}
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&r->done, 0);
}

/* Cancel while no one can arm: the number of runs then stays. */
static bool race_runs_after_cancel(struct race *r)
{
	s64 runs;
	bool after;

	mutex_lock(&r->arming);
	kp_once(r->path, r->obj, DEFERRED_CANCEL_SYNC, 0);
	runs = kp_once(r->path, r->obj, DEFERRED_RUNS, 0).ret;
	after = atomic_read(&probes[SUITE_PROBE].inside);
	udelay(LINGER_US);
	after |= kp_once(r->path, r->obj, DEFERRED_RUNS, 0).ret != runs ||
		 kp_once(r->path, r->obj, DEFERRED_ARMED, 0).ret;
	mutex_unlock(&r->arming);
	return after;
}

/* The state while no one arms and nothing runs. */
static struct deferred_view race_view(struct race *r)
{
	struct deferred_view view = {};

	kp_once(r->path, r->obj, DEFERRED_CANCEL_SYNC, 0);
	kp_view(r->path->pair, r->path->id, r->obj, &view);
	return view;
}

/* Whether arming and cancelling work while no other thread is in the way. */
static bool race_works(struct race *r)
{
	const struct probe *p = &probes[SUITE_PROBE];
	bool works;

	r->may_run = 1;
	works = !suite_arm(r->path, r->obj, 0, 60000) &&
		kp_once(r->path, r->obj, DEFERRED_CANCEL, 0).ret == 1 &&
		!suite_arm(r->path, r->obj, 0, 0) &&
		work_brings(p, &p->runs, &released);
	r->before = race_view(r);
	return works;
}

/* Judge the state that the race ended in; this thread took back @taken arms. */
static void race_end(struct kunit *test, struct race *r, u32 taken)
{
	struct deferred_view now = race_view(r);

	KP_EXPECT(test, one_end, now.arms == now.runs + now.cancelled + now.armed);
	KUNIT_EXPECT_EQ(test, now.armed, 0);
	KUNIT_EXPECT_EQ(test, now.bad_context, 0);
	KUNIT_EXPECT_TRUE_MSG(test, r->seen,
			      "%u arms taken back and %u runs in %d arms",
			      taken, now.runs - r->before.runs, RACE_ARMS_MAX);
	KUNIT_EXPECT_GT(test, now.runs, r->before.runs);
	KUNIT_EXPECT_GE(test, now.cancelled, r->before.cancelled + taken);
	KUNIT_EXPECT_LE(test, now.runs, r->may_run);
	KUNIT_EXPECT_EQ(test, now.runs,
			atomic_read(&probes[SUITE_PROBE].runs));
	KUNIT_EXPECT_EQ(test, r->wrong, 0);
}

/*
 * One thread arms, this one cancels, in turns with and without waiting; half
 * of the time the callback re-arms itself meanwhile.
 */
static void cancel(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	struct race *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	const struct probe *p = &probes[SUITE_PROBE];
	struct task_struct *task;
	u32 after = 0, round = 0, taken = 0;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->path = path;
	mutex_init(&r->arming);
	init_completion(&r->done);
	r->obj = suite_object(path);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r->obj);
	task = race_works(r) ?
	       kthread_run(race_arm, r, "kparity-arm") : ERR_PTR(-EPROTO);
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no thread that arms: %pe", task);
	} else {
		while (!try_wait_for_completion(&r->done)) {
			taken += kp_once(path, r->obj, round++ % 2 ?
					 DEFERRED_CANCEL : DEFERRED_CANCEL_SYNC,
					 0).ret == 1;
			after += race_runs_after_cancel(r);
			if (taken && atomic_read(&p->runs) > 1)
				WRITE_ONCE(r->seen, true);
			usleep_range(10, 50);
		}
		race_end(test, r, taken);
		KP_EXPECT(test, cancel_final, !after);
		KP_EXPECT(test, not_twice, !atomic_read(&p->twice));
	}
	kp_destroy(path->pair, path->id, r->obj);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->releases), 1);
}

/* The operations that do not sleep, with preemption off. */
static void nosleep(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	void *obj = suite_object(path);
	unsigned long switches;
	bool right;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	preempt_disable();
	switches = current->nvcsw;
	/* The worker of this CPU cannot run: an armed callback stays armed. */
	right = kp_once(path, obj, DEFERRED_ARM, 1).ret == 0 &&
		kp_once(path, obj, DEFERRED_ARM, 1).ret == -EBUSY &&
		kp_once(path, obj, DEFERRED_ARMED, 0).ret == 1 &&
		kp_once(path, obj, DEFERRED_CANCEL, 0).ret == 1 &&
		kp_once(path, obj, DEFERRED_RUNS, 0).ret == 0;
	switches = current->nvcsw - switches;
	preempt_enable();
	KP_EXPECT(test, arm_never_sleeps, right && !switches);
	/* What counts runs in a wrong context knows one: this thread is no worker. */
	KUNIT_EXPECT_FALSE(test, deferred_in_worker());
	kp_destroy(path->pair, path->id, obj);
	KUNIT_EXPECT_EQ(test, atomic_read(&probes[SUITE_PROBE].releases), 1);
}

KP_SUITES(deferred, KP_CASE(deferred, destroy) KP_CASE(deferred, cancel)
	  KP_CASE(deferred, nosleep));
