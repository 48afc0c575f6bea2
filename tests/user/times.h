/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System calls on a pair's nodes, timed in lane time: the calls of costs.h on the C node and on
 * another one in turn, as kmod/engine/time.c has it of operations.
 *
 * A block is four runs of all calls, in the order ABBA or BAAB, which is drawn; so what drifts hits
 * both nodes alike. Where both are the C node, what differs is the error of the measurement.
 * Printed are, for each call, outcome and node, the calls and the time of each block and a
 * histogram of single calls, in the engine's form (kp_times_show()); the host judges them, over
 * several boots.
 */
#ifndef _KPARITY_USER_TIMES_H
#define _KPARITY_USER_TIMES_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "program.h"

#define TIMES_BLOCKS	24
/* How often a run makes all calls, and how many of its calls of a row count: the first ones. */
#define TIMES_ROUNDS	8
#define TIMES_LIKE	64
/* Calls and outcomes of them that a program can have. */
#define TIMES_MAX	64
#define TIMES_NODES	2
/* Buckets of the histogram, and what a call that was held up counts as: as in the engine. */
#define TIMES_EACH_BITS	5
#define TIMES_BUCKETS	((36 - TIMES_EACH_BITS + 1) << TIMES_EACH_BITS)
#define TIMES_CAP	16
/* Room for a line of the table: BLOCKS and BUCKETS of both nodes, each a number or two. */
#define TIMES_LINE	65536
/* Of a path's name, /dev/kparity-PAIR-SIDE. */
#define TIMES_NAME	80

/**
 * struct times_row - what calls with one outcome have taken
 * @name: the call, as the program names it
 * @end: 0, or the errno, negative
 * @nr: how many calls this run has
 * @took: what they have taken, the first TIMES_LIKE of them
 * @node: of the C node, and of the other one
 * @node.most: the longest call
 * @node.seen: how many calls each block has
 * @node.calls: and those of them that count
 * @node.total: their sum, those that take too long capped
 * @node.bucket: how many calls each bucket has
 */
static struct times_row {
	const char *name;
	long end;
	unsigned int nr;
	unsigned long took[TIMES_LIKE];
	struct {
		unsigned long most;
		unsigned int seen[TIMES_BLOCKS];
		unsigned int calls[TIMES_BLOCKS];
		unsigned long total[TIMES_BLOCKS];
		unsigned int bucket[TIMES_BUCKETS];
	} node[TIMES_NODES];
} times_row[TIMES_MAX];

static unsigned int times_rows;
static bool times_on;
/* Why the table is none, or NULL. */
static const char *times_wrong;

/**
 * times_note() - note what a call of this run has taken
 * @name: the call
 * @end: its outcome
 * @took: in units of the counter
 */
static void times_note(const char *name, long end, unsigned long took)
{
	struct times_row *row = times_row;

	while (row < times_row + times_rows && (row->end != end || strcmp(row->name, name)))
		row++;
	if (row == times_row + TIMES_MAX) {
		times_wrong = "there are more calls and outcomes than TIMES_MAX; raise it";
		return;
	}
	if (row == times_row + times_rows) {
		row->name = name;
		row->end = end;
		times_rows++;
	}
	if (row->nr < TIMES_LIKE)
		row->took[row->nr] = took;
	row->nr++;
}

static unsigned int times_bucket(unsigned long value)
{
	unsigned int shift = 0;

	while (value >> shift >= 2UL << TIMES_EACH_BITS)
		shift++;
	shift = (shift << TIMES_EACH_BITS) + (value >> shift);
	return shift < TIMES_BUCKETS ? shift : TIMES_BUCKETS - 1;
}

static void times_sort(unsigned long *took, unsigned int nr)
{
	unsigned int i, j;
	unsigned long one;

	for (i = 1; i < nr; i++) {
		one = took[i];
		for (j = i; j && took[j - 1] > one; j--)
			took[j] = took[j - 1];
		took[j] = one;
	}
}

/* Add a run's calls to a block, if it is one that counts. */
static void times_keep(unsigned int node, unsigned int block)
{
	struct times_row *row;
	unsigned long cap;
	unsigned int i, nr;

	for (row = times_row; row < times_row + times_rows; row++) {
		if (block == TIMES_BLOCKS || !row->nr)
			goto next;
		nr = row->nr < TIMES_LIKE ? row->nr : TIMES_LIKE;
		times_sort(row->took, nr);
		cap = TIMES_CAP * row->took[(nr - 1) / 2];
		for (i = 0; i < nr; i++) {
			row->node[node].total[block] += row->took[i] < cap ? row->took[i] : cap;
			row->node[node].bucket[times_bucket(row->took[i])]++;
		}
		row->node[node].seen[block] += row->nr;
		row->node[node].calls[block] += nr;
		if (row->took[nr - 1] > row->node[node].most)
			row->node[node].most = row->took[nr - 1];
next:
		row->nr = 0;
	}
}

