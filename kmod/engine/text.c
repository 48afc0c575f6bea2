// SPDX-License-Identifier: GPL-2.0
/*
 * Programs as text, as a person writes them, and their results. parse.c reads them.
 *
 *	ring capacity=4
 *	push 11
 *	pop
 *
 * The first line names the pair and the arguments of the object's creation, each with its
 * name; each further line is an operation and its arguments. Numbers are decimal or 0x...,
 * values that have a name in C go by it, flags are joined with |. Text and bytes
 * are in double quotes, with the escapes of print_byte() for what does not print;
 * "a"*3 is "aaa", and + joins two. @N at the end has all text and bytes of the call
 * lie N bytes behind a multiple of 8. User memory says right behind its bytes, or its
 * size, where it lies, as "a"@unmapped or 8@end+1, see kp_places[].
 * #2 is the handle at place 2 of those that the program holds, or, as the last argument
 * of an operation that returns one, that place. fail=2 before a line has the second
 * allocation of its call fail.
 * # begins a comment. Arguments that an operation only writes are left out here.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/seq_buf.h>
#include <linux/string.h>
#include "engine.h"

/* Arguments of all kinds. */
#define ALL		(~0U)
/* Those that a caller in Rust has in any case. */
#define SEEN		(ALL & ~(u32)BIT(KP_OUTPUT))
/* Outputs in characters beyond which kp_print_kept() prints their digest. */
#define OUTS_MAX	160
/* Bytes in a row that are printed as one and their number. */
#define RUN_MIN		24

static void print_byte(struct seq_buf *s, u8 c)
{
	static const char from[] = "\"\\\n\t\r", to[] = "\"\\ntr";
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		seq_buf_printf(s, "\\%c", to[at - from]);
	else if (c >= ' ' && c < 0x7f)
		seq_buf_putc(s, c);
	else
		seq_buf_printf(s, "\\x%02x", c);
}

/* How often the first byte comes in a row. */
static u32 run_of(const u8 *at, u32 len)
{
	u32 n = 1;

	while (n < len && at[n] == at[0])
		n++;
	return n;
}

/* A byte that comes often in a row is printed once: "ab" + "x"*500 + "c". */
static void print_bytes(struct seq_buf *s, const u8 *at, u32 len)
{
	bool open = false, first = true;
	u32 n;

	for (; len; at += n, len -= n, first = false) {
		n = run_of(at, len);
		if (n < RUN_MIN) {
			if (!open)
				seq_buf_puts(s, first ? "\"" : "+\"");
			open = true;
			n = 1;
			print_byte(s, *at);
			continue;
		}
		if (open)
			seq_buf_putc(s, '"');
		seq_buf_puts(s, first ? "\"" : "+\"");
		print_byte(s, *at);
		seq_buf_printf(s, "\"*%u", n);
		open = false;
	}
	if (open)
		seq_buf_putc(s, '"');
	else if (first)
		seq_buf_puts(s, "\"\"");
}

static bool print_flags(struct seq_buf *s, const struct kp_arg *arg, u64 value)
{
	const struct kp_name *n;
	u64 left = value;
	bool any = false;

	for (n = arg->names; n->name; n++) {
		if (!n->value || (value & n->value) != n->value)
			continue;
		seq_buf_printf(s, "%s%s", any ? "|" : "", n->name);
		left &= ~n->value;
		any = true;
	}
	if (any && left)
		seq_buf_printf(s, "|0x%llx", left);
	return any;
}

static void print_number(struct seq_buf *s, const struct kp_arg *arg, u64 value)
{
	const struct kp_name *n;

	for (n = arg->names; n && n->name; n++) {
		if (kp_of_type(arg, n->value) == value) {
			seq_buf_puts(s, n->name);
			return;
		}
	}
	if (arg->flags && print_flags(s, arg, value))
		return;
	seq_buf_printf(s, arg->is_signed ? "%lld" : "%llu", value);
}

const struct kp_place_word kp_places[KP_NR_PLACES] = {
	[KP_MAPPED] = { "mapped" },
	[KP_END] = { "end", true },
	[KP_HUGE] = { "huge" },
	[KP_SPLIT] = { "split", true },
	[KP_CHANGES] = { "changes", true },
	[KP_UNMAPPED] = { "unmapped" },
	[KP_KERNEL] = { "kernel" },
};

static void print_place(struct seq_buf *s, u64 span)
{
	if (kp_place(span) != KP_MAPPED)
		seq_buf_printf(s, "@%s", kp_places[kp_place(span)].word);
	if (kp_place_bytes(span))
		seq_buf_printf(s, "+%u", kp_place_bytes(span));
}

