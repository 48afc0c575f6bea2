// SPDX-License-Identifier: GPL-2.0
/*
 * Where a run is. The console gets a line before each path of each case, so
 * that the lines above a complaint of the kernel, or above the end of its
 * output, name the case. The lines carry a word that the host chose for
 * this boot: nothing else on the console passes for one of them by accident.
 *
 * A case that killed an earlier guest is left out with the parameter skip.
 */
#include <linux/console.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kmsg_dump.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>
#include "engine.h"

/*
 * A case that works for long says so in between; the host takes silence for a
 * hang. Often enough for lane insn, whose second is 1,000,000,000 instructions
 * and takes an emulator many seconds.
 */
#define ALIVE_EVERY	(HZ / 2)
/* The host waits for case interrupt, which can spin with interrupts off, for 2 s alone. */
#define INTERRUPT_EVERY	(HZ / 100 ?: 1)
/* Where CPUs take turns a second of the guest's can be ten of the host's. */
#define HISTORY_EVERY	(HZ / 10 ?: 1)
/* For a line to reach the console: a UART takes 0.1 ms, a flooded one longer. */
#define PRINTED_WITHIN	(HZ / 2)

static char *mark = "";
module_param(mark, charp, 0400);
MODULE_PARM_DESC(mark, "word in progress lines on the console; none without it");

static char *skip = "";
module_param(skip, charp, 0444);
MODULE_PARM_DESC(skip, "PAIR.CASE.PATH,... that are not to run");

static unsigned long said_at;
static unsigned long alive_every = ALIVE_EVERY;
static const struct kp_pair *running;

/**
 * kp_mark() - the word in lines for the host
 *
 * Context: any.
 * Return: the word; empty if there is no host
 */
const char *kp_mark(void)
{
	return mark;
}

/* Whether the consoles have printed all records before @next. */
static bool printed(u64 next)
{
	struct console *con;
	bool done = true;
	int cookie = console_srcu_read_lock();

	for_each_console_srcu(con) {
		atomic_long_t *seq = &ACCESS_PRIVATE(con, nbcon_seq);
		short flags = console_srcu_read_flags(con);

		if ((flags & CON_NBCON) && (flags & CON_ENABLED) &&
		    !(flags & CON_SUSPENDED) && (u64)atomic_long_read(seq) < next)
			done = false;
	}
	console_srcu_read_unlock(cookie);
	return done;
}

/*
 * Newer consoles print from a thread of their own. A case that stops its CPU,
 * resets the machine or floods the log would do so before that thread has said
 * which case it is, and another one would be blamed.
 */
static void wait_until_printed(void)
{
	unsigned long end = jiffies + PRINTED_WITHIN;
	struct kmsg_dump_iter iter;

	kmsg_dump_rewind(&iter);
	while (!printed(iter.next_seq) && time_before(jiffies, end))
		usleep_range(50, 200);
}

static void say(const char *pair, const char *name, const char *path)
{
	said_at = jiffies;
	if (!*mark)
		return;
	/* Kmemleak dates leaks in ticks: the next case shares no tick with the one before. */
	if (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))
		schedule_timeout_uninterruptible(1);
	pr_notice("kparity[%s]: at %s %s %s %lu\n", mark, pair, name, path,
		  jiffies);
	wait_until_printed();
}

/**
 * kp_alive() - tell the host that a long case makes progress
 *
 * Call it where something was achieved, and not where a thread retries a failed
 * step: the host would never find that the thread goes on for ever.
 *
 * Context: task.
 */
void kp_alive(void)
{
	if (!*mark || time_before(jiffies, READ_ONCE(said_at) + alive_every))
		return;
	WRITE_ONCE(said_at, jiffies);
	pr_notice("kparity[%s]: alive\n", mark);
}
EXPORT_SYMBOL_GPL(kp_alive);

/**
 * kp_pair_enter() - mark the lines that follow as of a pair, but of no case
 * @pair: the pair
 */
void kp_pair_enter(const struct kp_pair *pair)
{
	say(pair->name, "-", "-");
}

/* KUnit asks for a path's name right before it runs the case on it. */
static void describe_path(struct kunit *test, const void *param, char *desc)
{
	const struct kp_path_param *p = param;
	const char *name = kp_path_name[p->id];

	strscpy(desc, name, KUNIT_PARAM_DESC_SIZE);
	say(p->pair->name, test->name, name);
}

/**
 * kp_listed() - whether a parameter that is a list has a word
 * @list: words with commas between them
 * @word: the word
 *
 * Return: true if it is one of them
 */
bool kp_listed(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *at;

	for (at = list; (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ',') &&
		    (at[len] == ',' || !at[len]))
			return true;
	return false;
}

static bool skipped(const char *pair, const char *name, const char *path)
{
	char word[128];

	scnprintf(word, sizeof(word), "%s.%s.%s", pair, name, path);
	return kp_listed(skip, word);
}

/**
 * kp_case_enter() - a case begins
 * @pair: the pair
 * @test: the case; its parameters become the paths that are to run
 */
void kp_case_enter(const struct kp_pair *pair, struct kunit *test)
{
	struct kp_path_param *wanted = pair->stats->wanted;
	u32 path, n = 0;

	running = pair;
	alive_every = !strcmp(test->name, "interrupt") ? INTERRUPT_EVERY :
		!strcmp(test->name, "history") ? HISTORY_EVERY : ALIVE_EVERY;
	kp_stats_enter(pair, test->name);
	for (path = 0; path < KP_NR_PATHS; path++)
		if (!skipped(pair->name, test->name, kp_path_name[path]))
			wanted[n++] = (struct kp_path_param){ pair, path };
	kunit_register_params_array(test, wanted, n, describe_path);
}
EXPORT_SYMBOL_GPL(kp_case_enter);

/**
 * kp_case_exit() - a case has run on all paths
 * @test: the case
 */
void kp_case_exit(struct kunit *test)
{
	kp_reference_forget();
	kp_pair_enter(running);
}
EXPORT_SYMBOL_GPL(kp_case_exit);
