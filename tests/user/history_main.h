/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histories of system calls, carried out: see history.h.
 *
 * The two processes share their files and some memory, and nothing else. This one makes the calls
 * of CPU 0 and judges; the other one waits, and makes those of CPU 1.
 */
#ifndef _KPARITY_USER_HISTORY_MAIN_H
#define _KPARITY_USER_HISTORY_MAIN_H

#include <linux/prctl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "history.h"
#include "history_draw.h"
#include "history_order.h"
#include "history_tell.h"
#include "history_turns.h"
#include "program.h"

/* Times as many histories as the engine has of operations: a system call is cheap here. */
#define MORE		12
/* Runs of each history: its calls meet at other places each time. */
#define PLACES		4
/* Runs of histories, for each that is to have calls at the same time. */
#define MOST_TRIED	6
/* Where less than a part of them has, nothing was judged. */
#define TOO_FEW		4
/* Runs between two signs of life. */
#define ALIVE		512
/* Runs of a history until it has gone wrong again, and of a smaller one. */
#define RUNS		2000
#define AS_MANY		4
#define RUNS_LEAST	100
/* Nanoseconds that making one small may take; by turns they are instructions. */
#define SHRINKS_FOR	(run.by_turns ? 400000000LL : 2000000000LL)
/* Waits between two looks whether the other process is still there. */
#define LOOK_EVERY	250000

/* This run: the nodes, and what the host asks for. */
static struct {
	const struct history_pair *pair;
	const char *node;
	char c_node[64];
	bool by_turns;
	__u64 seed;
	__u32 wanted;
	pid_t other;
	__u32 tried;
	__u32 together;
	__u32 calls;
} run;

/* Memory of both processes: what is to be carried out, and on which file. */
static struct shared {
	struct history h;
	int fd;
	__u32 go;
	__u32 begun;
	__u32 done;
	struct turns turns;
} *shared;

/* The processes have this CPU alone, of 0 and 1. */
static bool pin(__u32 cpu)
{
	unsigned long mask = cpu ? 2 : 1;

	return !syscall(__NR_sched_setaffinity, 0, sizeof(mask), &mask);
}

/* Make the calls of a CPU. */
static void run_column(__u32 cpu)
{
	struct history *h = &shared->h;
	const __u32 column = cpu ^ h->turn.swap;
	__u32 event, turns;

	for (event = 0; event < h->beside; event++) {
		const struct history_step *step = &h->step[h->before + event];
		struct history_result *result = &h->result[h->before + event];
		struct history_event *e = &h->event[event];

		if (step->column != column)
			continue;
		if (run.by_turns && event == h->turn.event[column])
			turns_meet(&shared->turns, h, cpu, event);
		for (turns = e->delay; turns; turns--)
			asm volatile("" ::: "memory");
		e->begun = history_stamp();
		history_make(&run.pair->call[step->call], shared->fd, step->arg, result);
		e->ended = history_stamp();
	}
}

static void run_other(void)
{
	__u32 n;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || !pin(1) || turns_start())
		_exit(1);
	for (n = 1;; n++) {
		while (load(&shared->go) != n)
			pause_turn();
		store(&shared->begun, n);
		run_column(1);
		store(&shared->done, n);
	}
}

/* Wait until the other process has set a number; the program ends if that is gone. */
static void wait_for(__u32 *at, __u32 value)
{
	__u32 n = 0;

	while (load(at) != value) {
		pause_turn();
		if (++n % LOOK_EVERY == 0 && waitpid(run.other, NULL, WNOHANG) == run.other) {
			printf("# the second process has died\n");
			exit(1);
		}
	}
}

/* Carry a history out once, and judge it; whether it is right. */
static bool try_history(struct history *h, __u64 seed)
{
	const __u32 n = shared->go + 1;
	__u32 i, j;

	history_draw_meeting(h, run.by_turns, seed);
	history_clear(h->result, HISTORY_STEPS);
	history_clear(h->behind, HISTORY_BEHIND);
	shared->fd = open(run.node, run.pair->flags);
	if (shared->fd < 0) {
		h->broken = "the node cannot be opened";
		h->explains = -1;
		return false;
	}
	history_steps(run.pair, h, shared->fd, 0, h->before, h->result);
	if (h != &shared->h)
		shared->h = *h;
	store(&shared->go, n);
	wait_for(&shared->begun, n);
	run_column(0);
	wait_for(&shared->done, n);
	if (h != &shared->h)
		*h = shared->h;
	history_behind(run.pair, shared->fd, h->behind);
	close(shared->fd);
	if (run.by_turns)
		turns_measure(&shared->turns, h);
	h->together = false;
	for (i = 0; i < h->beside; i++)
		for (j = 0; j < i; j++)
			h->together |= history_column(h, i) != history_column(h, j) &&
				history_at_once(&h->event[i], &h->event[j]);
	history_judge(run.pair, run.c_node, h);
	return !h->broken;
}

/* Try a history until it goes wrong in the same way; how often, or 0 if it does not. */
static __u32 try_again(struct history *h, const char *broken, __u32 most)
{
	__u32 i;

	for (i = 1; i <= most; i++) {
		if (i % ALIVE == 0)
			tell_alive();
		if (!try_history(h, run.seed + i * 7919ULL) && h->broken == broken)
			return i;
	}
	return 0;
}

static __s64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static bool has_both(const struct history *h)
{
	__u32 i, both = 0;

	for (i = 0; i < h->beside; i++)
		both |= 1 << history_column(h, i);
	return both == 3;
}

/* How far making small has come: the smallest so far, and the runs that took. */
struct smaller {
	struct history *h;
	__u32 runs;
	__s64 end;
};

