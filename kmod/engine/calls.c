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
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unroll.h>
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

/*
 * The arguments of one call. Those in @words and @bytes, bits by their number, are in
 * memory: numbers in a form of their own, see lay_word(), and all others, of which @laid
 * is set. @made: the handle that it returned. @user: the first of its areas in user memory.
 */
struct call {
	struct kp_trace *trace;
	const struct kp_step *step;
	const struct kp_arg *arg;
	u32 nr;
	u8 guard;
	bool own;
	bool called;
	u32 user;
	u32 words;
	u32 bytes;
	void *made;
	struct kp_slot slot[KP_NR_ARGS];
	struct laid laid[KP_NR_ARGS];
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

/* Move an argument that is laid out to user memory; false without memory. */
static bool move_to_user(struct call *c, u32 a)
{
	struct laid *laid = &c->laid[a];
	u64 value = c->step->arg[a];
	unsigned long at;

	/*
	 * Where costs are counted, pages are there: a fault costs fifty times the rest. Where
	 * allocations fail as well: those of a fault are the kernel's own.
	 */
	if (kp_place(value) == KP_CHANGES &&
	    (!c->trace->prog->observe || c->trace->prog->balance))
		value = kp_placed(value, KP_SPLIT, kp_place_bytes(value));
	at = kp_user_put(&laid->piece, c->user + a, value, c->step->shift, laid->room,
			 ROOM(laid->size), laid->at - laid->room, c->guard);
	laid->user = true;
	c->slot[a] = (struct kp_slot){ kp_user_size(&c->arg[a], value), (void *)at };
	return at;
}

static void release(const struct call *c)
{
	u32 a;

	for (a = 0; a < c->nr; a++) {
		if (!(c->bytes & BIT(a)))
			continue;
		if (c->laid[a].own)
			kfree(c->laid[a].room);
		if (c->laid[a].user)
			kp_user_drop(&c->laid[a].piece);
	}
}

/* Lay out an argument that is bytes; false without memory. */
static noinline bool lay_bytes(struct call *c, u32 a, u8 *room)
{
	const struct kp_arg *arg = &c->arg[a];
	struct laid *laid = &c->laid[a];
	u32 size = size_of(arg, c->step->arg[a]);
	u32 shift = kp_in_pool(arg) || arg->kind == KP_BUFFER ? c->step->shift : 0;

	laid->own = c->own && !kp_in_user(arg);
	laid->user = false;
	laid->size = size;
	laid->may = !kp_in_pool(arg);
	if (laid->own) {
		laid->room = kmalloc(8 + shift + size, GFP_ATOMIC);
		if (!laid->room)
			return false;
		laid->at = laid->room + 8 + shift;
	} else {
		laid->room = room;
		laid->at = room + KP_GUARD + shift;
		memset(room, c->guard, ROOM(size));
	}
	c->bytes |= BIT(a);
	fill(arg, c->trace->prog, c->step->arg[a], laid);
	c->slot[a].p = laid->at;
	if (kp_in_pool(arg))
		c->slot[a].n = kp_span_len(c->step->arg[a]);
	return !kp_in_user(arg) || move_to_user(c, a);
}

/* Whether an argument is a number that is stored, in the form of lay_word(). */
static bool is_word(const struct call *c, const struct kp_arg *arg)
{
	return (arg->kind == KP_OUTPUT || arg->kind == KP_INOUT) && !c->own;
}

/*
 * A number that is stored has six words: the third one is its own, the others and the
 * bytes behind it there are guards. Whole words cost a small part of what bytes do,
 * and most operations store numbers alone.
 */
#define WORDS	6
static_assert(ROOM(sizeof(u64)) == WORDS * sizeof(u64) && KP_GUARD == 2 * sizeof(u64));

static u64 word_of(u8 byte)
{
	return byte * 0x0101010101010101ULL;
}

/* Bits of a word that a number has. */
static u64 bits_of(const struct kp_arg *arg)
{
	return U64_MAX >> (64 - 8 * arg->size);
}

static void lay_word(struct call *c, u32 a, u64 *word)
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
static bool lay_out(struct call *c)
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
		if (!lay_bytes(c, a, arena))
			return false;
		arena += ROOM(c->laid[a].size);
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

/* Room for an output of a call, to be printed; NULL if there is none. */
static u8 *keep(struct kp_trace *trace, struct kp_step_trace *t, u32 size)
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

/* Record a number that a call may have stored. */
static void collect_number(struct call *c, u32 a, u64 number, struct kp_step_trace *t,
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
	kept = keep(c->trace, t, arg->size);
	if (kept)
		memcpy(kept, &number, sizeof(number));
}

/* Judge what a call did to an argument that is bytes, and record what it stored. */
static noinline const char *collect_bytes(struct call *c, u32 a, struct kp_step_trace *t,
					  struct kp_result *res)
{
	const struct kp_arg *arg = &c->arg[a];
	struct laid *laid = &c->laid[a];
	u64 number = 0;
	u8 *kept;

