/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Contended blocks of lane time: what time.c asks of contended.c.
 */
#ifndef _KPARITY_CONTENDED_H
#define _KPARITY_CONTENDED_H

#include <linux/cache.h>
#include <linux/completion.h>
#include "engine.h"

/** define KP_HALVES - who carries out which role: the timed CPU the first one, or the second */
#define KP_HALVES	2

/** define KP_RUNS - runs of a block: of each side two */
#define KP_RUNS		4

/**
 * struct kp_contended - a thread on another CPU, and what it carries out beside timed programs
 * @pair: the pair
 * @steps: operations of the timed CPU in a program; those of the other one come behind them
 * @may: whether the contract lets operations of the two run beside each other, by half
 * @prog: the programs, by half; @nr_steps has those of the timed CPU alone
 * @run: room for the traces of a block
 * @other: the trace of the other CPU
 * @call: room for its calls
 * @task: the thread, or NULL
 * @mm: user memory that it has
 * @obj: the object
 * @go: it is to begin, or to end for good if @quit
 * @begun: it has carried out some operations
 * @ended: it uses the object no more
 * @gone: it has ended for good
 * @quit: it is to end for good
 * @stop: it is to leave the object
 * @done: operations that it has carried out on it
 */
struct kp_contended {
	const struct kp_pair *pair;
	u32 steps;
	bool may[KP_HALVES];
	struct kp_program *prog[KP_HALVES];
	struct kp_trace *run[KP_RUNS];
	struct kp_trace *other;
	struct kp_call *call;
	struct task_struct *task;
	struct mm_struct *mm;
	void *obj;
	struct completion go;
	struct completion begun;
	struct completion ended;
	struct completion gone;
	bool quit;
	/* The timed CPU writes the one, and the other CPU the next one, at each operation. */
	bool stop ____cacheline_aligned;
	u32 done ____cacheline_aligned;
};

struct kp_contended *kp_contended_alloc(const struct kp_pair *pair,
					const struct kp_program *valid, u32 steps);
void kp_contended_free(struct kp_contended *c);
int kp_contended_start(struct kp_contended *c, u32 cpu);
void kp_contended_stop(struct kp_contended *c);
bool kp_contended_enter(struct kp_contended *c, u32 half, enum kp_path_id path, void *obj);
const char *kp_contended_leave(struct kp_contended *c);

#endif
