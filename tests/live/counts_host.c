// SPDX-License-Identifier: GPL-2.0
/*
 * qemu/counts.c without QEMU: what a guest executes, reads, writes and says is a list of words on
 * standard input, and the record goes to standard output.
 *
 * s WHAT WORD  the engine says a word
 * x PC         an instruction is executed
 * t PC         one that reads the counter is
 * k PC         the same on arm64, where a function of the kernel's has it
 * r AT SHIFT   the last instruction reads 1 << SHIFT bytes
 * w AT SHIFT   it writes them
 */
#include "../../qemu/counts.c"

#define STORES	0x100

static __u64 stored;

bool qemu_plugin_mem_is_store(__u32 info)
{
	return info & STORES;
}

unsigned int qemu_plugin_mem_size_shift(__u32 info)
{
	return info & 0xff;
}

struct mem_value qemu_plugin_mem_get_value(__u32 info)
{
	(void)info;
	return (struct mem_value){ .data.u64 = stored };
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	(void)tb;
	return 0;
}

struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t nr)
{
	(void)tb;
	(void)nr;
	return NULL;
}

size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn)
{
	(void)insn;
	return 0;
}

size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t len)
{
	(void)insn;
	(void)to;
	(void)len;
	return 0;
}

__u64 qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
	(void)insn;
	return 0;
}

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, on_mem cb, int flags, int rw,
				      void *data)
{
	(void)insn;
	(void)cb;
	(void)flags;
	(void)rw;
	(void)data;
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, on_exec cb, int flags,
					    void *data)
{
	(void)insn;
	(void)cb;
	(void)flags;
	(void)data;
}

void qemu_plugin_register_vcpu_tb_trans_cb(__u64 id, on_tb cb)
{
	(void)id;
	(void)cb;
}

int main(void)
{
	static const __u8 nop[4] = { 0x90 }, rdtsc[] = { 0x0f, 0x31 };
	static const __u8 mrs[] = { 0x40, 0xe0, 0x3b, 0xd5 };
	unsigned long long at, word;
	char what;

	out.fd = STDOUT_FILENO;
	while (scanf(" %c %llx", &what, &at) == 2) {
		switch (what) {
		case 'x':
			executed(0, place_of(at, nop, 1));
			continue;
		case 't':
			executed(0, place_of(at, rdtsc, sizeof(rdtsc)));
			continue;
		case 'k':
			on_arm64 = true;
			executed(0, place_of(at, mrs, sizeof(mrs)));
			continue;
		}
		if (scanf("%llx", &word) != 1)
			return 1;
		if (what == 's') {
			stored = word;
			marked(0, (void *)(long)at);
			accessed(0, STORES | 3, 0, NULL);
		} else {
			accessed(0, (what == 'w' ? STORES : 0) | (__u32)word, at, NULL);
		}
	}
	return 0;
}
