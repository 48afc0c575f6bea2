// SPDX-License-Identifier: GPL-2.0
/*
 * Violations that case interrupt finds: made small, and told.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "interrupt.h"

#define TEXT_SIZE	4096
#define JSON_SIZE	65536

/*
 * Print what two operations gave, the interrupted one first, and the state behind both.
 * @first and @second have the results of the two; @order: the second one was called first.
 */
static void print_both(struct seq_buf *line, const struct kp_sweep *s, const struct kp_trace *first,
		       const struct kp_trace *second, bool order)
{
	u32 nr = s->prog->nr_steps, o = order ? nr - 1 : nr - 2, i = order ? nr - 2 : nr - 1;

	seq_buf_printf(line, "%s: ", kp_op_at(s, nr - 2)->name);
	kp_print_result(line, first, o, first);
	seq_buf_printf(line, "; %s: ", kp_op_at(s, nr - 1)->name);
	kp_print_result(line, second, i, second);
	if (s->p->pair->view_size) {
		seq_buf_puts(line, "; then");
		kp_print_view(line, second, second == s->inner ? s->ref[0] : s->inner);
	}
}

/* Whether the scene still goes wrong, near a position; where. */
static bool goes_wrong(struct kp_sweep *s, u32 near, struct kp_violation *v)
{
	u32 at, from = near - min(near, 3), came_at;

	for (at = from; at < from + 7; at++)
		if (kp_try_exactly(s, at, v, &came_at) && v->broken) {
			v->at = at;
			return true;
		}
	return false;
}

/* Whether a program that has been made smaller still goes wrong; where is in @v then. */
static bool still_wrong(struct kp_sweep *s, struct kp_violation *v)
{
	struct kp_violation now = {};

	kp_alive();
	/* Another fault is another violation. Where one never ends, nothing can be run again. */
	if (s->stuck || !kp_make_references(s) || !goes_wrong(s, v->at, &now) ||
	    strcmp(now.broken, v->broken))
		return false;
	*v = now;
	return true;
}

/* Leave out operations before the interrupted one, as long as it goes wrong; whether any was. */
static bool leave_out(struct kp_sweep *s, struct kp_violation *v, struct kp_step *kept)
{
	struct kp_step *step = s->prog->step;
	bool done = false;
	u32 i, nr;

	for (i = s->prog->nr_steps - 2; i--; ) {
		nr = s->prog->nr_steps;
		memcpy(kept, step, nr * sizeof(*step));
		memmove(&step[i], &step[i + 1], (nr - i - 1) * sizeof(*step));
		s->prog->nr_steps = nr - 1;
		s->prog->during = nr - 2;
		if (still_wrong(s, v)) {
			done = true;
			continue;
		}
		memcpy(step, kept, nr * sizeof(*step));
		s->prog->nr_steps = nr;
		s->prog->during = nr - 1;
	}
	return done;
}

/* A sweep whose program is made smaller, and where that goes wrong. */
struct smaller {
	struct kp_sweep *s;
	struct kp_violation *v;
};

static bool plain_still_wrong(void *data)
{
	struct smaller *smaller = data;

	return still_wrong(smaller->s, smaller->v);
}

/**
 * kp_violation_shrink() - make a program smaller, as long as it still goes wrong
 * @s: the sweep, whose @prog it is
 * @v: where it goes wrong; follows
 *
 * Context: may sleep.
 */
void kp_violation_shrink(struct kp_sweep *s, struct kp_violation *v)
{
	struct kp_step *kept = kvcalloc(KP_SCENE_STEPS + 2, sizeof(*kept), GFP_KERNEL);
	struct smaller smaller = { s, v };

	if (!kept)
		return;
	leave_out(s, v, kept);
	/* A smaller object is full with fewer operations. */
	do {
		kp_make_plain(s->p->pair, s->prog, plain_still_wrong, &smaller);
	} while (leave_out(s, v, kept));
	kvfree(kept);
	kp_make_references(s);
}

