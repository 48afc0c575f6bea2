/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarations that the files of case interrupt share: scenes are found and made in scenes.c,
 * entered and judged in trials.c, made small and told in violations.c; interrupt.c goes through
 * all of them.
 */
#ifndef _KPARITY_INTERRUPT_H
#define _KPARITY_INTERRUPT_H

#include "engine.h"
#include "irq.h"

/** define KP_SCENE_STEPS - operations of a program that leads to a scene */
#define KP_SCENE_STEPS	24

/** define KP_DRAWS - draws of the arguments of what interrupts, beside those of the other one */
#define KP_DRAWS	3

/** define KP_PLACES - places in programs where an operation ends and costs the same, one a draw */
#define KP_PLACES	(KP_DRAWS + 1)

/** define KP_LANDINGS - places behind interrupts that are off, of those met last */
#define KP_LANDINGS	16

/** define KP_TRIES - tries for a position at which no interruption comes */
#define KP_TRIES	8

/** define KP_SHORTER - instructions by which the way into an interrupt can be shorter */
#define KP_SHORTER	32

/**
 * enum kp_beside - which step of a program interrupts which one
 * @KP_DRAWN: any that is drawn interrupts it
 * @KP_BY_NEXT: the next one interrupts it
 * @KP_NEXT_BY: it interrupts the next one
 */
enum kp_beside { KP_DRAWN, KP_BY_NEXT, KP_NEXT_BY };

/**
 * struct kp_at - a step of a program
 * @index: the program
 * @at: the step
 * @ip: addresses of its operation's instructions, as far as they are known; NULL if none is
 * @length: how many these are
 */
struct kp_at {
	u32 index;
	u32 at;
	unsigned long *ip;
	u32 length;
};

/**
 * struct kp_start - a state in which an operation is interrupted
 * @place: that before one of these steps
 * @nr_places: how many these are
 * @op: the operation
 * @ret: what it gives at all of them
 * @cost: what it costs there
 * @beside: which one interrupts it
 * @other: the operation that does, unless that is drawn
 * @outcome: what both give then, in the program's order and in the other one
 */
struct kp_start {
	struct kp_at place[KP_PLACES];
	u32 nr_places;
	u32 op;
	s64 ret;
	u64 cost;
	enum kp_beside beside;
	u32 other;
	s64 outcome[4];
};

/**
 * struct kp_scene - an operation in a state, and one that interrupts it
 * @done: positions that need not be tried, as bits; NULL is not known yet
 * @length: instructions of the first operation; 0 is not known yet
 * @tried: positions looked at
 * @unreached: those of them at which no interruption came
 * @trap: the first and the last position known to be in the trap of a probe; 0 for none
 * @start: number of the state
 * @inner: the operation that interrupts
 * @draw: which draw of its arguments
 * @redrawn: how often these were drawn again
 * @rank: how many scenes with the same two operations come before it
 * @over: nothing is left to try
 * @none: no arguments make it
 */
struct kp_scene {
	unsigned long *done;
	u32 length;
	u32 tried;
	u32 unreached;
	u32 trap[2];
	u32 start;
	u32 rank;
	u16 inner;
	u16 draw;
	u8 redrawn;
	bool over;
	bool none;
};

/**
 * struct kp_violation - where a scene went wrong
 * @times: at how many positions
 * @at: the first of them
 * @ip: address of the instruction there
 * @by: that of the pair's call of the function that it is in; 0 if it is the pair's own
 * @broken: what is wrong; NULL for nothing
 */
struct kp_violation {
	u32 times;
	u32 at;
	unsigned long ip;
	unsigned long by;
	const char *broken;
};

/**
 * struct kp_met - scenes of two operations
 * @scenes: how many these are
 * @begun: one of them was begun
 * @bad: one of them went wrong
 */
struct kp_met {
	u16 scenes;
	bool begun;
	bool bad;
};

/**
 * struct kp_sweep - case interrupt on one path
 * @test: the case
 * @p: the path
 * @path: the path that is tried: @p's, or C over C for comparison
 * @prog: the program: what leads to the state, and the two operations
 * @swapped: the same with those two the other way round
 * @ref: results of these two programs on C over C
 * @lone: those of one of the two operations alone
 * @outer: results up to the interrupted operation
 * @inner: those of the one that interrupts, and the state behind both
 * @call: calls of the two
 * @in: the interruption; it outlives the trial where what interrupts never ends
 * @start: states
 * @nr_starts: how many these are
 * @scene: scenes
 * @nr_scenes: how many these are
 * @met: what scenes of two operations have come to, by their numbers
 * @landing: addresses at which interruptions came that were to come earlier
 * @nr_landings: how many these have been
 * @earlier: instructions by which the way into an interrupt was shorter
 * @end: when to end, in instructions of this thread
 * @told: violations told
 * @untold: those that were not
 * @allowed: results of no order that the contract allows
 * @hits: interruptions that came
 * @stuck: what interrupts has never ended
 * @given: the part of programs that the host handed over
 */
struct kp_sweep {
	struct kunit *test;
	const struct kp_path_param *p;
	enum kp_path_id path;
	struct kp_program *prog;
	struct kp_program swapped;
	struct kp_trace *ref[2];
	struct kp_trace *lone;
	struct kp_trace *outer;
	struct kp_trace *inner;
	struct kp_call *call[2];
	struct kp_interruption in;
	struct kp_start *start;
	u32 nr_starts;
	struct kp_scene *scene;
	u32 nr_scenes;
	struct kp_met met[KP_MAX_OPS][KP_MAX_OPS];
	unsigned long landing[KP_LANDINGS];
	u32 nr_landings;
	s64 earlier;
	u64 end;
	u32 told;
	u32 untold;
	u32 allowed;
	u64 hits;
	bool stuck;
	struct kp_swept given;
};

/**
 * kp_op_at() - the operation of a step of the program
 * @s: the sweep
 * @step: the step
 *
 * Return: its row
 */
static inline const struct kp_operation *kp_op_at(const struct kp_sweep *s, u32 step)
{
	return &s->p->pair->operation[s->prog->step[step].op];
}

/* scenes.c */
bool kp_make_references(struct kp_sweep *s);
bool kp_find_scenes(struct kp_sweep *s);
bool kp_set_scene(struct kp_sweep *s, struct kp_scene *scene);

/* trials.c */
void *kp_lead_to(struct kp_trace *trace, const struct kp_pair *pair, enum kp_path_id path,
		 struct kp_program *prog);
enum kp_inside kp_where(const struct kp_operation *op);
bool kp_at_probe(const struct kp_sweep *s);
bool kp_try_exactly(struct kp_sweep *s, u32 at, struct kp_violation *v, u32 *came_at);
u32 kp_length_of(struct kp_sweep *s, const char **why);

/* sequences.c */
bool kp_try_sequences(struct kunit *test, bool (*go_on)(const void *data), const void *data,
		      struct kp_sequences *sum);
bool kp_try_sequence(struct kunit *test, struct kp_program *prog, const char *name);

/* violations.c */
void kp_violation_shrink(struct kp_sweep *s, struct kp_violation *v);
void kp_violation_tell(struct kp_sweep *s, struct kp_violation *v, const char *name);

/* code.c */
bool kp_merge_positions(unsigned long *done, u32 at, unsigned long *ip, u32 length);

#endif
