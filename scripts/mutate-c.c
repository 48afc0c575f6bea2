// SPDX-License-Identifier: GPL-2.0
/*
 * Finds places in a C file where one small change makes another program:
 *
 *	mutate-c FILE ARGUMENTS-OF-CLANG...
 *
 * prints a line of JSON for each change: its operator, the function that it is
 * in, and the bytes to replace. "E?" stands for another errno of the file. Only
 * what is spelled in the file itself is changed, never what a macro expands to.
 * See Documentation/mutants.md.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <clang-c/Index.h>

/* A part of the file. */
struct range {
	unsigned int start;
	unsigned int end;
};

/* The children of a cursor, as many as are looked at. */
struct children {
	CXCursor at[64];
	int count;
};

/* An operator, and what stands in its place. */
struct swap {
	const char *op;
	const char *to[2];
	const char *name;
};

static const struct swap binary[] = {
	{ "<", { "<=", ">=" }, "relational" },
	{ "<=", { "<", ">" }, "relational" },
	{ ">", { ">=", "<=" }, "relational" },
	{ ">=", { ">", "<" }, "relational" },
	{ "==", { "!=" }, "relational" },
	{ "!=", { "==" }, "relational" },
	{ "&&", { "||" }, "logical" },
	{ "||", { "&&" }, "logical" },
	{ "+", { "-" }, "arithmetic" },
	{ "-", { "+" }, "arithmetic" },
	{ "*", { "+" }, "arithmetic" },
	{ "/", { "*" }, "arithmetic" },
	{ "%", { "/" }, "arithmetic" },
	{ "+=", { "-=", "=" }, "arithmetic" },
	{ "-=", { "+=", "=" }, "arithmetic" },
	{ "*=", { "+=", "=" }, "arithmetic" },
	{ "&", { "|" }, "bitwise" },
	{ "|", { "&" }, "bitwise" },
	{ "^", { "|" }, "bitwise" },
	{ "|=", { "=", "&=" }, "bitwise" },
	{ "&=", { "=", "|=" }, "bitwise" },
	{ "<<", { ">>" }, "bitwise" },
	{ ">>", { "<<" }, "bitwise" },
	{ }
};

static char *text;
static unsigned int size;
static CXFile source;
static char function[128];

/*
 * Where a cursor is in the file: what a macro is given is where it is spelled,
 * and what it expands to where the macro is. False if it is not in the file.
 */
static bool find(CXCursor cursor, struct range *range)
{
	CXSourceRange extent = clang_getCursorExtent(cursor);
	CXFile from, to;

	clang_getFileLocation(clang_getRangeStart(extent), &from, NULL, NULL, &range->start);
	clang_getFileLocation(clang_getRangeEnd(extent), &to, NULL, NULL, &range->end);
	return from && clang_File_isEqual(from, source) && clang_File_isEqual(to, source) &&
	       range->start < range->end && range->end <= size;
}

/* Whether a cursor is no part of what a macro expands to. */
static bool spelled(CXCursor cursor)
{
	return clang_Location_isFromMainFile(clang_getRangeStart(clang_getCursorExtent(cursor)));
}

static bool is(struct range range, const char *what)
{
	return range.end - range.start == strlen(what) &&
	       !memcmp(text + range.start, what, strlen(what));
}

/* A string of JSON; new lines stay as many, so that no line after a change moves. */
static void print_string(const char *from, unsigned int length)
{
	for (unsigned int i = 0; i < length; i++) {
		if (from[i] == '"' || from[i] == '\\')
			printf("\\%c", from[i]);
		else if ((unsigned char)from[i] < ' ')
			printf("\\u%04x", from[i]);
		else
			putchar(from[i]);
	}
}

static void begin(const char *name)
{
	printf("{\"function\": \"%s\", \"operator\": \"%s\", \"edits\": [", function, name);
}

static void edit(struct range range, const char *before, const char *now, unsigned int length,
		 const char *after)
{
	printf("[%u, %u, \"%s", range.start, range.end, before);
	print_string(now, length);
	printf("%s\"]", after);
}

/* Tell of one change of one range. */
static void tell(const char *name, struct range range, const char *now)
{
	begin(name);
	edit(range, "", now, strlen(now), "");
	puts("]}");
}

static enum CXChildVisitResult collect(CXCursor cursor, CXCursor parent, CXClientData data)
{
	struct children *all = data;

