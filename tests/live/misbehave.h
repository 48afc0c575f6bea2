/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A case that misbehaves, for tests of the runner: in the suite
 * of a new pair beside the project, see test_survival.py. Which
 * misdeed is the seed's choice; it is done on one path, so that what ran
 * before and after it must have a verdict of its own.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#define FLOOD_BYTES	(100u << 20)
/* The amount at which test_survival.py has Rust's take look beyond an array. */
#define RUST_PANICS_AT	4242

enum misdeed {
	PANIC = 100, OOPS, SPIN, DEADLOCK, SLEEP, EXHAUST, REBOOT, FLOOD,
	FAKE_KTAP, TRUNCATE, WARNING, HOSTILE_LOG, LOCK_ORDER, LEAK, USE_AFTER_FREE,
	SHIFT, SLEEP_ATOMIC, ALIVE, OVERFLOW_STACK, RUST_PANIC, LOADED, UNLOADED,
	STALL, HUNG, DELAY, DEADLOCK_IRQ, SPIN_CPU_1, PAUSE, WHISPER, LATE_OOPS,
};

static DEFINE_SPINLOCK(misbehave_lock);
static DEFINE_MUTEX(misbehave_a);
static DEFINE_MUTEX(misbehave_b);
static DECLARE_COMPLETION(never);
static int misbehave_shift = 40;

/* Misdeeds outside of any case: while the module is loaded, or taken out again. */
static void misbehave_outside(enum misdeed misdeed)
{
	if (kp_seed == misdeed)
		panic("asked for");
}

static void late_oops(struct work_struct *unused);
static DECLARE_DELAYED_WORK(late_work, late_oops);

/* The work that is late comes while the module is still there, on any machine. */
static void misbehave_late(void)
{
	if (kp_seed == LATE_OOPS)
		flush_delayed_work(&late_work);
}

/* KP_SUITES() calls these where the module is loaded and unloaded. */
#define kp_pair_register(pair, suites) \
	(misbehave_outside(LOADED), kp_pair_register(pair, suites))
#define kp_pair_unregister(pair) \
	(misbehave_outside(UNLOADED), misbehave_late(), \
	 kp_pair_unregister(pair))

static noinline void oops(void)
{
	int *nowhere = (int *)8;

	OPTIMIZER_HIDE_VAR(nowhere);
	WRITE_ONCE(*nowhere, 0);
}

/* The kernel itself drops most of what is printed too fast; a UART does not. */
static void flood(void)
{
	static char line[900];
	u32 i;

	memset(line, 'x', sizeof(line) - 1);
	for (i = 0; i < FLOOD_BYTES / sizeof(line); i++)
		pr_err("%s\n", line);
#ifdef CONFIG_X86
	for (i = 0; i < FLOOD_BYTES; i++)
		outb('x', 0x3f8);
#endif
}

static void fake_ktap(struct kunit *test)
{
	pr_err("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: fault\n");
	pr_err("        ok 3 rust->c\nok 1 fault\n");
	pr_err("kparity[00000000]: at fault lockstep c->c 0\n");
	kunit_info(test, "ok 3 rust->c");
	KUNIT_FAIL(test, "a real failure");
}

/* The first members of struct string_stream, lib/kunit/string-stream.h. */
struct stream_head {
	size_t length;
	struct list_head fragments;
};

static void truncate(struct kunit *test)
{
	INIT_LIST_HEAD(&((struct stream_head *)test->log)->fragments);
}

static void hostile_log(struct kunit *test)
{
	u32 i;

	kunit_err(test, "\x1b[2J\x1b]0;owned\x07\xff\xfe\xc3\x28 <b>&amp;</b> ]]>\n");
	kunit_err(test, "ok 1 nothing # SKIP\nnot ok 99 something\n1..0\nBail out!\n");
	kunit_err(test, "x\n        ok 3 rust->c\n        ok 1 c->c\n");
	for (i = 0; i < 1000; i++)
		kunit_err(test, "%0250d", i);
	KUNIT_FAIL(test, "a real failure");
}

static void lock_order(void)
{
	mutex_lock(&misbehave_a);
	mutex_lock(&misbehave_b);
	mutex_unlock(&misbehave_b);
	mutex_unlock(&misbehave_a);
	mutex_lock(&misbehave_b);
	mutex_lock(&misbehave_a);
	mutex_unlock(&misbehave_a);
	mutex_unlock(&misbehave_b);
}

static noinline int overflow_stack(int depth)
{
	char frame[512];

	memset(frame, depth, sizeof(frame));
	OPTIMIZER_HIDE_VAR(depth);
	if (READ_ONCE(misbehave_shift) == INT_MAX)
		return 0;
	return overflow_stack(depth + 1) + READ_ONCE(frame[depth % 512]);
}

static void late_oops(struct work_struct *unused)
{
	oops();
}

