// SPDX-License-Identifier: GPL-2.0
/*
 * parcel in C.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "contract.h"

int parcel_sum(const void __user *data, u32 size, u32 *sum)
{
	u8 bytes[PARCEL_MAX];
	u32 i, total = 0;

	if (size > sizeof(bytes))
		return -EMSGSIZE;
	if (copy_from_user(bytes, data, size))
		return -EFAULT;
	for (i = 0; i < size; i++)
		total += bytes[i];
	*sum = total;
	return 0;
}

ssize_t parcel_fill(void __user *buf, size_t size, u8 byte)
{
	u8 bytes[32];

	memset(bytes, byte, sizeof(bytes));
	size = min(size, sizeof(bytes));
	return copy_to_user(buf, bytes, size) ? -EFAULT : size;
}

ssize_t parcel_move(void __user *to, size_t room, const void __user *from, size_t size)
{
	u8 bytes[PARCEL_MAX];

	if (size > room)
		return -EMSGSIZE;
	if (copy_from_user(bytes, from, size) || copy_to_user(to, bytes, size))
		return -EFAULT;
	return size;
}
