// SPDX-License-Identifier: GPL-2.0
/*
 * Case interrupt: each operation is interrupted, at each of its instructions, by each
 * operation that the contract lets run beside it. The results and the state behind both
 * must be those that C over C gives for one of them after the other, in either order.
 *
 * An operation is interrupted in many states of its object: programs lead to them, and of
 * each one that ends or costs otherwise than those before is taken. What interrupts runs in
 * the strongest context that its row allows.
 */
#include <linux/array_size.h>
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "draw.h"
#include "irq.h"

/* Operations of a program, programs that are looked through, states that are kept. */
#define STEPS		24
#define PROGRAMS	64
#define STATES_OF_OP	12
/* Programs that are looked through for two operations whose order matters, such that are kept. */
#define NEIGHBOURLY	32
#define NEIGHBOURS	64
/* What interrupts has its arguments drawn so many times, and once they are the other's. */
#define DRAWS		3
/* Places in programs where an operation ends and costs the same: a draw has one of its own. */
#define PLACES		(DRAWS + 1)
/* By how many other scenes those come later in which an operation waits: there all is allowed. */
#define WAITS_LATER	8
/* Positions that are tried before the next scene. */
#define CHUNK		8
/* Tries for a position at which no interruption comes. */
#define TRIES		8
/* Instructions by which the way into an interrupt can be shorter. */
#define SHORTER		32
/* Places behind interrupts that are off, of those met last. */
#define LANDINGS	16
/* Kinds of violations that are told in full. */
#define TOLD		6
#define TEXT_SIZE	4096
#define JSON_SIZE	65536

static unsigned int interrupt = 240;
module_param(interrupt, uint, 0444);
MODULE_PARM_DESC(interrupt, "instructions, in millions, that case interrupt may take of a pair");

/* Which step of a program interrupts which one: any that is drawn, the next one, or that by it. */
enum beside { DRAWN, BY_NEXT, NEXT_BY };

/* A step of a program. */
struct place {
	u32 index;
	u32 at;
};

/*
 * A state in which operation @op is interrupted: that before one of @nr_places steps, at all of
 * which it gives @ret and costs @cost. If @beside says that two steps meet, @other is the
 * operation that interrupts, and @outcome is what both give in the program's order and in the
 * other one.
 */
struct state {
	struct place place[PLACES];
	u32 nr_places;
	u32 op;
	s64 ret;
	u64 cost;
	enum beside beside;
	u32 other;
	s64 outcome[4];
};

/*
 * An operation in a state, and one that interrupts it. @rank: how many scenes with the same two
 * operations come before it. @length: instructions of the first; 0 is not known yet.
 * @tried: positions looked at, in the order of position(); @done: those that need not be.
 */
struct scene {
	u16 state;
	u16 inner;
	u16 draw;
	u16 rank;
	unsigned long *done;
	u32 length;
	u32 tried;
	u32 unreached;
	bool over;
};

/* Where a scene went wrong first, and how often. */
struct violation {
	u32 times;
	u32 at;
	unsigned long ip;
	const char *broken;
};

/* Scenes of two operations, whether one of them was begun, and whether one went wrong. */
struct met {
	u16 scenes;
	bool begun;
	bool bad;
};

