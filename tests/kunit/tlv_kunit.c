// SPDX-License-Identifier: GPL-2.0
/*
 * tlv: functions that its invariants call, and the cases of its own.
 */
#include <kunit/test.h>
#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include "tlv_glue.h"
#include "engine/suite.h"

bool tlv_same(const struct tlv_view *a, const struct tlv_view *b)
{
	return !memcmp(a, b, sizeof(*a));
}

u32 tlv_longest(const struct tlv_view *view)
{
	u32 type, longest = 0;

	for (type = 0; type < TLV_TYPES; type++)
		longest = max_t(u32, longest, view->len[type]);
	return longest;
}

/* Verdict of the contract on a message; @last receives its last attribute. */
static s64 judge_message(u32 limit, struct kp_user msg, struct tlv_attr *last)
{
	u32 at, rest, types = 0;

	if (msg.size > TLV_MSG_MAX)
		return -EMSGSIZE;
	if (msg.there < msg.size)
		return -EFAULT;
	for (at = 0; at < msg.size; at += ALIGN(last->len, TLV_ALIGN)) {
		rest = msg.size - at;
		memcpy(last, msg.bytes + at, min(rest, sizeof(*last)));
		if (rest < sizeof(*last) || last->len < sizeof(*last) || last->len > rest)
			return -EINVAL;
		if (last->type >= TLV_TYPES)
			return -EOPNOTSUPP;
		if (last->len - sizeof(*last) > limit)
			return -ERANGE;
		types |= BIT(last->type);
	}
	return hweight32(types);
}

s64 tlv_set_result(const struct tlv_view *was, struct kp_user msg)
{
	struct tlv_attr last;

	return judge_message(was->limit, msg, &last);
}

int tlv_ends_empty(const struct tlv_view *was, struct kp_user msg)
{
	struct tlv_attr last;

	return judge_message(was->limit, msg, &last) > 0 && last.len == sizeof(last) ?
	       last.type : -1;
}

s64 tlv_get_result(const struct tlv_view *was, u32 type, struct kp_user buf)
{
	u32 len;

	if (type >= TLV_TYPES)
		return -EINVAL;
	if (!(was->present & BIT(type)))
		return -ENOENT;
	len = ALIGN(sizeof(struct tlv_attr) + was->len[type], TLV_ALIGN);
	if (len > buf.size)
		return -EMSGSIZE;
	return len > buf.there ? -EFAULT : (s64)len;
}

/* A message and a buffer of the cases' own, in the engine's user memory. */
#define OWN_MESSAGE	kp_user_at(0)
#define OWN_BUFFER	kp_user_at(1)
#define BUFFER_SIZE	64
#define OWN_TYPES	4
#define OWN_PAYLOAD	12
#define OWN_SIZE	64

static void *own_create(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	u64 param[KP_NR_ARGS] = { TLV_PAYLOAD_MAX };
	void *obj;

	KUNIT_ASSERT_EQ(test, 0, kp_user_attach());
	obj = kp_create(path->pair, path->id, param);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	return obj;
}

static void own_destroy(struct kunit *test, void *obj)
{
	const struct kp_path_param *path = test->param_value;

	kp_destroy(path->pair, path->id, obj);
}

/* A message of four attributes of 16 bytes each. */
static void own_message(u8 *msg)
{
	struct tlv_attr attr = { sizeof(attr) + OWN_PAYLOAD };
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 1);
	prandom_bytes_state(&rnd, msg, OWN_SIZE);
	for (; attr.type < OWN_TYPES; attr.type++)
		memcpy(msg + attr.type * attr.len, &attr, sizeof(attr));
}

static s64 own_set(struct kunit *test, void *obj, unsigned long addr, u32 len)
{
	struct kp_slot slot[] = { { .n = len, .p = (void *)addr } };

	return kp_once_slots(test->param_value, obj, TLV_SET, slot);
}

static s64 own_get(struct kunit *test, void *obj, u32 type, unsigned long addr)
{
	struct kp_slot slot[] = { { .n = type }, { .n = BUFFER_SIZE, .p = (void *)addr } };

	return kp_once_slots(test->param_value, obj, TLV_GET, slot);
}

