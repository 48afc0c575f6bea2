/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What orders.c, counts.c and covers.c share: of QEMU's interface for plugins, version 4, what they
 * use, as QEMU's own header of it is in no package of Debian's; where they write; and names that
 * the guest says. QEMU refuses a plugin of a version that it does not have.
 */
#ifndef KPARITY_PLUGIN_H
#define KPARITY_PLUGIN_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../kmod/engine/say.h"
#include "orders-decode.h"

#define EXPORT	__attribute__((visibility("default")))

/* The version of the plugins' interface that is declared below. */
#define API	4

struct qemu_plugin_tb;
struct qemu_plugin_insn;

struct qemu_info {
	const char *target_name;
	struct {
		int min;
		int cur;
	} version;
	bool system_emulation;
	int smp_vcpus;
	int max_vcpus;
};

struct mem_value {
	int type;
	union {
		__u64 u64;
		struct {
			__u64 low;
			__u64 high;
		} u128;
	} data;
};

enum { NO_REGS };
enum { MEM_RW = 3 };

typedef void (*on_tb)(__u64 id, struct qemu_plugin_tb *tb);
typedef void (*on_mem)(unsigned int cpu, __u32 info, __u64 at, void *data);
typedef void (*on_exec)(unsigned int cpu, void *data);
typedef void (*on_end)(__u64 id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(__u64 id, on_tb cb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t nr);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t len);
__u64 qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, on_mem cb, int flags, int rw,
				      void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, on_exec cb, int flags,
					    void *data);
void qemu_plugin_register_atexit_cb(__u64 id, on_end cb, void *data);
bool qemu_plugin_mem_is_store(__u32 info);
unsigned int qemu_plugin_mem_size_shift(__u32 info);
struct mem_value qemu_plugin_mem_get_value(__u32 info);

/* Where the record goes, and the plugin's name for messages. */
struct plugin_out {
	const char *name;
	int fd;
};

/**
 * plugin_begin() - whether this QEMU can have the plugin; else it is said why not
 * @out: its name; receives where to write, from the argument fd=
 * @info: of QEMU
 * @argc: number of arguments
 * @argv: the arguments
 * @on_arm64: receives whether the guest is of arm64, else of x86; NULL: it reads arm64 alone
 */
static inline bool plugin_begin(struct plugin_out *out, const struct qemu_info *info, int argc,
				char **argv, bool *on_arm64)
{
	const bool arm64 = !strcmp(info->target_name, "aarch64");

	if (info->version.cur < API || info->version.min > API) {
		fprintf(stderr, "%s: QEMU has plugin versions %d to %d, and not %d\n", out->name,
			info->version.min, info->version.cur, API);
		return false;
	}
	if (argc != 1 || sscanf(argv[0], "fd=%d", &out->fd) != 1) {
		fprintf(stderr, "%s: wants fd=N, where to write\n", out->name);
		return false;
	}
	if (!arm64 && (!on_arm64 || strcmp(info->target_name, "x86_64"))) {
		fprintf(stderr, "%s: reads the code of %saarch64, and not of %s\n", out->name,
			on_arm64 ? "x86_64 and " : "", info->target_name);
		return false;
	}
	if (on_arm64)
		*on_arm64 = arm64;
	return true;
}

/**
 * plugin_write() - write to the record
 * @out: where it goes
 * @from: what to write
 * @len: its bytes
 */
static inline void plugin_write(const struct plugin_out *out, const char *from, size_t len)
{
	ssize_t done;

	for (; len; from += done, len -= done) {
		done = write(out->fd, from, len);
		if (done <= 0) {
			fprintf(stderr, "%s: cannot write the record\n", out->name);
			exit(1);
		}
	}
}

/**
 * plugin_marker() - what an instruction says that the engine marks a word with
 * @on_arm64: it is of arm64, else of x86
 * @bytes: the instruction
 * @size: its bytes
 *
 * Return: one of &enum kp_said, or 0 for any other instruction
 */
static inline int plugin_marker(bool on_arm64, const __u8 *bytes, size_t size)
{
	__u32 bits;

	if (on_arm64) {
		memcpy(&bits, bytes, sizeof(bits));
		bits = orders_decode(bits);
		return bits & ORDERS_HINT ? (int)(bits & ~ORDERS_HINT) : 0;
	}
	if (size != 7 || bytes[0] != 0x0f || bytes[1] != 0x1f || bytes[2] != 0x80)
		return 0;
	memcpy(&bits, bytes + 3, sizeof(bits));
	return (bits & ~0xffU) == KP_SAY_X86 ? (int)(bits & 0xff) : 0;
}

/* A name, as far as the guest has said it. */
struct plugin_name {
	char text[KP_SAY_LETTERS + 1];
	__u32 letters;
};

/**
 * plugin_letters() - take the next letters of a name
 * @name: receives them
 * @word: eight of them
 */
static inline void plugin_letters(struct plugin_name *name, __u64 word)
{
	if (name->letters + sizeof(word) < sizeof(name->text)) {
		memcpy(name->text + name->letters, &word, sizeof(word));
		name->letters += sizeof(word);
		name->text[name->letters] = '\0';
	}
}

#endif
