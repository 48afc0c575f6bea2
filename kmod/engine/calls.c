// SPDX-License-Identifier: GPL-2.0
/*
 * Calls with typed arguments. Each argument gets memory of its own, with guards on
 * both sides; after the call the guards and what may not be written must be as they
 * were, and what may be written is compared with the other paths.
 *
 * Guards differ from path to path, and on C over C from run to run: a function that
 * reads beyond its argument and goes by what it finds there differs from the others
 * as well. Where KASAN watches, each argument of each 16th call is an allocation of
 * its own, and the first byte too far is reported.
 */
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "engine.h"

/* Kmemleak and KASAN make an allocation cost a hundred times what a call does. */
#define OWN_EVERY	16
#define ROOM(n)		(ALIGN((n) + 8, 8) + 2 * KP_GUARD)
#define ARENA_SIZE	(KP_NR_ARGS * ROOM(KP_BYTES_MAX + 1))

/*
 * One argument in memory: @size bytes at @at. @may: they may be written. @room: all
 * that was set aside for it; @own: by an allocation. @user: @room is but an image of
 * what is in user memory.
 */
struct laid {
	u8 *at;
	u8 *room;
	u32 size;
	bool may;
	bool own;
	bool user;
	struct kp_user_piece piece;
};

/**
 * kp_arena_alloc() - make room for the arguments of one operation
 *
 * Context: may sleep.
 * Return: the room, to be released with kvfree(), or NULL
 */
u8 *kp_arena_alloc(void)
{
	return kvmalloc(ARENA_SIZE, GFP_KERNEL);
}

/* Bytes that end a text, go on with a number or a word, or are no character. */
static u8 guard_of(const struct kp_trace *trace, u32 i)
{
	static const u8 guard[] = { 0xa1, '0', 'a', 0, 0xd4 };

	return guard[(i + (trace->reference ? KP_NR_PATHS : trace->path)) %
		     ARRAY_SIZE(guard)];
}

/* Bytes of memory that an argument needs; 0 if it is passed by value. */
static u32 size_of(const struct kp_arg *arg, u64 value)
{
	switch (arg->kind) {
	case KP_TEXT:
		return kp_span_len(value) + 1;
	case KP_BYTES:
	case KP_USER_BYTES:
	case KP_USER_BUFFER:
		return kp_span_len(value);
	case KP_OUTPUT:
	case KP_INOUT:
		return arg->size;
	case KP_BUFFER:
		return value;
	default:
		return 0;
	}
}

static void fill(const struct kp_arg *arg, const struct kp_program *prog,
		 u64 value, struct laid *laid)
{
	u32 len = kp_span_len(value);

	switch (arg->kind) {
	case KP_TEXT:
		laid->at[len] = '\0';
		fallthrough;
	case KP_BYTES:
	case KP_USER_BYTES:
		memcpy(laid->at, prog->pool + kp_span_at(value), len);
		break;
	case KP_INOUT:
		/* Both arches are little-endian. */
		memcpy(laid->at, &value, arg->size);
		break;
	default:
		memset(laid->at, KP_UNWRITTEN, laid->size);
		break;
	}
}

/* Have an argument that is laid out be in user memory; false if there is none. */
static bool move_to_user(const struct kp_trace *trace, const struct kp_step *step, u32 a,
			 u8 guard, struct laid *laid, struct kp_slot *slot)
{
	const struct kp_arg *arg = &trace->pair->operation[step->op].arg[a];
	u64 value = step->arg[a];
	unsigned long at;

	/* Where costs are counted, pages are there: a fault costs fifty times the rest. */
	if (kp_place(value) == KP_CHANGES && !trace->prog->observe)
		value = kp_placed(value, KP_SPLIT, kp_place_bytes(value));
	at = kp_user_put(&laid->piece, a, value, step->shift, laid->room, ROOM(laid->size),
			 laid->at - laid->room, guard);
	laid->user = true;
	*slot = (struct kp_slot){ kp_user_size(arg, value), (void *)at };
	return at;
}

/*
 * Nothing is laid out yet. Member by member: to clear all of the structures would cost
 * more than most operations do.
 */
static void begin(struct laid *laid)
{
	u32 a;

	for (a = 0; a < KP_NR_ARGS; a++) {
		laid[a].at = NULL;
		laid[a].own = false;
		laid[a].user = false;
	}
}

