/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The engine's side of a pair: tables of operations, invariants and paths, and
 * the KUnit cases that every pair gets from them.
 */
#ifndef _KPARITY_ENGINE_H
#define _KPARITY_ENGINE_H

#include <kunit/test.h>
#include "contract/kparity.h"

/**
 * enum kp_kind - how an argument is passed
 * @KP_NUMBER: an integer, by value
 * @KP_BORROWED: a handle, which the caller goes on to hold
 * @KP_GIVEN: a handle, which the caller no longer holds
 * @KP_NEW: a handle that the operation returns; the argument is where it goes
 * @KP_TEXT: a string that ends with a NUL
 * @KP_BYTES: bytes, and their number
 * @KP_USER_BYTES: the same, in user memory
 * @KP_OUTPUT: an integer that the operation stores where it is pointed to
 * @KP_INOUT: the same, and the operation reads it first
 * @KP_BUFFER: room for a number of bytes, and that number
 * @KP_USER_BUFFER: the same, in user memory
 */
enum kp_kind {
	KP_NUMBER, KP_BORROWED, KP_GIVEN, KP_NEW, KP_TEXT, KP_BYTES, KP_USER_BYTES,
	KP_OUTPUT, KP_INOUT, KP_BUFFER, KP_USER_BUFFER,
};

/**
 * enum kp_place - where an argument in user memory lies
 * @KP_MAPPED: with further mapped memory around it
 * @KP_END: at the end of mapped memory, its last bytes behind that
 * @KP_HUGE: at the end of mapped memory; its size is said to be the largest there is
 * @KP_SPLIT: across two pages, its last bytes on the second one
 * @KP_CHANGES: the same, and what is on the first page changes when the second one is
 *              touched
 * @KP_UNMAPPED: where nothing is mapped
 * @KP_KERNEL: at an address of the kernel's
 */
enum kp_place {
	KP_MAPPED, KP_END, KP_HUGE, KP_SPLIT, KP_CHANGES, KP_UNMAPPED, KP_KERNEL,
	KP_NR_PLACES,
};

/**
 * struct kp_name - a value that has a name in C
 * @name: as in C; NULL ends the list
 * @value: its value
 */
struct kp_name {
	const char *name;
	u64 value;
};

/**
 * struct kp_part - a piece that text or bytes are made of
 * @at: where it is; NULL ends a list
 * @len: its length
 */
struct kp_part {
	const char *at;
	u32 len;
};

/**
 * struct kp_arg - an argument: how it is passed, and what it is drawn from
 * @name: what to call it in a printed program; NULL ends the list
 * @lo: least value
 * @hi: greatest value
 * @log2: the value is a power of two. For an argument of a hand-written driver
 *        @lo and @hi bound its exponent, and one value in sixteen is one less than
 *        that, hence mostly no power of two.
 * @kind: how it is passed
 * @size: bytes of the integer's type; 0 for an argument of a hand-written
 *        driver, which is drawn evenly and has all 64 bits. Of user memory, those of
 *        the type of its size.
 * @is_signed: the integer's type is signed, and so are @lo and @hi
 * @min: least number of bytes
 * @max: greatest number of bytes, but for the NUL
 * @of: characters that text is made of; NULL for any but NUL
 * @nr_of: how many these are
 * @parts: pieces that text is made of, beside @of; no list if NULL
 * @numeric: text is mostly a number as a person writes it
 * @names: values that have a name; no list if NULL
 * @flags: @names are bits of which any number can be set; else the value is one
 *         of them
 * @beyond: one draw in eight is not within the limits, or has a bit that it should
 *          not have. Of user memory: %KP_HUGE is one of the places.
 * @once: the operation reads each byte once, in order: %KP_CHANGES is one of the places
 */
struct kp_arg {
	const char *name;
	u64 lo;
	u64 hi;
	bool log2;
	enum kp_kind kind;
	u8 size;
	bool is_signed;
	u32 min;
	u32 max;
	const char *of;
	u32 nr_of;
	const struct kp_part *parts;
	bool numeric;
	const struct kp_name *names;
	bool flags;
	bool beyond;
	bool once;
};

/**
 * enum kp_returns - what a return value means
 * @KP_RET_RESULT: negative is an errno
 * @KP_RET_VOID: nothing
 * @KP_RET_BOOL: true or false
 * @KP_RET_SIGNED: a signed number, never an errno
 * @KP_RET_UNSIGNED: an unsigned number, never an errno
 * @KP_RET_OFFSET: a place in an argument, as an offset; -1 for none
 */
