// SPDX-License-Identifier: GPL-2.0
/*
 * ring: table of operations, C callers, and the suite.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include "contract/ring.h"
#include "engine/engine.h"

#define KP_PAIR		ring
#define KP_CONTRACT	"contract/ring.h"
#include "contract/records.h"

static const struct kp_pair ring_pair;

static void call_noop(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = 0;
}

static void call_push(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = ((const struct ring_ops *)ops)->push(obj, arg[0]);
}

static void call_pop(const void *ops, void *obj, const u64 *arg,
		     struct kp_result *res)
{
	res->ret = ((const struct ring_ops *)ops)->pop(obj, &res->out);
}

static void call_peek(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = ((const struct ring_ops *)ops)->peek(obj, &res->out);
}

static void call_len(const void *ops, void *obj, const u64 *arg,
		     struct kp_result *res)
{
	res->ret = ((const struct ring_ops *)ops)->len(obj);
}

static const struct kp_op ring_op[] = {
	[RING_NOOP] = { .name = "noop", .weight = 4, .call = call_noop },
	[RING_PUSH] = {
		.name = "push", .weight = 12, .call = call_push,
		.arg = { { "value", 0, U64_MAX } },
		.errnos = KP_ERRNOS(-ENOSPC),
	},
	[RING_POP] = {
		.name = "pop", .weight = 10, .call = call_pop,
		.errnos = KP_ERRNOS(-ENODATA),
	},
	[RING_PEEK] = {
		.name = "peek", .weight = 4, .call = call_peek,
		.errnos = KP_ERRNOS(-ENODATA),
	},
	[RING_LEN] = { .name = "len", .weight = 4, .call = call_len },
};

static struct ring *ring_create(const struct ring_ops *ops, const u64 *param)
{
	return ops->create(param[0]);
}

KP_C_DRIVER(ring_c_over_c, ring, ring_c);
KP_C_DRIVER(ring_c_over_rust, ring, ring_rust);

static struct kp_stats ring_stats;

static const struct kp_pair ring_pair = {
	.name = "ring",
	.param = { { "capacity", 0, 11, .log2 = true } },
	.op = ring_op,
	.nr_ops = ARRAY_SIZE(ring_op),
	.invariant = ring_invariants,
	.nr_invariants = ARRAY_SIZE(ring_invariants),
	.view_size = sizeof(struct ring_view),
	.path = {
		[KP_C_C] = &ring_c_over_c,
		[KP_C_RUST] = &ring_c_over_rust,
		[KP_RUST_C] = &ring_rust_over_c,
		[KP_RUST_RUST] = &ring_rust_over_rust,
	},
	.stats = &ring_stats,
};

KP_SUITES(ring);