/* Whether C over C itself goes wrong in this scene, at any instruction. */
static bool reference_goes_wrong(struct kp_sweep *s)
{
	struct kp_violation v = {};
	const char *why;
	u32 at, length, came_at;

	s->path = KP_C_C;
	length = kp_length_of(s, &why);
	for (at = 0; at < length && !v.broken; at = came_at + 1) {
		if (!kp_try_exactly(s, at, &v, &came_at))
			came_at = at;
	}
	s->path = s->p->id;
	return v.broken;
}

/* Texts in which a violation is told: what either order gives, what the path gave, all of it. */
struct told {
	char order[2][TEXT_SIZE];
	char got[TEXT_SIZE];
	char all[2 * JSON_SIZE];
};

/* Print the program, what either order gives, and what the path gave. */
static void print_violation(struct kp_sweep *s, const struct kp_violation *v, struct told *told)
{
	u32 nr = s->prog->nr_steps, i;
	bool same = kp_op_at(s, nr - 2) == kp_op_at(s, nr - 1);
	struct seq_buf line;

	s->prog->observe = false;
	s->swapped.observe = false;
	for (i = 0; i < 2; i++) {
		seq_buf_init(&line, told->order[i], TEXT_SIZE);
		seq_buf_printf(&line, "%s%s first: ", kp_op_at(s, nr - 2 + i)->name,
			       i && same ? " inside" : "");
		print_both(&line, s, s->ref[i], s->ref[i], i);
		seq_buf_str(&line);
	}
	seq_buf_init(&line, told->got, TEXT_SIZE);
	kp_print_place(&line, v->ip, v->by);
	seq_buf_puts(&line, ": ");
	if (s->inner->nr == nr)
		print_both(&line, s, s->outer, s->inner, false);
	else
		seq_buf_puts(&line, v->broken);
	seq_buf_str(&line);
}

/**
 * kp_violation_tell() - fail with a scene that goes wrong: its program, and what it gives
 * @s: the sweep, whose @prog and @ref are of the scene
 * @v: where it goes wrong
 * @name: how to call the program
 *
 * Context: may sleep.
 */
void kp_violation_tell(struct kp_sweep *s, struct kp_violation *v, const char *name)
{
	const struct kp_pair *pair = s->p->pair;
	struct told *told = kvzalloc_obj(*told);
	u32 nr = s->prog->nr_steps;
	const char *reference = NULL;
	struct seq_buf line;

	if (!told) {
		KUNIT_FAIL(s->test, "no memory for a violation");
		return;
	}
	KUNIT_FAIL(s->test, "%s: %s interrupted by %s: %s", name, kp_op_at(s, nr - 2)->name,
		   kp_op_at(s, nr - 1)->name, v->broken);
	/* Where one never ends, nothing can be run again. */
	if (!s->stuck && s->path != KP_C_C && reference_goes_wrong(s))
		reference = "c->c itself goes wrong here";
	if (!s->stuck && !goes_wrong(s, v->at, v))
		v->broken = "it went wrong once, and not when it was run again";
	print_violation(s, v, told);
	seq_buf_init(&line, told->all, sizeof(told->all));
	kp_failure_beside(&line, pair, s->prog, &(struct kp_beside_told){
		.what = "interrupt", .step = s->prog->during,
		.orders = (const char *const[]){ told->order[0], told->order[1] },
		.nr_orders = 2, .got = told->got, .broken = v->broken, .reference = reference });
	kp_failure_add(s->test, name, max(v->times, 1), seq_buf_str(&line));
	seq_buf_clear(&line);
	kp_print_all(&line, pair, s->prog);
	seq_buf_printf(&line, "      %s\n      %s\n      %s\n", told->order[0], told->order[1],
		       told->got);
	if (reference)
		seq_buf_printf(&line, "      %s\n", reference);
	seq_buf_str(&line);
	kp_print_lines(s->test, told->all);
	kvfree(told);
}
