// SPDX-License-Identifier: GPL-2.0
/*
 * The program that takes its guest with it. When the kernel panics, what has run of
 * it goes to the console, as text that runs again with PROGRAM=: a stack alone does
 * not say with which arguments.
 */
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/seq_buf.h>
#include "engine.h"

/* An argument of 4096 bytes, each with its escape, and some more. */
#define CALL_SIZE	(20 * 1024)
/* printk() cuts longer lines off. */
#define LINE_SIZE	700

static const struct kp_trace *watched;
static bool has_object;

/**
 * kp_watch() - name the program that runs, in case the kernel does not survive it
 * @trace: its trace; NULL once it is over. Borrowed until then.
 * @created: its object has been created
 *
 * For kp_make() and kp_unmake(), so that none who runs programs can forget it.
 *
 * Context: task; one program at a time.
 */
void kp_watch(const struct kp_trace *trace, bool created)
{
	WRITE_ONCE(watched, trace);
	WRITE_ONCE(has_object, created);
}

/* Print a line of the program, in pieces of which all but the first begin with a plus. */
static void tell(struct seq_buf *line)
{
	const char *at = seq_buf_str(line);
	size_t len = strlen(at);

	pr_emerg("kparity[%s]: | %.*s\n", kp_mark(), LINE_SIZE, at);
	for (; len > LINE_SIZE; len -= LINE_SIZE) {
		at += LINE_SIZE;
		pr_emerg("kparity[%s]: |+%.*s\n", kp_mark(), LINE_SIZE, at);
	}
}

static int panicked(struct notifier_block *nb, unsigned long event, void *unused)
{
	static char text[CALL_SIZE];
	const struct kp_trace *trace = READ_ONCE(watched);
	struct seq_buf line;
	u32 i, nr;

	if (!trace || !*kp_mark())
		return NOTIFY_DONE;
	WRITE_ONCE(watched, NULL);
	/* The last call printed is the one that has begun; at the object's end all are printed. */
	nr = READ_ONCE(has_object) ? min(trace->nr + 1, trace->prog->nr_steps) : 0;
	/* An interruption comes with the operation that it interrupts. */
	if (nr && nr == trace->prog->during)
		nr++;
	/* Of operations beside each other, any can be the one. */
	if (nr && trace->prog->columns && nr > trace->prog->nr_steps - trace->prog->columns)
		nr = trace->prog->nr_steps;
	seq_buf_init(&line, text, sizeof(text));
	kp_print_create(&line, trace->pair, trace->prog);
	tell(&line);
	for (i = 0; i < nr; i++) {
		seq_buf_clear(&line);
		kp_print_step(&line, trace->pair, trace->prog, i);
		tell(&line);
	}
	pr_emerg("kparity[%s]: |.\n", kp_mark());
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = panicked };

/**
 * kp_watch_start() - have panics tell of the program that runs
 */
void kp_watch_start(void)
{
	atomic_notifier_chain_register(&panic_notifier_list, &notifier);
}

/**
 * kp_watch_stop() - undo kp_watch_start()
 */
void kp_watch_stop(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &notifier);
}
