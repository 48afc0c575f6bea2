// SPDX-License-Identifier: GPL-2.0
/*
 * errand: counters that its callbacks report to.
 */
#include <linux/module.h>
#include "errand_glue.h"
#include "engine/suite.h"

static u32 runs[ERRAND_TASKS], releases[ERRAND_TASKS];

void errand_saw_run(void *data)
{
	runs[(uintptr_t)data % ERRAND_TASKS]++;
	kp_inside((uintptr_t)data);
}

void errand_saw_release(void *data)
{
	releases[(uintptr_t)data % ERRAND_TASKS]++;
}

bool errand_seen(const u64 *param)
{
	bool once = releases[param[1]] == 1 && runs[param[1]] <= ERRAND_TIMES;

	runs[param[1]] = 0;
	releases[param[1]] = 0;
	return once;
}

KP_SUITES(errand);
