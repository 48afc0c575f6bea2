/* SPDX-License-Identifier: GPL-2.0 */
/*
 * badge: an object that is made of each kind of parameter: a text, bytes, user memory, a
 * structure, a number that is read and stored.
 */
#include <linux/types.h>
#include "contract/kparity.h"

#define BADGE_NAME	12
#define BADGE_TABLE	8
#define BADGE_DATA	40
#define BADGE_USES	9

#define BADGE_LOUD	1
#define BADGE_SHORT	4

struct badge;

struct badge_options {
	u32 uses;
	u32 flags;
};

struct badge_view {
	u32 name;
	u32 table;
	u32 data;
	u32 size;
	u32 left;
	u32 flags;
	u32 serial;
	s16 tail[2]; /* the last bytes of data; -1 where there are fewer */
};

struct badge *badge_create(const char *name, const u8 *table, u32 table_size,
			   const void __user *data, size_t data_size,
			   const struct badge_options *options, u32 *serial);
void badge_destroy(struct badge *badge);
bool badge_is(struct badge *badge, const char *name);
int badge_use(struct badge *badge, u8 at);
void badge_view(struct badge *badge, struct badge_view *view);

KP_BUDGET("200 %, 30 instructions: a pair of tests, whose cost nobody looks at")
KP_OBJECT(struct badge, struct badge_view, badge_view)
KP_CREATE(badge_create, SLEEPS,
	  KP_RESULT(struct badge *, -EINVAL, -ENAMETOOLONG, -EMSGSIZE, -EFAULT, -EOVERFLOW,
		    -ENOMEM),
	  KP_TEXT(name, .of = "abc", .max = BADGE_NAME + 1),
	  KP_BYTES(u8, table, u32, .max = BADGE_TABLE),
	  KP_USER_BYTES(data, size_t, .max = BADGE_DATA, .beyond = true, .once = true),
	  KP_STRUCT(struct badge_options, options,
		    KP_NUMBER(u32, uses, .lo = 1, .hi = BADGE_USES, .beyond = true),
		    KP_FLAGS(u32, flags, BADGE_LOUD, BADGE_SHORT, .beyond = true)),
	  KP_INOUT(u32, serial))
KP_DESTROY(badge_destroy, SLEEPS)
KP_METHOD(badge_is, PROCESS, KP_BOOL, KP_TEXT(name, .of = "abc", .max = BADGE_NAME + 1))
KP_METHOD(badge_use, PROCESS, KP_RESULT(u8, -ENOSPC, -ERANGE),
	  KP_NUMBER(u8, at, .hi = BADGE_DATA), .locks = "spinlock")

KP_TYPE(struct badge_view, name, table, data, size, left, flags, serial, tail)

KP_INVARIANT(used_up, lifetime,
	     "it can be used as often as it was made for",
	     "what is left is taken under the lock",
	     op == BADGE_USE, now->left == was->left - (ret >= 0))
KP_PROMISE(apart, ownership,
	   "what a badge was made of is its own",
	   "all of it is copied")
