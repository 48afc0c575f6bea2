// SPDX-License-Identifier: GPL-2.0
/*
 * Trials of case interrupt: one operation is interrupted by another one, once, at one
 * instruction, and the results and the state behind both are judged.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include "interrupt.h"

/**
 * kp_where() - the strongest context that an operation allows
 * @op: the operation
 *
 * Return: the context in which it interrupts another one
 */
enum kp_inside kp_where(const struct kp_operation *op)
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

/**
 * kp_lead_to() - make an object, and carry out a program up to its last two operations
 * @trace: receives the trace
 * @pair: the pair
 * @path: the path
 * @prog: the program
 *
 * Context: may sleep.
 * Return: as kp_make()
 */
void *kp_lead_to(struct kp_trace *trace, const struct kp_pair *pair, enum kp_path_id path,
		 struct kp_program *prog)
{
	void *obj;

	kp_trace_start(trace, pair, path, prog);
	if (pair->after)
		pair->after(prog->param);
	obj = kp_make(trace);
	if (IS_ERR(obj))
		return obj;
	prog->nr_steps -= 2;
	kp_run(pair, path, obj, prog, trace);
	prog->nr_steps += 2;
	return obj;
}

/* Make an object and bring it to the state in which the scene begins. */
static void *enter(struct kp_sweep *s)
{
	u32 nr = s->prog->nr_steps;
	bool begun;
	void *obj;

	kp_trace_start(s->inner, s->p->pair, s->path, s->prog);
	obj = kp_lead_to(s->outer, s->p->pair, s->path, s->prog);
	if (IS_ERR(obj))
		return obj;
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

/* Take the state behind both, and release the object; the promise that broke, or NULL. */
static const char *leave(struct kp_sweep *s, void *obj)
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
		broken = broken ?: kp_judge_state(pair, s->prog, s->inner->view);
	}
	kp_unmake(s->outer, obj);
	if (pair->after && !pair->after(s->prog->param))
		broken = broken ?: pair->invariant[pair->after_judges].id;
	return broken;
}

/* Whether the interrupted operation gave what it gives in an order. */
static bool outer_gave(const struct kp_sweep *s, u32 order)
{
	u32 nr = s->prog->nr_steps;

	return kp_same_results(&s->ref[order]->step[order ? nr - 1 : nr - 2],
			    &s->outer->step[nr - 2]);
}

/* The same of the one that interrupted it. */
static bool inner_gave(const struct kp_sweep *s, u32 order)
{
	u32 nr = s->prog->nr_steps;

	return kp_same_results(&s->ref[order]->step[order ? nr - 2 : nr - 1],
			    &s->inner->step[nr - 1]);
}

/*
 * Whether the results are those of one order: 0 is the interrupted operation first. A result that
 * the contract calls a snapshot may be that of the other order.
 */
static bool is_order(struct kp_sweep *s, u32 order, bool exact)
{
	u32 nr = s->prog->nr_steps;
	bool any_outer = !exact && kp_op_at(s, nr - 2)->snapshot;
	bool any_inner = !exact && kp_op_at(s, nr - 1)->snapshot;

	return s->ref[order]->step[nr - 1].view == s->inner->step[nr - 1].view &&
	       (outer_gave(s, order) || (any_outer && outer_gave(s, !order)) ||
		(!exact && kp_op_at(s, nr - 2)->hint)) &&
	       (inner_gave(s, order) || (any_inner && inner_gave(s, !order)) ||
		(!exact && kp_op_at(s, nr - 1)->hint));
}

/*
 * Whether one of the two operations failed as it may because of the other, and all is as if it
 * had not been called.
 */
static bool is_transient(struct kp_sweep *s, bool inner)
{
	u32 nr = s->prog->nr_steps;
	/* What is left is the first of the two, in one order or the other. */
	struct kp_program *prog = inner ? s->prog : &s->swapped;
	const struct kp_step_trace *failed, *other;
	bool observe = prog->observe;
	s64 may;

	failed = inner ? &s->inner->step[nr - 1] : &s->outer->step[nr - 2];
	other = inner ? &s->outer->step[nr - 2] : &s->inner->step[nr - 1];
	may = kp_op_at(s, inner ? nr - 1 : nr - 2)->transient;
	if (!may || failed->ret != may)
		return false;
	prog->nr_steps = nr - 1;
	prog->observe = true;
	kp_trace_run(s->lone, s->p->pair, KP_C_C, prog);
	prog->nr_steps = nr;
	prog->observe = observe;
	return s->lone->nr == nr - 1 && kp_same_results(&s->lone->step[nr - 2], other) &&
	       s->lone->step[nr - 2].view == s->inner->step[nr - 1].view;
}

