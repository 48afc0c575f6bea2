// SPDX-License-Identifier: GPL-2.0
/*
 * Calls with typed arguments. Each argument gets memory of its own, with guards on
 * both sides; after the call the guards and read-only arguments must be as they were,
 * and arguments that may be written are compared with the other paths.
 *
 * Guards differ from path to path, and on C over C from run to run: a function that
 * reads beyond its argument and goes by what it finds there differs from the others
 * as well. Where KASAN watches, each argument of each 16th call is an allocation of
 * its own, and the first byte too far is reported.
 */
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/unroll.h>
#include "call.h"
#include "nesting.h"
#include "say.h"

/* Kmemleak and KASAN make an allocation cost a hundred times what a call does. */
#define OWN_EVERY	16

/* Bytes that end a text, go on with a number or a word, or are no character. */
static u8 guard_of(const struct kp_trace *trace, u32 i)
{
	static const u8 guard[] = { 0xa1, '0', 'a', 0, 0xd4 };

	return guard[(i + (trace->reference ? KP_NR_PATHS : trace->path)) %
		     ARRAY_SIZE(guard)];
}

/* Whether an argument is a number that is stored, in the form of lay_word(). */
static bool is_word(const struct kp_arguments *c, const struct kp_arg *arg)
{
	return (arg->kind == KP_OUTPUT || arg->kind == KP_INOUT) && !c->own;
}

/*
 * A number that is stored has six words: the third one is its own, the others and the
 * bytes behind it there are guards. Whole words cost a small part of what bytes do,
 * and most operations store numbers alone.
 */
#define WORDS	6
static_assert(KP_ROOM(sizeof(u64)) == WORDS * sizeof(u64) && KP_GUARD == 2 * sizeof(u64));

static u64 word_of(u8 byte)
{
	return byte * 0x0101010101010101ULL;
}

/* Bits of a word that a number has. */
static u64 bits_of(const struct kp_arg *arg)
{
	return U64_MAX >> (64 - 8 * arg->size);
}

static void lay_word(struct kp_arguments *c, u32 a, u64 *word)
{
	u64 value, bits = bits_of(&c->arg[a]), guard = word_of(c->guard);

	/* Both arches are little-endian. */
	value = c->arg[a].kind == KP_INOUT ? c->step->arg[a] : word_of(KP_UNWRITTEN);
	word[0] = guard;
	word[1] = guard;
	word[2] = (guard & ~bits) | (value & bits);
	word[3] = guard;
	word[4] = guard;
	word[5] = guard;
	c->words |= BIT(a);
	c->slot[a].p = &word[2];
}

static bool word_guarded(const u64 *word, u64 bits, u64 guard)
{
	return !((word[0] ^ guard) | (word[1] ^ guard) | ((word[2] ^ guard) & ~bits) |
		 (word[3] ^ guard) | (word[4] ^ guard) | (word[5] ^ guard));
}

/* Lay out the arguments of one operation; false if there is no memory. */
static bool lay_out(struct kp_arguments *c)
{
	u8 *arena = c->trace->arena;
	u32 a;

	for (a = 0; a < c->nr; a++) {
		const struct kp_arg *arg = &c->arg[a];

		c->slot[a].n = c->step->arg[a];
		if (arg->kind == KP_NUMBER || kp_is_handle(arg))
			continue;
		if (is_word(c, arg)) {
			lay_word(c, a, (u64 *)arena);
			arena += WORDS * sizeof(u64);
			continue;
		}
		if (!kp_lay_bytes(c, a, arena))
			return false;
		arena += KP_ROOM(c->laid[a].size);
	}
	return true;
}

/**
 * kp_keep() - room for an output of a call, to be printed
 * @trace: the trace
 * @t: the call's part of it
 * @size: bytes of the output
 *
 * Return: the room, and a word more; NULL if there is none
 */
u8 *kp_keep(struct kp_trace *trace, struct kp_step_trace *t, u32 size)
{
	u8 *at = trace->kept + trace->kept_used;

	/* A word more: numbers are kept as words. */
	if (t->outs_at == KP_NOT_KEPT ||
	    KP_KEPT_SIZE - trace->kept_used < size + sizeof(u64)) {
		t->outs_at = KP_NOT_KEPT;
		return NULL;
	}
	trace->kept_used += size;
	return at;
}

