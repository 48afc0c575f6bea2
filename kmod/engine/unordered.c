// SPDX-License-Identifier: GPL-2.0
/*
 * A history that no order of its operations explains: made small, and told, with the operations
 * of each thread in a column of its own.
 *
 * It does not go wrong each time. So a smaller one counts as wrong if it goes so within some
 * times as many runs as the one before took.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "history.h"

#define TEXT_SIZE	8192
#define JSON_SIZE	65536
/* Runs of a history until it has gone wrong again, and what making one small may take. */
#define RUNS		1000
#define SHRINKS_FOR	(kp_turns_taken() ? HZ / 4 : 2 * HZ)
/* Of a smaller one, this many times the runs that the last one took, and these at least. */
#define AS_MANY		4
#define RUNS_LEAST	100
/* Width of a column: of two, and of three. */
#define WIDTH		36
#define NARROW		28

/* Texts in which a history is told. */
struct told {
	char nearest[TEXT_SIZE];
	char got[TEXT_SIZE];
	char all[2 * JSON_SIZE];
};

/* The begin or the end of an operation, or of the callback that ran within it. */
struct moment {
	u64 when;
	u32 event;
	bool end;
	bool callback;
};

/* Begins and ends in the order of time; how many there are. */
static u32 moments(const struct kp_history *h, struct moment *m)
{
	const struct kp_event *e;
	u32 i, j, n = 0;

	for (i = 0; i < kp_beside(h); i++) {
		e = &h->event[i];
		if (!e->called)
			continue;
		m[n++] = (struct moment){ e->begun, i, false };
		m[n++] = (struct moment){ e->ended, i, true };
		if (!e->entered)
			continue;
		m[n++] = (struct moment){ e->entered, i, false, true };
		m[n++] = (struct moment){ e->returned, i, true, true };
	}
	for (i = 1; i < n; i++)
		for (j = i; j && (m[j - 1].when > m[j].when ||
				  (m[j - 1].when == m[j].when && m[j - 1].end && !m[j].end)); j--)
			swap(m[j - 1], m[j]);
	return n;
}

/* Whether a callback ran within an operation, or has some of its own. */
static bool calls_back(const struct kp_history *h)
{
	u32 i;

	for (i = 0; i < kp_beside(h); i++)
		if (h->event[i].entered)
			return true;
	return kp_of_callback(h->prog);
}

/* Print the results in columns, downwards in time. */
static void print_columns(struct seq_buf *s, const struct kp_history *h, char *room)
{
	const bool three = calls_back(h);
	const int width = three ? NARROW : WIDTH;
	struct moment m[2 * KP_ORDER_PLACES];
	u32 i, n = moments(h, m);
	struct seq_buf cell;

	seq_buf_printf(s, "%-*s", width, "thread 1");
	if (three)
		seq_buf_printf(s, "%-*s%s\n", width, "thread 2", "in the callback");
	else
		seq_buf_puts(s, "thread 2\n");
	for (i = 0; i < n; i++) {
		const u32 event = m[i].event;
		const u32 column = m[i].callback ? KP_INSIDE : kp_event_step(h, event)->column;

		seq_buf_init(&cell, room, TEXT_SIZE);
		if (!m[i].callback)
			seq_buf_puts(&cell, kp_event_op(h, event)->name);
		if (!m[i].end && i + 1 < n && m[i + 1].event == event &&
		    m[i + 1].callback == m[i].callback && !m[i].callback)
			continue;
		if (m[i].callback) {
			seq_buf_puts(&cell, m[i].end ? "(it returns)" : "(it is entered)");
		} else if (m[i].end) {
			seq_buf_puts(&cell, ": ");
			kp_print_result(&cell, kp_event_trace(h, event), h->before + event,
					kp_event_trace(h, event));
		} else {
			seq_buf_puts(&cell, " begins");
		}
		seq_buf_printf(s, "%*s%s\n", (column - 1) * width, "", seq_buf_str(&cell));
	}
	if (h->ip) {
		kp_print_place(s, h->ip, h->by);
		seq_buf_putc(s, '\n');
	}
	if (h->p->pair->view_size && !IS_ERR(h->obj)) {
		seq_buf_puts(s, "then");
		kp_print_view(s, h->ahead, h->ref->nr ? h->ref : h->ahead);
		seq_buf_putc(s, '\n');
	}
}

