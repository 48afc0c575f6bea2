/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Declarations that the engine's files share. Pairs do not see them, but suite.h.
 */
#ifndef _KPARITY_ENGINE_H
#define _KPARITY_ENGINE_H

#include <linux/bits.h>
#include "suite.h"

/**
 * enum kp_place - where an argument in user memory lies
 * @KP_MAPPED: with further mapped memory around it
 * @KP_END: at the end of mapped memory, its last bytes behind that
 * @KP_HUGE: at the end of mapped memory; its size is said to be the largest there is
 * @KP_SPLIT: across two pages, its last bytes on the second one
 * @KP_CHANGES: the same, and bytes on the first page change when the second one is
 *              touched
 * @KP_UNMAPPED: where nothing is mapped
 * @KP_KERNEL: at an address of the kernel's
 */
enum kp_place {
	KP_MAPPED, KP_END, KP_HUGE, KP_SPLIT, KP_CHANGES, KP_UNMAPPED, KP_KERNEL,
	KP_NR_PLACES,
};

/**
 * struct kp_step_trace - the trace of one operation
 * @ret: what it returned
 * @out: the first number that it stored, or %KP_POISON, for declared differences
 * @view: hash of the view after it
 * @cost: what it cost, in units of kp_clock(); 0 where programs are observed
 * @outs: hash of buffers and of numbers that it may change
 * @stored: hash of numbers that it only stores
 * @hides: its caller cannot see @stored: Rust has no outputs beside an error
 * @outs_at: where the trace keeps it, or %KP_NOT_KEPT
 * @skipped: it was not called: the program does not hold a handle that it takes
 * @same: of a handle that it returned, the first place among those held with the
 *        same one; -1 for none
 * @allocations: how many allocations of its call could have failed, where they are counted
 * @bytes: how many bytes they asked for, where that is known
 * @failed: one of them was made to fail
 * @broken: the part of the contract that it broke, or NULL
 */
struct kp_step_trace {
	s64 ret;
	u64 out;
	u64 view;
	u64 cost;
	u64 outs;
	u64 stored;
	bool hides;
	u32 outs_at;
	bool skipped;
	bool failed;
	u16 allocations;
	u32 bytes;
	s32 same;
	const char *broken;
};

/**
 * struct kp_digest - results of a program on a path, as far as paths are compared
 * @seen: those that callers in both languages see
 * @unseen: those that a caller in Rust cannot see, see @hides of &struct kp_step_trace
 */
struct kp_digest {
	u64 seen;
	u64 unseen;
};

/** define KP_GUARD - bytes on both sides of an argument that may not be touched */
#define KP_GUARD	16

/** define KP_UNWRITTEN - what a function finds where it is to store something */
#define KP_UNWRITTEN	0x9d

/** define KP_HASH_START - the hash of no bytes, for kp_hash() */
#define KP_HASH_START	0xcbf29ce484222325ULL

/** define KP_NOT_KEPT - a trace has no room for an operation's outputs */
#define KP_NOT_KEPT	U32_MAX

/** define KP_AT_CREATION - a promise broke when the object was made */
#define KP_AT_CREATION	U32_MAX

/** define KP_POOL_SIZE - bytes of all arguments of a program */
#define KP_POOL_SIZE	(256 * 1024)

/** define KP_KEPT_SIZE - bytes of outputs that a trace keeps to be printed */
#define KP_KEPT_SIZE	(32 * 1024)

/**
 * struct kp_leak - memory that a program's calls took and that was not given back
 * @size: bytes of the first such piece
 * @by: where it was allocated
 * @nr: how many pieces there are
 */
struct kp_leak {
	size_t size;
	unsigned long by;
	u32 nr;
};

/**
 * enum kp_placed - where the operations of a program are called
 * @KP_PLACED_HERE: in the thread that carries it out
 * @KP_PLACED_UNPREEMPTED: there, with preemption off but for those that may sleep
 * @KP_PLACED_STRONGEST: in the strongest context that their rows allow
 */