static void print_value(struct seq_buf *s, const struct kp_program *prog,
			const struct kp_arg *arg, u64 value)
{
	if (kp_in_pool(arg))
		print_bytes(s, prog->pool + kp_span_at(value), kp_span_len(value));
	else if (kp_is_handle(arg))
		seq_buf_printf(s, "#%llu", value);
	else
		print_number(s, arg, arg->kind == KP_USER_BUFFER ? kp_span_len(value) : value);
	if (kp_in_user(arg))
		print_place(s, value);
}

/* The allocation that fails stands before the name of what is called. */
static void print_fail(struct seq_buf *s, u32 fail)
{
	if (fail)
		seq_buf_printf(s, "fail=%u ", fail);
}

/**
 * kp_print_create() - print a program's first line
 * @s: where to
 * @pair: the pair
 * @prog: the program
 */
void kp_print_create(struct seq_buf *s, const struct kp_pair *pair,
		     const struct kp_program *prog)
{
	const struct kp_arg *arg = pair->creation.arg;
	u32 a;

	print_fail(s, prog->fail);
	seq_buf_puts(s, pair->name);
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].wraps && !prog->param[a])
			continue;
		seq_buf_printf(s, " %s=", arg[a].name);
		print_value(s, prog, &arg[a], prog->param[a]);
	}
	if (prog->shift)
		seq_buf_printf(s, " @%u", prog->shift);
}

/**
 * kp_print_step() - print an operation's line of a program
 * @s: where to
 * @pair: the pair
 * @prog: the program
 * @step: the operation's number
 */
void kp_print_step(struct seq_buf *s, const struct kp_pair *pair,
		   const struct kp_program *prog, u32 step)
{
	const struct kp_step *at = &prog->step[step];
	const struct kp_arg *arg = pair->operation[at->op].arg;
	u32 a;

	print_fail(s, at->fail);
	if (prog->step[step].column)
		seq_buf_printf(s, "%u: ", prog->step[step].column);
	if (prog->during == step + 1)
		seq_buf_puts(s, "during ");
	seq_buf_puts(s, pair->operation[at->op].name);
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!kp_is_given(&arg[a]))
			continue;
		seq_buf_putc(s, ' ');
		print_value(s, prog, &arg[a], at->arg[a]);
	}
	if (at->shift)
		seq_buf_printf(s, " @%u", at->shift);
}

/**
 * kp_print_all() - print a program as a file has it, a line each
 * @s: where to
 * @pair: the pair
 * @prog: the program
 */
void kp_print_all(struct seq_buf *s, const struct kp_pair *pair, const struct kp_program *prog)
{
	u32 i;

	kp_print_create(s, pair, prog);
	seq_buf_putc(s, '\n');
	for (i = 0; i < prog->nr_steps; i++) {
		kp_print_step(s, pair, prog, i);
		seq_buf_putc(s, '\n');
	}
}

static void print_returned(struct seq_buf *s, const struct kp_operation *op, s64 ret)
{
	switch (op->returns) {
	case KP_RET_VOID:
		seq_buf_puts(s, "done");
		return;
	case KP_RET_BOOL:
		seq_buf_puts(s, ret ? "true" : "false");
		return;
	case KP_RET_UNSIGNED:
		seq_buf_printf(s, "%llu", (u64)ret);
		return;
	case KP_RET_OFFSET:
		if (ret < 0)
			seq_buf_puts(s, "none");
		else
			seq_buf_printf(s, "at %lld", ret);
		return;
	case KP_RET_RESULT:
		if (IS_ERR_VALUE((unsigned long)ret)) {
			seq_buf_printf(s, "%pe", ERR_PTR(ret));
			return;
		}
		fallthrough;
	case KP_RET_SIGNED:
		seq_buf_printf(s, "%lld", ret);
	}
}

static u64 number_at(const u8 *at, const struct kp_arg *arg)
{
	u64 value = 0;

	memcpy(&value, at, arg->size);
	if (arg->is_signed && arg->size < 8 && value >> (8 * arg->size - 1))
		value |= ~0ULL << 8 * arg->size;
	return value;
}

/*
 * Names and values of the arguments that a call stored to; it was given @value. Those of @kinds
 * alone, bits of enum kp_kind.
 */
