// SPDX-License-Identifier: GPL-2.0
/*
 * All differences of a case, and not the first one alone. Each failing program is
 * made as small as it can be while the operation and the kind of difference stay;
 * those that become the same are one group.
 */
#include <linux/jiffies.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "engine.h"

/* Groups that are told in full; of those beyond them only the number is. */
#define GROUPS_MAX	20
/* Of these, groups of one kind: one bug often shows in many forms. */
#define FORMS_MAX	3
/*
 * Time to make all programs of a case and path small. Operations can wait for an event
 * that a bug keeps from them; a program not small after this time is counted alone.
 */
#define SORT_FOR	(10 * HZ)
/*
 * Before differences of a kind are counted without another look, the last ones must
 * have led to the same group so often, and so many must have been made small without a
 * new group: a call can meet two bugs, and is made small by way of the one that shows
 * first. Counted, not timed: how busy the host is must not decide what a group has.
 */
#define SURE_AFTER	4
#define LOOK_AT		12
/*
 * A kind that has all its forms needs no look either, once so many differences of it
 * have led to none that is shorter: each that is made small takes some 50 ms.
 */
#define ENOUGH		12
/* Room for a program and the results of both paths. */
#define TEXT_SIZE	16384
#define JSON_SIZE	65536

/**
 * struct group - programs that are the same once they are small
 * @diff: their difference
 * @text: the small program and its results
 * @json: the same for a program to read
 * @times: how often it was met
 * @more: in the first group of a kind: how often that kind was met beyond its groups
 * @streak: how often the last differences of this kind led here
 * @idle: in the first group of a kind: how many differences have been made small since
 *        one led to a new form, or to a shorter one
 */
struct group {
	struct kp_diff diff;
	char *text;
	char *json;
	u32 times;
	u32 more;
	u32 streak;
	u32 idle;
};

/**
 * struct kp_groups - the differences of one case on one path
 * @p: the path
 * @group: the groups
 * @nr: how many there are
 * @calls: operations that were compared
 * @others: differences that are in no group
 * @unsteady: programs for which C over C has given one result and then another
 * @end: when to give up making programs small, in jiffies
 * @looked: how many were made small since one led to a new group
 * @prog: a program that is made small
 * @ref: its trace on C over C
 * @got: its trace on the path
 * @text: room for a group's text
 * @json: room for the same for a program to read
 */
struct kp_groups {
	const struct kp_path_param *p;
	struct group group[GROUPS_MAX];
	u32 nr;
	u64 calls;
	u32 others;
	u32 unsteady;
	unsigned long end;
	u32 looked;
	struct kp_program *prog;
	struct kp_trace *ref;
	struct kp_trace *got;
	char *text;
	char *json;
};

/**
 * kp_groups_free() - release groups
 * @groups: the groups or NULL
 */
void kp_groups_free(struct kp_groups *groups)
{
	u32 i;

	if (!groups)
		return;
	for (i = 0; i < groups->nr; i++) {
		kfree(groups->group[i].text);
		kvfree(groups->group[i].json);
	}
	kvfree(groups->json);
	kfree(groups->text);
	kp_trace_free(groups->got);
	kp_trace_free(groups->ref);
	kp_program_free(groups->prog);
	kfree(groups);
}

/**
 * kp_groups_alloc() - begin to collect differences
 * @p: the path; must live as long
 * @steps: the most operations that a program has
 *
 * Context: may sleep.
 * Return: no groups yet, owned by the caller; NULL without memory
 */
struct kp_groups *kp_groups_alloc(const struct kp_path_param *p, u32 steps)
{
	struct kp_groups *groups = kzalloc_obj(*groups);

	if (!groups)
		return NULL;
	groups->p = p;
	groups->prog = kp_program_alloc(steps);
	groups->ref = kp_trace_alloc(steps, true);
	groups->got = kp_trace_alloc(steps, false);
	groups->text = kmalloc(TEXT_SIZE, GFP_KERNEL);
	groups->json = kvmalloc(JSON_SIZE, GFP_KERNEL);
	if (!groups->prog || !groups->ref || !groups->got || !groups->text ||
	    !groups->json) {
		kp_groups_free(groups);
		return NULL;
	}
	return groups;
}

/* Some operations of a program, as a program. */
static void cut(struct kp_program *to, const struct kp_program *from, u32 first, u32 nr)
{
	to->seed = from->seed;
	to->index = from->index;
	to->observe = from->observe;
	to->balance = from->balance;
	to->count = from->count;
	to->fail = from->fail;
	memcpy(to->param, from->param, sizeof(to->param));
	to->shift = from->shift;
	memcpy(to->step, from->step + first, nr * sizeof(*to->step));
	to->nr_steps = nr;
	memcpy(to->pool, from->pool, from->pool_used);
	to->pool_used = from->pool_used;
}