enum kp_placed { KP_PLACED_HERE, KP_PLACED_UNPREEMPTED, KP_PLACED_STRONGEST };

/**
 * enum kp_timed_how - how the calls of a program that is not observed are timed
 * @KP_COUNTED: by kp_clock()
 * @KP_TIMED_WARM: by the counter, read in order with all else; for lane time
 * @KP_TIMED_COLD: the same, the object flushed from the caches before each call
 * @KP_TIMED_CONTENDED: the same, while another CPU uses the object
 */
enum kp_timed_how { KP_COUNTED, KP_TIMED_WARM, KP_TIMED_COLD, KP_TIMED_CONTENDED };

/**
 * struct kp_trace - the results of a program on one path
 * @pair: the pair
 * @path: the path
 * @prog: the program
 * @err: errno of the object's creation, or 0
 * @made: what that stored, and the part of the contract that it broke
 * @nr: operations reported so far
 * @start: hash of the view before the first operation
 * @step: one element an operation
 * @broken_at: operation at which a promise broke first, if @broken; %KP_AT_CREATION
 *             for none of them
 * @broken: the promise that broke, or NULL
 * @view: the last view, to judge the next operation by; %KP_VIEW_MAX bytes
 * @taken: room for the next one; the two change places after each operation
 * @step_max: room in @step
 * @tested: promises that its operations have put to the test, as bits
 * @alive: tell the host of each operation: a program can take longer than the
 *         host waits for a case that says nothing
 * @tick: the tick in which that was last done
 * @arena: room for one operation's arguments and their guards
 * @kept: outputs, to be printed
 * @kept_used: bytes of @kept in use
 * @reference: this is what another trace is compared with
 * @digest: of what it has recorded so far
 * @like: of a reference: calls that returned -ENOMEM there are to do so here, without
 *        being made; see kp_trace_both()
 * @disturbed: an allocation that was to fail may have been another one; see balance.c
 * @failed_by: where the allocation was asked for that was made to fail, if that is known
 * @leak: what was not given back
 * @twice_by: who gave memory back that was free; 0 for no one
 * @stuck: a call came back with a lock held: the object is left alone
 * @told: a plugin of QEMU's is told of each call whose cost is counted (say.h)
 * @told_making: the plugin of make explain hears of its object's creation and end
 * @placed: where operations are called
 * @slept: calls that slept although they may not, where preemption was off
 * @timed: how its calls are timed
 * @depth: where the bytes of stack go that a call takes, where it is not 0 before; NULL if
 *         nobody asks
 * @alone: of calls that wait what the caller executes is counted, between kp_waits_begin() and
 *         kp_waits_end()
 * @held: where what the object holds before each operation goes, and behind the last one; NULL
 *        if nobody asks
 */
struct kp_trace {
	const struct kp_pair *pair;
	enum kp_path_id path;
	const struct kp_program *prog;
	int err;
	struct kp_step_trace made;
	u32 nr;
	u64 start;
	struct kp_step_trace *step;
	u32 broken_at;
	const char *broken;
	u8 *view;
	u8 *taken;
	u32 step_max;
	u32 tested;
	bool alive;
	unsigned long tick;
	u8 *arena;
	u8 *kept;
	u32 kept_used;
	bool reference;
	struct kp_digest digest;
	const struct kp_trace *like;
	bool disturbed;
	unsigned long failed_by;
	struct kp_leak leak;
	unsigned long twice_by;
	bool stuck;
	bool told;
	bool told_making;
	enum kp_placed placed;
	u32 slept;
	enum kp_timed_how timed;
	u32 *depth;
	bool alone;
	u32 *held;
};

/**
 * enum kp_what - the part of an operation that differs
 * @KP_DIFFERS_CREATE: the object's creation, what that stored, the state right after
 *                     it, or that it broke its contract
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
 * @what: the part that differs
 * @in: the first part of an object's creation that differs; 0 for an operation
 * @expected: errno of C over C, 0 for success
 * @got: errno on the path, 0 for success
 * @broken: the part of the contract that broke on the path; NULL if none did
 */
