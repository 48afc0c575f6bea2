/* SPDX-License-Identifier: GPL-2.0 */
/* CHANGE: lru: counts the bits of a number. */
#include <linux/types.h>
#include "contract/kparity.h"

/* CHANGE: the C side's prototype, or the header that has it in place of this line. */
unsigned int lru(u32 value);

/* CHANGE: a row for each function; Documentation/contract.md has the words. */
KP_FUNCTION(lru, ANY, KP_UNSIGNED(unsigned int),
	    KP_NUMBER(u32, value))
