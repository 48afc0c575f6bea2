// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin: which instructions of modules ran, and which ways their jumps went.
 *
 * Each instruction of a module's is noted when it is executed. Addresses are used again, as by the
 * pair for what was another module's init code: when the engine says that the pair has been
 * loaded, all that was noted is forgotten. Of a conditional jump it is noted as well whether the
 * module's next instruction on that CPU was the one behind it, or its target; an interrupt in
 * between changes nothing, as it returns there. All is written as text to the descriptor that the
 * argument fd= names, when QEMU ends; kplib/judge/covers.py reads it.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plugin.h"

EXPORT int qemu_plugin_version = API;

#define BUCKETS		65536
#define CPUS		16
/* The longest instruction of x86. */
#define BYTES		15
/* Where modules are: on x86 above the kernel, on arm64 in the 2 GiB below it. */
#define X86_MODULES	0xffffffffa0000000ULL
#define ARM64_KERNEL	0xffff800080000000ULL
#define ARM64_BELOW	0x80000000ULL

enum { FELL = 1, TAKEN = 2 };

struct place {
	__u64 pc;
	__u64 target;		/* of a conditional jump, or 0 */
	struct place *next;
	__u32 size;
	/* Several CPUs write these; each value is written whole, and only grows. */
	__u8 ran;
	__u8 fell;
	__u8 taken;
};

static struct place *known[BUCKETS];
static struct place *last[CPUS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool on_arm64;
static struct plugin_out out = { .name = "covers" };

static __u64 sign_extended(__u64 value, int bits)
{
	__u64 sign = 1ULL << (bits - 1);

	return (value ^ sign) - sign;
}

/* Where a conditional jump may go, or 0 for anything else. */
static __u64 target_of(__u64 pc, const __u8 *bytes, __u32 size)
{
	__u32 bits;

	if (!on_arm64) {
		/* Short ones, with loop and jrcxz. */
		if (size == 2 && ((bytes[0] & 0xf0) == 0x70 || (bytes[0] & 0xfc) == 0xe0))
			return pc + size + sign_extended(bytes[1], 8);
		if (size == 6 && bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80) {
			memcpy(&bits, bytes + 2, sizeof(bits));
			return pc + size + sign_extended(bits, 32);
		}
		return 0;
	}
	memcpy(&bits, bytes, sizeof(bits));
	/* b.cond and bc.cond, but for those that always jump; cbz and cbnz. */
	if (((bits & 0xff000000) == 0x54000000 && (bits & 0xe) != 0xe) ||
	    (bits & 0x7e000000) == 0x34000000)
		return pc + sign_extended((__u64)(bits >> 5 & 0x7ffff) << 2, 21);
	/* tbz and tbnz. */
	if ((bits & 0x7e000000) == 0x36000000)
		return pc + sign_extended((__u64)(bits >> 5 & 0x3fff) << 2, 16);
	return 0;
}

static void executed(unsigned int cpu, void *data)
{
	struct place *place = data, *before;

	place->ran = 1;
	if (cpu >= CPUS)
		return;
	before = last[cpu];
	last[cpu] = place->target ? place : NULL;
	if (!before)
		return;
	if (place->pc == before->pc + before->size)
		before->fell = 1;
	else if (place->pc == before->target)
		before->taken = 1;
}

static void loaded(unsigned int cpu, void *data)
{
	struct place *place;
	__u32 i;

	(void)cpu;
	(void)data;
	pthread_mutex_lock(&lock);
	for (i = 0; i < BUCKETS; i++) {
		for (place = known[i]; place; place = place->next) {
			place->ran = 0;
			place->fell = 0;
			place->taken = 0;
		}
	}
	pthread_mutex_unlock(&lock);
}

static struct place *place_of(__u64 pc, const __u8 *bytes, __u32 size)
{
	struct place **bucket = &known[(pc ^ pc >> 16) % BUCKETS], *place;
	__u64 target = target_of(pc, bytes, size);

	pthread_mutex_lock(&lock);
	for (place = *bucket; place; place = place->next)
		if (place->pc == pc && place->size == size && place->target == target)
			break;
	if (!place) {
		place = calloc(1, sizeof(*place));
		if (!place)
			abort();
		*place = (struct place){ .pc = pc, .target = target, .size = size,
					 .next = *bucket };
		*bucket = place;
	}
	pthread_mutex_unlock(&lock);
	return place;
}

static bool is_module(__u64 pc)
{
	if (!on_arm64)
		return pc >= X86_MODULES;
	return pc < ARM64_KERNEL && pc >= ARM64_KERNEL - ARM64_BELOW;
}

static void translated(__u64 id, struct qemu_plugin_tb *tb)
{
	size_t i, nr = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		__u64 pc = qemu_plugin_insn_vaddr(insn);
		size_t size = qemu_plugin_insn_size(insn);
		__u8 bytes[BYTES + 1] = {};

		if (!is_module(pc) || size > BYTES ||
		    qemu_plugin_insn_data(insn, bytes, size) != size)
			continue;
		if (plugin_marker(on_arm64, bytes, size) == KP_SAY_LOADED)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, loaded, NO_REGS, NULL);
		qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, NO_REGS,
						       place_of(pc, bytes, size));
	}
}

static void ended(__u64 id, void *data)
{
	const struct place *place;
	char *text = NULL;
	size_t size;
	FILE *to;
	__u32 i;

	(void)id;
	(void)data;
	to = open_memstream(&text, &size);
	if (!to)
		abort();
	fprintf(to, "guest\n");
	for (i = 0; i < BUCKETS; i++)
		for (place = known[i]; place; place = place->next)
			if (place->ran)
				fprintf(to, "ran %llx %u%u\n", place->pc, place->fell,
					place->taken);
	fprintf(to, "end\n");
	fclose(to);
	plugin_write(&out, text, size);
	free(text);
}

EXPORT int qemu_plugin_install(__u64 id, const struct qemu_info *info, int argc, char **argv)
{
	if (!plugin_begin(&out, info, argc, argv, &on_arm64))
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
