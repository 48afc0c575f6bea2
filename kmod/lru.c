// SPDX-License-Identifier: GPL-2.0
/* CHANGE: the C side; remove the file if the kernel exports the function. */
#include <linux/bitops.h>
#include "contract/lru.h"

unsigned int lru(u32 value)
{
	return hweight32(value);
}
