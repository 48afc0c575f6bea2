// SPDX-License-Identifier: GPL-2.0
/*
 * Case locks: which locks an operation takes, as lockdep sees it, is what its row says.
 *
 * A lock that one operation does not take, or that it takes twice where once was meant, is told
 * of although one thread alone calls it: no other one has to come in between. A call that fails may
 * find that out before it takes any.
 *
 * Only the pair's own locks count: those whose key, a static object where the lock is made
 * (struct lock_class_key, static_lock_class!), is in the pair's module. Those of the kernel, as the
 * allocator's, are its own affair. Of the pair's are also the locks of its wait queues.
 */
#include <linux/array_size.h>
#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/seq_buf.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include "engine.h"

#ifdef KP_LOCKS
/* Programs that run in any case. More do while an operation has not taken what it should. */
#define PROGRAMS	8

static const char *const kind_name[] = {
	[KP_SPINLOCK] = "spinlock",
	[KP_MUTEX] = "mutex",
};

/* Locks of one kind that calls of an operation have taken. */
struct taken {
	u32 most;		/* of one call */
	u32 least;		/* of one that succeeded */
	const char *name;	/* the last one's, of the call that took most */
	const char *irq_on;	/* that of one taken with interrupts enabled */
};

static struct {
	struct task_struct *task;	/* that is in a call of an operation */
	const struct kp_pair *pair;
	struct tracepoint *point;
	struct taken now[KP_LOCK_KINDS];
	struct taken op[KP_MAX_OPS][KP_LOCK_KINDS];
	u32 calls[KP_MAX_OPS];
	u32 succeeded[KP_MAX_OPS];
} locks;

static void on_acquire(void *unused, struct lockdep_map *lock, unsigned int subclass,
		       int trylock, int read, int check, struct lockdep_map *nest,
		       unsigned long ip)
{
	struct taken *taken;

	/* Works, timers and the like have maps that stand for no lock. */
	if (READ_ONCE(locks.task) != current || !in_task() ||
	    lock->wait_type_inner == LD_WAIT_INV ||
	    !within_module((unsigned long)(lock->key ?: (void *)lock), locks.pair->owner))
		return;
	taken = &locks.now[lock->wait_type_inner == LD_WAIT_SLEEP ? KP_MUTEX : KP_SPINLOCK];
	taken->most++;
	taken->name = lock->name;
	if (!irqs_disabled())
		taken->irq_on = lock->name;
}

static void find_point(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "lock_acquire"))
		locks.point = tp;
}

/**
 * kp_locks_enter() - an operation is about to be called
 * @trace: the trace of its program
 *
 * Context: that of the operation.
 */
void kp_locks_enter(const struct kp_trace *trace)
{
	if (!locks.pair || trace->pair != locks.pair)
		return;
	memset(locks.now, 0, sizeof(locks.now));
	WRITE_ONCE(locks.task, current);
}

/**
 * kp_locks_leave() - the operation has returned
 * @op: the operation's number
 * @ret: what it returned
 *
 * Context: that of the operation.
 */
void kp_locks_leave(u32 op, s64 ret)
{
	bool succeeded;
	u32 kind;

	if (READ_ONCE(locks.task) != current)
		return;
	WRITE_ONCE(locks.task, NULL);
	succeeded = !kp_end(&locks.pair->operation[op], ret);
	locks.calls[op]++;
	for (kind = 0; kind < KP_LOCK_KINDS; kind++) {
		const struct taken *now = &locks.now[kind];
		struct taken *sum = &locks.op[op][kind];

		if (now->most > sum->most) {
			sum->most = now->most;
			sum->name = now->name;
		}
		sum->irq_on = now->irq_on ?: sum->irq_on;
		if (succeeded && (!locks.succeeded[op] || now->most < sum->least))
			sum->least = now->most;
	}
	locks.succeeded[op] += succeeded;
}

/* An adapter is made of operations, and of the suite's own locks. */
static bool is_judged(const struct kp_pair *pair, u32 op)
{
	return pair->operation[op].weight && !pair->operation[op].alone;
}

/* Whether each operation has taken as many locks as its row wants of some call. */
static bool all_seen(const struct kp_pair *pair)
{
	u32 op, kind;

	for (op = 1; op < pair->nr_ops; op++)
		for (kind = 0; kind < KP_LOCK_KINDS && is_judged(pair, op); kind++)
			if (locks.op[op][kind].most < pair->operation[op].takes[kind].least)
				return false;
	return true;
}

