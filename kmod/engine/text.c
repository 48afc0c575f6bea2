// SPDX-License-Identifier: GPL-2.0
/*
 * Programs as text, as a person writes them:
 *
 *	ring capacity=4
 *	push 11
 *	pop
 *
 * The first line names the pair and the parameters of the object's creation; each
 * further line is an operation and its arguments. Numbers are decimal or 0x...,
 * values that have a name in C go by it, flags are joined with |. Text and bytes
 * are in double quotes, with the escapes of print_byte() for what does not print;
 * "a"*3 is "aaa", and + joins two. @N at the end has all text and bytes of the call
 * lie N bytes behind a multiple of 8. User memory says right behind its bytes, or its
 * size, where it lies, as "a"@unmapped or 8@end+1, see places[].
 * #2 is the handle at place 2 of those that the program holds, or, as the last argument
 * of an operation that returns one, that place.
 * # begins a comment. What an operation only writes is not an argument here.
 */
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/hex.h>
#include <linux/kstrtox.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "engine.h"

#define WORD_MAX	256
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

/* Whether an argument is one in a program: the caller has a choice. */
static bool given(const struct kp_arg *arg)
{
	return arg->kind != KP_OUTPUT;
}

/* Behind those of @with_bytes stands how many bytes are behind the end, if any. */
static const struct {
	const char *word;
	bool with_bytes;
} places[KP_NR_PLACES] = {
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
		seq_buf_printf(s, "@%s", places[kp_place(span)].word);
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

/**
 * kp_print_create() - print a program's first line
 * @s: where to
 * @pair: the pair
 * @param: how the object is created
 */
void kp_print_create(struct seq_buf *s, const struct kp_pair *pair,
		     const u64 *param)
{
	u32 a;

	seq_buf_puts(s, pair->name);
	for (a = 0; a < KP_NR_ARGS && pair->creation.arg[a].name; a++) {
		seq_buf_printf(s, " %s=", pair->creation.arg[a].name);
		print_number(s, &pair->creation.arg[a], param[a]);
	}
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

	seq_buf_puts(s, pair->operation[at->op].name);
	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		if (!given(&arg[a]))
			continue;
		seq_buf_putc(s, ' ');
		print_value(s, prog, &arg[a], at->arg[a]);
	}
	if (at->shift)
		seq_buf_printf(s, " @%u", at->shift);
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

/* What an operation stored, by the names of its arguments. */
static void print_outs(struct seq_buf *s, const struct kp_trace *trace, u32 step)
{
	const struct kp_step_trace *t = &trace->step[step];
	const struct kp_step *at = &trace->prog->step[step];
	const struct kp_arg *arg = trace->pair->operation[at->op].arg;
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
		size = arg[a].kind == KP_BUFFER ? at->arg[a] :
		       buffer ? kp_span_len(at->arg[a]) : arg[a].size;
		at_now = kept;
		kept += size;
		/* Untouched: as for a caller in Rust, which has no output then. */
		if (arg[a].kind != KP_INOUT && !memchr_inv(at_now, KP_UNWRITTEN, size))
			continue;
		if (arg[a].kind == KP_OUTPUT && t->hides)
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

/* A member of a view, as numbers of at most 64 bits; one of another size in 32-bit words. */
static void print_member(struct seq_buf *s, const u8 *at, u32 size)
{
	u32 i, word = size == 1 || size == 2 || size == 8 ? size : 4;
	bool several = size > word;
	u64 value;

	seq_buf_puts(s, several ? " [" : " ");
	for (i = 0; i < size; i += word) {
		value = 0;
		memcpy(&value, at + i, min(word, size - i));
		seq_buf_printf(s, "%s%llu", i ? " " : "", value);
	}
	seq_buf_puts(s, several ? "]" : "");
}

/* The members of the last view; a star stands before those that differ on another path. */
static void print_view(struct seq_buf *s, const struct kp_trace *trace,
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
		print_member(s, trace->view + at, end - at);
	}
}

/**
 * kp_print_result() - print what an operation gave
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
	const struct kp_operation *op = &trace->pair->operation[trace->prog->step[step].op];

	if (t->skipped)
		seq_buf_puts(s, "not called, as it has no handle");
	else
		print_returned(s, op, t->ret);
	if (!t->skipped) {
		print_new(s, trace, step);
		print_outs(s, trace, step);
	}
	if (!trace->pair->view_size || !trace->prog->observe)
		return;
	if (step + 1 == trace->prog->nr_steps && other->nr > step)
		print_view(s, trace, other);
	/* Elsewhere eight digits tell two states apart; the full hash tells no more. */
	else if (other->nr > step && other->step[step].view != t->view)
		seq_buf_printf(s, ", state %08x", (u32)t->view);
}

