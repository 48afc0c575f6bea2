// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin: which instructions the cost of an operation is made of.
 *
 * The engine says in lane insn which operation of a program runs next, and afterwards what it has
 * cost (kmod/engine/insn.c, say.h). That cost is the difference of two readings of the CPU's
 * counter: each instruction from the first reading on, and up to the last one, is recorded, with
 * the accesses to memory that it made and where it went, whoever's code it is. As the engine does,
 * of several runs of a program the least of each operation is taken; and of these what the engine
 * says that it keeps.
 *
 * Of what the engine calls, between these readings, the lines of memory are looked at as well
 * (data-cache.h). The engine's own accesses are no part of that, nor those of a function that reads
 * the counter.
 *
 * The sums of a case, one for each outcome of an operation, are written as text to the descriptor
 * that the argument fd= names, at its end; kplib/judge/counts.py reads it. What an instruction is,
 * and of which line, is found there.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "data-cache.h"
#include "plugin.h"

EXPORT int qemu_plugin_version = API;

/* The longest instruction of x86. */
#define BYTES		15
#define BUCKETS		65536
/* Instructions of one operation that are recorded; one that waits for long has more. */
#define LONGEST		(4U << 20)
/* Operations of a program. */
#define STEPS		65536U
#define NONE		(~0U)

/* An instruction at an address. Another one that comes there later is another place. */
struct place {
	__u64 pc;
	struct place *next;
	__u32 id;
	__u32 pass;		/* the last pass of sum_up() that met it, */
	__u32 sum;		/* and its number there */
	__u32 written;		/* the last case that wrote it */
	__u8 size;
	bool reads_counter;
	__u8 bytes[BYTES];
};

/* One instruction that was executed, with the accesses to memory that it made. */
struct execution {
	struct place *place;
	__u32 reads;
	__u32 writes;
};

/* An access to memory, by the instruction with this number. */
struct access {
	__u64 at;
	__u32 run;
	__u16 size;
	bool store;
};

/* How often an instruction was executed, and where it went if not to the next one. */
struct ran {
	struct place *place;
	__u64 times;
	__u64 reads;
	__u64 writes;
	__u32 went;		/* the first of where it went, or NONE */
};

struct went {
	struct place *to;
	__u64 times;
	__u32 next;		/* the next one of the same place, or NONE */
};

/* The instructions of one operation, or of several. */
struct sum {
	__u64 times;
	__u64 cost;
	__u64 executed;
	struct touched touched;
	struct ran *ran;
	__u32 nr_ran;
	struct went *went;
	__u32 nr_went;
	__u32 pass;
};

/* An operation at a place of the program: its least run. Kept is what the engine has kept. */
struct step {
	bool known;
	bool kept;
	bool too_long;
	bool told;
	__u32 op;
	__s32 end;		/* the end that it came to */
	struct sum sum;
};

static struct {
	int said;		/* what the last marker says, if the store behind it has not come */
	bool active;
	bool too_long;
	struct plugin_name name;
	__u64 word;		/* the operation that runs, and its place */
	struct execution *run;
	__u32 nr_run;
	__u32 max_run;
	__u32 first;		/* the first and the last reading of the counter in there */
	__u32 last;
	struct access *access;
	__u32 nr_access;
	__u32 max_access;
	__u32 next_place;	/* behind that of the operation that ran last */
	struct step *step;	/* of the program that runs, by its place */
	__u32 nr_steps;
	struct step *done;	/* those that were kept, of all programs */
	__u32 nr_done;
	__u32 pass;
	__u32 nr_cases;
	FILE *out;
} now;

static struct place *known[BUCKETS];
static __u32 nr_places;
static bool on_arm64;
static __u64 engine[2];		/* where its code begins, and ends */
static struct data_cache cache;
static char *text;
static size_t text_size;
static struct plugin_out out = { .name = "counts" };

/* Room for one element more; the number of those there are doubles. */
static void *grown(void *of, __u32 nr, size_t size)
{
	if (nr & (nr - 1) || (nr && nr < 16))
		return of;
	of = realloc(of, (nr < 16 ? 16 : 2 * (size_t)nr) * size);
	if (!of)
		abort();
	return of;
}