/* Whether the table holds exactly what own_message() makes. */
static bool own_matches(struct kunit *test, void *obj, const u8 *msg)
{
	u8 got[OWN_SIZE / OWN_TYPES];
	u32 type;

	for (type = 0; type < OWN_TYPES; type++)
		if (own_get(test, obj, type, OWN_BUFFER) != sizeof(got) ||
		    copy_from_user(got, (void __user *)OWN_BUFFER, sizeof(got)) ||
		    memcmp(got, msg + type * sizeof(got), sizeof(got)))
			return false;
	return kp_once(test->param_value, obj, TLV_COUNT, 0).ret == OWN_TYPES;
}

/* Start a thread on this thread's CPU, where both stay. */
static struct task_struct *own_thread(int (*run)(void *), void *data)
{
	u32 cpu = raw_smp_processor_id();

	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	return kthread_run_on_cpu(run, data, cpu, "kparity-tlv/%u");
}

/* Set one attribute whose payload is @len times @fill. */
static s64 reply_set(struct kunit *test, void *obj, u32 len, u8 fill)
{
	struct tlv_attr attr = { sizeof(attr) + len, TLV_TYPES - 1 };
	u8 msg[TLV_MSG_MAX];

	memcpy(msg, &attr, sizeof(attr));
	memset(msg + sizeof(attr), fill, len);
	if (copy_to_user((void __user *)OWN_MESSAGE, msg, attr.len))
		return -EIO;
	return own_set(test, obj, OWN_MESSAGE, attr.len);
}

/*
 * Bytes that get leaves in user memory, each compared, for every length. A longer
 * payload was there before, so that old bytes would show in the padding.
 */
static void replies(struct kunit *test)
{
	u8 want[BUFFER_SIZE], got[BUFFER_SIZE];
	void *obj = own_create(test);
	u32 len, wrong = 0;
	s64 ret;

	for (len = 0; len <= TLV_PAYLOAD_MAX; len++) {
		struct tlv_attr attr = { sizeof(attr) + len, TLV_TYPES - 1 };

		kp_alive();
		wrong += reply_set(test, obj, TLV_PAYLOAD_MAX, 0xa5) != 1;
		wrong += reply_set(test, obj, len, 0x11) != 1;
		memset(want, 0x77, sizeof(want));
		if (copy_to_user((void __user *)OWN_BUFFER, want, sizeof(want)))
			wrong++;
		memset(want, 0, ALIGN(attr.len, TLV_ALIGN));
		memcpy(want, &attr, sizeof(attr));
		memset(want + sizeof(attr), 0x11, len);

		ret = own_get(test, obj, attr.type, OWN_BUFFER);
		wrong += ret != ALIGN(attr.len, TLV_ALIGN);
		if (copy_from_user(got, (void __user *)OWN_BUFFER, sizeof(got)) ||
		    memcmp(got, want, sizeof(got)))
			wrong++;
	}
	KP_EXPECT(test, no_leak, !wrong);
	own_destroy(test, obj);
}

/**
 * struct fetch - two pages of user memory that notice being touched
 * @watched: the pages
 * @path: the path
 * @obj: its object
 * @spoil: overwrite the first page when the second one is touched
 * @probe: a thread that uses the table, once it is woken
 * @begun: it has been woken
 * @probed: it could
 * @stuck: it could not while a page was touched
 */
struct fetch {
	struct kp_watched watched;
	const struct kp_path_param *path;
	void *obj;
	bool spoil;
	struct task_struct *probe;
	struct completion begun;
	struct completion probed;
	bool stuck;
};

static int fetch_probe(void *data)
{
	struct fetch *f = data;

	complete(&f->begun);
	kp_once(f->path, f->obj, TLV_COUNT, 0);
	complete(&f->probed);
	return 0;
}

/*
 * The second page is touched after the whole part on the first page has been
 * read. That part is then overwritten: bytes that are read again have changed.
 * The probe sleeps for nothing but a lock, which is held for this fault.
 */
