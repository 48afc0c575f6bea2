// SPDX-License-Identifier: GPL-2.0
/*
 * device, from user space: histories of the system calls of two processes that share one open
 * file, and so one unit. See history.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "contract/device_uapi.h"
#include "history_main.h"

#define READABLE	(POLLIN | POLLRDNORM)

static long configure(int fd, const __u64 *arg, __u64 *out)
{
	struct device_config config = { .capacity = arg[0], .bias = arg[1] };

	(void)out;
	return ioctl(fd, DEVICE_IOC_CONFIGURE, &config);
}

static long start(int fd, const __u64 *arg, __u64 *out)
{
	(void)arg;
	(void)out;
	return ioctl(fd, DEVICE_IOC_START, 0);
}

static long stop(int fd, const __u64 *arg, __u64 *out)
{
	(void)arg;
	(void)out;
	return ioctl(fd, DEVICE_IOC_STOP, 0);
}

static long reset(int fd, const __u64 *arg, __u64 *out)
{
	(void)arg;
	(void)out;
	return ioctl(fd, DEVICE_IOC_RESET, 0);
}

static long feed(int fd, const __u64 *arg, __u64 *out)
{
	struct device_sample sample = { .value = arg[0] };

	(void)out;
	return ioctl(fd, DEVICE_IOC_FEED, &sample);
}

static long take(int fd, const __u64 *arg, __u64 *out)
{
	(void)arg;
	return read(fd, out, sizeof(*out));
}

static long polls(int fd, const __u64 *arg, __u64 *out)
{
	struct pollfd p = { .fd = fd, .events = READABLE };
	long ret = poll(&p, 1, 0);

	(void)arg;
	out[0] = p.revents;
	return ret;
}

static long status(int fd, const __u64 *arg, __u64 *out)
{
	struct device_status now;
	long ret = ioctl(fd, DEVICE_IOC_STATUS, &now);

	(void)arg;
	if (ret)
		return ret;
	out[0] = now.state;
	out[1] = now.capacity;
	out[2] = now.queued;
	return ret;
}

enum { CONFIGURE, START, STOP, RESET, FEED, READ, POLL, STATUS };

/* A queue of few samples, so that both processes find it empty and full. */
static const struct history_call calls[] = {
	[CONFIGURE] = { "configure", 3,
			{ { "capacity", .lo = 1, .hi = 4 }, { "bias", .hi = 1 } },
			.make = configure },
	[START] = { "start", 2, .make = start },
	[STOP] = { "stop", 3, .make = stop },
	[RESET] = { "reset", 3, .make = reset },
	[FEED] = { "feed", 5, { { "value", .serial = true } }, .make = feed },
	[READ] = { "read", 5, .out = { "value" }, .make = take },
	[POLL] = { "poll", 2, .out = { "events" }, .make = polls },
	[STATUS] = { "status", 4, .out = { "state", "capacity", "queued" }, .make = status },
};

static const struct history_pair device = {
	.call = calls,
	.nr_calls = sizeof(calls) / sizeof(calls[0]),
	/* Each state; most calls want a unit that runs and has room for a sample. */
	.opening = {
		{ 0 },
		{ CONFIGURE },
		{ CONFIGURE, START },
		{ CONFIGURE, START },
		{ CONFIGURE, START, FEED },
		{ CONFIGURE, START, FEED, FEED },
		{ CONFIGURE, START, FEED, STOP },
	},
	.nr_opening = { 0, 1, 2, 2, 3, 4, 4 },
	.nr_openings = 7,
	/* Of four samples each is seen, and that there is no fifth. */
	.behind = { STATUS, READ, READ, READ, READ, READ },
	.nr_behind = 6,
	.flags = O_RDWR | O_NONBLOCK,
};

int main(int argc, char **argv)
{
	return history_main(argc, argv, &device);
}
