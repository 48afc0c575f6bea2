/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System calls on a pair's nodes, counted in lane insn and timed in lane time. A pair's table of
 * them is a function that makes them in a fixed order, on an open of its own. costs_main() carries
 * it out several times and prints, for each call and outcome, the least that it has cost; in lane
 * time it does so on two nodes in turn, see times.h:
 *
 *	static void calls(const char *node)
 *	{
 *		int fd = COUNT(open, __NR_openat, AT_FDCWD, node, O_RDWR, 0);
 *		char byte;
 *
 *		COUNT(read, __NR_read, fd, &byte, 1, 0);
 *		COUNT(read, __NR_read, fd, 8, 1, 0);
 *		COUNT(close, __NR_close, fd, 0, 0, 0);
 *	}
 *
 *	int main(int argc, char **argv)
 *	{
 *		return costs_main(argc, argv, calls);
 *	}
 *
 * Every call is made by the same instructions of this program, whatever its number and its
 * arguments: those of an empty system call are in each figure, and the host subtracts
 * them. What is left is the call's own way through the kernel, to the node and back.
 */
#ifndef _KPARITY_USER_COSTS_H
#define _KPARITY_USER_COSTS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "program.h"
#include "times.h"

/* Rounds of all calls. The first fills caches and is not counted; an interrupt hits few others. */
#define COSTS_ROUNDS	17
/* Calls and outcomes of them that a program can have. */
#define COSTS_MAX	64
/* Errnos are negative numbers above this. */
#define COSTS_ERRNOS	(-4096L)
#define COSTS_NOPS	1000
/* To personality(): tell it, change nothing. It is empty but for that word, as getpid() is not. */
#define COSTS_ASKS	0xffffffff
#define COSTS_IS(x)	__attribute__((x))
#define COSTS_WORD(x)	#x
#define COSTS_TEXT(x)	COSTS_WORD(x)

/**
 * struct costs_row - what calls with one outcome have cost
 * @name: the call, as the program names it
 * @end: 0, or the errno, negative
 * @least: instructions, or ticks of the counter
 * @times: how many calls were counted
 */
static struct costs_row {
	const char *name;
	long end;
	unsigned long least;
	unsigned int times;
} costs_row[COSTS_MAX];

static unsigned int costs_rows;
static bool costs_counting, costs_overflow;

/**
 * costs_clock() - read the counter, in order with all else
 *
 * In lane insn it counts executed instructions. User space may read it: Linux leaves CR4.TSD clear
 * on x86_64, and sets EL0VCTEN of CNTKCTL_EL1 on arm64.
 *
 * Return: its value
 */
static inline unsigned long costs_clock(void)
{
#if defined(__x86_64__)
	unsigned int low, high;

	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (unsigned long)high << 32 | low;
#elif defined(__aarch64__)
	unsigned long ticks;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks) : : "memory");
	return ticks;
#else
#error "say how this arch's counter is read"
#endif
}

/* Two functions alike but for the nops, so that a compiler moves the same into what is counted. */
static COSTS_IS(noinline) unsigned long costs_nothing(void)
{
	unsigned long begun = costs_clock();

	__asm__ volatile("" : : : "memory");
	return costs_clock() - begun;
}

static COSTS_IS(noinline) unsigned long costs_nops(void)
{
	unsigned long begun = costs_clock();

	__asm__ volatile(".rept " COSTS_TEXT(COSTS_NOPS) "\n\tnop\n\t.endr" : : : "memory");
	return costs_clock() - begun;
}

/*
 * Whether the counter counts instructions: so many nops more must cost exactly their number. An
 * interrupt can come in between, but not each time.
 */
static bool costs_clock_counts(void)
{
	int tries;

	for (tries = 0; tries < COSTS_ROUNDS; tries++)
		if (costs_nops() - costs_nothing() == COSTS_NOPS)
			return true;
	return false;
}

/* Note what a call has cost. */
static void costs_note(const char *name, long end, unsigned long cost)
{
	struct costs_row *row = costs_row;

	while (row < costs_row + costs_rows && (row->end != end || strcmp(row->name, name)))
		row++;
	if (row == costs_row + COSTS_MAX) {
		costs_overflow = true;
		return;
	}
	if (row == costs_row + costs_rows) {
		*row = (struct costs_row){ .name = name, .end = end, .least = cost };
		costs_rows++;
	}
	row->times++;
	if (cost < row->least)
		row->least = cost;
}

/**
 * costs_call() - make a system call and count it; see COUNT()
 * @name: the call, for a person
 * @nr: its number
 * @arg: its arguments
 *
 * Return: what it has returned: an errno is negative
 */
static COSTS_IS(noinline) long costs_call(const char *name, long nr, const long *arg)
{
	long a = arg[0], b = arg[1], c = arg[2], d = arg[3], ret, end;
	unsigned long begun, ended;

	begun = costs_clock();
	ret = __nolibc_syscall6(nr, a, b, c, d, 0L, 0L);
	ended = costs_clock();
	end = ret < 0 && ret > COSTS_ERRNOS ? ret : 0;
	if (times_on)
		times_note(name, end, ended - begun);
	else if (costs_counting)
		costs_note(name, end, ended - begun);
	return ret;
}

/**
 * COUNT() - make a system call and count it
 * @call: a name of one word; calls with the same name and outcome are one row, so that they should
 *        find the node in the same state, and have arguments of the same size
 * @nr: its number
 * @a: its first argument; 0 for each that it does not have
 * @b: its second argument
 * @c: its third argument
 * @d: its fourth argument
 *
 * Return: what it has returned: an errno is negative
 */
#define COUNT(call, nr, a, b, c, d) \
	costs_call(#call, nr, (const long[]){ (long)(a), (long)(b), (long)(c), (long)(d) })

static void (*costs_calls)(const char *node);

/* The empty call and all others, once. */
static void costs_round(const char *node)
{
	COUNT(noop, __NR_personality, COSTS_ASKS, 0, 0, 0);
	costs_calls(node);
}

/**
 * costs_main() - count or time the system calls of a pair on what the command line names
 * @argc: as main() has it
 * @argv: as main() has it
 * @calls: makes the calls, in the same order each time, and leaves nothing open
 *
 * One node: they are counted on it. Two and a seed, with commas between them: they are timed.
 * Prints KTAP; the rows are diagnostic lines "# cost NAME END INSTRUCTIONS CALLS".
 *
 * Return: the exit status
 */
static int costs_main(int argc, char **argv, void (*calls)(const char *node))
{
	unsigned int i, round;
	bool good;

	if (argc != 2)
		return 2;
	costs_calls = calls;
	if (strchr(argv[1], ','))
		return times_main(argv[1], costs_round);
	good = costs_clock_counts();
	printf("KTAP version 1\n1..2\n%sok 1 counter\n", good ? "" : "not ");
	for (round = 0; round < COSTS_ROUNDS; round++) {
		costs_counting = round > 0;
		costs_round(argv[1]);
	}
	tell_alive();
	for (i = 0; i < costs_rows; i++)
		printf("# cost %s %ld %lu %u\n", costs_row[i].name, costs_row[i].end,
		       costs_row[i].least, costs_row[i].times);
	if (costs_overflow)
		printf("# more than %d calls and outcomes: raise COSTS_MAX\n", COSTS_MAX);
	printf("%sok 2 calls\n", costs_overflow ? "not " : "");
	return good && !costs_overflow ? 0 : 1;
}

#endif