/* The first group of a kind, and how many groups the kind has; NULL and 0 for none. */
static struct group *first_of(struct kp_groups *groups, const struct kp_diff *diff,
			      u32 *forms)
{
	struct group *first = NULL;
	u32 i;

	*forms = 0;
	for (i = 0; i < groups->nr; i++) {
		if (!kp_same_kind(&groups->group[i].diff, diff))
			continue;
		first = first ?: &groups->group[i];
		++*forms;
	}
	return first;
}

/* A group that differences of this kind have led to again and again. */
static struct group *sure_of(struct kp_groups *groups, const struct kp_diff *diff)
{
	u32 i;

	for (i = 0; i < groups->nr && groups->looked >= LOOK_AT; i++)
		if (kp_same_kind(&groups->group[i].diff, diff) &&
		    groups->group[i].streak >= SURE_AFTER)
			return &groups->group[i];
	return NULL;
}

/*
 * A group of the same kind, for a difference that is late in a long program: to make
 * that program small takes seconds, and would show a known difference at more length.
 */
static struct group *known_before(struct kp_groups *groups, const struct kp_diff *diff)
{
	u32 forms;

	return diff->at > kp_steps ? first_of(groups, diff, &forms) : NULL;
}

/* The first group of a kind whose differences are counted alone: it has its forms. */
static struct group *enough_of(struct kp_groups *groups, const struct kp_diff *diff)
{
	u32 forms;
	struct group *first = first_of(groups, diff, &forms);

	return forms == FORMS_MAX && first->idle >= ENOUGH ? first : NULL;
}

static struct group *find(struct kp_groups *groups, const char *text)
{
	u32 i;

	for (i = 0; i < groups->nr; i++)
		if (!strcmp(groups->group[i].text, text))
			return &groups->group[i];
	return NULL;
}

/* Give a group the program that was made small last; false without memory. */
static bool set(struct kp_groups *groups, struct group *group, const struct kp_diff *diff)
{
	char *text = kstrdup(groups->text, GFP_KERNEL);
	char *json = kvmemdup(groups->json, strlen(groups->json) + 1, GFP_KERNEL);

	if (!text || !json) {
		kfree(text);
		kvfree(json);
		return false;
	}
	kfree(group->text);
	kvfree(group->json);
	group->diff = *diff;
	group->text = text;
	group->json = json;
	group->times = 0;
	return true;
}

/*
 * A group for a program that is in none. Of a kind that has all its groups the one
 * with the longest program makes room, if this one is shorter. NULL if it is to be
 * counted alone.
 */
static struct group *make_room(struct kp_groups *groups, const struct kp_diff *diff)
{
	u32 forms;
	struct group *first = first_of(groups, diff, &forms), *longest = first, *g;

	for (g = groups->group; g < groups->group + groups->nr; g++)
		if (kp_same_kind(&g->diff, diff) && strlen(g->text) > strlen(longest->text))
			longest = g;
	if (forms < FORMS_MAX && groups->nr < GROUPS_MAX) {
		if (!set(groups, &groups->group[groups->nr], diff))
			return NULL;
		groups->looked = 0;
		return &groups->group[groups->nr++];
	}
	if (!first)
		return NULL;
	if (strlen(groups->text) < strlen(longest->text)) {
		first->more += longest->times;
		return set(groups, longest, diff) ? longest : NULL;
	}
	first->more++;
	return NULL;
}

static void add(struct kp_groups *groups, const struct kp_diff *diff)
{
	u32 i, forms;
	struct group *group = find(groups, groups->text);
	struct group *first = first_of(groups, diff, &forms);

	for (i = 0; i < groups->nr; i++)
		if (kp_same_kind(&groups->group[i].diff, diff) && &groups->group[i] != group)
			groups->group[i].streak = 0;
	if (first)
		first->idle++;
	if (!group) {
		group = make_room(groups, diff);
		if (group && first)
			first->idle = 0;
	}
	if (group) {
		group->times++;
		group->streak++;
	} else if (!first) {
		groups->others++;
	}
}

/* Make the operations that led to a difference small, and put them in their group. */
static void sort_in(struct kp_groups *groups, const struct kp_program *prog,
		    const struct kp_diff *diff)
{
	const struct kp_pair *pair = groups->p->pair;
	struct kp_diff now = *diff;
	struct seq_buf s;
	bool smallest, again;

	if (pair->stateless && diff->at < prog->nr_steps) {
		cut(groups->prog, prog, diff->at, 1);
		now.at = 0;
	} else {
		cut(groups->prog, prog, 0, min(diff->at + 1, prog->nr_steps));
	}
	if (!groups->end)
		groups->end = jiffies + SORT_FOR;
	smallest = kp_shrink(pair, groups->p->id, groups->prog, groups->ref,
			     groups->got, &now, groups->end);
	again = kp_trace_diff(groups->ref, groups->got, 0, &now);
	seq_buf_init(&s, groups->text, TEXT_SIZE);
	kp_print_program(&s, groups->prog, groups->ref, groups->got, &now);
	if (!again)
		seq_buf_puts(&s, "    it differed once, and not when it was run again\n");
	if (!smallest)
		seq_buf_puts(&s, "    not the smallest: that would take too long\n");
	seq_buf_str(&s);
	seq_buf_init(&s, groups->json, JSON_SIZE);
	kp_failure_print(&s, groups->prog, groups->ref, groups->got, &now);
	seq_buf_str(&s);
	groups->looked++;
	add(groups, diff);
}