/* Room for one element more in what is filled again and again. */
static void *room(void *of, __u32 nr, __u32 *max, size_t size)
{
	if (nr < *max)
		return of;
	of = grown(of, *max, size);
	*max = *max < 16 ? 16 : 2 * *max;
	return of;
}

static struct ran *ran_of(struct sum *s, struct place *place)
{
	if (place->pass != s->pass) {
		place->pass = s->pass;
		place->sum = s->nr_ran;
		s->ran = grown(s->ran, s->nr_ran, sizeof(*s->ran));
		s->ran[s->nr_ran++] = (struct ran){ .place = place, .went = NONE };
	}
	return &s->ran[place->sum];
}

static void add_went(struct sum *s, struct place *from, struct place *to, __u64 times)
{
	struct ran *ran = ran_of(s, from);
	__u32 i;

	for (i = ran->went; i != NONE; i = s->went[i].next) {
		if (s->went[i].to == to) {
			s->went[i].times += times;
			return;
		}
	}
	s->went = grown(s->went, s->nr_went, sizeof(*s->went));
	s->went[s->nr_went] = (struct went){ .to = to, .times = times, .next = ran->went };
	ran->went = s->nr_went++;
}

static void forget(struct sum *s)
{
	free(s->ran);
	free(s->went);
	*s = (struct sum){};
}

/* Add up what has run between the two readings; the last one itself is behind it. */
static void sum_up(struct sum *s, __u64 cost)
{
	struct place *next;
	__u32 i;

	*s = (struct sum){
		.times = 1, .cost = cost, .touched = cache.now, .pass = ++now.pass,
	};
	for (i = now.first; i < now.last; i++) {
		const struct execution *one = &now.run[i];
		struct ran *ran = ran_of(s, one->place);

		s->executed++;
		ran->times++;
		ran->reads += one->reads;
		ran->writes += one->writes;
		next = i + 1 < now.last ? now.run[i + 1].place : NULL;
		if (next && next->pc != one->place->pc + one->place->size)
			add_went(s, one->place, next, 1);
	}
}

static void add(struct sum *to, const struct sum *from)
{
	__u32 i, w;

	to->times += from->times;
	to->cost += from->cost;
	to->executed += from->executed;
	to->touched.read += from->touched.read;
	to->touched.written += from->touched.written;
	to->touched.misses += from->touched.misses;
	for (i = 0; i < from->nr_ran; i++) {
		struct ran *ran = ran_of(to, from->ran[i].place);

		ran->times += from->ran[i].times;
		ran->reads += from->ran[i].reads;
		ran->writes += from->ran[i].writes;
		for (w = from->ran[i].went; w != NONE; w = from->went[w].next)
			add_went(to, from->ran[i].place, from->went[w].to, from->went[w].times);
	}
}

static void write_place(struct place *place)
{
	__u32 i;

	if (place->written == now.nr_cases)
		return;
	place->written = now.nr_cases;
	fprintf(now.out, "code %u %llx ", place->id, place->pc);
	for (i = 0; i < place->size; i++)
		fprintf(now.out, "%02x", place->bytes[i]);
	fputc('\n', now.out);
}

static void write_sum(const struct step *of, const struct sum *s)
{
	__u32 i, w;

	fprintf(now.out, "sum %u %d %llu %llu %llu\n", of->op, of->end, s->times, s->cost,
		s->executed);
	fprintf(now.out, "data %llu %llu %llu\n", s->touched.read, s->touched.written,
		s->touched.misses);
	for (i = 0; i < s->nr_ran; i++) {
		const struct ran *ran = &s->ran[i];

		write_place(ran->place);
		fprintf(now.out, "ran %u %llu %llu %llu\n", ran->place->id, ran->times, ran->reads,
			ran->writes);
		for (w = ran->went; w != NONE; w = s->went[w].next) {
			write_place(s->went[w].to);
			fprintf(now.out, "went %u %u %llu\n", ran->place->id, s->went[w].to->id,
				s->went[w].times);
		}
	}
}

/* A program is over: what the engine has kept of it stays. */
static void end_program(void)
{
	__u32 i;

	for (i = 0; i < now.nr_steps; i++) {
		if (now.step[i].known && now.step[i].kept) {
			now.done = grown(now.done, now.nr_done, sizeof(*now.done));
			now.done[now.nr_done++] = now.step[i];
		} else {
			forget(&now.step[i].sum);
		}
	}
	free(now.step);
	now.step = NULL;
	now.nr_steps = 0;
}