enum kp_returns {
	KP_RET_RESULT,
	KP_RET_VOID,
	KP_RET_BOOL,
	KP_RET_SIGNED,
	KP_RET_UNSIGNED,
	KP_RET_OFFSET,
};

/**
 * typedef kp_call - carry out one operation through an implementation's table
 * @ops: the implementation's operations
 * @obj: its object
 * @arg: the arguments
 * @res: where the result goes; @res->out holds %KP_POISON on entry
 */
typedef void (*kp_call)(const void *ops, void *obj, const u64 *arg,
			struct kp_result *res);

/**
 * struct kp_op - how programs use one operation of a contract
 * @weight: how often it is drawn, relative to the others
 * @arg: its arguments
 * @call: how C calls it, in a hand-written driver. Rust has a table of its own
 *        in the same order.
 * @returns: what its return value means
 * @only_errno: of %KP_RET_RESULT, it is 0 or an errno: a Rust caller is given an
 *              output in place of a number
 */
struct kp_op {
	u32 weight;
	struct kp_arg arg[KP_NR_ARGS];
	kp_call call;
	enum kp_returns returns;
	bool only_errno;
};

/** define KP_ERRNOS - what an operation of a contract may fail with */
#define KP_ERRNOS(...)	((const int[]){ __VA_ARGS__, 0 })

/** define KP_NO_ERRNOS - the operation cannot fail */
#define KP_NO_ERRNOS	((const int[]){ 0 })

/**
 * enum kp_context - where an operation may be called
 * @KP_ANY: anywhere; it does not sleep
 * @KP_ATOMIC: anywhere but in a hard interrupt; it does not sleep
 * @KP_PROCESS: in process context; it does not sleep
 * @KP_SLEEPS: in process context; it may sleep
 */
enum kp_context { KP_ANY, KP_ATOMIC, KP_PROCESS, KP_SLEEPS };

/**
 * struct kp_operation - what the contract says of one operation
 * @name: name in programs and reports
 * @context: where it may be called
 * @errnos: what it may fail with, negative, ended by 0
 */
struct kp_operation {
	const char *name;
	enum kp_context context;
	const int *errnos;
};

/**
 * struct kp_diverges - a difference that the contract accepts
 * @id: name, unique in the pair, and that of the program that witnesses it
 * @op: the operation
 * @when: whether results differ so: @slot has the arguments, @c and @rust are
 *        what the two sides returned
 */
struct kp_diverges {
	const char *id;
	u32 op;
	bool (*when)(const struct kp_slot *slot, s64 c, s64 rust);
};

/** define KP_MAX_DIVERGES - the most differences that a contract can accept */
#define KP_MAX_DIVERGES		16

/**
 * enum kp_verdict - what an invariant says of one operation
 * @KP_SILENT: its condition was not met, so nothing was shown
 * @KP_HOLDS: it applied and holds
 * @KP_BROKEN: it applied and does not hold
 */
enum kp_verdict { KP_SILENT, KP_HOLDS, KP_BROKEN };

/**
 * struct kp_observed - one operation, seen from outside
 * @pair: the pair
 * @prog: the program that it is one of
 * @step: what was asked
 * @res: what it gave
 * @before: the pair's view before it
 * @after: the pair's view after it
 * @called: it was called; else a handle that it takes is not held
 */
struct kp_observed {
	const struct kp_pair *pair;
	const struct kp_program *prog;
	const struct kp_step *step;
	const struct kp_result *res;
	const void *before;
	const void *after;
	bool called;
};

/**
 * struct kp_invariant - one promise of a contract, executable
 * @id: name, unique in the pair
 * @category: ownership, lifetime, concurrency, errors, context, layout,
 *            compatibility or performance
 * @judge: the promise in C, over one operation; NULL if no operation shows it
 */
struct kp_invariant {
	const char *id;
	const char *category;
	enum kp_verdict (*judge)(const struct kp_observed *o);
};

/**
 * enum kp_path_id - caller -> implementation
 *
 * C over C comes first: it is what every other path is compared with.
 */
enum kp_path_id { KP_C_C, KP_C_RUST, KP_RUST_C, KP_RUST_RUST, KP_NR_PATHS };

