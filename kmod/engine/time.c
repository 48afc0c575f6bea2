// SPDX-License-Identifier: GPL-2.0
/*
 * Lane time: what operations take by the clock, on a path and on C over C beside it.
 *
 * A block is four runs of one program, on fresh objects: of C over C and of the path, in the order
 * ABBA or BAAB, which is drawn. So what drifts, such as the CPU's frequency, hits both sides alike.
 * On path c->c both sides are the same one under two names: what differs there is the error of the
 * measurement. The engine hands out, for each operation, end and side, the calls and the time of
 * each block and a histogram of single calls. The host judges them, over several boots.
 *
 * In warm and cold blocks no other CPU has anything to do. In contended ones another CPU uses the
 * same object meanwhile, see contended.c.
 */
#include <linux/array_size.h>
#include <linux/cpufeature.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/sort.h>
#ifdef CONFIG_X86_64
#include <asm/special_insns.h>
#include <asm/tsc.h>
#else
#include <asm/arch_timer.h>
#include <asm/barrier.h>
#endif
#include "contended.h"
#include "draw.h"
#include "engine.h"

/* Blocks of each kind: warm, cold, and contended. */
#define BLOCKS		24
/* Operations of the program, and those of them at its begin that warm up its object alone. */
#define TIME_STEPS	512
#define WARMING		64
/* What is made cold before a call: so much of the object, as far as it is in its first page. */
#define COLD_BYTES	1024
/* The least cache line that there is: a larger one is flushed more than once. */
#define LINE		64
/*
 * Buckets of a histogram: each power of two has 32, so that each is at most 1/32 of its values
 * wide. Numbers below 64 have one each. The last bucket has all from 2^36 on, half a minute.
 */
#define EACH_BITS	5
#define BUCKETS		((36 - EACH_BITS + 1) << EACH_BITS)
#define SIDES		2
/* By how many times a call may exceed the median of its like, and still count as it is. */
#define CAP		16
/*
 * Operations of the other CPU that make a run contended, and the time for contended blocks of a
 * path, unless half of what the others took is more: a host that is busy may not run both CPUs.
 */
#define BESIDE_LEAST	(TIME_STEPS / 8)
#define CONTENDED_FOR	(HZ / 5)

static const char *const how_name[] = {
	[KP_TIMED_WARM] = "warm", [KP_TIMED_COLD] = "cold", [KP_TIMED_CONTENDED] = "contended",
};

/**
 * struct kp_timed - what calls of an operation that came to one end have taken on a path
 * @next: that of another operation, end or kind of block
 * @op: the operation's number
 * @end: the end, as kp_end() has it
 * @how: the kind of block
 * @side: of C over C, and of the path
 * @side.most: the longest call
 * @side.calls: how many calls each block has
 * @side.total: their sum, those that take too long capped
 * @side.bucket: how many calls each bucket has
 */
struct kp_timed {
	struct kp_timed *next;
	u32 op;
	s32 end;
	enum kp_timed_how how;
	struct {
		u64 most;
		u32 calls[BLOCKS];
		u64 total[BLOCKS];
		u32 bucket[BUCKETS];
	} side[SIDES];
};

static unsigned int boot;
module_param(boot, uint, 0444);
MODULE_PARM_DESC(boot, "number of this boot in lane time: the order of paths is drawn anew");

static bool emulated;
module_param(emulated, bool, 0444);
MODULE_PARM_DESC(emulated, "the CPU is emulated: times are advisory, and its counter may say so");

/* Why the counter is not fit to time with, or NULL. */
static const char *unfit(void)
{
#ifdef CONFIG_X86_64
	if (check_tsc_unstable())
		return "the TSC is unstable";
	if (!tsc_khz)
		return "the rate of the TSC is not known";
	/* An emulated one has the host's rate, and does not say whether that is constant. */
	if (!emulated && !boot_cpu_has(X86_FEATURE_CONSTANT_TSC))
		return "the TSC does not have a constant rate";
#else
	if (!arch_timer_get_cntfrq())
		return "the rate of the counter is not known";
#endif
	return NULL;
}

