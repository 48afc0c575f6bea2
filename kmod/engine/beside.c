// SPDX-License-Identifier: GPL-2.0
/*
 * Operations that run beside each other: which ones may, how their arguments are made to meet, and
 * how what they gave is judged. For cases interrupt and history.
 */
#include <linux/array_size.h>
#include <linux/string.h>
#include "engine.h"

/**
 * kp_may_meet() - whether the contract lets one operation come while another one runs
 * @a: one
 * @b: the other
 *
 * Return: whether it does
 */
bool kp_may_meet(const struct kp_operation *a, const struct kp_operation *b)
{
	return !a->alone && !b->alone && (!a->role || !b->role || strcmp(a->role, b->role));
}

/**
 * kp_hold_still() - have user memory of an operation not change when it is touched
 * @pair: the pair
 * @step: the operation
 *
 * It does so once: not where that is in the middle of another operation.
 */
void kp_hold_still(const struct kp_pair *pair, struct kp_step *step)
{
	const struct kp_arg *arg = pair->operation[step->op].arg;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (kp_in_user(&arg[a]) && kp_place(step->arg[a]) == KP_CHANGES)
			step->arg[a] = kp_placed(step->arg[a], KP_SPLIT,
						 kp_place_bytes(step->arg[a]));
}

/**
 * kp_same_results() - whether an operation gave the same twice
 * @a: once
 * @b: another time
 *
 * Which of the handles that are held a handle is of is not compared: that depends on the order.
 *
 * Return: whether it did
 */
bool kp_same_results(const struct kp_step_trace *a, const struct kp_step_trace *b)
{
	return a->ret == b->ret && a->outs == b->outs &&
	       (a->stored == b->stored || a->hides || b->hides);
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

/**
 * kp_copy_arguments() - give an operation the arguments of another one that have the same names
 * @pair: the pair
 * @to: the operation
 * @from: the other one
 *
 * Return: how many there are
 */
u32 kp_copy_arguments(const struct kp_pair *pair, struct kp_step *to, const struct kp_step *from)
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

/**
 * kp_judge_state() - judge a state by the invariants that hold in any
 * @pair: the pair
 * @prog: the program that has led there
 * @view: the state
 *
 * Return: the first invariant that does not hold, or NULL
 */
const char *kp_judge_state(const struct kp_pair *pair, const struct kp_program *prog,
			   const void *view)
{
	static const struct kp_step noop;
	static const struct kp_result res = { .out = KP_POISON };
	struct kp_observed o = {
		.pair = pair, .prog = prog, .step = &noop, .res = &res,
		.before = view, .after = view, .called = true,
	};
	u32 broken = pair->judge ? pair->judge(&o).broken : 0;

	return broken ? pair->invariant[__ffs(broken)].id : NULL;
}

/* The end of a member of a type: where the next one is, or the type ends. */
static u32 end_of(const struct kp_layout *layout, u32 i, size_t type, u32 size)
{
	const struct kp_field *f = &layout->field[i];

	return i + 1 < layout->nr && !strncmp(f[1].name, f->name, type + 1) ? f[1].at : size;
}

/**
 * kp_timeless() - make nothing of what a state shows of how operations of threads met
 * @pair: the pair
 * @view: the state; the bytes of such members become 0, of the view and of what it shows of each
 *        handle
 *
 * Return: hash of what is left
 */
u64 kp_timeless(const struct kp_pair *pair, void *view)
{
	const struct kp_layout *layout = &pair->path[KP_C_C]->layout;
	u32 i, n, end;

	for (i = 0; i < layout->nr; i++) {
		const struct kp_field *f = &layout->field[i];
		const size_t type = strcspn(f->name, ".");

		if (!f->timing)
			continue;
		if (!strncmp(f->name, pair->view, type) && !pair->view[type]) {
			end = end_of(layout, i, type, pair->view_size);
			memset(view + f->at, 0, end - f->at);
			continue;
		}
		end = end_of(layout, i, type, pair->handle_size);
		for (n = 0; n < pair->nr_handles; n++)
			memset(view + pair->handles_at + n * pair->handle_size + f->at, 0,
			       end - f->at);
	}
	return kp_hash(KP_HASH_START, view, pair->view_size);
}

/* Have a number be the plainest one with which it still goes wrong. */
static void make_plain(const struct kp_arg *arg, u64 *value, bool (*still_wrong)(void *data),
		       void *data)
{
	const u64 plain[] = { 0, 1, 2, arg->lo, arg->lo + 1 };
	u64 kept = *value;
	u32 i;

	if (!kp_is_number(arg))
		return;
	/* What is plainer than the number as it is stands before it, if that is among these. */
	for (i = 0; i < ARRAY_SIZE(plain) && plain[i] != kept; i++) {
		if (!kp_in_range(arg, plain[i]))
			continue;
		*value = plain[i];
		if (still_wrong(data))
			return;
	}
	*value = kept;
}

/**
 * kp_make_plain() - have all numbers of a program be the plainest ones with which it goes wrong
 * @pair: the pair
 * @prog: the program
 * @still_wrong: whether it goes wrong as it is now
 * @data: for @still_wrong
 *
 * Context: may sleep.
 */
void kp_make_plain(const struct kp_pair *pair, struct kp_program *prog,
		   bool (*still_wrong)(void *data), void *data)
{
	u32 i, a;

	for (a = 0; a < pair->creation.nr_args; a++)
		make_plain(&pair->creation.arg[a], &prog->param[a], still_wrong, data);
	for (i = 0; i < prog->nr_steps; i++) {
		const struct kp_operation *op = &pair->operation[prog->step[i].op];

		for (a = 0; a < op->nr_args; a++)
			make_plain(&op->arg[a], &prog->step[i].arg[a], still_wrong, data);
	}
}