/**
 * kp_collect_number() - record a number that a call may have stored
 * @c: the call
 * @a: the argument
 * @number: the number
 * @t: receives it
 * @res: receives it, if it is the first one
 */
void kp_collect_number(struct kp_arguments *c, u32 a, u64 number, struct kp_step_trace *t,
		       struct kp_result *res)
{
	const struct kp_arg *arg = &c->arg[a];
	u8 *kept;

	if (arg->kind == KP_INOUT) {
		t->outs = kp_hash_word(t->outs, number);
	} else {
		t->stored = kp_hash_word(t->stored, number);
		/* Invariants see the first output; poison if it was left alone. */
		if (res->out == KP_POISON && number != (word_of(KP_UNWRITTEN) & bits_of(arg)))
			res->out = number;
	}
	kept = kp_keep(c->trace, t, arg->size);
	if (kept)
		memcpy(kept, &number, sizeof(number));
}

/* Judge what a call did to a number, and record what it stored. */
static const char *collect_word(struct kp_arguments *c, u32 a, struct kp_step_trace *t,
				struct kp_result *res)
{
	const u64 *word = c->slot[a].p - KP_GUARD;
	u64 bits = bits_of(&c->arg[a]);

	kp_collect_number(c, a, word[2] & bits, t, res);
	return word_guarded(word, bits, word_of(c->guard)) ? NULL :
		"wrote outside of its arguments";
}

/* Judge what a call did to its arguments, and record what it stored. */
static const char *collect(struct kp_arguments *c, const struct kp_operation *op,
			   struct kp_step_trace *t, struct kp_result *res)
{
	const char *broken = NULL, *now;
	u32 a, left;

	if (op->only_errno && res->ret > 0)
		broken = "returned a number that is neither 0 nor an errno";
	t->outs_at = c->trace->kept_used;
	for (left = c->words | c->bytes; left; left &= left - 1) {
		a = __ffs(left);
		now = c->words & BIT(a) ? collect_word(c, a, t, res) :
			kp_collect_bytes(c, a, t, res);
		broken = now ?: broken;
	}
	return broken;
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
	u64 *word = view;
	u32 i, words = pair->view_size / sizeof(*word);

	/* As words: under an emulator memset() costs several times as much. */
	unrolled_none
	for (i = 0; i < words; i++)
		WRITE_ONCE(word[i], 0);
	if (pair->view_size % sizeof(*word))
		memset(word + words, 0, pair->view_size % sizeof(*word));
	driver->view(kp_object(pair, obj), view);
	for (i = 0; i < pair->nr_handles; i++)
		if (kp_handles(pair, obj)[i])
			driver->show(kp_handles(pair, obj)[i], shown + i * pair->handle_size);
}
EXPORT_SYMBOL_GPL(kp_view);

/* Take the object's state, where the program or the trace asks for it; whether it was taken. */
static bool take_view(const struct kp_trace *trace, void *obj)
{
	const struct kp_pair *pair = trace->pair;

	if (!(trace->prog->observe || trace->held) || !pair->view_size || trace->stuck)
		return false;
	kp_view(pair, trace->path, obj, trace->taken);
	return true;
}

/* Documented where both languages read it. Here no caller's compiler sees that it is empty. */
void kp_nothing(void *obj)
{
}
EXPORT_SYMBOL_GPL(kp_nothing);

/* The function that calls an operation; where costs are counted it makes nothing dirty. */
static kp_invoke caller(const struct kp_trace *trace, u32 op)
{
	const struct kp_driver *driver = trace->pair->path[trace->path];

	if (trace->prog->observe)
		return driver->dirty ? driver->dirty[op] : driver->call[op];
	return driver->counted ? driver->counted[op] : driver->call[op];
}

/* Call an operation where the trace's operations are called. */
static void make_placed(struct kp_arguments *c, kp_invoke call, void *obj,
			struct kp_result *res)
{
	struct kp_trace *trace = c->trace;
	enum kp_context context = trace->pair->operation[c->step->op].context;

	switch (trace->placed) {
	case KP_PLACED_HERE:
		call(obj, c->slot, res);
		break;
	case KP_PLACED_UNPREEMPTED:
		trace->slept += kp_invoke_unpreempted(context, call, obj, c->slot, res);
		break;
	case KP_PLACED_STRONGEST:
		if (!kp_invoke_in(context, call, obj, c->slot, res))
			c->unbalanced = true;
		break;
	}
}