/*
 * Print what C over C gives for the order that explains most; in brackets what was carried out from
 * inside of a callback.
 */
static void print_nearest(struct seq_buf *s, struct kp_history *h)
{
	u32 i, n, at = h->before, outer = 0;
	bool within = false, first = true;

	if (!kp_run_nearest(h)) {
		seq_buf_puts(s, "none, as what is broken holds in any");
		return;
	}
	h->order.observe = false;
	for (i = 0; i < h->nr_nearest; i++) {
		const u32 event = h->nearest[i] & ~KP_RETURNS;
		const struct kp_trace *ref = within ? h->ref_inside : h->ref;

		if (h->nearest[i] & KP_RETURNS) {
			seq_buf_puts(s, first ? ": " : "): ");
			kp_print_result(s, h->ref, outer, h->ref);
			within = false;
			first = false;
			continue;
		}
		n = at++;
		if (within && first)
			seq_buf_puts(s, " (");
		seq_buf_printf(s, "%s%s", first ? "" : "; ", kp_event_op(h, event)->name);
		first = h->event[event].entered;
		if (first) {
			outer = n;
			within = true;
			continue;
		}
		seq_buf_puts(s, ": ");
		kp_print_result(s, ref, n, ref);
	}
	if (h->p->pair->view_size) {
		seq_buf_puts(s, "; then");
		kp_print_view(s, h->ref, h->ahead);
	}
}

/* Take down what a history gave, before it runs again. */
static void take_down(struct kp_history *h, struct told *told)
{
	struct seq_buf line;

	seq_buf_init(&line, told->nearest, TEXT_SIZE);
	print_nearest(&line, h);
	seq_buf_str(&line);
	seq_buf_init(&line, told->got, TEXT_SIZE);
	print_columns(&line, h, told->all);
	seq_buf_str(&line);
}

static void set_length(struct kp_batch *batch, u32 before, u32 nr)
{
	struct kp_program *prog = batch->h[0].prog;

	prog->nr_steps = nr;
	prog->columns = nr - before;
	kp_set_batch(batch, prog, before);
}

/* How far making small has come. */
struct smaller {
	struct kp_batch *batch;
	struct kp_step *kept;
	struct told *told;
	const char *broken;
	unsigned long end;
	u32 runs;
};

static bool still_wrong(void *data)
{
	struct smaller *s = data;
	struct kp_batch *batch = s->batch;
	struct kp_history *h = &batch->h[0];
	u32 runs;

	if (time_after(jiffies, s->end) || kp_history_unfit(h, h->prog) || !kp_one_by_one(h))
		return false;
	h = batch->again(batch, min(AS_MANY * s->runs + RUNS_LEAST, RUNS), &runs);
	/* Another fault is another failure. */
	if (!h || strcmp(h->broken, s->broken))
		return false;
	s->runs = max(s->runs, runs);
	s->broken = h->broken;
	take_down(h, s->told);
	return true;
}

/* Leave out some operations; put back if it does not go wrong then. */
static bool leave_out(struct kp_batch *batch, struct smaller *s, u32 at, u32 n)
{
	struct kp_program *prog = batch->h[0].prog;
	u32 before = batch->h[0].before, nr = prog->nr_steps;
	struct kp_step *step = prog->step;

	memcpy(s->kept, step, nr * sizeof(*step));
	memmove(&step[at], &step[at + n], (nr - at - n) * sizeof(*step));
	set_length(batch, at < before ? before - n : before, nr - n);
	if (still_wrong(s))
		return true;
	memcpy(step, s->kept, nr * sizeof(*step));
	set_length(batch, before, nr);
	return false;
}