/* Numbers are printed behind each other: a write for each would take longer than what is timed. */
static size_t times_print_node(char *line, size_t at, const struct times_row *row, int node)
{
	const char *comma = "";
	int i;

	at += snprintf(line + at, TIMES_LINE - at, " %lu ", row->node[node].most);
	for (i = 0; i < TIMES_BLOCKS; i++)
		at += snprintf(line + at, TIMES_LINE - at, "%s%u:%lu", i ? "," : "",
			       row->node[node].calls[i], row->node[node].total[i]);
	at += snprintf(line + at, TIMES_LINE - at, " ");
	for (i = 0; i < TIMES_BUCKETS; i++) {
		if (!row->node[node].bucket[i])
			continue;
		at += snprintf(line + at, TIMES_LINE - at, "%s%u:%u", comma, i,
			       row->node[node].bucket[i]);
		comma = ",";
	}
	return at;
}

/* Tell of calls that have not come to an outcome as often on both nodes, in each block. */
static void times_compare(void)
{
	const struct times_row *row;

	for (row = times_row; row < times_row + times_rows; row++)
		if (memcmp(row->node[0].seen, row->node[1].seen, sizeof(row->node[0].seen))) {
			printf("# %s %ld: not as often on both nodes\n", row->name, row->end);
			times_wrong = "the nodes do not come to the same outcomes";
		}
}

static void times_print(void)
{
	static char line[TIMES_LINE];
	const struct times_row *row;
	unsigned int block;
	size_t at;

	for (row = times_row; row < times_row + times_rows; row++) {
		for (block = 0; block < TIMES_BLOCKS && !row->node[0].calls[block]; block++)
			;
		/* What only the runs before blocks came to, as at a node's first use. */
		if (block == TIMES_BLOCKS)
			continue;
		at = snprintf(line, TIMES_LINE, "# time %s %ld warm", row->name, row->end);
		at = times_print_node(line, at, row, 0);
		at = times_print_node(line, at, row, 1);
		if (at + 1 >= TIMES_LINE)
			times_wrong = "a line of the table is longer than TIMES_LINE";
		else
			puts(line);
	}
}

/* The nodes' names, and the seed behind them: NODE,NODE,SEED. */
static bool times_parse(const char *words, char node[][TIMES_NAME], unsigned long *seed)
{
	const char *end;
	int i;

	for (i = 0; i < TIMES_NODES; i++, words = end + 1) {
		end = strchr(words, ',');
		if (!end || end - words >= TIMES_NAME)
			return false;
		memcpy(node[i], words, end - words);
		node[i][end - words] = '\0';
	}
	*seed = strtoul(words, NULL, 10);
	return true;
}

/* Zero or one, by a generator of its own: splitmix64 of Steele, Lea and Flood, 2014. */
static unsigned int times_draw(unsigned long *state)
{
	unsigned long z = *state += 0x9e3779b97f4a7c15UL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
	return (z ^ z >> 31) & 1;
}

/**
 * times_main() - time system calls on two nodes in turn
 * @words: the nodes, the C node first, and a seed, with commas between them
 * @round: makes all calls on a node once, and the empty one
 *
 * Prints KTAP; the rows are diagnostic lines.
 *
 * Return: the exit status
 */
static int times_main(const char *words, void (*round)(const char *node))
{
	static char node[TIMES_NODES][TIMES_NAME];
	const unsigned long cpu = 1;
	unsigned int block, run, i;
	unsigned long seed;

	if (!times_parse(words, node, &seed))
		return 2;
	/* All calls are on one CPU, which each CPU of a guest can be. */
	if (syscall(__NR_sched_setaffinity, 0, sizeof(cpu), &cpu) < 0)
		times_wrong = "it cannot stay on one CPU";
	times_on = true;
	for (block = 0; block < TIMES_BLOCKS; block++) {
		const unsigned int first = times_draw(&seed);
		/*
		 * Before it, a run on each node fills the caches and is not kept. Of the runs of
		 * each node one comes behind its own kind, and one behind the other's.
		 */
		const unsigned int of[] = { !first, first, first, !first, !first, first };

		tell_alive();
		for (run = 0; run < sizeof(of) / sizeof(*of); run++) {
			for (i = 0; i < TIMES_ROUNDS; i++)
				round(node[of[run]]);
			times_keep(of[run], run < TIMES_NODES ? TIMES_BLOCKS : block);
		}
	}
	printf("KTAP version 1\n1..1\n");
	times_compare();
	if (!times_wrong)
		times_print();
	if (times_wrong)
		printf("# %s\n", times_wrong);
	printf("%sok 1 calls\n", times_wrong ? "not " : "");
	return times_wrong ? 1 : 0;
}

#endif