/* Call an operation whose arguments are laid out; its cost where costs are counted. */
static u64 timed(struct kp_arguments *c, void *obj, struct kp_step_trace *t, struct kp_result *res)
{
	struct kp_trace *trace = c->trace;
	kp_invoke call = caller(trace, c->step->op);
	u64 start, cost;

	if (trace->prog->observe) {
		kp_fail_enter(trace, c->step->fail);
		kp_locks_enter(trace);
		make_placed(c, call, obj, res);
		kp_locks_leave(c->step->op, res->ret);
		kp_fail_leave(trace, t, c->step->fail);
		/* Without a look at the object the engine only tries programs, or counts. */
		kp_outcome(trace->pair, trace->path, c->step->op, res->ret);
		return 0;
	}
	if (trace->depth && trace->depth[c->step - trace->prog->step]) {
		trace->depth[c->step - trace->prog->step] = kp_depth_call(call, obj, c->slot, res);
		return 0;
	}
	if (trace->timed != KP_COUNTED)
		return kp_time_call(trace, call, obj, c->slot, res);
	if (trace->alone && trace->pair->operation[c->step->op].waits)
		return kp_waits_call(call, obj, c->slot, res);
	if (trace->told)
		kp_say(KP_SAY_BEGIN, (u64)(c->step - trace->prog->step) << 32 | c->step->op);
	start = kp_clock();
	call(obj, c->slot, res);
	cost = kp_clock() - start;
	if (trace->told)
		kp_say(KP_SAY_COST, cost);
	return cost;
}

/* What a caller gives away is the callee's, which ends it even where it has no memory. */
static void put_given(const struct kp_arguments *c, void *const *held)
{
	u32 a;

	for (a = 0; held && a < c->nr; a++)
		if (c->arg[a].kind == KP_GIVEN)
			c->trace->pair->path[c->trace->path]->put(held[c->step->arg[a]]);
}

/* Lay arguments out, call, and judge them afterwards; NULL or the fault. */
static const char *carry_out(struct kp_arguments *c, const struct kp_operation *op, void *obj,
			     struct kp_step_trace *t, struct kp_result *res, u64 *cost)
{
	const struct kp_trace *trace = c->trace;
	const char *broken = "no memory for its arguments";

	if (lay_out(c)) {
		if (trace->like && kp_refused(trace->like, c->step - trace->prog->step)) {
			res->ret = -ENOMEM;
			put_given(c, trace->pair->nr_handles ?
				  kp_handles(trace->pair, obj) : NULL);
		} else {
			*cost = timed(c, kp_object(trace->pair, obj), t, res);
		}
		c->called = true;
		broken = collect(c, op, t, res);
		if (trace->stuck)
			broken = "came back with a lock held";
		if (c->unbalanced)
			broken = KP_NOT_AS_FOUND;
	}
	if (c->bytes)
		kp_release(c);
	return broken;
}

/* Make ready what a call goes by; nothing is laid out yet. */
static void begin(struct kp_arguments *c, struct kp_trace *trace, u32 i)
{
	const struct kp_step *step = &trace->prog->step[i];
	const struct kp_operation *op = &trace->pair->operation[step->op];
	struct kp_step_trace *t = &trace->step[i];

	c->trace = trace;
	c->step = step;
	c->arg = op->arg;
	c->nr = op->nr_args;
	c->guard = guard_of(trace, i);
	c->own = IS_ENABLED(CONFIG_KASAN) && !(i % OWN_EVERY);
	c->user = 0;
	c->words = 0;
	c->bytes = 0;
	c->called = false;
	c->unbalanced = false;
	c->made = NULL;
	t->outs = KP_HASH_START;
	t->stored = KP_HASH_START;
	t->outs_at = KP_NOT_KEPT;
}

/*
 * Call one operation, and judge it where the program is observed: but not by what the state was
 * where others are carried out from inside of it.
 */