	(void)parent;
	if (all->count < 64)
		all->at[all->count++] = cursor;
	return CXChildVisit_Continue;
}

static struct children children(CXCursor cursor)
{
	struct children all = { .count = 0 };

	clang_visitChildren(cursor, collect, &all);
	return all;
}

/* An operator between two operands, where nothing but spaces is beside it. */
static void operation(const struct children *operands)
{
	struct range left, right, op;

	if (operands->count != 2 || !find(operands->at[0], &left) ||
	    !find(operands->at[1], &right) || left.end > right.start)
		return;
	op = (struct range){ left.end, right.start };
	while (op.start < op.end && isspace(text[op.start]))
		op.start++;
	while (op.start < op.end && isspace(text[op.end - 1]))
		op.end--;
	for (const struct swap *swap = binary; swap->op; swap++)
		for (int i = 0; is(op, swap->op) && i < 2 && swap->to[i]; i++)
			tell(swap->name, op, swap->to[i]);
}

/* A condition turned round, unless its operator alone can be: == and !. */
static void condition(CXCursor cursor)
{
	struct range range;

	switch (clang_getCursorBinaryOperatorKind(cursor)) {
	case CXBinaryOperator_LT:
	case CXBinaryOperator_GT:
	case CXBinaryOperator_LE:
	case CXBinaryOperator_GE:
	case CXBinaryOperator_EQ:
	case CXBinaryOperator_NE:
		if (spelled(cursor))
			return;
		break;
	default:
		break;
	}
	if (!find(cursor, &range))
		return;
	if (spelled(cursor) && clang_getCursorUnaryOperatorKind(cursor) == CXUnaryOperator_LNot)
		return;
	begin("condition");
	edit(range, "!(", text + range.start, range.end - range.start, ")");
	puts("]}");
}

/* A statement left out, if it is one that computes or calls. */
static void statement(CXCursor cursor)
{
	struct range range;
	char now[80] = "(void)0";
	unsigned int at, lines = 0;

	switch (clang_getCursorKind(cursor)) {
	case CXCursor_CompoundStmt:
	case CXCursor_DeclStmt:
	case CXCursor_IfStmt:
	case CXCursor_ForStmt:
	case CXCursor_WhileStmt:
	case CXCursor_SwitchStmt:
	case CXCursor_ReturnStmt:
	case CXCursor_CaseStmt:
	case CXCursor_DefaultStmt:
		return;
	default:
		break;
	}
	if (!find(cursor, &range))
		return;
	/* A macro that is a loop's head has its body behind it. */
	for (at = range.end; at < size && isspace(text[at]); at++)
		;
	if (at >= size || text[at] != ';')
		return;
	for (at = range.start; at < range.end && lines < 60; at++)
		if (text[at] == '\n')
			now[7 + lines++] = '\n';
	tell("statement", range, now);
}

/* Neighbouring arguments of one type, changed with each other. */
static void arguments(CXCursor call)
{
	int count = clang_Cursor_getNumArguments(call);

	for (int i = 0; i + 1 < count; i++) {
		CXCursor a = clang_Cursor_getArgument(call, i);
		CXCursor b = clang_Cursor_getArgument(call, i + 1);
		struct range one, two;

		if (!clang_equalTypes(clang_getCanonicalType(clang_getCursorType(a)),
				      clang_getCanonicalType(clang_getCursorType(b))) ||
		    !find(a, &one) || !find(b, &two) || one.end >= two.start ||
		    (one.end - one.start == two.end - two.start &&
		     !memcmp(text + one.start, text + two.start, one.end - one.start)))
			continue;
		begin("arguments");
		edit(one, "", text + two.start, two.end - two.start, "");
		printf(", ");
		edit(two, "", text + one.start, one.end - one.start, "");
		puts("]}");
	}
}

static void number(struct range range)
{
	char *end, now[32];
	unsigned long value = strtoul(text + range.start, &end, 0);

	if (!isdigit(text[range.start]))
		return;
	snprintf(now, sizeof(now), "%lu%.*s", value + 1, (int)(text + range.end - end), end);
	tell("constant", range, now);
	if (value == 1)
		tell("constant", range, "0");
}