static void forget_done(void)
{
	__u32 i;

	for (i = 0; i < now.nr_done; i++)
		forget(&now.done[i].sum);
	free(now.done);
	now.done = NULL;
	now.nr_done = 0;
}

/* A case that has not come to its end counts for nothing: the engine tells no costs of it. */
static void begin_case(__u64 path)
{
	if (now.out) {
		fclose(now.out);
		free(text);
	}
	end_program();
	forget_done();
	now.out = open_memstream(&text, &text_size);
	if (!now.out)
		abort();
	now.nr_cases++;
	fprintf(now.out, "case %s %llu\n", now.name.text, path);
	now.name.letters = 0;
}

/* Write all calls that were of the same operation as one, and came to the same end. */
static void write_alike(const struct step *of)
{
	struct sum all = { .pass = ++now.pass };
	bool too_long = false;
	__u32 i;

	for (i = 0; i < now.nr_done; i++) {
		struct step *step = &now.done[i];

		if (step->op != of->op || step->end != of->end)
			continue;
		step->told = true;
		too_long |= step->too_long;
		add(&all, &step->sum);
	}
	if (too_long)
		fprintf(now.out, "long %u %d\n", of->op, of->end);
	write_sum(of, &all);
	forget(&all);
}

static void end_case(void)
{
	__u32 i;

	if (!now.out)
		return;
	end_program();
	for (i = 0; i < now.nr_done; i++)
		if (!now.done[i].told)
			write_alike(&now.done[i]);
	fprintf(now.out, "close\n");
	fclose(now.out);
	now.out = NULL;
	plugin_write(&out, text, text_size);
	free(text);
	forget_done();
}

/* A program that begins anew, on a fresh object, finds nothing in the model of a cache. */
static void begin(__u64 word)
{
	__u32 at = word >> 32;

	if (at < now.next_place)
		data_empty(&cache);
	now.next_place = at + 1;
	now.word = word;
	now.nr_run = 0;
	now.nr_access = 0;
	now.first = NONE;
	now.last = NONE;
	now.too_long = false;
	now.active = true;
}

static bool is_engine(const struct place *place)
{
	return place->pc >= engine[0] && place->pc < engine[1];
}

/*
 * What the call has touched: from the engine's first instruction behind the first reading up to its
 * last one before the last. What is outside is the rest of a function that reads the counter.
 */
static void touch(void)
{
	__u32 i, from = now.first, to = now.last;

	data_call(&cache);
	if (now.first == NONE)
		return;
	while (from < to && !is_engine(now.run[from].place))
		from++;
	while (to > from && !is_engine(now.run[to].place))
		to--;
	for (i = 0; i < now.nr_access; i++) {
		const struct access *one = &now.access[i];

		if (one->run > from && one->run < to && !is_engine(now.run[one->run].place))
			data_access(&cache, one->at, one->size, one->store);
	}
}

/* An operation has returned: keep it, if it is the least of its place in the program. */
static void end(__u64 cost)
{
	__u32 at = now.word >> 32;
	struct step *step;

	now.active = false;
	if (!now.out || at >= STEPS)
		return;
	touch();
	while (now.nr_steps <= at) {
		now.step = grown(now.step, now.nr_steps, sizeof(*now.step));
		now.step[now.nr_steps++] = (struct step){};
	}
	step = &now.step[at];
	if (step->known && step->sum.cost <= cost)
		return;
	forget(&step->sum);
	step->known = true;
	step->op = (__u32)now.word;
	step->too_long = now.too_long;
	if (now.too_long || now.first == NONE)
		step->sum = (struct sum){ .times = 1, .cost = cost };
	else
		sum_up(&step->sum, cost);
}

static void said(int what, __u64 word)
{
	switch (what) {
	case KP_SAY_NAME:
		plugin_letters(&now.name, word);
		break;
	case KP_SAY_PATH:
		begin_case(word);
		break;
	case KP_SAY_OP:
		if (now.out)
			fprintf(now.out, "op %llu %s\n", word, now.name.text);
		now.name.letters = 0;
		break;
	case KP_SAY_BEGIN:
		begin(word);
		break;
	case KP_SAY_COST:
		end(word);
		break;
	case KP_SAY_PROGRAM:
		end_program();
		now.next_place = NONE;
		break;
	case KP_SAY_KEEP:
		if ((__u32)word < now.nr_steps) {
			now.step[(__u32)word].kept = true;
			now.step[(__u32)word].end = (__s32)(word >> 32);
		}
		break;
	case KP_SAY_ENGINE:
		engine[0] = engine[1];
		engine[1] = word;
		break;
	case KP_SAY_CLOSE:
		end_case();
		break;
	}
}