static void call_one(struct kp_trace *trace, void *obj, u32 i)
{
	const struct kp_step *step = &trace->prog->step[i];
	const struct kp_operation *op = &trace->pair->operation[step->op];
	struct kp_step_trace *t = &trace->step[i];
	struct kp_result res = { .out = KP_POISON };
	/* Where stacks are cleared, to clear this would cost more than most operations do. */
	struct kp_arguments c __uninitialized;
	void **held = trace->pair->nr_handles ? kp_handles(trace->pair, obj) : NULL;
	const char *broken = NULL, *fault;
	u64 cost = 0;

	begin(&c, trace, i);
	if (held && !kp_take_handles(c.arg, step->arg, held, c.slot, &c.made)) {
		res.ret = KP_NOT_CALLED;
		t->skipped = true;
	} else {
		broken = carry_out(&c, op, obj, t, &res, &cost);
		fault = held && c.called ? kp_settle_handles(&c, held, t, &res) : NULL;
		broken = fault ?: broken;
	}
	kp_trace_step(trace, i, &res, cost, !step->inside && take_view(trace, obj));
	if (broken)
		kp_trace_broken(trace, i, broken);
}

/* Call an operation, and those behind it from inside of the callback that it has run. */
static void call_around(struct kp_trace *trace, void *obj, u32 i)
{
	const u32 nr = trace->prog->step[i].inside;

	kp_inside_begin(obj, i + 1, nr);
	call_one(trace, obj, i);
	kp_inside_end();
	/* What comes next is judged by this view. */
	if (take_view(trace, obj))
		swap(trace->view, trace->taken);
	trace->nr += nr;
}

/**
 * struct kp_call - a call in three parts, of which the middle one can be made anywhere
 * @c: its arguments
 * @obj: the object
 * @res: what it returned
 * @invoke: the function that makes it; NULL if it cannot be made
 */
struct kp_call {
	struct kp_arguments c;
	void *obj;
	struct kp_result res;
	kp_invoke invoke;
};

/**
 * kp_call_alloc() - make room for a call
 *
 * Context: may sleep.
 * Return: the room, to be released with kvfree(), or NULL
 */
struct kp_call *kp_call_alloc(void)
{
	return kvzalloc_obj(struct kp_call);
}

/**
 * kp_call_begin() - lay out the arguments of an operation
 * @call: receives them
 * @trace: where the operation's results are to go; no other call has its arguments there
 * @obj: the object, which stays until kp_call_end()
 * @i: the operation's number in the program
 * @user: the first of the arguments' areas in user memory that it may use
 *
 * Context: task.
 * Return: whether kp_call_make() can make it; else it takes a handle that is not held, or there
 *         is no memory
 */
bool kp_call_begin(struct kp_call *call, struct kp_trace *trace, void *obj, u32 i, u32 user)
{
	const struct kp_step *step = &trace->prog->step[i];
	const struct kp_pair *pair = trace->pair;
	void **held = pair->nr_handles ? kp_handles(pair, obj) : NULL;
	struct kp_arguments *c = &call->c;

	begin(c, trace, i);
	c->user = user;
	call->obj = obj;
	call->res = (struct kp_result){ .out = KP_POISON };
	call->invoke = NULL;
	if (held && !kp_take_handles(c->arg, step->arg, held, c->slot, &c->made))
		return false;
	if (!lay_out(c))
		return false;
	call->invoke = pair->path[trace->path]->call[step->op];
	return true;
}

/**
 * kp_call_make() - make a call whose arguments are laid out
 * @data: the call, a &struct kp_call
 *
 * Context: that of the operation.
 */
void kp_call_make(void *data)
{
	struct kp_call *call = data;

	call->c.called = true;
	call->invoke(kp_object(call->c.trace->pair, call->obj), call->c.slot, &call->res);
}

/**
 * kp_call_end() - record what a call gave, and release its arguments
 * @call: the call; kp_call_begin() has been called, and kp_call_make() if that allowed it
 * @i: the operation's number in the program
 *
 * Context: as for kp_call_begin(). The call has returned.
 * Return: the part of the contract that it broke, or NULL
 */
const char *kp_call_end(struct kp_call *call, u32 i)
{
	struct kp_arguments *c = &call->c;
	struct kp_trace *trace = c->trace;
	const struct kp_pair *pair = trace->pair;
	const struct kp_operation *op = &pair->operation[c->step->op];
	struct kp_step_trace *t = &trace->step[i];
	const char *broken = NULL, *fault = NULL;

	if (c->called) {
		broken = collect(c, op, t, &call->res);
		if (pair->nr_handles)
			fault = kp_settle_handles(c, kp_handles(pair, call->obj), t, &call->res);
	} else {
		call->res.ret = KP_NOT_CALLED;
		t->skipped = true;
	}
	if (c->bytes)
		kp_release(c);
	trace->nr = i;
	kp_trace_step(trace, i, &call->res, 0, false);
	return fault ?: broken ?: t->broken;
}

