/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What case ordering has counted, for the host.
 */
#ifndef _KPARITY_ORDER_H
#define _KPARITY_ORDER_H

struct kp_pair;
struct seq_file;

void kp_orderings_show(struct seq_file *seq, const struct kp_pair *pair);

#endif