struct sweep {
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
	struct state *state;
	u32 nr_states;
	struct scene *scene;
	u32 nr_scenes;
	struct met met[KP_MAX_OPS][KP_MAX_OPS];
	unsigned long landing[LANDINGS];
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

static const struct kp_operation *op_at(const struct sweep *s, u32 step)
{
	return &s->p->pair->operation[s->prog->step[step].op];
}

/* Whether the contract lets one operation come while another one runs. */
static bool may_meet(const struct kp_operation *a, const struct kp_operation *b)
{
	return !a->alone && !b->alone && (!a->role || !b->role || strcmp(a->role, b->role));
}

static enum kp_inside where(const struct kp_operation *op)
{
	switch (op->context) {
	case KP_ANY:
		return KP_IN_HARDIRQ;
	case KP_ATOMIC:
		return KP_IN_SOFTIRQ;
	default:
		return KP_IN_THREAD;
	}
}

/* User memory that changes when it is touched does so once: not where that is in the middle. */
static void hold_still(const struct kp_pair *pair, struct kp_step *step)
{
	const struct kp_arg *arg = pair->operation[step->op].arg;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (kp_in_user(&arg[a]) && kp_place(step->arg[a]) == KP_CHANGES)
			step->arg[a] = kp_placed(step->arg[a], KP_SPLIT,
						 kp_place_bytes(step->arg[a]));
}

static void make_program(struct sweep *s, u32 index)
{
	u32 i;

	kp_program_make(s->p->pair, s->prog, kp_seed, index, STEPS);
	for (i = 0; i < STEPS; i++)
		hold_still(s->p->pair, &s->prog->step[i]);
}

/* Keep a step if its operation ends or costs otherwise than in those kept, or some alike. */
static void keep_state(struct sweep *s, u32 index, u32 at, s64 ret, u64 cost)
{
	u32 op = s->prog->step[at].op, i, n = 0;
	const struct place place = { index, at };

	for (i = 0; i < s->nr_states; i++) {
		struct state *t = &s->state[i];

		if (t->op != op || t->beside)
			continue;
		n++;
		if (t->ret != ret || t->cost != cost)
			continue;
		/* But for the first one, the last of a program: by then objects are fuller. */
		if (t->place[t->nr_places - 1].index != index) {
			if (t->nr_places < PLACES)
				t->place[t->nr_places++] = place;
		} else if (t->nr_places > 1) {
			t->place[t->nr_places - 1] = place;
		}
		return;
	}
	if (n < STATES_OF_OP)
		s->state[s->nr_states++] = (struct state){
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
static void swap_last(struct sweep *s)
{
	struct kp_step *step = s->swapped.step;
	u32 nr = s->prog->nr_steps;

	s->swapped = *s->prog;
	s->swapped.during = 0;
	s->swapped.step = step;
	memcpy(step, s->prog->step, nr * sizeof(*step));
	swap(step[nr - 2], step[nr - 1]);
}

static bool same_results(const struct kp_step_trace *a, const struct kp_step_trace *b)
{
	return a->ret == b->ret && a->outs == b->outs &&
	       (a->stored == b->stored || a->hides || b->hides);
}

/* Keep two steps, either one interrupting the other, unless such have been kept. */
static void keep_neighbours(struct sweep *s, u32 index, u32 at, const s64 *outcome)
{
	u32 first = s->prog->step[at].op, second = s->prog->step[at + 1].op, i;

	for (i = 0; i < s->nr_states; i++)
		if (s->state[i].beside == BY_NEXT && s->state[i].op == first &&
		    s->state[i].other == second &&
		    !memcmp(s->state[i].outcome, outcome, sizeof(s->state[i].outcome)))
			return;
	for (i = 0; i < 2; i++) {
		struct state *state = &s->state[s->nr_states++];

		*state = (struct state){
			.place = { { index, at } }, .nr_places = 1, .op = i ? second : first,
			.beside = i ? NEXT_BY : BY_NEXT, .other = i ? first : second,
		};
		memcpy(state->outcome, outcome, sizeof(state->outcome));
	}
}

/*
 * Of two steps that follow each other and end otherwise the other way round, keep the first ones
 * with each such outcome: they are at an edge, as where a ring is full.
 */
static void find_neighbours(struct sweep *s)
{
	const struct kp_pair *pair = s->p->pair;
	struct kp_trace *t = s->ref[0], *u = s->ref[1];
	u32 index, i, nr;

	for (index = 0; index < NEIGHBOURLY && s->nr_states + 2 <= NEIGHBOURS; index++) {
		make_program(s, index);
		s->prog->observe = false;
		kp_trace_run(t, pair, KP_C_C, s->prog);
		for (i = 0; i + 1 < t->nr && s->nr_states + 2 <= NEIGHBOURS; i++) {
			const struct kp_step *a = &s->prog->step[i], *b = a + 1;
			s64 outcome[4];

			if (!a->op || !b->op || t->step[i].skipped || t->step[i + 1].skipped ||
			    !may_meet(&pair->operation[a->op], &pair->operation[b->op]) ||
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
			if (!same_results(&t->step[i], &u->step[i + 1]) ||
			    !same_results(&t->step[i + 1], &u->step[i]))
				keep_neighbours(s, index, i, outcome);
		}
	}
}

/* Keep each state in which an operation ends or costs otherwise than in those before. */
static void find_states(struct sweep *s)
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

static bool find_scenes(struct sweep *s)
{
	const struct kp_pair *pair = s->p->pair;
	u32 i, op, draw;

	s->scene = kvcalloc(s->nr_states * pair->nr_ops * (DRAWS + 1), sizeof(*s->scene),
			    GFP_KERNEL);
	if (!s->scene)
		return false;
	for (i = 0; i < s->nr_states; i++) {
		for (op = 1; op < pair->nr_ops; op++) {
			const struct kp_operation *inner = &pair->operation[op];

			const struct kp_operation *outer = &pair->operation[s->state[i].op];
			const u32 later = none_waits(outer, inner) ? 0 : WAITS_LATER;

			if (!inner->weight || !may_meet(outer, inner))
				continue;
			if (s->state[i].beside && s->state[i].other != op)
				continue;
			for (draw = 0; draw <= (s->state[i].beside ? 0 : DRAWS); draw++)
				s->scene[s->nr_scenes++] = (struct scene){
					.state = i, .inner = op, .draw = draw,
					.rank = s->met[s->state[i].op][op].scenes++ + later,
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
static bool choose_places(const struct sweep *s, struct kp_random *rnd, struct kp_step *inner,
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

/* Whether an argument may have a value that is another one's. */
static bool may_be(const struct kp_arg *arg, u64 value)
{
	if (kp_is_number(arg))
		return kp_in_range(arg, value);
	if (arg->kind == KP_BUFFER)
		return value >= arg->min && value <= arg->max;
	return kp_span_len(value) >= arg->min && kp_span_len(value) <= arg->max;
}

/* Give an operation the arguments of another one that have the same names; how many there are. */
static u32 copy_arguments(const struct kp_pair *pair, struct kp_step *to,
			  const struct kp_step *from)
{
	const struct kp_arg *arg = pair->operation[to->op].arg;
	const struct kp_arg *other = pair->operation[from->op].arg;
	u32 a, b, n = 0;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		for (b = 0; b < KP_NR_ARGS && other[b].name; b++) {
			if (kp_is_handle(&arg[a]) || arg[a].kind == KP_OUTPUT ||
			    arg[a].kind != other[b].kind || arg[a].size != other[b].size ||
			    strcmp(arg[a].name, other[b].name) ||
			    !may_be(&arg[a], from->arg[b]))
				continue;
			to->arg[a] = from->arg[b];
			n++;
		}
	}
	return n;
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

/* Carry out the last two operations of the program in both orders, on C over C. */
static bool make_references(struct sweep *s)
{
	const struct kp_pair *pair = s->p->pair;
	u32 nr = s->prog->nr_steps, i;

	/* One after the other: so the program is told if it takes the guest with it. */
	s->prog->during = 0;
	s->prog->observe = true;
	kp_trace_run(s->ref[0], pair, KP_C_C, s->prog);
	swap_last(s);
	kp_trace_run(s->ref[1], pair, KP_C_C, &s->swapped);
	s->prog->observe = false;
	s->prog->during = nr - 1;
	for (i = 0; i < 2; i++)
		if (s->ref[i]->nr != nr || s->ref[i]->step[nr - 2].skipped ||
		    s->ref[i]->step[nr - 1].skipped)
			return false;
	return true;
}

/* Make the program of a scene in which a program's own steps meet. */
static bool set_neighbours(struct sweep *s, const struct state *state)
{
	const struct place *place = &state->place[0];
	struct kp_step *step = &s->prog->step[place->at];

	make_program(s, place->index);
	s->prog->nr_steps = place->at + 2;
	s->prog->observe = false;
	/* Numbers that earlier operations decide are settled by a run. */
	kp_trace_run(s->ref[0], s->p->pair, KP_C_C, s->prog);
	if (state->beside == NEXT_BY)
		swap(step[0], step[1]);
	s->prog->during = place->at + 1;
	return make_references(s);
}

/* Make the program of a scene: what leads to its state, and its two operations. */
static bool set_scene(struct sweep *s, const struct scene *scene)
{
	const struct kp_pair *pair = s->p->pair;
	const struct state *state = &s->state[scene->state];
	const struct place *place = &state->place[scene->draw % state->nr_places];
	struct kp_drawing d = { .pair = pair, .prog = s->prog };
	struct kp_step *outer, *inner;

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
	outer = &s->prog->step[place->at];
	inner = outer + 1;
	*inner = (struct kp_step){ .op = scene->inner };
	d.rnd.state = kp_seed + scene->state * 1000003 + scene->inner * 1009 + scene->draw;
	kp_draw_args(&d, pair->operation[inner->op].arg, inner->arg, place->at + 1);
	inner->after = 0;
	if (!scene->draw && !copy_arguments(pair, inner, outer))
		return false;
	if (scene->draw > 1 && scene->draw >= state->nr_places &&
	    !draws(&pair->operation[inner->op]))
		return false;
	if (!choose_places(s, &d.rnd, inner, outer, held_before(s->ref[0], place->at)))
		return false;
	hold_still(pair, inner);
	s->prog->nr_steps = place->at + 2;
	return make_references(s);
}

/* Make an object and bring it to the state in which the scene begins. */
static void *enter(struct sweep *s)
{
	u32 nr = s->prog->nr_steps;
	bool begun;
	void *obj;

	kp_trace_start(s->inner, s->p->pair, s->path, s->prog);
	kp_trace_start(s->outer, s->p->pair, s->path, s->prog);
	if (s->p->pair->after)
		s->p->pair->after(s->prog->param);
	obj = kp_make(s->outer);
	if (IS_ERR(obj))
		return obj;
	s->prog->nr_steps = nr - 2;
	kp_run(s->p->pair, s->path, obj, s->prog, s->outer);
	s->prog->nr_steps = nr;
	begun = kp_call_begin(s->call[0], s->outer, obj, nr - 2, 0);
	begun &= kp_call_begin(s->call[1], s->inner, obj, nr - 1, KP_NR_ARGS);
	if (begun)
		return obj;
	/* What leads here went otherwise than on C over C. */
	kp_call_end(s->call[0], nr - 2);
	kp_call_end(s->call[1], nr - 1);
	kp_unmake(s->outer, obj);
	return ERR_PTR(-ENOENT);
}

/* Why a scene could not be entered. */
static const char *why_not(const void *obj)
{
	return PTR_ERR(obj) == -ENOENT ? "a handle that it takes is not held, as it is on c->c" :
		"the object is not made, as it is on c->c";
}

/* The first invariant of a state that does not hold behind both operations, or NULL. */
static const char *judge_state(const struct sweep *s)
{
	static const struct kp_step noop;
	static const struct kp_result res = { .out = KP_POISON };
	const struct kp_pair *pair = s->p->pair;
	struct kp_observed o = {
		.pair = pair, .prog = s->prog, .step = &noop, .res = &res,
		.before = s->inner->view, .after = s->inner->view, .called = true,
	};
	u32 broken = pair->judge ? pair->judge(&o).broken : 0;

	return broken ? pair->invariant[__ffs(broken)].id : NULL;
}

/* Take the state behind both, and release the object; the promise that broke, or NULL. */
static const char *leave(struct sweep *s, void *obj)
{
	const struct kp_pair *pair = s->p->pair;
	u32 nr = s->prog->nr_steps;
	const char *broken, *other;

	broken = kp_call_end(s->call[0], nr - 2);
	other = kp_call_end(s->call[1], nr - 1);
	broken = broken ?: other;
	if (pair->view_size) {
		kp_view(pair, s->path, obj, s->inner->view);
		s->inner->step[nr - 1].view = kp_hash(KP_HASH_START, s->inner->view,
						      pair->view_size);
		broken = broken ?: judge_state(s);
	}
	kp_unmake(s->outer, obj);
	if (pair->after && !pair->after(s->prog->param))
		broken = broken ?: pair->invariant[pair->after_judges].id;
	return broken;
}

/* Whether the interrupted operation gave what it gives in an order. */
static bool outer_gave(const struct sweep *s, u32 order)
{
	u32 nr = s->prog->nr_steps;

	return same_results(&s->ref[order]->step[order ? nr - 1 : nr - 2],
			    &s->outer->step[nr - 2]);
}

/* The same of the one that interrupted it. */
static bool inner_gave(const struct sweep *s, u32 order)
{
	u32 nr = s->prog->nr_steps;

	return same_results(&s->ref[order]->step[order ? nr - 2 : nr - 1],
			    &s->inner->step[nr - 1]);
}

/*
 * Whether the results are those of one order: 0 is the interrupted operation first. A result that
 * the contract calls a snapshot may be that of the other order.
 */
static bool is_order(struct sweep *s, u32 order, bool exact)
{
	u32 nr = s->prog->nr_steps;
	bool any_outer = !exact && op_at(s, nr - 2)->snapshot;
	bool any_inner = !exact && op_at(s, nr - 1)->snapshot;

	return s->ref[order]->step[nr - 1].view == s->inner->step[nr - 1].view &&
	       (outer_gave(s, order) || (any_outer && outer_gave(s, !order))) &&
	       (inner_gave(s, order) || (any_inner && inner_gave(s, !order)));
}

/*
 * Whether one of the two operations failed as it may because of the other, and all is as if it
 * had not been called.
 */
static bool is_transient(struct sweep *s, bool inner)
{
	u32 nr = s->prog->nr_steps;
	/* What is left is the first of the two, in one order or the other. */
	struct kp_program *prog = inner ? s->prog : &s->swapped;
	const struct kp_step_trace *failed, *other;
	bool observe = prog->observe;
	s64 may;

	failed = inner ? &s->inner->step[nr - 1] : &s->outer->step[nr - 2];
	other = inner ? &s->outer->step[nr - 2] : &s->inner->step[nr - 1];
	may = op_at(s, inner ? nr - 1 : nr - 2)->transient;
	if (!may || failed->ret != may)
		return false;
	prog->nr_steps = nr - 1;
	prog->observe = true;
	kp_trace_run(s->lone, s->p->pair, KP_C_C, prog);
	prog->nr_steps = nr;
	prog->observe = observe;
	return s->lone->nr == nr - 1 && same_results(&s->lone->step[nr - 2], other) &&
	       s->lone->step[nr - 2].view == s->inner->step[nr - 1].view;
}

/*
 * Interrupt once. True if the position was reached; @broken is then the fault, or NULL.
 */
static bool try_at(struct sweep *s, u32 at, struct violation *v, s64 *came_at)
{
	struct kp_interruption *in = &s->in;
	const char *broken;
	void *obj;

	v->broken = NULL;
	*came_at = at;
	obj = enter(s);
	if (IS_ERR(obj)) {
		v->broken = why_not(obj);
		return true;
	}
	*in = (struct kp_interruption){
		.outer = kp_call_make, .outer_data = s->call[0],
		.inner = kp_call_make, .inner_data = s->call[1], .at = at,
		.where = where(op_at(s, s->prog->nr_steps - 1)),
	};
	kp_interrupt(in);
	*came_at = in->came_at;
	v->ip = in->ip;
	if (in->spins || (in->hit && !in->ended)) {
		/* It holds locks, or will yet use the object: that is left as it is. */
		s->stuck = !in->spins;
		v->broken = in->spins ? "waits for a spinlock of what it has interrupted, for ever" :
			"does not end although what it has interrupted has";
		kp_watch(NULL, false);
		return true;
	}
	broken = leave(s, obj);
	/* Behind the end of a call, nothing is interrupted. */
	if (!in->hit)
		return !in->missed && in->came_at == at;
	s->hits++;
	if (in->unbalanced)
		broken = "interrupts, preemption or RCU are left other than they were found";
	v->broken = broken;
	if (broken || is_order(s, 0, true) || is_order(s, 1, true))
		return true;
	if (is_order(s, 0, false) || is_order(s, 1, false) || is_transient(s, true) ||
	    is_transient(s, false) || op_at(s, s->prog->nr_steps - 1)->waits ||
	    op_at(s, s->prog->nr_steps - 2)->waits)
		s->allowed++;
	else
		v->broken = "the results are those of neither order";
	return true;
}

/*
 * Whether an interruption that did not come where it was to came as another one did, which was
 * tried twice: behind the same place where interrupts were off, or as much earlier.
 */
static bool comes_there(const struct sweep *s, s64 late, unsigned long ip)
{
	u32 i;

	if (late < 0)
		return -late == s->earlier;
	for (i = 0; i < LANDINGS; i++)
		if (s->landing[i] == ip)
			return true;
	return false;
}

/*
 * The same, with some tries for the very position. Where interrupts are off the interruption
 * comes later, each time at the same place: @came_at is that then. Where preemption is off the
 * kernel's way into the interrupt is some instructions shorter, and it seems to come so much
 * earlier, each time. A tick that comes between moves it elsewhere, once.
 */
static bool try_exactly(struct sweep *s, u32 at, struct violation *v, u32 *came_at)
{
	s64 came, before = -1;
	u32 n;

	for (n = 0; n < TRIES; n++) {
		kp_alive();
		if (!try_at(s, at, v, &came)) {
			before = -1;
			continue;
		}
		*came_at = max(came, (s64)at);
		if (v->broken || came == at)
			return true;
		if (came > (s64)at - SHORTER &&
		    (came == before || (!n && comes_there(s, came - at, v->ip)))) {
			if (came < at)
				s->earlier = at - came;
			else if (!comes_there(s, came - at, v->ip))
				s->landing[s->nr_landings++ % LANDINGS] = v->ip;
			kp_irq_keep();
			return true;
		}
		before = came;
	}
	return false;
}

/*
 * Count the instructions of the interrupted operation in this scene; 0 if it cannot be entered,
 * which @why says then. The least of two counts: a tick can come into one.
 */
static u32 length_of(struct sweep *s, const char **why)
{
	u32 i, length = U32_MAX;

	for (i = 0; i < 2; i++) {
		void *obj = enter(s);

		if (IS_ERR(obj)) {
			*why = why_not(obj);
			return 0;
		}
		length = min(length, kp_irq_length(kp_call_make, s->call[0]));
		leave(s, obj);
	}
	return length;
}

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

/*
 * Print what two operations gave, the interrupted one first, and the state behind both.
 * @first and @second have the results of the two; @order: the second one was called first.
 */
static void print_both(struct seq_buf *line, const struct sweep *s, const struct kp_trace *first,
		       const struct kp_trace *second, bool order)
{
	u32 nr = s->prog->nr_steps, o = order ? nr - 1 : nr - 2, i = order ? nr - 2 : nr - 1;

	seq_buf_printf(line, "%s: ", op_at(s, nr - 2)->name);
	kp_print_result(line, first, o, first);
	seq_buf_printf(line, "; %s: ", op_at(s, nr - 1)->name);
	kp_print_result(line, second, i, second);
	if (s->p->pair->view_size) {
		seq_buf_puts(line, "; then");
		kp_print_view(line, second, second == s->inner ? s->ref[0] : s->inner);
	}
}

/* Whether the scene still goes wrong, near a position; where. */
static bool goes_wrong(struct sweep *s, u32 near, struct violation *v)
{
	u32 at, from = near - min(near, 3), came_at;

	for (at = from; at < from + 7; at++)
		if (try_exactly(s, at, v, &came_at) && v->broken) {
			v->at = at;
			return true;
		}
	return false;
}

/* Whether a program that has been made smaller still goes wrong; where is in @v then. */
static bool still_wrong(struct sweep *s, struct violation *v)
{
	struct violation now = {};

	kp_alive();
	if (!make_references(s) || !goes_wrong(s, v->at, &now))
		return false;
	*v = now;
	return true;
}

/* Leave out operations before the interrupted one, as long as it still goes wrong. */
static void leave_out(struct sweep *s, struct violation *v, struct kp_step *kept)
{
	struct kp_step *step = s->prog->step;
	u32 i, nr;

	for (i = s->prog->nr_steps - 2; i--; ) {
		nr = s->prog->nr_steps;
		memcpy(kept, step, nr * sizeof(*step));
		memmove(&step[i], &step[i + 1], (nr - i - 1) * sizeof(*step));
		s->prog->nr_steps = nr - 1;
		s->prog->during = nr - 2;
		if (still_wrong(s, v))
			continue;
		memcpy(step, kept, nr * sizeof(*step));
		s->prog->nr_steps = nr;
		s->prog->during = nr - 1;
	}
}

/* Have a number be the plainest one with which it still goes wrong. */
static void make_plain(struct sweep *s, struct violation *v, const struct kp_arg *arg, u64 *value)
{
	const u64 plain[] = { 0, 1, 2, arg->lo, arg->lo + 1 };
	u64 kept = *value;
	u32 i;

	if (!kp_is_number(arg))
		return;
	for (i = 0; i < ARRAY_SIZE(plain); i++) {
		if (plain[i] == kept)
			return;
		if (!kp_in_range(arg, plain[i]))
			continue;
		*value = plain[i];
		if (still_wrong(s, v))
			return;
	}
	*value = kept;
}

/* Make a program smaller, as long as it still goes wrong. */
static void shrink(struct sweep *s, struct violation *v)
{
	struct kp_step *kept = kvcalloc(STEPS + 2, sizeof(*kept), GFP_KERNEL);
	const struct kp_operation *creation = &s->p->pair->creation;
	u32 i, a;

	if (!kept)
		return;
	leave_out(s, v, kept);
	kvfree(kept);
	for (a = 0; a < creation->nr_args; a++)
		make_plain(s, v, &creation->arg[a], &s->prog->param[a]);
	for (i = 0; i < s->prog->nr_steps; i++)
		for (a = 0; a < op_at(s, i)->nr_args; a++)
			make_plain(s, v, &op_at(s, i)->arg[a], &s->prog->step[i].arg[a]);
	make_references(s);
}

/* Whether C over C itself goes wrong in this scene, at any instruction. */
static bool reference_goes_wrong(struct sweep *s)
{
	struct violation v = {};
	const char *why;
	u32 at, length, came_at;

	s->path = KP_C_C;
	length = length_of(s, &why);
	for (at = 0; at < length && !v.broken; at = came_at + 1) {
		came_at = at;
		try_exactly(s, at, &v, &came_at);
	}
	s->path = s->p->id;
	return v.broken;
}

/* Texts in which a violation is told: what either order gives, what the path gave, all of it. */
struct told {
	char order[2][TEXT_SIZE];
	char got[TEXT_SIZE];
	char all[2 * JSON_SIZE];
};

/* Print the program, what either order gives, and what the path gave. */
static void print_violation(struct sweep *s, const struct violation *v, struct told *told)
{
	u32 nr = s->prog->nr_steps, i;
	struct seq_buf line;

	s->prog->observe = false;
	s->swapped.observe = false;
	for (i = 0; i < 2; i++) {
		seq_buf_init(&line, told->order[i], TEXT_SIZE);
		seq_buf_printf(&line, "%s first: ", op_at(s, nr - 2 + i)->name);
		print_both(&line, s, s->ref[i], s->ref[i], i);
		seq_buf_str(&line);
	}
	seq_buf_init(&line, told->got, TEXT_SIZE);
	seq_buf_printf(&line, "interrupted at %pS: ", (void *)v->ip);
	if (s->inner->nr == nr)
		print_both(&line, s, s->outer, s->inner, false);
	else
		seq_buf_puts(&line, v->broken);
	seq_buf_str(&line);
}

/* Tell of a scene that goes wrong: its program, and what it gives. */
static void tell(struct sweep *s, struct violation *v, const char *name)
{
	const struct kp_pair *pair = s->p->pair;
	struct told *told = kvzalloc_obj(*told);
	u32 i, nr = s->prog->nr_steps;
	const char *reference = NULL;
	struct seq_buf line;

	if (!told) {
		KUNIT_FAIL(s->test, "no memory for a violation");
		return;
	}
	KUNIT_FAIL(s->test, "%s: %s interrupted by %s: %s", name, op_at(s, nr - 2)->name,
		   op_at(s, nr - 1)->name, v->broken);
	/* Where one never ends, nothing can be run again. */
	if (!s->stuck && s->path != KP_C_C && reference_goes_wrong(s))
		reference = "c->c itself goes wrong here";
	if (!s->stuck && !goes_wrong(s, v->at, v))
		v->broken = "it went wrong once, and not when it was run again";
	print_violation(s, v, told);
	seq_buf_init(&line, told->all, sizeof(told->all));
	kp_failure_interrupted(&line, pair, s->prog,
			       (const char *const[]){ told->order[0], told->order[1] },
			       told->got, v->broken, reference);
	kp_failure_add(s->test, name, max(v->times, 1), seq_buf_str(&line));
	seq_buf_clear(&line);
	kp_print_create(&line, pair, s->prog);
	seq_buf_putc(&line, '\n');
	for (i = 0; i < nr; i++) {
		kp_print_step(&line, pair, s->prog, i);
		seq_buf_putc(&line, '\n');
	}
	seq_buf_printf(&line, "      %s\n      %s\n      %s\n", told->order[0], told->order[1],
		       told->got);
	if (reference)
		seq_buf_printf(&line, "      %s\n", reference);
	seq_buf_str(&line);
	kp_print_lines(s->test, told->all);
	kvfree(told);
}

/* Try some more positions of a scene. */
static void go_on(struct sweep *s, struct scene *scene)
{
	struct violation v = {};
	char name[60];
	u32 n;

	if (!set_scene(s, scene)) {
		scene->over = true;
		return;
	}
	if (!scene->length) {
		scene->length = length_of(s, &v.broken);
		if (scene->length)
			scene->done = bitmap_zalloc(scene->length, GFP_KERNEL);
		if (!scene->done) {
			scene->over = true;
			s->met[s->state[scene->state].op][scene->inner].bad = true;
			KUNIT_FAIL(s->test, "program %u, %s interrupted by %s: %s", s->prog->index,
				   op_at(s, s->prog->nr_steps - 2)->name,
				   op_at(s, s->prog->nr_steps - 1)->name,
				   v.broken ?: "no memory");
			return;
		}
		s->met[s->state[scene->state].op][scene->inner].begun = true;
	}
	for (n = 0; n < CHUNK && scene->tried < scene->length; ) {
		/* Not those that scenes of the same two operations have begun with. */
		u32 nth = (scene->tried++ + scene->rank * CHUNK) % scene->length;
		u32 at = position(nth, scene->length), came_at;

		if (test_bit(at, scene->done))
			continue;
		n++;
		if (!try_exactly(s, at, &v, &came_at)) {
			scene->unreached++;
			continue;
		}
		/* What is interrupted later is interrupted there. */
		bitmap_set(scene->done, at, min(came_at + 1, scene->length) - at);
		if (v.broken) {
			v.at = at;
			s->met[s->state[scene->state].op][scene->inner].bad = true;
			scene->over = true;
			if (s->told++ >= TOLD) {
				s->untold++;
				return;
			}
			if (!s->stuck)
				shrink(s, &v);
			scnprintf(name, sizeof(name), "seed %lu, program %u", kp_seed,
				  s->prog->index);
			tell(s, &v, name);
			return;
		}
	}
	scene->over = scene->tried >= scene->length;
}

/* Instructions of this thread, up to the last tick: what it sleeps through costs nothing. */
static u64 used(void)
{
	return READ_ONCE(current->se.sum_exec_runtime);
}

/* All scenes in turn, first one of each two operations, until time is up. */
static void sweep(struct sweep *s)
{
	u32 round, i, most = 0;
	bool left = true;

	for (i = 0; i < s->nr_scenes; i++)
		most = max(most, s->scene[i].rank);
	while (left) {
		left = false;
		for (round = 0; round <= most; round++) {
			for (i = 0; i < s->nr_scenes; i++) {
				struct scene *scene = &s->scene[i];

				if (scene->rank != round || scene->over)
					continue;
				if (s->met[s->state[scene->state].op][scene->inner].bad) {
					scene->over = true;
					continue;
				}
				kp_alive();
				go_on(s, scene);
				left |= !scene->over;
				if (s->stuck || used() > s->end)
					return;
			}
		}
	}
}

/* Try each position of a program that the host has handed over. */
static void run_given(struct sweep *s, struct kp_program *prog, const char *name)
{
	struct kp_program *own = s->prog;
	u32 at, length, came_at, unreached = 0, nr = prog->nr_steps;
	struct violation v = {}, first = {};
	const char *why = "its operations are not all called";

	if (nr > STEPS + 2) {
		KUNIT_FAIL(s->test, "%s: at most %u operations where one interrupts another",
			   name, STEPS + 2);
		return;
	}
	if (!may_meet(&s->p->pair->operation[prog->step[nr - 2].op],
		      &s->p->pair->operation[prog->step[nr - 1].op])) {
		KUNIT_FAIL(s->test, "%s: by its contract %s does not come while %s runs", name,
			   s->p->pair->operation[prog->step[nr - 1].op].name,
			   s->p->pair->operation[prog->step[nr - 2].op].name);
		return;
	}
	s->prog = prog;
	hold_still(s->p->pair, &prog->step[nr - 2]);
	hold_still(s->p->pair, &prog->step[nr - 1]);
	length = make_references(s) ? length_of(s, &why) : 0;
	if (!length)
		KUNIT_FAIL(s->test, "%s: %s", name, why);
	for (at = 0; at < length && !s->stuck; at++) {
		if (!try_exactly(s, at, &v, &came_at)) {
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
		tell(s, &first, name);
		kunit_err(s->test, "      at %u of %u instructions", first.times, length);
	}
	s->given = (struct kp_swept){ s->given.tried + length, s->given.of + length,
		s->given.unreached + unreached, s->given.scenes + 1, s->given.scenes_of + 1 };
	s->prog = own;
}

static void run_all_given(struct sweep *s)
{
	const char *text = s->p->pair->stats->given.text;
	struct kp_program *prog;
	char *name = kvmalloc(KP_NAME_MAX, GFP_KERNEL);

	while (name && (prog = kp_given_next(s->test, &text, name))) {
		if (prog->during)
			run_given(s, prog, name);
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
				may_meet(&pair->operation[a], &pair->operation[b]);
	return n;
}

static void sum_up(struct sweep *s)
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
		swept->scenes_of -= s->scene[i].over && !s->scene[i].length;
	}
	for (i = 0; i < KP_MAX_OPS * KP_MAX_OPS; i++) {
		const struct met *met = &s->met[i / KP_MAX_OPS][i % KP_MAX_OPS];

		swept->pairs += met->begun;
	}
	swept->pairs_of = pairs_of(s->p->pair);
	if (s->untold)
		KUNIT_FAIL(s->test, "%u more scenes go wrong", s->untold);
	if (s->stuck)
		KUNIT_FAIL(s->test, "ended there: what interrupted runs or sleeps on");
	else if (!kp_lone && !swept->pairs_of)
		kunit_mark_skipped(s->test, "by the contract no operation comes beside another one");
	else if (!s->hits)
		KUNIT_FAIL(s->test, "not one operation was interrupted");
}

/**
 * kp_case_interrupt() - each operation, interrupted at each instruction
 * @test: its parameter is the path
 */
void kp_case_interrupt(struct kunit *test)
{
	const struct kp_path_param *p = test->param_value;
	struct sweep *s = kvzalloc_obj(*s);
	u32 i;
	int err;

	if (!s) {
		KUNIT_FAIL(test, "no memory");
		return;
	}
	s->test = test;
	s->p = p;
	s->path = p->id;
	s->prog = kp_program_alloc(STEPS + 2);
	s->swapped.step = kvcalloc(STEPS + 2, sizeof(*s->swapped.step), GFP_KERNEL);
	s->ref[0] = kp_trace_alloc(STEPS + 2, true);
	s->ref[1] = kp_trace_alloc(STEPS + 2, true);
	s->lone = kp_trace_alloc(STEPS + 2, true);
	s->outer = kp_trace_alloc(STEPS + 2, false);
	s->inner = kp_trace_alloc(STEPS + 2, false);
	s->call[0] = kp_call_alloc();
	s->call[1] = kp_call_alloc();
	s->state = kvcalloc(p->pair->nr_ops * STATES_OF_OP + NEIGHBOURS, sizeof(*s->state),
			    GFP_KERNEL);
	if (!s->prog || !s->swapped.step || !s->ref[0] || !s->ref[1] || !s->lone ||
	    !s->outer || !s->inner || !s->call[0] || !s->call[1] || !s->state) {
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
	if (!kp_lone) {
		find_neighbours(s);
		find_states(s);
	}
	if (!kp_lone && !find_scenes(s))
		KUNIT_FAIL(test, "no memory");
	s->end = used() + (u64)interrupt * 1000000 / KP_NR_PATHS;
	sweep(s);
	kp_irq_stop();
	sum_up(s);
out:
	for (i = 0; i < s->nr_scenes; i++)
		bitmap_free(s->scene[i].done);
	kvfree(s->scene);
	kvfree(s->state);
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