static void count_accepted(struct kp_groups *groups, const struct kp_trace *ref,
			   const struct kp_trace *got)
{
	const struct kp_pair *pair = groups->p->pair;
	u32 times[KP_MAX_DIVERGES] = {}, d;

	kp_trace_accepted(ref, got, times);
	for (d = 0; d < pair->nr_diverges; d++)
		pair->stats->diverged[d][groups->p->id] += times[d];
}

/**
 * kp_groups_collect() - put the differences of one program in their groups
 * @groups: the groups
 * @prog: the program
 * @ref: its trace on C over C; NULL if that is the same
 * @got: its trace on the path
 * @unsteady: C over C has given other results for it before
 *
 * Of a pair with an object the first difference counts: later ones are of objects that
 * differ already.
 *
 * Context: may sleep.
 * Return: whether there was a difference
 */
bool kp_groups_collect(struct kp_groups *groups, const struct kp_program *prog,
		       const struct kp_trace *ref, const struct kp_trace *got,
		       bool unsteady)
{
	const struct kp_pair *pair = groups->p->pair;
	struct kp_diff diff;
	struct group *group, *enough;
	u32 from = 0;

	groups->calls += prog->nr_steps;
	groups->unsteady += unsteady;
	if (!ref)
		return false;
	count_accepted(groups, ref, got);
	while (kp_trace_diff(ref, got, from, &diff)) {
		group = sure_of(groups, &diff) ?: known_before(groups, &diff);
		enough = enough_of(groups, &diff);
		if (group)
			group->times++;
		else if (enough)
			enough->more++;
		else if (groups->end && time_after(jiffies, groups->end))
			groups->others++;
		else
			sort_in(groups, prog, &diff);
		from = diff.at + 1;
		if (!pair->stateless || from >= prog->nr_steps)
			return true;
	}
	return from;
}

/**
 * kp_groups_late() - whether to end a case that has failed, for the time it takes
 * @groups: the groups
 *
 * Operations can wait for an event that a bug keeps from them, in each program again.
 *
 * Return: true some time after the first difference
 */
bool kp_groups_late(const struct kp_groups *groups)
{
	return groups->end && time_after(jiffies, groups->end);
}

static u32 nr_kinds(const struct kp_groups *groups)
{
	u32 i, j, n = 0;

	for (i = 0; i < groups->nr; i++) {
		for (j = 0; j < i; j++)
			if (kp_same_kind(&groups->group[i].diff, &groups->group[j].diff))
				break;
		n += j == i;
	}
	return n;
}

static void print_group(struct kunit *test, struct group *group, const char *mark)
{
	kunit_err(test, "  %s%u time%s", mark, group->times, group->times == 1 ? "" : "s");
	kp_print_lines(test, group->text);
	kp_failure_add(test, NULL, group->times, group->json);
	group->times = 0;
}

/**
 * kp_groups_report() - tell all differences, and fail the case if there are any
 * @groups: the groups; their contents are used up
 * @test: the case
 */
void kp_groups_report(struct kp_groups *groups, struct kunit *test)
{
	const struct kp_pair *pair = groups->p->pair;
	u32 i, j, n = 0, kinds = nr_kinds(groups);
	char mark[16];

	if (groups->unsteady)
		KUNIT_FAIL(test, "%s: C over C made something else of %u programs before",
			   pair->name, groups->unsteady);
	if (!groups->nr && !groups->others)
		return;
	kunit_err(test, "%s: %s%u %s of difference in %llu calls, seed %lu", pair->name,
		  groups->others ? "at least " : "", kinds, kinds == 1 ? "kind" : "kinds",
		  groups->calls, kp_seed);
	for (i = 0; i < groups->nr; i++) {
		if (!groups->group[i].times)
			continue;
		scnprintf(mark, sizeof(mark), "%u: ", ++n);
		print_group(test, &groups->group[i], mark);
		for (j = i + 1; j < groups->nr; j++)
			if (groups->group[j].times &&
			    kp_same_kind(&groups->group[i].diff, &groups->group[j].diff))
				print_group(test, &groups->group[j], "   and ");
		if (groups->group[i].more)
			kunit_err(test, "     and %u more of this kind", groups->group[i].more);
	}
	if (groups->others)
		kunit_err(test, "  and %u more, not looked into", groups->others);
	KUNIT_FAIL(test, "%s differs from c->c, or breaks its contract", pair->name);
}