/* Keep a changed history if that goes wrong as well. */
static bool keep(struct smaller *s, struct history *changed)
{
	__u32 runs = s->runs * AS_MANY + RUNS_LEAST;

	if (now() > s->end || !has_both(changed))
		return false;
	changed->known = false;
	runs = try_again(changed, s->h->broken, runs < RUNS ? runs : RUNS);
	if (!runs)
		return false;
	if (runs > s->runs)
		s->runs = runs;
	*s->h = *changed;
	return true;
}

static bool leave_out(struct smaller *s, __u32 at)
{
	struct history changed = *s->h;
	__u32 nr = changed.before + changed.beside;

	memmove(&changed.step[at], &changed.step[at + 1],
		(nr - at - 1) * sizeof(changed.step[0]));
	if (at < changed.before)
		changed.before--;
	else
		changed.beside--;
	return keep(s, &changed);
}

static void make_small(struct smaller *s)
{
	__u32 i, a;

	for (i = 0; i < s->h->before + s->h->beside; )
		if (!leave_out(s, i))
			i++;
	for (i = 0; i < s->h->before + s->h->beside; i++) {
		const struct history_call *call = &run.pair->call[s->h->step[i].call];

		for (a = 0; a < HISTORY_ARGS; a++) {
			struct history changed = *s->h;

			if (call->arg[a].serial || changed.step[i].arg[a] == call->arg[a].lo)
				continue;
			changed.step[i].arg[a] = call->arg[a].lo;
			keep(s, &changed);
		}
	}
}

/* Make a history small that has gone wrong, and tell of it. */
static void tell(struct history *h, __u32 index)
{
	struct history again = *h;
	struct smaller s = { .h = h, .end = now() + SHRINKS_FOR };

	printf("# seed %llu, run %u: %s\n", run.seed, index, h->broken);
	s.runs = try_again(&again, h->broken, RUNS);
	if (s.runs) {
		*h = again;
		make_small(&s);
	}
	history_print(run.pair, run.c_node, h);
	if (!s.runs)
		printf("#         it went wrong once, and in none of %u more runs\n", RUNS);
}

/* Try histories until enough runs of them had calls at the same time; whether all are right. */
static bool run_drawn(void)
{
	struct history *h = &shared->h;
	__u32 i;

	for (i = 0; i < run.wanted * MOST_TRIED && run.together < run.wanted; i++) {
		bool right;

		if (i % ALIVE == 0)
			tell_alive();
		if (i % PLACES == 0)
			history_draw(run.pair, h, run.seed * 0xd1342543de82ef95ULL + i);
		right = try_history(h, run.seed + i * 1000003ULL);
		run.tried++;
		run.together += h->together;
		run.calls += h->beside;
		if (!right) {
			struct history wrong = *h;

			tell(&wrong, i);
			return false;
		}
	}
	return true;
}

/* Whether the counters of both CPUs are in step: where CPUs take turns there is one counter. */
static bool in_step(void)
{
#if defined(__x86_64__)
	char text[128];
	ssize_t len;
	int fd;

	if (run.by_turns)
		return true;
	fd = open("/sys/devices/system/clocksource/clocksource0/available_clocksource", O_RDONLY);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	return strstr(text, "tsc");
#else
	return true;
#endif
}

static __u64 number(const char *name)
{
	char text[32];

	parameter(name, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

/* The nodes of a pair have the same name, but for the language at its end. */
static bool set_nodes(const char *node)
{
	const char *end = strrchr(node, '-');

	run.node = node;
	return end && snprintf(run.c_node, sizeof(run.c_node), "%.*s-c", (int)(end - node),
			       node) < (int)sizeof(run.c_node);
}

/* A second process, with the same files, on the other CPU. */
static bool start_other(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		return false;
	turns_init(&shared->turns);
	if (!pin(0) || turns_start())
		return false;
	run.other = syscall(__NR_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!run.other)
		run_other();
	return run.other > 0;
}

/**
 * history_main() - carry out histories of a pair, and print KTAP
 * @argc: of main()
 * @argv: of main(); the node
 * @pair: the pair
 *
 * Return: the exit status
 */
static int history_main(int argc, char **argv, const struct history_pair *pair)
{
	char turns[4];
	__s64 ms;
	bool right;

	run.pair = pair;
	if (argc != 2 || !set_nodes(argv[1]))
		return 2;
	parameter("turns", turns, sizeof(turns));
	run.by_turns = *turns == 'Y';
	run.seed = number("seed");
	run.wanted = MORE * number("histories");
	printf("KTAP version 1\n1..1\n");
	if (!in_step()) {
		printf("ok 1 history # SKIP the CPUs' counters are not in step, and tell %s\n",
		       "no order");
		return 0;
	}
	if (!run.wanted || !start_other()) {
		printf("# no second process, or no histories are wanted (errno %d)\n", errno);
		printf("not ok 1 history\n");
		return 1;
	}
	ms = now() / 1000000;
	right = run_drawn();
	ms = now() / 1000000 - ms;
	kill(run.other, SIGKILL);
	waitpid(run.other, NULL, 0);
	printf("# %u runs of histories, at once in %u of %u, %u calls, %lld ms of the guest\n",
	       run.tried, run.together, run.wanted, run.calls, ms);
	if (right && run.together * TOO_FEW < run.wanted)
		printf("ok 1 history # SKIP %s: calls met in %u of %u\n", run.by_turns ?
		       "too few met" : "the host is too busy", run.together, run.wanted);
	else
		printf("%sok 1 history\n", right ? "" : "not ");
	return !right;
}

#endif
