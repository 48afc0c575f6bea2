// SPDX-License-Identifier: GPL-2.0
/*
 * The test guest's init: carries out what the host asks for over a virtio
 * serial port. It decides nothing; which modules to load, with which parameters, and
 * which files to read back is the host's business (scripts/kplib/boot/session.py), so that a
 * verdict never rests on code that runs beside the code under test.
 *
 * A request is a line of words, in some cases with bytes behind it:
 *
 *	load BYTES PARAMETERS...	a module follows
 *	unload NAME
 *	write BYTES PATH		what to write follows
 *	read PATH		of a folder: its files, a line each
 *	exec BYTES ARGUMENT		a program follows
 *	shell BYTES COMMAND		a busybox follows, to run it on the console
 *	off
 *
 * Every request is answered, in order, with a line "ERRNO BYTES" and that many
 * bytes. Requests may be sent without waiting for answers. exec answers with
 * what the program printed, and with its exit status in place of the errno; so
 * does shell, once it has ended, but for what it printed.
 *
 * Built with nolibc, from the kernel tree, so that clang alone makes it for
 * every arch.
 */
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#define PORT		"/dev/vport0p1"
#define PROGRAM		"/program"
#define BUSYBOX		"/busybox"
#define LINE_MAX	1024
#define READ_CHUNK	65536
#define OUTPUT_MAX	1048576

static int port;

static void power_off(void)
{
	/* QEMU runs with -no-reboot; a microvm cannot be powered off. */
	reboot(LINUX_REBOOT_CMD_RESTART);
	for (;;)
		sleep(1);
}

static void die(const char *what)
{
	dprintf(2, "kparity init: %s: error %d\n", what, errno);
	power_off();
}

static void mount_filesystems(void)
{
	static const char *const fs[][3] = {
		{ "devtmpfs", "/dev", "dev" },
		{ "proc", "/proc", "proc" },
		{ "sysfs", "/sys", "sys" },
		{ "debugfs", "/sys/kernel/debug", "debug" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(fs) / sizeof(fs[0]); i++) {
		mkdir(fs[i][1], 0755);
		if (mount(fs[i][2], fs[i][1], fs[i][0], 0, NULL) &&
		    errno != EBUSY)
			die(fs[i][1]);
	}
}

/* The console is for people; ours is the port, which appears when it does. */
static void open_port(void)
{
	int tries;

	for (tries = 0; tries < 5000; tries++) {
		port = open(PORT, O_RDWR);
		if (port >= 0)
			return;
		usleep(1000);
	}
	die(PORT);
}

static void get(char *buf, size_t len)
{
	while (len) {
		ssize_t n = read(port, buf, len);

		if (n <= 0)
			die("read from the host");
		buf += n;
		len -= n;
	}
}

static void put(const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(port, buf, len);

		if (n <= 0)
			die("write to the host");
		buf += n;
		len -= n;
	}
}

static void answer(int err, const char *buf, size_t len)
{
	char head[32];

	put(head, snprintf(head, sizeof(head), "%d %zu\n", err, len));
	put(buf, len);
}

static void get_line(char *line)
{
	size_t n;

	for (n = 0; n < LINE_MAX; n++) {
		get(line + n, 1);
		if (line[n] == '\n') {
			line[n] = '\0';
			return;
		}
	}
	die("request too long");
}

/* The bytes behind a request; the caller frees them. */
static char *get_bytes(size_t len)
{
	char *buf = malloc(len ? len : 1);

	if (!buf)
		die("memory");
	get(buf, len);
	return buf;
}

static void do_load(size_t len, char *params)
{
	char *image = get_bytes(len);
	int err = syscall(__NR_init_module, image, len, params) ? errno : 0;

	free(image);
	answer(err, NULL, 0);
}

static void do_unload(char *name)
{
	int err = syscall(__NR_delete_module, name, O_NONBLOCK) ? errno : 0;

	answer(err, NULL, 0);
}

static void do_write(size_t len, char *path)
{
	char *buf = get_bytes(len);
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0 || write(fd, buf, len) != (ssize_t)len)
		err = errno;
	if (fd >= 0)
		close(fd);
	free(buf);
	answer(err, NULL, 0);
}

/* Append a file's name and its first line to what is in @buf. Returns 0, or an errno, negative. */
static int add_file(char *buf, size_t *len, size_t size, const char *folder, const char *name)
{
	char path[LINE_MAX], text[LINE_MAX], *end;
	int fd, err = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		err = -errno;
	close(fd);
	if (err)
		return err;
	text[n] = '\0';
	end = strchr(text, '\n');
	if (end)
		*end = '\0';
	else if (n == sizeof(text) - 1)
		return -EFBIG;
	if (*len + strlen(name) + strlen(text) + 4 > size)
		return -ENOSPC;
	*len += snprintf(buf + *len, size - *len, "%s: %s\n", name, text);
	return 0;
}

