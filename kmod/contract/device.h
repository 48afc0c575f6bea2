/* SPDX-License-Identifier: GPL-2.0 */
/*
 * device: the state machine behind a misc character device, and the device.
 *
 * Each open of a node makes a unit. Two mutexes order what is done to one: the
 * outer one holds the state still, the inner one guards the queue of samples.
 * The inner one is taken inside the outer one, or alone for as long as it takes
 * to look at the queue; the outer one is never taken inside the inner one. A
 * reader sleeps with neither.
 *
 * An operation that the state does not allow is EBUSY, whatever the state, and
 * changes nothing. A fault of an argument is found before the state is looked
 * at.
 */
#ifndef _KPARITY_DEVICE_H
#define _KPARITY_DEVICE_H

#include "contract/device_uapi.h"
#include "contract/kparity.h"

/** define DEVICE_LIMIT_MAX - the most samples that any unit can hold */
#define DEVICE_LIMIT_MAX	1024

/** struct device_unit - one open device; each language has its own definition */
struct device_unit;

/**
 * struct device_view - the state that both languages must agree on
 * @state: one of enum device_state
 * @limit: the largest capacity that can be configured
 * @capacity: as configured, or 0
 * @queued: number of samples that wait
 * @front: the oldest sample, or 0
 * @bias: as configured, or 0
 * @misordered: how often the inner lock was taken without the outer one
 * @misowned: how often a lock was released by a thread that did not hold it
 */
struct device_view {
	u32 state;
	u32 limit;
	u32 capacity;
	u32 queued;
	u64 front;
	u64 bias;
	u32 misordered;
	u32 misowned;
};

/* Two names are longer than the others: device_create() is the driver core's. */

/**
 * device_unit_create() - make a unit, idle
 * @limit: the most samples that it can hold, 1 to %DEVICE_LIMIT_MAX
 *
 * Return: the unit, owned by the caller, who gives it to device_unit_destroy();
 *         ERR_PTR(-EINVAL) for any other limit, before memory is touched;
 *         ERR_PTR(-ENOMEM)
 */
struct device_unit *device_unit_create(u32 limit);

/**
 * device_unit_destroy() - release a unit in any state, samples included
 * @unit: the unit; no one may use it any more
 */
void device_unit_destroy(struct device_unit *unit);

/**
 * device_configure() - set up a unit that is idle or ready, which then is ready
 * @unit: the unit; samples that waited in its queue are gone
 * @config: how
 *
 * Return: 0; -EINVAL if a reserved field is not 0 or the capacity is 0 or beyond
 *         the limit, first; -EBUSY while it runs
 */
int device_configure(struct device_unit *unit, const struct device_config *config);

/**
 * device_command() - carry out an ioctl that takes no argument
 * @unit: the unit
 * @cmd: START: from ready to running. STOP: from running to ready; what waits
 *       stays readable. RESET: from ready or idle to idle; what waits is gone.
 *
 * Return: 0; -ENOTTY for any other number, first; -EBUSY in any other state
 */
int device_command(struct device_unit *unit, u32 cmd);

/**
 * device_feed() - queue a sample, and wake one reader and all who poll
 * @unit: the unit
 * @sample: the sample
 *
 * Return: 0; -EINVAL if a reserved field is not 0, first; -EBUSY if the unit does
 *         not run; -ENOSPC if the queue is full
 */
int device_feed(struct device_unit *unit, const struct device_sample *sample);

/**
 * device_read() - take the oldest sample, in any state
 * @unit: the unit
 * @value: receives the sample
 * @nonblock: do not sleep until there is one. Programs, of which none could feed
 *            it then, always say so.
 *
 * Return: 0; -EAGAIN if there is none and @nonblock; -ERESTARTSYS if a signal came
 *         first
 */
int device_read(struct device_unit *unit, u64 *value, bool nonblock);

/**
 * device_poll() - ask whether a read would find a sample
 * @unit: the unit
 *
 * Return: whether it would
 */
bool device_poll(struct device_unit *unit);

/**
 * device_view() - describe the state
 * @unit: the unit
 * @view: receives the state; zeroed
 */
void device_view(struct device_unit *unit, struct device_view *view);