static void print_outs(struct seq_buf *s, const struct kp_trace *trace,
		       const struct kp_step_trace *t, const struct kp_arg *arg,
		       const u64 *value, u32 kinds)
{
	const u8 *kept = trace->kept + t->outs_at, *at_now;
	u32 a, size;
	bool buffer;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].kind < KP_OUTPUT)
			continue;
		if (t->outs_at == KP_NOT_KEPT) {
			seq_buf_printf(s, ", %s not kept", arg[a].name);
			continue;
		}
		buffer = arg[a].kind == KP_BUFFER || arg[a].kind == KP_USER_BUFFER;
		size = arg[a].kind == KP_BUFFER ? value[a] :
		       buffer ? kp_span_len(value[a]) : arg[a].size;
		at_now = kept;
		kept += size;
		/* Untouched: as for a caller in Rust, which has no output then. */
		if (arg[a].kind != KP_INOUT && !memchr_inv(at_now, KP_UNWRITTEN, size))
			continue;
		if ((arg[a].kind == KP_OUTPUT && t->hides) || !(kinds & BIT(arg[a].kind)))
			continue;
		seq_buf_printf(s, ", %s ", arg[a].name);
		if (buffer)
			print_bytes(s, at_now, size);
		else
			print_number(s, &arg[a], number_at(at_now, &arg[a]));
	}
}

/* Whether a handle that an operation returned is of an object that is held already. */
static void print_new(struct seq_buf *s, const struct kp_trace *trace, u32 step)
{
	const struct kp_step *at = &trace->prog->step[step];
	const struct kp_arg *arg = trace->pair->operation[at->op].arg;
	u32 a;

	if (trace->step[step].ret)
		return;
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (arg[a].kind != KP_NEW)
			continue;
		if (trace->step[step].same < 0)
			seq_buf_printf(s, ", #%llu is new", at->arg[a]);
		else
			seq_buf_printf(s, ", #%llu is what #%d was", at->arg[a],
				       trace->step[step].same);
	}
}

/*
 * A member of a view: its number, or each that an array has. One of another kind, as a
 * structure, is printed as words of 32 bits.
 */
static void print_member(struct seq_buf *s, const u8 *at, u32 size, s32 each)
{
	struct kp_arg number = { .is_signed = each < 0 };
	u32 i, word = each ? abs(each) : sizeof(u32);
	bool several = size > word;

	seq_buf_puts(s, several ? " [" : " ");
	for (i = 0; i < size; i += word) {
		number.size = min(word, size - i);
		seq_buf_puts(s, i ? " " : "");
		print_number(s, &number, number_at(at + i, &number));
	}
	seq_buf_puts(s, several ? "]" : "");
}

/**
 * kp_print_place() - print where an operation was interrupted
 * @s: where to
 * @ip: the instruction
 * @by: one in the pair's call of the function that it is in; 0 if it is the pair's own
 */
void kp_print_place(struct seq_buf *s, unsigned long ip, unsigned long by)
{
	seq_buf_printf(s, "interrupted at %pS", (void *)ip);
	if (by)
		seq_buf_printf(s, ", called at %pS", (void *)by);
}

/**
 * kp_print_view() - print the members of the last view
 * @s: where to
 * @trace: the trace
 * @other: the trace that it is printed beside: a star stands before members that differ
 */
void kp_print_view(struct seq_buf *s, const struct kp_trace *trace,
		   const struct kp_trace *other)
{
	const struct kp_layout *layout = &trace->pair->path[KP_C_C]->layout;
	const char *type = trace->pair->view;
	size_t len = strlen(type);
	u32 i, at, end, total = 0;

	for (i = 0; i < layout->nr; i++)
		if (!strcmp(layout->field[i].name, type))
			total = layout->field[i].at;
	for (i = 0; i < layout->nr; i++) {
		const struct kp_field *f = &layout->field[i];

		if (strncmp(f->name, type, len) || f->name[len] != '.')
			continue;
		at = f->at;
		end = i + 1 < layout->nr && !strncmp(f[1].name, type, len) &&
		      f[1].name[len] == '.' ? f[1].at : total;
		seq_buf_printf(s, ", %s%s",
			       memcmp(trace->view + at, other->view + at, end - at) ? "*" : "",
			       f->name + len + 1);
		print_member(s, trace->view + at, end - at, f->each);
	}
}

/**
 * kp_print_created() - print what the creation of an object came to
 * @s: where to
 * @trace: the trace
 * @other: the trace that it is printed beside
 *
 * For a program without operations the object's state is printed.
 */
void kp_print_created(struct seq_buf *s, const struct kp_trace *trace,
		      const struct kp_trace *other)
{
	if (trace->err)
		seq_buf_printf(s, "%pe", ERR_PTR(trace->err));
	else
		seq_buf_puts(s, "created");
	print_outs(s, trace, &trace->made, trace->pair->creation.arg, trace->prog->param, ALL);
	if (!trace->pair->view_size || !trace->prog->observe || trace->err || other->err)
		return;
	if (!trace->prog->nr_steps)
		kp_print_view(s, trace, other);
	else if (trace->start != other->start)
		seq_buf_printf(s, ", state %08x", (u32)trace->start);
}

