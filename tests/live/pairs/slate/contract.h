/* SPDX-License-Identifier: GPL-2.0 */
/*
 * slate: an object with a method for each kind of parameter, a function, and a case of
 * its own.
 */
#include <linux/types.h>
#include "contract/kparity.h"

#define SLATE_MAX	64

enum slate_kind { SLATE_PLAIN, SLATE_UPPER = 5 };

struct slate;

struct slate_view {
	u32 size;
	u32 used;
	u32 kind;
	u32 sum;
};

struct slate *slate_create(u32 size, enum slate_kind kind);
void slate_destroy(struct slate *slate);
int slate_put(struct slate *slate, u8 c);
int slate_write(struct slate *slate, const char *text);
int slate_read(struct slate *slate, u8 *to, u32 size);
bool slate_find(struct slate *slate, u8 what, u32 *first, u32 *last);
void slate_cut(struct slate *slate, u32 *nr);
u8 slate_upper(u8 c);
void slate_view(struct slate *slate, struct slate_view *view);

KP_BUDGET("200 %, 40 instructions: a pair of tests, whose cost nobody looks at")
KP_OBJECT(struct slate, struct slate_view, slate_view)
KP_CREATE(slate_create, SLEEPS, KP_RESULT(struct slate *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, size, .lo = 1, .hi = SLATE_MAX, .beyond = true),
	  KP_CHOICE(enum slate_kind, kind, SLATE_PLAIN, SLATE_UPPER, .beyond = true))
KP_DESTROY(slate_destroy, SLEEPS)
KP_METHOD(slate_put, PROCESS, KP_ERRNO(-ENOSPC), KP_NUMBER(u8, c, .lo = 'A', .hi = 'z'),
	  .locks = "spinlock")
KP_METHOD(slate_write, PROCESS, KP_RESULT(u32, -ENOSPC),
	  KP_TEXT(text, .of = "ayz{`A", .max = 12),
	  .locks = "spinlock", .owns = "the text is copied", .on_error = "nothing is written")
KP_METHOD(slate_read, PROCESS, KP_RESULT(u32, -ENODATA),
	  KP_BUFFER(u8, to, u32, .max = 16), .weight = 8, .locks = "spinlock")
KP_METHOD(slate_find, PROCESS, KP_BOOL,
	  KP_NUMBER(u8, what, .lo = 'A', .hi = 'z'), KP_OUTPUT(u32, first), KP_OUTPUT(u32, last),
	  .locks = "spinlock")
KP_METHOD(slate_cut, PROCESS, KP_VOID, KP_INOUT(u32, nr, .hi = 12), .locks = "spinlock")
KP_FUNCTION(slate_upper, ANY, KP_UNSIGNED(u8), KP_NUMBER(u8, c))

KP_HOLDS(characters, now->used)
KP_TYPE(struct slate_view, size, used, kind, sum)

KP_INVARIANT(bounded, lifetime,
	     "never more is written than there is room for",
	     "compared under the lock",
	     true, now->used <= now->size && now->size == was->size)
KP_INVARIANT(write_counts, compatibility,
	     "a write gives how much there is now",
	     "used is what it returns",
	     op == SLATE_WRITE && ret >= 0, ret == now->used)
KP_PROMISE(apart, ownership,
	   "two slates share nothing",
	   "there are no variables but those of a slate")