/*
 * Interrupt once. True if the position was reached; @broken is then the fault, or NULL.
 */
static bool try_at(struct kp_sweep *s, u32 at, struct kp_violation *v, s64 *came_at)
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
		.where = kp_where(kp_op_at(s, s->prog->nr_steps - 1)),
	};
	kp_interrupt(in);
	*came_at = in->came_at;
	v->ip = in->ip;
	v->by = kp_called_at(in, s->p->pair->owner);
	if (in->spins || (in->hit && !in->ended)) {
		/* It holds locks, or will yet use the object: that is left as it is. */
		s->stuck = !in->spins;
		v->broken = in->spins ?
			"waits for a spinlock of what it has interrupted, for ever" :
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
	    is_transient(s, false) || kp_op_at(s, s->prog->nr_steps - 1)->waits ||
	    kp_op_at(s, s->prog->nr_steps - 2)->waits)
		s->allowed++;
	else
		v->broken = "the results are those of neither order";
	return true;
}

/*
 * Whether an interruption that did not come where it was to came as another one did, which was
 * tried twice: behind the same place where interrupts were off, or as much earlier.
 */
static bool comes_there(const struct kp_sweep *s, s64 late, unsigned long ip)
{
	u32 i;

	if (late < 0)
		return -late == s->earlier;
	for (i = 0; i < KP_LANDINGS; i++)
		if (s->landing[i] == ip)
			return true;
	return false;
}

/*
 * The most instructions that an interruption of this operation has been late, plus 1: so long the
 * operation had interrupts off. Not behind a probe, which has them off as well.
 */
static u32 *masked(const struct kp_sweep *s)
{
	u32 op = s->prog->step[s->prog->nr_steps - 2].op;

	return &s->p->pair->stats->masked[op][s->p->id];
}

static void note_masked(const struct kp_sweep *s, s64 late)
{
	u32 *most = masked(s);

	if (s->path == s->p->id && s->in.hit && !s->in.trapped)
		*most = max(*most, (u32)max(late, 0) + 1);
}

/**
 * kp_at_probe() - whether an interruption came behind the trap of a probe
 * @s: the sweep, after a trial
 *
 * The trap takes some hundred instructions with interrupts off, more than a timer's device is
 * early: how late it came does not tell where.
 *
 * Return: true if it did; all positions in the trap are one
 */
bool kp_at_probe(const struct kp_sweep *s)
{
	return s->in.hit && s->in.trapped && kp_grace_probed(s->in.ip);
}

/**
 * kp_try_exactly() - interrupt once, with some tries for the very position
 * @s: the sweep, whose @prog and @ref are of a scene
 * @at: the position, in instructions
 * @v: receives what is wrong, or that nothing is
 * @came_at: receives the position at which it came: where interrupts are off that is later, each
 *           time at the same place
 *
 * Where preemption is off the kernel's way into the interrupt is some instructions shorter, and it
 * seems to come so much earlier, each time. A tick that comes between moves it elsewhere, once: so
 * one that is later than any before it has to come twice.
 *
 * Context: may sleep, between kp_irq_start() and kp_irq_stop().
 * Return: whether the position was reached
 */
bool kp_try_exactly(struct kp_sweep *s, u32 at, struct kp_violation *v, u32 *came_at)
{
	s64 came, before = -1;
	u32 n;

	for (n = 0; n < KP_TRIES; n++) {
		kp_alive();
		if (!try_at(s, at, v, &came)) {
			before = -1;
			continue;
		}
		*came_at = max(came, (s64)at);
		if (kp_at_probe(s)) {
			*came_at = at;
			kp_irq_keep();
			return true;
		}
		if (came == at)
			note_masked(s, 0);
		if (v->broken || came == at)
			return true;
		if (came > (s64)at - KP_SHORTER &&
		    (came == before || (!n && came - at < *masked(s) &&
					comes_there(s, came - at, v->ip)))) {
			if (came < at)
				s->earlier = at - came;
			else if (!comes_there(s, came - at, v->ip))
				s->landing[s->nr_landings++ % KP_LANDINGS] = v->ip;
			note_masked(s, came - at);
			kp_irq_keep();
			return true;
		}
		before = came;
	}
	return false;
}

/**
 * kp_length_of() - count the instructions of the interrupted operation in a scene
 * @s: the sweep, whose @prog and @ref are of the scene
 * @why: receives why it cannot be entered, if so
 *
 * The least of two counts: a tick can come into one.
 *
 * Context: may sleep.
 * Return: their number; 0 if it cannot be entered
 */
u32 kp_length_of(struct kp_sweep *s, const char **why)
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