static u32 clock_khz(void)
{
#ifdef CONFIG_X86_64
	return tsc_khz;
#else
	return arch_timer_get_cntfrq() / 1000;
#endif
}

/* The counter: what is before is over when it is read, and nothing behind has begun. */
static __always_inline u64 ordered_clock(void)
{
	u64 now;

#ifdef CONFIG_X86_64
	now = rdtsc_ordered();
	rmb(); /* nothing behind has begun: an lfence */
#else
	isb();
	now = get_cycles();
	isb();
#endif
	return now;
}

/* Have the begin of an object in no cache. What it points to stays where it is. */
static void make_cold(void *obj)
{
	unsigned long at = ALIGN_DOWN((unsigned long)obj, LINE);
	unsigned long end = min(at + COLD_BYTES, ALIGN_DOWN(at, PAGE_SIZE) + PAGE_SIZE);

	for (; at < end; at += LINE)
#ifdef CONFIG_X86_64
		clflush((void *)at);
#else
		asm volatile("dc civac, %0" : : "r" (at) : "memory");
#endif
	mb(); /* they are out before the call */
}

/**
 * kp_time_call() - time a call whose arguments are laid out
 * @trace: the trace, which says whether its object is to be cold
 * @call: what makes the call
 * @obj: the object, as its driver knows it
 * @slot: the arguments
 * @res: receives the result
 *
 * Context: that of the operation.
 * Return: what it took, in units of the CPU's counter
 */
u64 kp_time_call(const struct kp_trace *trace, kp_invoke call, void *obj,
		 const struct kp_slot *slot, struct kp_result *res)
{
	u64 start;

	if (trace->timed == KP_TIMED_COLD)
		make_cold(obj);
	start = ordered_clock();
	call(obj, slot, res);
	return ordered_clock() - start;
}

static u32 bucket_of(u64 value)
{
	u32 shift = max(fls64(value), EACH_BITS + 1) - (EACH_BITS + 1);

	return min((shift << EACH_BITS) + (u32)(value >> shift), (u32)BUCKETS - 1);
}

/* What is known of an operation that came to an end; NULL without memory. */
static struct kp_timed *timed_of(struct kp_timed **all, u32 op, s32 end, enum kp_timed_how how)
{
	for (; *all; all = &(*all)->next)
		if ((*all)->op == op && (*all)->end == end && (*all)->how == how)
			return *all;
	*all = kvzalloc_obj(struct kp_timed);
	if (*all) {
		(*all)->op = op;
		(*all)->end = end;
		(*all)->how = how;
	}
	return *all;
}

/**
 * struct sample - a timed call
 * @end: the end that it came to
 * @cost: what it took
 */
struct sample {
	s32 end;
	u64 cost;
};

static int by_cost(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->cost < y->cost ? -1 : x->cost > y->cost;
}

/*
 * Add calls that came to one end, in the order of their costs. One that the host, or an interrupt,
 * has held up counts in the sum as what CAP times their median took: the histogram has it as it is.
 */
static void add(struct kp_timed *timed, u32 side, u32 block, const struct sample *got, u32 nr)
{
	u64 cap = CAP * got[(nr - 1) / 2].cost;
	u32 i;

	timed->side[side].calls[block] += nr;
	for (i = 0; i < nr; i++) {
		timed->side[side].total[block] += min(got[i].cost, cap);
		timed->side[side].bucket[bucket_of(got[i].cost)]++;
	}
	timed->side[side].most = max(timed->side[side].most, got[nr - 1].cost);
}