/* Lay out the arguments of one operation; false if there is no memory. */
static bool lay_out(const struct kp_trace *trace, u32 i, u8 guard,
		    struct laid *laid, struct kp_slot *slot)
{
	const struct kp_step *step = &trace->prog->step[i];
	const struct kp_arg *arg = trace->pair->operation[step->op].arg;
	u8 *arena = trace->arena;
	u32 a, shift;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		u32 size = size_of(&arg[a], step->arg[a]);

		slot[a].n = step->arg[a];
		if (arg[a].kind == KP_NUMBER || kp_is_handle(&arg[a]))
			continue;
		laid[a].size = size;
		laid[a].may = !kp_in_pool(&arg[a]);
		shift = kp_in_pool(&arg[a]) || arg[a].kind == KP_BUFFER ? step->shift : 0;
		if (IS_ENABLED(CONFIG_KASAN) && !(i % OWN_EVERY) && !kp_in_user(&arg[a])) {
			laid[a].own = true;
			laid[a].room = kmalloc(8 + shift + size, GFP_ATOMIC);
			if (!laid[a].room)
				return false;
			laid[a].at = laid[a].room + 8 + shift;
		} else {
			laid[a].room = arena;
			laid[a].at = arena + KP_GUARD + shift;
			arena += ROOM(size);
			memset(laid[a].room, guard, ROOM(size));
		}
		fill(&arg[a], trace->prog, step->arg[a], &laid[a]);
		slot[a].p = laid[a].at;
		if (kp_in_pool(&arg[a]))
			slot[a].n = kp_span_len(step->arg[a]);
		if (kp_in_user(&arg[a]) &&
		    !move_to_user(trace, step, a, guard, &laid[a], &slot[a]))
			return false;
	}
	return true;
}

/* Whether nothing was written on either side of an argument. */
static bool guarded(const struct laid *laid, u8 guard)
{
	u8 *end = laid->at + laid->size;

	return laid->own ||
	       (!memchr_inv(laid->room, guard, laid->at - laid->room) &&
		!memchr_inv(end, guard, laid->room + ROOM(laid->size) - end));
}

static bool unchanged(const struct kp_arg *arg, const struct kp_program *prog,
		      u64 value, const struct laid *laid)
{
	return !memcmp(laid->at, prog->pool + kp_span_at(value), kp_span_len(value)) &&
	       (arg->kind != KP_TEXT || !laid->at[kp_span_len(value)]);
}

static void keep(struct kp_trace *trace, struct kp_step_trace *t,
		 const struct laid *laid)
{
	if (t->outs_at == KP_NOT_KEPT ||
	    KP_KEPT_SIZE - trace->kept_used < laid->size) {
		t->outs_at = KP_NOT_KEPT;
		return;
	}
	memcpy(trace->kept + trace->kept_used, laid->at, laid->size);
	trace->kept_used += laid->size;
}

/* A number that was stored, for invariants; %KP_POISON if it was left alone. */
static u64 output(const struct laid *laid)
{
	u64 value = 0;

	if (!memchr_inv(laid->at, KP_UNWRITTEN, laid->size))
		return KP_POISON;
	memcpy(&value, laid->at, laid->size);
	return value;
}

/* Judge what a call did to its arguments, and record what it stored. */
static const char *collect(struct kp_trace *trace, u32 i, u8 guard,
			   struct kp_result *res, const struct laid *laid)
{
	const struct kp_step *step = &trace->prog->step[i];
	const struct kp_operation *op = &trace->pair->operation[step->op];
	struct kp_step_trace *t = &trace->step[i];
	const struct kp_arg *arg = op->arg;
	const char *broken = NULL;
	u32 a;

	if (op->only_errno && res->ret > 0)
		broken = "returned a number that is neither 0 nor an errno";
	t->outs_at = trace->kept_used;
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!laid[a].at)
			continue;
		if (laid[a].user)
			kp_user_get(&laid[a].piece);
		if (!guarded(&laid[a], guard))
			broken = "wrote outside of its arguments";
		else if (!laid[a].may &&
			 !unchanged(&arg[a], trace->prog, step->arg[a], &laid[a]))
			broken = "wrote to an argument that it may only read";
		if (!laid[a].may)
			continue;
		if (arg[a].kind == KP_OUTPUT && res->out == KP_POISON)
			res->out = output(&laid[a]);
		if (arg[a].kind == KP_OUTPUT)
			t->stored = kp_hash(t->stored, laid[a].at, laid[a].size);
		else
			t->outs = kp_hash(t->outs, laid[a].at, laid[a].size);
		keep(trace, t, &laid[a]);
	}
	return broken;
}

