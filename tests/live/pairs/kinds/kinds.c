// SPDX-License-Identifier: GPL-2.0
/*
 * kinds in C.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/string.h>
#include "contract.h"

s32 kinds_add(s32 a, s8 b)
{
	return a + b;
}

u64 kinds_mix(u64 a, unsigned long b, bool c)
{
	return c ? a ^ b : a + b;
}

int kinds_parse(const char *text, unsigned int base, int *value)
{
	return kstrtoint(text, base, value);
}

bool kinds_find(const u8 *data, size_t size, u8 what, size_t *at)
{
	const u8 *found = memchr(data, what, size);

	if (found)
		*at = found - data;
	return found;
}

char *kinds_skip(const char *text)
{
	char *p = skip_spaces(text);

	return *p ? p : NULL;
}

ssize_t kinds_fill(char *to, size_t size, u16 pattern)
{
	if (size < 5)
		return -ENOSPC;
	return snprintf(to, size, "%04x", pattern);
}

void kinds_swap(u32 *a, u32 *b)
{
	swap(*a, *b);
}

int kinds_mode(enum kinds_mode mode, unsigned int flags)
{
	if (mode != KINDS_OFF && mode != KINDS_ON)
		return -EINVAL;
	if (flags & ~(KINDS_FAST | KINDS_SAFE))
		return -EINVAL;
	return mode + flags;
}

void kinds_halves(u64 whole, u32 *high, u32 *low)
{
	*high = whole >> 32;
	*low = whole;
}

u32 kinds_sum(u32 seed, const void *p, size_t size)
{
	const u8 *at = p;

	while (size--)
		seed = seed * 31 + *at++;
	return seed;
}

const u8 *kinds_first(const u8 *data, size_t size, u8 what)
{
	return memchr(data, what, size);
}

int kinds_ret(umode_t base, int *ret)
{
	if (base & 1)
		return -EINVAL;
	*ret = base;
	return 0;
}

int kinds_trim(char *at, unsigned long size, loff_t given)
{
	if (given < 0 || given >= size)
		return -ERANGE;
	at[given] = 'x';
	return given;
}

int kinds_weigh(const struct kinds_point *point, u32 by)
{
	if (point->pad[0] || point->pad[1] || point->pad[2])
		return -EINVAL;
	return ((u32)point->x % by * point->kind) & 0xffff;
}
