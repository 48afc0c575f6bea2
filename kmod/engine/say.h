/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the engine says to a plugin of QEMU's (qemu/orders.c, counts.c, covers.c).
 *
 * An instruction that does nothing has a number, which says what the word means that the store
 * right behind it stores. Without a plugin nobody hears it. The plugins read this file as well.
 */
#ifndef _KPARITY_SAY_H
#define _KPARITY_SAY_H

/**
 * enum kp_said - what a word means that is said
 * @KP_SAY_CLOSE: nothing; the case has ended
 * @KP_SAY_NAME: eight letters of a name, which is of the next @KP_SAY_PATH or @KP_SAY_OP
 * @KP_SAY_PATH: the path: a case begins, of the pair with that name
 * @KP_SAY_OBJECT: the address of the object, as its driver knows it
 * @KP_SAY_HANDLE: the address of a handle that is held
 * @KP_SAY_BLOCK: the address of memory of these, whose words follow
 * @KP_SAY_WORD: the next word there
 * @KP_SAY_BEGIN: an operation begins: its number; where its cost is counted, the upper half is
 *                its place in the program
 * @KP_SAY_END: it has returned; not 0: others ran meanwhile
 * @KP_SAY_OUTCOME: what it has returned; what is recorded is kept or not
 * @KP_SAY_OP: the number of the operation with that name
 * @KP_SAY_COST: an operation whose cost is counted has returned: that cost
 * @KP_SAY_PROGRAM: nothing; a program comes whose costs are counted, and that may run several times
 * @KP_SAY_KEEP: the place in that program of an operation whose cost is in the table of costs; the
 *               upper half is the end that it came to, as kp_end() has it
 * @KP_SAY_LOADED: nothing; a pair's module has been loaded, and what ran before at its addresses
 *                 was another module's code
 * @KP_SAY_ENGINE: where the engine's code begins, and, said once more, where it ends
 */
enum kp_said {
	KP_SAY_CLOSE = 0x70,
	KP_SAY_NAME,
	KP_SAY_PATH,
	KP_SAY_OBJECT,
	KP_SAY_HANDLE,
	KP_SAY_BLOCK,
	KP_SAY_WORD,
	KP_SAY_BEGIN,
	KP_SAY_END,
	KP_SAY_OUTCOME,
	KP_SAY_OP,
	KP_SAY_COST,
	KP_SAY_PROGRAM,
	KP_SAY_KEEP,
	KP_SAY_LOADED,
	KP_SAY_ENGINE,
};

/* On x86 the number is added to this, an offset that no compiler has a nop use. */
#define KP_SAY_X86	0x6b700000
/* Letters of a name, with those behind its end. */
#define KP_SAY_LETTERS	64

#ifdef __KERNEL__
/* The creation of an object and its end, as the two operations of a program of their own. */
#define KP_SAID_MAKING	0ULL
#define KP_SAID_ENDING	1ULL

#include <linux/irqflags.h>
#include <linux/string.h>
#include <linux/types.h>

#ifdef CONFIG_ARM64
#define __KP_SAID	"hint %2\n\tstr %1, %0"
#define __KP_SAID_FROM	0
#else
#define __KP_SAID	"nopl %c2(%%rax)\n\tmovq %1, %0"
#define __KP_SAID_FROM	KP_SAY_X86
#endif

/**
 * kp_say() - say a word to a plugin of QEMU's
 * @what: what it means, a constant
 * @value: the word
 *
 * No interrupt comes between the two instructions.
 */
#define kp_say(what, value)							\
do {										\
	unsigned long __flags;							\
	u64 __said, __value = (u64)(value);					\
										\
	local_irq_save(__flags);						\
	asm volatile(__KP_SAID : "=m" (__said)					\
		     : "r" (__value), "i" (__KP_SAID_FROM + (what)) : "memory");	\
	local_irq_restore(__flags);						\
} while (0)

/**
 * kp_say_name() - say the name of what is said next
 * @name: the name
 */
static inline void kp_say_name(const char *name)
{
	u64 word[KP_SAY_LETTERS / sizeof(u64)] = {};
	u32 i;

	strscpy((char *)word, name, sizeof(word));
	for (i = 0; i <= strnlen(name, sizeof(word) - 1) / sizeof(u64); i++)
		kp_say(KP_SAY_NAME, word[i]);
}
#endif

#endif