struct kp_diff {
	u32 at;
	u32 op;
	enum kp_what what;
	enum kp_in in;
	s32 expected;
	s32 got;
	const char *broken;
};

/**
 * struct kp_user_piece - an argument that is laid out in user memory
 * @image: the same in the kernel, with guards
 * @size: bytes in @image
 * @at: where the first one of them lies
 * @begin: begin of the memory that is mapped there
 * @end: end of that memory
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
 * struct kp_holder - an object of a pair with handles, and those that its caller holds
 * @obj: what the driver returned
 * @handle: the handles; NULL in each place that holds none
 */
struct kp_holder {
	void *obj;
	void *handle[KP_HANDLES_MAX];
};

/**
 * kp_object() - an object as its driver knows it
 * @pair: the pair
 * @obj: what kp_create() returned
 *
 * Return: what the driver returned
 */
static inline void *kp_object(const struct kp_pair *pair, void *obj)
{
	return pair->nr_handles ? ((struct kp_holder *)obj)->obj : obj;
}

/**
 * kp_span_at() - where the bytes of an argument begin
 * @span: what kp_span() returned
 *
 * Return: their offset in the program's pool
 */
static inline u32 kp_span_at(u64 span)
{
	return span >> 32;
}

/**
 * kp_span_len() - how many bytes an argument has
 * @span: what kp_span() returned
 *
 * Return: their number
 */
static inline u32 kp_span_len(u64 span)
{
	return (u16)span;
}

/**
 * kp_is_number() - whether an argument is a number
 * @arg: the argument
 *
 * Return: true if it is one that is passed by value, or read and stored
 */
static inline bool kp_is_number(const struct kp_arg *arg)
{
	return arg->name && (arg->kind == KP_NUMBER || arg->kind == KP_INOUT);
}

/**
 * kp_is_size() - whether an argument of an object's creation says what it can hold
 * @arg: the argument
 *
 * Return: true for a number that is passed by value, and is no index that may wrap
 */
static inline bool kp_is_size(const struct kp_arg *arg)
{
	return arg->name && arg->kind == KP_NUMBER && !arg->wraps;
}

/**
 * kp_fits() - whether a number of bytes is one that an argument may have
 * @arg: the argument; text, bytes or a buffer
 * @size: the number
 *
 * Return: true if it is between the argument's limits
 */
static inline bool kp_fits(const struct kp_arg *arg, u64 size)
{
	return size >= arg->min && size <= arg->max;
}

/**
 * kp_in_user() - whether an argument is user memory
 * @arg: the argument
 *
 * Return: true if it is
 */
static inline bool kp_in_user(const struct kp_arg *arg)
{
	return arg->kind == KP_USER_BYTES || arg->kind == KP_USER_BUFFER;
}

/**
 * kp_in_pool() - whether an argument is bytes of the program's pool
 * @arg: the argument
 *
 * Return: true for text and bytes, those in user memory included
 */
static inline bool kp_in_pool(const struct kp_arg *arg)
{
	return arg->kind == KP_TEXT || arg->kind == KP_BYTES ||
	       arg->kind == KP_USER_BYTES;
}

/**
 * kp_is_handle() - whether an argument is a handle, or where one goes
 * @arg: the argument
 *
 * Return: true if its value is a place among the handles that a program holds
 */
static inline bool kp_is_handle(const struct kp_arg *arg)
{
	return arg->kind == KP_BORROWED || arg->kind == KP_GIVEN || arg->kind == KP_NEW;
}

/**
 * kp_is_given() - whether an argument is one in a program: the caller has a choice
 * @arg: the argument
 *
 * Return: whether it is
 */
static inline bool kp_is_given(const struct kp_arg *arg)
{
	return arg->kind != KP_OUTPUT;
}

/**
 * kp_hash_word() - go on with a hash over a word
 * @hash: that of the words so far; %KP_HASH_START for none
 * @word: the word
 *
 * Each step is one-to-one, so that two sequences which differ in one word never have
 * one hash; its shift brings the upper half down, of which alone the product mixes all
 * bits.
 *
 * Return: the hash
 */
