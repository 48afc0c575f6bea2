/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Turns the invariants of one contract into code and records. Included once a
 * pair, by its suite, with KP_PAIR (the pair's name) and KP_CONTRACT (its
 * header) defined. The contract's list of invariants is read three times:
 *
 * 1. a function that judges one operation,
 * 2. the table <pair>_invariants[] that the engine walks,
 * 3. text in the section .kparity of the module, for tools to read.
 *
 * In the conditions of KP_INVARIANT() these names stand for the operation:
 * op, arg[], ret, out, and was/now for the view before and after it.
 */
#include "contract/kparity.h"

#define __KP_PASTE(a, b)	a##b
#define KP_PASTE(a, b)		__KP_PASTE(a, b)
#define __KP_STR(...)		#__VA_ARGS__
#define KP_STR(...)		__KP_STR(__VA_ARGS__)
#define KP_RECORD		__used __section(".kparity")
#define kp_view			KP_PASTE(KP_PAIR, _view)

#undef KP_INVARIANT
#define KP_INVARIANT(id, category, text, when, then)			\
static enum kp_verdict KP_PASTE(judge_, id)(const struct kp_observed *o) \
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

#undef KP_INVARIANT
#define KP_INVARIANT(id, category, text, when, then)			\
	{ #id, #category, text, KP_PASTE(judge_, id) },
static const struct kp_invariant KP_PASTE(KP_PAIR, _invariants)[] = {
#include KP_CONTRACT
};

#undef KP_INVARIANT
#define KP_INVARIANT(id, category, text, when, then)			\
static const char KP_RECORD KP_PASTE(record_, id)[] =			\
	"invariant=" #id "|" #category "|" text "|when " #when		\
	"|then " #then "|pair=" KP_STR(KP_PAIR);
#include KP_CONTRACT
#undef KP_INVARIANT
