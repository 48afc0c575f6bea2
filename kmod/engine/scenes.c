// SPDX-License-Identifier: GPL-2.0
/*
 * Scenes of case interrupt: an operation in a state of its object, and one that comes into it.
 * Programs lead to the states, and of each one in which an operation ends or costs otherwise
 * than in those before is kept. What comes into it has its arguments, where they have the same
 * names, or others.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "draw.h"
#include "interrupt.h"

/* Programs that are looked through, states of an operation that are kept. */
#define PROGRAMS	64
#define STATES_OF_OP	12
/* Programs that are looked through for two operations whose order matters, such that are kept. */
#define NEIGHBOURLY	32
#define NEIGHBOURS	64
/* The first draw that is drawn again, so often at most, until what interrupts succeeds. */
#define FIRST_AGAIN	2
#define REDRAWS		12
/* By how many other scenes those come later in which an operation waits: there all is allowed. */
#define WAITS_LATER	8

static void make_program(struct kp_sweep *s, u32 index)
{
	u32 i;

	kp_program_make(s->p->pair, s->prog, kp_seed, index, KP_SCENE_STEPS);
	for (i = 0; i < KP_SCENE_STEPS; i++)
		kp_hold_still(s->p->pair, &s->prog->step[i]);
}

/* Keep a step if its operation ends or costs otherwise than in those kept, or some alike. */
static void keep_state(struct kp_sweep *s, u32 index, u32 at, s64 ret, u64 cost)
{
	u32 op = s->prog->step[at].op, i, n = 0;
	const struct kp_at place = { index, at };

	for (i = 0; i < s->nr_starts; i++) {
		struct kp_start *t = &s->start[i];

		if (t->op != op || t->beside)
			continue;
		n++;
		if (t->ret != ret || t->cost != cost)
			continue;
		/* But for the first one, the last of a program: by then objects are fuller. */
		if (t->place[t->nr_places - 1].index != index) {
			if (t->nr_places < KP_PLACES)
				t->place[t->nr_places++] = place;
		} else if (t->nr_places > 1) {
			t->place[t->nr_places - 1] = place;
		}
		return;
	}
	if (n < STATES_OF_OP)
		s->start[s->nr_starts++] = (struct kp_start){
			.place = { place }, .nr_places = 1, .op = op, .ret = ret, .cost = cost,
		};
}

/* Places that an operation uses, as bits: those that it borrows, and all others. */
static void places_of(const struct kp_arg *arg, const u64 *value, u32 *borrowed, u32 *owned)
{
	u32 a;

	*borrowed = 0;
	*owned = 0;
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].kind == KP_BORROWED)
			*borrowed |= BIT(value[a]);
		else if (kp_is_handle(&arg[a]))
			*owned |= BIT(value[a]);
	}
}

/* Whether neither of two operations is one that waits: there all is allowed. */
static bool none_waits(const struct kp_operation *a, const struct kp_operation *b)
{
	return !a->waits && !b->waits;
}

/* Whether one of two operations takes, or puts something into, a place that the other one uses. */
static bool collide(const struct kp_pair *pair, const struct kp_step *a, const struct kp_step *b)
{
	u32 borrowed[2], owned[2];

	places_of(pair->operation[a->op].arg, a->arg, &borrowed[0], &owned[0]);
	places_of(pair->operation[b->op].arg, b->arg, &borrowed[1], &owned[1]);
	return owned[0] & (borrowed[1] | owned[1]) || owned[1] & borrowed[0];
}

/* The same program with its last two operations the other way round. */
static void swap_last(struct kp_sweep *s)
{
	struct kp_step *step = s->swapped.step;
	u32 nr = s->prog->nr_steps;

	s->swapped = *s->prog;
	s->swapped.during = 0;
	s->swapped.step = step;
	memcpy(step, s->prog->step, nr * sizeof(*step));
	swap(step[nr - 2], step[nr - 1]);
}

