// SPDX-License-Identifier: GPL-2.0
/*
 * Two CPUs that take turns: one is stopped before a chosen instruction, and goes on when the other
 * one has done what it is to do.
 *
 * Under QEMU -icount all CPUs are emulated by one thread of the host, in turns that end when a
 * timer is due, and the clock counts instructions. So where a turn ends depends on the guest
 * alone, whatever else the host does, and interrupts that are disabled do not put it off: a timer
 * of CPU 1 stops that before the instruction that it would execute then, and CPU 0 is the first to
 * go on. CPU 1 gets its turn again where CPU 0 waits: pauses in a loop, or is idle.
 *
 * The operation of one thread, on CPU 1, begins so long before the timer is due that it is stopped
 * at a chosen instruction, and then the other thread, on CPU 0, carries out its own. In half of all
 * histories a second timer, of CPU 0, stops that one as well: CPU 1 goes on for as long as CPU 0
 * has run, and then, if CPU 0 can be interrupted, to the end of its operation.
 */
#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include "delay.h"
#include "draw.h"
#include "history.h"

/*
 * Instructions between the arming of the timer and its time: so many times what arming has taken
 * the last time. KCSAN makes that long, and now and then stalls it.
 */
#define AHEAD		5000U
#define AHEAD_MAX	40000U
#define TO_ARM		4
/* Clock event devices count in so many ns at most: one that is due at such a step comes there. */
#define STEP		16
/* Turns in which the aim is found out, and then each so many. */
#define AIMED		4
#define AIM_AGAIN	64
/* CPU 0 has no pause that near to its turn: it would give that away. */
#define NEAR		64
/*
 * About the instructions between such a wait and an operation: on CPU 1 that is measured. And some
 * before the operation and behind it.
 */
#define CALL		40
#define SPARE		16
/* Instructions of an operation that has not been measured yet. */
#define LENGTH		400
/* Waits of an interrupt for the other CPU, which may itself wait for what it has interrupted. */
#define WAITS		400

static bool turns;
module_param(turns, bool, 0444);
MODULE_PARM_DESC(turns, "CPUs take turns, of as many ns as they execute instructions");

static struct {
	struct hrtimer first;
	struct hrtimer second;
	u32 arrived[KP_COLUMNS];
	u32 armed;
	u32 aims;
	u64 due;
	u32 ahead;
	bool inside;
	u32 ended;
	s64 late;
	u32 lead;
	u32 grain;
	u32 length[KP_MAX_OPS];
	u32 longest[KP_MAX_OPS];
} turn;

/* What is interrupted on CPU 1 goes on when CPU 0 has had its turn. */
static enum hrtimer_restart stop(struct hrtimer *unused)
{
	return HRTIMER_NORESTART;
}

/* On CPU 0: have the operation of CPU 1 go on to its end. */
static enum hrtimer_restart let_go_on(struct hrtimer *unused)
{
	u32 ended = READ_ONCE(turn.ended), n;

	if (READ_ONCE(turn.inside))
		for (n = 0; n < WAITS && READ_ONCE(turn.ended) == ended; n++)
			cpu_relax();
	return HRTIMER_NORESTART;
}

/**
 * kp_turns_taken() - whether CPUs take turns
 *
 * Return: whether they do; else the host runs them as it can
 */
bool kp_turns_taken(void)
{
	return turns;
}

/* Nanoseconds of the kernel's clock are instructions. */
static void arm(struct hrtimer *timer, s64 instructions)
{
	hrtimer_start(timer, ns_to_ktime(max(instructions, 1)), HRTIMER_MODE_REL_PINNED_HARD);
}

/**
 * kp_turns_start() - get ready for turns
 */
