// SPDX-License-Identifier: GPL-2.0
/*
 * ring: the case of its own, a producer and a consumer on two CPUs.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "ring_glue.h"
#include "engine/suite.h"

#define SPSC_VALUES	(IS_ENABLED(CONFIG_KCSAN) ? 15000 : 5000) /* it looks at few */
#define SPSC_TRIES	100	/* of an end of the ring, before it sleeps */

/* A ring that is shared between a producer and a consumer. */
struct spsc {
	const struct kp_path_param *path;
	void *obj;
	struct completion done;
	bool stop;
	atomic_t pushed;	/* values */
	atomic_t refused;	/* pushes */
	u32 failed;		/* values */
};

/*
 * Wait for the other end of the ring to do something. It does so at once if it
 * runs on another CPU, and only then do both ends meet. Where they share one, as
 * the virtual CPUs of a busy host do, an end that never sleeps keeps the other
 * one waiting for a time slice at each turn.
 */
static void spsc_wait(u32 *tries)
{
	if (++*tries % SPSC_TRIES)
		cond_resched();
	else
		usleep_range(10, 50);
}

static int spsc_produce(void *data)
{
	struct spsc *s = data;
	u32 tries;
	s64 ret;
	u64 value;

	for (value = 0; value < SPSC_VALUES && !READ_ONCE(s->stop); value++) {
		tries = 0;
		for (;;) {
			ret = kp_once(s->path, s->obj, RING_PUSH, value).ret;
			if (ret != -ENOSPC || READ_ONCE(s->stop))
				break;
			atomic_inc_return_release(&s->refused);
			spsc_wait(&tries);
		}
		cond_resched();
		if (ret)
			s->failed++;
		atomic_inc_return_release(&s->pushed);
	}
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&s->done, 0);
}

/*
 * Take a value, once there is one. A ring that is empty although all values have
 * been pushed has lost one; so has one that is empty and, although nothing is
 * pushed or popped, full. The second refusal of a push since then is of one that
 * began since then.
 */
static struct kp_result spsc_pop(struct spsc *s)
{
	int pushed, was_pushed = -1, was_refused = 0;
	struct kp_result res;
	u32 tries = 0;

	for (;;) {
		pushed = atomic_read_acquire(&s->pushed);
		res = kp_once(s->path, s->obj, RING_POP, 0);
		if (res.ret != -ENODATA || pushed == SPSC_VALUES)
			return res;
		if (pushed != was_pushed) {
			was_pushed = pushed;
			was_refused = atomic_read_acquire(&s->refused);
		} else if (atomic_read_acquire(&s->refused) - was_refused >= 2 &&
			   atomic_read_acquire(&s->pushed) == pushed) {
			return res;
		}
		spsc_wait(&tries);
	}
}

/*
 * The producer is a thread, the consumer is this one. Values are consecutive,
 * so one that is lost, repeated or out of order shows at once.
 */
static void spsc(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	struct spsc *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	u64 param[KP_NR_ARGS] = { 16 };
	struct task_struct *task;
	struct kp_result res;
	bool wrong = false;
	u64 value;

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->path = path;
	init_completion(&s->done);
	s->obj = kp_create(path->pair, path->id, param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, s->obj);
	task = kthread_run_on_cpu(spsc_produce, s, kp_other_cpu(), "kparity-push/%u");
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no producer: %pe", task);
	} else {
		for (value = 0; value < SPSC_VALUES && !wrong; value++) {
			res = spsc_pop(s);
			wrong = res.ret || res.out != value;
			kp_alive();
		}
		/* A consumer that has given up must not leave the producer to wait. */
		WRITE_ONCE(s->stop, true);
		wait_for_completion(&s->done);
		KP_EXPECT(test, spsc, !wrong);
		KP_EXPECT(test, two_ends, wrong || !s->failed);
	}
	kp_destroy(path->pair, path->id, s->obj);
}

KP_SUITES(ring, KP_CASE(ring, spsc));
