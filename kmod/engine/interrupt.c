// SPDX-License-Identifier: GPL-2.0
/*
 * Case interrupt: each operation is interrupted, at each of its instructions, by each
 * operation that the contract lets run beside it. The results and the state behind both
 * must be those that C over C gives for one of them after the other, in either order.
 *
 * An operation is interrupted in many states of its object, see scenes.c. What interrupts runs
 * in the strongest context that its row allows.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "history.h"
#include "interrupt.h"

/* Positions of a scene that are tried in the first turn. */
#define CHUNK		8
/* The time of what two operations interrupt is this part of the others'. */
#define OF_TWO		2
/* Kinds of violations that are told in full. */
#define TOLD		6

static unsigned int interrupt = 240;
module_param(interrupt, uint, 0444);
MODULE_PARM_DESC(interrupt, "instructions, in millions, that case interrupt may take of a pair");

/* Positions in an order that is spread over all of them, each once: steps of the golden ratio. */
static u32 position(u32 n, u32 length)
{
	u32 stride = max(length * 618 / 1000, 1), a, b, t;

	for (;; stride++) {
		for (a = stride, b = length; b; a = t) {
			t = b;
			b = a % b;
		}
		if (a == 1)
			return (u64)n * stride % length;
	}
}

/* Positions between two in the trap of a probe are in it as well. */
static void note_trap(struct kp_scene *scene, u32 at)
{
	scene->trap[0] = scene->trap[1] ? min(scene->trap[0], at) : at;
	scene->trap[1] = max(scene->trap[1], at);
	bitmap_set(scene->done, scene->trap[0], scene->trap[1] + 1 - scene->trap[0]);
}

/*
 * Note the address at a position, and that others are the same as it. All scenes of one step of a
 * program go the same way through its operation; where one does not, nothing more is made of
 * what is known of that step.
 */
static void note_place(struct kp_sweep *s, struct kp_scene *scene, u32 at)
{
	struct kp_start *start = &s->start[scene->start];
	struct kp_at *place = &start->place[scene->draw % start->nr_places];
	u32 length;
	bool same;

	if (!place->ip) {
		place->ip = kvcalloc(scene->length, sizeof(*place->ip), GFP_KERNEL);
		place->length = place->ip ? scene->length : 0;
	}
	length = min(place->length, scene->length);
	if (at >= length)
		return;
	same = !place->ip[at] || place->ip[at] == s->in.ip;
	place->ip[at] = s->in.ip;
	if (!same || !kp_merge_positions(scene->done, at, place->ip, length))
		place->length = 0;
}

/* Instructions of this thread, up to the last tick: what it sleeps through costs nothing. */
static u64 used(void)
{
	return READ_ONCE(current->se.sum_exec_runtime);
}

static bool has_time(const void *data)
{
	const struct kp_sweep *s = data;

	return used() < s->end;
}

/* Try so many more positions of a scene. */
static void go_on(struct kp_sweep *s, struct kp_scene *scene, u32 many)
{
	struct kp_violation v = {};
	char name[60];
	u32 n;

	if (!kp_set_scene(s, scene)) {
		scene->none = true;
		scene->over = true;
		return;
	}
	if (!scene->length) {
		scene->length = kp_length_of(s, &v.broken);
		if (scene->length)
			scene->done = bitmap_zalloc(scene->length, GFP_KERNEL);
		if (!scene->done) {
			scene->over = true;
			s->met[s->start[scene->start].op][scene->inner].bad = true;
			KUNIT_FAIL(s->test, "program %u, %s interrupted by %s: %s", s->prog->index,
				   kp_op_at(s, s->prog->nr_steps - 2)->name,
				   kp_op_at(s, s->prog->nr_steps - 1)->name,
				   v.broken ?: "no memory");
			return;
		}
		s->met[s->start[scene->start].op][scene->inner].begun = true;
	}
	for (n = 0; n < many && scene->tried < scene->length && has_time(s); ) {
		/* Not those that scenes of the same two operations have begun with. */
		u32 nth = (scene->tried++ + scene->rank * CHUNK) % scene->length;
		u32 at = position(nth, scene->length), came_at;

		if (test_bit(at, scene->done))
			continue;
		n++;
		if (!kp_try_exactly(s, at, &v, &came_at)) {
			scene->unreached++;
			continue;
		}
		/* What is interrupted later is interrupted there. */
		bitmap_set(scene->done, at, min(came_at + 1, scene->length) - at);
		if (kp_at_probe(s))
			note_trap(scene, at);
		else if (s->in.hit && !s->in.ticked && !v.broken)
			note_place(s, scene, came_at);
		if (v.broken) {
			v.at = at;
			s->met[s->start[scene->start].op][scene->inner].bad = true;
			scene->over = true;
			if (s->told++ >= TOLD) {
				s->untold++;
				return;
			}
			if (!s->stuck)
				kp_violation_shrink(s, &v);
			scnprintf(name, sizeof(name), "seed %lu, program %u", kp_seed,
				  s->prog->index);
			kp_violation_tell(s, &v, name);
			return;
		}
	}
	scene->over = scene->tried >= scene->length;
}

