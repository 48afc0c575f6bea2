// SPDX-License-Identifier: GPL-2.0
/*
 * How the cost of an operation grows: what calls of lane insn have cost by what the object held
 * before them, and by the bytes that they were given.
 */
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "engine.h"

/* Up to this size each has a row of its own; above it, each half of a power of two. */
#define EACH		16

/* Rows that are added to at a time; two that meet in one place become more rows, which add up. */
#define PLACES		512

/* The least size of the row that a size is in. */
static u32 row_of(u32 size)
{
	return size < EACH ? size : size & (3U << (fls(size) - 2));
}

/* Whether an argument has a number of bytes, that of @value. */
static bool has_bytes(const struct kp_arg *arg, u64 value, u32 *bytes)
{
	if (kp_in_pool(arg) || arg->kind == KP_USER_BUFFER)
		*bytes = kp_span_len(value);
	else if (arg->kind == KP_BUFFER)
		*bytes = value;
	else
		return false;
	return true;
}

/**
 * kp_grows() - whether anything is known that the cost of a pair's operations can grow with
 * @pair: the pair
 *
 * Return: true if its contract says what an object holds, or an operation is given bytes
 */
bool kp_grows(const struct kp_pair *pair)
{
	u32 op, a, bytes;

	for (op = 1; op < pair->nr_ops; op++)
		for (a = 0; a < pair->operation[op].nr_args; a++)
			if (has_bytes(&pair->operation[op].arg[a], 0, &bytes))
				return true;
	return pair->holds;
}

static int add_row(const struct kp_pair *pair, const struct kp_growth *row)
{
	struct kp_stats *stats = pair->stats;
	struct kp_growth *rows = kp_room(stats->growth, stats->nr_growths, &stats->max_growths,
					 sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	stats->growth = rows;
	stats->growth[stats->nr_growths++] = *row;
	return 0;
}

/* Whether a call belongs to a row that has calls: their mean is a size of that row as well. */
static bool of_row(const struct kp_growth *row, const struct kp_growth *one, u32 size)
{
	return row->op == one->op && row->end == one->end && row->measure == one->measure &&
		row_of(row->sizes / row->calls) == row_of(size);
}

/* Add a call to the row at its place; what was there of another row goes to the pair's table. */
static int add_call(const struct kp_trace *t, struct kp_growth *place, u32 i, u8 measure, u32 size)
{
	const struct kp_step *step = &t->prog->step[i];
	struct kp_growth one = {
		.op = step->op, .path = t->path, .measure = measure,
		.end = kp_end(&t->pair->operation[step->op], t->step[i].ret), .least = U64_MAX,
	};
	int err = 0;

	place += kp_hash_word(KP_HASH_START, (u64)row_of(size) << 32 | (u64)(u16)one.end << 16 |
			      one.op << 4 | measure) % PLACES;
	if (place->calls && !of_row(place, &one, size)) {
		err = add_row(t->pair, place);
		place->calls = 0;
	}
	if (!place->calls)
		*place = one;
	place->calls++;
	place->sizes += size;
	place->costs += t->step[i].cost;
	place->least = min(place->least, t->step[i].cost);
	return err;
}

/**
 * kp_growth_add() - add what calls of a program have cost to the pair's table
 * @t: its trace, with what each call has cost
 * @held: what the object held before each call, or NULL
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM
 */
int kp_growth_add(const struct kp_trace *t, const u32 *held)
{
	struct kp_growth *place = kvcalloc(PLACES, sizeof(*place), GFP_KERNEL);
	int err = place ? 0 : -ENOMEM;
	u32 i, a, bytes;

	for (i = 0; i < t->nr && !err; i++) {
		const struct kp_step *step = &t->prog->step[i];
		const struct kp_operation *op = &t->pair->operation[step->op];

		if (t->step[i].skipped || !step->op)
			continue;
		if (held)
			err = add_call(t, place, i, 0, held[i]);
		for (a = 0; a < op->nr_args && !err; a++)
			if (has_bytes(&op->arg[a], step->arg[a], &bytes))
				err = add_call(t, place, i, a + 1, bytes);
	}
	for (i = 0; i < PLACES && !err; i++)
		if (place[i].calls)
			err = add_row(t->pair, &place[i]);
	kvfree(place);
	return err;
}

/**
 * kp_growth_show() - print what calls have cost by size
 * @seq: where to
 * @pair: the pair
 *
 * One line a row: path, operation, the end that calls came to, the argument whose bytes are the
 * size or - for what the object held; then calls, the sum of their sizes, the least that one of
 * them cost, and the sum of what they cost.
 */
void kp_growth_show(struct seq_file *seq, const struct kp_pair *pair)
{
	u32 i;

	for (i = 0; i < pair->stats->nr_growths; i++) {
		const struct kp_growth *row = &pair->stats->growth[i];
		const struct kp_operation *op = &pair->operation[row->op];

		seq_printf(seq, "%s %s %d %s %u %llu %llu %llu\n", kp_path_name[row->path],
			   op->name, row->end,
			   row->measure ? op->arg[row->measure - 1].name : "-", row->calls,
			   row->sizes, row->least, row->costs);
	}
}