	if (laid->user)
		kp_user_get(&laid->piece);
	if (arg->kind == KP_OUTPUT || arg->kind == KP_INOUT) {
		memcpy(&number, laid->at, laid->size);
		collect_number(c, a, number, t, res);
	} else if (laid->may) {
		t->outs = kp_hash(t->outs, laid->at, laid->size);
		kept = keep(c->trace, t, laid->size);
		if (kept)
			memcpy(kept, laid->at, laid->size);
	}
	if (!guarded(laid, c->guard))
		return "wrote outside of its arguments";
	if (!laid->may && !unchanged(arg, c->trace->prog, c->step->arg[a], laid))
		return "wrote to an argument that it may only read";
	return NULL;
}

/* The same of a number. */
static const char *collect_word(struct call *c, u32 a, struct kp_step_trace *t,
				struct kp_result *res)
{
	const u64 *word = c->slot[a].p - KP_GUARD;
	u64 bits = bits_of(&c->arg[a]);

	collect_number(c, a, word[2] & bits, t, res);
	return word_guarded(word, bits, word_of(c->guard)) ? NULL :
		"wrote outside of its arguments";
}

/* Judge what a call did to its arguments, and record what it stored. */
static const char *collect(struct call *c, const struct kp_operation *op,
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
			collect_bytes(c, a, t, res);
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

/* Take the object's state, where the program asks for it; whether it was taken. */
static bool take_view(const struct kp_trace *trace, void *obj)
{
	const struct kp_pair *pair = trace->pair;

	if (!trace->prog->observe || !pair->view_size || trace->stuck)
		return false;
	kp_view(pair, trace->path, obj, trace->taken);
	return true;
}

/*
 * Put the handles that an operation takes into its arguments, and the place for the
 * one that it returns. False if a handle is not held, or is both given away and used:
 * then the operation cannot be called.
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

/* A handle that was given away is no longer held. */
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
 * Hold the handle that a call returned. The one held in its place is given back now and
 * not before the call: so the two could be compared.
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

/* Call an operation whose arguments are laid out; its cost where costs are counted. */
static u64 timed(struct call *c, void *obj, struct kp_step_trace *t, struct kp_result *res)
{
	struct kp_trace *trace = c->trace;
	kp_invoke call = trace->pair->path[trace->path]->call[c->step->op];
	u64 start;

	if (trace->prog->observe) {
		kp_memory_enter(trace, c->step->fail);
		call(obj, c->slot, res);
		kp_memory_leave(trace, t, c->step->fail);
		/* Without a look at the object the engine only tries programs, or counts. */
		kp_outcome(trace->pair, trace->path, c->step->op, res->ret);
		return 0;
	}
	start = kp_clock();
	call(obj, c->slot, res);
	return kp_clock() - start;
}

/* What a caller gives away is the callee's, which ends it even where it has no memory. */
static void put_given(const struct call *c, void *const *held)
{
	u32 a;

	for (a = 0; held && a < c->nr; a++)
		if (c->arg[a].kind == KP_GIVEN)
			c->trace->pair->path[c->trace->path]->put(held[c->step->arg[a]]);
}

/* Lay arguments out, call, and judge them afterwards; NULL or the fault. */
static const char *carry_out(struct call *c, const struct kp_operation *op, void *obj,
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
	}
	if (c->bytes)
		release(c);
	return broken;
}

/* What a call did to the handles that its caller holds; NULL or the fault. */
static const char *settle_handles(const struct call *c, void **held, struct kp_step_trace *t,
				  const struct kp_result *res)
{
	const struct kp_trace *trace = c->trace;

	drop_given(c->arg, c->step->arg, held);
	t->same = held_at(trace->pair, held, c->made);
	hold(trace->pair->path[trace->path], c->arg, c->step->arg, held, c->made);
	return returns_handle(c->arg) && !res->ret && !c->made ?
		"returned neither a handle nor an errno" : NULL;
}

/* Make ready what a call goes by; nothing is laid out yet. */
static void begin(struct call *c, struct kp_trace *trace, u32 i)
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
	c->made = NULL;
	t->outs = KP_HASH_START;
	t->stored = KP_HASH_START;
	t->outs_at = KP_NOT_KEPT;
}

