/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kinds: a function for each kind of parameter and return value that a row can have.
 */
#include <linux/types.h>
#include "contract/kparity.h"

#define KINDS_FAST	1
#define KINDS_SAFE	4

enum kinds_mode { KINDS_OFF, KINDS_ON = 7 };

struct kinds_point {
	s32 x;
	u16 kind;
	u16 pad[3];
};

s32 kinds_add(s32 a, s8 b);
u64 kinds_mix(u64 a, unsigned long b, bool c);
int kinds_parse(const char *text, unsigned int base, int *value);
bool kinds_find(const u8 *data, size_t size, u8 what, size_t *at);
char *kinds_skip(const char *text);
ssize_t kinds_fill(char *to, size_t size, u16 pattern);
void kinds_swap(u32 *a, u32 *b);
int kinds_mode(enum kinds_mode mode, unsigned int flags);
void kinds_halves(u64 whole, u32 *high, u32 *low);
u32 kinds_sum(u32 seed, const void *p, size_t size);
const u8 *kinds_first(const u8 *data, size_t size, u8 what);
int kinds_ret(umode_t base, int *ret);
int kinds_trim(char *at, unsigned long size, loff_t given);
int kinds_weigh(const struct kinds_point *point, u32 by);

KP_BUDGET("20000 %, 4000 instructions: a pair of tests, whose cost nobody looks at")
KP_FUNCTION(kinds_add, ANY, KP_SIGNED(s32),
	    KP_NUMBER(s32, a, .lo = -1000, .hi = 1000),
	    KP_NUMBER(s8, b))
KP_FUNCTION(kinds_mix, ANY, KP_UNSIGNED(u64),
	    KP_NUMBER(u64, a),
	    KP_NUMBER(unsigned long, b),
	    KP_NUMBER(bool, c))
KP_FUNCTION(kinds_parse, ANY, KP_RESULT(int, -EINVAL, -ERANGE),
	    KP_TEXT(text, .of = "0123456789-+xa\n ", .max = 24, .numeric = true),
	    KP_NUMBER(unsigned int, base, .lo = 0, .hi = 16),
	    KP_OUTPUT(int, value))
KP_FUNCTION(kinds_find, ANY, KP_BOOL,
	    KP_BYTES(u8, data, size_t, .max = 4096),
	    KP_NUMBER(u8, what),
	    KP_OUTPUT(size_t, at))
KP_FUNCTION(kinds_skip, ANY, KP_OFFSET(char *, text),
	    KP_TEXT(text, .of = " \tx"))
KP_FUNCTION(kinds_fill, ATOMIC, KP_RESULT(ssize_t, -ENOSPC),
	    KP_BUFFER(char, to, size_t, .max = 32),
	    KP_NUMBER(u16, pattern))
KP_FUNCTION(kinds_swap, ANY, KP_VOID,
	    KP_INOUT(u32, a),
	    KP_INOUT(u32, b))
KP_FUNCTION(kinds_mode, ANY, KP_RESULT(int, -EINVAL),
	    KP_CHOICE(enum kinds_mode, mode, KINDS_OFF, KINDS_ON, .beyond = true),
	    KP_FLAGS(unsigned int, flags, KINDS_FAST, KINDS_SAFE, .beyond = true))
KP_FUNCTION(kinds_halves, ANY, KP_VOID,
	    KP_NUMBER(u64, whole),
	    KP_OUTPUT(u32, high),
	    KP_OUTPUT(u32, low))
KP_FUNCTION(kinds_sum, ANY, KP_UNSIGNED(u32),
	    KP_NUMBER(u32, seed),
	    KP_BYTES(void, p, size_t, .min = 1))
KP_FUNCTION(kinds_first, ANY, KP_OFFSET(const u8 *, data),
	    KP_BYTES(u8, data, size_t, .of = "\0\xff"),
	    KP_NUMBER(u8, what))
KP_FUNCTION(kinds_ret, ANY, KP_RESULT(int, -EINVAL),
	    KP_NUMBER(umode_t, base),
	    KP_OUTPUT(int, ret))
KP_FUNCTION(kinds_trim, ANY, KP_RESULT(int, -ERANGE),
	    KP_BUFFER(char, at, unsigned long, .min = 4),
	    KP_NUMBER(loff_t, given))
KP_FUNCTION(kinds_weigh, ANY, KP_RESULT(int, -EINVAL),
	    KP_STRUCT(struct kinds_point, point, KP_NUMBER(s32, x), KP_CHOICE(u16, kind, 1, 7),
		      KP_NUMBER(u16, pad[0], .hi = 0, .beyond = true),
		      KP_NUMBER(u16, pad[1], .hi = 0, .beyond = true),
		      KP_NUMBER(u16, pad[2], .hi = 0, .beyond = true)),
	    KP_NUMBER(u32, by, .lo = 1))
