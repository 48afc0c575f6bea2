// SPDX-License-Identifier: GPL-2.0
/*
 * latch in C. See contract/latch.h.
 */
#include <linux/err.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "contract/latch.h"

/**
 * struct latch_totals - what readers get
 * @count: samples added
 * @sum: their sum
 */
struct latch_totals {
	u64 count;
	u64 sum;
};

/**
 * struct latch - the C definition
 * @lock: taken by writers, for a short time
 * @seq: its lowest bit is the copy that readers take
 * @copy: what readers get, twice
 */
struct latch {
	spinlock_t lock; /* protects the writing of all below */
	seqcount_latch_t seq;
	struct latch_totals copy[2];
};

struct latch *latch_create(void)
{
	struct latch *latch = kzalloc_obj(*latch);

	if (!latch)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&latch->lock);
	seqcount_latch_init(&latch->seq);
	return latch;
}

#if IS_ENABLED(CONFIG_KUNIT)
struct latch *latch_create_at(u32 at)
{
	struct latch *latch = latch_create();

	/* What latch_create() has made is seen where nothing else is asked for. */
	if (IS_ERR(latch) || !at)
		return latch;
	latch->seq.seqcount.sequence = 2 * at;
	latch->copy[0].count = at;
	latch->copy[1].count = at;
	return latch;
}
#endif

void latch_destroy(struct latch *latch)
{
	kfree(latch);
}

static void latch_totals_add(struct latch_totals *totals, u32 value)
{
	totals->count++;
	totals->sum += value;
}

void latch_add(struct latch *latch, u32 value)
{
	spin_lock(&latch->lock);
	write_seqcount_latch_begin(&latch->seq);
	latch_totals_add(&latch->copy[0], value);
	write_seqcount_latch(&latch->seq);
	latch_totals_add(&latch->copy[1], value);
	write_seqcount_latch_end(&latch->seq);
	spin_unlock(&latch->lock);
}

void latch_read(struct latch *latch, u64 *count, u64 *sum)
{
	const struct latch_totals *copy;
	struct latch_totals totals;
	unsigned int seq;

	do {
		seq = read_seqcount_latch(&latch->seq);
		copy = &latch->copy[seq & 1];
		totals.count = copy->count;
		totals.sum = copy->sum;
	} while (read_seqcount_latch_retry(&latch->seq, seq));
	*count = totals.count;
	*sum = totals.sum;
}

void latch_view(struct latch *latch, struct latch_view *view)
{
	latch_read(latch, &view->count, &view->sum);
}