/* Reads the words of a text, line by line. */
struct reader {
	const char *at;
	u32 line;
	struct seq_buf *wrong;
	bool failed;
};

/* Say what is wrong, the first time. */
static __printf(2, 3) void refuse(struct reader *r, const char *fmt, ...)
{
	struct va_format what = { .fmt = fmt };
	va_list args;

	if (r->failed)
		return;
	r->failed = true;
	va_start(args, fmt);
	what.va = &args;
	seq_buf_printf(r->wrong, "line %u: %pV", r->line, &what);
	va_end(args);
}

static void skip_blanks(struct reader *r)
{
	while (*r->at == ' ' || *r->at == '\t' || *r->at == '\r')
		r->at++;
	if (*r->at == '#')
		r->at += strcspn(r->at, "\n");
}

static bool ends_line(struct reader *r)
{
	skip_blanks(r);
	return !*r->at || *r->at == '\n';
}

/* Go to the next line that has a word; false at the end of the text or a file. */
static bool next_line(struct reader *r)
{
	while (ends_line(r) && *r->at) {
		r->at++;
		r->line++;
	}
	return *r->at && *r->at != '@';
}

static bool get_word(struct reader *r, const char *stop, char *word)
{
	size_t len;

	skip_blanks(r);
	len = strcspn(r->at, stop);
	if (!len || len >= WORD_MAX) {
		refuse(r, len ? "a word is too long" : "a word is missing");
		return false;
	}
	memcpy(word, r->at, len);
	word[len] = '\0';
	r->at += len;
	return true;
}

static bool named(const struct kp_arg *arg, const char *word, u64 *value)
{
	const struct kp_name *n;
	unsigned int base;

	for (n = arg->names; n && n->name; n++) {
		if (!strcmp(n->name, word)) {
			*value = kp_of_type(arg, n->value);
			return true;
		}
	}
	/* A number that begins with a 0 is decimal as well. */
	base = strncmp(word + (*word == '-'), "0x", 2) ? 10 : 16;
	return !kstrtou64(word, base, value) || !kstrtos64(word, base, (s64 *)value);
}

static u64 get_number(struct reader *r, const struct kp_arg *arg)
{
	char word[WORD_MAX];
	u64 value = 0, one = 0;
	char *part, *rest = word;

	if (!get_word(r, " \t\r\n#", word))
		return 0;
	while ((part = strsep(&rest, "|"))) {
		if (!named(arg, part, &one)) {
			refuse(r, "%s: '%s' is no number, nor a name of one", arg->name, part);
			return 0;
		}
		value |= one;
	}
	if (!(arg->size || arg->kind == KP_BUFFER) || kp_in_range(arg, value))
		return value;
	if (arg->names && !arg->flags)
		refuse(r, "%s: none of its values", arg->name);
	else
		refuse(r, arg->is_signed ? "%s: not between %lld and %lld" :
		       "%s: not between %llu and %llu", arg->name, arg->lo, arg->hi);
	return value;
}

/* A handle: its place. */
static u64 get_handle(struct reader *r, const struct kp_arg *arg)
{
	char word[WORD_MAX];
	u64 value = 0;

	/* Blanks alone: a # begins a comment elsewhere. */
	r->at += strspn(r->at, " \t");
	if (*r->at != '#') {
		refuse(r, "%s: a handle, such as #0, is missing", arg->name);
		return 0;
	}
	r->at++;
	if (get_word(r, " \t\r\n#", word) && kstrtou64(word, 10, &value))
		refuse(r, "%s: '#%s' is no handle; one is #0", arg->name, word);
	else if (value > arg->hi)
		refuse(r, "%s: not between #0 and #%llu", arg->name, arg->hi);
	return value;
}

/* One character of quoted text, its backslash resolved; -1 if it is none. */
static int get_char(struct reader *r)
{
	static const char from[] = "\"\\ntr", to[] = "\"\\\n\t\r";
	int hi, lo;
	char c = *r->at;
	const char *at;

	if (!c || c == '\n')
		return -1;
	r->at++;
	if (c != '\\')
		return (u8)c;
	c = *r->at;
	at = c ? strchr(from, c) : NULL;
	if (at) {
		r->at++;
		return to[at - from];
	}
	if (c != 'x')
		return -1;
	hi = hex_to_bin(r->at[1]);
	lo = hi < 0 ? -1 : hex_to_bin(r->at[2]);
	if (lo < 0)
		return -1;
	r->at += 3;
	return hi << 4 | lo;
}

