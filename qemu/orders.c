// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin: the orderings of an arm64 guest's memory accesses, as executed.
 *
 * The guest says what runs (kmod/engine/order.c, say.h). While an operation runs,
 * each access to the memory that the guest has named is recorded, and each access anywhere that
 * orders others, and each barrier. What an instruction is follows from its bits alone.
 *
 * Of the executions of an operation with one outcome those are kept that take another way through
 * the code than those before. All is written as text to the descriptor that the argument fd=
 * names, at the end of each case; kplib/judge/orders.py reads it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plugin.h"

EXPORT int qemu_plugin_version = API;

#define BLOCKS		64
#define HANDLES		16
#define WORDS		4096
#define EVENTS		4096
#define COUNTS		256
#define KINDS		4096
/* Ways through the code of an operation with one outcome that are kept. */
#define WAYS		64
/* As many of them are kept for accesses that order nothing. */
#define PLAIN_WAYS	8

/* What memory an access is to. */
enum place { NOT_NAMED, OBJECT, HANDLE, POINTED_TO };

struct event {
	__u64 at;
	__u64 pc;
	__u32 what;
	__u32 size;
	enum place place;
};

struct block {
	__u64 at;
	__u32 first;
	__u32 nr;
};

/* Executions of an operation with one outcome. */
struct count {
	__u32 op;
	__s32 outcome;
	__u32 times;
	__u32 disturbed;
	__u32 ways;
	__u32 dropped;
};

static struct {
	int said;		/* the last hint, if the store behind it has not come */
	bool active;
	bool disturbed;
	bool overflow;
	struct plugin_name name;
	__u32 op;
	__u64 object;
	__u64 handle[HANDLES];
	__u32 nr_handles;
	struct block block[BLOCKS];
	__u32 nr_blocks;
	__u64 word[WORDS];
	__u32 nr_words;
	struct event event[EVENTS];
	__u32 nr_events;
	struct count count[COUNTS];
	__u32 nr_counts;
	__u64 known[KINDS];
	__u32 nr_known;
	FILE *out;
	bool open;
} now;

/* The text of a case is written at once: a guest that is lost leaves whole cases behind. */
static char *text;
static size_t text_size;
static struct plugin_out out = { .name = "orders" };

static enum place place_of(__u64 at)
{
	__u32 i, j;

	for (i = 0; i < now.nr_blocks; i++) {
		if (at - now.block[i].at >= 8ULL * now.block[i].nr)
			continue;
		if (now.block[i].at == now.object)
			return OBJECT;
		for (j = 0; j < now.nr_handles; j++)
			if (now.block[i].at == now.handle[j])
				return HANDLE;
		return POINTED_TO;
	}
	return NOT_NAMED;
}

static void record(__u32 what, __u64 at, __u64 pc, __u32 size, enum place place)
{
	__u32 i;

	for (i = 0; i < now.nr_events; i++)
		if (now.event[i].pc == pc && now.event[i].at == at && now.event[i].what == what)
			return;
	if (now.nr_events == EVENTS) {
		now.overflow = true;
		return;
	}
	now.event[now.nr_events++] = (struct event){ at, pc, what, size, place };
}

static void begin_case(__u64 path)
{
	now.out = open_memstream(&text, &text_size);
	if (!now.out)
		abort();
	fprintf(now.out, "case %s %llu\n", now.name.text, path);
	now.name.letters = 0;
	now.nr_counts = 0;
	now.nr_known = 0;
}

static void end_case(void)
{
	__u32 i;

	if (!now.out)
		return;
	for (i = 0; i < now.nr_counts; i++)
		fprintf(now.out, "count %u %d %u %u %u\n", now.count[i].op, now.count[i].outcome,
			now.count[i].times, now.count[i].disturbed, now.count[i].dropped);
	fprintf(now.out, "close\n");
	fclose(now.out);
	now.out = NULL;
	plugin_write(&out, text, text_size);
	free(text);
	text = NULL;
}

static struct count *count_of(__u32 op, __s32 outcome)
{
	__u32 i;

	for (i = 0; i < now.nr_counts; i++)
		if (now.count[i].op == op && now.count[i].outcome == outcome)
			return &now.count[i];
	if (now.nr_counts == COUNTS)
		return NULL;
	now.count[now.nr_counts] = (struct count){ .op = op, .outcome = outcome };
	return &now.count[now.nr_counts++];
}

/*
 * Whether no execution before took this way: by where its accesses stand and what memory they are
 * to, each once, and by how many there are that order something, as in a loop. Those that order
 * nothing count only if @plain. One instruction may store to the object or to what that points to,
 * as where a list links its first element or another one.
 */
