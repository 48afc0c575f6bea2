// SPDX-License-Identifier: GPL-2.0
/*
 * The module: parameters, and /sys/kernel/debug/kparity/<pair>/ where the
 * host reads what a suite gathered beside its verdicts.
 */
#include <linux/debugfs.h>
#include <linux/kmemleak.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "engine.h"
#include "irq.h"
#include "order.h"
#include "say.h"

unsigned long kp_seed = 1;
module_param_named(seed, kp_seed, ulong, 0444);
MODULE_PARM_DESC(seed, "what programs are made from");
/* For cases of a pair's own that draw something themselves. */
EXPORT_SYMBOL_GPL(kp_seed);

unsigned int kp_programs = 64;
module_param_named(programs, kp_programs, uint, 0444);
MODULE_PARM_DESC(programs, "programs in a lockstep case");

unsigned int kp_steps = 256;
module_param_named(steps, kp_steps, uint, 0444);
MODULE_PARM_DESC(steps, "operations in a program of a lockstep case");

/* Bytes of all programs that the host may hand over for one pair. */
#define GIVEN_MAX	(1024 * 1024 - 1)

static struct dentry *root;

/*
 * One line an invariant: id, category, times judged on each path, cases; then one a
 * difference that the contract accepts: id, "accepted", times met on each path.
 */
static int invariants_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;
	const struct kp_stats *stats = pair->stats;
	u32 i, d, path, bit;

	for (i = 0; i < pair->nr_invariants; i++) {
		const struct kp_invariant *inv = &pair->invariant[i];

		seq_printf(seq, "%s\t%s", inv->id, inv->category);
		for (path = 0; path < KP_NR_PATHS; path++)
			seq_printf(seq, "\t%llu", stats->judged[i][path]);
		seq_putc(seq, '\t');
		for (bit = 0; bit < KP_MAX_CASES; bit++)
			if (stats->judged_in[i] & BIT(bit))
				seq_printf(seq, "%s ", stats->case_name[bit]);
		seq_putc(seq, '\n');
	}
	for (d = 0; d < pair->nr_diverges; d++) {
		seq_printf(seq, "%s\taccepted", pair->diverges[d].id);
		for (path = 0; path < KP_NR_PATHS; path++)
			seq_printf(seq, "\t%u", stats->diverged[d][path]);
		seq_puts(seq, "\t\n");
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(invariants);

/* The name of what a row of a cost table is of. */
static const char *name_of(const struct kp_pair *pair, u32 op)
{
	return op < pair->nr_ops ? pair->operation[op].name :
	       op == KP_MAKING(pair) ? "create" : "destroy";
}

/* One line for each distinct cost: path, operation, instructions, times, and the end if not 0. */
static void show_costs(struct seq_file *seq, const struct kp_costs *costs)
{
	const struct kp_pair *pair = seq->private;
	u32 i;

	for (i = 0; i < costs->nr; i++) {
		const struct kp_cost *cost = &costs->row[i];

		seq_printf(seq, "%s %s %llu %u", kp_path_name[cost->path],
			   name_of(pair, cost->op), cost->value, cost->times);
		if (cost->end)
			seq_printf(seq, " %d", cost->end);
		seq_putc(seq, '\n');
	}
}

static int cost_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;

	show_costs(seq, &pair->stats->cost);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cost);

/* The same of stack, with bytes in place of instructions. */
static int depth_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;

	show_costs(seq, &pair->stats->depth);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(depth);

/* The same of operations that wait: what the caller executes itself. */
static int alone_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;

	show_costs(seq, &pair->stats->alone);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(alone);

/* The same of the first call of each outcome, where nothing ran before. */
static int first_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;

	show_costs(seq, &pair->stats->first);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(first);