/* Keep two steps, either one interrupting the other, unless such have been kept. */
static void keep_neighbours(struct kp_sweep *s, u32 index, u32 at, const s64 *outcome)
{
	u32 first = s->prog->step[at].op, second = s->prog->step[at + 1].op, i;

	for (i = 0; i < s->nr_starts; i++)
		if (s->start[i].beside == KP_BY_NEXT && s->start[i].op == first &&
		    s->start[i].other == second &&
		    !memcmp(s->start[i].outcome, outcome, sizeof(s->start[i].outcome)))
			return;
	for (i = 0; i < 2; i++) {
		struct kp_start *state = &s->start[s->nr_starts++];

		*state = (struct kp_start){
			.place = { { index, at } }, .nr_places = 1, .op = i ? second : first,
			.beside = i ? KP_NEXT_BY : KP_BY_NEXT, .other = i ? first : second,
		};
		memcpy(state->outcome, outcome, sizeof(state->outcome));
	}
}

/*
 * Of two steps that follow each other and end otherwise the other way round, keep the first ones
 * with each such outcome: they are at an edge, as where a ring is full.
 */
static void find_neighbours(struct kp_sweep *s)
{
	const struct kp_pair *pair = s->p->pair;
	struct kp_trace *t = s->ref[0], *u = s->ref[1];
	u32 index, i, nr;

	for (index = 0; index < NEIGHBOURLY && s->nr_starts + 2 <= NEIGHBOURS; index++) {
		make_program(s, index);
		s->prog->observe = false;
		kp_trace_run(t, pair, KP_C_C, s->prog);
		for (i = 0; i + 1 < t->nr && s->nr_starts + 2 <= NEIGHBOURS; i++) {
			const struct kp_step *a = &s->prog->step[i], *b = a + 1;
			s64 outcome[4];

			if (!a->op || !b->op || t->step[i].skipped || t->step[i + 1].skipped ||
			    !kp_may_meet(&pair->operation[a->op], &pair->operation[b->op]) ||
			    !none_waits(&pair->operation[a->op], &pair->operation[b->op]) ||
			    collide(pair, a, b))
				continue;
			nr = s->prog->nr_steps;
			s->prog->nr_steps = i + 2;
			swap_last(s);
			s->prog->nr_steps = nr;
			kp_trace_run(u, pair, KP_C_C, &s->swapped);
			if (u->nr != i + 2 || u->step[i].skipped || u->step[i + 1].skipped)
				continue;
			outcome[0] = min(t->step[i].ret, 1);
			outcome[1] = min(t->step[i + 1].ret, 1);
			outcome[2] = min(u->step[i + 1].ret, 1);
			outcome[3] = min(u->step[i].ret, 1);
			if (!kp_same_results(&t->step[i], &u->step[i + 1]) ||
			    !kp_same_results(&t->step[i + 1], &u->step[i]))
				keep_neighbours(s, index, i, outcome);
		}
	}
}

/* Keep each state in which an operation ends or costs otherwise than in those before. */
static void find_states(struct kp_sweep *s)
{
	const struct kp_pair *pair = s->p->pair;
	struct kp_trace *t = s->ref[0];
	u32 index, i;

	for (index = 0; index < PROGRAMS; index++) {
		make_program(s, index);
		s->prog->observe = false;
		kp_trace_run(t, pair, KP_C_C, s->prog);
		/* Of what succeeds, the number that it gives is no other outcome. */
		for (i = 0; i < t->nr; i++)
			if (s->prog->step[i].op && !t->step[i].skipped)
				keep_state(s, index, i, min(t->step[i].ret, 1), t->step[i].cost);
	}
}

/**
 * kp_find_scenes() - find what may meet, and where
 * @s: the sweep; receives the scenes
 *
 * Context: may sleep.
 * Return: false without memory
 */
bool kp_find_scenes(struct kp_sweep *s)
{
	const struct kp_pair *pair = s->p->pair;
	u32 i, op, draw;

	s->start = kvcalloc(pair->nr_ops * STATES_OF_OP + NEIGHBOURS, sizeof(*s->start),
			    GFP_KERNEL);
	if (!s->start)
		return false;
	find_neighbours(s);
	find_states(s);
	s->scene = kvcalloc(s->nr_starts * pair->nr_ops * (KP_DRAWS + 1), sizeof(*s->scene),
			    GFP_KERNEL);
	if (!s->scene)
		return false;
	for (i = 0; i < s->nr_starts; i++) {
		for (op = 1; op < pair->nr_ops; op++) {
			const struct kp_operation *inner = &pair->operation[op];

			const struct kp_operation *outer = &pair->operation[s->start[i].op];
			const u32 later = none_waits(outer, inner) ? 0 : WAITS_LATER;

			if (!inner->weight || !kp_may_meet(outer, inner))
				continue;
			if (s->start[i].beside && s->start[i].other != op)
				continue;
			for (draw = 0; draw <= (s->start[i].beside ? 0 : KP_DRAWS); draw++)
				s->scene[s->nr_scenes++] = (struct kp_scene){
					.start = i, .inner = op, .draw = draw,
					.rank = s->met[s->start[i].op][op].scenes++ + later,
				};
		}
	}
	return true;
}

