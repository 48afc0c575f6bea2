// SPDX-License-Identifier: GPL-2.0
/*
 * Reads programs from text; text.c says how they are written, and prints them.
 */
#include <linux/ctype.h>
#include <linux/hex.h>
#include <linux/kstrtox.h>
#include <linux/seq_buf.h>
#include <linux/string.h>
#include "engine.h"

#define WORD_MAX	256

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

/* Of numbers in text: a number that begins with a 0 is decimal as well. */
static unsigned int base_of(const char *word)
{
	return strncmp(word + (*word == '-'), "0x", 2) ? 10 : 16;
}

/* A number of bytes, of repeats, or the like; whether the word is one. */
static bool is_u32(const char *word, u32 *value)
{
	return !kstrtou32(word, base_of(word), value);
}

static bool named(const struct kp_arg *arg, const char *word, u64 *value)
{
	const struct kp_name *n;

	for (n = arg->names; n && n->name; n++) {
		if (!strcmp(n->name, word)) {
			*value = kp_of_type(arg, n->value);
			return true;
		}
	}
	return !kstrtou64(word, base_of(word), value) ||
	       !kstrtos64(word, base_of(word), (s64 *)value);
}

/* Whether something stands where an argument's value is expected. */
static bool has_value(struct reader *r, const struct kp_arg *arg)
{
	if (ends_line(r))
		refuse(r, "%s: its value is missing", arg->name);
	return !r->failed;
}