/**
 * device_expose() - make the implementation's node, /dev/kparity-device-<language>
 *
 * A unit with the limit %DEVICE_NODE_LIMIT belongs to each open file. An open file
 * pins the module. On the node:
 * ioctl() is -ENOTTY for an unknown number, before its argument is looked at; then
 * -EFAULT for an argument that cannot be read; then as above.
 * read() gives one sample, eight bytes; -EINVAL for less room, first; -EFAULT if
 * they cannot be written, and the sample is lost.
 * poll() says EPOLLIN and EPOLLRDNORM exactly when a sample waits.
 *
 * Context: process, may sleep.
 * Return: 0 or an errno of misc_register(), and then there is no node
 */
int device_expose(void);

/**
 * device_withdraw() - take the node away; no file of it may be open
 *
 * Context: process, may sleep.
 */
void device_withdraw(void);

/*
 * Most operations want a unit that runs, so it is started more often than it is
 * stopped, and most capacities are those that a program can fill.
 */
KP_MODULE(device_expose, device_withdraw)
KP_OBJECT(struct device_unit, struct device_view, device_view)
KP_CREATE(device_unit_create, SLEEPS, KP_RESULT(struct device_unit *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, limit, .lo = 1, .hi = DEVICE_LIMIT_MAX, .beyond = true))
KP_DESTROY(device_unit_destroy, SLEEPS)
KP_METHOD(device_configure, SLEEPS, KP_ERRNO(-EINVAL, -EBUSY),
	  KP_STRUCT(struct device_config, config,
		    KP_NUMBER(u32, capacity, .lo = 1, .hi = DEVICE_LIMIT_MAX, .to = 24,
			      .beyond = true),
		    KP_NUMBER(u32, reserved, .hi = 0, .beyond = true),
		    KP_NUMBER(u64, bias)),
	  .weight = 4, .locks = "2 mutex: the outer, then the inner one",
	  .budget = "10 %, 16 instructions: registers are saved first, in C behind the checks")
KP_METHOD(device_command, SLEEPS, KP_ERRNO(-ENOTTY, -EBUSY),
	  KP_CHOICE(u32, cmd, DEVICE_IOC_START, DEVICE_IOC_START, DEVICE_IOC_START,
		    DEVICE_IOC_STOP, DEVICE_IOC_RESET, .beyond = true),
	  .weight = 16, .locks = "1-2 mutex: the outer, for RESET then the inner one",
	  .budget = "10 %, 8 instructions: a Rust caller makes a Result of an int",
	  .owns = "nothing")
KP_METHOD(device_feed, SLEEPS, KP_ERRNO(-EINVAL, -EBUSY, -ENOSPC),
	  KP_STRUCT(struct device_sample, sample, KP_NUMBER(u64, value),
		    KP_NUMBER(u32, reserved[0], .hi = 0, .beyond = true),
		    KP_NUMBER(u32, reserved[1], .hi = 0, .beyond = true)),
	  .weight = 20,
	  .locks = "2 mutex, spinlock: the outer mutex, then the inner; then the wait queue's",
	  .budget = "10 %, 8 instructions: a Rust caller makes a Result of an int",
	  .owns = "the unit owns the value until read", .on_error = "no sample is taken")
KP_METHOD(device_read, SLEEPS, KP_ERRNO(-EAGAIN, -ERESTARTSYS),
	  KP_OUTPUT(u64, value), KP_CHOICE(bool, nonblock, true, .any = true),
	  .weight = 12, .owns = "the caller owns the sample",
	  .locks = "2 mutex: the outer, then the inner one; sleeps for a sample with neither")
KP_METHOD(device_poll, SLEEPS, KP_BOOL, .weight = 5, .locks = "mutex")

KP_SYSCALL(open, "25 %: three allocations for one: the unit, its samples, its wait queue")
KP_SYSCALL(configure, "10 %, 24 instructions: registers are saved first, in C behind the checks")
KP_SYSCALL(read, "10 %, 60 instructions: registers are saved first, the size is looked at then")
KP_SYSCALL(status, "10 %, 24 instructions: the snapshot is returned by value, then made a status")
KP_SYSCALL(stop, "10 %, 16 instructions: the adapter makes an errno of a Result")
KP_SYSCALL(close, "75 %: what open allocated is freed, the wait queue by kvfree_call_rcu()")

