/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions that others cannot see: they touch registers and the stack of their own task alone,
 * and change nothing about who may interrupt. Whether one is interrupted before or behind them is
 * the same.
 *
 * What is not known here is taken for one that others can see. The encodings are those of Intel's
 * "Software Developer's Manual", volume 2, appendix A, and of Arm's "Architecture Reference Manual
 * for A-profile", chapter C4. tests/live/test_code.py has another disassembler look at each
 * instruction of a kernel that is known here.
 */
#ifndef _KPARITY_CODE_H
#define _KPARITY_CODE_H

#include <linux/types.h>

/** define KP_INSN_MAX - the most bytes that an instruction has */
#define KP_INSN_MAX	15

/**
 * struct kp_insn - an instruction that others cannot see
 * @size: its bytes
 * @next: from its address to that of the next one to be executed; 0 if its bytes do not tell
 */
struct kp_insn {
	u32 size;
	s64 next;
};

/* A number of some bytes, the least significant one first. */
static inline s64 kp_insn_number(const u8 *at, u32 size)
{
	u64 value = 0;
	u32 i;

	for (i = 0; i < size; i++)
		value |= (u64)at[i] << 8 * i;
	return (s64)(value << (64 - 8 * size)) >> (64 - 8 * size);
}

#ifdef CONFIG_X86_64

/* The most prefixes that are looked at: what comes behind them is within KP_INSN_MAX. */
#define KP_PREFIXES	8

/**
 * struct kp_decoding - an instruction of x86-64 that is looked at
 * @code: its bytes
 * @at: where the part is that comes next
 * @rex: its REX prefix, or 0
 * @wide: bytes of its long immediates
 * @repeated: it has the prefix F3
 * @any: all memory counts as its own
 */
struct kp_decoding {
	const u8 *code;
	u32 at;
	u8 rex;
	u32 wide;
	bool repeated;
	bool any;
};

/*
 * The operands: a ModRM byte and what belongs to it, and then so many bytes. Memory is its own if
 * an address begins with the stack pointer; @touches: it is accessed at all.
 */
static inline bool kp_insn_operands(struct kp_decoding *d, u32 bytes, bool touches)
{
	const u8 modrm = d->code[d->at++], mod = modrm >> 6, rm = modrm & 7;
	bool own = !touches || d->any || mod == 3;

	if (mod != 3 && rm == 4) {
		const u8 base = d->code[d->at++] & 7;

		own |= base == 4 && !(d->rex & 1);
		if (!mod && base == 5)
			d->at += 4;
	} else if (!mod && rm == 5) {
		d->at += 4;
	}
	d->at += mod == 1 ? 1 : mod == 2 ? 4 : 0;
	d->at += bytes;
	return own;
}

/* Operands that have to be registers. */
static inline bool kp_insn_registers(struct kp_decoding *d, u32 bytes)
{
	return d->code[d->at] >> 6 == 3 && kp_insn_operands(d, bytes, false);
}

/* Where a jump by a number of some bytes leads: to be added to the instruction's size. */
static inline bool kp_insn_jump(struct kp_decoding *d, u32 bytes, s64 *jump)
{
	*jump = kp_insn_number(d->code + d->at, bytes);
	d->at += bytes;
	return true;
}

/* An instruction of two bytes, behind the first one. */
static inline bool kp_insn_two(struct kp_decoding *d, bool *ends)
{
	const u8 op = d->code[d->at++];

	/* A prefix that makes another instruction of it: only of those that count bits. */
	if (d->repeated && op != 0x1e && op != 0xb8 && op != 0xbc && op != 0xbd)
		return false;
	switch (op) {
	case 0x1e:
	case 0x1f:
		return kp_insn_operands(d, 0, false);
	case 0x40 ... 0x4f:
	case 0x90 ... 0x9f:
	case 0xaf:
	case 0xb6:
	case 0xb7:
	case 0xbc ... 0xbf:
		return kp_insn_operands(d, 0, true);
	case 0x80 ... 0x8f:
		*ends = true;
		d->at += 4;
		return true;
	case 0xa3:
	case 0xa5:
	case 0xad:
		return kp_insn_registers(d, 0);
	case 0xa4:
	case 0xac:
	case 0xba:
		return kp_insn_registers(d, 1);
	case 0xb8:
		return d->repeated && kp_insn_operands(d, 0, true);
	case 0xc8 ... 0xcf:
		return true;
	default:
		return false;
	}
}