/* Whether a scene is the first one of its state and what interrupts there that can be made. */
static bool is_first(const struct kp_scene *scene)
{
	if (scene->none)
		return false;
	for (; scene->draw; scene--)
		if (!scene[-1].none)
			return false;
	return true;
}

/*
 * So many positions of all scenes in turn, or of the first ones alone, those of each two operations
 * in the order of their states; whether there are more, and time for them.
 */
static bool turn(struct kp_sweep *s, u32 most, u32 many, bool first)
{
	bool left = false;
	u32 round, i;

	for (round = 0; round <= most; round++) {
		for (i = 0; i < s->nr_scenes; i++) {
			struct kp_scene *scene = &s->scene[i];

			if (scene->rank != round || scene->over || (first && !is_first(scene)))
				continue;
			if (s->met[s->start[scene->start].op][scene->inner].bad) {
				scene->over = true;
				continue;
			}
			if (s->stuck || !has_time(s))
				return false;
			kp_alive();
			go_on(s, scene, many);
			left |= !scene->over;
		}
	}
	return left;
}

/*
 * All scenes, until time is up: a look at each, then the first ones whole, then the others. To make
 * a scene costs as much as some trials, so each turn has more of them than the one before.
 */
static void sweep(struct kp_sweep *s)
{
	const u64 end = s->end;
	u32 i, many, most = 0;

	for (i = 0; i < s->nr_scenes; i++)
		most = max(most, s->scene[i].rank);
	if (!turn(s, most, CHUNK, false))
		return;
	/* Others show what is refused in the first ones: some time is theirs. */
	s->end -= (end - used()) / 4;
	turn(s, most, U32_MAX, true);
	s->end = end;
	for (many = 2 * CHUNK; turn(s, most, many, false); many *= 2)
		;
}

/* Try each position of a program that the host has handed over. */
static void run_given(struct kp_sweep *s, struct kp_program *prog, const char *name)
{
	struct kp_program *own = s->prog;
	u32 at, length, came_at, unreached = 0, nr = prog->nr_steps;
	struct kp_violation v = {}, first = {};
	const char *why = "its operations are not all called";
	const struct kp_operation *outer, *inner;

	if (nr > KP_SCENE_STEPS + 2) {
		KUNIT_FAIL(s->test, "%s: at most %u operations where one interrupts another",
			   name, KP_SCENE_STEPS + 2);
		return;
	}
	outer = &s->p->pair->operation[prog->step[nr - 2].op];
	inner = &s->p->pair->operation[prog->step[nr - 1].op];
	if (!kp_may_meet(outer, inner)) {
		KUNIT_FAIL(s->test, "%s: by its contract %s does not come while %s runs", name,
			   inner->name, outer->name);
		return;
	}
	s->prog = prog;
	kp_hold_still(s->p->pair, &prog->step[nr - 2]);
	kp_hold_still(s->p->pair, &prog->step[nr - 1]);
	length = kp_make_references(s) ? kp_length_of(s, &why) : 0;
	if (!length)
		KUNIT_FAIL(s->test, "%s: %s", name, why);
	for (at = 0; at < length && !s->stuck; at++) {
		if (!kp_try_exactly(s, at, &v, &came_at)) {
			unreached++;
			continue;
		}
		v.at = at;
		at = came_at;
		if (!v.broken)
			continue;
		v.times = first.times + 1;
		first = first.times ? first : v;
		first.times = v.times;
	}
	if (first.times) {
		kp_violation_tell(s, &first, name);
		kunit_err(s->test, "      at %u of %u instructions", first.times, length);
	}
	s->given = (struct kp_swept){ s->given.tried + length, s->given.of + length,
		s->given.unreached + unreached, s->given.scenes + 1, s->given.scenes_of + 1 };
	s->prog = own;
}