extern const char *const kp_path_name[KP_NR_PATHS];

struct kp_pair;

/**
 * struct kp_path_param - a KUnit parameter: one path of one pair
 * @pair: the pair
 * @id: the path
 */
struct kp_path_param {
	const struct kp_pair *pair;
	enum kp_path_id id;
};

/** define KP_MAX_OPS - the most operations of a pair, the no-op among them */
#define KP_MAX_OPS		64

/** define KP_MAX_INVARIANTS - the most invariants a pair can have */
#define KP_MAX_INVARIANTS	32

/** define KP_MAX_CASES - the most cases that can judge a pair's invariants */
#define KP_MAX_CASES		32

/**
 * struct kp_cost - how often an operation cost so much on a path
 * @value: what it cost, in units of kp_clock()
 * @times: how often
 * @op: number of the operation
 * @path: the path
 */
struct kp_cost {
	u64 value;
	u32 times;
	u16 op;
	u16 path;
};

/**
 * struct kp_failures - failures of a pair, a line of JSON each
 * @text: the lines; NULL for none
 * @len: their length
 */
struct kp_failures {
	char *text;
	size_t len;
};

/**
 * struct kp_given - programs as text
 * @text: the text; NULL for none
 * @len: its length
 */
struct kp_given {
	char *text;
	size_t len;
};

/**
 * struct kp_stats - what running a pair has gathered since the module loaded
 * @dir: debugfs directory of the pair
 * @given: programs that the host has handed over, to run in case regress
 * @failures: what has failed, for a program to read
 * @suites: the pair's suites, NULL at the end
 * @wanted: the paths of the case that runs, but for those in parameter skip
 * @judged: how often each invariant was put to the test, by path
 * @judged_in: the cases that did so, as bits
 * @case_name: name of each case's bit
 * @now: bit of the case that runs
 * @diverged: how often a difference that the contract accepts was met
 * @outcome: what calls of each operation have come to on each path, as bits: see
 *           kp_outcome()
 * @cost: the cost table, NULL until the insn suite ran
 * @nr_costs: elements of @cost in use
 * @max_costs: room in @cost
 */
struct kp_stats {
	struct dentry *dir;
	struct kp_given given;
	struct kp_failures failures;
	struct kunit_suite *const *suites;
	struct kp_path_param wanted[KP_NR_PATHS];
	u64 judged[KP_MAX_INVARIANTS][KP_NR_PATHS];
	u32 judged_in[KP_MAX_INVARIANTS];
	const char *case_name[KP_MAX_CASES];
	u32 now;
	u32 diverged[KP_MAX_DIVERGES][KP_NR_PATHS];
	u32 outcome[KP_MAX_OPS][KP_NR_PATHS];
	struct kp_cost *cost;
	u32 nr_costs;
	u32 max_costs;
};

/**
 * struct kp_pair - all that the engine knows of a pair
 * @name: the pair's name
 * @param: how objects are created
 * @creation: what the contract says of that; NULL where it says nothing
 * @operation: the contract's operations; the first one does nothing and
 *             calibrates the driver
 * @op: how programs use them, in the same order
 * @nr_ops: number of elements in @operation and in @op
 * @invariant: the contract's invariants
 * @nr_invariants: number of elements in @invariant
 * @diverges: differences that the contract accepts
 * @nr_diverges: number of elements in @diverges
 * @view_size: bytes in the pair's view
 * @path: the four drivers
 * @stats: filled by the engine
 * @stateless: no operation changes what another one gives
 * @nr_handles: how many handles a program can hold, at most %KP_HANDLES_MAX; 0 if
 *              no operation returns one
 * @handles_at: offset in the view of what each of them shows
 * @handle_size: bytes that each shows
 * @handles_outlive: they are given back when the object is destroyed; else before
 * @user: an operation is given user memory
 * @after: judges the promise @after_judges when a program's object has ended, by what
 *         was seen outside of it. Called with the program's parameters; before the
 *         program as well, to begin anew. May be NULL.
 * @after_judges: number of the promise in the contract
 * @init: called when the pair's module is loaded, before any case runs; may be
 *        NULL. Returns 0 or an errno, and then the module is not loaded.
 * @exit: undoes @init; may be NULL
 */