/* The places of handles that are held before a step, as bits. */
static u32 held_before(const struct kp_trace *t, u32 step)
{
	u32 i, a, held = 0;

	for (i = 0; i < step; i++) {
		const struct kp_step *at = &t->prog->step[i];
		const struct kp_arg *arg = t->pair->operation[at->op].arg;

		for (a = 0; a < KP_NR_ARGS && arg[a].name && !t->step[i].skipped; a++) {
			if (arg[a].kind == KP_GIVEN)
				held &= ~BIT(at->arg[a]);
			else if (arg[a].kind == KP_NEW && !t->step[i].ret)
				held |= BIT(at->arg[a]);
		}
	}
	return held;
}

/*
 * Have an operation use handles that are held, and none that another one needs. False if there
 * is none for it.
 */
static bool choose_places(const struct kp_sweep *s, struct kp_random *rnd, struct kp_step *inner,
			  const struct kp_step *outer, u32 held)
{
	const struct kp_pair *pair = s->p->pair;
	const struct kp_arg *arg = pair->operation[inner->op].arg;
	u32 borrowed, owned, a, i, ok;

	places_of(pair->operation[outer->op].arg, outer->arg, &borrowed, &owned);
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!kp_is_handle(&arg[a]))
			continue;
		ok = GENMASK(pair->nr_handles - 1, 0) & ~owned;
		if (arg[a].kind != KP_NEW)
			ok &= held;
		if (arg[a].kind != KP_BORROWED)
			ok &= ~borrowed;
		if (!ok)
			return false;
		for (i = kp_die(rnd, pair->nr_handles); !(ok & BIT(i)); )
			i = (i + 1) % pair->nr_handles;
		inner->arg[a] = i;
		if (arg[a].kind == KP_BORROWED)
			borrowed |= BIT(i);
		else
			owned |= BIT(i);
	}
	return true;
}

/* Whether an operation has arguments that are drawn, places for handles included. */
static bool draws(const struct kp_operation *op)
{
	u32 a;

	for (a = 0; a < op->nr_args; a++)
		if (kp_is_given(&op->arg[a]))
			return true;
	return false;
}

/*
 * Carry out a program on C over C, its last two operations as a trial calls them, and take the
 * state behind both: to look at the object behind each operation would take three times as long.
 * Whether both are called.
 */
static bool refer(struct kp_sweep *s, struct kp_trace *t, struct kp_program *prog)
{
	const struct kp_pair *pair = s->p->pair;
	const u32 last = prog->nr_steps - 1;
	void *obj = kp_lead_to(t, pair, KP_C_C, prog);
	bool called = true;
	u32 i;

	if (IS_ERR(obj))
		return false;
	for (i = last - 1; i <= last; i++) {
		if (kp_call_begin(s->call[0], t, obj, i, 0))
			kp_call_make(s->call[0]);
		else
			called = false;
		kp_call_end(s->call[0], i);
	}
	if (pair->view_size) {
		kp_view(pair, KP_C_C, obj, t->view);
		t->step[last].view = kp_hash(KP_HASH_START, t->view, pair->view_size);
	}
	kp_unmake(t, obj);
	if (pair->after)
		pair->after(prog->param);
	return called;
}

/**
 * kp_make_references() - carry out the last two operations in both orders, on C over C
 * @s: the sweep, whose @prog is the program
 *
 * Context: may sleep.
 * Return: whether both are called in both orders
 */