static void unary(CXCursor cursor)
{
	struct range range, op;

	if (!find(cursor, &range))
		return;
	if (clang_getCursorUnaryOperatorKind(cursor) == CXUnaryOperator_LNot &&
	    text[range.start] == '!') {
		op = (struct range){ range.start, range.start + 1 };
		tell("logical", op, "");
	} else if (text[range.start] == '-' && text[range.start + 1] == 'E') {
		tell("errno", range, "0");
		tell("errno", range, "-E?");
	} else if (!memcmp(text + range.start, "++", 2) ||
		   !memcmp(text + range.start, "--", 2)) {
		op = (struct range){ range.start, range.start + 2 };
		tell("arithmetic", op, text[range.start] == '+' ? "--" : "++");
	} else if (!memcmp(text + range.end - 2, "++", 2) ||
		   !memcmp(text + range.end - 2, "--", 2)) {
		op = (struct range){ range.end - 2, range.end };
		tell("arithmetic", op, text[range.end - 1] == '+' ? "--" : "++");
	}
}

static enum CXChildVisitResult look(CXCursor cursor, CXCursor parent, CXClientData data)
{
	struct children all = children(cursor);
	struct range range;
	bool mine = spelled(cursor);

	(void)parent;
	(void)data;
	switch (clang_getCursorKind(cursor)) {
	case CXCursor_BinaryOperator:
	case CXCursor_CompoundAssignOperator:
		operation(&all);
		break;
	case CXCursor_UnaryOperator:
		unary(cursor);
		break;
	case CXCursor_IntegerLiteral:
		if (find(cursor, &range))
			number(range);
		break;
	case CXCursor_DeclRefExpr:
		if (find(cursor, &range) && is(range, "true"))
			tell("constant", range, "false");
		else if (find(cursor, &range) && is(range, "false"))
			tell("constant", range, "true");
		break;
	case CXCursor_CallExpr:
		arguments(cursor);
		break;
	case CXCursor_IfStmt:
	case CXCursor_WhileStmt:
	case CXCursor_ConditionalOperator:
		if (mine && all.count)
			condition(all.at[0]);
		if (clang_getCursorKind(cursor) == CXCursor_ConditionalOperator)
			break;
		for (int i = 1; mine && i < all.count; i++)
			statement(all.at[i]);
		break;
	case CXCursor_ForStmt:
		if (mine && all.count)
			statement(all.at[all.count - 1]);
		break;
	case CXCursor_CompoundStmt:
		for (int i = 0; mine && i < all.count; i++)
			statement(all.at[i]);
		break;
	default:
		break;
	}
	return CXChildVisit_Recurse;
}

/* Functions that the file defines; those of headers are not its own. */
static enum CXChildVisitResult top(CXCursor cursor, CXCursor parent, CXClientData data)
{
	CXString name;

	(void)parent;
	if (!clang_Location_isFromMainFile(clang_getCursorLocation(cursor)) ||
	    clang_getCursorKind(cursor) != CXCursor_FunctionDecl ||
	    !clang_isCursorDefinition(cursor))
		return CXChildVisit_Continue;
	name = clang_getCursorSpelling(cursor);
	snprintf(function, sizeof(function), "%s", clang_getCString(name));
	clang_disposeString(name);
	clang_visitChildren(cursor, look, data);
	return CXChildVisit_Continue;
}

static bool read_file(const char *name)
{
	FILE *file = fopen(name, "r");

	if (!file)
		return false;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	text = calloc(1, size + 1);
	size = text ? fread(text, 1, size, file) : 0;
	fclose(file);
	return size;
}

/**
 * main() - print all changes of one file
 * @argc: number of words
 * @argv: the file, and what clang is to be told of it
 *
 * Return: 0, or 1 if the file cannot be read or has errors.
 */
int main(int argc, char **argv)
{
	CXIndex index = clang_createIndex(0, 1);
	CXTranslationUnit unit;

	if (argc < 2 || !read_file(argv[1])) {
		fprintf(stderr, "mutate-c: no file to read\n");
		return 1;
	}
	unit = clang_parseTranslationUnit(index, argv[1], (const char *const *)argv + 2, argc - 2,
					  NULL, 0, CXTranslationUnit_None);
	if (!unit) {
		fprintf(stderr, "mutate-c: %s cannot be parsed\n", argv[1]);
		return 1;
	}
	for (unsigned int i = 0; i < clang_getNumDiagnostics(unit); i++)
		if (clang_getDiagnosticSeverity(clang_getDiagnostic(unit, i)) >=
		    CXDiagnostic_Error)
			return 1;
	source = clang_getFile(unit, argv[1]);
	clang_visitChildren(clang_getTranslationUnitCursor(unit), top, NULL);
	return 0;
}