static void marked(unsigned int cpu, void *data)
{
	(void)cpu;
	now.said = (int)(long)data;
}

/*
 * Whether an instruction is one of the two readings. An interrupt just before the first or behind
 * the last one reads the counter as well, which on x86 is seen, as the engine reads it itself.
 */
static bool is_reading(const struct place *place)
{
	return place->reads_counter && (on_arm64 || is_engine(place));
}

static void executed(unsigned int cpu, void *data)
{
	struct place *place = data;

	(void)cpu;
	if (!now.active || now.too_long)
		return;
	if (now.nr_run == LONGEST) {
		now.too_long = true;
		return;
	}
	if (is_reading(place)) {
		if (now.first == NONE)
			now.first = now.nr_run;
		now.last = now.nr_run;
	}
	now.run = room(now.run, now.nr_run, &now.max_run, sizeof(*now.run));
	now.run[now.nr_run++] = (struct execution){ .place = place };
}

static void accessed(unsigned int cpu, __u32 info, __u64 at, void *data)
{
	struct execution *one;

	(void)cpu;
	(void)data;
	if (now.said) {
		int what = now.said;

		now.said = 0;
		said(what, qemu_plugin_mem_get_value(info).data.u64);
		return;
	}
	if (!now.active || !now.nr_run || now.too_long)
		return;
	if (now.first != NONE) {
		now.access = room(now.access, now.nr_access, &now.max_access, sizeof(*now.access));
		now.access[now.nr_access++] = (struct access){
			.at = at, .run = now.nr_run - 1,
			.size = 1U << qemu_plugin_mem_size_shift(info),
			.store = qemu_plugin_mem_is_store(info),
		};
	}
	one = &now.run[now.nr_run - 1];
	if (qemu_plugin_mem_is_store(info))
		one->writes++;
	else
		one->reads++;
}

/* rdtsc and rdtscp; of arm64 the virtual and the physical counter, in order or not. */
static bool reads_counter(const __u8 *bytes, size_t size)
{
	__u32 bits;

	if (!on_arm64)
		return (size == 2 && bytes[0] == 0x0f && bytes[1] == 0x31) ||
			(size == 3 && bytes[0] == 0x0f && bytes[1] == 0x01 && bytes[2] == 0xf9);
	memcpy(&bits, bytes, sizeof(bits));
	return (bits & 0xffffff60) == 0xd53be040 || (bits & 0xffffff60) == 0xd53be020;
}

static struct place *place_of(__u64 pc, const __u8 *bytes, size_t size)
{
	struct place **bucket = &known[(pc ^ pc >> 16) % BUCKETS], *place;

	for (place = *bucket; place; place = place->next)
		if (place->pc == pc && place->size == size && !memcmp(place->bytes, bytes, size))
			return place;
	place = calloc(1, sizeof(*place));
	if (!place)
		abort();
	place->pc = pc;
	place->id = nr_places++;
	place->size = size;
	memcpy(place->bytes, bytes, size);
	place->reads_counter = reads_counter(bytes, size);
	place->next = *bucket;
	*bucket = place;
	return place;
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
		int what;

		if (size > BYTES || qemu_plugin_insn_data(insn, bytes, size) != size)
			continue;
		what = pc >> 55 & 1 ? plugin_marker(on_arm64, bytes, size) : 0;
		if (what) {
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, NO_REGS,
							       (void *)(long)what);
			continue;
		}
		qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, NO_REGS,
						       place_of(pc, bytes, size));
		qemu_plugin_register_vcpu_mem_cb(insn, accessed, NO_REGS, MEM_RW, NULL);
	}
}

EXPORT int qemu_plugin_install(__u64 id, const struct qemu_info *info, int argc, char **argv)
{
	if (!plugin_begin(&out, info, argc, argv, &on_arm64))
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
