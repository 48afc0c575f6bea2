/* SPDX-License-Identifier: GPL-2.0 */
/*
 * parcel: functions that read user memory and fill it.
 */
#include <linux/types.h>
#include "contract/kparity.h"

#define PARCEL_MAX	64

int parcel_sum(const void __user *data, u32 size, u32 *sum);
ssize_t parcel_fill(void __user *buf, size_t size, u8 byte);
ssize_t parcel_move(void __user *to, size_t room, const void __user *from, size_t size);

KP_BUDGET("700 %, 200 instructions: a pair of tests, whose cost nobody looks at")
KP_FUNCTION(parcel_sum, SLEEPS, KP_ERRNO(-EMSGSIZE, -EFAULT),
	    KP_USER_BYTES(data, u32, .max = PARCEL_MAX, .beyond = true, .once = true),
	    KP_OUTPUT(u32, sum))
KP_FUNCTION(parcel_fill, SLEEPS, KP_RESULT(ssize_t, -EFAULT),
	    KP_USER_BUFFER(buf, size_t, .max = 40),
	    KP_NUMBER(u8, byte))
KP_FUNCTION(parcel_move, SLEEPS, KP_RESULT(ssize_t, -EMSGSIZE, -EFAULT),
	    KP_USER_BUFFER(to, size_t, .max = PARCEL_MAX),
	    KP_USER_BYTES(from, size_t, .max = PARCEL_MAX, .once = true))
