/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interface for a pair's suite and its glue: how the engine is told of a pair, the
 * KUnit cases that every pair gets, and functions for cases of its own.
 */
#ifndef _KPARITY_SUITE_H
#define _KPARITY_SUITE_H

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

/** define KP_BYTES_MAX - the most bytes that an argument can have */
#define KP_BYTES_MAX	4096

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
 * @log2: the value is a power of two
 * @from: where most values begin; 0 for @lo
 * @to: where most values end; 0 for @hi
 * @wraps: of an object's creation: an index that the object begins with, in test builds
 * @kind: how it is passed
 * @size: bytes of the integer's type; of user memory, those of the type of its size
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
 * @any: of a number: the function takes others, but few draws beyond @hi are made
 * @once: the operation reads each byte once, in order: %KP_CHANGES is one of the places
 */
struct kp_arg {
	const char *name;
	u64 lo;
	u64 hi;
	u64 from;
	u64 to;
	bool log2;
	bool wraps;
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
	bool any;
	bool once;
};

/**
 * enum kp_returns - the meaning of a return value
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

/** define KP_ERRNOS - the errnos that an operation of a contract may fail with */
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
 * enum kp_lock_kind - the locks that are told apart
 * @KP_SPINLOCK: whoever waits for it spins
 * @KP_MUTEX: whoever waits for it sleeps
 */
enum kp_lock_kind { KP_SPINLOCK, KP_MUTEX, KP_LOCK_KINDS };

/** define KP_ANY_NUMBER - of locks, no number is too large */
#define KP_ANY_NUMBER	U8_MAX

/**
 * struct kp_takes - how many of the pair's own locks of a kind an operation takes
 * @least: each call that succeeds takes as many, and some call does
 * @most: no call takes more
 * @irq_off: interrupts are disabled where it takes one
 */
struct kp_takes {
	u8 least;
	u8 most;
	bool irq_off;
};

/**
 * struct kp_operation - one operation of a contract
 * @name: name in programs and reports
 * @context: where it may be called
 * @errnos: errnos that it may fail with, negative, ended by 0
 * @returns: the meaning of its return value
 * @only_errno: of %KP_RET_RESULT, it is 0 or an errno: a Rust caller is given an
 *              output in place of a number
 * @weight: how often programs have it, relative to the others
 * @arg: its arguments
 * @nr_args: how many these are
 * @role: who carries it out: operations of one role exclude each other; NULL for anyone
 * @alone: it is no function of the interface but made of some, and no other one comes beside it
 * @transient: the errno that it may fail with, and then has changed nothing, only because another
 *             operation runs; 0 for none
 * @waits: it waits for other threads, and is no single step: others see what these have done
 * @snapshot: what it gives while another operation runs may be that of before or after that one
 * @hint: what it gives while another operation runs says nothing
 * @takes: the locks that it takes
 * @calls_back: it has the object's callback run, where that is due, before it returns
 * @not_inside: the object's callback may not call it
 * @unwaiting: the operation that does the same without waiting for a callback that runs; 0 for
 *             none
 */
struct kp_operation {
	const char *name;
	enum kp_context context;
	const int *errnos;
	enum kp_returns returns;
	bool only_errno;
	u32 weight;
	struct kp_arg arg[KP_NR_ARGS];
	u32 nr_args;
	const char *role;
	bool alone;
	int transient;
	bool waits;
	bool snapshot;
	bool hint;
	struct kp_takes takes[KP_LOCK_KINDS];
	bool calls_back;
	bool not_inside;
	u32 unwaiting;
};

/**
 * enum kp_in - the part in which two results of an operation differ
 * @KP_IN_RETURNS: the return value, or that it was called at all
 * @KP_IN_OUTPUTS: what it stored, or which handle it returned
 * @KP_IN_STATE: the object's state after it
 */
enum kp_in { KP_IN_RETURNS = 1, KP_IN_OUTPUTS = 2, KP_IN_STATE = 4 };

/**
 * struct kp_diverges - a difference that the contract accepts
 * @id: name, unique in the pair, and that of the program that witnesses it
 * @op: the operation
 * @in: in what results may differ, of &enum kp_in
 * @when: whether results differ so: @slot has the arguments, @gave is what C and
 *        Rust gave
 */
struct kp_diverges {
	const char *id;
	u32 op;
	u32 in;
	bool (*when)(const struct kp_slot *slot, const struct kp_result *gave);
};

