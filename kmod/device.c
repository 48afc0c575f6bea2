// SPDX-License-Identifier: GPL-2.0
/*
 * device in C. See contract/device.h.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include "contract/device.h"

/* User space was built with these. */
static_assert(DEVICE_IOC_CONFIGURE == 0x4010c701);
static_assert(DEVICE_IOC_START == 0xc702);
static_assert(DEVICE_IOC_STOP == 0xc703);
static_assert(DEVICE_IOC_RESET == 0xc704);
static_assert(DEVICE_IOC_FEED == 0x4010c705);
static_assert(DEVICE_IOC_STATUS == 0x8010c706);
static_assert(sizeof(struct device_config) == 16);
static_assert(offsetof(struct device_config, bias) == 8);
static_assert(sizeof(struct device_sample) == 16);
static_assert(offsetof(struct device_sample, reserved) == 8);
static_assert(sizeof(struct device_status) == 16);

/**
 * struct device_unit - the C definition
 * @lock: the outer lock; protects @state, @capacity and @bias
 * @owner: who holds @lock
 * @state: one of enum device_state
 * @limit: number of elements in @sample; constant
 * @capacity: as configured, or 0
 * @bias: as configured, or 0
 * @misordered: how often @queue_lock was taken without @lock
 * @misowned: how often @lock was released by a thread that did not hold it
 * @queue_lock: the inner lock; protects @head, @queued and @sample
 * @head: index of the oldest sample
 * @queued: number of samples; also read without the lock by who sleeps
 * @readable: who sleeps or polls until there is a sample
 * @sample: the samples, a ring
 */
struct device_unit {
	struct mutex lock; /* outer */
	struct task_struct *owner;
	u32 state;
	u32 limit;
	u32 capacity;
	u64 bias;
	atomic_t misordered;
	atomic_t misowned;
	struct mutex queue_lock; /* inner */
	u32 head;
	u32 queued;
	wait_queue_head_t readable;
	u64 sample[] __counted_by(limit);
};

struct device_unit *device_unit_create(u32 limit)
{
	struct device_unit *unit;

	if (!limit || limit > DEVICE_LIMIT_MAX)
		return ERR_PTR(-EINVAL);
	unit = kzalloc_flex(*unit, sample, limit);
	if (!unit)
		return ERR_PTR(-ENOMEM);
	unit->limit = limit;
	mutex_init(&unit->lock);
	mutex_init(&unit->queue_lock);
	init_waitqueue_head(&unit->readable);
	return unit;
}

void device_unit_destroy(struct device_unit *unit)
{
	mutex_destroy(&unit->queue_lock);
	mutex_destroy(&unit->lock);
	kfree(unit);
}

static void unit_lock(struct device_unit *unit)
{
	mutex_lock(&unit->lock);
	unit->owner = current;
}

static void unit_unlock(struct device_unit *unit)
{
	if (WARN_ON_ONCE(unit->owner != current))
		atomic_inc(&unit->misowned);
	unit->owner = NULL;
	mutex_unlock(&unit->lock);
}

/* Take the inner lock inside the outer one. */
static void unit_queue_lock(struct device_unit *unit)
{
	if (WARN_ON_ONCE(!mutex_is_locked(&unit->lock) ||
			 unit->owner != current))
		atomic_inc(&unit->misordered);
	mutex_lock(&unit->queue_lock);
}

static void unit_queue_unlock(struct device_unit *unit)
{
	mutex_unlock(&unit->queue_lock);
}

/* Forget all samples; the outer lock is held. */
static void unit_clear(struct device_unit *unit)
{
	unit_queue_lock(unit);
	unit->head = 0;
	WRITE_ONCE(unit->queued, 0);
	unit_queue_unlock(unit);
}

int device_configure(struct device_unit *unit, const struct device_config *config)
{
	int err = -EBUSY;

	if (config->reserved)
		return -EINVAL;
	if (!config->capacity || config->capacity > unit->limit)
		return -EINVAL;
	unit_lock(unit);
	if (unit->state != DEVICE_RUNNING) {
		unit_clear(unit);
		unit->state = DEVICE_READY;
		unit->capacity = config->capacity;
		unit->bias = config->bias;
		err = 0;
	}
	unit_unlock(unit);
	return err;
}

/* Go from one state to another one; EBUSY from any other. */
static int unit_move(struct device_unit *unit, enum device_state from,
		     enum device_state to)
{
	int err = -EBUSY;

	unit_lock(unit);
	if (unit->state == from) {
		unit->state = to;
		err = 0;
	}
	unit_unlock(unit);
	return err;
}

static int unit_reset(struct device_unit *unit)
{
	int err = -EBUSY;

	unit_lock(unit);
	if (unit->state != DEVICE_RUNNING) {
		unit_clear(unit);
		unit->state = DEVICE_IDLE;
		unit->capacity = 0;
		unit->bias = 0;
		err = 0;
	}
	unit_unlock(unit);
	return err;
}

int device_command(struct device_unit *unit, u32 cmd)
{
	switch (cmd) {
	case DEVICE_IOC_START:
		return unit_move(unit, DEVICE_READY, DEVICE_RUNNING);
	case DEVICE_IOC_STOP:
		return unit_move(unit, DEVICE_RUNNING, DEVICE_READY);
	case DEVICE_IOC_RESET:
		return unit_reset(unit);
	default:
		return -ENOTTY;
	}
}