/* How often what stands in quotes is meant: *N behind them. */
static u32 get_times(struct reader *r)
{
	char word[WORD_MAX];
	u32 times = 1;

	if (*r->at != '*')
		return 1;
	r->at++;
	if (get_word(r, " +\t\r\n#", word) && kstrtou32(word, 10, &times))
		refuse(r, "'%s' behind a * is no number", word);
	return times;
}

/* One quoted piece, to the end of what @to has; the number of bytes then. */
static u32 get_piece(struct reader *r, const struct kp_arg *arg, u8 *to, u32 len)
{
	u32 first = len, times, n;
	int c;

	skip_blanks(r);
	if (*r->at != '"') {
		refuse(r, "%s: text in double quotes is missing", arg->name);
		return len;
	}
	for (r->at++; *r->at != '"' && !r->failed;) {
		c = get_char(r);
		if (c < 0 || (!c && arg->kind == KP_TEXT))
			refuse(r, "%s: %s", arg->name, c ? "bad or unfinished text" :
			       "a NUL ends the text");
		else if (len == KP_BYTES_MAX)
			refuse(r, "%s: at most %u bytes", arg->name, KP_BYTES_MAX);
		else
			to[len++] = c;
	}
	if (r->failed)
		return len;
	r->at++;
	n = len - first;
	times = get_times(r);
	if (!n)
		return len;
	if (!times || (u64)times * n > KP_BYTES_MAX - first) {
		refuse(r, "%s: at most %u bytes, and none is * 0", arg->name, KP_BYTES_MAX);
		return len;
	}
	while (--times) {
		memcpy(to + len, to + first, n);
		len += n;
	}
	return len;
}

static u64 get_bytes(struct reader *r, const struct kp_arg *arg,
		     struct kp_program *prog)
{
	u32 at = prog->pool_used, len = 0;
	bool more = true;

	if (KP_POOL_SIZE - at < KP_BYTES_MAX)
		refuse(r, "the program is too long");
	while (more && !r->failed) {
		len = get_piece(r, arg, prog->pool + at, len);
		skip_blanks(r);
		more = *r->at == '+';
		r->at += more;
	}
	if (len < arg->min || len > arg->max)
		refuse(r, "%s: %u bytes, and not between %u and %u", arg->name, len,
		       arg->min, arg->max);
	if (r->failed)
		return 0;
	prog->pool_used += len;
	return kp_span(at, len);
}

/* The size of a buffer in user memory, up to where it lies. */
static u64 get_size(struct reader *r, const struct kp_arg *arg)
{
	char word[WORD_MAX];
	u32 size = 0;

	if (get_word(r, " @\t\r\n#", word) &&
	    (kstrtou32(word, 10, &size) || size < arg->min || size > arg->max))
		refuse(r, "%s: '%s' is no number of bytes between %u and %u", arg->name, word,
		       arg->min, arg->max);
	return kp_span(0, size);
}

/* Where user memory lies: right behind it, or it is simply there. */
static u64 get_place(struct reader *r, const struct kp_arg *arg, u64 span)
{
	char word[WORD_MAX];
	u32 p, bytes = 0;

	if (r->failed || *r->at != '@' || !isalpha(r->at[1]))
		return span;
	r->at++;
	if (!get_word(r, " +\t\r\n#", word))
		return span;
	for (p = 0; p < KP_NR_PLACES && strcmp(places[p].word, word); p++)
		;
	if (p == KP_NR_PLACES || (p == KP_HUGE && !arg->beyond) ||
	    (p == KP_CHANGES && !arg->once)) {
		refuse(r, "%s: '%s' is no place in user memory that it can have", arg->name,
		       word);
		return span;
	}
	if (*r->at == '+') {
		r->at++;
		if (get_word(r, " \t\r\n#", word) &&
		    (kstrtou32(word, 10, &bytes) || !places[p].with_bytes ||
		     bytes > kp_span_len(span)))
			refuse(r, "%s: '%s' behind the + is no number of its last bytes",
			       arg->name, word);
	}
	return kp_placed(span, p, bytes);
}

static u32 get_shift(struct reader *r)
{
	char word[WORD_MAX];
	u32 shift = 0;

	skip_blanks(r);
	if (*r->at != '@')
		return 0;
	r->at++;
	if (get_word(r, " \t\r\n#", word) && (kstrtou32(word, 10, &shift) || shift > 7))
		refuse(r, "'%s' behind the @ is no number from 0 to 7", word);
	return shift;
}