static void fetch_touched(struct kp_watched *w, u32 page)
{
	struct fetch *f = container_of(w, struct fetch, watched);

	if (page && f->spoil)
		memset(page_address(w->page[0]), 0xff, PAGE_SIZE);
	if (w->faults)
		return;
	wake_up_process(f->probe);
	wait_for_completion(&f->begun);
	if (!kp_done_or_asleep(&f->probed, f->probe, TASK_NORMAL))
		f->stuck = true;
}

/* Map the pages, not there until they are touched; with a probe that waits. */
static void fetch_map(struct kunit *test, struct fetch *f)
{
	KUNIT_ASSERT_EQ(test, 0, kp_watched_map(&f->watched));
	reinit_completion(&f->begun);
	reinit_completion(&f->probed);
	f->probe = kthread_create(fetch_probe, f, "kparity-probe");
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->probe));
	get_task_struct(f->probe);
}

static void fetch_unmap(struct fetch *f)
{
	kthread_stop_put(f->probe);
	kp_watched_unmap(&f->watched);
}

/*
 * A message across two pages. It is split at multiples of 16 bytes only, since
 * an instruction that reads across the boundary is restarted after the fault.
 */
static void fetch_set(struct kunit *test, struct fetch *f, u32 split)
{
	u8 msg[OWN_SIZE] __aligned(TLV_ALIGN);
	s64 ret;

	fetch_map(test, f);
	own_message(msg);
	f->spoil = true;
	kp_once(f->path, f->obj, TLV_CLEAR, 0);
	ret = own_set(test, f->obj, kp_watched_put(&f->watched, msg, sizeof(msg), split),
		      sizeof(msg));
	KP_EXPECT(test, faults_in, ret != -EFAULT && f->watched.faults == 2);
	KP_EXPECT(test, read_once, ret == OWN_TYPES && own_matches(test, f->obj, msg));
	memset(page_address(f->watched.page[1]), 0xff, PAGE_SIZE);
	KP_EXPECT(test, copied, own_matches(test, f->obj, msg));
	KP_EXPECT(test, fault_unlocked, !f->stuck);
	fetch_unmap(f);
}

/* An attribute written across two pages. */
static void fetch_get(struct kunit *test, struct fetch *f)
{
	s64 ret;

	fetch_map(test, f);
	f->spoil = false;
	ret = own_get(test, f->obj, 0, f->watched.at + PAGE_SIZE - 8);
	KP_EXPECT(test, faults_in, ret == 16 && f->watched.faults == 2);
	KP_EXPECT(test, fault_unlocked, !f->stuck);
	fetch_unmap(f);
}

static void fetch(struct kunit *test)
{
	struct fetch *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u32 split;

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->path = test->param_value;
	f->watched.touched = fetch_touched;
	init_completion(&f->begun);
	init_completion(&f->probed);
	f->obj = own_create(test);
	for (split = 16; split < OWN_SIZE; split += 16)
		fetch_set(test, f, split);
	fetch_get(test, f);
	own_destroy(test, f->obj);
}

#define FLIP_TIMES	100

/* A message whose first length another thread keeps changing. */
struct flip {
	struct mm_struct *mm;
	u32 failed;
	struct completion done;
};

/*
 * The first attribute has 12 bytes of payload or 4; the other 8 are then an
 * attribute of type 5. Either way the message is valid.
 */
static void flip_message(u8 *msg)
{
	struct tlv_attr inner = { 8, 5 };

	own_message(msg);
	memcpy(msg + 8, &inner, sizeof(inner));
}

/*
 * Wakes up from a timer and, being of a higher priority, interrupts the other
 * thread wherever that happens to be: between two reads of the length, if it
 * has two. Needs no luck with two CPUs that run at the same time.
 */
static int flip_thread(void *data)
{
	u16 __user *len = (u16 __user *)OWN_MESSAGE;
	struct flip *f = data;
	int i;

	sched_set_fifo(current);
	kthread_use_mm(f->mm);
	for (i = 0; i < FLIP_TIMES; i++) {
		kp_alive();
		usleep_range(100, 200);
		f->failed += put_user(i % 2 ? 16 : 8, len) != 0;
	}
	kthread_unuse_mm(f->mm);
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&f->done, 0);
}