static void release(const struct laid *laid)
{
	u32 a;

	for (a = 0; a < KP_NR_ARGS; a++) {
		if (laid[a].own)
			kfree(laid[a].room);
		if (laid[a].user)
			kp_user_drop(&laid[a].piece);
	}
}

/* Rust hands out outputs beside success alone; C leaves them where they are. */
static bool hides(enum kp_path_id path, const struct kp_operation *op, s64 ret)
{
	if (path != KP_RUST_C && path != KP_RUST_RUST)
		return false;
	return op->returns == KP_RET_RESULT ? ret < 0 :
	       op->returns == KP_RET_BOOL && !ret;
}

/**
 * kp_view() - take the view of an object, and of the handles that its caller holds
 * @pair: the pair
 * @path: the path
 * @obj: the object, which no one uses meanwhile
 * @view: receives the view
 */
void kp_view(const struct kp_pair *pair, enum kp_path_id path, void *obj, void *view)
{
	const struct kp_driver *driver = pair->path[path];
	u8 *shown = (u8 *)view + pair->handles_at;
	u32 i;

	memset(view, 0, pair->view_size);
	driver->view(kp_object(pair, obj), view);
	for (i = 0; i < pair->nr_handles; i++)
		if (kp_handles(pair, obj)[i])
			driver->show(kp_handles(pair, obj)[i], shown + i * pair->handle_size);
}
EXPORT_SYMBOL_GPL(kp_view);

/* The object's state, where the program asks for it; NULL where it does not. */
static const void *take_view(const struct kp_trace *trace, void *obj)
{
	const struct kp_pair *pair = trace->pair;

	if (!trace->prog->observe || !pair->view_size)
		return NULL;
	kp_view(pair, trace->path, obj, trace->taken);
	return trace->taken;
}

/*
 * Put the handles that an operation takes into its arguments, and where it puts the
 * one that it returns. False if it takes one that is not held, or gives one away and
 * uses it beside that: then it cannot be called.
 */
static bool take_handles(const struct kp_arg *arg, const u64 *value,
			 void *const *held, struct kp_slot *slot, void **made)
{
	u32 a, used = 0, given = 0;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		u32 place = BIT(value[a] % KP_HANDLES_MAX);

		if (!kp_is_handle(&arg[a]))
			continue;
		slot[a].p = arg[a].kind == KP_NEW ? made : held[value[a]];
		if (!slot[a].p || given & place ||
		    (arg[a].kind == KP_GIVEN && used & place))
			return false;
		if (arg[a].kind == KP_GIVEN)
			given |= place;
		else if (arg[a].kind == KP_BORROWED)
			used |= place;
	}
	return true;
}

/* What was given away is no longer held. */
static void drop_given(const struct kp_arg *arg, const u64 *value, void **held)
{
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (arg[a].kind == KP_GIVEN)
			held[value[a]] = NULL;
}

/* The first place that holds a handle; -1 for none. */
static s32 held_at(const struct kp_pair *pair, void *const *held, const void *handle)
{
	u32 i;

	for (i = 0; handle && i < pair->nr_handles; i++)
		if (held[i] == handle)
			return i;
	return -1;
}

/*
 * Hold what a call returned. What was held there is given back now and not before the
 * call: so the two could be compared.
 */
static void hold(const struct kp_driver *driver, const struct kp_arg *arg,
		 const u64 *value, void **held, void *made)
{
	void *old;
	u32 a;

	for (a = 0; made && a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].kind != KP_NEW)
			continue;
		old = held[value[a]];
		held[value[a]] = made;
		if (old)
			driver->put(old);
	}
}

static bool returns_handle(const struct kp_arg *arg)
{
	u32 a;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++)
		if (arg[a].kind == KP_NEW)
			return true;
	return false;
}

