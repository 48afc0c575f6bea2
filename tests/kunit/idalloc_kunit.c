// SPDX-License-Identifier: GPL-2.0
/*
 * idalloc: table of operations, C callers, and the suite.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include "contract/idalloc.h"
#include "engine/engine.h"

#define KP_PAIR		idalloc
#define KP_CONTRACT	"contract/idalloc.h"
#include "contract/records.h"

static const struct kp_pair idalloc_pair;

static void call_noop(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = 0;
}

static void call_alloc(const void *ops, void *obj, const u64 *arg,
		       struct kp_result *res)
{
	res->ret = ((const struct idalloc_ops *)ops)->alloc(obj);
}

static void call_free(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = ((const struct idalloc_ops *)ops)->free(obj, arg[0]);
}

static void call_used(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = ((const struct idalloc_ops *)ops)->used(obj, arg[0]);
}

/*
 * Ids are drawn from the range that a program fills, so that most frees hit;
 * the top of the range is beyond every limit.
 */
static const struct kp_op idalloc_op[] = {
	[IDALLOC_NOOP] = { .name = "noop", .weight = 4, .call = call_noop },
	[IDALLOC_ALLOC] = {
		.name = "alloc", .weight = 16, .call = call_alloc,
		.errnos = KP_ERRNOS(-ENOSPC, -ENOMEM),
	},
	[IDALLOC_FREE] = {
		.name = "free", .weight = 10, .call = call_free,
		.arg = { { "id", 0, 160 } },
		.errnos = KP_ERRNOS(-EINVAL, -ENOENT),
	},
	[IDALLOC_USED] = {
		.name = "used", .weight = 6, .call = call_used,
		.arg = { { "id", 0, 160 } },
		.errnos = KP_ERRNOS(-EINVAL),
	},
};

static struct idalloc *idalloc_create(const struct idalloc_ops *ops,
				      const u64 *param)
{
	return ops->create(param[0]);
}

KP_C_DRIVER(idalloc_c_over_c, idalloc, idalloc_c);
KP_C_DRIVER(idalloc_c_over_rust, idalloc, idalloc_rust);

static struct kp_stats idalloc_stats;

static const struct kp_pair idalloc_pair = {
	.name = "idalloc",
	.param = { { "limit", 0, 150 } },
	.op = idalloc_op,
	.nr_ops = ARRAY_SIZE(idalloc_op),
	.invariant = idalloc_invariants,
	.nr_invariants = ARRAY_SIZE(idalloc_invariants),
	.view_size = sizeof(struct idalloc_view),
	.path = {
		[KP_C_C] = &idalloc_c_over_c,
		[KP_C_RUST] = &idalloc_c_over_rust,
		[KP_RUST_C] = &idalloc_rust_over_c,
		[KP_RUST_RUST] = &idalloc_rust_over_rust,
	},
	.stats = &idalloc_stats,
};

KP_SUITES(idalloc);