static u64 get_number(struct reader *r, const struct kp_arg *arg)
{
	char word[WORD_MAX];
	u64 value = 0, one = 0;
	char *part, *rest = word;

	if (!has_value(r, arg) || !get_word(r, " \t\r\n#", word))
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
	u32 value = 0;

	/* Blanks alone: a # begins a comment elsewhere. */
	r->at += strspn(r->at, " \t");
	if (*r->at != '#') {
		refuse(r, "%s: a handle, such as #0, is missing", arg->name);
		return 0;
	}
	r->at++;
	if (get_word(r, " \t\r\n#", word) && !is_u32(word, &value))
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

/* The number of repeats of a quoted piece: *N behind it. */
static u32 get_times(struct reader *r)
{
	char word[WORD_MAX];
	u32 times = 1;

	if (*r->at != '*')
		return 1;
	r->at++;
	if (get_word(r, " +@\t\r\n#", word) && !is_u32(word, &times))
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

	if (has_value(r, arg) && get_word(r, " @\t\r\n#", word) &&
	    (!is_u32(word, &size) || !kp_fits(arg, size)))
		refuse(r, "%s: '%s' is no number of bytes between %u and %u", arg->name, word,
		       arg->min, arg->max);
	return kp_span(0, size);
}

/* The place of user memory: a word right behind it, or none for mapped memory. */
static u64 get_place(struct reader *r, const struct kp_arg *arg, u64 span)
{
	char word[WORD_MAX];
	u32 p, bytes = 0;

	if (r->failed || *r->at != '@' || !isalpha(r->at[1]))
		return span;
	r->at++;
	if (!get_word(r, " +\t\r\n#", word))
		return span;
	for (p = 0; p < KP_NR_PLACES && strcmp(kp_places[p].word, word); p++)
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
		    (!is_u32(word, &bytes) || !kp_places[p].with_bytes ||
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
	if (get_word(r, " \t\r\n#", word) && (!is_u32(word, &shift) || shift > 7))
		refuse(r, "'%s' behind the @ is no number from 0 to 7", word);
	return shift;
}

/* The allocation that fails: fail=N before the name of what is called. */
static u16 get_fail(struct reader *r, struct kp_program *prog)
{
	char word[WORD_MAX];
	u16 nth = 0;

	skip_blanks(r);
	if (strncmp(r->at, "fail=", 5))
		return 0;
	r->at += 5;
	if (get_word(r, " \t\r\n#", word) && (kstrtou16(word, 10, &nth) || !nth))
		refuse(r, "'%s' behind fail= is no number of an allocation, from 1", word);
	prog->balance = true;
	return nth;
}

/* Whether a parameter of this name is next. */
static bool begins_with(struct reader *r, const char *name)
{
	size_t len = strlen(name);

	skip_blanks(r);
	return !strncmp(r->at, name, len) && r->at[len] == '=';
}

/* An argument, of a call or of the object's creation. */
static u64 get_value(struct reader *r, const struct kp_arg *arg, struct kp_program *prog)
{
	u64 value;

	if (kp_is_handle(arg))
		value = get_handle(r, arg);
	else if (kp_in_pool(arg))
		value = get_bytes(r, arg, prog);
	else if (arg->kind == KP_USER_BUFFER)
		value = get_size(r, arg);
	else
		value = get_number(r, arg);
	if (arg->kind == KP_BUFFER && value > KP_BYTES_MAX)
		refuse(r, "%s: at most %u bytes", arg->name, KP_BYTES_MAX);
	return kp_in_user(arg) ? get_place(r, arg, value) : value;
}

static void get_params(struct reader *r, const struct kp_pair *pair,
		       struct kp_program *prog)
{
	char word[WORD_MAX];
	u32 a;

	prog->fail = get_fail(r, prog);
	if (get_word(r, " \t\r\n#", word) && strcmp(word, pair->name))
		refuse(r, "'%s' where the pair's name, %s, begins a program", word,
		       pair->name);
	for (a = 0; !r->failed && a < KP_NR_ARGS && pair->creation.arg[a].name; a++) {
		const char *name = pair->creation.arg[a].name;

		/* Left out where it is 0, as in print: the object begins as in production. */
		if (pair->creation.arg[a].wraps && !begins_with(r, name))
			continue;
		if (ends_line(r))
			refuse(r, "%s: %s= is missing", pair->name, name);
		if (!get_word(r, "= \t\r\n#", word))
			return;
		if (strcmp(word, name) || *r->at != '=') {
			refuse(r, "'%s' where %s= is expected", word, name);
			return;
		}
		r->at++;
		prog->param[a] = get_value(r, &pair->creation.arg[a], prog);
	}
	if (!r->failed)
		prog->shift = get_shift(r);
}

/* The column that an operation is of: a word such as 2: before it; 0 for none. */
static u8 get_column(struct reader *r, struct kp_program *prog)
{
	u8 column;

	skip_blanks(r);
	if (!isdigit(r->at[0]) || r->at[1] != ':') {
		if (prog->columns)
			refuse(r, "operations of threads, such as '1: ...', come last");
		return 0;
	}
	column = r->at[0] - '0';
	r->at += 2;
	if (!column || column > 3)
		refuse(r, "threads are 1 and 2, and what their callback does is 3");
	if (prog->balance)
		refuse(r, "no allocation fails in a program with threads");
	prog->columns++;
	return column;
}

static void get_step(struct reader *r, const struct kp_pair *pair,
		     struct kp_program *prog, struct kp_step *step)
{
	const struct kp_arg *arg;
	char word[WORD_MAX];
	u32 a;

	step->fail = get_fail(r, prog);
	step->column = get_column(r, prog);
	if (!get_word(r, " \t\r\n#", word))
		return;
	if (!strcmp(word, "during")) {
		if (step->column)
			refuse(r, "'during' is for a program without threads");
		prog->during = prog->nr_steps;
		skip_blanks(r);
		if (!get_word(r, " \t\r\n#", word))
			return;
	}
	for (step->op = 0; step->op < pair->nr_ops; step->op++)
		if (!strcmp(pair->operation[step->op].name, word))
			break;
	if (step->op == pair->nr_ops) {
		refuse(r, "%s has no operation '%s'", pair->name, word);
		return;
	}
	arg = pair->operation[step->op].arg;
	for (a = 0; !r->failed && a < KP_NR_ARGS && arg[a].name; a++) {
		if (!kp_is_given(&arg[a]))
			continue;
		if (!kp_is_handle(&arg[a]) && ends_line(r))
			refuse(r, "%s: %s is missing", word, arg[a].name);
		else
			step->arg[a] = get_value(r, &arg[a], prog);
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
	if (!r.failed && prog->during && prog->during + 1 != prog->nr_steps)
		refuse(&r, "one operation, the last one, follows the one behind 'during'");
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
