// SPDX-License-Identifier: GPL-2.0
/*
 * Case ordering, in lane order: what operations do to the order of memory accesses.
 *
 * Programs run on the path, and a QEMU plugin (qemu/orders.c) records what the code of each
 * operation executes. It is told what runs, and where the object lies (say.h). Nothing is judged
 * here: the host compares the paths.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include "engine.h"
#include "order.h"
#include "say.h"

/* Enough for each operation to come to each of its ends, in an object that is empty or full. */
#define PROGRAMS	12U
#define STEPS		96U
/* Memory that is named: what the object's words point to, and what is pointed to there. */
#define BLOCKS		24
#define OBJECT_WORDS	64
#define WORDS		24
/* Ends of one operation that differ. */
#define OUTCOMES	12

/* How often operations of the last pair came to an end on each path. */
static struct {
	const struct kp_pair *pair;
	struct {
		s32 outcome;
		u32 times;
	} end[KP_NR_PATHS][KP_MAX_OPS][OUTCOMES];
} ended;

#ifdef CONFIG_ARM64
static bool is_listening(void)
{
	return true;
}

static void say_case(const struct kp_pair *pair, enum kp_path_id path)
{
	kp_say_name(pair->name);
	kp_say(KP_SAY_PATH, path);
}

/* Whether a word may point to memory of an object's. */
static bool points(u64 word)
{
	return word >= PAGE_OFFSET && word < (u64)high_memory && !(word % sizeof(u32));
}

static void add(u64 *block, u32 *nr, u64 at)
{
	u32 i;

	for (i = 0; i < *nr; i++)
		if (at - block[i] < (i ? WORDS : OBJECT_WORDS) * sizeof(u64))
			return;
	if (*nr < BLOCKS)
		block[(*nr)++] = at;
}

/*
 * Name the object's memory: that itself, and what words in it point to, a few steps far. What
 * kind of thing each one is the host finds out.
 */
static void say_object(const struct kp_pair *pair, void *obj)
{
	u64 block[BLOCKS], word;
	u32 i, w, nr = 0;

	kp_say(KP_SAY_OBJECT, kp_object(pair, obj));
	add(block, &nr, (u64)kp_object(pair, obj));
	for (i = 0; i < pair->nr_handles; i++) {
		if (!kp_handles(pair, obj)[i])
			continue;
		kp_say(KP_SAY_HANDLE, kp_handles(pair, obj)[i]);
		add(block, &nr, (u64)kp_handles(pair, obj)[i]);
	}
	for (i = 0; obj && i < nr; i++) {
		kp_say(KP_SAY_BLOCK, block[i]);
		for (w = 0; w < (i ? WORDS : OBJECT_WORDS); w++) {
			if (get_kernel_nofault(word, (u64 *)block[i] + w))
				break;
			kp_say(KP_SAY_WORD, word);
			if (points(word))
				add(block, &nr, word);
		}
	}
}

#define say_begin(op)		kp_say(KP_SAY_BEGIN, op)
#define say_end(disturbed)	kp_say(KP_SAY_END, disturbed)
#define say_outcome(outcome)	kp_say(KP_SAY_OUTCOME, outcome)
#define say_close()		kp_say(KP_SAY_CLOSE, 0)

#else

/* Other arches' code does not say which orderings it asks for, and their guests lack the lane. */
static bool is_listening(void)
{
	return false;
}

static void say_case(const struct kp_pair *pair, enum kp_path_id path) { }
static void say_object(const struct kp_pair *pair, void *obj) { }
static void say_begin(u32 op) { }
static void say_end(bool disturbed) { }
static void say_outcome(s32 outcome) { }
static void say_close(void) { }

#endif

static void count(enum kp_path_id path, u32 op, s32 outcome)
{
	u32 i;

	for (i = 0; i < OUTCOMES - 1; i++)
		if (!ended.end[path][op][i].times || ended.end[path][op][i].outcome == outcome)
			break;
	ended.end[path][op][i].outcome = outcome;
	ended.end[path][op][i].times++;
}

/*
 * Carry out one operation. Where it does not sleep nothing comes in between; elsewhere the plugin
 * sees that an interrupt did, and the switches of this task tell of other tasks.
 */