/* Put a sample behind all others; the outer lock is held. */
static int unit_push(struct device_unit *unit, u64 value)
{
	int err = -ENOSPC;
	u32 tail;

	unit_queue_lock(unit);
	if (unit->queued < unit->capacity) {
		tail = unit->head + unit->queued;
		if (tail >= unit->capacity)
			tail -= unit->capacity;
		unit->sample[tail] = value;
		WRITE_ONCE(unit->queued, unit->queued + 1);
		err = 0;
	}
	unit_queue_unlock(unit);
	return err;
}

/* Take the oldest sample; the outer lock is held. */
static int unit_pop(struct device_unit *unit, u64 *value)
{
	int err = -EAGAIN;

	unit_queue_lock(unit);
	if (unit->queued) {
		*value = unit->sample[unit->head];
		if (++unit->head >= unit->capacity)
			unit->head = 0;
		WRITE_ONCE(unit->queued, unit->queued - 1);
		err = 0;
	}
	unit_queue_unlock(unit);
	return err;
}

int device_feed(struct device_unit *unit, const struct device_sample *sample)
{
	int err = -EBUSY;

	if (sample->reserved[0] || sample->reserved[1])
		return -EINVAL;
	unit_lock(unit);
	if (unit->state == DEVICE_RUNNING)
		err = unit_push(unit, sample->value + unit->bias);
	unit_unlock(unit);
	if (!err)
		wake_up_interruptible(&unit->readable);
	return err;
}

static int unit_try_read(struct device_unit *unit, u64 *value)
{
	int err;

	unit_lock(unit);
	err = unit_pop(unit, value);
	unit_unlock(unit);
	return err;
}

int device_read(struct device_unit *unit, u64 *value, bool nonblock)
{
	int err = unit_try_read(unit, value);
	int signal = 0;

	/* A signal may have come with the wake-up for a sample: look again. */
	while (err == -EAGAIN && !nonblock && !signal) {
		signal = wait_event_interruptible_exclusive(unit->readable,
							    READ_ONCE(unit->queued));
		err = unit_try_read(unit, value);
	}
	return err && signal ? signal : err;
}

bool device_poll(struct device_unit *unit)
{
	bool readable;

	mutex_lock(&unit->queue_lock);
	readable = unit->queued;
	mutex_unlock(&unit->queue_lock);
	return readable;
}

void device_view(struct device_unit *unit, struct device_view *view)
{
	unit_lock(unit);
	unit_queue_lock(unit);
	view->state = unit->state;
	view->limit = unit->limit;
	view->capacity = unit->capacity;
	view->queued = unit->queued;
	view->front = unit->queued ? unit->sample[unit->head] : 0;
	view->bias = unit->bias;
	view->misordered = atomic_read(&unit->misordered);
	view->misowned = atomic_read(&unit->misowned);
	unit_queue_unlock(unit);
	unit_unlock(unit);
}

/* The node: system calls, each turned into an operation on the file's unit. */

static int node_open(struct inode *inode, struct file *file)
{
	struct device_unit *unit = device_unit_create(DEVICE_NODE_LIMIT);

	if (IS_ERR(unit))
		return PTR_ERR(unit);
	file->private_data = unit;
	return 0;
}

static int node_release(struct inode *inode, struct file *file)
{
	device_unit_destroy(file->private_data);
	return 0;
}

static int node_configure(struct device_unit *unit, const void __user *arg)
{
	struct device_config config;

	if (copy_from_user(&config, arg, sizeof(config)))
		return -EFAULT;
	return device_configure(unit, &config);
}

static int node_feed(struct device_unit *unit, const void __user *arg)
{
	struct device_sample sample;

	if (copy_from_user(&sample, arg, sizeof(sample)))
		return -EFAULT;
	return device_feed(unit, &sample);
}

static int node_status(struct device_unit *unit, void __user *arg)
{
	struct device_view view = {};
	struct device_status status = {};

	device_view(unit, &view);
	status.state = view.state;
	status.capacity = view.capacity;
	status.queued = view.queued;
	return copy_to_user(arg, &status, sizeof(status)) ? -EFAULT : 0;
}

static long node_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct device_unit *unit = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case DEVICE_IOC_CONFIGURE:
		return node_configure(unit, user);
	case DEVICE_IOC_FEED:
		return node_feed(unit, user);
	case DEVICE_IOC_STATUS:
		return node_status(unit, user);
	default:
		return device_command(unit, cmd);
	}
}

static ssize_t node_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;
	u64 value;
	int err;

	if (iov_iter_count(to) < sizeof(value))
		return -EINVAL;
	err = device_read(file->private_data, &value,
			  file->f_flags & O_NONBLOCK);
	if (err)
		return err;
	if (copy_to_iter(&value, sizeof(value), to) != sizeof(value))
		return -EFAULT;
	return sizeof(value);
}

static __poll_t node_poll(struct file *file, poll_table *table)
{
	struct device_unit *unit = file->private_data;

	poll_wait(file, &unit->readable, table);
	return device_poll(unit) ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations node_fops = {
	.owner = THIS_MODULE,
	.open = node_open,
	.release = node_release,
	.unlocked_ioctl = node_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read_iter = node_read,
	.poll = node_poll,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kparity-device-c",
	.fops = &node_fops,
};

int device_expose(void)
{
	return misc_register(&node);
}

void device_withdraw(void)
{
	misc_deregister(&node);
}
