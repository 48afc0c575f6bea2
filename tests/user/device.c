// SPDX-License-Identifier: GPL-2.0
/*
 * device, from user space: drives the node that is named on the command line
 * through system calls, and prints KTAP. The same program for both nodes; it
 * knows the uapi header and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "contract/device_uapi.h"
#include "program.h"

#define MODULE		"kparity_device"
#define READABLE	(POLLIN | POLLRDNORM)
#define CAPACITY	4
#define BIAS		100
#define STREAM		500
#define TURN		5000	/* us */
#define LOOK_EVERY	10	/* turns; a look is dear in a kernel with checkers */
#define STILL		40	/* looks at processes that do nothing: a hang */
#define SPINS		40	/* looks at a process that runs on and on: 2 s of a CPU */
#define REFCNT		"/sys/module/" MODULE "/refcnt"
#define STATUS_SIZE	128
#define SWITCHES	"\nvoluntary_ctxt_switches:"

static const char *node;
static int failed;	/* checks of the test that this process runs */

/* State that the processes of a test share. */
static struct {
	pid_t helper;	/* the process that the test has forked */
	bool returned;	/* the call has that was to sleep */
} *shared;

#define CHECK(cond)							\
do {									\
	if (!(cond)) {							\
		printf("# line %d: %s (errno %d)\n", __LINE__, #cond,	\
		       errno);						\
		failed++;						\
	}								\
} while (0)

/* Whether a call failed, with this errno. */
static bool fails(long ret, int err)
{
	return ret == -1 && errno == err;
}

static int open_node(int flags)
{
	int fd = open(node, O_RDWR | flags);

	CHECK(fd >= 0);
	return fd;
}

static long configure(int fd, unsigned int capacity, unsigned int reserved)
{
	struct device_config config = {
		.capacity = capacity, .reserved = reserved, .bias = BIAS,
	};

	return ioctl(fd, DEVICE_IOC_CONFIGURE, &config);
}

static long feed(int fd, unsigned long long value, unsigned int reserved)
{
	struct device_sample sample = {
		.value = value, .reserved = { 0, reserved },
	};

	return ioctl(fd, DEVICE_IOC_FEED, &sample);
}

/* A unit that runs. */
static int open_running(int flags)
{
	int fd = open_node(flags);

	CHECK(!configure(fd, CAPACITY, 0));
	CHECK(!ioctl(fd, DEVICE_IOC_START, 0));
	return fd;
}

/* Whether a unit's status is this. */
static bool is(int fd, unsigned int state, unsigned int capacity,
	       unsigned int queued)
{
	struct device_status status = { .reserved = 1 };

	return !ioctl(fd, DEVICE_IOC_STATUS, &status) &&
	       status.state == state && status.capacity == capacity &&
	       status.queued == queued && !status.reserved;
}

/* Whether the next sample is this one. */
static bool gives(int fd, unsigned long long value)
{
	unsigned long long got = 0;

	return read(fd, &got, sizeof(got)) == sizeof(got) &&
	       got == value + BIAS;
}

static int polls(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = READABLE };

	return poll(&p, 1, timeout) < 0 ? -1 : p.revents;
}

static bool exits_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}

/* Read a process's file in /proc; empty if there is no such process. */
static void proc_read(pid_t pid, const char *file, char *text, size_t size)
{
	char path[32];
	ssize_t len = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = pid ? open(path, O_RDONLY) : -1;
	if (fd >= 0) {
		len = read(fd, text, size - 1);
		close(fd);
	}
	text[len > 0 ? len : 0] = '\0';
}

static bool sleeps(const char *status)
{
	return *status == 'S' || *status == 'D';
}

/*
 * A process's state, one letter, and how often it was switched to: something
 * else once it has run. Empty if there is no such process. A process that has
 * set its state but is still on a CPU, or waits for one, may not sleep after all:
 * it has no wchan, and counts as one that runs.
 */
static void status_of(pid_t pid, char *status)
{
	const char *state, *switches;
	char wchan[128], text[4096];

	proc_read(pid, "wchan", wchan, sizeof(wchan));
	proc_read(pid, "status", text, sizeof(text));
	state = strstr(text, "State:\t");
	switches = strstr(text, SWITCHES);
	memset(status, 0, STATUS_SIZE);
	if (state && switches)
		snprintf(status, STATUS_SIZE, "%c%s",
			 state[strlen("State:\t")], switches);
	if (sleeps(status) && (!*wchan || !strcmp(wchan, "0")))
		*status = 'R';
}

