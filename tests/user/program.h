/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all user programs of pairs share: the engine's parameters, and the sign of life
 * that the host waits for.
 */
#ifndef _KPARITY_USER_PROGRAM_H
#define _KPARITY_USER_PROGRAM_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/**
 * parameter() - read a parameter of the engine's
 * @name: its name
 * @text: receives its value, without the line's end; empty if it cannot be read
 * @size: room in @text
 */
static void parameter(const char *name, char *text, size_t size)
{
	char path[80];
	ssize_t len = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/kparity/parameters/%s", name);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		len = read(fd, text, size - 1);
		close(fd);
	}
	text[len > 0 ? len - 1 : 0] = '\0';
}

/**
 * tell_alive() - tell the host that the program goes on, in the words of the engine's kp_alive()
 *
 * A program's output is read when it ends: on a slow machine the program would be taken
 * for one that hangs.
 */
static void tell_alive(void)
{
	char mark[32], line[64];
	int len, fd;

	parameter("mark", mark, sizeof(mark));
	if (!*mark)
		return;
	len = snprintf(line, sizeof(line), "<5>kparity[%s]: alive\n", mark);
	fd = open("/dev/kmsg", O_WRONLY);
	if (fd < 0)
		return;
	write(fd, line, len);
	close(fd);
}

#endif
