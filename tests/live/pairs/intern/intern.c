// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/slab.h>
#include "contract.h"

struct interned {
	u32 key;
	struct intern *intern;
};

struct intern {
	atomic_t gets;
	atomic_t out;
	struct interned one[INTERN_KEYS];
};

struct intern *intern_create(void)
{
	struct intern *intern = kzalloc_obj(*intern);
	u32 key;

	if (!intern)
		return ERR_PTR(-ENOMEM);
	for (key = 0; key < INTERN_KEYS; key++)
		intern->one[key] = (struct interned){ key, intern };
	return intern;
}

void intern_destroy(struct intern *intern)
{
	/* Who destroys it while a handle is held has read the contract badly. */
	WARN_ON(atomic_read(&intern->out));
	kfree(intern);
}

struct interned *intern_get(struct intern *intern, u32 key)
{
	if (key >= INTERN_KEYS)
		return ERR_PTR(-EINVAL);
	atomic_inc(&intern->gets);
	atomic_inc(&intern->out);
	return &intern->one[key];
}

void intern_put(struct interned *interned)
{
	atomic_dec(&interned->intern->out);
}

struct interned *intern_larger(struct interned *mine, struct interned *other)
{
	return mine->key < other->key ? other : mine;
}

u32 intern_key(struct interned *interned)
{
	return interned->key;
}

void intern_view(struct intern *intern, struct intern_view *view)
{
	view->gets = atomic_read(&intern->gets);
}

void intern_show(struct interned *interned, struct interned_view *view)
{
	view->key = interned->key;
}