/** define KP_MAX_DIVERGES - the most differences that a contract can accept */
#define KP_MAX_DIVERGES		16

/**
 * struct kp_step - one operation of a program
 * @op: index into the pair's table of operations
 * @arg: its arguments; those that the operation does not take are 0. Of text and
 *       bytes this is where they are in the program's @pool, see kp_span(); of a
 *       handle, its number among those that the program can hold.
 * @shift: where its text and bytes lie, in bytes behind a multiple of 8
 * @after: how many operations before it there is one that decides an argument by what
 *         it gives; 0 if there is none, or it has: see kp_program_settle()
 * @decided: that argument
 * @more: added to the other operation's result to give that argument
 * @fail: which allocation of the call fails, from 1; 0 for none
 * @column: the thread that carries it out beside others, from 1; behind the last one those that
 *          the object's callback carries out; 0 if no other one runs
 * @inside: so many operations, the next ones, are carried out from inside of the callback that it
 *          has run
 */
struct kp_step {
	u32 op;
	u16 fail;
	u8 column;
	u64 arg[KP_NR_ARGS];
	u32 shift;
	u16 after;
	u8 decided;
	s8 more;
	u8 inside;
};

/**
 * enum kp_draw - how the arguments of a program are drawn
 * @KP_DRAW_USUAL: as the contract says
 * @KP_DRAW_VARIED: the same, and where implementations part ways: see numbers.c and bytes.c
 * @KP_DRAW_LARGE: valid ones, for an object that is as large as it can be
 * @KP_DRAW_VALID: valid ones alone
 */
enum kp_draw { KP_DRAW_USUAL, KP_DRAW_VARIED, KP_DRAW_LARGE, KP_DRAW_VALID };

/**
 * struct kp_program - a sequence of operations for one object
 * @seed: what it was made from, together with @index
 * @index: which program of that seed
 * @nr_steps: number of elements in @step
 * @observe: take the object's view around each operation; without it only what
 *           each operation costs counts
 * @balance: watch what its calls allocate, and that all is given back; without it
 *           none of its allocations fails
 * @count: have each call count the allocations that could fail
 * @draw: how its arguments are drawn
 * @fail: which allocation of the object's creation fails, as in &struct kp_step
 * @param: how to create the object: arguments, as in &struct kp_step
 * @shift: where text and bytes of @param lie, in bytes behind a multiple of 8
 * @step: the operations
 * @pool: the bytes of text and bytes that are arguments
 * @pool_used: bytes of @pool in use
 * @during: of the last two operations the second one interrupts the first one, which has this
 *          number, counted from 1; 0 if each runs after the one before
 * @columns: so many operations, the last ones, are of threads that run beside each other, or of
 *           the object's callback
 */
struct kp_program {
	u64 seed;
	u32 index;
	u32 nr_steps;
	bool observe;
	bool balance;
	bool count;
	enum kp_draw draw;
	u32 fail;
	u64 param[KP_NR_ARGS];
	u32 shift;
	struct kp_step *step;
	u8 *pool;
	u32 pool_used;
	u32 during;
	u32 columns;
};

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
 * struct kp_invariant - one promise of a contract
 * @id: name, unique in the pair
 * @category: ownership, lifetime, concurrency, errors, context, layout,
 *            compatibility or performance
 */
struct kp_invariant {
	const char *id;
	const char *category;
};

/**
 * struct kp_judged - verdicts of a pair's invariants on one operation
 * @tested: those that applied to it, a bit for each by its number
 * @broken: those of them that did not hold
 */
struct kp_judged {
	u32 tested;
	u32 broken;
};

/**
 * kp_judged_set() - record the verdict of one invariant on an operation that it applies to
 * @judged: where to
 * @invariant: its number
 * @holds: whether it holds
 */
static inline void kp_judged_set(struct kp_judged *judged, u32 invariant, bool holds)
{
	judged->tested |= 1U << invariant;
	judged->broken |= (u32)!holds << invariant;
}

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

/** define KP_MAX_SETUPS - programs that fill an object and have their setup kept */
#define KP_MAX_SETUPS		16

/** define KP_MAX_INVARIANTS - the most invariants a pair can have */
#define KP_MAX_INVARIANTS	32

/** define KP_MAX_CASES - the most cases that can judge a pair's invariants */
#define KP_MAX_CASES		32

/** define KP_MAKING - in place of an operation's number: the creation of objects */
#define KP_MAKING(pair)		((pair)->nr_ops)

