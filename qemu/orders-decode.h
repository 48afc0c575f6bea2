/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an A64 instruction does to the order of memory accesses, from its bits.
 *
 * "Loads and stores" and "Barriers" of the Arm Architecture Reference Manual for A-profile,
 * chapter C4.1, say which bits these are.
 */
#ifndef KPARITY_ORDERS_DECODE_H
#define KPARITY_ORDERS_DECODE_H

#include <linux/types.h>

#define ORDERS_LOAD		0x1
#define ORDERS_STORE		0x2
/* One instruction that loads and stores: LSE, and CAS. */
#define ORDERS_RMW		0x4
#define ORDERS_ACQUIRE		0x8
/* Weaker: a release before it may be overtaken (ldapr). */
#define ORDERS_ACQUIRE_PC	0x10
#define ORDERS_RELEASE		0x20
#define ORDERS_EXCLUSIVE	0x40
#define ORDERS_ORDERED		(ORDERS_ACQUIRE | ORDERS_ACQUIRE_PC | ORDERS_RELEASE | ORDERS_RMW)
/* dmb and dsb: of loads alone, of stores alone, or of both. */
#define ORDERS_FENCE_LOAD	0x80
#define ORDERS_FENCE_STORE	0x100
#define ORDERS_BARRIER		(ORDERS_FENCE_LOAD | ORDERS_FENCE_STORE)
/* eret: the end of an interrupt or of a fault. */
#define ORDERS_RETURN		0x200
/* An atomic of LSE whose read goes to register 31: dmb ishld does not keep it in order. */
#define ORDERS_UNREAD		0x400
/* hint #0x70 to #0x7f, which do nothing; the number is in the lower bits. */
#define ORDERS_HINT		0x8000

/* Bits [29:24] 001000: exclusive, ordered, compare and swap. */
static inline __u32 orders_decode_exclusive(__u32 bits)
{
	__u32 acquire = bits >> 22 & 1, release = bits >> 15 & 1;
	__u32 o2 = bits >> 23 & 1, o1 = bits >> 21 & 1, what;

	/* CAS, and CASP, whose size is 0x. */
	if (o1 && (o2 || !(bits >> 31)))
		return ORDERS_RMW | (acquire ? ORDERS_ACQUIRE : 0) |
		       (release ? ORDERS_RELEASE : 0);
	/* Bit 22 now says load. LDAR and STLR; LDLAR and STLLR, which are as strong here. */
	if (o2)
		return acquire ? ORDERS_ACQUIRE : ORDERS_RELEASE;
	what = ORDERS_EXCLUSIVE;
	if (release)
		what |= acquire ? ORDERS_ACQUIRE : ORDERS_RELEASE;
	return what;
}

/* Bits [29:21] 111000xx1, [11:10] 00: LSE's atomics, and LDAPR among them. */
static inline __u32 orders_decode_atomic(__u32 bits)
{
	__u32 acquire = bits >> 23 & 1, release = bits >> 22 & 1;
	__u32 unread = (bits & 0x1f) == 0x1f;

	if ((bits >> 12 & 0xf) == 0xc)
		return ORDERS_ACQUIRE_PC;
	/* LD<op> and SWP alike: what is loaded into register 31 is not looked at. */
	return ORDERS_RMW | (acquire && !unread ? ORDERS_ACQUIRE : 0) |
	       (release ? ORDERS_RELEASE : 0) | (unread ? ORDERS_UNREAD : 0);
}

/**
 * orders_decode() - what an instruction does to the order of memory accesses
 * @bits: the instruction
 *
 * Return: what it is, 0 for one that orders nothing; whether a plain one loads or stores is not
 *         said
 */
static inline __u32 orders_decode(__u32 bits)
{
	if ((bits & 0xfffff01f) == 0xd503201f && (bits >> 5 & 0x7f) >= 0x70)
		return ORDERS_HINT | (bits >> 5 & 0x7f);
	if (bits == 0xd69f03e0)
		return ORDERS_RETURN;
	/* dmb, and dsb, which does more. */
	if ((bits & 0xfffff0ff) == 0xd50330bf || (bits & 0xfffff0ff) == 0xd503309f)
		return (bits >> 8 & 1 ? ORDERS_FENCE_LOAD : 0) |
		       (bits >> 9 & 1 ? ORDERS_FENCE_STORE : 0);
	if ((bits & 0x3f000000) == 0x08000000)
		return orders_decode_exclusive(bits);
	if ((bits & 0x3f200c00) == 0x38200000)
		return orders_decode_atomic(bits);
	/* LDAPUR and STLUR. */
	if ((bits & 0x3f200c00) == 0x19000000)
		return bits >> 22 & 3 ? ORDERS_ACQUIRE_PC : ORDERS_RELEASE;
	return 0;
}

/**
 * orders_name() - a short name for what an instruction does
 * @what: what orders_decode() said, with load or store
 * @name: receives it: r, w or m, then a for acquire, q for its weaker form, l for release, x for
 *        exclusive, u for what is read and dropped; or b, then r for loads and w for stores
 */
static inline void orders_name(__u32 what, char *name)
{
	if (what & ORDERS_BARRIER) {
		/* A barrier of all orders loads and stores; in the bits both are set. */
		*name++ = 'b';
		if (what & ORDERS_FENCE_LOAD)
			*name++ = 'r';
		if (what & ORDERS_FENCE_STORE)
			*name++ = 'w';
	} else {
		*name++ = what & ORDERS_RMW ? 'm' : what & ORDERS_STORE ? 'w' : 'r';
		if (what & ORDERS_ACQUIRE)
			*name++ = 'a';
		if (what & ORDERS_ACQUIRE_PC)
			*name++ = 'q';
		if (what & ORDERS_RELEASE)
			*name++ = 'l';
		if (what & ORDERS_EXCLUSIVE)
			*name++ = 'x';
		if (what & ORDERS_UNREAD)
			*name++ = 'u';
	}
	*name = '\0';
}

#endif