static void rust_panic(const struct kp_pair *pair)
{
	struct kp_path_param path = { pair, KP_C_RUST };
	u64 param[KP_NR_ARGS] = { 1 };

	kp_once(&path, kp_create(pair, KP_C_RUST, param), FAULT_TAKE, RUST_PANICS_AT);
}

/* No misdeed: a guest whose CPUs do not wait as long as they are told is one. */
static void delay(struct kunit *test)
{
	ktime_t begun;
	int cpu;

	for_each_online_cpu(cpu) {
		KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(cpu)), 0);
		begun = ktime_get();
		mdelay(20);
		KUNIT_EXPECT_GE(test, ktime_ms_delta(ktime_get(), begun), 19);
	}
}

/*
 * Set one of the kernel's limits. On its command line these would be words that no
 * saved state has: the guest would have to boot.
 */
static void limit(struct kunit *test, const char *name, const char *value)
{
	struct file *file;
	loff_t pos = 0;

	/* A kernel thread sees no files but through the eyes of init. */
	scoped_with_init_fs()
		file = filp_open(name, O_WRONLY, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_EXPECT_EQ(test, kernel_write(file, value, strlen(value), &pos),
			(ssize_t)strlen(value));
	__fput_sync(file);
}

/* No quiescent state of RCU, as the CPU is not idle for it; and 10 s less of the host's time. */
static __always_inline void wait_for_tick(void)
{
#ifdef CONFIG_X86
	asm volatile("hlt");
#else
	cpu_relax();
#endif
}

static void misbehave(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	char *bytes;
	unsigned long end;

	if (path->id != KP_RUST_C)
		return;
	switch (kp_seed) {
	case PANIC:
		panic("asked for");
	case OOPS:
		oops();
		break;
	/* Which CPU takes the host's keys decides how the other one is told of. */
	case SPIN:
	case SPIN_CPU_1:
		set_cpus_allowed_ptr(current, cpumask_of(kp_seed == SPIN_CPU_1));
		local_irq_disable();
		for (;;)
			cpu_relax();
	case DEADLOCK:
		spin_lock(&misbehave_lock);
		spin_lock(&misbehave_lock);
		break;
	case SLEEP:
		wait_for_completion(&never);
		break;
	case EXHAUST:
		while (alloc_page(GFP_KERNEL))
			;
		break;
	case REBOOT:
		emergency_restart();
		break;
	case FLOOD:
		flood();
		break;
	case FAKE_KTAP:
		fake_ktap(test);
		break;
	case TRUNCATE:
		truncate(test);
		break;
	case WARNING:
		WARN(1, "asked for");
		break;
	case HOSTILE_LOG:
		hostile_log(test);
		break;
	case LOCK_ORDER:
		lock_order();
		break;
	case LEAK:
		for (end = 0; end < 4; end++) {
			bytes = kmalloc(77, GFP_KERNEL);
			WRITE_ONCE(*bytes, 1);
		}
		bytes = NULL;
		break;
	case USE_AFTER_FREE:
		bytes = kmalloc(77, GFP_KERNEL);
		kfree(bytes);
		WRITE_ONCE(bytes[1], 1);
		break;
	case SHIFT:
		WRITE_ONCE(misbehave_shift, 1 << READ_ONCE(misbehave_shift));
		break;
	case SLEEP_ATOMIC:
		spin_lock(&misbehave_lock);
		might_sleep();
		spin_unlock(&misbehave_lock);
		break;
	case ALIVE:
		for (end = jiffies + 7 * HZ; time_before(jiffies, end); msleep(100))
			kp_alive();
		break;
	case STALL:
		limit(test, "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout",
		      "3");
		/* A stall is one of a grace period that began with that limit. */
		synchronize_rcu();
		start_poll_synchronize_rcu();
		/* Lockdep's RCU allows 5 s more. */
		preempt_disable();
		for (end = jiffies + 10 * HZ; time_before(jiffies, end);)
			wait_for_tick();
		preempt_enable();
		break;
	case HUNG:
		/* Tasks are looked at as often. The host waits for 12 s in this variant. */
		limit(test, "/proc/sys/kernel/hung_task_timeout_secs", "2");
		schedule_timeout_uninterruptible(7 * HZ);
		break;
	case OVERFLOW_STACK:
		misbehave_shift = overflow_stack(0);
		break;
	case RUST_PANIC:
		rust_panic(path->pair);
		break;
	case DELAY:
		delay(test);
		break;
	/* Longer than SILENCE=3; then it goes on. */
	case PAUSE:
		msleep(5000);
		break;
	/* As above, with lines that the console's log level leaves out. */
	case WHISPER:
		for (end = jiffies + 5 * HZ; time_before(jiffies, end); msleep(300))
			pr_info("whispering\n");
		break;
	/* When the suite has run: that of another pair runs then, or nothing. */
	case LATE_OOPS:
		schedule_delayed_work(&late_work, HZ / 2);
		break;
	case DEADLOCK_IRQ:
		spin_lock_irq(&misbehave_lock);
		spin_lock_irq(&misbehave_lock);
		break;
	}
}
