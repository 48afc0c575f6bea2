/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which lines of the data cache a call touches, and how often these miss in a model of one.
 *
 * The model is no machine's: 32 KiB in 64 sets of 8 lines of 64 bytes, of data alone. A line that
 * is read or written and is not there takes the place of the one in its set that was used longest
 * ago. It knows virtual addresses; what chooses the set is within a page, and the same in physical
 * ones. It has no prefetching and no second level, and no other CPU takes a line away.
 */
#ifndef KPARITY_DATA_CACHE_H
#define KPARITY_DATA_CACHE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SHIFT	6
#define CACHE_SETS	64
#define CACHE_WAYS	8
#define LINE_BUCKETS	65536

/**
 * struct touched - what calls have touched
 * @read: lines that a call read and did not write, of each call
 * @written: lines that a call wrote
 * @misses: how often a line was not in the model when a call touched it
 */
struct touched {
	__u64 read;
	__u64 written;
	__u64 misses;
};

/**
 * struct data_line - a line that some call has touched
 * @number: its address, without the lower bits
 * @call: the last call that did
 * @written: that call has written it
 * @next: another one in the same bucket
 */
struct data_line {
	__u64 number;
	__u64 call;
	bool written;
	struct data_line *next;
};

/**
 * struct data_cache - lines that calls touch, and the model
 * @call: the number of the call
 * @now: what this call has touched
 * @known: lines of all calls
 * @set: the lines in the model, plus 1, those first that were used last; 0: nothing
 */
struct data_cache {
	__u64 call;
	struct touched now;
	struct data_line *known[LINE_BUCKETS];
	__u64 set[CACHE_SETS][CACHE_WAYS];
};

/**
 * data_empty() - nothing is in the model
 * @cache: the cache
 */
static inline void data_empty(struct data_cache *cache)
{
	memset(cache->set, 0, sizeof(cache->set));
}

/**
 * data_call() - a call begins, which has touched nothing
 * @cache: the cache
 */
static inline void data_call(struct data_cache *cache)
{
	cache->call++;
	cache->now = (struct touched){};
}

/* Whether a line is not in the model. It is afterwards, before all others of its set. */
static inline bool data_misses(struct data_cache *cache, __u64 number)
{
	__u64 *set = cache->set[number % CACHE_SETS];
	unsigned int way;
	bool misses;

	for (way = 0; way < CACHE_WAYS - 1 && set[way] != number + 1; way++)
		;
	misses = set[way] != number + 1;
	memmove(set + 1, set, way * sizeof(*set));
	set[0] = number + 1;
	return misses;
}

static inline struct data_line *data_line_of(struct data_cache *cache, __u64 number)
{
	struct data_line **bucket = &cache->known[(number ^ number >> 16) % LINE_BUCKETS], *line;

	for (line = *bucket; line; line = line->next)
		if (line->number == number)
			return line;
	line = calloc(1, sizeof(*line));
	if (!line)
		abort();
	line->number = number;
	line->next = *bucket;
	*bucket = line;
	return line;
}

/**
 * data_access() - the call reads or writes
 * @cache: the cache
 * @at: the address
 * @size: how many bytes from there on; they may be in several lines
 * @store: it writes
 */
static inline void data_access(struct data_cache *cache, __u64 at, __u64 size, bool store)
{
	__u64 number, last = (at + size - 1) >> LINE_SHIFT;
	struct data_line *line;

	for (number = at >> LINE_SHIFT; number <= last; number++) {
		cache->now.misses += data_misses(cache, number);
		line = data_line_of(cache, number);
		if (line->call != cache->call) {
			line->call = cache->call;
			line->written = false;
			cache->now.read++;
		}
		if (store && !line->written) {
			line->written = true;
			cache->now.read--;
			cache->now.written++;
		}
	}
}

#endif
