/* SPDX-License-Identifier: GPL-2.0 */
/*
 * errand: an object that is made with a callback, or refused.
 */
#ifndef ERRAND_CONTRACT_H
#define ERRAND_CONTRACT_H

#include "contract/kparity.h"

#define ERRAND_TASKS	4
#define ERRAND_TIMES	3

struct errand;

/** typedef errand_fn - a callback of an errand, or its release at the end */
typedef void (*errand_fn)(void *data);

struct errand_view {
	u32 left;
	u32 done;
};

struct errand *errand_create(u32 times, errand_fn fn, errand_fn release, void *data);
void errand_destroy(struct errand *errand);
bool errand_go(struct errand *errand);
u32 errand_left(struct errand *errand);
void errand_view(struct errand *errand, struct errand_view *view);

void errand_saw_run(void *data);
void errand_saw_release(void *data);
bool errand_seen(const u64 *param);

KP_BUDGET("200 %, 30 instructions: a pair of tests, whose cost nobody looks at")
KP_OBJECT(struct errand, struct errand_view, errand_view)
KP_CREATE(errand_create, SLEEPS, KP_RESULT(struct errand *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, times, .lo = 1, .hi = ERRAND_TIMES, .beyond = true),
	  KP_CALLBACK(errand_fn, task, errand_saw_run, errand_saw_release,
		      .hi = ERRAND_TASKS - 1))
KP_DESTROY(errand_destroy, SLEEPS)
KP_METHOD(errand_go, PROCESS, KP_BOOL, .calls_back = true, .locks = "spinlock")
KP_METHOD(errand_left, PROCESS, KP_UNSIGNED(u32), .weight = 8, .locks = "spinlock")
KP_AFTER(released_once, errand_seen)

KP_TYPE(struct errand_view, left, done)

KP_INVARIANT(counted, lifetime,
	     "it goes as often as it was made for",
	     "what is left is taken under the lock",
	     op == ERRAND_GO, now->done == was->done + ret && now->left == was->left - ret)
KP_PROMISE(released_once, lifetime,
	   "the data is released once, also where no object was made",
	   "by the one of the two that ends")

#endif
