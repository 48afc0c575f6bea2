/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A wait that is as long as is asked for, to the instruction.
 */
#ifndef _KPARITY_DELAY_H
#define _KPARITY_DELAY_H

#include <linux/types.h>

/** define KP_DELAY - the instructions that kp_delay() waits for are less */
#define KP_DELAY	1024

/* Two to the power of @bit nops, if %0 has that bit. */
#define __KP_ROW(bit)	".rept 1 << " #bit "\n\tnop\n\t.endr\n1:\n\t"
#ifdef CONFIG_X86_64
#define KP_NOP_SIZE	1
#define __KP_STEP(bit)	"testl $(1 << " #bit "), %0\n\tjz 1f\n\t" __KP_ROW(bit)
#else
#define KP_NOP_SIZE	4
#define __KP_STEP(bit)	"tbz %w0, #" #bit ", 1f\n\t" __KP_ROW(bit)
#endif

/**
 * kp_delay() - wait for @n instructions, and always the same number beside them
 * @n: the instructions, less than %KP_DELAY
 */
static __always_inline void kp_delay(u32 n)
{
	asm volatile(__KP_STEP(9) __KP_STEP(8) __KP_STEP(7) __KP_STEP(6) __KP_STEP(5)
		     __KP_STEP(4) __KP_STEP(3) __KP_STEP(2) __KP_STEP(1) __KP_STEP(0)
		     : : "r" (n) : "cc");
}

#endif
