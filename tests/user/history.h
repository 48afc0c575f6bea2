/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histories of system calls: two processes, each on a CPU of its own, that share one open file of
 * a pair's node and make calls on it at the same time. What the calls return, and what is read
 * from the file behind them, must be what the pair's C node gives for the same calls one after
 * the other, in some order in which a call that had ended before another one began comes first.
 *
 * A program of a pair's is its table of calls, a &struct history_pair, and
 *
 *	int main(int argc, char **argv)
 *	{
 *		return history_main(argc, argv, &pair);
 *	}
 *
 * Here is what all parts share: history_draw.h draws histories, history_turns.h has the calls
 * meet, history_order.h looks for an order, history_tell.h makes small what has none.
 * history_main.h is the file to include.
 */
#ifndef _KPARITY_USER_HISTORY_H
#define _KPARITY_USER_HISTORY_H

#include <linux/types.h>
#include <stdbool.h>

#define HISTORY_ARGS	3
#define HISTORY_OUTS	3
#define HISTORY_CALLS	16
#define HISTORY_COLUMNS	2
#define HISTORY_BEFORE	12
#define HISTORY_BESIDE	6
#define HISTORY_BEHIND	8
#define HISTORY_OPENINGS	8
#define HISTORY_STEPS	(HISTORY_BEFORE + HISTORY_BESIDE)

/**
 * struct history_arg - an argument of a call
 * @name: its name; NULL for no argument
 * @lo: the least value that is drawn
 * @hi: the largest one
 * @serial: nothing is drawn: each call of a history has a value of its own
 */
struct history_arg {
	const char *name;
	__u64 lo;
	__u64 hi;
	bool serial;
};

/**
 * struct history_call - a row of a pair's table: a system call on the node
 * @name: its name
 * @weight: how often it is drawn beside the others
 * @arg: its arguments
 * @out: names of its outputs; NULL for none
 * @make: makes the call on a file: what that returned, with errno set if that is -1. Outputs that
 *        it does not write stay as they are, and are compared like that.
 */
struct history_call {
	const char *name;
	__u32 weight;
	struct history_arg arg[HISTORY_ARGS];
	const char *out[HISTORY_OUTS];
	long (*make)(int fd, const __u64 *arg, __u64 *out);
};

/**
 * struct history_pair - a pair's table
 * @call: its calls
 * @nr_calls: how many there are
 * @opening: calls that histories begin with, before others that are drawn: one row of these is,
 *           each as often; a row ends with its calls, as @nr_opening says
 * @nr_opening: how many calls each row has
 * @nr_openings: how many rows there are
 * @behind: calls behind the others, which show the state that these have left
 * @nr_behind: how many these are
 * @flags: those that the node is opened with
 */
struct history_pair {
	const struct history_call *call;
	__u32 nr_calls;
	__u8 opening[HISTORY_OPENINGS][HISTORY_BEFORE];
	__u8 nr_opening[HISTORY_OPENINGS];
	__u32 nr_openings;
	__u8 behind[HISTORY_BEHIND];
	__u32 nr_behind;
	int flags;
};

/**
 * struct history_step - a call of a history
 * @call: its row
 * @column: its process, from 0; calls before the processes have 0 as well
 * @arg: its arguments
 */
struct history_step {
	__u8 call;
	__u8 column;
	__u64 arg[HISTORY_ARGS];
};

/**
 * struct history_result - what a call gave
 * @ret: what it returned, or a negative errno
 * @out: its outputs
 */
struct history_result {
	long ret;
	__u64 out[HISTORY_OUTS];
};

/**
 * struct history_event - a call of a process
 * @delay: turns of an empty loop before it, where CPUs take no turns
 * @begun: history_stamp() right before the call
 * @ended: history_stamp() right behind it
 */
struct history_event {
	__u32 delay;
	__u64 begun;
	__u64 ended;
};

/**
 * struct history_turn - the calls that meet where CPUs take turns
 * @event: the call of each process
 * @swap: the second process's calls are made on CPU 0, and not on CPU 1
 * @part: where the one on CPU 1 is stopped, in parts of its length
 * @second: where the one on CPU 0 is stopped, or 0
 */
struct history_turn {
	__u32 event[HISTORY_COLUMNS];
	__u32 swap;
	__u32 part;
	__u32 second;
};

/**
 * struct history - a history, and what it gave
 * @step: its calls: those before the processes, then theirs
 * @before: how many come before the processes
 * @beside: how many these have
 * @result: what the calls gave
 * @behind: what those behind gave
 * @event: the calls of the processes
 * @turn: those that meet
 * @together: two calls of different processes were made at the same time
 * @broken: what is wrong with it, or NULL
 * @nearest: the order that explains most results, as numbers of events
 * @explains: how many results it explains, or -1
 * @known: it has been carried out before, and was right: @nearest explains all of
 * @known_result: these results
 * @known_behind: and those of the calls behind
 */
struct history {
	struct history_step step[HISTORY_STEPS];
	__u32 before;
	__u32 beside;
	struct history_result result[HISTORY_STEPS];
	struct history_result behind[HISTORY_BEHIND];
	struct history_event event[HISTORY_BESIDE];
	struct history_turn turn;
	bool together;
	const char *broken;
	__u8 nearest[HISTORY_BESIDE];
	int explains;
	bool known;
	struct history_result known_result[HISTORY_STEPS];
	struct history_result known_behind[HISTORY_BEHIND];
};

/**
 * struct history_random - a generator of random numbers
 * @state: what it goes on from
 */
struct history_random {
	__u64 state;
};

/**
 * history_die() - draw a number
 * @rnd: where from
 * @sides: how many numbers there are
 *
 * Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014.
 *
 * Return: a number below @sides
 */
static inline __u32 history_die(struct history_random *rnd, __u32 sides)
{
	__u64 z = rnd->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return (z >> 32) * sides >> 32;
}

/**
 * history_at_once() - whether two calls were made at the same time
 * @a: one
 * @b: the other
 *
 * Return: false if one of them had ended when the other one began
 */
static inline bool history_at_once(const struct history_event *a, const struct history_event *b)
{
	return a->begun <= b->ended && b->begun <= a->ended;
}

/**
 * history_column() - the process that makes a call
 * @h: the history
 * @event: the call's event
 *
 * Return: its number, from 0
 */
static inline __u32 history_column(const struct history *h, __u32 event)
{
	return h->step[h->before + event].column;
}

#endif