struct kp_pair {
	const char *name;
	struct kp_arg param[KP_NR_ARGS];
	const struct kp_operation *creation;
	const struct kp_operation *operation;
	const struct kp_op *op;
	u32 nr_ops;
	const struct kp_invariant *invariant;
	u32 nr_invariants;
	const struct kp_diverges *diverges;
	u32 nr_diverges;
	size_t view_size;
	const struct kp_driver *path[KP_NR_PATHS];
	struct kp_stats *stats;
	bool stateless;
	u32 nr_handles;
	size_t handles_at;
	size_t handle_size;
	bool handles_outlive;
	bool user;
	bool (*after)(const u64 *param);
	u32 after_judges;
	int (*init)(void);
	void (*exit)(void);
};

/**
 * struct kp_step_trace - the trace of one operation
 * @res: what it gave
 * @view: hash of the view after it
 * @cost: what it cost, in units of kp_clock()
 * @outs: hash of buffers and of numbers that it may change
 * @stored: hash of numbers that it only stores
 * @hides: its caller cannot see @stored: Rust has no outputs beside an error
 * @outs_at: where the trace keeps it, or %KP_NOT_KEPT
 * @skipped: it was not called: the program does not hold what it takes
 * @same: of a handle that it returned, the first place among those held with the
 *        same one; -1 for none
 * @broken: what of the contract it broke, or NULL
 */
struct kp_step_trace {
	struct kp_result res;
	u64 view;
	u64 cost;
	u64 outs;
	u64 stored;
	bool hides;
	u32 outs_at;
	bool skipped;
	s32 same;
	const char *broken;
};

/** define KP_GUARD - bytes on both sides of an argument that may not be touched */
#define KP_GUARD	16

/** define KP_UNWRITTEN - what a function finds where it is to store something */
#define KP_UNWRITTEN	0x9d

/** define KP_HASH_START - the hash of no bytes, for kp_hash() */
#define KP_HASH_START	0xcbf29ce484222325ULL

/** define KP_NOT_KEPT - a trace has no room for an operation's outputs */
#define KP_NOT_KEPT	U32_MAX

/** define KP_BYTES_MAX - the most bytes that an argument can have */
#define KP_BYTES_MAX	4096

/** define KP_POOL_SIZE - bytes of all arguments of a program */
#define KP_POOL_SIZE	(256 * 1024)

/** define KP_KEPT_SIZE - bytes of outputs that a trace keeps to be printed */
#define KP_KEPT_SIZE	(32 * 1024)

/**
 * struct kp_trace - what a program gave on one path
 * @pair: the pair
 * @path: the path
 * @prog: the program
 * @err: errno of the object's creation, or 0
 * @nr: operations reported so far
 * @start: hash of the view before the first operation
 * @step: one element an operation
 * @broken_at: operation at which a promise broke first, if @broken
 * @broken: what broke, or NULL
 * @view: the last view, to judge the next operation by
 * @step_max: room in @step
 * @alive: tell the host of each operation: a program can take longer than the
 *         host waits for a case that says nothing
 * @arena: room for one operation's arguments and their guards
 * @kept: outputs, to be printed
 * @kept_used: bytes of @kept in use
 * @reference: this is what another trace is compared with
 */
struct kp_trace {
	const struct kp_pair *pair;
	enum kp_path_id path;
	const struct kp_program *prog;
	int err;
	u32 nr;
	u64 start;
	struct kp_step_trace *step;
	u32 broken_at;
	const char *broken;
	u8 view[KP_VIEW_MAX] __aligned(8);
	u32 step_max;
	bool alive;
	u8 *arena;
	u8 *kept;
	u32 kept_used;
	bool reference;
};

/**
 * enum kp_what - what of an operation differs
 * @KP_DIFFERS_CREATE: the object's creation, or its state right after that
 * @KP_DIFFERS_RETURN: the return value
 * @KP_DIFFERS_OUTPUT: what it stored
 * @KP_DIFFERS_STATE: the object's state after it
 * @KP_DIFFERS_CONTRACT: nothing, but it broke its contract
 * @KP_DIFFERS_END: one of the two did not get there
 */
enum kp_what {
	KP_DIFFERS_CREATE,
	KP_DIFFERS_RETURN,
	KP_DIFFERS_OUTPUT,
	KP_DIFFERS_STATE,
	KP_DIFFERS_CONTRACT,
	KP_DIFFERS_END,
};

