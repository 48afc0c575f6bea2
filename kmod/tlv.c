// SPDX-License-Identifier: GPL-2.0
/*
 * tlv in C. See contract/tlv.h.
 */
#include <linux/align.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "contract/tlv.h"

/**
 * struct tlv_slot - the payload that a table holds of one type
 * @present: whether it is set; a payload may be empty
 * @len: bytes of @data in use; what is behind them is old
 * @data: the payload
 */
struct tlv_slot {
	bool present;
	u8 len;
	u8 data[TLV_PAYLOAD_MAX];
};

/**
 * struct tlv - the C definition
 * @limit: the longest payload; constant
 * @lock: taken by every operation, never around user memory
 * @count: number of slots that are present
 * @slot: one a type
 */
struct tlv {
	u32 limit;
	struct mutex lock; /* protects count and slot */
	u32 count;
	struct tlv_slot slot[TLV_TYPES];
};

struct tlv *tlv_create(u32 limit)
{
	struct tlv *tlv;

	if (!limit || limit > TLV_PAYLOAD_MAX)
		return ERR_PTR(-EINVAL);
	tlv = kzalloc_obj(*tlv);
	if (!tlv)
		return ERR_PTR(-ENOMEM);
	mutex_init(&tlv->lock);
	tlv->limit = limit;
	return tlv;
}

void tlv_destroy(struct tlv *tlv)
{
	mutex_destroy(&tlv->lock);
	kfree(tlv);
}

/*
 * Find the last attribute of each type in a message that is in kernel memory,
 * aligned to TLV_ALIGN. The attributes in @found point into the message.
 */
static int tlv_parse(const struct tlv *tlv, const u8 *msg, u32 len,
		     const struct tlv_attr *found[TLV_TYPES])
{
	const struct tlv_attr *attr;
	u32 at, rest;

	for (at = 0; at < len; at += ALIGN(attr->len, TLV_ALIGN)) {
		attr = (const struct tlv_attr *)(msg + at);
		rest = len - at;
		if (rest < sizeof(*attr) || attr->len < sizeof(*attr) ||
		    attr->len > rest)
			return -EINVAL;
		if (attr->type >= TLV_TYPES)
			return -EOPNOTSUPP;
		if (attr->len - sizeof(*attr) > tlv->limit)
			return -ERANGE;
		found[attr->type] = attr;
	}
	return 0;
}

/* Copy what has been found into the table. Cannot fail. */
static int tlv_commit(struct tlv *tlv,
		      const struct tlv_attr *const found[TLV_TYPES])
{
	u32 type;
	int set = 0;

	mutex_lock(&tlv->lock);
	for (type = 0; type < TLV_TYPES; type++) {
		const struct tlv_attr *attr = found[type];
		struct tlv_slot *slot = &tlv->slot[type];

		if (!attr)
			continue;
		slot->len = attr->len - sizeof(*attr);
		memcpy(slot->data, attr + 1, slot->len);
		tlv->count += !slot->present;
		slot->present = true;
		set++;
	}
	mutex_unlock(&tlv->lock);
	return set;
}

int tlv_set(struct tlv *tlv, const void __user *msg, u32 len)
{
	const struct tlv_attr *found[TLV_TYPES] = {};
	u8 copy[TLV_MSG_MAX] __aligned(TLV_ALIGN);
	int err;

	if (len > sizeof(copy))
		return -EMSGSIZE;
	/* The only look at user memory: what is checked is what is used. */
	if (copy_from_user(copy, msg, len))
		return -EFAULT;
	err = tlv_parse(tlv, copy, len, found);
	return err ?: tlv_commit(tlv, found);
}

int tlv_get(struct tlv *tlv, u32 type, void __user *buf, u32 room)
{
	struct {
		struct tlv_attr attr;
		u8 data[TLV_PAYLOAD_MAX];
	} reply = {};
	const struct tlv_slot *slot;
	u32 len;

	if (type >= TLV_TYPES)
		return -EINVAL;
	slot = &tlv->slot[type];
	mutex_lock(&tlv->lock);
	if (!slot->present) {
		mutex_unlock(&tlv->lock);
		return -ENOENT;
	}
	reply.attr.len = sizeof(reply.attr) + slot->len;
	reply.attr.type = type;
	memcpy(reply.data, slot->data, slot->len);
	mutex_unlock(&tlv->lock);

	len = ALIGN(reply.attr.len, TLV_ALIGN);
	if (len > room)
		return -EMSGSIZE;
	if (copy_to_user(buf, &reply, len))
		return -EFAULT;
	return len;
}

u32 tlv_clear(struct tlv *tlv)
{
	u32 type, count;

	mutex_lock(&tlv->lock);
	for (type = 0; type < TLV_TYPES; type++)
		tlv->slot[type].present = false;
	count = tlv->count;
	tlv->count = 0;
	mutex_unlock(&tlv->lock);
	return count;
}

u32 tlv_count(struct tlv *tlv)
{
	u32 count;

	mutex_lock(&tlv->lock);
	count = tlv->count;
	mutex_unlock(&tlv->lock);
	return count;
}

void tlv_view(struct tlv *tlv, struct tlv_view *view)
{
	u32 type, i;

	view->limit = tlv->limit;
	view->digest = TLV_DIGEST;
	mutex_lock(&tlv->lock);
	view->count = tlv->count;
	for (type = 0; type < TLV_TYPES; type++) {
		const struct tlv_slot *slot = &tlv->slot[type];

		if (!slot->present)
			continue;
		view->present |= BIT(type);
		view->len[type] = slot->len;
		for (i = 0; i < slot->len; i++)
			view->digest = (view->digest ^ slot->data[i]) *
				       TLV_DIGEST_PRIME;
	}
	mutex_unlock(&tlv->lock);
}
