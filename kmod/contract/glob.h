/* SPDX-License-Identifier: GPL-2.0 */
/*
 * glob: glob_match() of lib/glob.c, which holds a text against a shell pattern.
 */
#ifndef _KPARITY_GLOB_H
#define _KPARITY_GLOB_H

#include <linux/glob.h>
#include "contract/kparity.h"

KP_FUNCTION(glob_match, ANY, KP_BOOL,
	    KP_TEXT(pat, .of = "ab]!-*?[\\", .max = 12,
		    .parts = KP_PARTS("[a-b]", "[!a]", "[]", "[!]-a]", "\\", "*", "**")),
	    KP_TEXT(str, .of = "abc]-[\xff", .max = 12),
	    .budget = "110 %: C's texts are counted first; a slice is checked at each step")

/* What make coverage finds no program for, and why. */
KP_ONE_WAY("glob.rs: return matches!(pattern.get(at..), Some([] | [...",
	   "the place is never beyond the end of the pattern")

#endif
