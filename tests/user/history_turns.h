/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two CPUs that take turns, for system calls: kmod/engine/turns.c says what a turn is, and how one
 * ends before a chosen instruction. Here a process's POSIX timer ends it. Its signal is ignored,
 * so that no call is interrupted by that.
 *
 * The call of one process, on CPU 1, begins so long before its timer is due that it is stopped at
 * a chosen instruction, and then the other process, on CPU 0, makes its own. In half of all
 * histories a second timer, of CPU 0, stops that one as well, and CPU 1 goes on for as long as it
 * has run. A CPU gives its turn away where it pauses: while it waits for the other one, be that
 * here or in the kernel, for a lock.
 */
#ifndef _KPARITY_USER_HISTORY_TURNS_H
#define _KPARITY_USER_HISTORY_TURNS_H

#include <linux/signal.h>
#include <sys/syscall.h>
#include <time.h>
#include "history.h"
#include "history_draw.h"

/* Instructions between the arming of a timer and its time: so many times what arming takes. */
#define AHEAD		6000U
#define AHEAD_MAX	400000U
#define TO_ARM		4
/* Turns in which the aim is found out, and then each so many. */
#define AIMED		4
#define AIM_AGAIN	64
/* CPU 0 has no pause that near to its turn: it would give that away. */
#define NEAR		64
/* About the instructions between such a wait and a call, and some behind the call. */
#define TO_CALL		40
#define SPARE		16
/* Instructions of a call that has not been measured yet. */
#define LENGTH		1000

/**
 * struct turns - the state of turns, which both processes share
 * @arrived: how often each CPU has come to a call that meets
 * @armed: how often CPU 1 has armed its timer
 * @due: when that is due
 * @ahead: how long before that it is armed
 * @late: how much later than that CPU 0 has its turn; negative for earlier
 * @length: usual length of each call
 * @longest: that of a long one
 */
struct turns {
	__u32 arrived[HISTORY_COLUMNS];
	__u32 armed;
	__u64 due;
	__u32 ahead;
	__s64 late;
	__u32 length[HISTORY_CALLS];
	__u32 longest[HISTORY_CALLS];
};

/* Of this process: its timer, and the kernel's clock less the counter. */
static struct {
	timer_t timer;
	__s64 offset;
} own;

#if defined(__x86_64__)
static inline __u64 ticks(void)
{
	__u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) :: "memory");
	return (__u64)high << 32 | low;
}

static inline void fence(void)
{
	asm volatile("mfence; lfence" ::: "memory");
}

static inline void pause_turn(void)
{
	asm volatile("pause" ::: "memory");
}
#elif defined(__aarch64__)
static inline __u64 ticks(void)
{
	__u64 now;

	asm volatile("mrs %0, cntvct_el0" : "=r"(now) :: "memory");
	return now;
}

static inline void fence(void)
{
	asm volatile("dsb ish; isb" ::: "memory");
}

static inline void pause_turn(void)
{
	asm volatile("yield" ::: "memory");
}
#else
#error "say how a program reads this arch's counter, and how it pauses"
#endif

#define load(at)		__atomic_load_n(at, __ATOMIC_ACQUIRE)
#define store(at, value)	__atomic_store_n(at, value, __ATOMIC_RELEASE)

/**
 * history_stamp() - the counter, read between all that comes before and all that comes behind
 *
 * Return: the counter
 */
static inline __u64 history_stamp(void)
{
	__u64 now;

	fence();
	now = ticks();
	fence();
	return now;
}

/* What the kernel's clock, in ns, is ahead of the counter. */
static void calibrate(void)
{
	__u64 before, took, least = ~0ULL;
	struct timespec now;
	int i;

	for (i = 0; i < 4; i++) {
		before = ticks();
		clock_gettime(CLOCK_MONOTONIC, &now);
		took = ticks() - before;
		if (took < least) {
			least = took;
			own.offset = now.tv_sec * 1000000000LL + now.tv_nsec - before;
		}
	}
}

/**
 * turns_init() - have all calls be of a usual length
 * @t: the turns
 */
static void turns_init(struct turns *t)
{
	__u32 i;

	*t = (struct turns){ .ahead = AHEAD };
	for (i = 0; i < HISTORY_CALLS; i++) {
		t->length[i] = LENGTH;
		t->longest[i] = LENGTH;
	}
}

/**
 * turns_start() - get a process ready for turns
 *
 * Return: 0, or -1 with errno set
 */