KP_HOLDS(samples, now->queued)
KP_TYPE(struct device_config, capacity, reserved, bias)
KP_TYPE(struct device_sample, value, reserved)
KP_TYPE(struct device_status, state, capacity, queued, reserved)
KP_TYPE(struct device_view, state, limit, capacity, queued, front, bias, misordered,
	misowned)

KP_INVARIANT(within_capacity, lifetime,
	     "never more samples than configured, never more configured than the limit",
	     "capacity is compared with limit, queued with capacity, before they grow",
	     true,
	     now->queued <= now->capacity && now->capacity <= now->limit &&
	     now->limit == was->limit)
KP_INVARIANT(state_known, compatibility,
	     "a unit is idle, ready or running, and has a capacity unless idle",
	     "state is written by transitions alone",
	     true,
	     now->state <= DEVICE_RUNNING &&
	     !now->capacity == (now->state == DEVICE_IDLE))
KP_INVARIANT(start_ready, errors,
	     "start makes a ready unit run and is EBUSY in any other state",
	     "the state is looked at and changed under one lock",
	     op == DEVICE_COMMAND && arg[0] == DEVICE_IOC_START,
	     was->state == DEVICE_READY ?
	     !ret && now->state == DEVICE_RUNNING && now->queued == was->queued :
	     ret == -EBUSY)
KP_INVARIANT(stop_running, errors,
	     "stop makes a running unit ready and is EBUSY in any other state",
	     "the state is looked at and changed under one lock",
	     op == DEVICE_COMMAND && arg[0] == DEVICE_IOC_STOP,
	     was->state == DEVICE_RUNNING ?
	     !ret && now->state == DEVICE_READY && now->queued == was->queued :
	     ret == -EBUSY)
KP_INVARIANT(reset_idle, lifetime,
	     "reset makes a unit that does not run idle and empty, and is EBUSY for one that runs",
	     "state, configuration and queue change under one lock",
	     op == DEVICE_COMMAND && arg[0] == DEVICE_IOC_RESET,
	     was->state == DEVICE_RUNNING ? ret == -EBUSY :
	     !ret && now->state == DEVICE_IDLE && !now->queued && !now->bias)
KP_INVARIANT(busy_unchanged, errors,
	     "what the state does not allow changes nothing",
	     "the state is looked at before anything is written",
	     ret == -EBUSY,
	     !memcmp(now, was, sizeof(*now)))
KP_INVARIANT(reserved_first, compatibility,
	     "a reserved field that is not 0 is EINVAL, in every state, and changes nothing",
	     "reserved fields are looked at before the lock is taken",
	     (op == DEVICE_CONFIGURE && arg[1]) ||
	     (op == DEVICE_FEED && (arg[1] || arg[2])),
	     ret == -EINVAL && !memcmp(now, was, sizeof(*now)))
KP_INVARIANT(configure_range, errors,
	     "a capacity of 0 or beyond the limit is EINVAL, in every state, and changes nothing",
	     "compared with the constant limit before the lock is taken",
	     op == DEVICE_CONFIGURE && (!arg[0] || arg[0] > was->limit),
	     ret == -EINVAL && !memcmp(now, was, sizeof(*now)))
KP_INVARIANT(configure_ready, lifetime,
	     "a unit that was configured is ready and empty",
	     "state, configuration and queue change under one lock",
	     op == DEVICE_CONFIGURE && !ret,
	     now->state == DEVICE_READY && now->capacity == arg[0] &&
	     now->bias == arg[2] && !now->queued)
KP_INVARIANT(unknown_enotty, compatibility,
	     "an ioctl that is not known is ENOTTY and changes nothing",
	     "the last case of the switch",
	     op == DEVICE_COMMAND && arg[0] != DEVICE_IOC_START &&
	     arg[0] != DEVICE_IOC_STOP && arg[0] != DEVICE_IOC_RESET,
	     ret == -ENOTTY && !memcmp(now, was, sizeof(*now)))
KP_INVARIANT(feed_queues, ownership,
	     "a feed that succeeds queues the sample behind all others; ENOSPC only when full",
	     "capacity is compared before the sample is stored, under the lock",
	     op == DEVICE_FEED && was->state == DEVICE_RUNNING && ret != -EINVAL,
	     was->queued == was->capacity ?
	     ret == -ENOSPC && now->queued == was->queued :
	     !ret && now->queued == was->queued + 1 &&
	     now->front == (was->queued ? was->front : arg[0] + was->bias))
