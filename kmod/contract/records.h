/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Turns the rows of one contract into code and records. Included once a pair,
 * by its suite, with KP_PAIR (the pair's name) and KP_CONTRACT (its header)
 * defined. The rows at the end of the contract are read several times:
 *
 * - a function that judges one operation, for each KP_INVARIANT(),
 * - numbers, INV_<id>, for the suite to name an invariant by,
 * - the tables <pair>_operations[], <pair>_invariants[] and <pair>_layout[]
 *   of the engine,
 * - text in the section .kparity of the module, for tools to read.
 *
 * KP_OPERATION(name, context, locks, errnos, owns, on_error)
 *	One operation, in the order of the pair's enum. @context is ANY (does
 *	not sleep, may be called anywhere), ATOMIC (does not sleep, not from a
 *	hard interrupt) or SLEEPS; @errnos KP_NO_ERRNOS or a KP_ERRNOS()
 *	list in the order in which they take precedence; @owns says who owns arguments and results,
 *	@on_error what holds after a failure, output parameters included.
 *
 * KP_TYPE(type), KP_MEMBER(type, member)
 *	Memory that both languages touch: each type, followed by its members.
 *
 * KP_INVARIANT(id, category, text, keeps, when, then)
 *	A promise that is judged after each operation: @when it applies, @then
 *	must hold. These names stand for the operation: op, arg[], ret, out,
 *	and was/now for the view before and after it. @keeps says how the C
 *	side keeps it.
 *
 * KP_PROMISE(id, category, text, keeps)
 *	A promise that one operation cannot show. A case of the suite judges it
 *	with KP_EXPECT(), a driver with kp_trace_judge(). Two ids are judged by
 *	cases of the engine: layout (both languages agree on every KP_TYPE) and
 *	never_sleeps (a program runs with preemption off).
 */
#include "contract/kparity.h"

#define __KP_PASTE(a, b)	a##b
#define KP_PASTE(a, b)		__KP_PASTE(a, b)
#define __KP_STR(...)		#__VA_ARGS__
#define KP_STR(...)		__KP_STR(__VA_ARGS__)
#define KP_RECORD		__used __section(".kparity")
#define kp_view			KP_PASTE(KP_PAIR, _view)

#define KP_RECORDS
#undef KP_TYPE
#undef KP_INVARIANT
#undef KP_PROMISE

/* First reading: code that judges an operation. */
#define KP_TYPE(...)
#define KP_MEMBER(...)
#define KP_OPERATION(...)
#define KP_PROMISE(...)
#define KP_INVARIANT(id, category, text, keeps, when, then)		\
static __no_kcsan enum kp_verdict					\
KP_PASTE(judge_, id)(const struct kp_observed *o)			\
{									\
	const struct kp_view *was __maybe_unused = o->before;		\
	const struct kp_view *now __maybe_unused = o->after;		\
	const u64 *arg __maybe_unused = o->step->arg;			\
	const u64 out __maybe_unused = o->res->out;			\
	const s64 ret __maybe_unused = o->res->ret;			\
	const u32 op __maybe_unused = o->step->op;			\
									\
	if (!(when))							\
		return KP_SILENT;					\
	return (then) ? KP_HOLDS : KP_BROKEN;				\
}

#include KP_CONTRACT

#undef KP_PROMISE
#undef KP_INVARIANT

/* Second reading: numbers. */
#define KP_PROMISE(id, ...)	KP_PASTE(INV_, id),
#define KP_INVARIANT(id, ...)	KP_PASTE(INV_, id),
enum {
#include KP_CONTRACT
};

#undef KP_PROMISE
#undef KP_INVARIANT

/* Third reading: the table of invariants. */
#define KP_PROMISE(id, category, ...)					\
	{ #id, #category, NULL },
#define KP_INVARIANT(id, category, ...)					\
	{ #id, #category, KP_PASTE(judge_, id) },
static const struct kp_invariant KP_PASTE(KP_PAIR, _invariants)[] = {
#include KP_CONTRACT
};

#undef KP_OPERATION
#undef KP_PROMISE
#undef KP_INVARIANT

/* Fourth reading: the table of operations. */
#define KP_PROMISE(...)
#define KP_INVARIANT(...)
#define KP_OPERATION(name, context, locks, errnos, owns, on_error)	\
	{ #name, KP_##context, errnos },
static const struct kp_operation KP_PASTE(KP_PAIR, _operations)[] = {
#include KP_CONTRACT
};

#undef KP_OPERATION
#undef KP_PROMISE
#undef KP_INVARIANT

/* Fifth reading: sizes and offsets. */
#undef KP_TYPE
#undef KP_MEMBER
#define KP_OPERATION(...)
#define KP_PROMISE(...)
#define KP_INVARIANT(...)
#define KP_TYPE(type)		{ #type, sizeof(type) },
#define KP_MEMBER(type, member)	{ #type "." #member, offsetof(type, member) },
static const struct kp_field KP_PASTE(KP_PAIR, _layout)[] = {
#include KP_CONTRACT
};

#undef KP_TYPE
#undef KP_MEMBER
#undef KP_OPERATION
#undef KP_PROMISE
#undef KP_INVARIANT

/* Sixth reading: text for tools. */
#define KP_TYPE(type)							\
static const char KP_RECORD KP_PASTE(record_type_, __COUNTER__)[] =	\
	"type=" #type "\x1f" KP_STR(KP_PAIR);
#define KP_MEMBER(...)
#define KP_OPERATION(name, context, locks, errnos, owns, on_error)	\
static const char KP_RECORD KP_PASTE(record_op_, name)[] =		\
	"operation=" #name "\x1f" #context "\x1f" locks "\x1f" #errnos	\
	"\x1f" owns "\x1f" on_error "\x1f" KP_STR(KP_PAIR);
#define KP_PROMISE(id, category, text, keeps)				\
static const char KP_RECORD KP_PASTE(record_inv_, id)[] =		\
	"invariant=" #id "\x1f" #category "\x1f" text "\x1f" keeps	\
	"\x1f\x1f\x1f" KP_STR(KP_PAIR);
#define KP_INVARIANT(id, category, text, keeps, when, then)		\
static const char KP_RECORD KP_PASTE(record_inv_, id)[] =		\
	"invariant=" #id "\x1f" #category "\x1f" text "\x1f" keeps "\x1f" \
	#when "\x1f" #then "\x1f" KP_STR(KP_PAIR);
#include KP_CONTRACT
#undef KP_OPERATION
#undef KP_PROMISE
#undef KP_INVARIANT
#undef KP_TYPE
#undef KP_MEMBER