bool kp_make_references(struct kp_sweep *s)
{
	bool both;

	/* One after the other: so the program is told if it takes the guest with it. */
	s->prog->during = 0;
	swap_last(s);
	both = refer(s, s->ref[0], s->prog) && refer(s, s->ref[1], &s->swapped);
	s->prog->during = s->prog->nr_steps - 1;
	return both;
}

/* Make the program of a scene in which a program's own steps meet. */
static bool set_neighbours(struct kp_sweep *s, const struct kp_start *state)
{
	const struct kp_at *place = &state->place[0];
	struct kp_step *step = &s->prog->step[place->at];

	make_program(s, place->index);
	s->prog->nr_steps = place->at + 2;
	s->prog->observe = false;
	/* Numbers that earlier operations decide are settled by a run. */
	kp_trace_run(s->ref[0], s->p->pair, KP_C_C, s->prog);
	if (state->beside == KP_NEXT_BY)
		swap(step[0], step[1]);
	s->prog->during = place->at + 1;
	return kp_make_references(s);
}

/* Draw what interrupts in a scene, and carry it out behind and before what it interrupts. */
static bool draw_inner(struct kp_sweep *s, const struct kp_scene *scene, const struct kp_at *place,
		       u32 held, u32 pool_used)
{
	const struct kp_pair *pair = s->p->pair;
	struct kp_drawing d = { .pair = pair, .prog = s->prog };
	struct kp_step *outer = &s->prog->step[place->at], *inner = outer + 1;

	*inner = (struct kp_step){ .op = scene->inner };
	s->prog->pool_used = pool_used;
	d.rnd.state = kp_seed + scene->start * 1000003 + scene->inner * 1009 + scene->draw +
		      scene->redrawn * 7919ULL;
	kp_draw_args(&d, pair->operation[inner->op].arg, inner->arg, place->at + 1);
	inner->after = 0;
	if (!scene->draw && !kp_copy_arguments(pair, inner, outer))
		return false;
	if (!choose_places(s, &d.rnd, inner, outer, held))
		return false;
	kp_hold_still(pair, inner);
	s->prog->nr_steps = place->at + 2;
	return kp_make_references(s);
}

/* Whether what interrupts does something, in one order or the other: it is not refused. */
static bool inner_succeeds(const struct kp_sweep *s)
{
	u32 nr = s->prog->nr_steps;

	return s->ref[0]->step[nr - 1].ret >= 0 || s->ref[1]->step[nr - 2].ret >= 0;
}

/**
 * kp_set_scene() - make the program of a scene, and what C over C gives
 * @s: the sweep; receives both
 * @scene: the scene; receives which of its draws it is
 *
 * What is refused changes nothing that the other one could stumble over: of a key that is removed,
 * say, few of those that can be drawn are there. So the first two draws are as they come, and the
 * others are drawn again until what interrupts succeeds.
 *
 * Context: may sleep.
 * Return: whether there is such a scene: no arguments may make it
 */
bool kp_set_scene(struct kp_sweep *s, struct kp_scene *scene)
{
	const struct kp_pair *pair = s->p->pair;
	const struct kp_start *state = &s->start[scene->start];
	const struct kp_at *place = &state->place[scene->draw % state->nr_places];
	u32 held, last, used;

	if (state->beside)
		return set_neighbours(s, state);
	make_program(s, place->index);
	s->prog->nr_steps = place->at + 1;
	s->prog->during = place->at + 1;
	s->prog->observe = false;
	/* Numbers that earlier operations decide are settled by a run. */
	kp_trace_run(s->ref[0], pair, KP_C_C, s->prog);
	if (s->ref[0]->nr != s->prog->nr_steps)
		return false;
	if (scene->draw > 1 && scene->draw >= state->nr_places &&
	    !draws(&pair->operation[scene->inner]))
		return false;
	held = held_before(s->ref[0], place->at);
	used = s->prog->pool_used;
	if (scene->length || scene->draw < FIRST_AGAIN)
		return draw_inner(s, scene, place, held, used);
	last = draws(&pair->operation[scene->inner]) ? REDRAWS : 1;
	for (scene->redrawn = 0; scene->redrawn < last; scene->redrawn++)
		if (draw_inner(s, scene, place, held, used) && inner_succeeds(s))
			return true;
	scene->redrawn = 0;
	return draw_inner(s, scene, place, held, used);
}