KP_INVARIANT(read_oldest, ownership,
	     "read takes the oldest sample, in any state",
	     "head moves on under the lock that the sample was copied under",
	     op == DEVICE_READ && was->queued,
	     !ret && out == was->front && now->queued == was->queued - 1 &&
	     now->state == was->state)
KP_INVARIANT(read_empty, errors,
	     "a read that may not block is EAGAIN if there is no sample and writes no output",
	     "value is written after a sample was found",
	     op == DEVICE_READ && !was->queued,
	     ret == -EAGAIN && out == KP_POISON &&
	     !memcmp(now, was, sizeof(*now)))
KP_INVARIANT(poll_exact, compatibility,
	     "poll says readable exactly when a sample waits, and changes nothing",
	     "poll compares queued, under the inner lock",
	     op == DEVICE_POLL,
	     ret == !!was->queued && !memcmp(now, was, sizeof(*now)))
KP_INVARIANT(lock_order, concurrency,
	     "the inner lock is held inside the outer one of the same unit",
	     "unit_queue_lock() asserts mutex_is_locked() and the owner of the outer lock",
	     true,
	     !now->misordered)
KP_PROMISE(guard_thread, concurrency,
	   "a lock is released by the thread that took it",
	   "unit_unlock() asserts that the owner is the current thread")
KP_PROMISE(in_order, concurrency,
	   "samples that one thread feeds while others change the state arrive once each, in order",
	   "one lock around each operation, released by a reader that sleeps")
KP_PROMISE(blocks, context,
	   "a read that may block sleeps while there is no sample and wakes for one",
	   "wait_event_interruptible_exclusive() without a lock")
KP_PROMISE(interruptible, context,
	   "a signal ends a read that sleeps with ERESTARTSYS, and no sample is lost",
	   "the queue is looked at once more before the signal is reported")
KP_PROMISE(module_pinned, lifetime,
	   "an open node keeps the module from being unloaded",
	   "owner in file_operations")
KP_PROMISE(node_ioctl, compatibility,
	   "an ioctl that is not known is ENOTTY on the node, whatever its argument",
	   "the number is looked up before the argument is copied")
KP_PROMISE(node_read, compatibility,
	   "read and poll of the node agree with the unit behind it",
	   "both call the unit's operations")
KP_PROMISE(numbers, layout,
	   "both languages answer to the ioctl numbers of the header",
	   "the header's macros; the values are frozen by static_assert()")
KP_PROMISE(layout, layout,
	   "both languages see the same arguments of ioctls and the same view",
	   "one definition, in this header, which bindgen reads")

/* What make coverage finds no program for, and why. */
KP_UNREACHED("device.c: atomic_inc(&unit->misowned);",
	     "a thread that releases another's lock is a bug, which the view shows")
KP_UNREACHED("device.c: atomic_inc(&unit->misordered);",
	     "the inner lock without the outer one is a bug, which the view shows")
KP_UNREACHED("device.c: device_command(): return unit_reset(unit);",
	     "the way back from misowned, as unit_reset() is inlined there", .arch = arm64)
KP_UNREACHED("device.rs: snapshot(): front: queue.front().unwrap_or(0),",
	     "for an idle unit with samples, or a head beyond them: there are none such")
KP_ONE_WAY("device.c: if (WARN_ON_ONCE(unit->owner != current))",
	   "device.c: if (WARN_ON_ONCE(!mutex_is_locked(&unit->lock) ||",
	   "the other way is a bug in how locks are taken, which the view shows")
KP_ONE_WAY("device.c: if (IS_ERR(unit))",
	   "device.rs: let unit = KBox::pin_init(Self::create(bindings::DEVICE_NODE_LIMIT)?, GF...",
	   "the limit is right, and no allocation of the user program's calls is failed")
KP_ONE_WAY("device.rs: *self.samples.get_mut(tail as usize).ok_or(ENOSPC)? = value;",
	   "device.rs: self.samples.get(self.head as usize).copied()",
	   "head and tail are below the capacity, for which there are samples")
KP_ONE_WAY("device.rs: None => signal = self.readable.wait_interruptible(&mut state),",
	   "TIF_NOTIFY_SIGNAL, which io_uring sets and no signal; a signal is read without a jump")
KP_ONE_WAY("device.rs: if (*file).f_op == (*misc).fops {",
	   "each open begins with the operations that were registered")

#endif
