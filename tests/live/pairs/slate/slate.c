// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include "contract.h"

struct slate {
	spinlock_t lock; /* protects all below */
	u32 size;
	u32 used;
	enum slate_kind kind;
	u8 text[SLATE_MAX];
};

struct slate *slate_create(u32 size, enum slate_kind kind)
{
	struct slate *slate;

	if (!size || size > SLATE_MAX || (kind != SLATE_PLAIN && kind != SLATE_UPPER))
		return ERR_PTR(-EINVAL);
	slate = kzalloc_obj(*slate);
	if (!slate)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&slate->lock);
	slate->size = size;
	slate->kind = kind;
	return slate;
}

void slate_destroy(struct slate *slate)
{
	kfree(slate);
}

u8 slate_upper(u8 c)
{
	return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}

/* Write one character, for which there is room; the lock is held. */
static void slate_put_locked(struct slate *slate, u8 c)
{
	slate->text[slate->used++] = slate->kind == SLATE_UPPER ? slate_upper(c) : c;
}

int slate_put(struct slate *slate, u8 c)
{
	int err = -ENOSPC;

	spin_lock(&slate->lock);
	if (slate->used < slate->size) {
		slate_put_locked(slate, c);
		err = 0;
	}
	spin_unlock(&slate->lock);
	return err;
}

int slate_write(struct slate *slate, const char *text)
{
	size_t i, len = strlen(text);
	int ret = -ENOSPC;

	spin_lock(&slate->lock);
	if (len <= slate->size - slate->used) {
		for (i = 0; i < len; i++)
			slate_put_locked(slate, text[i]);
		ret = slate->used;
	}
	spin_unlock(&slate->lock);
	return ret;
}

int slate_read(struct slate *slate, u8 *to, u32 size)
{
	int ret = -ENODATA;

	spin_lock(&slate->lock);
	if (slate->used) {
		ret = min(size, slate->used);
		memcpy(to, slate->text, ret);
		slate->used -= ret;
		memmove(slate->text, slate->text + ret, slate->used);
	}
	spin_unlock(&slate->lock);
	return ret;
}

bool slate_find(struct slate *slate, u8 what, u32 *first, u32 *last)
{
	bool found = false;
	u32 i;

	spin_lock(&slate->lock);
	for (i = 0; i < slate->used; i++) {
		if (slate->text[i] != what)
			continue;
		if (!found)
			*first = i;
		*last = i;
		found = true;
	}
	spin_unlock(&slate->lock);
	return found;
}

void slate_cut(struct slate *slate, u32 *nr)
{
	spin_lock(&slate->lock);
	*nr = min(*nr, slate->used);
	slate->used -= *nr;
	spin_unlock(&slate->lock);
}

void slate_view(struct slate *slate, struct slate_view *view)
{
	u32 i;

	spin_lock(&slate->lock);
	view->size = slate->size;
	view->used = slate->used;
	view->kind = slate->kind;
	for (i = 0; i < slate->used; i++)
		view->sum = view->sum * 31 + slate->text[i];
	spin_unlock(&slate->lock);
}