void kp_turns_start(void)
{
	u32 i;

	hrtimer_setup(&turn.first, stop, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_setup(&turn.second, let_go_on, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	turn.armed = 0;
	turn.late = 0;
	turn.aims = AIMED;
	turn.lead = U32_MAX;
	turn.grain = AHEAD;
	turn.ahead = AHEAD;
	memset(turn.arrived, 0, sizeof(turn.arrived));
	for (i = 0; i < KP_MAX_OPS; i++) {
		turn.length[i] = LENGTH;
		turn.longest[i] = LENGTH;
	}
}

/**
 * kp_turns_stop() - undo kp_turns_start()
 *
 * Context: may sleep.
 */
void kp_turns_stop(void)
{
	hrtimer_cancel(&turn.first);
	hrtimer_cancel(&turn.second);
}

/**
 * kp_turns_draw() - draw the operations that meet, and where
 * @h: the history
 * @rnd: what is drawn from
 */
void kp_turns_draw(struct kp_history *h, struct kp_random *rnd)
{
	u32 i, nr[KP_COLUMNS] = {};

	h->turn.swap = kp_die(rnd, 2);
	h->turn.part = kp_die(rnd, KP_TURN_PARTS);
	h->turn.second = kp_die(rnd, 2) ? 1 + kp_die(rnd, KP_TURN_PARTS) : 0;
	h->turn.at = 0;
	for (i = 0; i < kp_beside(h); i++) {
		u32 c = kp_event_step(h, i)->column - 1;

		if (c < KP_COLUMNS && !kp_die(rnd, ++nr[c]))
			h->turn.event[c] = i;
	}
}

/**
 * kp_turns_set() - have the two operations of a history meet at one place
 * @h: the history; its threads have one operation each
 * @stopped: which of them is stopped, of 0 and 1
 * @at: before which instruction behind the wait before it
 * @second: what is drawn from where the other one is stopped as well; NULL if it is not
 */
void kp_turns_set(struct kp_history *h, u32 stopped, u32 at, struct kp_random *second)
{
	const u32 column = kp_event_step(h, stopped)->column - 1;

	h->turn = (struct kp_turn){ .at = at, .swap = column ^ 1 };
	h->turn.event[column] = stopped;
	h->turn.event[!column] = !stopped;
	if (second)
		h->turn.second = 1 + kp_die(second, KP_TURN_PARTS);
}

/**
 * kp_turns_length() - how many instructions an operation takes, as seen so far
 * @op: its number
 *
 * Return: the number; 0 if it has not been stopped yet
 */
u32 kp_turns_length(u32 op)
{
	return turn.length[op];
}

/**
 * kp_turns_aim() - have the next turns find out anew when a timer stops a CPU
 */
void kp_turns_aim(void)
{
	turn.aims = turn.arrived[0] + AIMED;
}

/*
 * A place in an operation, in instructions behind the wait before it: three of four within its
 * usual length, the others within that of a long call, as one that allocates.
 */
static u32 place(const struct kp_history *h, u32 event, u32 part, u32 lead)
{
	const u32 op = kp_event_step(h, event)->op;
	u32 length = part % 4 ? turn.length[op] : turn.longest[op];

	return lead + (length * 9ULL / 8 + SPARE) * part / KP_TURN_PARTS;
}

/* Instructions between the end of the wait on CPU 1 and the operation. */
static u32 lead(void)
{
	return turn.lead == U32_MAX ? CALL : turn.lead;
}

static bool finds_aim(const struct kp_history *h, u32 n)
{
	return n < turn.aims || (n % AIM_AGAIN == 0 && !h->turn.at);
}

/* Read the clock until CPU 0 has had its turn behind the time at which the timer was to be due. */
static void aim(u64 until)
{
	u64 last = kp_clock(), now, longest = 0;

	while ((s64)(until - last) > 0) {
		now = kp_clock();
		turn.grain = min_t(u64, turn.grain, now - last);
		if ((s64)(now - turn.due) > 0 && now - last > longest) {
			longest = now - last;
			turn.late = last - turn.due;
		}
		last = now;
	}
}

/**
 * kp_turns_begin() - a place shortly before the first one in an operation
 *
 * The aim may be too early by the time from one look at the clock to the next.
 *
 * Return: the place, as kp_turns_set() takes it; 0 if that is not known yet
 */
u32 kp_turns_begin(void)
{
	const u32 early = turn.grain + SPARE;

	return turn.lead == U32_MAX ? 0 : max(turn.lead, early + 1) - early;
}

/* Wait until a time; CPU 1 has its turn while that is not near. */
static void wait_until(u64 when)
{
	s64 left;

	while ((left = when - kp_clock()) > 0)
		if (left > NEAR)
			cpu_relax();
}

/*
 * Wait until a time, to the instruction but for turns of the other CPU: from one timer to the next
 * each CPU has half of the time, then half of what is left, and so on. Waiting takes a few
 * instructions in each. How many of these there are behind the last look at the clock depends on
 * how long before the time that is, which differs by the number of the turn: what is passed over
 * by that in one is met in another.
 */
static void wait_exactly(u64 when, u32 n)
{
	const s64 most = KP_DELAY >> hash_32(n, 2);
	s64 left;

	do {
		left = when - kp_clock();
	} while (left >= most);
	if (left > 0)
		kp_delay(left);
}

/* On CPU 0: arm the second timer, and wait until the first one is due. */
static void meet_on_first(const struct kp_history *h, u32 event, bool called, u32 n)
{
	u64 at;

	/* Pairs with the release by the other thread. */
	while (smp_load_acquire(&turn.armed) != n)
		cpu_relax();
	at = turn.due + (finds_aim(h, n) ? 0 : turn.late);
	if (!h->turn.second) {
		/* That of an earlier history. */
		hrtimer_try_to_cancel(&turn.second);
	} else {
		/* Of the time between the two, either CPU has half. */
		s64 left = at - kp_clock() + 2 * place(h, event, h->turn.second, CALL);

		arm(&turn.second, left);
	}
	wait_until(at);
	WRITE_ONCE(turn.inside, called);
}

/* On CPU 1: arm the first timer, and wait until shortly before it is due. */
static void meet_on_second(struct kp_history *h, u32 event, bool called, u32 n)
{
	const u32 at = h->turn.at ?: place(h, event, h->turn.part, lead());
	const u32 ahead = round_up(turn.ahead + at, STEP);
	const u64 begun = kp_clock();
	const u64 due = begun + ahead;

	turn.due = due;
	h->turn.waited = 0;
	arm(&turn.first, ahead);
	/* Pairs with the loop of the other thread. */
	smp_store_release(&turn.armed, n);
	turn.ahead = clamp(TO_ARM * (u32)(kp_clock() - begun), AHEAD, AHEAD_MAX);
	if (finds_aim(h, n)) {
		aim(due + turn.ahead);
	} else if (called) {
		h->turn.waited = due + turn.late - at;
		wait_exactly(h->turn.waited, n);
	}
}

/**
 * kp_turns_meet() - wait for the other thread, before one of two operations that meet
 * @h: the history
 * @cpu: the CPU, of 0 and 1
 * @event: the operation's event
 * @called: it is called
 *
 * Context: that of the operations, on that CPU.
 */
void kp_turns_meet(struct kp_history *h, u32 cpu, u32 event, bool called)
{
	const u32 n = turn.arrived[cpu] + 1;

	/* Pairs with the loop of the other thread. */
	smp_store_release(&turn.arrived[cpu], n);
	/* Pairs with the release there. */
	while (smp_load_acquire(&turn.arrived[!cpu]) != n)
		cpu_relax();
	if (cpu)
		meet_on_second(h, event, called, n);
	else
		meet_on_first(h, event, called, n);
}

/**
 * kp_turns_ended() - an operation has ended
 * @cpu: its CPU, of 0 and 1
 *
 * Context: that of the operations, on that CPU.
 */
void kp_turns_ended(u32 cpu)
{
	if (cpu)
		WRITE_ONCE(turn.ended, turn.ended + 1);
	else
		WRITE_ONCE(turn.inside, false);
}

/**
 * kp_turns_measure() - take down how long operations have taken
 * @h: the history; it has been carried out
 */
void kp_turns_measure(const struct kp_history *h)
{
	const u64 begun = h->event[h->turn.event[1 ^ h->turn.swap]].begun;
	u32 i;

	/* One that is stopped before it begins, or waited for too late, begins later. */
	if (h->turn.waited)
		turn.lead = min_t(u64, turn.lead + 1ULL, begun - h->turn.waited);
	for (i = 0; i < kp_beside(h); i++) {
		const struct kp_event *e = &h->event[i];
		const u32 op = kp_event_step(h, i)->op;
		u64 took = e->ended - e->begun;

		/* While CPU 0 carries out the one that meets, CPU 1 stands still. */
		if (!e->called || i == h->turn.event[1 ^ h->turn.swap] ||
		    (i == h->turn.event[h->turn.swap] && h->turn.second))
			continue;
		/* It may have been interrupted, or have slept. */
		turn.length[op] += ((s64)min(took, 2ULL * turn.length[op]) - turn.length[op]) / 4;
		turn.longest[op] = max_t(u64, min(took, 2ULL * turn.longest[op]),
					 turn.longest[op] - turn.longest[op] / 32);
	}
}