static int turns_start(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	calibrate();
	if (syscall(__NR_rt_sigaction, SIGALRM, &ignore, NULL, sizeof(sigset_t)))
		return -1;
	return timer_create(CLOCK_MONOTONIC, NULL, &own.timer);
}

static void arm(__u64 at)
{
	__s64 ns = at + own.offset;
	struct itimerspec when = {
		.it_value = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 },
	};

	timer_settime(own.timer, TIMER_ABSTIME, &when, NULL);
}

/*
 * A place in a call, in instructions behind the wait before it: three of four within its usual
 * length, the others within that of a long one.
 */
static __u32 place(const struct turns *t, const struct history *h, __u32 event, __u32 part)
{
	__u8 call = h->step[h->before + event].call;
	__u64 length = part % 4 ? t->length[call] : t->longest[call];

	return TO_CALL + (length * 9 / 8 + SPARE) * part / TURN_PARTS;
}

static bool finds_aim(__u32 n)
{
	return n < AIMED || n % AIM_AGAIN == 0;
}

/* Read the clock until CPU 0 has had its turn behind the time at which the timer was to be due. */
static void aim(struct turns *t, __u64 until)
{
	__u64 last = ticks(), now, longest = 0;

	while ((__s64)(until - last) > 0) {
		now = ticks();
		if ((__s64)(now - t->due) > 0 && now - last > longest) {
			longest = now - last;
			t->late = last - t->due;
		}
		last = now;
	}
}

/* Wait until a time; the other CPU has its turn while that is further off than @near. */
static void wait_until(__u64 when, __u32 near)
{
	__s64 left;

	while ((left = when - ticks()) > 0)
		if (left > near)
			pause_turn();
}

/* On CPU 0: arm the second timer, and wait until the first one is due. */
static void meet_on_first(struct turns *t, const struct history *h, __u32 event, __u32 n)
{
	__u64 at;

	while (load(&t->armed) != n)
		pause_turn();
	at = t->due + (finds_aim(n) ? 0 : t->late);
	/* Of the time between the two, either CPU has half. */
	if (h->turn.second)
		arm(at + 2 * place(t, h, event, h->turn.second));
	wait_until(at, NEAR);
}

/* On CPU 1: arm the first timer, and wait until shortly before it is due. */
static void meet_on_second(struct turns *t, const struct history *h, __u32 event, __u32 n)
{
	const __u32 at = place(t, h, event, h->turn.part);
	const __u64 begun = ticks();
	const __u64 due = begun + t->ahead + at;
	__u64 took;

	t->due = due;
	arm(due);
	store(&t->armed, n);
	took = TO_ARM * (ticks() - begun);
	t->ahead = took < AHEAD ? AHEAD : took > AHEAD_MAX ? AHEAD_MAX : took;
	if (finds_aim(n))
		aim(t, due + t->ahead);
	else
		wait_until(due + t->late - at, ~0U);
}

/**
 * turns_meet() - wait for the other process, before one of two calls that meet
 * @t: the turns
 * @h: the history
 * @cpu: the CPU, of 0 and 1
 * @event: the call's event
 */
static void turns_meet(struct turns *t, const struct history *h, __u32 cpu, __u32 event)
{
	const __u32 n = t->arrived[cpu] + 1;

	if (finds_aim(n))
		calibrate();
	store(&t->arrived[cpu], n);
	while (load(&t->arrived[!cpu]) != n)
		pause_turn();
	if (cpu)
		meet_on_second(t, h, event, n);
	else
		meet_on_first(t, h, event, n);
}

/**
 * turns_measure() - take down how long calls have taken
 * @t: the turns
 * @h: the history; it has been carried out
 */
static void turns_measure(struct turns *t, const struct history *h)
{
	__u32 i;

	for (i = 0; i < h->beside; i++) {
		__u32 *length = &t->length[h->step[h->before + i].call];
		__u32 *longest = &t->longest[h->step[h->before + i].call];
		__s64 took = h->event[i].ended - h->event[i].begun, most;

		/* While CPU 0 makes the call that meets, CPU 1 stands still. */
		if (i == h->turn.event[1 ^ h->turn.swap] ||
		    (i == h->turn.event[h->turn.swap] && h->turn.second))
			continue;
		/* It may have been interrupted, or have slept. */
		most = 2LL * *length;
		*length += ((took < most ? took : most) - *length) / 4;
		most = 2LL * *longest;
		took = took < most ? took : most;
		*longest -= *longest / 32;
		if (took > *longest)
			*longest = took;
	}
}

#endif
