// SPDX-License-Identifier: GPL-2.0
/*
 * device, from user space: what system calls on the node that is named on the command line cost,
 * in executed instructions. The same program for both nodes; see costs.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include "contract/device_uapi.h"
#include "costs.h"

#define CAPACITY	2
#define BIAS		100
/* An address that nothing is mapped at. */
#define NOWHERE		8

static void calls(const char *node)
{
	int fd = COUNT(open, __NR_openat, AT_FDCWD, node, O_RDWR | O_NONBLOCK, 0);
	struct device_config config = { .capacity = CAPACITY, .bias = BIAS };
	struct device_sample sample = { .value = 1 };
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct timespec at_once = {};
	struct device_status status;
	unsigned long long page[512];

	COUNT(unknown, __NR_ioctl, fd, _IO(DEVICE_IOC_MAGIC, 99), 0, 0);
	COUNT(start, __NR_ioctl, fd, DEVICE_IOC_START, 0, 0);
	COUNT(configure, __NR_ioctl, fd, DEVICE_IOC_CONFIGURE, NOWHERE, 0);
	COUNT(configure, __NR_ioctl, fd, DEVICE_IOC_CONFIGURE, &config, 0);
	COUNT(start, __NR_ioctl, fd, DEVICE_IOC_START, 0, 0);
	COUNT(configure, __NR_ioctl, fd, DEVICE_IOC_CONFIGURE, &config, 0);
	config.capacity = 0;
	COUNT(configure, __NR_ioctl, fd, DEVICE_IOC_CONFIGURE, &config, 0);
	COUNT(read, __NR_read, fd, page, sizeof(*page), 0);
	COUNT(poll_empty, __NR_ppoll, &readable, 1, &at_once, 0);
	COUNT(feed, __NR_ioctl, fd, DEVICE_IOC_FEED, NOWHERE, 0);
	COUNT(feed, __NR_ioctl, fd, DEVICE_IOC_FEED, &sample, 0);
	COUNT(poll, __NR_ppoll, &readable, 1, &at_once, 0);
	COUNT(feed, __NR_ioctl, fd, DEVICE_IOC_FEED, &sample, 0);
	COUNT(feed, __NR_ioctl, fd, DEVICE_IOC_FEED, &sample, 0);
	COUNT(status, __NR_ioctl, fd, DEVICE_IOC_STATUS, &status, 0);
	COUNT(status, __NR_ioctl, fd, DEVICE_IOC_STATUS, NOWHERE, 0);
	COUNT(read, __NR_read, fd, page, sizeof(*page) - 1, 0);
	COUNT(read, __NR_read, fd, page, sizeof(*page), 0);
	COUNT(read_page, __NR_read, fd, page, sizeof(page), 0);
	COUNT(feed, __NR_ioctl, fd, DEVICE_IOC_FEED, &sample, 0);
	COUNT(read, __NR_read, fd, NOWHERE, sizeof(*page), 0);
	COUNT(write, __NR_write, fd, page, sizeof(*page), 0);
	COUNT(lseek, __NR_lseek, fd, 0, SEEK_SET, 0);
	COUNT(stop, __NR_ioctl, fd, DEVICE_IOC_STOP, 0, 0);
	COUNT(stop, __NR_ioctl, fd, DEVICE_IOC_STOP, 0, 0);
	COUNT(reset, __NR_ioctl, fd, DEVICE_IOC_RESET, 0, 0);
	COUNT(close, __NR_close, fd, 0, 0, 0);
}

int main(int argc, char **argv)
{
	return costs_main(argc, argv, calls);
}