static void call_one(struct kp_trace *trace, void *obj, u32 i)
{
	const struct kp_step *step = &trace->prog->step[i];
	const struct kp_operation *op = &trace->pair->operation[step->op];
	struct kp_step_trace *t = &trace->step[i];
	struct kp_result res = { .out = KP_POISON };
	/* Where stacks are cleared, to clear this would cost more than most operations do. */
	struct call c __uninitialized;
	void **held = trace->pair->nr_handles ? kp_handles(trace->pair, obj) : NULL;
	const char *broken = NULL, *fault;
	u64 cost = 0;

	begin(&c, trace, i);
	if (held && !take_handles(c.arg, step->arg, held, c.slot, &c.made)) {
		res.ret = KP_NOT_CALLED;
		t->skipped = true;
	} else {
		broken = carry_out(&c, op, obj, t, &res, &cost);
		fault = held && c.called ? settle_handles(&c, held, t, &res) : NULL;
		broken = fault ?: broken;
	}
	kp_trace_step(trace, i, &res, cost, take_view(trace, obj));
	if (broken)
		kp_trace_broken(trace, i, broken);
}

/**
 * struct kp_call - a call in three parts, of which the middle one can be made anywhere
 * @c: its arguments
 * @obj: the object
 * @res: what it returned
 * @invoke: the function that makes it; NULL if it cannot be made
 */
struct kp_call {
	struct call c;
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
	struct call *c = &call->c;

	begin(c, trace, i);
	c->user = user;
	call->obj = obj;
	call->res = (struct kp_result){ .out = KP_POISON };
	call->invoke = NULL;
	if (held && !take_handles(c->arg, step->arg, held, c->slot, &c->made))
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
	struct call *c = &call->c;
	struct kp_trace *trace = c->trace;
	const struct kp_pair *pair = trace->pair;
	const struct kp_operation *op = &pair->operation[c->step->op];
	struct kp_step_trace *t = &trace->step[i];
	const char *broken = NULL, *fault = NULL;

	if (c->called) {
		broken = collect(c, op, t, &call->res);
		if (pair->nr_handles)
			fault = settle_handles(c, kp_handles(pair, call->obj), t, &call->res);
	} else {
		call->res.ret = KP_NOT_CALLED;
		t->skipped = true;
	}
	if (c->bytes)
		release(c);
	trace->nr = i;
	kp_trace_step(trace, i, &call->res, 0, false);
	return fault ?: broken ?: t->broken;
}

/*
 * Write over text, bytes and user memory that an object was made of. It was to copy them:
 * one that looks at them later finds other ones, on each path.
 */
static void spoil(struct call *c)
{
	u32 a;

	for (a = 0; a < c->nr; a++) {
		struct laid *laid = &c->laid[a];

		if (!(c->bytes & BIT(a)) || laid->own)
			continue;
		if (laid->user)
			kp_user_spoil(&laid->piece, c->guard);
		else
			memset(laid->at, c->guard, laid->size);
	}
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
	struct call c = {
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
		spoil(&c);
	}
	if (c.bytes)
		release(&c);
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
 */
void kp_unmake(struct kp_trace *trace, void *obj)
{
	kp_destroy(trace->pair, trace->path, obj);
	kp_watch(NULL, false);
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
	if (held && !take_handles(args, value, held, slot, &made)) {
		res.ret = -EIO;
		return res;
	}
	pair->path[path]->call[op](kp_object(pair, obj), slot, &res);
	kp_outcome(pair, path, op, res.ret);
	if (held) {
		drop_given(args, value, held);
		hold(pair->path[path], args, value, held, made);
	}
	for (a = 0; a < KP_NR_ARGS && args[a].name; a++)
		if (args[a].kind == KP_OUTPUT && res.out == KP_POISON &&
		    number[a] != KP_POISON)
			/* An operation stores the lower bytes of a smaller type alone. */
			res.out = number[a] << (64 - 8 * args[a].size) >> (64 - 8 * args[a].size);
	return res;
}