/* Leave out operations as long as it goes wrong; whether any was. */
static bool leave_out_all(struct kp_batch *batch, struct smaller *s)
{
	const struct kp_history *h = &batch->h[0];
	const u32 nr = h->prog->nr_steps;
	u32 i, n;

	for (n = h->before; n; n /= 2)
		for (i = 0; i + n <= h->before; )
			if (!leave_out(batch, s, i, n))
				i += n;
	for (i = h->before; i < h->prog->nr_steps; )
		if (!leave_out(batch, s, i, 1))
			i++;
	return h->prog->nr_steps < nr;
}

static void shrink(struct kp_batch *batch, struct smaller *s)
{
	leave_out_all(batch, s);
	/* A smaller object is full with fewer operations. */
	do {
		kp_make_plain(batch->h[0].p->pair, batch->h[0].prog, still_wrong, s);
	} while (leave_out_all(batch, s));
}

/* Print a text of several lines, each behind some blanks. */
static void indent(struct seq_buf *s, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		seq_buf_printf(s, "      %.*s\n", (int)len, text);
		text += len + !!text[len];
	}
}

static void tell(struct kp_history *h, const char *name, struct told *told, const char *broken,
		 const char *note)
{
	const struct kp_pair *pair = h->p->pair;
	const char *const orders[] = { told->nearest };
	struct seq_buf line;

	KUNIT_FAIL(h->test, "%s: %s", name, broken);
	seq_buf_init(&line, told->all, sizeof(told->all));
	kp_failure_beside(&line, pair, h->prog,
			  &(struct kp_beside_told){ .what = "history", .orders = orders,
						    .nr_orders = 1, .got = told->got,
						    .broken = broken, .reference = note });
	kp_failure_add(h->test, name, 1, seq_buf_str(&line));
	seq_buf_clear(&line);
	kp_print_all(&line, pair, h->prog);
	indent(&line, told->got);
	seq_buf_printf(&line, "      nearest order on c->c: %s\n", told->nearest);
	if (note)
		seq_buf_printf(&line, "      %s\n", note);
	seq_buf_str(&line);
	kp_print_lines(h->test, told->all);
}

/* Whether C over C goes wrong in the same way. */
static bool reference_goes_wrong(struct kp_batch *batch)
{
	struct kp_history *h;
	bool wrong;
	u32 runs;

	for (h = batch->h; h < batch->h + batch->size; h++)
		h->path = KP_C_C;
	batch->end = jiffies + SHRINKS_FOR;
	wrong = batch->again(batch, RUNS, &runs);
	for (h = batch->h; h < batch->h + batch->size; h++)
		h->path = h->p->id;
	return wrong;
}

/**
 * kp_unordered() - fail with a history that no order explains
 * @batch: the histories
 * @h: the one of them, which has been carried out so; made small
 * @name: how to call it
 *
 * Context: may sleep, between kp_columns_start() and kp_columns_stop().
 */
void kp_unordered(struct kp_batch *batch, struct kp_history *h, const char *name)
{
	struct told *told = kvzalloc_obj(*told);
	struct smaller s = {
		.batch = batch, .told = told, .broken = h->broken, .end = jiffies + SHRINKS_FOR,
	};
	const char *note = NULL;
	char once[64];

	s.kept = kvcalloc(KP_HISTORY_STEPS, sizeof(*s.kept), GFP_KERNEL);
	if (!told || !s.kept) {
		KUNIT_FAIL(h->test, "%s: %s; no memory to tell of it", name, h->broken);
		goto out;
	}
	take_down(h, told);
	kp_set_batch(batch, h->prog, h->before);
	batch->end = s.end;
	if (batch->stuck) {
		note = "ended there";
	} else if (batch->again(batch, RUNS, &s.runs)) {
		shrink(batch, &s);
		if (h->path != KP_C_C && reference_goes_wrong(batch))
			note = "c->c itself goes wrong here";
	} else {
		scnprintf(once, sizeof(once), "it went wrong once, and in none of %u more runs",
			  s.runs);
		note = once;
	}
	tell(h, name, told, s.broken, note);
	kp_reset_batch(batch);
out:
	kvfree(s.kept);
	kvfree(told);
}
