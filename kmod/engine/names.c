// SPDX-License-Identifier: GPL-2.0
/*
 * Names of functions by their address. Of a mangled one of Rust's (v0, RFC 2603) the
 * identifiers are printed, with :: between them: the crate first, then modules and types.
 */
#include <linux/ctype.h>
#include <linux/kallsyms.h>
#include <linux/minmax.h>
#include <linux/seq_buf.h>
#include <linux/string.h>
#include "engine.h"

/* Behind a number to base 62, as those that tell crates apart and refer back are. */
static const char *behind_number(const char *at)
{
	while (isalnum(*at))
		at++;
	return *at == '_' ? at + 1 : at;
}

static void print_identifiers(struct seq_buf *s, const char *at)
{
	bool first = true;
	u32 len;

	while (isalnum(*at)) {
		if (*at == 's' || *at == 'B') {
			at = behind_number(at + 1);
		} else if (isdigit(*at)) {
			for (len = 0; isdigit(*at); at++)
				len = 10 * len + *at - '0';
			at += *at == '_';
			len = min(len, strlen(at));
			seq_buf_printf(s, "%s%.*s", first ? "" : "::", (int)len, at);
			first = false;
			at += len;
		} else {
			at++;
		}
	}
	seq_buf_puts(s, at);
}

/**
 * kp_print_function() - print the function that an address is in, and its module
 * @s: where to
 * @at: the address
 */
void kp_print_function(struct seq_buf *s, unsigned long at)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(name, at);
	if (str_has_prefix(name, "_R"))
		print_identifiers(s, name + 2);
	else
		seq_buf_puts(s, name);
}