/* Keep what the calls of an operation in a run have taken, but for those that warmed it up. */
static bool keep_op(const struct kp_path_param *p, const struct kp_trace *t, u32 op, u32 side,
		    u32 block, struct sample *got)
{
	struct kp_timed *timed;
	u32 i, n = 0, from = 0;

	for (i = WARMING; i < t->nr; i++)
		if (t->prog->step[i].op == op && !t->step[i].skipped)
			got[n++] = (struct sample){
				.end = kp_end(&p->pair->operation[op], t->step[i].ret),
				.cost = t->step[i].cost,
			};
	sort(got, n, sizeof(*got), by_cost, NULL);
	for (i = 1; i <= n; i++) {
		if (i < n && got[i].end == got[from].end)
			continue;
		timed = timed_of(&p->pair->stats->timed[p->id], op, got[from].end, t->timed);
		if (!timed)
			return false;
		add(timed, side, block, got + from, i - from);
		from = i;
	}
	return true;
}

static bool keep(const struct kp_path_param *p, const struct kp_trace *t, u32 side, u32 block)
{
	struct sample *got = kvcalloc(t->nr, sizeof(*got), GFP_KERNEL);
	bool kept = got;
	u32 op;

	for (op = 0; kept && op < p->pair->nr_ops; op++)
		kept = keep_op(p, t, op, side, block, got);
	kvfree(got);
	return kept;
}

/* Run a program on an object, and time its calls. */
static void run_timed(const struct kp_program *prog, void *obj, struct kp_trace *got,
		      enum kp_timed_how how)
{
	unsigned long flags;

	got->timed = how;
	if (kp_never_sleeps(got->pair)) {
		local_irq_save(flags);
		kp_run(got->pair, got->path, obj, prog, got);
		local_irq_restore(flags);
	} else {
		kp_run(got->pair, got->path, obj, prog, got);
	}
}

/* Run the program on a fresh object of a path. */
static int run_once(const struct kp_pair *pair, enum kp_path_id path,
		    const struct kp_program *prog, struct kp_trace *got, enum kp_timed_how how)
{
	void *obj;

	kp_trace_start(got, pair, path, prog);
	obj = kp_make(got);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	run_timed(prog, obj, got, how);
	kp_unmake(got, obj);
	return 0;
}

/* One run of a block; whether it went as on C over C. */
static bool time_run(struct kunit *test, const struct kp_program *prog,
		     const struct kp_trace *ref, struct kp_trace *got, u32 side, u32 block,
		     enum kp_timed_how how)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_diff diff;
	int err;

	err = run_once(p->pair, side ? p->id : KP_C_C, prog, got, how);
	if (err)
		KUNIT_FAIL(test, "create: %pe", ERR_PTR(err));
	else if (kp_trace_diff(ref, got, 0, &diff))
		KUNIT_FAIL(test, "step %u of program %u differs from c->c; lane check tells more",
			   diff.at + 1, prog->index);
	else if (block < BLOCKS && !keep(p, got, side, block))
		KUNIT_FAIL(test, "no memory for the table of times");
	got->timed = KP_COUNTED;
	return test->status == KUNIT_SUCCESS;
}

/*
 * A run of each side that fills the caches and is not kept, then a block. Of the runs of each side
 * one comes behind its own kind, and one behind the other's.
 */
static bool time_block(struct kunit *test, const struct kp_program *prog,
		       const struct kp_trace *ref, struct kp_trace *got, u32 block,
		       enum kp_timed_how how, u32 first)
{
	const u32 side[] = { !first, first, first, !first, !first, first };
	u32 i;

	kp_alive();
	for (i = 0; i < ARRAY_SIZE(side); i++)
		if (!time_run(test, prog, ref, got, side[i], i < SIDES ? BLOCKS : block, how))
			return false;
	return true;
}

/*
 * One run of a contended block, on a fresh object; whether nothing went wrong. Receives how many
 * operations the other CPU carried out meanwhile.
 */
static bool contended_run(struct kunit *test, struct kp_contended *c, u32 half, u32 side,
			  struct kp_trace *got, u32 *beside)
{
	const struct kp_path_param *p = test->param_value;
	const struct kp_program *prog = c->prog[half];
	const char *broken;
	void *obj;

