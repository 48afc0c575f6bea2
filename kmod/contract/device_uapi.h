/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * device: what user space sees. The one part of a contract that cannot change
 * once a program has been built with it; both languages hold themselves to it
 * at compile time.
 *
 * A node is driven with ioctls, read() and poll(). Each open of it is a unit of
 * its own, in one of three states:
 *
 *	IDLE --configure--> READY --start--> RUNNING --stop--> READY --reset--> IDLE
 *
 * A unit that runs takes samples, and read() gives them back, the oldest first.
 */
#ifndef _KPARITY_DEVICE_UAPI_H
#define _KPARITY_DEVICE_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The states of a unit. */
enum device_state { DEVICE_IDLE, DEVICE_READY, DEVICE_RUNNING };

/**
 * struct device_config - how a unit is set up
 * @capacity: the most samples that wait to be read
 * @reserved: must be 0
 * @bias: added to each sample that is fed, modulo 2^64
 */
struct device_config {
	__u32 capacity;
	__u32 reserved;
	__u64 bias;
};

/**
 * struct device_sample - one sample
 * @value: the sample
 * @reserved: must be 0
 */
struct device_sample {
	__u64 value;
	__u32 reserved[2];
};

/**
 * struct device_status - what a unit is doing
 * @state: one of enum device_state
 * @capacity: as configured, or 0
 * @queued: number of samples that wait to be read
 * @reserved: 0
 */
struct device_status {
	__u32 state;
	__u32 capacity;
	__u32 queued;
	__u32 reserved;
};

#define DEVICE_IOC_MAGIC	0xc7
#define DEVICE_IOC_CONFIGURE	_IOW(DEVICE_IOC_MAGIC, 1, struct device_config)
#define DEVICE_IOC_START	_IO(DEVICE_IOC_MAGIC, 2)
#define DEVICE_IOC_STOP		_IO(DEVICE_IOC_MAGIC, 3)
#define DEVICE_IOC_RESET	_IO(DEVICE_IOC_MAGIC, 4)
#define DEVICE_IOC_FEED		_IOW(DEVICE_IOC_MAGIC, 5, struct device_sample)
#define DEVICE_IOC_STATUS	_IOR(DEVICE_IOC_MAGIC, 6, struct device_status)

/* How many ioctls there are, and how many samples a node's unit can hold. */
#define DEVICE_NR_IOCTLS	6
#define DEVICE_NODE_LIMIT	64

#endif