/**
 * struct kp_diff - a difference between a path and C over C
 * @at: number of the operation in the program; that of all operations if it is
 *      none of them
 * @op: the operation
 * @what: what differs
 * @expected: errno of C over C, 0 for success
 * @got: errno on the path, 0 for success
 * @broken: what of the contract broke on the path; NULL if nothing did
 */
struct kp_diff {
	u32 at;
	u32 op;
	enum kp_what what;
	s32 expected;
	s32 got;
	const char *broken;
};

/**
 * struct kp_c_object - an object as a C caller holds it
 * @ops: the implementation
 * @obj: its object
 */
struct kp_c_object {
	const void *ops;
	void *obj;
};

/**
 * typedef kp_c_view - take the view of an object through its implementation
 * @ops: the implementation's operations
 * @obj: its object
 * @view: the pair's view, zeroed
 */
typedef void (*kp_c_view)(const void *ops, void *obj, void *view);

void kp_c_run(const struct kp_pair *pair, kp_c_view take_view, void *obj,
	      const struct kp_program *prog, struct kp_trace *trace);

/**
 * kp_offset() - a place in an argument, as the engine compares it
 * @at: the place, or NULL for none
 * @base: where the argument begins
 *
 * Return: the offset, -1 for none
 */
static inline s64 kp_offset(const void *at, const void *base)
{
	return at ? (const u8 *)at - (const u8 *)base : -1;
}

/**
 * kp_new() - a handle that an operation returned, as the engine has it
 * @handle: the handle, or an ERR_PTR()
 * @to: receives it
 *
 * Return: 0, or the errno
 */
static inline s64 kp_new(void *handle, void *to)
{
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	*(void **)to = handle;
	return 0;
}

/**
 * kp_user_ptr() - an argument in user memory, as C takes it
 * @slot: the argument
 *
 * Return: its address
 */
static inline void __user *kp_user_ptr(const struct kp_slot *slot)
{
	return (void __user *)(unsigned long)slot->p;
}

/**
 * struct kp_user - user memory that an operation was given
 * @bytes: what was there; of a buffer nothing
 * @size: the number of bytes that the operation was told
 * @there: how many of them, from the first one on, are mapped
 */
struct kp_user {
	const u8 *bytes;
	u64 size;
	u32 there;
};

/**
 * struct kp_watched - two pages of user memory that are not there until touched
 * @page: the pages
 * @touched: called when a page is touched the first time, before that goes on. May
 *           sleep, and may change both pages.
 * @spoil: for the engine's own @touched
 * @faults: pages touched so far
 * @file: keeps the mapping
 * @at: where they are mapped
 */
struct kp_watched {
	struct page *page[2];
	void (*touched)(struct kp_watched *w, u32 page);
	u8 spoil;
	u32 faults;
	struct file *file;
	unsigned long at;
};

/**
 * struct kp_user_piece - an argument that is laid out in user memory
 * @image: the same in the kernel, with guards
 * @size: bytes in @image
 * @at: where the first one of them lies
 * @begin: begin of what is mapped there
 * @end: end of that
 * @watched: pages that it has of its own, or NULL
 */
struct kp_user_piece {
	u8 *image;
	u32 size;
	unsigned long at;
	unsigned long begin;
	unsigned long end;
	struct kp_watched *watched;
};

/**
 * KP_C_DRIVER() - the driver of C callers over one implementation
 * @name: name of the driver
 * @pair: name of the pair; its table must have create(), destroy(), view()
 * @impl: the implementation's table
 *
 * create() of the table takes a const u64 * of parameters.
 */
