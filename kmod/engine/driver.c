// SPDX-License-Identifier: GPL-2.0
/*
 * The four paths of a pair, as the engine uses them: hand-written drivers carry out
 * a program themselves, others are a table of calls.
 */
#include <linux/err.h>
#include <linux/module.h>
#include "engine.h"

/**
 * kp_create() - make an object on one path
 * @pair: the pair
 * @path: the path
 * @param: a program's parameters
 *
 * Context: may sleep.
 * Return: the object, to be released with kp_destroy(); NULL for a pair of
 *         functions; an ERR_PTR on failure
 */
void *kp_create(const struct kp_pair *pair, enum kp_path_id path, const u64 *param)
{
	const struct kp_driver *driver = pair->path[path];

	return driver->create ? driver->create(param) : NULL;
}
EXPORT_SYMBOL_GPL(kp_create);

/**
 * kp_destroy() - release an object
 * @pair: the pair
 * @path: the path
 * @obj: what kp_create() returned for it, and no error
 *
 * Context: may sleep.
 */
void kp_destroy(const struct kp_pair *pair, enum kp_path_id path, void *obj)
{
	const struct kp_driver *driver = pair->path[path];

	if (driver->destroy)
		driver->destroy(obj);
}
EXPORT_SYMBOL_GPL(kp_destroy);

/**
 * kp_run() - carry out a program on an object
 * @pair: the pair
 * @path: the path
 * @obj: the object
 * @prog: the program
 * @trace: where results go; started for this program
 *
 * Context: that of the operations.
 */
void kp_run(const struct kp_pair *pair, enum kp_path_id path, void *obj,
	    const struct kp_program *prog, struct kp_trace *trace)
{
	const struct kp_driver *driver = pair->path[path];

	if (driver->run)
		driver->run(obj, prog, trace);
	else
		kp_calls_run(pair, path, obj, prog, trace);
}
EXPORT_SYMBOL_GPL(kp_run);
