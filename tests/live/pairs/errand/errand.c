// SPDX-License-Identifier: GPL-2.0
/*
 * errand in C.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "contract.h"

struct errand {
	spinlock_t lock; /* of left and done */
	u32 left;
	u32 done;
	errand_fn fn;
	errand_fn release;
	void *data;
};

struct errand *errand_create(u32 times, errand_fn fn, errand_fn release, void *data)
{
	struct errand *errand;
	int err = -EINVAL;

	if (!times || times > ERRAND_TIMES)
		goto refuse;
	err = -ENOMEM;
	errand = kzalloc_obj(*errand);
	if (!errand)
		goto refuse;
	spin_lock_init(&errand->lock);
	errand->left = times;
	errand->fn = fn;
	errand->release = release;
	errand->data = data;
	return errand;
refuse:
	release(data);
	return ERR_PTR(err);
}

void errand_destroy(struct errand *errand)
{
	errand->release(errand->data);
	kfree(errand);
}

bool errand_go(struct errand *errand)
{
	bool goes;

	spin_lock(&errand->lock);
	goes = errand->left;
	errand->left -= goes;
	errand->done += goes;
	spin_unlock(&errand->lock);
	if (goes)
		errand->fn(errand->data);
	return goes;
}

u32 errand_left(struct errand *errand)
{
	u32 left;

	spin_lock(&errand->lock);
	left = errand->left;
	spin_unlock(&errand->lock);
	return left;
}

void errand_view(struct errand *errand, struct errand_view *view)
{
	spin_lock(&errand->lock);
	view->left = errand->left;
	view->done = errand->done;
	spin_unlock(&errand->lock);
}