static void call_one(struct kp_trace *trace, void *obj, u32 i)
{
	const struct kp_pair *pair = trace->pair;
	const struct kp_step *step = &trace->prog->step[i];
	const struct kp_operation *op = &pair->operation[step->op];
	kp_invoke call = pair->path[trace->path]->call[step->op];
	struct kp_step_trace *t = &trace->step[i];
	u8 guard = guard_of(trace, i);
	struct kp_result res = { .out = KP_POISON };
	struct kp_slot slot[KP_NR_ARGS] = {};
	struct laid laid[KP_NR_ARGS];
	void **held = pair->nr_handles ? kp_handles(pair, obj) : NULL;
	const char *broken = "no memory for its arguments";
	u64 start, cost = 0;
	void *made = NULL;

	begin(laid);
	t->outs = KP_HASH_START;
	t->stored = KP_HASH_START;
	t->outs_at = KP_NOT_KEPT;
	if (held && !take_handles(op->arg, step->arg, held, slot, &made)) {
		res.ret = KP_NOT_CALLED;
		t->skipped = true;
		broken = NULL;
	} else if (trace->arena && lay_out(trace, i, guard, laid, slot)) {
		start = kp_clock();
		call(kp_object(pair, obj), slot, &res);
		cost = kp_clock() - start;
		broken = collect(trace, i, guard, &res, laid);
		if (returns_handle(op->arg) && !res.ret && !made)
			broken = "returned neither a handle nor an errno";
		if (held) {
			drop_given(op->arg, step->arg, held);
			t->same = held_at(pair, held, made);
			hold(pair->path[trace->path], op->arg, step->arg, held, made);
		}
	}
	release(laid);
	t->hides = hides(trace->path, op, res.ret);
	if (!t->skipped)
		kp_outcome(pair, trace->path, step->op, res.ret);
	kp_trace_step(trace, i, &res, cost, take_view(trace, obj));
	/* Outputs are compared by hash, which knows what a caller can see of them. */
	t->res.out = KP_POISON;
	if (broken)
		kp_trace_broken(trace, i, broken);
}

/**
 * kp_run() - carry out a program on an object
 * @pair: the pair
 * @path: the path
 * @obj: the object; NULL for a function
 * @prog: what to do
 * @trace: where results go
 *
 * Context: that of the operations.
 */
void kp_run(const struct kp_pair *pair, enum kp_path_id path, void *obj,
	    const struct kp_program *prog, struct kp_trace *trace)
{
	const void *view;
	u32 i;

	if (pair->user && kp_user_attach())
		kp_trace_broken(trace, 0, "no memory for user memory");
	view = take_view(trace, obj);
	if (view)
		kp_trace_begin(trace, view);
	for (i = 0; i < prog->nr_steps; i++)
		call_one(trace, obj, i);
}

/**
 * kp_call_once() - carry out one operation, without a trace
 * @pair: the pair
 * @path: the path
 * @obj: the object
 * @op: the operation, whose arguments are numbers
 * @arg: its arguments in their order, but for those that it only stores
 *
 * Context: that of the operation.
 * Return: the result, -EIO if it was not called; its @out is the first number that was stored
 */
struct kp_result kp_call_once(const struct kp_pair *pair, enum kp_path_id path,
			      void *obj, u32 op, const u64 *arg)
{
	const struct kp_arg *args = pair->operation[op].arg;
	struct kp_result res = { .out = KP_POISON };
	struct kp_slot slot[KP_NR_ARGS] = {};
	void **held = pair->nr_handles ? kp_handles(pair, obj) : NULL;
	u64 number[KP_NR_ARGS], value[KP_NR_ARGS] = {};
	void *made = NULL;
	u32 a;

	for (a = 0; a < KP_NR_ARGS && args[a].name; a++) {
		slot[a] = (struct kp_slot){ .p = &number[a] };
		number[a] = KP_POISON;
		if (args[a].kind == KP_OUTPUT)
			continue;
		value[a] = *arg++;
		slot[a].n = value[a];
		number[a] = value[a];
	}
	if (held && !take_handles(args, value, held, slot, &made)) {
		res.ret = -EIO;
		return res;
	}
	pair->path[path]->call[op](kp_object(pair, obj), slot, &res);
	if (held) {
		drop_given(args, value, held);
		hold(pair->path[path], args, value, held, made);
	}
	for (a = 0; a < KP_NR_ARGS && args[a].name; a++)
		if (args[a].kind == KP_OUTPUT && res.out == KP_POISON &&
		    number[a] != KP_POISON)
			/* Of a smaller type it has stored the lower bytes alone. */
			res.out = number[a] << (64 - 8 * args[a].size) >> (64 - 8 * args[a].size);
	return res;
}
