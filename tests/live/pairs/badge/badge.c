// SPDX-License-Identifier: GPL-2.0
/*
 * badge in C.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "contract.h"

struct badge {
	spinlock_t lock; /* of left */
	u32 left;
	u32 flags;
	u32 serial;
	u32 size;
	u32 table_size;
	char name[BADGE_NAME + 1];
	u8 table[BADGE_TABLE];
	u8 data[BADGE_DATA];
};

struct badge *badge_create(const char *name, const u8 *table, u32 table_size,
			   const void __user *data, size_t data_size,
			   const struct badge_options *options, u32 *serial)
{
	size_t len = strlen(name);
	struct badge *badge;
	int err = -ENOMEM;

	if (!len || !options->uses || options->uses > BADGE_USES ||
	    options->flags & ~(BADGE_LOUD | BADGE_SHORT))
		return ERR_PTR(-EINVAL);
	if (len > BADGE_NAME)
		return ERR_PTR(-ENAMETOOLONG);
	if (data_size > BADGE_DATA || table_size > BADGE_TABLE)
		return ERR_PTR(-EMSGSIZE);
	badge = kzalloc_obj(*badge);
	if (!badge)
		goto fail;
	err = -EFAULT;
	if (copy_from_user(badge->data, data, data_size))
		goto fail;
	err = -EOVERFLOW;
	if (*serial == U32_MAX)
		goto fail;
	spin_lock_init(&badge->lock);
	memcpy(badge->name, name, len);
	memcpy(badge->table, table, table_size);
	badge->table_size = table_size;
	badge->size = data_size;
	badge->left = options->uses;
	badge->flags = options->flags;
	badge->serial = (*serial)++;
	return badge;
fail:
	kfree(badge);
	return ERR_PTR(err);
}

void badge_destroy(struct badge *badge)
{
	kfree(badge);
}

bool badge_is(struct badge *badge, const char *name)
{
	return !strcmp(badge->name, name);
}

int badge_use(struct badge *badge, u8 at)
{
	int ret = -ENOSPC;

	if (at >= badge->size)
		return -ERANGE;
	spin_lock(&badge->lock);
	if (badge->left) {
		badge->left--;
		ret = badge->data[at];
	}
	spin_unlock(&badge->lock);
	return ret;
}

static u32 sum(const void *from, u32 size)
{
	const u8 *at = from;
	u32 total = size;

	while (size--)
		total = total * 31 + *at++;
	return total;
}

void badge_view(struct badge *badge, struct badge_view *view)
{
	view->name = sum(badge->name, strlen(badge->name));
	view->table = sum(badge->table, badge->table_size);
	view->data = sum(badge->data, badge->size);
	view->size = badge->size;
	view->flags = badge->flags;
	view->serial = badge->serial;
	view->tail[0] = badge->size > 1 ? badge->data[badge->size - 2] : -1;
	view->tail[1] = badge->size ? badge->data[badge->size - 1] : -1;
	spin_lock(&badge->lock);
	view->left = badge->left;
	spin_unlock(&badge->lock);
}