static void print_row(struct seq_buf *s, const struct kp_takes *takes, u32 kind)
{
	if (!takes->most)
		seq_buf_puts(s, "none");
	else if (takes->most == KP_ANY_NUMBER)
		seq_buf_printf(s, "any %s", kind_name[kind]);
	else if (takes->least == takes->most)
		seq_buf_printf(s, "%u %s", takes->most, kind_name[kind]);
	else
		seq_buf_printf(s, "%u to %u %s", takes->least, takes->most, kind_name[kind]);
	if (takes->irq_off)
		seq_buf_puts(s, " irq-off");
}

static void judge(struct kunit *test, const struct kp_pair *pair, u32 op, u32 kind)
{
	const struct kp_takes *row = &pair->operation[op].takes[kind];
	const struct taken *taken = &locks.op[op][kind];
	const char *name = pair->operation[op].name;
	struct seq_buf s;
	char said[40];

	seq_buf_init(&s, said, sizeof(said));
	print_row(&s, row, kind);
	if (taken->most > row->most)
		KUNIT_FAIL(test, "%s: a call took %u %s, the last one \"%s\"; its row says %s",
			   name, taken->most, kind_name[kind], taken->name, seq_buf_str(&s));
	else if (taken->most < row->least)
		KUNIT_FAIL(test, "%s: none of %u calls took more than %u %s; its row says %s",
			   name, locks.calls[op], taken->most, kind_name[kind], seq_buf_str(&s));
	else if (locks.succeeded[op] && taken->least < row->least)
		KUNIT_FAIL(test, "%s: a call that succeeded took %u %s, others %u; its row says %s",
			   name, taken->least, kind_name[kind], taken->most, seq_buf_str(&s));
	if (row->irq_off && taken->irq_on)
		KUNIT_FAIL(test, "%s: took \"%s\" with interrupts enabled; its row says %s", name,
			   taken->irq_on, seq_buf_str(&s));
}

static void run(struct kunit *test, const struct kp_path_param *p, struct kp_program *prog,
		struct kp_trace *trace)
{
	u32 i, nr = kp_program_count(p->pair), op, kind;

	memset(locks.op, 0, sizeof(locks.op));
	memset(locks.calls, 0, sizeof(locks.calls));
	memset(locks.succeeded, 0, sizeof(locks.succeeded));
	locks.pair = p->pair;
	for (i = 0; i < nr && (i < PROGRAMS || !all_seen(p->pair)); i++) {
		kp_alive();
		kp_program_vary(p->pair, prog, i);
		kp_trace_run(trace, p->pair, p->id, prog);
		if (trace->stuck)
			break;
	}
	locks.pair = NULL;
	for (op = 1; op < p->pair->nr_ops; op++)
		for (kind = 0; kind < KP_LOCK_KINDS && is_judged(p->pair, op); kind++)
			judge(test, p->pair, op, kind);
}

/**
 * kp_case_locks() - operations take the locks that their rows say
 * @test: its parameter is the path
 */
void kp_case_locks(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	u32 steps = kp_program_longest(p->pair);
	struct kp_program *prog;
	struct kp_trace *trace;
	int err;

	if (!p->pair->owner) {
		kunit_skip(test, "built in, its locks are not told from the kernel's own");
		return;
	}
	prog = kp_program_alloc(steps);
	trace = kp_trace_alloc(steps, false);
	for_each_kernel_tracepoint(find_point, NULL);
	err = !prog || !trace ? -ENOMEM : !locks.point ? -ENOENT :
	      tracepoint_probe_register(locks.point, on_acquire, NULL);
	if (err) {
		KUNIT_FAIL(test, "locks are not seen here: %pe", ERR_PTR(err));
	} else {
		prog->observe = true;
		run(test, p, prog, trace);
		tracepoint_probe_unregister(locks.point, on_acquire, NULL);
		tracepoint_synchronize_unregister();
	}
	kp_trace_free(trace);
	kp_program_free(prog);
}
#else
/**
 * kp_case_locks() - operations take the locks that their rows say
 * @test: its parameter is the path
 */
void kp_case_locks(struct kunit *test)
{
	kunit_skip(test, "the kernel has no lockdep, or no trace points");
}
#endif
EXPORT_SYMBOL_GPL(kp_case_locks);
