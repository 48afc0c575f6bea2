// SPDX-License-Identifier: GPL-2.0
/*
 * What C over C makes of the programs of case lockstep. Every path is compared with
 * it. It is run once for all four, and a digest of each program is kept until the case
 * ends; where a path's is another one the program runs on C over C again, to be told
 * what differs. Path c->c is a second run, and shows what depends on more than the
 * program.
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

/* Where the digest of a program is, zeros if it has not run; NULL if it is not kept. */
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

/* Whether two paths have made the same of a program, as far as @path sees it. */
static bool same(const struct kp_digest *a, const struct kp_digest *b, enum kp_path_id path)
{
	return a->seen == b->seen && (a->unseen == b->unseen ||
				      path == KP_RUST_C || path == KP_RUST_RUST);
}

/**
 * kp_reference() - say what C over C makes of a program of case lockstep
 * @got: what a path has made of it
 * @index: its number; that of one program alone until kp_reference_forget()
 * @room: a trace to use
 * @unsteady: receives whether C over C has made something else of it before
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
 * kp_reference_forget() - release what is kept
 *
 * Context: may sleep.
 */
void kp_reference_forget(void)
{
	kvfree(kept.digest);
	kept.digest = NULL;
	kept.pair = NULL;
}
