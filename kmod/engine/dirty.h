/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Narrow arguments with dirty registers. An argument that is narrower than a
 * register leaves bits of it unused, and a callee that looks at those is wrong:
 * compiled callers mostly have them clear, so that it works until one has not.
 *
 * To make a register wholly one's own takes no assembly. Every argument of a
 * contract is an integer or a pointer, and has a register, or eight bytes of the
 * stack, to itself: where a function is called as one that takes u64 in place of
 * each narrow integer, that is what the callee finds there.
 */
#ifndef _KPARITY_DIRTY_H
#define _KPARITY_DIRTY_H

#include <linux/compiler.h>
#include <linux/types.h>

/** define KP_DIRT - what unused bits are: neither zeros nor copies of a sign */
#define KP_DIRT		0xa5a5a5a5a5a5a5a5ULL

/**
 * define KP_CLEAN_BITS - bits of a register that a caller gives a value to
 * @type: the argument's
 *
 * Clang and rustc on x86_64 extend to 32 bits where they call, and rely on it where
 * they are called. On arm64 (AAPCS64; Apple's is another) nobody may rely on more than
 * the argument's own bits. But rustc does for a bool: it compares all 32 bits with 0,
 * where clang, which as a caller clears eight for certain, tests one. No port can help that.
 */
#ifdef CONFIG_X86_64
#define KP_CLEAN_BITS(type)	(sizeof(type) > 4 ? 64 : 32)
#else
#define KP_CLEAN_BITS(type)	(__same_type(type, bool) ? 32 : 8 * sizeof(type))
#endif

/**
 * kp_dirty_bits() - a register with a value in its lower bits
 * @value: the value, extended to 64 bits
 * @bits: how many of them are the argument's
 *
 * Return: the register
 */
static inline u64 kp_dirty_bits(u64 value, unsigned int bits)
{
	u64 unused = bits < 64 ? ~0ULL << bits : 0;

	return (value & ~unused) | (KP_DIRT & unused);
}

/**
 * kp_dirty() - an argument as a register with dirty unused bits
 * @type: the type that the callee declares
 * @value: the argument
 *
 * Return: what to pass for a parameter that is declared as u64
 */
#define kp_dirty(type, value) \
	kp_dirty_bits((u64)(s64)(type)(value), KP_CLEAN_BITS(type))

/**
 * kp_as() - a function, to be called as one of another type
 * @function: the function
 *
 * Return: its address, of which the compiler no longer knows whose it is
 */
#define kp_as(function) ({			\
	void *__function = (function);		\
						\
	OPTIMIZER_HIDE_VAR(__function);		\
	__function;				\
})

#endif