static void run_step(struct kp_call *call, struct kp_trace *trace, void *obj, u32 i)
{
	const struct kp_operation *op = &trace->pair->operation[trace->prog->step[i].op];
	bool still = op->context == KP_ANY || op->context == KP_ATOMIC, called;
	unsigned long flags, switches;
	s32 outcome;

	called = kp_call_begin(call, trace, obj, i, 0);
	if (called) {
		say_object(trace->pair, obj);
		switches = current->nvcsw + current->nivcsw;
		if (still)
			local_irq_save(flags);
		say_begin(trace->prog->step[i].op);
		kp_call_make(call);
		say_end(current->nvcsw + current->nivcsw != switches);
		if (still)
			local_irq_restore(flags);
	}
	kp_call_end(call, i);
	if (!called)
		return;
	outcome = kp_end(op, trace->step[i].ret);
	say_outcome(outcome);
	count(trace->path, trace->prog->step[i].op, outcome);
}

static bool run_program(struct kp_call *call, struct kp_trace *trace,
			const struct kp_path_param *p, struct kp_program *prog)
{
	void *obj;
	u32 i;

	kp_trace_start(trace, p->pair, p->id, prog);
	if (p->pair->after)
		p->pair->after(prog->param);
	obj = kp_make(trace);
	if (!IS_ERR(obj)) {
		for (i = 0; i < prog->nr_steps && !trace->stuck; i++) {
			if (prog->step[i].after)
				kp_program_settle(trace, i);
			run_step(call, trace, obj, i);
		}
		if (trace->stuck)
			kp_watch(NULL, false);
		else
			kp_unmake(trace, obj);
	}
	/* What it left behind is judged in lockstep. */
	if (p->pair->after)
		p->pair->after(prog->param);
	return !trace->stuck;
}

/**
 * kp_case_ordering() - have the orderings of each operation recorded
 * @test: its parameter is the path
 */
void kp_case_ordering(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_program *prog = kp_program_alloc(STEPS);
	struct kp_trace *trace = kp_trace_alloc(STEPS, false);
	struct kp_call *call = kp_call_alloc();
	u32 i;

	if (ended.pair != p->pair)
		memset(&ended, 0, sizeof(ended));
	ended.pair = p->pair;
	memset(ended.end[p->id], 0, sizeof(ended.end[p->id]));
	if (!prog || !trace || !call) {
		KUNIT_FAIL(test, "no memory for a program of %u steps", STEPS);
		goto out;
	}
	if (!is_listening()) {
		kunit_skip(test, "this arch's code does not say which orderings it asks for");
		goto out;
	}
	say_case(p->pair, p->id);
	for (i = 0; i < min(kp_programs, PROGRAMS); i++) {
		kp_alive();
		/* One at least has an object, whatever the seed is. */
		if (i)
			kp_program_make(p->pair, prog, kp_seed, i, STEPS);
		else
			kp_program_valid(p->pair, prog, STEPS);
		prog->observe = false;
		if (!run_program(call, trace, p, prog)) {
			KUNIT_FAIL(test, "seed %lu, program %u: a call came back with a lock held",
				   kp_seed, prog->index);
			break;
		}
	}
	say_close();
out:
	kvfree(call);
	kp_trace_free(trace);
	kp_program_free(prog);
}
EXPORT_SYMBOL_GPL(kp_case_ordering);

/**
 * kp_orderings_show() - a line for each end of each operation on each path
 * @seq: where to: path, operation, its number, the end, how often it came to that
 * @pair: the pair
 */
void kp_orderings_show(struct seq_file *seq, const struct kp_pair *pair)
{
	u32 path, op, i;

	if (ended.pair != pair)
		return;
	for (path = 0; path < KP_NR_PATHS; path++)
		for (op = 0; op < pair->nr_ops; op++)
			for (i = 0; i < OUTCOMES && ended.end[path][op][i].times; i++)
				seq_printf(seq, "%s %s %u %d %u\n", kp_path_name[path],
					   pair->operation[op].name, op,
					   ended.end[path][op][i].outcome,
					   ended.end[path][op][i].times);
}