#define KP_C_DRIVER(name, pair, impl)					\
static void *name##_create(const u64 *param)				\
{									\
	struct kp_c_object *o = kzalloc_obj(*o);			\
	void *obj;							\
									\
	if (!o)								\
		return ERR_PTR(-ENOMEM);				\
	obj = pair##_create(&(impl), param);				\
	if (IS_ERR(obj)) {						\
		kfree(o);						\
		return obj;						\
	}								\
	*o = (struct kp_c_object){ &(impl), obj };			\
	return o;							\
}									\
static void name##_view(const void *ops, void *obj, void *view)	\
{									\
	((const struct pair##_ops *)ops)->view(obj, view);		\
}									\
static void name##_run(void *obj, const struct kp_program *prog,	\
		       struct kp_trace *trace)				\
{									\
	kp_c_run(&pair##_pair, name##_view, obj, prog, trace);		\
}									\
static void name##_destroy(void *obj)					\
{									\
	struct kp_c_object *o = obj;					\
									\
	((const struct pair##_ops *)o->ops)->destroy(o->obj);		\
	kfree(o);							\
}									\
static const struct kp_driver name = {					\
	.create = name##_create,					\
	.run = name##_run,						\
	.destroy = name##_destroy,					\
	.layout = { ARRAY_SIZE(pair##_layout), pair##_layout },		\
}

/**
 * KP_EXPECT() - judge a promise in a case of the suite
 * @test: the case; its parameter is the path
 * @id: the promise's id
 * @holds: the condition
 *
 * Fails the case if @holds is false, and counts that it was looked at.
 */
#define KP_EXPECT(test, id, holds)					\
do {									\
	bool __holds = (holds);						\
									\
	kp_judge(test, INV_##id);					\
	KUNIT_EXPECT_TRUE_MSG(test, __holds, "broken: " #id ": " #holds); \
} while (0)

#define __KP_CASE(func, label, pair)					\
	{ .run_case = func, .name = label,				\
	  .generate_params = kunit_array_gen_params,			\
	  .param_init = pair##_param_init,				\
	  .param_exit = kp_case_exit,					\
	  .module_name = KBUILD_MODNAME }

/**
 * KP_CASE() - a case of the pair's own, run once for each path
 * @pair: the pair's name
 * @func: the case; its parameter is a &struct kp_path_param
 */
#define KP_CASE(pair, func)	__KP_CASE(func, #func, pair),

/**
 * KP_ENGINE_CASE() - a case of the engine's, kp_case_<name>()
 * @pair: the pair's name
 * @name: the case's name
 */
#define KP_ENGINE_CASE(pair, name)	__KP_CASE(kp_case_##name, #name, pair),

/**
 * KP_SUITES() - the KUnit suites and the module boilerplate of a pair
 * @pair: the pair's name; <pair>_pair must be a struct kp_pair
 * @...: further cases of the pair's own: KP_CASE() rows, without commas
 *
 * Makes the suite <pair> (lane check) and the suite <pair>_insn (lane insn).
 * Every case of the engine runs once for each path, which KTAP names.
 */
#define KP_SUITES(pair, ...)						\
	__KP_SUITES(pair,						\
		    KP_ENGINE_CASE(pair, layout)			\
		    __VA_ARGS__						\
		    KP_ENGINE_CASE(pair, invariants))

/**
 * KP_FUNCTION_SUITES() - the same for a function pair
 * @pair: the pair's name
 * @...: further cases of the pair's own: KP_CASE() rows, without commas
 */
#define KP_FUNCTION_SUITES(pair, ...)					\
	__KP_SUITES(pair, KP_ENGINE_CASE(pair, outcomes) __VA_ARGS__)

#define __KP_SUITES(pair, ...)						\
static int pair##_param_init(struct kunit *test)			\
{									\
	kp_case_enter(&pair##_pair, test);				\
	return 0;							\
}									\
static struct kunit_case pair##_cases[] = {				\
	__KP_CASE(kp_case_lockstep, "lockstep", pair),			\
	__KP_CASE(kp_case_regress, "regress", pair),			\
	__KP_CASE(kp_case_atomic, "atomic", pair),			\
	__VA_ARGS__							\
	{}								\
};									\
static struct kunit_case pair##_insn_cases[] = {			\
	__KP_CASE(kp_case_insn, "insn", pair),				\
	{}								\
};									\
static struct kunit_suite pair##_suite = {				\
	.name = #pair,							\
	.test_cases = pair##_cases,					\
};									\
static struct kunit_suite pair##_insn_suite = {				\
	.name = #pair "_insn",						\
	.test_cases = pair##_insn_cases,				\
};									\
kunit_test_suites(&pair##_suite, &pair##_insn_suite);			\
static struct kunit_suite *const pair##_all_suites[] = {		\
	&pair##_suite, &pair##_insn_suite, NULL				\
};									\
static int __init pair##_module_init(void)				\
{									\
	return kp_pair_register(&pair##_pair, pair##_all_suites);	\
}									\
static void __exit pair##_module_exit(void)				\
{									\
	kp_pair_unregister(&pair##_pair);				\
}									\
module_init(pair##_module_init);					\
module_exit(pair##_module_exit);					\
MODULE_DESCRIPTION("kparity pair: " #pair);				\
MODULE_LICENSE("GPL")

/* program.c */
struct kp_program *kp_program_alloc(u32 steps);
void kp_program_free(struct kp_program *prog);
void kp_program_make(const struct kp_pair *pair, struct kp_program *prog,
		     u64 seed, u32 index, u32 steps);
void kp_program_vary(const struct kp_pair *pair, struct kp_program *prog, u32 index);
u32 kp_program_longest(void);
void kp_program_valid(const struct kp_pair *pair, struct kp_program *prog,
		      u32 steps);

/* args.c */
struct rnd_state;
u64 kp_span(u32 at, u32 len);
u32 kp_span_at(u64 span);
u32 kp_span_len(u64 span);
u64 kp_span_resized(u64 span, u32 len);
u64 kp_placed(u64 span, enum kp_place place, u32 bytes);
enum kp_place kp_place(u64 span);
u32 kp_place_bytes(u64 span);
bool kp_in_pool(const struct kp_arg *arg);
bool kp_is_handle(const struct kp_arg *arg);
bool kp_in_range(const struct kp_arg *arg, u64 value);
u64 kp_of_type(const struct kp_arg *arg, u64 value);
void kp_draw_args(struct rnd_state *rnd, const struct kp_pair *pair,
		  const struct kp_arg *arg, struct kp_program *prog,
		  u64 *value, u32 step);

/* user.c */
int kp_watched_map(struct kp_watched *w);
void kp_watched_unmap(struct kp_watched *w);
unsigned long kp_watched_put(struct kp_watched *w, const u8 *bytes, u32 len, u32 first);
int kp_user_attach(void);
unsigned long kp_user_at(u32 argument);
bool kp_in_user(const struct kp_arg *arg);
unsigned long kp_user_put(struct kp_user_piece *p, u32 argument, u64 span, u32 shift,
			  u8 *image, u32 size, u32 before, u8 other);
void kp_user_get(const struct kp_user_piece *p);
void kp_user_drop(const struct kp_user_piece *p);
u64 kp_user_size(const struct kp_arg *arg, u64 span);
struct kp_user kp_user(const struct kp_observed *o, u32 argument);

/* text.c */
struct seq_buf;
void kp_print_create(struct seq_buf *s, const struct kp_pair *pair,
		     const u64 *param);
void kp_print_step(struct seq_buf *s, const struct kp_pair *pair,
		   const struct kp_program *prog, u32 step);
void kp_print_result(struct seq_buf *s, const struct kp_trace *trace, u32 step);
struct kp_program *kp_program_parse(const struct kp_pair *pair,
				    const char **text, struct seq_buf *wrong);

/* trace.c */
u64 kp_hash(u64 hash, const void *at, size_t size);
struct kp_trace *kp_trace_alloc(u32 steps, bool reference);
void kp_trace_free(struct kp_trace *trace);
void kp_trace_trim(struct kp_trace *trace);
void kp_trace_start(struct kp_trace *trace, const struct kp_pair *pair,
		    enum kp_path_id path, const struct kp_program *prog);
void kp_trace_run(struct kp_trace *trace, const struct kp_pair *pair,
		  enum kp_path_id path, const struct kp_program *prog);
struct kp_result kp_once_with(const struct kp_path_param *p, void *obj, u32 op,
			      const u64 *arg);
s64 kp_once_slots(const struct kp_path_param *p, void *obj, u32 op,
		  const struct kp_slot *slot);

/**
 * kp_once() - carry out one operation on an object that threads may share
 * @p: the path
 * @obj: an object that kp_create() has made
 * @op: the operation
 * @...: its first arguments; the others are 0
 *
 * See kp_once_with().
 */
#define kp_once(p, obj, op, ...) \
	kp_once_with(p, obj, op, (const u64[KP_NR_ARGS]) { __VA_ARGS__ })

void kp_trace_broken(struct kp_trace *trace, u32 step, const char *what);
bool kp_trace_diff(const struct kp_trace *a, const struct kp_trace *b, u32 from,
		   struct kp_diff *diff);
u32 kp_trace_accepted(const struct kp_trace *a, const struct kp_trace *b,
		      u32 *times);
bool kp_same_kind(const struct kp_diff *a, const struct kp_diff *b);

/* reference.c */
const struct kp_trace *kp_reference(const struct kp_pair *pair,
				    const struct kp_program *prog, u32 index,
				    struct kp_trace *room);
void kp_reference_forget(void);

/* calls.c */
u8 *kp_arena_alloc(void);
void kp_calls_run(const struct kp_pair *pair, enum kp_path_id path, void *obj,
		  const struct kp_program *prog, struct kp_trace *trace);
struct kp_result kp_call_once(const struct kp_pair *pair, enum kp_path_id path,
			      void *obj, u32 op, const u64 *arg);
void kp_view(const struct kp_pair *pair, enum kp_path_id path, void *obj,
	     void *view);

/* driver.c */
void *kp_object(const struct kp_pair *pair, void *obj);
void **kp_handles(const struct kp_pair *pair, void *obj);

void *kp_create(const struct kp_pair *pair, enum kp_path_id path, const u64 *param);
void kp_destroy(const struct kp_pair *pair, enum kp_path_id path, void *obj);
void kp_run(const struct kp_pair *pair, enum kp_path_id path, void *obj,
	    const struct kp_program *prog, struct kp_trace *trace);

/* cases.c */
void kp_print_program(struct seq_buf *s, const struct kp_program *prog,
		      const struct kp_trace *ref, const struct kp_trace *got,
		      const struct kp_diff *diff);
void kp_print_lines(struct kunit *test, char *text);

/* shrink.c */
bool kp_shrink(const struct kp_pair *pair, enum kp_path_id path,
	       struct kp_program *prog, struct kp_trace *ref,
	       struct kp_trace *got, const struct kp_diff *diff,
	       unsigned long end);

/* failures.c */
void kp_failure_print(struct seq_buf *s, const struct kp_program *prog,
		      const struct kp_trace *ref, const struct kp_trace *got,
		      const struct kp_diff *diff);
void kp_failure_add(struct kunit *test, const char *whence, u32 times,
		    const char *text);

/* groups.c */
struct kp_groups *kp_groups_alloc(const struct kp_path_param *p, u32 steps);
void kp_groups_free(struct kp_groups *groups);
bool kp_groups_collect(struct kp_groups *groups, const struct kp_program *prog,
		       const struct kp_trace *ref, const struct kp_trace *got);
bool kp_groups_late(const struct kp_groups *groups);
void kp_groups_report(struct kp_groups *groups, struct kunit *test);

/* stats.c */
void kp_stats_enter(const struct kp_pair *pair, const char *name);
void kp_stats_count(const struct kp_pair *pair, enum kp_path_id path,
		    u32 invariant);
void kp_outcome(const struct kp_pair *pair, enum kp_path_id path, u32 op, s64 ret);
void kp_judge(struct kunit *test, u32 invariant);
int kp_stats_cost(const struct kp_pair *pair, const struct kp_cost *cost);

/* cases.c, insn.c: the KUnit cases every pair has */
bool kp_never_sleeps(const struct kp_pair *pair);
void kp_case_lockstep(struct kunit *test);
void kp_case_regress(struct kunit *test);
void kp_case_atomic(struct kunit *test);
void kp_case_outcomes(struct kunit *test);
void kp_case_layout(struct kunit *test);
void kp_case_invariants(struct kunit *test);
void kp_case_insn(struct kunit *test);

/* progress.c */
void kp_pair_enter(const struct kp_pair *pair);
bool kp_listed(const char *list, const char *word);
bool kp_case_wanted(const char *name);
void kp_case_enter(const struct kp_pair *pair, struct kunit *test);
void kp_case_exit(struct kunit *test);
void kp_alive(void);

const char *kp_mark(void);

/* lost.c */
void kp_watch(const struct kp_trace *trace, bool created);
void kp_watch_start(void);
void kp_watch_stop(void);

/* threads.c */
struct completion;
struct task_struct;
unsigned long kp_asleep(struct task_struct *task, unsigned int state);
bool kp_done_or_asleep(struct completion *done, struct task_struct *task,
		       unsigned int state);

/* main.c */
extern unsigned long kp_seed;
extern unsigned int kp_programs;
extern unsigned int kp_steps;
int kp_pair_register(const struct kp_pair *pair,
		     struct kunit_suite *const *suites);
void kp_pair_unregister(const struct kp_pair *pair);

#endif
