/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A history is printed as the diagnostics of a KTAP result: its calls, what they gave in a column
 * for each process, downwards in time, and the order on the C node that explains most of it.
 */
#ifndef _KPARITY_USER_HISTORY_TELL_H
#define _KPARITY_USER_HISTORY_TELL_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "history.h"
#include "history_order.h"

/* Width of a column, and room for a call in it. */
#define WIDTH	40
#define CELL	160

static int print_ret(char *text, size_t size, long ret)
{
	static const struct {
		int err;
		const char *name;
	} known[] = {
		{ EPERM, "EPERM" }, { EINTR, "EINTR" }, { EIO, "EIO" }, { EBADF, "EBADF" },
		{ EAGAIN, "EAGAIN" }, { ENOMEM, "ENOMEM" }, { EFAULT, "EFAULT" },
		{ EBUSY, "EBUSY" }, { EEXIST, "EEXIST" }, { ENODEV, "ENODEV" },
		{ EINVAL, "EINVAL" }, { ENOTTY, "ENOTTY" }, { ENOSPC, "ENOSPC" },
		{ EPIPE, "EPIPE" }, { ENOENT, "ENOENT" }, { ERANGE, "ERANGE" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (ret == -known[i].err)
			return snprintf(text, size, "-%s", known[i].name);
	return snprintf(text, size, "%ld", ret);
}

/* A result: what was returned, and outputs that were written. */
static void print_result(char *text, const struct history_call *call,
			 const struct history_result *result)
{
	int o, len = print_ret(text, CELL, result->ret);

	for (o = 0; o < HISTORY_OUTS && call->out[o]; o++)
		if (result->out[o] != POISON)
			len += snprintf(text + len, CELL - len, " %s=%llu", call->out[o],
					result->out[o]);
}

static void print_step(const struct history_pair *pair, const struct history_step *step)
{
	const struct history_call *call = &pair->call[step->call];
	int a;

	printf("%s", call->name);
	for (a = 0; a < HISTORY_ARGS && call->arg[a].name; a++)
		printf(" %s=%llu", call->arg[a].name, step->arg[a]);
	printf("\n");
}

/* The begin or the end of a call, at a time. */
struct moment {
	__u64 when;
	__u32 event;
	bool end;
};

/* Begins and ends in the order of time; how many there are. */
static __u32 moments(const struct history *h, struct moment *m)
{
	__u32 i, j, n = 0;

	for (i = 0; i < 2 * h->beside; i++) {
		const struct history_event *e = &h->event[i / 2];
		struct moment new = { i % 2 ? e->ended : e->begun, i / 2, i % 2 };

		for (j = n++; j && m[j - 1].when > new.when; j--)
			m[j] = m[j - 1];
		m[j] = new;
	}
	return n;
}

static void print_columns(const struct history_pair *pair, const struct history *h)
{
	struct moment m[2 * HISTORY_BESIDE];
	__u32 i, n = moments(h, m);
	char text[CELL];

	printf("#         %-*s%s\n", WIDTH, "process 1", "process 2");
	for (i = 0; i < n; i++) {
		const __u32 event = m[i].event, at = h->before + event;
		const struct history_call *call = &pair->call[h->step[at].call];

		if (!m[i].end && m[i + 1].event == event)
			continue;
		if (m[i].end)
			print_result(text, call, &h->result[at]);
		printf("#         %*s%s%s%s\n", h->step[at].column * WIDTH, "", call->name,
		       m[i].end ? ": " : " begins", m[i].end ? text : "");
	}
}

/* A call that gives the same again is printed once. */
static void print_behind(const struct history_pair *pair, const struct history_result *result)
{
	char text[CELL];
	__u32 i;

	for (i = 0; i < pair->nr_behind; i++) {
		const struct history_call *call = &pair->call[pair->behind[i]];

		if (i && pair->behind[i] == pair->behind[i - 1] &&
		    same_result(&result[i], &result[i - 1]))
			continue;
		print_result(text, call, &result[i]);
		printf("%s %s: %s", i ? ";" : "", call->name, text);
	}
	printf("\n");
}

/**
 * history_print() - print a history that has been carried out
 * @pair: the pair
 * @node: the C node
 * @h: the history
 */
static void history_print(const struct history_pair *pair, const char *node,
			  const struct history *h)
{
	struct reference ref;
	char text[CELL];
	__u32 i;

	for (i = 0; i < h->before + h->beside; i++) {
		printf("#     ");
		if (i >= h->before)
			printf("%u: ", h->step[i].column + 1U);
		print_step(pair, &h->step[i]);
	}
	print_columns(pair, h);
	printf("#         then");
	print_behind(pair, h->behind);
	printf("#         nearest order on the C node:");
	if (h->explains < 0 || !history_in_order(pair, node, h, h->nearest, &ref)) {
		printf(" none was looked for\n");
		return;
	}
	for (i = 0; i < h->beside; i++) {
		const __u32 event = h->nearest[i];
		const struct history_call *call = &pair->call[h->step[h->before + event].call];

		print_result(text, call, &ref.event[event]);
		printf("%s %s: %s", i ? ";" : "", call->name, text);
	}
	printf("; then");
	print_behind(pair, ref.behind);
}

#endif