static void get_params(struct reader *r, const struct kp_pair *pair,
		       struct kp_program *prog)
{
	char word[WORD_MAX];
	u32 a;

	if (get_word(r, " \t\r\n#", word) && strcmp(word, pair->name))
		refuse(r, "'%s' where the pair's name, %s, begins a program", word,
		       pair->name);
	for (a = 0; !r->failed && a < KP_NR_ARGS && pair->creation.arg[a].name; a++) {
		if (!get_word(r, "= \t\r\n#", word))
			return;
		if (strcmp(word, pair->creation.arg[a].name) || *r->at != '=') {
			refuse(r, "'%s' where %s= is expected", word, pair->creation.arg[a].name);
			return;
		}
		r->at++;
		prog->param[a] = get_number(r, &pair->creation.arg[a]);
	}
}

static void get_step(struct reader *r, const struct kp_pair *pair,
		     struct kp_program *prog, struct kp_step *step)
{
	const struct kp_arg *arg;
	char word[WORD_MAX];
	u32 a;

	if (!get_word(r, " \t\r\n#", word))
		return;
	for (step->op = 0; step->op < pair->nr_ops; step->op++)
		if (!strcmp(pair->operation[step->op].name, word))
			break;
	if (step->op == pair->nr_ops) {
		refuse(r, "%s has no operation '%s'", pair->name, word);
		return;
	}
	arg = pair->operation[step->op].arg;
	for (a = 0; !r->failed && a < KP_NR_ARGS && arg[a].name; a++) {
		if (!given(&arg[a]))
			continue;
		if (kp_is_handle(&arg[a]))
			step->arg[a] = get_handle(r, &arg[a]);
		else if (ends_line(r))
			refuse(r, "%s: %s is missing", word, arg[a].name);
		else if (kp_in_pool(&arg[a]))
			step->arg[a] = get_bytes(r, &arg[a], prog);
		else if (arg[a].kind == KP_USER_BUFFER)
			step->arg[a] = get_size(r, &arg[a]);
		else
			step->arg[a] = get_number(r, &arg[a]);
		if (arg[a].kind == KP_BUFFER && step->arg[a] > KP_BYTES_MAX)
			refuse(r, "%s: at most %u bytes", arg[a].name, KP_BYTES_MAX);
		if (kp_in_user(&arg[a]))
			step->arg[a] = get_place(r, &arg[a], step->arg[a]);
	}
	if (!r->failed)
		step->shift = get_shift(r);
	if (!r->failed && !ends_line(r))
		refuse(r, "%s: more words than it has arguments", word);
}

/* Lines to the end of the program, of which each can be an operation. */
static u32 count_lines(const char *text)
{
	u32 n = 1;

	for (; *text && (n == 1 || *text != '@'); n++) {
		text += strcspn(text, "\n");
		text += !!*text;
	}
	return n;
}

/**
 * kp_program_parse() - read a program
 * @pair: the pair whose program it is
 * @text: where to begin; moved to the end of the program: a line that begins with
 *        an @, or the end of the text
 * @wrong: receives what is wrong with it, and in which line
 *
 * Context: may sleep.
 * Return: the program, owned by the caller; NULL if it is none, or without memory
 */
struct kp_program *kp_program_parse(const struct kp_pair *pair,
				    const char **text, struct seq_buf *wrong)
{
	struct reader r = { .at = *text, .line = 1, .wrong = wrong };
	struct kp_program *prog = kp_program_alloc(count_lines(*text));

	if (!prog) {
		refuse(&r, "no memory for it");
		return NULL;
	}
	if (next_line(&r))
		get_params(&r, pair, prog);
	else
		refuse(&r, "no program");
	if (!r.failed && !ends_line(&r))
		refuse(&r, "more words than %s has parameters", pair->name);
	while (!r.failed && next_line(&r))
		get_step(&r, pair, prog, &prog->step[prog->nr_steps++]);
	if (!r.failed && pair->stateless && !prog->nr_steps)
		refuse(&r, "no call");
	/* An @ in the middle of a line that is wrong begins no program. */
	if (r.failed && r.at != *text && r.at[-1] != '\n')
		r.at += strcspn(r.at, "\n");
	*text = r.at;
	if (r.failed) {
		kp_program_free(prog);
		return NULL;
	}
	return prog;
}
