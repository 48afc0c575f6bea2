/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What orders.c uses of QEMU's interface for plugins, version 4. QEMU's own header of it is in no
 * package of Debian's. QEMU refuses a plugin of a version that it does not have.
 */
#ifndef KPARITY_ORDERS_QEMU_H
#define KPARITY_ORDERS_QEMU_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

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

void qemu_plugin_register_vcpu_tb_trans_cb(__u64 id, on_tb cb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t nr);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t len);
__u64 qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, on_mem cb, int flags, int rw,
				      void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, on_exec cb, int flags,
					    void *data);
bool qemu_plugin_mem_is_store(__u32 info);
unsigned int qemu_plugin_mem_size_shift(__u32 info);
struct mem_value qemu_plugin_mem_get_value(__u32 info);

#endif
