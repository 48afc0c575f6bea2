// SPDX-License-Identifier: GPL-2.0
/*
 * Results of C over C for the programs of case lockstep, which every path is compared
 * with. Each program is run once for all four paths, and a digest of its results is kept
 * until the case ends; where a path has another digest, the program runs on C over C
 * again, to tell the difference. Path c->c is a second run, and shows results that depend
 * on more than the program.
 */
#include <linux/minmax.h>
#include <linux/slab.h>
#include "engine.h"

/* Programs whose digests are kept, 16 bytes each; those beyond run again. */
#define KEPT_MAX	(1024U * 1024)

static struct {
	const struct kp_pair *pair;
	struct kp_digest *digest;
	u32 nr;
} kept;

/* The kept digest of a program, zeros if that has not run; NULL if it is not kept. */
static struct kp_digest *place(const struct kp_pair *pair, u32 index)
{
	if (kept.pair != pair) {
		kp_reference_forget();
		kept.pair = pair;
		kept.nr = min(kp_program_count(pair), KEPT_MAX);
		kept.digest = kvcalloc(kept.nr, sizeof(*kept.digest), GFP_KERNEL);
	}
	return kept.digest && index < kept.nr ? &kept.digest[index] : NULL;
}

/* Whether two paths have the same results for a program, as far as @path sees them. */
static bool same(const struct kp_digest *a, const struct kp_digest *b, enum kp_path_id path)
{
	return a->seen == b->seen && (a->unseen == b->unseen || kp_rust_calls(path));
}

/**
 * kp_reference() - hold a path's trace against C over C, in case lockstep
 * @got: the path's trace of a program
 * @index: its number; that of one program alone until kp_reference_forget()
 * @room: a trace to use
 * @unsteady: receives whether C over C has given other results for it before
 *
 * Context: may sleep.
 * Return: @room, its trace on C over C; NULL if @got is the same, and has broken nothing
 */
const struct kp_trace *kp_reference(const struct kp_trace *got, u32 index,
				    struct kp_trace *room, bool *unsteady)
{
	struct kp_digest *known = place(got->pair, index);
	bool equal;

	*unsteady = false;
	if (known && known->seen && !got->broken && same(known, &got->digest, got->path))
		return NULL;
	/* With the arguments that @got has decided: see kp_program_settle(). */
	kp_trace_run(room, got->pair, KP_C_C, got->prog);
	equal = same(&room->digest, &got->digest, got->path);
	*unsteady = equal && known && known->seen && !same(known, &room->digest, got->path);
	if (equal && known && !known->seen)
		*known = room->digest;
	return equal && !got->broken ? NULL : room;
}

/**
 * kp_reference_forget() - release the digests
 *
 * Context: may sleep.
 */
void kp_reference_forget(void)
{
	kvfree(kept.digest);
	kept.digest = NULL;
	kept.pair = NULL;
}