/* Set the message once; gives the number of types, or 0 for a mixture. */
static s64 flip_set(struct kunit *test, void *obj)
{
	s64 outer = 16, inner = -ENOENT, ret;

	kp_once(test->param_value, obj, TLV_CLEAR, 0);
	ret = own_set(test, obj, OWN_MESSAGE, OWN_SIZE);
	if (ret == OWN_TYPES + 1) {
		outer = 8;
		inner = 8;
	} else if (ret != OWN_TYPES) {
		return 0;
	}
	if (own_get(test, obj, 0, OWN_BUFFER) != outer ||
	    own_get(test, obj, 5, OWN_BUFFER) != inner ||
	    kp_once(test->param_value, obj, TLV_COUNT, 0).ret != ret)
		return 0;
	return ret;
}

/* Whether the message as it is now is the one with this first length. */
static bool flip_is(struct kunit *test, void *obj, u16 len)
{
	s64 want = len == 8 ? OWN_TYPES + 1 : OWN_TYPES;

	return !put_user(len, (u16 __user *)OWN_MESSAGE) &&
	       flip_set(test, obj) == want;
}

/*
 * The bytes that were checked are those used, although they change meanwhile. That
 * each of both messages is valid is seen without the other thread, which may
 * have had no luck with one of them.
 */
static void flip(struct kunit *test)
{
	struct flip *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u8 msg[OWN_SIZE] __aligned(TLV_ALIGN);
	struct task_struct *task;
	u32 wrong = 0;
	void *obj;

	KUNIT_ASSERT_NOT_NULL(test, f);
	obj = own_create(test);
	f->mm = current->mm;
	init_completion(&f->done);
	flip_message(msg);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)OWN_MESSAGE, msg, sizeof(msg)));
	task = own_thread(flip_thread, f);
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no thread: %pe", task);
	} else {
		do {
			wrong += !flip_set(test, obj);
			cond_resched();
		} while (!completion_done(&f->done));
		wait_for_completion(&f->done);
		KP_EXPECT(test, read_once, !wrong);
		KUNIT_EXPECT_TRUE(test, flip_is(test, obj, 8));
		KUNIT_EXPECT_TRUE(test, flip_is(test, obj, 16));
		KUNIT_EXPECT_EQ(test, f->failed, 0);
	}
	own_destroy(test, obj);
}

#define WHOLE_LOOKS	60

/* A table that one thread sets and clears while another one counts. */
struct whole {
	const struct kp_path_param *path;
	void *obj;
	struct completion done;
	u32 wrong;
};

/*
 * Wakes up from a timer and, being of a higher priority, interrupts the other
 * thread wherever that happens to be: in the midst of a commit, say. Needs no
 * luck with two CPUs that run at the same time.
 */
static int whole_count(void *data)
{
	struct whole *w = data;
	s64 ret;
	int i;

	sched_set_fifo(current);
	for (i = 0; i < WHOLE_LOOKS; i++) {
		kp_alive();
		usleep_range(100, 200);
		ret = kp_once(w->path, w->obj, TLV_COUNT, 0).ret;
		w->wrong += ret && ret != OWN_TYPES;
	}
	kthread_complete_and_exit(&w->done, 0);
}

/* All of the message's types are set at once and cleared at once. */
static void whole(struct kunit *test)
{
	struct whole *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	u8 msg[OWN_SIZE] __aligned(TLV_ALIGN);
	struct task_struct *task;
	u32 wrong = 0;

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->path = test->param_value;
	w->obj = own_create(test);
	init_completion(&w->done);
	own_message(msg);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)OWN_MESSAGE, msg, sizeof(msg)));
	task = own_thread(whole_count, w);
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no thread: %pe", task);
	} else {
		do {
			wrong += own_set(test, w->obj, OWN_MESSAGE, sizeof(msg)) != OWN_TYPES;
			wrong += kp_once(w->path, w->obj, TLV_CLEAR, 0).ret != OWN_TYPES;
			cond_resched();
		} while (!completion_done(&w->done));
		wait_for_completion(&w->done);
		KP_EXPECT(test, whole, !wrong && !w->wrong);
	}
	own_destroy(test, w->obj);
}

KP_SUITES(tlv, KP_CASE(tlv, replies) KP_CASE(tlv, fetch) KP_CASE(tlv, flip)
	  KP_CASE(tlv, whole));