/**
 * kp_make() - make the object of a program
 * @trace: the program's trace, right after kp_trace_start()
 *
 * For a pair of functions there is none, but what else its calls need is made ready. From
 * here on until kp_unmake(), or where no object is made until this returns, the program is
 * told if the kernel does not survive it.
 *
 * Context: may sleep; one program at a time.
 * Return: as kp_create_slots(); to be given to kp_unmake() if it is no error
 */
void *kp_make(struct kp_trace *trace)
{
	const struct kp_pair *pair = trace->pair;
	struct kp_step step = { .shift = trace->prog->shift };
	struct kp_result res = { .out = KP_POISON };
	struct kp_arguments c = {
		.trace = trace, .step = &step, .arg = pair->creation.arg,
		.nr = pair->creation.nr_args, .guard = guard_of(trace, 0),
		/* KASAN does not see what is written right before an allocation's part. */
		.own = IS_ENABLED(CONFIG_KASAN) && !(trace->prog->index % 2),
	};
	const char *broken = "no memory for its arguments";
	void *obj = ERR_PTR(-ENOMEM);

	kp_watch(trace, false);
	memcpy(step.arg, trace->prog->param, sizeof(step.arg));
	if (pair->user && kp_user_attach()) {
		broken = "no memory for user memory";
	} else if (lay_out(&c)) {
		if (!trace->like || !kp_refused(trace->like, KP_AT_CREATION))
			obj = kp_create_watched(trace, c.slot);
		broken = collect(&c, &pair->creation, &trace->made, &res);
		if (trace->stuck)
			broken = "came back with a lock held";
		kp_spoil(&c);
	}
	if (c.bytes)
		kp_release(&c);
	trace->digest.seen = kp_hash_word(trace->digest.seen, trace->made.outs);
	trace->made.broken = broken;
	if (broken)
		kp_trace_broken(trace, KP_AT_CREATION, broken);
	kp_watch(IS_ERR(obj) ? NULL : trace, true);
	return obj;
}

/**
 * kp_unmake() - destroy the object of a program, which is over
 * @trace: the program's trace
 * @obj: what kp_make() returned for it, and no error
 *
 * Context: may sleep.
 * Return: what that costs, as of an operation
 */
u64 kp_unmake(struct kp_trace *trace, void *obj)
{
	u64 cost = kp_destroy_counted(trace->pair, trace->path, obj, trace->told_making);

	kp_watch(NULL, false);
	return cost;
}

/**
 * kp_run() - carry out a program on an object
 * @pair: the pair
 * @path: the path
 * @obj: what kp_make() returned for @trace
 * @prog: what to do
 * @trace: where results go
 *
 * Context: that of the operations.
 */
void kp_run(const struct kp_pair *pair, enum kp_path_id path, void *obj,
	    const struct kp_program *prog, struct kp_trace *trace)
{
	u32 i;

	if (take_view(trace, obj))
		kp_trace_begin(trace);
	for (i = 0; i < prog->nr_steps; i++) {
		if (prog->step[i].after)
			kp_program_settle(trace, i);
		if (prog->step[i].inside) {
			call_around(trace, obj, i);
			i += prog->step[i].inside;
			continue;
		}
		call_one(trace, obj, i);
		if (trace->stuck)
			break;
	}
	kp_trace_end(trace);
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
	if (held && !kp_take_handles(args, value, held, slot, &made)) {
		res.ret = -EIO;
		return res;
	}
	pair->path[path]->call[op](kp_object(pair, obj), slot, &res);
	kp_outcome(pair, path, op, res.ret);
	if (held)
		kp_pass_handles(pair->path[path], args, value, held, made);
	for (a = 0; a < KP_NR_ARGS && args[a].name; a++)
		if (args[a].kind == KP_OUTPUT && res.out == KP_POISON &&
		    number[a] != KP_POISON)
			/* An operation stores the lower bytes of a smaller type alone. */
			res.out = number[a] << (64 - 8 * args[a].size) >> (64 - 8 * args[a].size);
	return res;
}