/* Of two threads with one operation each, have either one interrupt the other. */
static void run_both_ways(struct kp_sweep *s, struct kp_program *prog, const char *name)
{
	struct kp_step *last = &prog->step[prog->nr_steps - 2];
	u32 i;

	prog->columns = 0;
	last[0].column = 0;
	last[1].column = 0;
	for (i = 0; i < 2; i++) {
		prog->during = prog->nr_steps - 1;
		run_given(s, prog, name);
		swap(last[0], last[1]);
	}
}

/* Whether the first thread has one operation, which comes first, and the other one has more. */
static bool is_sequence(const struct kp_program *prog)
{
	u32 i, first = prog->nr_steps - prog->columns;

	for (i = first; i < prog->nr_steps; i++)
		if (prog->step[i].column != (i == first ? 1 : 2))
			return false;
	return prog->columns > 2;
}

/* Have the operation of the first thread interrupted by those of the other one. */
static void run_sequence(struct kp_sweep *s, struct kp_program *prog, const char *name)
{
	u32 i;

	for (i = 0; i < prog->nr_steps; i++)
		kp_hold_still(s->p->pair, &prog->step[i]);
	for (i = prog->nr_steps - prog->columns; i < prog->nr_steps; i++)
		kp_keep_apart(s->p->pair, &prog->step[i]);
	s->stuck = !kp_try_sequence(s->test, prog, name);
	s->given.scenes++;
	s->given.scenes_of++;
	s->hits++;
}

static void run_all_given(struct kp_sweep *s)
{
	const char *text = s->p->pair->stats->given.text;
	struct kp_program *prog;
	char *name = kvmalloc(KP_NAME_MAX, GFP_KERNEL);

	/* What callbacks carry out, and more than one of the first thread, is for lane history. */
	while (name && (prog = kp_given_next(s->test, &text, name))) {
		if (prog->during)
			run_given(s, prog, name);
		else if (prog->columns == 2 && kp_has_all_threads(prog, prog->nr_steps - 2))
			run_both_ways(s, prog, name);
		else if (is_sequence(prog))
			run_sequence(s, prog, name);
		kp_program_free(prog);
	}
	kvfree(name);
}

/* How many times an operation may come beside one. */
static u32 pairs_of(const struct kp_pair *pair)
{
	u32 a, b, n = 0;

	for (a = 1; a < pair->nr_ops; a++)
		for (b = 1; b < pair->nr_ops; b++)
			n += pair->operation[a].weight && pair->operation[b].weight &&
				kp_may_meet(&pair->operation[a], &pair->operation[b]);
	return n;
}