static inline u64 kp_hash_word(u64 hash, u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/**
 * kp_rust_calls() - whether the caller on a path is in Rust
 * @path: the path
 *
 * Return: true if it is
 */
static inline bool kp_rust_calls(enum kp_path_id path)
{
	return path == KP_RUST_C || path == KP_RUST_RUST;
}

/**
 * kp_rust_is_called() - whether the implementation on a path is the Rust side
 * @path: the path
 *
 * Return: true if it is
 */
static inline bool kp_rust_is_called(enum kp_path_id path)
{
	return path == KP_C_RUST || path == KP_RUST_RUST;
}

/**
 * kp_unseen_by_rust() - whether outputs of a call that ended so are hidden in Rust
 * @op: the operation
 * @ret: what it returned
 *
 * Rust hands out outputs beside success alone; C leaves them where they are.
 *
 * Return: true if a caller in Rust is given none
 */
static inline bool kp_unseen_by_rust(const struct kp_operation *op, s64 ret)
{
	return op->returns == KP_RET_RESULT ? ret < 0 :
	       op->returns == KP_RET_BOOL && !ret;
}

/* program.c */
struct kp_program *kp_program_alloc(u32 steps);
void kp_program_free(struct kp_program *prog);
void kp_program_make(const struct kp_pair *pair, struct kp_program *prog,
		     u64 seed, u32 index, u32 steps);
void kp_program_vary(const struct kp_pair *pair, struct kp_program *prog, u32 index);
u32 kp_program_longest(const struct kp_pair *pair);
u32 kp_program_count(const struct kp_pair *pair);
bool kp_program_grow(const struct kp_pair *pair, struct kp_program *prog, u32 nr);
void kp_program_settle(const struct kp_trace *trace, u32 at);
void kp_program_valid(const struct kp_pair *pair, struct kp_program *prog,
		      u32 steps);

/* args.c */
u64 kp_span(u32 at, u32 len);
u64 kp_span_resized(u64 span, u32 len);
u64 kp_placed(u64 span, enum kp_place place, u32 bytes);
enum kp_place kp_place(u64 span);
u32 kp_place_bytes(u64 span);
bool kp_in_range(const struct kp_arg *arg, u64 value);
u64 kp_of_type(const struct kp_arg *arg, u64 value);
bool kp_edge(const struct kp_arg *arg, u32 nr, u64 *value);

/* user.c */
unsigned long kp_user_put(struct kp_user_piece *p, u32 argument, u64 span, u32 shift,
			  u8 *image, u32 size, u32 before, u8 other);
void kp_user_get(const struct kp_user_piece *p);
void kp_user_spoil(const struct kp_user_piece *p, u8 byte);
void kp_user_drop(const struct kp_user_piece *p);
u64 kp_user_size(const struct kp_arg *arg, u64 span);

/**
 * struct kp_place_word - a place in user memory, as text
 * @word: what stands behind the @
 * @with_bytes: whether the number of bytes behind the end can stand behind that
 */
struct kp_place_word {
	const char *word;
	bool with_bytes;
};

/* text.c */
struct seq_buf;
extern const struct kp_place_word kp_places[KP_NR_PLACES];
void kp_print_create(struct seq_buf *s, const struct kp_pair *pair,
		     const struct kp_program *prog);
void kp_print_step(struct seq_buf *s, const struct kp_pair *pair,
		   const struct kp_program *prog, u32 step);
void kp_print_all(struct seq_buf *s, const struct kp_pair *pair, const struct kp_program *prog);
void kp_print_place(struct seq_buf *s, unsigned long ip, unsigned long by);
void kp_print_created(struct seq_buf *s, const struct kp_trace *trace,
		      const struct kp_trace *other);
void kp_print_view(struct seq_buf *s, const struct kp_trace *trace,
		   const struct kp_trace *other);
void kp_print_result(struct seq_buf *s, const struct kp_trace *trace, u32 step,
		     const struct kp_trace *other);
void kp_print_made(struct seq_buf *s, const struct kp_trace *trace);
void kp_print_kept(struct seq_buf *s, const struct kp_trace *trace, u32 step);

/* names.c */
void kp_print_function(struct seq_buf *s, unsigned long at);

/* parse.c */
struct kp_program *kp_program_parse(const struct kp_pair *pair,
				    const char **text, struct seq_buf *wrong);

/* trace.c */
u64 kp_clock(void);
void kp_trace_begin(struct kp_trace *trace);
void kp_trace_step(struct kp_trace *trace, u32 step,
		   const struct kp_result *res, u64 cost, bool observed);
void kp_trace_end(struct kp_trace *trace);
void kp_trace_judge(struct kp_trace *trace, u32 invariant, bool holds);
u64 kp_hash(u64 hash, const void *at, size_t size);
struct kp_trace *kp_trace_alloc(u32 steps, bool reference);
void kp_trace_free(struct kp_trace *trace);
void kp_trace_start(struct kp_trace *trace, const struct kp_pair *pair,
		    enum kp_path_id path, const struct kp_program *prog);
void kp_trace_run(struct kp_trace *trace, const struct kp_pair *pair,
		  enum kp_path_id path, const struct kp_program *prog);
void kp_trace_both(struct kp_trace *ref, struct kp_trace *got, const struct kp_pair *pair,
		   enum kp_path_id path, const struct kp_program *prog);
bool kp_refused(const struct kp_trace *trace, u32 step);

void kp_trace_broken(struct kp_trace *trace, u32 step, const char *what);
bool kp_trace_diff(const struct kp_trace *a, const struct kp_trace *b, u32 from,
		   struct kp_diff *diff);
u32 kp_trace_accepted(const struct kp_trace *a, const struct kp_trace *b,
		      u32 *times);
bool kp_same_kind(const struct kp_diff *a, const struct kp_diff *b);

/* reference.c */
const struct kp_trace *kp_reference(const struct kp_trace *got, u32 index,
				    struct kp_trace *room, bool *unsteady);
void kp_reference_forget(void);

/* failing.c */
bool kp_can_fail(void);
void __kp_fail_enter(struct kp_trace *trace, u32 fail);
void __kp_fail_leave(struct kp_trace *trace, struct kp_step_trace *t, u32 fail);

/**
 * kp_fail_enter() - a call of a program begins
 * @trace: the program's trace
 * @fail: which of its allocations is to fail; 0 for none
 *
 * Nothing may be allocated between this and the call, nor between that and
 * kp_fail_leave().
 */
static __always_inline void kp_fail_enter(struct kp_trace *trace, u32 fail)
{
	if (IS_ENABLED(CONFIG_FAILSLAB) && unlikely(trace->prog->balance))
		__kp_fail_enter(trace, fail);
}

/**
 * kp_fail_leave() - a call of a program has ended
 * @trace: the program's trace
 * @t: that of the call, which gets the number of allocations, and whether one failed
 * @fail: as for kp_fail_enter()
 */
static __always_inline void kp_fail_leave(struct kp_trace *trace, struct kp_step_trace *t,
					  u32 fail)
{
	if (IS_ENABLED(CONFIG_FAILSLAB) && unlikely(trace->prog->balance))
		__kp_fail_leave(trace, t, fail);
}

/* locks.c, where lockdep has trace points */
#ifdef KP_LOCKS
void kp_locks_enter(const struct kp_trace *trace);
void kp_locks_leave(u32 op, s64 ret);
#else
static inline void kp_locks_enter(const struct kp_trace *trace) { }
static inline void kp_locks_leave(u32 op, s64 ret) { }
#endif

/* balance.c, if Kbuild has it for this kernel */
#ifdef KP_BALANCE
void kp_balance_begin(void);
void kp_balance_end(struct kp_trace *trace);
void kp_balance_stop(void);
void kp_balance_watch(void);
u32 kp_balance_unwatch(unsigned long *failed_by, u32 *bytes);
#else
static inline void kp_balance_begin(void) { }
static inline void kp_balance_end(struct kp_trace *trace) { }
static inline void kp_balance_stop(void) { }
static inline void kp_balance_watch(void) { }
static inline u32 kp_balance_unwatch(unsigned long *failed_by, u32 *bytes)
{
	*bytes = 0;
	return 0;
}
#endif

/* objects.c */
void *kp_create_watched(struct kp_trace *trace, const struct kp_slot *slot);

/* memory.c */
u8 *kp_arena_alloc(void);

/* stocks.c */
void kp_stocks_empty(void);
void kp_stocks_set(u32 third, void **taken);
void kp_stocks_release(void **taken);

/* calls.c */
void *kp_make(struct kp_trace *trace);
u64 kp_unmake(struct kp_trace *trace, void *obj);
u64 kp_destroy_counted(const struct kp_pair *pair, enum kp_path_id path, void *obj, bool told);
void kp_run(const struct kp_pair *pair, enum kp_path_id path, void *obj,
	    const struct kp_program *prog, struct kp_trace *trace);
struct kp_result kp_call_once(const struct kp_pair *pair, enum kp_path_id path,
			      void *obj, u32 op, const u64 *arg);
struct kp_call;
struct kp_call *kp_call_alloc(void);
bool kp_call_begin(struct kp_call *call, struct kp_trace *trace, void *obj, u32 i, u32 user);
void kp_call_make(void *call);
const char *kp_call_end(struct kp_call *call, u32 i);

/** define KP_NAME_MAX - room for the name of a program that the host hands over */
#define KP_NAME_MAX	512

/* cases.c */
extern bool kp_lone;
void kp_measure(struct kunit *test, u32 least,
		void (*measure)(struct kunit *test, struct kp_program *prog,
				struct kp_trace *ref, struct kp_trace *got));
struct kp_program *kp_given_next(struct kunit *test, const char **text, char *name);
void kp_print_program(struct seq_buf *s, const struct kp_program *prog,
		      const struct kp_trace *ref, const struct kp_trace *got,
		      const struct kp_diff *diff);
void kp_print_lines(struct kunit *test, char *text);
void kp_report_given(struct kunit *test, const struct kp_path_param *p,
		     struct kp_program *prog, const char *name, struct kp_trace *ref,
		     struct kp_trace *got, struct kp_diff *diff);

/* results.c */
struct seq_file;
bool kp_results_wanted(void);
void kp_results_show(struct seq_file *seq, const struct kp_pair *pair);
void kp_results_free(const struct kp_pair *pair);

/* beside.c */
bool kp_may_meet(const struct kp_operation *a, const struct kp_operation *b);
void kp_hold_still(const struct kp_pair *pair, struct kp_step *step);
bool kp_same_results(const struct kp_step_trace *a, const struct kp_step_trace *b);
u32 kp_copy_arguments(const struct kp_pair *pair, struct kp_step *to, const struct kp_step *from);
const char *kp_judge_state(const struct kp_pair *pair, const struct kp_program *prog,
			   const void *view);
u64 kp_timeless(const struct kp_pair *pair, void *view);
void kp_make_plain(const struct kp_pair *pair, struct kp_program *prog,
		   bool (*still_wrong)(void *data), void *data);

/* shrink.c */
bool kp_shrink(const struct kp_pair *pair, enum kp_path_id path,
	       struct kp_program *prog, struct kp_trace *ref,
	       struct kp_trace *got, const struct kp_diff *diff,
	       unsigned long end);

/**
 * struct kp_beside_told - operations beside each other that go wrong, as they are told
 * @what: "interrupt" or "history"
 * @step: the operation that is interrupted, counted from 1; 0 for none
 * @orders: what C over C gives for some orders of them, a text each
 * @nr_orders: how many texts these are
 * @got: what the path gave
 * @broken: what is wrong with that
 * @reference: what is wrong with C over C, or NULL
 */
struct kp_beside_told {
	const char *what;
	u32 step;
	const char *const *orders;
	u32 nr_orders;
	const char *got;
	const char *broken;
	const char *reference;
};

/* inside.c */
void kp_inside_begin(void *obj, u32 first, u32 nr);
void kp_inside_end(void);

/* failures.c */
void kp_failure_print(struct seq_buf *s, const struct kp_program *prog,
		      const struct kp_trace *ref, const struct kp_trace *got,
		      const struct kp_diff *diff);
void kp_failure_beside(struct seq_buf *s, const struct kp_pair *pair,
		       const struct kp_program *prog, const struct kp_beside_told *told);
void kp_failure_add(struct kunit *test, const char *whence, u32 times,
		    const char *text);

/* groups.c */
struct kp_groups *kp_groups_alloc(const struct kp_path_param *p, u32 steps);
void kp_groups_free(struct kp_groups *groups);
bool kp_groups_collect(struct kp_groups *groups, const struct kp_program *prog,
		       const struct kp_trace *ref, const struct kp_trace *got,
		       bool unsteady);
bool kp_groups_late(const struct kp_groups *groups);
void kp_groups_report(struct kp_groups *groups, struct kunit *test);

/* stats.c */
void kp_stats_enter(const struct kp_pair *pair, const char *name);
/**
 * kp_stats_count() - an invariant was put to the test
 * @stats: where the pair's are
 * @path: on this path
 * @invariant: its number
 *
 * Lockstep counts some for each operation, in one thread; KCSAN need not look.
 */
static __always_inline __no_kcsan void
kp_stats_count(struct kp_stats *stats, enum kp_path_id path, u32 invariant)
{
	stats->judged[invariant][path]++;
	stats->judged_in[invariant] |= BIT(stats->now);
}

s32 kp_end(const struct kp_operation *op, s64 ret);
u32 kp_outcome_of(const struct kp_operation *op, s64 ret);
u32 kp_outcomes(const struct kp_operation *op);
void kp_outcome(const struct kp_pair *pair, enum kp_path_id path, u32 op, s64 ret);
void kp_outcome_created(const struct kp_pair *pair, enum kp_path_id path, int err);
void *kp_room(void *rows, u32 nr, u32 *max, size_t size);
int kp_stats_cost(struct kp_costs *costs, const struct kp_cost *cost);

/* cases.c, insn.c: the KUnit cases every pair has */
bool kp_never_sleeps(const struct kp_pair *pair);

/* depth.c */
u64 kp_depth_call(kp_invoke call, void *obj, const struct kp_slot *slot, struct kp_result *res);
void kp_depth_choose(const struct kp_trace *t, u32 *depth, u32 nr);
int kp_depth_add(const struct kp_trace *t, const u32 *depth);

/* waits.c */
int kp_waits_begin(void);
u32 kp_waits_end(void);
u64 kp_waits_call(kp_invoke call, void *obj, const struct kp_slot *slot, struct kp_result *res);

/* growth.c */
bool kp_grows(const struct kp_pair *pair);
int kp_growth_add(const struct kp_trace *t, const u32 *held);
void kp_growth_show(struct seq_file *seq, const struct kp_pair *pair);

/* contexts.c */
bool kp_invoke_in(enum kp_context context, kp_invoke invoke, void *obj,
		  const struct kp_slot *slot, struct kp_result *res);
bool kp_invoke_unpreempted(enum kp_context context, kp_invoke invoke, void *obj,
			   const struct kp_slot *slot, struct kp_result *res);

/* progress.c */
void kp_pair_enter(const struct kp_pair *pair);
bool kp_listed(const char *list, const char *word);
const char *kp_mark(void);

/* time.c */
u64 kp_time_call(const struct kp_trace *trace, kp_invoke call, void *obj,
		 const struct kp_slot *slot, struct kp_result *res);
void kp_times_show(struct seq_file *seq, const struct kp_pair *pair);
void kp_times_free(const struct kp_pair *pair);

/* lost.c */
void kp_watch(const struct kp_trace *trace, bool created);
void kp_watch_start(void);
void kp_watch_stop(void);

/* main.c */
extern unsigned int kp_programs;
extern unsigned int kp_steps;

#endif