/* One line for calls that were alike in size: see growth.c. */
static int growth_show(struct seq_file *seq, void *unused)
{
	kp_growth_show(seq, seq->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(growth);

/*
 * One line an operation that allocates on any path, its name first, or "create": then for
 * each path calls that were counted, their allocations, the most of one call and the most
 * bytes of one, how many failed, how many of these were refused, and how many show nothing.
 */
static int allocations_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;
	u32 op, path, any;

	for (op = 0; op < pair->nr_ops; op++) {
		const struct kp_failing *f = pair->stats->failing[op];

		for (path = 0, any = 0; path < KP_NR_PATHS; path++)
			any |= f[path].allocations;
		if (!any)
			continue;
		seq_puts(seq, op ? pair->operation[op].name : "create");
		for (path = 0; path < KP_NR_PATHS; path++, f++)
			seq_printf(seq, "\t%u %u %u %u %u %u %u", f->calls, f->allocations,
				   f->most, f->bytes, f->failed, f->refused, f->unknown);
		seq_putc(seq, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(allocations);

/* One line a path: operations that programs have called on it. */
static int calls_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;
	u32 path;

	for (path = 0; path < KP_NR_PATHS; path++)
		seq_printf(seq, "%s %llu\n", kp_path_name[path], pair->stats->calls[path]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(calls);

/* One line a path: what case interrupt has tried on it. */
static int interruptions_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;
	u32 path;

	for (path = 0; path < KP_NR_PATHS; path++) {
		const struct kp_swept *swept = &pair->stats->swept[path];

		seq_printf(seq, "%s %llu %llu %llu %u %u %u %u %u %u %u %u %u %u\n",
			   kp_path_name[path], swept->tried, swept->of, swept->unreached,
			   swept->scenes, swept->scenes_of, swept->pairs, swept->pairs_of,
			   swept->allowed, swept->two.drawn, swept->two.tried, swept->two.allowed,
			   swept->whole, swept->whole_of);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(interruptions);

/* One line for each operation that was interrupted on a path, as of costs: how long it was not. */
static int masked_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;
	u32 op, path;

	for (op = 0; op < pair->nr_ops; op++) {
		for (path = 0; path < KP_NR_PATHS; path++) {
			u32 most = pair->stats->masked[op][path];

			if (most)
				seq_printf(seq, "%s %s %u 1\n", kp_path_name[path],
					   pair->operation[op].name, most - 1);
		}
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(masked);

/* One line an end of an operation: what case ordering has had recorded. */
static int orderings_show(struct seq_file *seq, void *unused)
{
	kp_orderings_show(seq, seq->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(orderings);

/* One line a path: what case history has tried on it. */
static int histories_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;
	u32 path;

	for (path = 0; path < KP_NR_PATHS; path++) {
		const struct kp_histories *h = &pair->stats->histories[path];

		seq_printf(seq, "%s %u %u %u %u %u %u %u %u", kp_path_name[path], h->tried,
			   h->together, h->of, h->operations, h->undecided, h->allowed,
			   h->meetings, h->places);
		if (pair->callback)
			seq_printf(seq, " %u", h->inside);
		seq_putc(seq, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(histories);

/* What case time has timed. */
static int times_show(struct seq_file *seq, void *unused)
{
	kp_times_show(seq, seq->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(times);

static const char *speed_name(const struct kunit_suite *suite,
			      const struct kunit_case *test_case)
{
	enum kunit_speed speed = test_case->attr.speed;

	if (speed == KUNIT_SPEED_UNSET)
		speed = suite->attr.speed;
	switch (speed) {
	case KUNIT_SPEED_VERY_SLOW:
		return "very_slow";
	case KUNIT_SPEED_SLOW:
		return "slow";
	default:
		return "normal";
	}
}

/* One line a case: suite, case, KUnit's speed attribute, paths. */
static int cases_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;
	struct kunit_suite *const *suite;
	const struct kunit_case *c;
	u32 path;

	for (suite = pair->stats->suites; *suite; suite++) {
		for (c = (*suite)->test_cases; c->run_case; c++) {
			seq_printf(seq, "%s\t%s\t%s", (*suite)->name, c->name,
				   speed_name(*suite, c));
			for (path = 0; path < KP_NR_PATHS; path++)
				seq_printf(seq, "\t%s", kp_path_name[path]);
			seq_putc(seq, '\n');
		}
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cases);

/* Programs for case regress: all of them in one write, which replaces the last. */
static ssize_t programs_write(struct file *file, const char __user *from,
			      size_t len, loff_t *pos)
{
	const struct kp_pair *pair = file_inode(file)->i_private;
	struct kp_given *given = &pair->stats->given;
	char *text;

	if (len > GIVEN_MAX)
		return -EFBIG;
	text = memdup_user_nul(from, len);
	if (IS_ERR(text))
		return PTR_ERR(text);
	kfree(given->text);
	*given = (struct kp_given){ text, len };
	return len;
}

/* Failures so far, a line of JSON each. */
static int failures_show(struct seq_file *seq, void *unused)
{
	const struct kp_pair *pair = seq->private;
	const struct kp_failures *all = &pair->stats->failures;

	seq_write(seq, all->text ?: "", all->len);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(failures);

/* Behind a line "= PATH" for each: programs, and what they gave, see results.c. */
static int results_show(struct seq_file *seq, void *unused)
{
	kp_results_show(seq, seq->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(results);

static const struct file_operations programs_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = programs_write,
};

static char *given = "";
module_param(given, charp, 0444);
MODULE_PARM_DESC(given, "PAIR,... that the host has programs for");

static char *only = "";
module_param(only, charp, 0444);
MODULE_PARM_DESC(only, "CASE,... that are to run, of each pair; all without it");

/* Whether a case has anything to do, and is in the plan. */
static bool has_work(const struct kp_pair *pair, const char *name)
{
	if (!strcmp(name, "fault") && !IS_ENABLED(CONFIG_FAILSLAB))
		return false;
	if (!strcmp(name, "locks") && !IS_ENABLED(CONFIG_LOCKDEP))
		return false;
	if (!strcmp(name, "results") && !kp_results_wanted())
		return false;
	if (!strcmp(name, "regress") && !kp_listed(given, pair->name) && !pair->nr_diverges)
		return false;
	return !*only || kp_listed(only, name);
}

/*
 * Take the cases out of a suite that are not to run, before KUnit knows of them. Each
 * would be a row of skips in the report.
 */
static void choose_cases(const struct kp_pair *pair, struct kunit_suite *suite)
{
	struct kunit_case *from, *to = suite->test_cases;

	for (from = to; from->run_case; from++)
		if (has_work(pair, from->name))
			*to++ = *from;
	*to = (struct kunit_case){};
}

/**
 * kp_pair_register() - make a pair known
 * @pair: must stay until kp_pair_unregister()
 * @suites: its suites, NULL at the end; must stay as long
 *
 * Context: may sleep.
 * Return: 0, -EINVAL for a pair that the engine cannot hold, or what the pair's
 *         init() returned
 */
int kp_pair_register(const struct kp_pair *pair,
		     struct kunit_suite *const *suites)
{
	struct kp_stats *stats = pair->stats;
	int err;

	if (pair->nr_ops > KP_MAX_OPS || pair->nr_invariants > KP_MAX_INVARIANTS ||
	    pair->nr_diverges > KP_MAX_DIVERGES || pair->view_size > KP_VIEW_MAX) {
		pr_err("kparity: %s: at most %u operations, %u invariants, %u declared differences and %u bytes of view\n",
		       pair->name, KP_MAX_OPS - 1, KP_MAX_INVARIANTS, KP_MAX_DIVERGES,
		       KP_VIEW_MAX);
		return -EINVAL;
	}
	kp_say(KP_SAY_LOADED, 0);
	kp_pair_enter(pair);
	if (pair->init) {
		err = pair->init();
		if (err)
			return err;
	}
	stats->suites = suites;
	for (; *suites; suites++)
		choose_cases(pair, *suites);
	stats->dir = debugfs_create_dir(pair->name, root);
	debugfs_create_file("cases", 0444, stats->dir, (void *)pair,
			    &cases_fops);
	debugfs_create_file("invariants", 0444, stats->dir, (void *)pair,
			    &invariants_fops);
	debugfs_create_file("allocations", 0444, stats->dir, (void *)pair,
			    &allocations_fops);
	debugfs_create_file("cost", 0444, stats->dir, (void *)pair,
			    &cost_fops);
	debugfs_create_file("depth", 0444, stats->dir, (void *)pair,
			    &depth_fops);
	debugfs_create_file("alone", 0444, stats->dir, (void *)pair,
			    &alone_fops);
	debugfs_create_file("first", 0444, stats->dir, (void *)pair,
			    &first_fops);
	debugfs_create_file("growth", 0444, stats->dir, (void *)pair,
			    &growth_fops);
	debugfs_create_file("calls", 0444, stats->dir, (void *)pair,
			    &calls_fops);
	debugfs_create_file("interruptions", 0444, stats->dir, (void *)pair,
			    &interruptions_fops);
	debugfs_create_file("masked", 0444, stats->dir, (void *)pair,
			    &masked_fops);
	debugfs_create_file("orderings", 0444, stats->dir, (void *)pair,
			    &orderings_fops);
	debugfs_create_file("histories", 0444, stats->dir, (void *)pair,
			    &histories_fops);
	debugfs_create_file("times", 0444, stats->dir, (void *)pair,
			    &times_fops);
	debugfs_create_file("failures", 0444, stats->dir, (void *)pair,
			    &failures_fops);
	debugfs_create_file("results", 0444, stats->dir, (void *)pair,
			    &results_fops);
	debugfs_create_file("programs", 0200, stats->dir, (void *)pair,
			    &programs_fops);
	return 0;
}
EXPORT_SYMBOL_GPL(kp_pair_register);

/**
 * kp_pair_unregister() - undo kp_pair_register()
 * @pair: the pair
 */
void kp_pair_unregister(const struct kp_pair *pair)
{
	debugfs_remove_recursive(pair->stats->dir);
	kvfree(pair->stats->failures.text);
	kp_results_free(pair);
	kfree(pair->stats->given.text);
	kvfree(pair->stats->cost.row);
	kvfree(pair->stats->depth.row);
	kvfree(pair->stats->alone.row);
	kvfree(pair->stats->first.row);
	kvfree(pair->stats->growth);
	kp_times_free(pair);
	if (pair->exit)
		pair->exit();
}
EXPORT_SYMBOL_GPL(kp_pair_unregister);

static unsigned long stack_table;
module_param(stack_table, ulong, 0400);
MODULE_PARM_DESC(stack_table, "where the kernel's variable of that name is, in lib/stackdepot.c");

/*
 * KASAN's kernel remembers stacks in a table of 16 MiB, of which each entry is a list that
 * begins and ends with itself. Kmemleak would read all of it at each scan, and look up each
 * entry, for more than half of the scan's time. Nothing in it leads to memory that kmemleak
 * knows: the stacks behind an entry are in pages of the page allocator.
 */
static void __init leave_out_stacks(void)
{
	if (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) && stack_table)
		kmemleak_ignore_phys(__pa(*(void **)stack_table));
}

static int __init kparity_init(void)
{
	leave_out_stacks();
	root = debugfs_create_dir("kparity", NULL);
	kp_watch_start();
	return 0;
}

static void __exit kparity_exit(void)
{
	kp_irq_exit();
	kp_watch_stop();
	kp_balance_stop();
	debugfs_remove_recursive(root);
}

module_init(kparity_init);
module_exit(kparity_exit);
MODULE_DESCRIPTION("kparity: runs the C and the Rust side of a pair in lockstep");
MODULE_LICENSE("GPL");
