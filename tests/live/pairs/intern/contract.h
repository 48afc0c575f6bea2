/* SPDX-License-Identifier: GPL-2.0 */
/*
 * intern: one object for each key, whoever asks. A handle that is handed out is part of
 * the intern, and is given back before the intern is destroyed.
 */
#ifndef INTERN_CONTRACT_H
#define INTERN_CONTRACT_H

#include "contract/kparity.h"

#define INTERN_KEYS	8
#define INTERN_HELD	4

struct intern;
struct interned;

struct interned_view {
	u32 key;
	u32 reserved;
};

struct intern_view {
	u32 gets;
	u32 reserved;
	struct interned_view held[INTERN_HELD];
};

struct intern *intern_create(void);
void intern_destroy(struct intern *intern);
struct interned *intern_get(struct intern *intern, u32 key);
struct interned *intern_larger(struct interned *mine, struct interned *other);
u32 intern_key(struct interned *interned);
void intern_put(struct interned *interned);
void intern_view(struct intern *intern, struct intern_view *view);
void intern_show(struct interned *interned, struct interned_view *view);

KP_BUDGET("400 %, 40 instructions: a pair of tests, whose cost nobody looks at")
KP_OBJECT(struct intern, struct intern_view, intern_view)
KP_CREATE(intern_create, SLEEPS, KP_RESULT(struct intern *, -ENOMEM))
KP_DESTROY(intern_destroy, SLEEPS)
KP_HANDLE(struct interned, struct interned_view, intern_show, intern_put, held)
KP_METHOD(intern_get, ANY, KP_NEW(struct interned *, -EINVAL),
	  KP_NUMBER(u32, key, .hi = INTERN_KEYS))
KP_FUNCTION(intern_larger, ANY, KP_NEW(struct interned *),
	    KP_GIVEN(struct interned, mine), KP_BORROWED(struct interned, other))
KP_FUNCTION(intern_key, ANY, KP_UNSIGNED(u32), KP_BORROWED(struct interned, interned))
KP_FUNCTION(intern_put, ANY, KP_VOID, KP_GIVEN(struct interned, interned))

KP_TYPE(struct interned_view, key, reserved)
KP_TYPE(struct intern_view, gets, reserved, held)

KP_INVARIANT(get_counts, ownership,
	     "a get gives the object with that key, and is counted",
	     "the key is an index",
	     op == INTERN_GET && ret == 0,
	     now->gets == was->gets + 1 && now->held[arg[1]].key == arg[0])
KP_INVARIANT(larger_moves, ownership,
	     "what is given to larger is gone, the other one stays",
	     "the new handle takes the place of the one that is given",
	     op == INTERN_LARGER && called && arg[2] != arg[0] && arg[2] != arg[1],
	     now->held[arg[1]].key == was->held[arg[1]].key &&
	     now->held[arg[0]].key == 0)

#endif
