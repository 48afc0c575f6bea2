/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The macros of every contract, and all that the C and the Rust side of a pair
 * share with the engine. Both languages read this file: C includes it,
 * bindgen turns it into Rust.
 *
 * A driver is one caller language over one implementation: a table of calls, which
 * the engine makes. Nothing here knows a pair.
 */
#ifndef _KPARITY_H
#define _KPARITY_H

#include <linux/types.h>

/** define KP_NR_ARGS - how many arguments an operation or an object can take */
#define KP_NR_ARGS	6

/*
 * Rows of a contract, from which its glue is made. C and bindgen see nothing of them:
 * scripts/contract-glue reads them as text. Documentation/contract.md says what
 * each word means.
 */
#define KP_FUNCTION(...)
#define KP_DIVERGES(...)
#define KP_SOURCES(...)
#define KP_OBJECT(...)
#define KP_CREATE(...)
#define KP_DESTROY(...)
#define KP_METHOD(...)
#define KP_CONSUME(...)
#define KP_ADAPTER(...)
#define KP_AFTER(...)
#define KP_BUDGET(...)
#define KP_MARGIN(...)
#define KP_SYSCALL(...)
#define KP_UNREACHED(...)
#define KP_ONE_WAY(...)
#define KP_HOLDS(...)
#define KP_TYPE(...)
#define KP_INVARIANT(...)
#define KP_PROMISE(...)
#define KP_HANDLE(...)
#define KP_MODULE(...)

/*
 * Where records for tools are: a section that is read from a module's file. Nobody reads those of
 * a pair that is built into the kernel, whose linker script knows no such section.
 */
#ifdef MODULE
#define KP_RECORDS	".kparity"
#else
#define KP_RECORDS	".rodata.kparity"
#endif

/**
 * define KP_POISON - an untouched output, as invariants and kp_once() see it
 */
#define KP_POISON	0x5a5a5a5a5a5a5a5aULL

/**
 * define KP_NOT_CALLED - the return value of an operation that was not called
 *
 * An operation is not called whose argument is a handle that the program does not
 * hold. Others may return this as well: invariants go by "called".
 */
#define KP_NOT_CALLED	S64_MIN

/** define KP_HANDLES_MAX - the most handles that a program can hold */
#define KP_HANDLES_MAX	16

/** define KP_VIEW_MAX - the largest view a pair may have, in bytes */
#define KP_VIEW_MAX	4096

/**
 * struct kp_result - the results of one operation
 * @ret: its return value; negative is an errno
 * @out: its output, or %KP_POISON where it wrote none
 */
struct kp_result {
	s64 ret;
	u64 out;
};

/**
 * struct kp_slot - one argument, laid out for a call
 * @n: a number that is passed by value; else the number of bytes at @p
 * @p: text, bytes, or where a function writes; guarded on both sides. Or a handle;
 *     or where one goes that the operation returns.
 */
struct kp_slot {
	u64 n;
	void *p;
};

/**
 * typedef kp_invoke - call one operation with arguments that are laid out
 * @obj: the object; NULL for a function
 * @slot: the arguments, in the order of the contract
 * @res: where the return value goes
 *
 * Context: that of the operation.
 */
typedef void (*kp_invoke)(void *obj, const struct kp_slot *slot,
			  struct kp_result *res);

/**
 * struct kp_field - where a language has a shared type or a member of one
 * @name: as in C
 * @at: the type's size, or the member's offset
 * @each: bytes of the member's number, or of each that it has as an array, negative where
 *        these are signed; 0 for all else, and in Rust. For printing alone.
 * @timing: it depends on how operations of several threads meet, in C's layout
 */
struct kp_field {
	const char *name;
	u32 at;
	s32 each;
	bool timing;
};

/**
 * struct kp_layout - a language's layout of the contract's shared types
 * @nr: number of elements in @field
 * @field: each type and each of its members, in the order of the contract
 */
struct kp_layout {
	u32 nr;
	const struct kp_field *field;
};

/**
 * struct kp_driver - one caller language over one implementation
 * @create: make an object from arguments that are laid out; an ERR_PTR on
 *          failure, and then nothing is left behind. May sleep. NULL where there
 *          are no objects.
 * @create_counted: the same, for counting what it costs: without dirty bits where narrow
 *                  arguments leave some of a register unused; NULL if callers are Rust's
 * @destroy: release the object. May sleep.
 * @layout: the caller language's idea of the shared types
 * @view: take the object's view, while no one uses it; the view is zeroed. NULL
 *        where there are no objects.
 * @call: a function for each operation, in the order of the contract
 * @dirty: the same, with dirty bits where narrow arguments leave some of a register
 *         unused; NULL if callers are Rust's
 * @counted: the same, for counting what calls cost: a number that is stored goes to a
 *           variable of the caller's first, as in a Rust caller; NULL if callers are Rust's
 * @show: take the view of a handle; the view is zeroed. NULL where there are no
 *        handles.
 * @put: give a handle back; NULL where there are none
 */
struct kp_driver {
	void *(*create)(const struct kp_slot *slot);
	void *(*create_counted)(const struct kp_slot *slot);
	void (*destroy)(void *obj);
	struct kp_layout layout;
	void (*view)(void *obj, void *view);
	const kp_invoke *call;
	const kp_invoke *dirty;
	const kp_invoke *counted;
	void (*show)(void *handle, void *view);
	void (*put)(void *handle);
};

/**
 * kp_nothing() - do nothing, as the C side of each pair
 * @obj: anything
 *
 * What the no-op of callers of C calls: its cost is that of a call, and is subtracted from
 * what operations cost. Each port has one of its own, kp_rust_nothing_<pair>().
 *
 * Context: any.
 */
void kp_nothing(void *obj);

#endif