/** define KP_ENDING - the same for their end */
#define KP_ENDING(pair)		((pair)->nr_ops + 1)

/**
 * struct kp_cost - how often an operation cost so much on a path
 * @value: what it cost, in units of kp_clock()
 * @times: how often
 * @end: the end that it came to, as kp_end() has it
 * @op: number of the operation, or KP_MAKING() or KP_ENDING()
 * @path: the path
 */
struct kp_cost {
	u64 value;
	u32 times;
	s32 end;
	u16 op;
	u16 path;
};

/**
 * struct kp_costs - a table of such
 * @row: its rows, NULL until there are any
 * @nr: elements of @row in use
 * @max: room in @row
 */
struct kp_costs {
	struct kp_cost *row;
	u32 nr;
	u32 max;
};

/**
 * struct kp_growth - calls of an operation on a path that were alike in size, and what they cost
 * @sizes: the sum of their sizes
 * @costs: the sum of their costs, in units of kp_clock()
 * @least: the least cost
 * @calls: how many these are
 * @end: the end that they came to, as kp_end() has it
 * @op: number of the operation
 * @path: the path
 * @measure: what the size is: bytes of an argument, from 1; 0: what the object held
 */
struct kp_growth {
	u64 sizes;
	u64 costs;
	u64 least;
	u32 calls;
	s16 end;
	u8 op;
	u8 path;
	u8 measure;
};

/**
 * struct kp_failing - allocations of an operation on a path, in case fault
 * @calls: calls whose allocations were counted
 * @allocations: allocations of these calls
 * @most: the most of one call
 * @bytes: the most bytes that one call asked for; 0 where that is not known
 * @failed: calls of which one allocation was made to fail
 * @refused: those of them that returned -ENOMEM
 * @unknown: further ones that show nothing: the kernel allocated as well, each time
 */
