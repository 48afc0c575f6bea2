// SPDX-License-Identifier: GPL-2.0
/*
 * Positions between which an operation does nothing that another one could see: they are one.
 */
#include <linux/module.h>
#include <linux/uaccess.h>
#include "code.h"
#include "interrupt.h"

/*
 * Whether code is the engine's: what that touches is no pair's. None of it that runs in an
 * operation changes by plain stores who may interrupt.
 */
static bool is_ours(unsigned long ip)
{
#ifdef MODULE
	return within_module(ip, THIS_MODULE);
#else
	return false;
#endif
}

/* Whether others cannot see an instruction; @next: that behind it, 0 if its bytes do not tell. */
static bool unseen_at(unsigned long ip, unsigned long *next)
{
	u8 code[KP_INSN_MAX];
	struct kp_insn insn;

	if (!ip || copy_from_kernel_nofault(code, (void *)ip, sizeof(code)) ||
	    !kp_insn_alone(code, is_ours(ip), &insn))
		return false;
	*next = insn.next ? ip + insn.next : 0;
	return true;
}

/**
 * kp_merge_positions() - find the positions that are the same as one to what interrupts there
 * @done: receives them, as bits
 * @at: the position; its address is known
 * @ip: addresses of the instructions at all positions, as far as they are known; receives what
 *	follows from them
 * @length: how many positions there are
 *
 * Behind it those up to the next instruction that others can see, before it those behind the last
 * one: where the bytes of a jump do not decide where it goes, as far as that is known.
 *
 * Context: any.
 * Return: false if the addresses are not those of one way through the code
 */
bool kp_merge_positions(unsigned long *done, u32 at, unsigned long *ip, u32 length)
{
	unsigned long next;
	u32 i;

	for (i = at; i + 1 < length && unseen_at(ip[i], &next); i++) {
		if (next && ip[i + 1] && ip[i + 1] != next)
			return false;
		__set_bit(i + 1, done);
		ip[i + 1] = next ?: ip[i + 1];
	}
	for (i = at; i && unseen_at(ip[i - 1], &next); i--) {
		if (next && next != ip[i])
			return false;
		__set_bit(i - 1, done);
	}
	return true;
}