/* An instruction of one byte. */
static inline bool kp_insn_one(struct kp_decoding *d, bool *ends, s64 *jump)
{
	const u8 op = d->code[d->at++], reg = d->code[d->at] >> 3 & 7;

	if (d->repeated && op != 0x0f && op != 0x90 && op != 0xc3)
		return false;
	switch (op) {
	case 0x0f:
		return kp_insn_two(d, ends);
	case 0x00 ... 0x03:
	case 0x08 ... 0x0b:
	case 0x10 ... 0x13:
	case 0x18 ... 0x1b:
	case 0x20 ... 0x23:
	case 0x28 ... 0x2b:
	case 0x30 ... 0x33:
	case 0x38 ... 0x3b:
	case 0x63:
	case 0x84:
	case 0x85:
	case 0x88 ... 0x8b:
	case 0xd0 ... 0xd3:
		return kp_insn_operands(d, 0, true);
	case 0x04:
	case 0x0c:
	case 0x14:
	case 0x1c:
	case 0x24:
	case 0x2c:
	case 0x34:
	case 0x3c:
	case 0x6a:
	case 0xa8:
	case 0xb0 ... 0xb7:
		d->at++;
		return true;
	case 0x05:
	case 0x0d:
	case 0x15:
	case 0x1d:
	case 0x25:
	case 0x2d:
	case 0x35:
	case 0x3d:
	case 0x68:
	case 0xa9:
		d->at += d->wide;
		return true;
	case 0xb8 ... 0xbf:
		d->at += d->rex & 8 ? 8 : d->wide;
		return true;
	case 0x50 ... 0x5f:
	case 0x90 ... 0x99:
	case 0x9c:
	case 0xc9:
		return true;
	case 0x6b:
	case 0x80:
	case 0x83:
	case 0xc0:
	case 0xc1:
		return kp_insn_operands(d, 1, true);
	case 0x69:
	case 0x81:
		return kp_insn_operands(d, d->wide, true);
	case 0x70 ... 0x7f:
		*ends = true;
		d->at++;
		return true;
	case 0x86:
	case 0x87:
		return kp_insn_registers(d, 0);
	case 0x8d:
		return kp_insn_operands(d, 0, false);
	case 0xc3:
		*ends = true;
		return true;
	case 0xc6:
		return !reg && kp_insn_operands(d, 1, true);
	case 0xc7:
		return !reg && kp_insn_operands(d, d->wide, true);
	case 0xe8:
	case 0xe9:
		return d->wide == 4 && kp_insn_jump(d, 4, jump);
	case 0xeb:
		return kp_insn_jump(d, 1, jump);
	case 0xf6:
		return kp_insn_operands(d, reg < 2 ? 1 : 0, true);
	case 0xf7:
		return kp_insn_operands(d, reg < 2 ? d->wide : 0, true);
	case 0xfe:
		return reg < 2 && kp_insn_operands(d, 0, true);
	case 0xff:
		*ends = reg == 2 || reg == 4;
		return (reg < 3 || reg == 4 || reg == 6) && kp_insn_operands(d, 0, true);
	default:
		return false;
	}
}

/**
 * kp_insn_alone() - whether an instruction is one that others cannot see
 * @code: %KP_INSN_MAX bytes from its first one on
 * @any: whatever memory it touches is its own; but for what others may wait for
 * @insn: receives its size, and where it goes on
 *
 * Return: false also for one that is not known
 */
static inline bool kp_insn_alone(const u8 *code, bool any, struct kp_insn *insn)
{
	struct kp_decoding d = { .code = code, .wide = 4, .any = any };
	bool ends = false;
	s64 jump = 0;

	for (;; d.at++) {
		if (code[d.at] == 0x66)
			d.wide = 2;
		else if (code[d.at] == 0xf3)
			d.repeated = true;
		else if (code[d.at] != 0x2e && code[d.at] != 0x3e)
			break;
		if (d.at == KP_PREFIXES)
			return false;
	}
	if ((code[d.at] & 0xf0) == 0x40)
		d.rex = code[d.at++];
	/* With REX.W an operand is of eight bytes, and its immediate of four. */
	if (d.rex & 8)
		d.wide = 4;
	if (!kp_insn_one(&d, &ends, &jump) || d.at > KP_INSN_MAX)
		return false;
	insn->size = d.at;
	insn->next = ends ? 0 : (s64)d.at + jump;
	return true;
}

#elif defined(CONFIG_ARM64)

static inline bool kp_insn_alone(const u8 *code, bool any, struct kp_insn *insn)
{
	const u32 word = kp_insn_number(code, 4), base = word >> 5 & 31, hint = word >> 5 & 127;

	*insn = (struct kp_insn){ .size = 4, .next = 4 };
	/* Data processing, of immediates and of registers. */
	if ((word & 0x1c000000) == 0x10000000 || (word & 0x0e000000) == 0x0a000000)
		return true;
	/* b, bl */
	if ((word & 0x7c000000) == 0x14000000) {
		insn->next = ((s64)(s32)(word << 6) >> 6) * 4;
		return true;
	}
	/* Branches that look at something, or go to where a register says; eret is none. */
	if ((word & 0xff000000) == 0x54000000 || (word & 0x7c000000) == 0x34000000 ||
	    ((word & 0xfe000000) == 0xd6000000 && (word >> 21 & 15) < 3)) {
		insn->next = 0;
		return true;
	}
	/* nop, xpaclri, paciasp, autiasp, bti */
	if ((word & 0xfffff01f) == 0xd503201f)
		return !hint || hint == 7 || hint == 25 || hint == 29 || (hint & ~6) == 32;
	/* Loads and stores of general registers, by an address that begins with sp. */
	if (!any && base != 31)
		return false;
	if ((word & 0x3f000000) == 0x38000000)
		return !(word & BIT(21)) || (word & 0xc00) == 0x800;
	return (word & 0x3e000000) == 0x28000000 || (word & 0x3f000000) == 0x39000000;
}

#else

static inline bool kp_insn_alone(const u8 *code, bool any, struct kp_insn *insn)
{
	return false;
}

#endif

#endif