struct kp_failing {
	u32 calls;
	u32 allocations;
	u32 most;
	u32 bytes;
	u32 failed;
	u32 refused;
	u32 unknown;
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
 * struct kp_sequences - operations that two others have interrupted, one after the other
 * @drawn: sequences: an operation, and two others, in a state
 * @tried: interruptions of them that came
 * @allowed: those whose results what the contract excuses explains alone
 */
struct kp_sequences {
	u32 drawn;
	u32 tried;
	u32 allowed;
};

/**
 * struct kp_swept - the work of case interrupt on a path
 * @tried: positions looked at, those that are one with another and those not reached included
 * @of: positions that there are, in all scenes that were begun
 * @unreached: those tried at which no interruption came
 * @scenes: scenes that were begun: two operations in a state
 * @scenes_of: scenes that there are
 * @whole: of those with the first arguments, such as were tried at each position
 * @whole_of: scenes with the first arguments: two operations in a state, once each
 * @pairs: two operations of which one was interrupted by the other
 * @pairs_of: those that the contract lets meet so
 * @allowed: results that were those of no order, and may be by the contract: snapshots, and
 *           transient errnos
 * @two: what two operations, one after the other, have interrupted
 */
struct kp_swept {
	u64 tried;
	u64 of;
	u64 unreached;
	u32 scenes;
	u32 scenes_of;
	u32 whole;
	u32 whole_of;
	u32 pairs;
	u32 pairs_of;
	u32 allowed;
	struct kp_sequences two;
};

/**
 * struct kp_histories - the work of case history on a path
 * @tried: histories that were carried out
 * @together: those of which two operations of different threads ran at the same time
 * @of: how many of these there are to be
 * @operations: operations of their threads
 * @undecided: those of which not all orders were tried, and none that was explains the results
 * @allowed: those that are explained by what the contract excuses alone
 * @meetings: two operations of which one was stopped at each of its places in turn
 * @places: places in which it was, while the other one ran
 * @inside: operations that the object's callback has carried out
 */
struct kp_histories {
	u32 tried;
	u32 together;
	u32 of;
	u32 operations;
	u32 undecided;
	u32 allowed;
	u32 meetings;
	u32 places;
	u32 inside;
};

/**
 * struct kp_contention - the contended blocks of case time on a path
 * @blocks: how many there are
 * @of: how many there were to be; 0 if the contract lets nothing run beside anything
 * @ran: operations that the other CPU has carried out, in runs that do not count as well
 * @calls: calls of the timed CPU in these blocks, of C over C and of the path
 * @beside: operations that the other CPU carried out meanwhile, the same
 */
struct kp_contention {
	u32 blocks;
	u32 of;
	u64 ran;
	u64 calls[2];
	u64 beside[2];
};

/**
 * struct kp_results - what programs gave on a path, as text
 * @text: the text, NULL if there is none
 * @len: bytes in it
 * @size: room for it
 */
struct kp_results {
	char *text;
	size_t len;
	size_t size;
};

/**
 * struct kp_stats - data gathered of a pair since the module was loaded
 * @dir: debugfs directory of the pair
 * @given: programs that the host has handed over, to run in case regress
 * @failures: cases that have failed, for a program to read
 * @results: what programs gave in case results, by path
 * @suites: the pair's suites, NULL at the end
 * @wanted: the paths of the case that runs, but for those in parameter skip
 * @judged: how often each invariant was put to the test, by path
 * @judged_in: the cases that did so, as bits
 * @excused: what cannot be put to the test here, by path: see KP_CANNOT_JUDGE()
 * @case_name: name of each case's bit
 * @now: bit of the case that runs
 * @diverged: how often a difference that the contract accepts was met
 * @calls: operations that programs have called, by path
 * @setup: of programs that fill an object, how each is set up; 0 is not known yet
 * @outcome: what calls of each operation have come to on each path, as bits: see
 *           kp_outcome()
 * @created: the same of the creation of objects
 * @failing: allocations of each operation on each path; those of the creation come first
 * @all_failed: whether case fault has run on a path, over all programs
 * @cost: the cost table, empty until the insn suite ran
 * @depth: the same of stack: bytes in place of costs
 * @alone: the same of operations that wait: what the caller executes itself
 * @first: the same of the first call of each outcome on each path
 * @growth: the same costs by size
 * @nr_growths: elements of @growth in use
 * @max_growths: room in @growth
 * @swept: the work of case interrupt
 * @masked: for each operation and path the most instructions for which it had interrupts off, plus
 *          1; 0 for one that was not interrupted
 * @histories: that of case history
 * @timed: what case time has timed, by path; a list
 * @contention: how much another CPU did beside it
 */
struct kp_stats {
	struct dentry *dir;
	struct kp_given given;
	struct kp_failures failures;
	struct kp_results results[KP_NR_PATHS];
	struct kunit_suite *const *suites;
	struct kp_path_param wanted[KP_NR_PATHS];
	u64 judged[KP_MAX_INVARIANTS][KP_NR_PATHS];
	u32 judged_in[KP_MAX_INVARIANTS];
	bool excused[KP_MAX_INVARIANTS][KP_NR_PATHS];
	const char *case_name[KP_MAX_CASES];
	u32 now;
	u32 diverged[KP_MAX_DIVERGES][KP_NR_PATHS];
	u64 calls[KP_NR_PATHS];
	u8 setup[KP_MAX_SETUPS];
	atomic_t outcome[KP_MAX_OPS][KP_NR_PATHS];
	atomic_t created[KP_NR_PATHS];
	struct kp_failing failing[KP_MAX_OPS][KP_NR_PATHS];
	bool all_failed[KP_NR_PATHS];
	struct kp_costs cost;
	struct kp_costs depth;
	struct kp_costs alone;
	struct kp_costs first;
	struct kp_growth *growth;
	u32 nr_growths;
	u32 max_growths;
	struct kp_swept swept[KP_NR_PATHS];
	u32 masked[KP_MAX_OPS][KP_NR_PATHS];
	struct kp_histories histories[KP_NR_PATHS];
	struct kp_timed *timed[KP_NR_PATHS];
	struct kp_contention contention[KP_NR_PATHS];
};

/**
 * struct kp_pair - all that the engine knows of a pair
 * @name: the pair's name
 * @creation: how objects are created; empty where there are none
 * @operation: the contract's operations; the first one does nothing and
 *             calibrates the driver
 * @nr_ops: number of elements in @operation
 * @invariant: the contract's invariants
 * @nr_invariants: number of elements in @invariant
 * @judge: judges an operation by those that operations show; NULL if there are none
 * @diverges: differences that the contract accepts
 * @nr_diverges: number of elements in @diverges
 * @view: the type of the pair's view
 * @view_size: bytes in it
 * @holds: what an object holds, by its view; NULL if the contract does not say
 * @path: the four drivers
 * @stats: filled by the engine
 * @stateless: no operation changes what another one gives
 * @nr_handles: how many handles a program can hold, at most %KP_HANDLES_MAX; 0 if
 *              no operation returns one
 * @handles_at: offset in the view of what each of them shows
 * @handle_size: bytes that each shows
 * @handles_outlive: they are given back when the object is destroyed; else before
 * @user: an operation, or an object's creation, is given user memory
 * @callback: which argument of the creation is the callback of which @calls_back of an operation
 *            tells, from 1; 0 if no operation has it run
 * @after: judges the promise @after_judges when a program's object has ended, by what
 *         was seen outside of it. Called with the program's parameters, of which
 *         those that are numbers are so here; before the program as well, to begin
 *         anew. May be NULL.
 * @after_judges: number of the promise in the contract
 * @owner: the pair's module; NULL if it is built into the kernel
 * @init: called when the pair's module is loaded, before any case runs; may be
 *        NULL. Returns 0 or an errno, and then the module is not loaded.
 * @exit: undoes @init; may be NULL
 */
struct kp_pair {
	const char *name;
	struct kp_operation creation;
	const struct kp_operation *operation;
	u32 nr_ops;
	const struct kp_invariant *invariant;
	u32 nr_invariants;
	struct kp_judged (*judge)(const struct kp_observed *o);
	const struct kp_diverges *diverges;
	u32 nr_diverges;
	const char *view;
	size_t view_size;
	u32 (*holds)(const void *view);
	const struct kp_driver *path[KP_NR_PATHS];
	struct kp_stats *stats;
	bool stateless;
	u32 nr_handles;
	size_t handles_at;
	size_t handle_size;
	bool handles_outlive;
	bool user;
	u32 callback;
	bool (*after)(const u64 *param);
	u32 after_judges;
	struct module *owner;
	int (*init)(void);
	void (*exit)(void);
};

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
	kp_count_judged(test, INV_##id);					\
	KUNIT_EXPECT_TRUE_MSG(test, __holds, "broken: " #id ": " #holds); \
} while (0)

/**
 * KP_CANNOT_JUDGE() - a promise that the case cannot judge in this kernel
 * @test: the case; its parameter is the path
 * @id: the promise's id
 *
 * Case invariants is then skipped, and not failed, for want of it. To be said by a case that is
 * itself skipped, with the reason.
 */
#define KP_CANNOT_JUDGE(test, id)	kp_count_excused(test, INV_##id)

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
	static_assert(!pair##_has_an_object);				\
	__KP_SUITES(pair,						\
		    KP_ENGINE_CASE(pair, layout)			\
		    KP_ENGINE_CASE(pair, locks)				\
		    __VA_ARGS__						\
		    KP_ENGINE_CASE(pair, outcomes)			\
		    KP_ENGINE_CASE(pair, invariants))

/**
 * KP_FUNCTION_SUITES() - the same for a function pair
 * @pair: the pair's name
 * @...: further cases of the pair's own: KP_CASE() rows, without commas
 */
#define KP_FUNCTION_SUITES(pair, ...)					\
	static_assert(!pair##_has_functions);				\
	__KP_SUITES(pair, __VA_ARGS__ KP_ENGINE_CASE(pair, outcomes))

/*
 * A guest is booted for each lane but check, as that wants it. The kernel runs at boot what is
 * built in, all suites in the same guest: those of other lanes are there if they are asked for.
 */
#if defined(MODULE) || defined(CONFIG_KPARITY_LANES)
#define __KP_OTHER_LANES(pair)						\
	, &pair##_insn_suite, &pair##_irq_suite, &pair##_history_suite,	\
	&pair##_order_suite, &pair##_time_suite
#else
#define __KP_OTHER_LANES(pair)
#endif

#define __KP_SUITES(pair, ...)						\
static int pair##_param_init(struct kunit *test)			\
{									\
	kp_case_enter(&pair##_pair, test);				\
	return 0;							\
}									\
static struct kunit_case pair##_cases[] = {				\
	__KP_CASE(kp_case_lockstep, "lockstep", pair),			\
	__KP_CASE(kp_case_regress, "regress", pair),			\
	__KP_CASE(kp_case_results, "results", pair),			\
	__KP_CASE(kp_case_atomic, "atomic", pair),			\
	__KP_CASE(kp_case_fault, "fault", pair),			\
	__VA_ARGS__							\
	{}								\
};									\
static struct kunit_case pair##_insn_cases[] = {			\
	__KP_CASE(kp_case_insn, "insn", pair),				\
	{}								\
};									\
static struct kunit_case pair##_irq_cases[] = {				\
	__KP_CASE(kp_case_interrupt, "interrupt", pair),		\
	{}								\
};									\
static struct kunit_case pair##_order_cases[] = {			\
	__KP_CASE(kp_case_ordering, "ordering", pair),			\
	{}								\
};									\
static struct kunit_case pair##_history_cases[] = {			\
	__KP_CASE(kp_case_history, "history", pair),			\
	{}								\
};									\
static struct kunit_case pair##_time_cases[] = {			\
	__KP_CASE(kp_case_time, "time", pair),				\
	{}								\
};									\
static struct kunit_suite pair##_suite = {				\
	.name = #pair,							\
	.test_cases = pair##_cases,					\
};									\
static struct kunit_suite __maybe_unused pair##_insn_suite = {		\
	.name = #pair "_insn",						\
	.test_cases = pair##_insn_cases,				\
};									\
static struct kunit_suite __maybe_unused pair##_irq_suite = {		\
	.name = #pair "_irq",						\
	.test_cases = pair##_irq_cases,					\
};									\
static struct kunit_suite __maybe_unused pair##_order_suite = {		\
	.name = #pair "_order",						\
	.test_cases = pair##_order_cases,				\
};									\
static struct kunit_suite __maybe_unused pair##_history_suite = {	\
	.name = #pair "_history",					\
	.test_cases = pair##_history_cases,				\
};									\
static struct kunit_suite __maybe_unused pair##_time_suite = {		\
	.name = #pair "_time",						\
	.test_cases = pair##_time_cases,				\
};									\
kunit_test_suites(&pair##_suite __KP_OTHER_LANES(pair));			\
static struct kunit_suite *const pair##_all_suites[] = {		\
	&pair##_suite __KP_OTHER_LANES(pair), NULL			\
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

/* Objects of a path, for cases that use one themselves. */
void *kp_create(const struct kp_pair *pair, enum kp_path_id path, const u64 *param);
void *kp_create_slots(const struct kp_pair *pair, enum kp_path_id path,
		      const struct kp_slot *slot);
void kp_destroy(const struct kp_pair *pair, enum kp_path_id path, void *obj);
void kp_view(const struct kp_pair *pair, enum kp_path_id path, void *obj,
	     void *view);
void **kp_handles(const struct kp_pair *pair, void *obj);
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

/* User memory. */
int kp_user_attach(void);
unsigned long kp_user_at(u32 argument);
struct kp_user kp_user(const struct kp_observed *o, u32 argument);
int kp_watched_map(struct kp_watched *w);
void kp_watched_unmap(struct kp_watched *w);
unsigned long kp_watched_put(struct kp_watched *w, const u8 *bytes, u32 len, u32 first);

/* Threads, and what the host is told. */
struct completion;
struct task_struct;
unsigned long kp_asleep(struct task_struct *task, unsigned int state);
bool kp_done_or_asleep(struct completion *done, struct task_struct *task,
		       unsigned int state);
u32 kp_other_cpu(void);
void kp_alive(void);

/* inside.c */
void kp_inside(u64 number);

/* Promises that a case judges; programs that it draws. */
void kp_count_judged(struct kunit *test, u32 invariant);
void kp_count_excused(struct kunit *test, u32 invariant);
extern unsigned long kp_seed;

/* Functions and cases that KP_SUITES() uses. */
void kp_case_enter(const struct kp_pair *pair, struct kunit *test);
void kp_case_exit(struct kunit *test);
void kp_case_lockstep(struct kunit *test);
void kp_case_regress(struct kunit *test);
void kp_case_results(struct kunit *test);
void kp_case_atomic(struct kunit *test);
void kp_case_fault(struct kunit *test);
void kp_case_outcomes(struct kunit *test);
void kp_case_layout(struct kunit *test);
void kp_case_locks(struct kunit *test);
void kp_case_invariants(struct kunit *test);
void kp_case_insn(struct kunit *test);
void kp_case_interrupt(struct kunit *test);
void kp_case_ordering(struct kunit *test);
void kp_case_history(struct kunit *test);
void kp_case_time(struct kunit *test);
int kp_pair_register(const struct kp_pair *pair,
		     struct kunit_suite *const *suites);
void kp_pair_unregister(const struct kp_pair *pair);

#endif