/**
 * kp_print_result() - print the results of an operation
 * @s: where to
 * @trace: the trace
 * @step: the operation's number
 * @other: the trace that it is printed beside
 *
 * Behind the last operation of a program the object's state is printed.
 */
void kp_print_result(struct seq_buf *s, const struct kp_trace *trace, u32 step,
		     const struct kp_trace *other)
{
	const struct kp_step_trace *t = &trace->step[step];
	const struct kp_step *at = &trace->prog->step[step];
	const struct kp_operation *op = &trace->pair->operation[at->op];

	if (t->skipped)
		seq_buf_puts(s, "not called, as it has no handle");
	else
		print_returned(s, op, t->ret);
	if (!t->skipped) {
		print_new(s, trace, step);
		print_outs(s, trace, t, op->arg, at->arg, ALL);
	}
	if (!trace->pair->view_size || !trace->prog->observe)
		return;
	if (step + 1 == trace->prog->nr_steps && other->nr > step)
		kp_print_view(s, trace, other);
	/* Elsewhere eight digits tell two states apart; the full hash tells no more. */
	else if (other->nr > step && other->step[step].view != t->view)
		seq_buf_printf(s, ", state %08x", (u32)t->view);
}

/* Outputs of some kinds, or their digest where they are long, or there was no room for them. */
static void print_short(struct seq_buf *s, const struct kp_trace *trace,
			const struct kp_step_trace *t, const struct kp_arg *arg,
			const u64 *value, u32 kinds)
{
	u64 outs = kinds & SEEN ? t->outs : KP_HASH_START;
	u64 stored = kinds & BIT(KP_OUTPUT) ? t->stored : KP_HASH_START;
	size_t from = s->len;

	if (outs == KP_HASH_START && stored == KP_HASH_START)
		return;
	if (t->outs_at != KP_NOT_KEPT) {
		print_outs(s, trace, t, arg, value, kinds);
		if (s->len - from <= OUTS_MAX)
			return;
		s->len = from;
	}
	seq_buf_printf(s, ", outputs %08x", (u32)kp_hash_word(outs, stored));
}

/**
 * kp_print_made() - print what the creation of an object came to, to be kept in a file
 * @s: where to
 * @trace: the trace of an observed program
 *
 * Unlike kp_print_created(), nothing depends on another trace.
 */
void kp_print_made(struct seq_buf *s, const struct kp_trace *trace)
{
	if (trace->err) {
		seq_buf_printf(s, "%pe", ERR_PTR(trace->err));
		return;
	}
	seq_buf_puts(s, "created");
	print_short(s, trace, &trace->made, trace->pair->creation.arg, trace->prog->param, SEEN);
	if (!trace->pair->view_size)
		return;
	seq_buf_printf(s, ", state %08x", (u32)trace->start);
	if (!trace->prog->nr_steps)
		kp_print_view(s, trace, trace);
}

/**
 * kp_print_kept() - print the results of an operation, to be kept in a file
 * @s: where to
 * @trace: the trace of an observed program
 * @step: the operation's number
 *
 * Unlike kp_print_result(), nothing depends on another trace. Behind a tab and a bar come
 * outputs that callers in C alone are given.
 */
void kp_print_kept(struct seq_buf *s, const struct kp_trace *trace, u32 step)
{
	const struct kp_step_trace *t = &trace->step[step];
	const struct kp_step *at = &trace->prog->step[step];
	const struct kp_operation *op = &trace->pair->operation[at->op];
	bool unseen = !t->skipped && kp_unseen_by_rust(op, t->ret);
	size_t from;

	if (t->skipped) {
		seq_buf_puts(s, "not called, as it has no handle");
	} else {
		print_returned(s, op, t->ret);
		print_new(s, trace, step);
		print_short(s, trace, t, op->arg, at->arg, unseen ? SEEN : ALL);
	}
	if (trace->pair->view_size)
		seq_buf_printf(s, ", state %08x", (u32)t->view);
	if (trace->pair->view_size && step + 1 == trace->prog->nr_steps)
		kp_print_view(s, trace, trace);
	if (!unseen || t->hides)
		return;
	seq_buf_putc(s, '\t');
	from = s->len;
	print_short(s, trace, t, op->arg, at->arg, BIT(KP_OUTPUT));
	/* The comma in front of the first one makes room for the bar. */
	if (s->len == from)
		s->len--;
	else if (!seq_buf_has_overflowed(s))
		s->buffer[from] = '|';
}