	*beside = 0;
	kp_trace_start(got, p->pair, side ? p->id : KP_C_C, prog);
	obj = kp_make(got);
	if (IS_ERR(obj)) {
		KUNIT_FAIL(test, "create: %pe", obj);
		return false;
	}
	if (kp_contended_enter(c, half, got->path, obj)) {
		*beside = READ_ONCE(c->done);
		run_timed(prog, obj, got, KP_TIMED_CONTENDED);
		*beside = READ_ONCE(c->done) - *beside;
	}
	broken = kp_contended_leave(c) ?: got->broken;
	kp_unmake(got, obj);
	if (broken)
		KUNIT_FAIL(test, "beside another CPU: broken: %s; lane history tells more", broken);
	return !broken;
}

/*
 * A contended block; whether nothing went wrong. It counts if the other CPU ran during each of its
 * runs, of both sides; else there is no time left.
 */
static bool contended_block(struct kunit *test, struct kp_contended *c, u32 half, u32 first,
			    unsigned long end)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_contention *sum = &p->pair->stats->contention[p->id];
	const u32 side[KP_RUNS] = { first, !first, !first, first };
	u32 i, beside[KP_RUNS];

	for (i = 0; i < KP_RUNS; i++) {
		kp_alive();
		do {
			if (!contended_run(test, c, half, side[i], c->run[i], &beside[i]))
				return false;
			sum->ran += c->done;
			if (beside[i] < BESIDE_LEAST) {
				if (time_after(jiffies, end))
					return true;
				/* Meanwhile the host may find another of its CPUs for this one. */
				usleep_range(1000, 2000);
			}
		} while (beside[i] < BESIDE_LEAST);
	}
	for (i = 0; i < KP_RUNS; i++) {
		if (!keep(p, c->run[i], side[i], sum->blocks)) {
			KUNIT_FAIL(test, "no memory for the table of times");
			return false;
		}
		c->run[i]->timed = KP_COUNTED;
		sum->beside[side[i]] += beside[i];
		sum->calls[side[i]] += c->run[i]->nr;
	}
	sum->blocks++;
	return true;
}

/*
 * Contended blocks of a path, if the contract lets anything run beside anything. Where operations
 * have roles, the timed CPU has one of them in half of the blocks, and the other one in the rest.
 */
static void time_contended(struct kunit *test, const struct kp_program *valid,
			   struct kp_random *rnd, unsigned long took)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_contention *sum = &p->pair->stats->contention[p->id];
	struct kp_contended *c = kp_contended_alloc(p->pair, valid, TIME_STEPS);
	const u32 cpu = kp_other_cpu();
	unsigned long end;
	u32 half;
	int err;

	if (!c) {
		KUNIT_FAIL(test, "no memory for what another CPU carries out");
		return;
	}
	sum->of = c->may[0] || c->may[1] ? BLOCKS : 0;
	/* On one CPU none of the blocks is contended, and the host says so. */
	if (!sum->of || cpu == raw_smp_processor_id())
		goto out;
	err = kp_contended_start(c, cpu);
	if (err) {
		KUNIT_FAIL(test, "no thread for another CPU: %pe", ERR_PTR(err));
		goto out;
	}
	end = jiffies + max_t(unsigned long, took / 2, CONTENDED_FOR);
	while (sum->blocks < BLOCKS && !time_after(jiffies, end)) {
		half = sum->blocks % KP_HALVES;
		if (!contended_block(test, c, c->may[half] ? half : !half, kp_die(rnd, 2), end))
			break;
	}
	kp_contended_stop(c);
out:
	kp_contended_free(c);
}

static void time_all(struct kunit *test, struct kp_program *prog, struct kp_trace *ref,
		     struct kp_trace *got)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_random rnd = { .state = (kp_seed * 64 + boot) * KP_NR_PATHS + p->id };
	const unsigned long since = jiffies;
	u32 block;

	kp_program_valid(p->pair, prog, TIME_STEPS);
	kp_trace_run(ref, p->pair, KP_C_C, prog);
	for (block = 0; block < BLOCKS; block++) {
		if (!time_block(test, prog, ref, got, block, KP_TIMED_WARM, kp_die(&rnd, 2)))
			return;
		/* A function has no object that could be cold. */
		if (!p->pair->stateless &&
		    !time_block(test, prog, ref, got, block, KP_TIMED_COLD, kp_die(&rnd, 2)))
			return;
	}
	time_contended(test, prog, &rnd, jiffies - since);
}