static bool gone(const char *status)
{
	return !*status || *status == 'Z' || *status == 'X';
}

/* Wait until a process sleeps, or is gone; its status then. */
static void await_sleep(pid_t pid, char *status)
{
	for (;;) {
		status_of(pid, status);
		if (sleeps(status) || gone(status))
			return;
		usleep(1000);
	}
}

/*
 * Whether a process has slept all the while since its status was this. A sample
 * or a signal wakes a reader before the call that gives it returns: one that has
 * slept on was not woken, and never will be.
 */
static bool sleeps_on(pid_t pid, const char *since)
{
	char now[STATUS_SIZE];

	status_of(pid, now);
	return sleeps(now) && !strcmp(now, since);
}

/* End a test whose process waits for an event that will not come. */
static void give_up(pid_t pid)
{
	printf("# a process that sleeps was not woken by a sample\n");
	kill(pid, SIGKILL);
	_exit(1);
}

/* A process that is looked at again and again. */
struct watch {
	char status[STATUS_SIZE];
	unsigned long ran;	/* on a CPU, in ticks */
	unsigned long slept;	/* times */
	unsigned int spins;	/* looks */
};

/* The ticks for which a process has run: fields 14 and 15 of its stat. */
static unsigned long ran(pid_t pid)
{
	unsigned long user, system;
	char text[1024], *at;
	int field;

	proc_read(pid, "stat", text, sizeof(text));
	at = strrchr(text, ')');
	for (field = 2; at && field < 14; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return 0;
	user = strtoul(at, &at, 10);
	system = strtoul(at, &at, 10);
	return user + system;
}

/*
 * Look at a process. Returns whether it has done nothing since the last look.
 *
 * A spin is a look at a process that has used a CPU, and not slept, since the one
 * before. Looks are counted and not time: what the kernel takes for the time of a
 * process goes on while the host does not run its CPU, but makes one look only.
 */
static bool look(pid_t pid, struct watch *w)
{
	unsigned long slept = 0, now_ran = ran(pid);
	char now[STATUS_SIZE];
	const char *at;
	bool same;

	status_of(pid, now);
	at = strstr(now, SWITCHES);
	if (at)
		slept = strtoul(at + strlen(SWITCHES), NULL, 10);
	if (slept != w->slept)
		w->spins = 0;
	else if (now_ran != w->ran)
		w->spins++;
	w->slept = slept;
	w->ran = now_ran;
	same = !strcmp(w->status, now);
	memcpy(w->status, now, sizeof(now));
	return same && (sleeps(now) || gone(now));
}

/*
 * Whether a process that has been killed ends. It does not if it sleeps on, as
 * since its status was this, or if it runs on and on.
 */
static bool dies(pid_t pid, const char *since)
{
	struct watch w = {};
	int turn, looks = 0;

	for (turn = 1; looks < STILL && w.spins < SPINS; turn++) {
		char now[STATUS_SIZE];

		status_of(pid, now);
		if (gone(now))
			return true;
		if (sleeps(now) && !strcmp(now, since))
			return false;
		if (turn % LOOK_EVERY == 0)
			looks = look(pid, &w) ? looks + 1 : 0;
		usleep(TURN);
	}
	return false;
}

/* A process of its own for a part of a test. */
static pid_t fork_helper(void)
{
	pid_t pid = fork();

	if (pid)
		shared->helper = pid;
	return pid;
}

/* Numbers and sizes that programs have been built with. */
static void numbers(void)
{
	CHECK(DEVICE_IOC_CONFIGURE == 0x4010c701);
	CHECK(DEVICE_IOC_START == 0xc702);
	CHECK(DEVICE_IOC_STOP == 0xc703);
	CHECK(DEVICE_IOC_RESET == 0xc704);
	CHECK(DEVICE_IOC_FEED == 0x4010c705);
	CHECK(DEVICE_IOC_STATUS == 0x8010c706);
	CHECK(sizeof(struct device_config) == 16);
	CHECK(sizeof(struct device_sample) == 16);
	CHECK(sizeof(struct device_status) == 16);
}

static void unknown_ioctl(void)
{
	int fd = open_node(0);

	CHECK(fails(ioctl(fd, _IO(DEVICE_IOC_MAGIC, 99), 0), ENOTTY));
	CHECK(fails(ioctl(fd, _IO('k', 2), 0), ENOTTY));
	/* The right number with another direction or size, and no argument. */
	CHECK(fails(ioctl(fd, _IO(DEVICE_IOC_MAGIC, 1), 1), ENOTTY));
	CHECK(fails(ioctl(fd, _IOW(DEVICE_IOC_MAGIC, 1, int), 1), ENOTTY));
	CHECK(fails(ioctl(fd, _IOWR(DEVICE_IOC_MAGIC, 6,
				    struct device_status), 1), ENOTTY));
	CHECK(is(fd, DEVICE_IDLE, 0, 0));
	close(fd);
}

/* An argument that is not there, or is the kernel's, is EFAULT, even where the state forbids. */
static void bad_pointer(void)
{
	unsigned long kernel = -4096UL;
	int fd = open_node(0);

	CHECK(fails(ioctl(fd, DEVICE_IOC_CONFIGURE, 8), EFAULT));
	CHECK(fails(ioctl(fd, DEVICE_IOC_FEED, 8), EFAULT));
	CHECK(fails(ioctl(fd, DEVICE_IOC_STATUS, 8), EFAULT));
	CHECK(fails(ioctl(fd, DEVICE_IOC_CONFIGURE, kernel), EFAULT));
	CHECK(fails(ioctl(fd, DEVICE_IOC_FEED, kernel), EFAULT));
	CHECK(fails(ioctl(fd, DEVICE_IOC_STATUS, kernel), EFAULT));
	CHECK(is(fd, DEVICE_IDLE, 0, 0));
	close(fd);
}

static void lifecycle(void)
{
	int fd = open_node(O_NONBLOCK);

	CHECK(is(fd, DEVICE_IDLE, 0, 0));
	CHECK(!configure(fd, CAPACITY, 0));
	CHECK(is(fd, DEVICE_READY, CAPACITY, 0));
	CHECK(!ioctl(fd, DEVICE_IOC_START, 0));
	CHECK(!feed(fd, 1, 0));
	CHECK(!feed(fd, 2, 0));
	CHECK(is(fd, DEVICE_RUNNING, CAPACITY, 2));
	CHECK(!ioctl(fd, DEVICE_IOC_STOP, 0));
	CHECK(is(fd, DEVICE_READY, CAPACITY, 2));
	CHECK(gives(fd, 1));
	CHECK(!ioctl(fd, DEVICE_IOC_RESET, 0));
	CHECK(is(fd, DEVICE_IDLE, 0, 0));
	close(fd);
}

static void illegal_transition(void)
{
	int fd = open_node(0);

	CHECK(fails(ioctl(fd, DEVICE_IOC_START, 0), EBUSY));
	CHECK(fails(ioctl(fd, DEVICE_IOC_STOP, 0), EBUSY));
	CHECK(fails(feed(fd, 1, 0), EBUSY));
	CHECK(is(fd, DEVICE_IDLE, 0, 0));
	CHECK(!configure(fd, CAPACITY, 0));
	CHECK(fails(ioctl(fd, DEVICE_IOC_STOP, 0), EBUSY));
	CHECK(fails(feed(fd, 1, 0), EBUSY));
	CHECK(is(fd, DEVICE_READY, CAPACITY, 0));
	CHECK(!ioctl(fd, DEVICE_IOC_START, 0));
	CHECK(!feed(fd, 1, 0));
	CHECK(fails(configure(fd, 1, 0), EBUSY));
	CHECK(fails(ioctl(fd, DEVICE_IOC_START, 0), EBUSY));
	CHECK(fails(ioctl(fd, DEVICE_IOC_RESET, 0), EBUSY));
	CHECK(is(fd, DEVICE_RUNNING, CAPACITY, 1));
	close(fd);
}

/* Arguments come before the state. */
static void bad_argument(void)
{
	int fd = open_node(0);

	CHECK(fails(feed(fd, 1, 1), EINVAL));
	CHECK(fails(configure(fd, CAPACITY, 1), EINVAL));
	CHECK(fails(configure(fd, 0, 0), EINVAL));
	CHECK(fails(configure(fd, DEVICE_NODE_LIMIT + 1, 0), EINVAL));
	CHECK(!configure(fd, DEVICE_NODE_LIMIT, 0));
	CHECK(!ioctl(fd, DEVICE_IOC_START, 0));
	CHECK(fails(configure(fd, CAPACITY, 1), EINVAL));
	CHECK(fails(configure(fd, 0, 0), EINVAL));
	CHECK(fails(feed(fd, 1, 1), EINVAL));
	CHECK(is(fd, DEVICE_RUNNING, DEVICE_NODE_LIMIT, 0));
	close(fd);
}

static void queue(void)
{
	int fd = open_running(O_NONBLOCK);
	unsigned int i;

	for (i = 0; i < CAPACITY; i++)
		CHECK(!feed(fd, i, 0));
	CHECK(fails(feed(fd, i, 0), ENOSPC));
	for (i = 0; i < CAPACITY; i++)
		CHECK(gives(fd, i));
	CHECK(is(fd, DEVICE_RUNNING, CAPACITY, 0));
	close(fd);
}

static void read_errors(void)
{
	int fd = open_running(O_NONBLOCK);
	unsigned long long value = 7;

	CHECK(fails(read(fd, &value, sizeof(value)), EAGAIN));
	CHECK(value == 7);
	CHECK(!feed(fd, 1, 0));
	CHECK(!feed(fd, 2, 0));
	CHECK(fails(read(fd, &value, sizeof(value) - 1), EINVAL));
	CHECK(is(fd, DEVICE_RUNNING, CAPACITY, 2));
	CHECK(fails(read(fd, (void *)8, sizeof(value)), EFAULT));
	CHECK(is(fd, DEVICE_RUNNING, CAPACITY, 1));
	CHECK(gives(fd, 2));
	close(fd);
}

static void poll_exact(void)
{
	int fd = open_running(O_NONBLOCK);

	CHECK(polls(fd, 0) == 0);
	CHECK(!feed(fd, 1, 0));
	CHECK(polls(fd, 0) == READABLE);
	CHECK(gives(fd, 1));
	CHECK(polls(fd, 0) == 0);
	close(fd);
}

/*
 * Another process, which feeds a sample when this one sleeps. This one may wait
 * for it soon after, so what counts is whether the call has returned by then.
 */
static pid_t feed_asleep(int fd)
{
	char status[STATUS_SIZE];
	pid_t parent = getpid();
	pid_t pid = fork_helper();

	if (!pid) {
		await_sleep(parent, status);
		if (feed(fd, 1, 0))
			_exit(1);
		if (sleeps_on(parent, status) &&
		    !__atomic_load_n(&shared->returned, __ATOMIC_ACQUIRE))
			give_up(parent);
		_exit(0);
	}
	return pid;
}

/* The call that was to sleep has returned. */
static void has_returned(void)
{
	__atomic_store_n(&shared->returned, true, __ATOMIC_RELEASE);
}

static void poll_wakes(void)
{
	int fd = open_running(0);
	pid_t pid = feed_asleep(fd);
	int events = polls(fd, -1);

	has_returned();
	CHECK(events == READABLE);
	CHECK(exits_well(pid));
	close(fd);
}

static void read_blocks(void)
{
	int fd = open_running(0);
	pid_t pid = feed_asleep(fd);
	bool given = gives(fd, 1);

	has_returned();
	CHECK(given);
	CHECK(exits_well(pid));
	close(fd);
}

/* A reader that sleeps can be killed, and takes no sample with it. */
static void read_interrupted(void)
{
	int fd = open_running(0);
	pid_t pid = fork_helper();
	char asleep[STATUS_SIZE];
	int status = 0;

	if (!pid)
		_exit(gives(fd, 1));
	await_sleep(pid, asleep);
	CHECK(!kill(pid, SIGKILL));
	if (!dies(pid, asleep)) {
		CHECK(!"the signal ended it");
		feed(fd, 0, 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(!feed(fd, 1, 0));
	CHECK(gives(fd, 1));
	close(fd);
}

/* Feed a sample, once there is room; the reader must not sleep while there is none. */
static void feed_until(int fd, unsigned int value, pid_t reader)
{
	char status[STATUS_SIZE] = "";

	while (feed(fd, value, 0)) {
		if (errno != ENOSPC)
			_exit(1);
		if (sleeps_on(reader, status))
			give_up(reader);
		status_of(reader, status);
		usleep(100);
	}
}

/* More samples than fit, between two processes. */
static void stream(void)
{
	int fd = open_running(0);
	pid_t parent = getpid();
	pid_t pid = fork_helper();
	unsigned int i;

	if (!pid) {
		for (i = 0; i < STREAM; i++)
			feed_until(fd, i, parent);
		_exit(0);
	}
	for (i = 0; i < STREAM; i++)
		if (!gives(fd, i))
			break;
	CHECK(i == STREAM);
	if (i != STREAM)
		kill(pid, SIGKILL);
	CHECK(exits_well(pid));
	CHECK(is(fd, DEVICE_RUNNING, CAPACITY, 0));
	close(fd);
}

/* Each open is a unit of its own, which a copy of the file shares. */
static void units(void)
{
	int fd = open_running(O_NONBLOCK);
	int other = open_node(O_NONBLOCK);
	int copy = dup(fd);

	CHECK(is(other, DEVICE_IDLE, 0, 0));
	CHECK(is(copy, DEVICE_RUNNING, CAPACITY, 0));
	CHECK(!feed(fd, 1, 0));
	close(fd);
	CHECK(gives(copy, 1));
	close(copy);
	close(other);
}

/* The module stays while a node is open; it is not put to it otherwise. */
static void module_pinned(void)
{
	int fd = open_node(0);
	int refs = open(REFCNT, O_RDONLY);
	char count = '0';

	CHECK(read(refs, &count, 1) == 1);
	CHECK(count == '1');
	if (count == '1')
		CHECK(fails(syscall(__NR_delete_module, MODULE, O_NONBLOCK),
			    EAGAIN));
	CHECK(is(fd, DEVICE_IDLE, 0, 0));
	close(refs);
	close(fd);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "numbers", numbers },
	{ "unknown_ioctl", unknown_ioctl },
	{ "bad_pointer", bad_pointer },
	{ "lifecycle", lifecycle },
	{ "illegal_transition", illegal_transition },
	{ "bad_argument", bad_argument },
	{ "queue", queue },
	{ "read_errors", read_errors },
	{ "poll_exact", poll_exact },
	{ "poll_wakes", poll_wakes },
	{ "read_blocks", read_blocks },
	{ "read_interrupted", read_interrupted },
	{ "stream", stream },
	{ "units", units },
	{ "module_pinned", module_pinned },
};

#define NR_TESTS	(sizeof(tests) / sizeof(tests[0]))

/*
 * A process of its own for each test, so that one that hangs can be ended. It
 * hangs when it and its helper sleep and are not woken, or one of them runs on and
 * on; as long as they wait for a CPU, there is no hurry.
 */
static bool passes(void (*test)(void))
{
	struct watch w[2] = {};
	int status, turn, looks = 0;
	pid_t pid;

	shared->helper = 0;
	shared->returned = false;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		test();
		_exit(failed ? 1 : 0);
	}
	/* A test that sees a spin itself, after SPINS looks, can end it. */
	for (turn = 1; looks < STILL && w[0].spins < 3 * SPINS &&
	     w[1].spins < 3 * SPINS; turn++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && !WEXITSTATUS(status);
		if (turn % LOOK_EVERY == 0) {
			bool quiet = look(pid, &w[0]);

			quiet = look(shared->helper, &w[1]) && quiet;
			looks = quiet ? looks + 1 : 0;
		}
		usleep(TURN);
	}
	printf(looks < STILL ?
	       "# hangs: a process runs on and on, and does not sleep\n" :
	       "# hangs: its processes sleep, and nothing wakes them\n");
	kill(-pid, SIGKILL);
	/* One that heeds no signal stays: the module cannot be unloaded then. */
	if (dies(pid, "-"))
		waitpid(pid, &status, 0);
	return false;
}

int main(int argc, char **argv)
{
	unsigned int i, bad = 0;

	if (argc != 2)
		return 2;
	node = argv[1];
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	printf("KTAP version 1\n1..%u\n", (unsigned int)NR_TESTS);
	for (i = 0; i < NR_TESTS; i++) {
		bool passed = passes(tests[i].run);

		tell_alive();
		bad += !passed;
		printf("%sok %u %s\n", passed ? "" : "not ", i + 1,
		       tests[i].name);
	}
	return bad ? 1 : 0;
}