static bool another_way(__s32 outcome, bool plain)
{
	__u64 hash = 0xcbf29ce484222325ULL ^ now.op ^ (__u64)(__u32)outcome << 32 ^
			(__u64)plain << 31;
	__u32 i, j, ordered = 0;

	for (i = 0; i < now.nr_events; i++) {
		if (now.event[i].what & (ORDERS_ORDERED | ORDERS_BARRIER))
			ordered++;
		else if (!plain)
			continue;
		for (j = 0; j < i && (now.event[j].pc != now.event[i].pc ||
				      now.event[j].place != now.event[i].place); j++)
			;
		if (j < i)
			continue;
		hash = (hash ^ now.event[i].pc) * 0x9e3779b97f4a7c15ULL;
		hash = (hash ^ now.event[i].place) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	hash = (hash ^ ordered) * 0x9e3779b97f4a7c15ULL;
	hash ^= hash >> 32;
	for (i = 0; i < now.nr_known; i++)
		if (now.known[i] == hash)
			return false;
	if (now.nr_known < KINDS)
		now.known[now.nr_known++] = hash;
	return true;
}

static void write_execution(__s32 outcome)
{
	__u32 i, j;

	fprintf(now.out, "run %u %d %llx", now.op, outcome, now.object);
	for (i = 0; i < now.nr_handles; i++)
		fprintf(now.out, " %llx", now.handle[i]);
	fputc('\n', now.out);
	for (i = 0; i < now.nr_blocks; i++) {
		fprintf(now.out, "block %llx", now.block[i].at);
		for (j = 0; j < now.block[i].nr; j++)
			fprintf(now.out, " %llx", now.word[now.block[i].first + j]);
		fputc('\n', now.out);
	}
	for (i = 0; i < now.nr_events; i++) {
		char name[8];

		orders_name(now.event[i].what, name);
		fprintf(now.out, "%s %llx %u %llx\n", name, now.event[i].at,
			now.event[i].size, now.event[i].pc);
	}
}

static void keep(__s32 outcome)
{
	struct count *count = count_of(now.op, outcome);
	bool ordered, plain;

	if (!now.out)
		return;
	if (!count) {
		fprintf(now.out, "too many outcomes\n");
		return;
	}
	count->times++;
	if (now.overflow) {
		count->dropped++;
		return;
	}
	if (now.disturbed) {
		count->disturbed++;
		return;
	}
	ordered = another_way(outcome, false);
	plain = count->ways < PLAIN_WAYS && another_way(outcome, true);
	if (!ordered && !plain)
		return;
	if (count->ways < WAYS) {
		count->ways++;
		write_execution(outcome);
	} else {
		count->dropped++;
	}
}

static void said(int what, __u64 word)
{
	switch (what) {
	case KP_SAY_CLOSE:
		end_case();
		break;
	case KP_SAY_NAME:
		plugin_letters(&now.name, word);
		break;
	case KP_SAY_PATH:
		end_case();
		begin_case(word);
		break;
	case KP_SAY_OBJECT:
		now.object = word;
		now.nr_handles = 0;
		now.nr_blocks = 0;
		now.nr_words = 0;
		break;
	case KP_SAY_HANDLE:
		if (now.nr_handles < HANDLES)
			now.handle[now.nr_handles++] = word;
		break;
	case KP_SAY_BLOCK:
		if (now.nr_blocks < BLOCKS)
			now.block[now.nr_blocks++] = (struct block){ word, now.nr_words, 0 };
		break;
	case KP_SAY_WORD:
		if (now.nr_words < WORDS && now.nr_blocks) {
			now.word[now.nr_words++] = word;
			now.block[now.nr_blocks - 1].nr++;
		}
		break;
	case KP_SAY_BEGIN:
		now.op = word;
		now.nr_events = 0;
		now.disturbed = false;
		now.overflow = false;
		now.active = true;
		break;
	case KP_SAY_END:
		now.active = false;
		now.disturbed |= word != 0;
		break;
	case KP_SAY_OUTCOME:
		keep((__s32)word);
		break;
	}
}

/* An instruction's address and what it is, in the pointer that callbacks are given. */
static void *packed(__u64 pc, __u32 what)
{
	return (void *)(unsigned long)((pc & 0xffffffffffffULL) | (__u64)what << 48);
}

static __u64 pc_of(const void *data)
{
	return (unsigned long)data | 0xffffULL << 48;
}

static void accessed(unsigned int cpu, __u32 info, __u64 at, void *data)
{
	__u32 what = (unsigned long)data >> 48;
	enum place place;

	(void)cpu;
	if (now.said) {
		int hint = now.said;

		now.said = 0;
		said(hint, qemu_plugin_mem_get_value(info).data.u64);
		return;
	}
	if (!now.active)
		return;
	/* One instruction that loads and stores is recorded once. */
	if (!(what & ORDERS_RMW))
		what |= qemu_plugin_mem_is_store(info) ? ORDERS_STORE : ORDERS_LOAD;
	place = place_of(at);
	if ((what & ORDERS_ORDERED) || place != NOT_NAMED)
		record(what, at, pc_of(data), 1U << qemu_plugin_mem_size_shift(info), place);
}

static void barrier(unsigned int cpu, void *data)
{
	(void)cpu;
	if (now.active)
		record((unsigned long)data >> 48, 0, pc_of(data), 0, NOT_NAMED);
}

/* Something came between, or a fault was handled: the record is not the operation's alone. */
static void returned(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (now.active)
		now.disturbed = true;
}

static void hinted(unsigned int cpu, void *data)
{
	(void)cpu;
	now.said = (unsigned long)data >> 48;
}

static void translated(__u64 id, struct qemu_plugin_tb *tb)
{
	size_t i, nr = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		__u64 pc = qemu_plugin_insn_vaddr(insn);
		__u32 bits, what;

		/* The kernel's instructions alone. */
		if (!(pc >> 55 & 1) || qemu_plugin_insn_data(insn, &bits, sizeof(bits)) != 4)
			continue;
		what = orders_decode(bits);
		if (what & ORDERS_HINT)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, hinted, NO_REGS,
							       packed(pc, what & ~ORDERS_HINT));
		else if (what & ORDERS_RETURN)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, returned, NO_REGS, NULL);
		else if (what & ORDERS_BARRIER)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, barrier, NO_REGS,
							       packed(pc, what));
		else
			/* What does not touch memory never calls back. */
			qemu_plugin_register_vcpu_mem_cb(insn, accessed, NO_REGS, MEM_RW,
							 packed(pc, what));
	}
}

EXPORT int qemu_plugin_install(__u64 id, const struct qemu_info *info, int argc, char **argv)
{
	if (!plugin_begin(&out, info, argc, argv, NULL))
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