/* The files of a folder, a line each: name, and the first line of what they have. */
static void read_folder(const char *path)
{
	struct dirent entry, *found;
	size_t len = 0;
	DIR *dir = opendir(path);
	char *buf = malloc(READ_CHUNK);
	int err;

	if (!dir || !buf)
		die(path);
	do {
		err = readdir_r(dir, &entry, &found);
		if (!err && found && entry.d_name[0] != '.')
			err = -add_file(buf, &len, READ_CHUNK, path, entry.d_name);
	} while (!err && found);
	closedir(dir);
	answer(err, buf, err ? 0 : len);
	free(buf);
}

static void do_read(char *path)
{
	size_t size = READ_CHUNK, len = 0;
	char *buf = malloc(size);
	int fd = open(path, O_RDONLY);
	int err = fd < 0 ? errno : 0;
	ssize_t n = 0;

	while (!err && buf) {
		n = read(fd, buf + len, size - len);
		if (n <= 0)
			break;
		len += n;
		if (len == size)
			buf = realloc(buf, size *= 2);
	}
	if (!buf)
		die("memory");
	if (n < 0)
		err = errno;
	if (fd >= 0)
		close(fd);
	if (err == EISDIR) {
		free(buf);
		read_folder(path);
		return;
	}
	answer(err, buf, err ? 0 : len);
	free(buf);
}

/* Read all that a program prints until it ends; the caller frees it. */
static char *drain(int fd, size_t *len)
{
	char *buf = malloc(OUTPUT_MAX);
	ssize_t n = 1;

	if (!buf)
		die("memory");
	for (*len = 0; *len < OUTPUT_MAX && n > 0; *len += n) {
		n = read(fd, buf + *len, OUTPUT_MAX - *len);
		if (n < 0)
			n = 0;
	}
	return buf;
}

static void get_program(const char *path, size_t size)
{
	char *image = get_bytes(size);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	if (fd < 0 || write(fd, image, size) != (ssize_t)size)
		die(path);
	close(fd);
	free(image);
}

/* A program's exit status, once it has ended. */
static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void do_exec(size_t size, char *arg)
{
	char *const argv[] = { PROGRAM, arg, NULL };
	int ends[2], status;
	size_t len;
	char *out;
	pid_t pid;

	get_program(PROGRAM, size);
	if (pipe(ends))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execve(PROGRAM, argv, argv + 2);
		_exit(127);
	}
	close(ends[1]);
	out = drain(ends[0], &len);
	close(ends[0]);
	status = status_of(pid);
	unlink(PROGRAM);
	answer(status, out, len);
	free(out);
}

static void do_shell(size_t size, char *command)
{
	char *const argv[] = { BUSYBOX, "sh", "-c", command, NULL };
	pid_t pid;

	get_program(BUSYBOX, size);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		execve(BUSYBOX, argv, argv + 4);
		_exit(127);
	}
	answer(status_of(pid), NULL, 0);
}

static void do_off(char *unused)
{
	(void)unused;
	answer(0, NULL, 0);
	power_off();
}

/* Each verb is carried out with its argument; or with bytes, and how many they are. */
static const struct verb {
	const char *name;
	void (*plain)(char *argument);
	void (*with_bytes)(size_t len, char *argument);
} verbs[] = {
	{ "load", .with_bytes = do_load },
	{ "unload", .plain = do_unload },
	{ "write", .with_bytes = do_write },
	{ "read", .plain = do_read },
	{ "exec", .with_bytes = do_exec },
	{ "shell", .with_bytes = do_shell },
	{ "off", .plain = do_off },
};

static const struct verb *find_verb(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	die("unknown request");
	return NULL;
}

static void serve(void)
{
	static char line[LINE_MAX];

	for (;;) {
		const struct verb *verb;
		size_t len;
		char *arg;

		get_line(line);
		arg = strchr(line, ' ');
		if (arg)
			*arg++ = '\0';
		else
			arg = line + strlen(line);
		verb = find_verb(line);
		if (verb->plain) {
			verb->plain(arg);
			continue;
		}
		len = strtoul(arg, &arg, 10);
		if (*arg == ' ')
			arg++;
		verb->with_bytes(len, arg);
	}
}

int main(void)
{
	mount_filesystems();
	open_port();
	/* The host takes this for the sign that the guest has booted. */
	answer(0, NULL, 0);
	serve();
	return 0;
}
