// SPDX-License-Identifier: GPL-2.0
/*
 * What C over C makes of the programs of case lockstep. Every path is compared with
 * it, so it is run once for all four, and kept until the case ends; path c->c is a
 * second run, and shows what depends on more than the program.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include "engine.h"

/* A trace of a usual program takes some 20 KiB: programs beyond these run again. */
#define KEPT_MAX	256

static struct {
	const struct kp_pair *pair;
	struct kp_trace *trace[KEPT_MAX];
} kept;

/**
 * kp_reference() - run a program of case lockstep on C over C, or say what that gave
 * @pair: the pair
 * @prog: the program
 * @index: its number; that of one program alone until kp_reference_forget()
 * @room: a trace to use if this one is not kept
 *
 * Context: may sleep.
 * Return: the trace, valid until the next call; it is that of @prog
 */
const struct kp_trace *kp_reference(const struct kp_pair *pair,
				    const struct kp_program *prog, u32 index,
				    struct kp_trace *room)
{
	struct kp_trace *trace;

	if (kept.pair != pair)
		kp_reference_forget();
	kept.pair = pair;
	if (index < KEPT_MAX && kept.trace[index]) {
		kept.trace[index]->prog = prog;
		return kept.trace[index];
	}
	trace = index < KEPT_MAX ? kp_trace_alloc(prog->nr_steps, true) : NULL;
	kp_trace_run(trace ?: room, pair, KP_C_C, prog);
	if (!trace)
		return room;
	kp_trace_trim(trace);
	kept.trace[index] = trace;
	return trace;
}

/**
 * kp_reference_forget() - release what is kept
 *
 * Context: may sleep.
 */
void kp_reference_forget(void)
{
	u32 i;

	for (i = 0; i < KEPT_MAX; i++) {
		kp_trace_free(kept.trace[i]);
		kept.trace[i] = NULL;
	}
	kept.pair = NULL;
}