static void sum_up(struct kp_sweep *s)
{
	struct kp_swept *swept = &s->p->pair->stats->swept[s->p->id];
	u32 i;

	*swept = s->given;
	swept->scenes_of += s->nr_scenes;
	swept->allowed = s->allowed;
	for (i = 0; i < s->nr_scenes; i++) {
		swept->tried += s->scene[i].tried;
		swept->of += s->scene[i].length;
		swept->unreached += s->scene[i].unreached;
		swept->scenes += !!s->scene[i].length;
		/* One that no arguments make. */
		swept->scenes_of -= s->scene[i].none;
		if (!is_first(&s->scene[i]))
			continue;
		swept->whole_of++;
		swept->whole += s->scene[i].length && s->scene[i].tried >= s->scene[i].length;
	}
	for (i = 0; i < KP_MAX_OPS * KP_MAX_OPS; i++) {
		const struct kp_met *met = &s->met[i / KP_MAX_OPS][i % KP_MAX_OPS];

		swept->pairs += met->begun;
	}
	swept->pairs_of = pairs_of(s->p->pair);
	if (s->untold)
		KUNIT_FAIL(s->test, "%u more scenes go wrong", s->untold);
	if (s->stuck)
		KUNIT_FAIL(s->test, "ended there: what interrupted runs or sleeps on");
	else if (!kp_lone && !swept->pairs_of && s->test->status == KUNIT_SUCCESS)
		kunit_mark_skipped(s->test, "by its contract no operation comes beside another");
	else if (!s->hits && (kp_lone ? s->given.scenes : swept->pairs_of))
		KUNIT_FAIL(s->test, "not one operation was interrupted");
}

/**
 * kp_case_interrupt() - each operation, interrupted at each instruction
 * @test: its parameter is the path
 */
void kp_case_interrupt(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	struct kp_sweep *s = kvzalloc_obj(*s);
	u32 i;
	int err;

	if (!s) {
		KUNIT_FAIL(test, "no memory");
		return;
	}
	s->test = test;
	s->p = p;
	s->path = p->id;
	s->prog = kp_program_alloc(KP_SCENE_STEPS + 2);
	s->swapped.step = kvcalloc(KP_SCENE_STEPS + 2, sizeof(*s->swapped.step), GFP_KERNEL);
	s->ref[0] = kp_trace_alloc(KP_SCENE_STEPS + 2, true);
	s->ref[1] = kp_trace_alloc(KP_SCENE_STEPS + 2, true);
	s->lone = kp_trace_alloc(KP_SCENE_STEPS + 2, true);
	s->outer = kp_trace_alloc(KP_SCENE_STEPS + 2, false);
	s->inner = kp_trace_alloc(KP_SCENE_STEPS + 2, false);
	s->call[0] = kp_call_alloc();
	s->call[1] = kp_call_alloc();
	if (!s->prog || !s->swapped.step || !s->ref[0] || !s->ref[1] || !s->lone ||
	    !s->outer || !s->inner || !s->call[0] || !s->call[1]) {
		KUNIT_FAIL(test, "no memory");
		goto out;
	}
	if (p->pair->user)
		kp_user_attach();
	err = kp_irq_start();
	if (err) {
		KUNIT_FAIL(test, "no interruptions: %pe", ERR_PTR(err));
		goto out;
	}
	run_all_given(s);
	if (!kp_lone && !kp_find_scenes(s))
		KUNIT_FAIL(test, "no memory");
	s->end = used() + (u64)interrupt * 1000000 / KP_NR_PATHS;
	sweep(s);
	if (!kp_lone && !s->stuck && !s->told) {
		s->end = used() + (u64)interrupt * (1000000 / OF_TWO) / KP_NR_PATHS;
		s->stuck = !kp_try_sequences(test, has_time, s, &s->given.two);
	}
	kp_irq_stop();
	sum_up(s);
out:
	for (i = 0; i < s->nr_scenes; i++)
		bitmap_free(s->scene[i].done);
	kvfree(s->scene);
	for (i = 0; i < s->nr_starts * KP_PLACES; i++)
		kvfree(s->start[i / KP_PLACES].place[i % KP_PLACES].ip);
	kvfree(s->start);
	/* What never ends still uses these. */
	if (s->stuck)
		return;
	kvfree(s->call[1]);
	kvfree(s->call[0]);
	kp_trace_free(s->inner);
	kp_trace_free(s->outer);
	kp_trace_free(s->lone);
	kp_trace_free(s->ref[1]);
	kp_trace_free(s->ref[0]);
	kvfree(s->swapped.step);
	kp_program_free(s->prog);
	kvfree(s);
}
EXPORT_SYMBOL_GPL(kp_case_interrupt);