/**
 * kp_case_time() - time each operation, on the path and on C over C in turn
 * @test: its parameter is the path
 *
 * All results are compared with those of C over C, so that what is timed is known to be right; but
 * not in contended blocks, where they depend on what the other CPU has done.
 */
void kp_case_time(struct kunit *test)
{
	if (unfit()) {
		kunit_mark_skipped(test, "%s", unfit());
	} else {
		/* This thread stays where it is, so that all its calls are timed on one CPU. */
		kp_other_cpu();
		kp_measure(test, TIME_STEPS, time_all);
	}
}
EXPORT_SYMBOL_GPL(kp_case_time);

static void show_side(struct seq_file *seq, const struct kp_timed *t, u32 side)
{
	u32 i, more = 0, calls = 0;

	for (i = 0; i < BLOCKS; i++)
		calls += t->side[side].calls[i];
	/* Beside another CPU, an operation can come to an outcome on one side alone. */
	if (!calls) {
		seq_puts(seq, " -");
		return;
	}
	seq_printf(seq, " %llu ", t->side[side].most);
	for (i = 0; i < BLOCKS; i++)
		seq_printf(seq, "%s%u:%llu", i ? "," : "", t->side[side].calls[i],
			   t->side[side].total[i]);
	seq_putc(seq, ' ');
	for (i = 0; i < BUCKETS; i++)
		if (t->side[side].bucket[i])
			seq_printf(seq, "%s%u:%u", more++ ? "," : "", i, t->side[side].bucket[i]);
}

/**
 * kp_times_show() - print the table of times
 * @seq: where to
 * @pair: the pair
 *
 * The first line is the counter's rate in kHz, 0 if it is not fit to time with. Then comes one line
 * for each path on which case time ran: of contended blocks how many there are, and how many there
 * were to be; the operations of the other CPU; and for C over C, and then for the path, the calls
 * in these blocks and which of those operations came meanwhile. Then comes one for each path,
 * operation, end and kind of block: for C over C, and then for the path, the longest call, calls
 * and their sum for each block, and the buckets that are not empty; a dash for a side that has no
 * calls.
 */
void kp_times_show(struct seq_file *seq, const struct kp_pair *pair)
{
	const struct kp_contention *c;
	const struct kp_timed *t;
	u32 path;

	seq_printf(seq, "clock %u\n", unfit() ? 0 : clock_khz());
	for (path = 0; path < KP_NR_PATHS; path++) {
		c = &pair->stats->contention[path];
		if (pair->stats->timed[path])
			seq_printf(seq, "%s beside %u of %u ran %llu %llu:%llu %llu:%llu\n",
				   kp_path_name[path], c->blocks, c->of, c->ran, c->calls[0],
				   c->beside[0], c->calls[1], c->beside[1]);
	}
	for (path = 0; path < KP_NR_PATHS; path++) {
		for (t = pair->stats->timed[path]; t; t = t->next) {
			seq_printf(seq, "%s %s %d %s", kp_path_name[path],
				   pair->operation[t->op].name, t->end, how_name[t->how]);
			show_side(seq, t, 0);
			show_side(seq, t, 1);
			seq_putc(seq, '\n');
		}
	}
}

/**
 * kp_times_free() - release the table of times
 * @pair: the pair
 */
void kp_times_free(const struct kp_pair *pair)
{
	struct kp_timed *t;
	u32 path;

	for (path = 0; path < KP_NR_PATHS; path++) {
		while ((t = pair->stats->timed[path])) {
			pair->stats->timed[path] = t->next;
			kvfree(t);
		}
	}
}
