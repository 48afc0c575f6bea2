// SPDX-License-Identifier: GPL-2.0
/*
 * Traces: the results of a program on one path. Every result is held against the
 * contract at once.
 */
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timex.h>
#include "engine.h"

const char *const kp_path_name[KP_NR_PATHS] = {
	[KP_C_C] = "c->c",
	[KP_C_RUST] = "c->rust",
	[KP_RUST_C] = "rust->c",
	[KP_RUST_RUST] = "rust->rust",
};

/**
 * kp_clock() - the counter that costs are measured with
 *
 * Out of line on purpose: both languages pay the same call.
 *
 * Context: any.
 * Return: the CPU's counter; executed instructions under QEMU -icount shift=0
 */
u64 kp_clock(void)
{
	return get_cycles();
}
EXPORT_SYMBOL_GPL(kp_clock);

/**
 * kp_trace_alloc() - make room for a trace
 * @steps: the most operations it can take
 * @reference: another trace is compared with it
 *
 * Context: may sleep.
 * Return: the trace, owned by the caller, or NULL
 */
struct kp_trace *kp_trace_alloc(u32 steps, bool reference)
{
	struct kp_trace *trace = kzalloc_obj(*trace);

	if (!trace)
		return NULL;
	trace->step = kvcalloc(steps, sizeof(*trace->step), GFP_KERNEL);
	trace->arena = kp_arena_alloc();
	trace->view = kvzalloc(KP_VIEW_MAX, GFP_KERNEL);
	trace->taken = kvmalloc(KP_VIEW_MAX, GFP_KERNEL);
	trace->kept = kvmalloc(KP_KEPT_SIZE, GFP_KERNEL);
	if (!trace->step || !trace->arena || !trace->view || !trace->taken ||
	    !trace->kept) {
		kp_trace_free(trace);
		return NULL;
	}
	trace->step_max = steps;
	trace->reference = reference;
	trace->tick = jiffies;
	return trace;
}

/**
 * kp_trace_free() - release a trace
 * @trace: the trace or NULL
 */
void kp_trace_free(struct kp_trace *trace)
{
	if (!trace)
		return;
	kvfree(trace->kept);
	kvfree(trace->taken);
	kvfree(trace->view);
	kvfree(trace->arena);
	kvfree(trace->step);
	kfree(trace);
}

/**
 * kp_hash() - go on with a hash over further bytes
 * @hash: that of the bytes so far; %KP_HASH_START for none
 * @at: the bytes
 * @size: how many they are
 *
 * A word at a time, as every view is hashed after every operation. Frozen files hold such
 * hashes: another function makes FORMAT in scripts/kplib/judge/frozen.py another.
 *
 * Return: the hash
 */
u64 kp_hash(u64 hash, const void *at, size_t size)
{
	u64 word;

	for (; size >= sizeof(word); size -= sizeof(word)) {
		memcpy(&word, at, sizeof(word)); /* one load */
		hash = kp_hash_word(hash, word);
		at += sizeof(word);
		/* Most views have a few words: the loop costs more when it is unrolled. */
		OPTIMIZER_HIDE_VAR(size);
	}
	if (size) {
		word = 0;
		memcpy(&word, at, size);
		hash = kp_hash_word(hash, word);
	}
	return hash;
}

/**
 * kp_trace_broken() - record that an operation broke its contract
 * @trace: the trace; it keeps the first such operation
 * @step: the operation; %KP_AT_CREATION for the object's creation
 * @what: what it broke; must live as long as the trace
 */
void kp_trace_broken(struct kp_trace *trace, u32 step, const char *what)
{
	if (step < trace->step_max && !trace->step[step].broken)
		trace->step[step].broken = what;
	if (trace->broken)
		return;
	trace->broken = what;
	trace->broken_at = step;
}

static bool errno_allowed(const struct kp_operation *op, s64 ret)
{
	const int *e = op->errnos;

	while (*e)
		if (*e++ == ret)
			return true;
	return false;
}

/* Whether an operation returned an errno that its row does not list. */
static bool breaks_its_row(const struct kp_operation *op, s64 ret)
{
	return op->returns == KP_RET_RESULT && ret < 0 && !errno_allowed(op, ret);
}

/**
 * kp_trace_begin() - report the object's view before the first operation
 * @trace: where to; the view has been taken, every byte of it set
 *
 * Context: any. Called only when the program asks to be observed.
 */
void kp_trace_begin(struct kp_trace *trace)
{
	swap(trace->view, trace->taken);
	if (trace->held)
		trace->held[0] = trace->pair->holds(trace->view);
	trace->start = kp_hash(KP_HASH_START, trace->view, trace->pair->view_size);
	trace->digest.seen = kp_hash_word(trace->digest.seen, trace->start);
}

/* Judge an operation by the pair's invariants. */
static void judge(struct kp_trace *trace, u32 step, const struct kp_result *res)
{
	const struct kp_pair *pair = trace->pair;
	struct kp_stats *stats = pair->stats;
	struct kp_observed o = {
		.pair = pair, .prog = trace->prog, .step = &trace->prog->step[step],
		.res = res, .before = trace->view, .after = trace->taken,
		.called = !trace->step[step].skipped,
	};
	struct kp_judged judged = pair->judge(&o);

	trace->tested |= judged.tested;
	for (; judged.tested; judged.tested &= judged.tested - 1)
		stats->judged[__ffs(judged.tested)][trace->path]++;
	if (judged.broken)
		kp_trace_broken(trace, step, pair->invariant[__ffs(judged.broken)].id);
}

/* Add an operation to what paths are compared by. */
static void digest(struct kp_trace *trace, const struct kp_step_trace *t, bool unseen)
{
	/* Sums of hashes that differ only by where the words were would be the same. */
	u64 stored = t->stored * 5;
	u64 seen = t->view + t->outs * 3 + (t->ret ^ (u64)t->same << 40 ^ (u64)t->skipped << 39);

	if (unseen)
		trace->digest.unseen = kp_hash_word(trace->digest.unseen, stored);
	else
		seen += stored;
	trace->digest.seen = kp_hash_word(trace->digest.seen, seen);
}

/**
 * kp_trace_step() - report one operation's result
 * @trace: where to; where programs are observed, the view after it has been taken
 * @step: index of the operation in the program
 * @res: what it gave. Borrowed for the call.
 * @cost: kp_clock() after it minus kp_clock() before it
 * @observed: a view has been taken
 *
 * Checks the errno against the contract and, given a view, every invariant.
 *
 * Context: any.
 */
void kp_trace_step(struct kp_trace *trace, u32 step,
		   const struct kp_result *res, u64 cost, bool observed)
{
	const struct kp_pair *pair = trace->pair;
	const struct kp_operation *op = &pair->operation[trace->prog->step[step].op];
	struct kp_step_trace *t = &trace->step[step];
	bool unseen;

	if (WARN_ON_ONCE(step != trace->nr || step >= trace->step_max))
		return;
	trace->nr = step + 1;
	if (trace->alive && time_after(jiffies, trace->tick)) {
		trace->tick = jiffies;
		kp_alive();
	}
	t->ret = res->ret;
	t->out = res->out;
	t->cost = cost;
	t->view = 0;
	if (!t->skipped && breaks_its_row(op, res->ret))
		kp_trace_broken(trace, step, "an errno that its row does not list");
	if (observed) {
		t->view = kp_hash(KP_HASH_START, trace->taken, pair->view_size);
		if (pair->judge)
			judge(trace, step, res);
		swap(trace->view, trace->taken);
		if (trace->held)
			trace->held[step + 1] = pair->holds(trace->view);
	}
	unseen = kp_unseen_by_rust(op, res->ret);
	t->hides = unseen && kp_rust_calls(trace->path);
	digest(trace, t, unseen);
}

/**
 * kp_trace_end() - report that a program has ended
 * @trace: where to
 */
void kp_trace_end(struct kp_trace *trace)
{
	struct kp_stats *stats = trace->pair->stats;
	unsigned long tested = trace->tested;
	u32 i;

	stats->calls[trace->path] += trace->nr;
	for_each_set_bit(i, &tested, KP_MAX_INVARIANTS)
		stats->judged_in[i] |= BIT(stats->now);
}

/**
 * kp_trace_judge() - report that a promise was put to the test
 * @trace: where to
 * @invariant: the promise's number in the contract
 * @holds: whether it held
 *
 * For promises that no view shows: a KP_AFTER() row has the engine call it.
 *
 * Context: any.
 */
void kp_trace_judge(struct kp_trace *trace, u32 invariant, bool holds)
{
	kp_stats_count(trace->pair->stats, trace->path, invariant);
	if (!holds)
		kp_trace_broken(trace, trace->nr,
				trace->pair->invariant[invariant].id);
}

/**
 * kp_trace_start() - make a trace ready for a run of a program
 * @trace: the trace; what it held is forgotten
 * @pair: the pair
 * @path: the path
 * @prog: the program
 */
void kp_trace_start(struct kp_trace *trace, const struct kp_pair *pair,
		    enum kp_path_id path, const struct kp_program *prog)
{
	u32 i;

	trace->pair = pair;
	trace->path = path;
	trace->prog = prog;
	trace->err = 0;
	trace->made = (struct kp_step_trace){ .outs = KP_HASH_START, .outs_at = KP_NOT_KEPT };
	trace->nr = 0;
	trace->start = 0;
	trace->broken = NULL;
	trace->tested = 0;
	trace->alive = false;
	trace->kept_used = 0;
	trace->digest = (struct kp_digest){ KP_HASH_START, KP_HASH_START };
	trace->disturbed = false;
	trace->stuck = false;
	trace->failed_by = 0;
	trace->leak.nr = 0;
	trace->twice_by = 0;
	for (i = 0; i < prog->nr_steps && i < trace->step_max; i++) {
		trace->step[i].broken = NULL;
		trace->step[i].skipped = false;
		trace->step[i].same = -1;
		trace->step[i].failed = false;
		trace->step[i].allocations = 0;
	}
}

/**
 * kp_trace_run() - run a program on a fresh object of one path
 * @trace: receives the trace; what it held is forgotten
 * @pair: the pair
 * @path: the path
 * @prog: the program
 *
 * Tells the host that the case makes progress, at each operation.
 *
 * Context: may sleep.
 */
void kp_trace_run(struct kp_trace *trace, const struct kp_pair *pair,
		  enum kp_path_id path, const struct kp_program *prog)
{
	void *obj;

	kp_trace_start(trace, pair, path, prog);
	trace->alive = true;
	if (pair->after)
		pair->after(prog->param);
	if (prog->balance)
		kp_balance_begin();
	obj = kp_make(trace);
	if (IS_ERR(obj)) {
		trace->err = PTR_ERR(obj);
		trace->digest.seen = kp_hash_word(trace->digest.seen, trace->err);
		if (!trace->made.broken && !errno_allowed(&pair->creation, trace->err))
			kp_trace_broken(trace, KP_AT_CREATION,
					"an errno of its creation that its row does not list");
	} else {
		if (!trace->stuck)
			kp_run(pair, path, obj, prog, trace);
		/* An object that is stuck is left alone. */
		if (trace->stuck)
			kp_watch(NULL, false);
		else
			kp_unmake(trace, obj);
	}
	/* An object that was to be refused has not been asked for. */
	if (pair->after && !(trace->like && kp_refused(trace->like, KP_AT_CREATION)))
		kp_trace_judge(trace, pair->after_judges, pair->after(prog->param));
	if (prog->balance && !trace->like)
		kp_balance_end(trace);
}

/**
 * kp_refused() - whether a call ended with -ENOMEM because an allocation of it was to fail
 * @trace: the trace of its program
 * @step: the call; %KP_AT_CREATION for the object's creation
 *
 * Return: true if it did, and its row lists the errno
 */
bool kp_refused(const struct kp_trace *trace, u32 step)
{
	const struct kp_operation *op;

	if (step == KP_AT_CREATION)
		return trace->made.failed && trace->err == -ENOMEM &&
		       errno_allowed(&trace->pair->creation, -ENOMEM);
	op = &trace->pair->operation[trace->prog->step[step].op];
	return step < trace->nr && trace->step[step].failed &&
	       op->returns == KP_RET_RESULT && trace->step[step].ret == -ENOMEM &&
	       errno_allowed(op, -ENOMEM);
}

/* Runs of a program, until the allocation that fails is known to be the one that was to. */
#define TRIES	16

/**
 * kp_trace_both() - run a program on a path, and what is due of it on C over C
 * @ref: receives what is due
 * @got: receives the trace on the path
 * @pair: the pair
 * @path: the path
 * @prog: the program
 *
 * Where allocations are to fail, the path runs first. A call of it may then return
 * -ENOMEM if its row lists that: due is the program on C over C as if that call had not
 * been made, and it had left its outputs alone. Else due is what C over C gives with
 * memory. No allocation fails on C over C here, so each path is judged by itself. Where
 * @disturbed of @got is set, another allocation may have failed than was to, in each of
 * some tries: then @got shows nothing.
 *
 * Context: may sleep.
 */
void kp_trace_both(struct kp_trace *ref, struct kp_trace *got, const struct kp_pair *pair,
		   enum kp_path_id path, const struct kp_program *prog)
{
	u32 try;

	if (!prog->balance) {
		kp_trace_run(ref, pair, KP_C_C, prog);
		kp_trace_run(got, pair, path, prog);
		return;
	}
	for (try = 0; try < TRIES; try++) {
		kp_trace_run(got, pair, path, prog);
		if (!got->disturbed)
			break;
	}
	ref->like = got;
	kp_trace_run(ref, pair, KP_C_C, prog);
	ref->like = NULL;
}

/**
 * kp_once_with() - carry out one operation on an object that threads may share
 * @p: the path
 * @obj: an object that kp_create() has made
 * @op: the operation
 * @arg: its arguments in their order, but for those that it only stores
 *
 * For cases that drive one object from several threads. What the operation may
 * not do at the same time as another one is the caller's to heed; so is that each
 * place for a handle is one thread's at a time.
 *
 * Context: that of the operation.
 * Return: the result; -EIO if it breaks the contract's list of errnos
 */
struct kp_result kp_once_with(const struct kp_path_param *p, void *obj, u32 op,
			      const u64 *arg)
{
	struct kp_result res = kp_call_once(p->pair, p->id, obj, op, arg);

	if (breaks_its_row(&p->pair->operation[op], res.ret))
		res.ret = -EIO;
	return res;
}
EXPORT_SYMBOL_GPL(kp_once_with);

/**
 * kp_once_slots() - carry out one operation with arguments that the caller lays out
 * @p: the path
 * @obj: an object that kp_create() has made
 * @op: the operation
 * @slot: its arguments, in the order of the contract
 *
 * As kp_once_with(), for operations that take more than numbers.
 *
 * Context: that of the operation.
 * Return: what it returned; -EIO if that breaks the contract's list of errnos
 */
s64 kp_once_slots(const struct kp_path_param *p, void *obj, u32 op,
		  const struct kp_slot *slot)
{
	struct kp_result res = { .out = KP_POISON };

	p->pair->path[p->id]->call[op](kp_object(p->pair, obj), slot, &res);
	kp_outcome(p->pair, p->id, op, res.ret);
	if (breaks_its_row(&p->pair->operation[op], res.ret))
		return -EIO;
	return res.ret;
}
EXPORT_SYMBOL_GPL(kp_once_slots);

/* An operation's errno; 0 for success, and the same for all that are no errno. */
static s32 errno_of(const struct kp_trace *trace, u32 step)
{
	const struct kp_operation *op = &trace->pair->operation[trace->prog->step[step].op];
	s64 ret = trace->step[step].ret;

	if (op->returns != KP_RET_RESULT || ret >= 0 || trace->step[step].skipped)
		return 0;
	return max(ret, -MAX_ERRNO - 1);
}

/* Results in which two operations differ, of enum kp_in. */
static u32 differs_in(const struct kp_step_trace *s, const struct kp_step_trace *t)
{
	u32 in = 0;

	if (s->ret != t->ret || s->skipped != t->skipped)
		in |= KP_IN_RETURNS;
	if (s->outs != t->outs ||
	    s->same != t->same ||
	    (s->stored != t->stored && !s->hides && !t->hides))
		in |= KP_IN_OUTPUTS;
	if (s->view != t->view)
		in |= KP_IN_STATE;
	return in;
}

/* Kind of difference in one operation, or of a broken contract; -1 if there is none. */
static int differs(const struct kp_trace *a, const struct kp_trace *b, u32 i)
{
	u32 in;

	if (i >= a->nr || i >= b->nr)
		return KP_DIFFERS_END;
	in = differs_in(&a->step[i], &b->step[i]);
	if (in & KP_IN_RETURNS)
		return KP_DIFFERS_RETURN;
	if (in & KP_IN_OUTPUTS)
		return KP_DIFFERS_OUTPUT;
	if (in & KP_IN_STATE)
		return KP_DIFFERS_STATE;
	if (b->step[i].broken)
		return KP_DIFFERS_CONTRACT;
	return -1;
}

/* The arguments of an operation, as its contract's expressions see them. */
static bool get_slots(const struct kp_program *prog, const struct kp_step *step,
		      const struct kp_arg *arg, struct kp_slot *slot)
{
	u32 a, len;

	for (a = 0; a < KP_NR_ARGS && arg[a].name; a++) {
		u64 value = step->arg[a];
		u8 *at;

		slot[a].n = kp_in_user(&arg[a]) ? kp_user_size(&arg[a], value) : value;
		if (!kp_in_pool(&arg[a]))
			continue;
		len = kp_span_len(value);
		if (!kp_in_user(&arg[a]))
			slot[a].n = len;
		at = kmalloc(len + 1, GFP_KERNEL);
		if (!at)
			return false;
		memcpy(at, prog->pool + kp_span_at(value), len);
		at[len] = '\0';
		slot[a].p = at;
	}
	return true;
}

/* The number of the declared difference that an operation's results are; -1 for none. */
static int accepted(const struct kp_trace *a, const struct kp_trace *b, u32 i)
{
	const struct kp_pair *pair = b->pair;
	const struct kp_step *step = &b->prog->step[i];
	struct kp_slot slot[KP_NR_ARGS] = {};
	struct kp_result gave[2];
	int found = -1;
	bool able;
	u32 d, in;

	/*
	 * Both callers have the same two sides: a difference is one of Rust. A break of
	 * the contract is no difference that can be declared.
	 */
	if (!pair->nr_diverges || i >= a->nr || i >= b->nr ||
	    a->step[i].broken || b->step[i].broken || !kp_rust_is_called(b->path))
		return -1;
	able = get_slots(b->prog, step, pair->operation[step->op].arg, slot);
	in = differs_in(&a->step[i], &b->step[i]);
	gave[0] = (struct kp_result){ a->step[i].ret, a->step[i].out };
	gave[1] = (struct kp_result){ b->step[i].ret, b->step[i].out };
	for (d = 0; able && found < 0 && d < pair->nr_diverges; d++)
		if (pair->diverges[d].op == step->op && !(in & ~pair->diverges[d].in) &&
		    pair->diverges[d].when(slot, gave))
			found = d;
	for (d = 0; d < KP_NR_ARGS; d++)
		kfree(slot[d].p);
	return found;
}

/**
 * kp_trace_accepted() - count the differences that the contract accepts
 * @a: the reference
 * @b: another trace of the same program
 * @times: how often each was met; added to
 *
 * Context: may sleep.
 * Return: how many were met
 */
u32 kp_trace_accepted(const struct kp_trace *a, const struct kp_trace *b, u32 *times)
{
	u32 i, n = 0;
	int d;

	for (i = 0; b->pair->nr_diverges && i < min(a->nr, b->nr); i++) {
		if (differs(a, b, i) < 0)
			continue;
		d = accepted(a, b, i);
		if (d < 0)
			continue;
		times[d]++;
		n++;
	}
	return n;
}

/**
 * kp_trace_diff() - find the first difference of two traces of one program
 * @a: the reference
 * @b: another one
 * @from: the operation to begin with; before the first one the object's creation
 *        is compared as well
 * @diff: receives the difference
 *
 * A promise that broke in @b is a difference too; one that the contract accepts is
 * none. Costs are not compared.
 *
 * Context: may sleep.
 * Return: true if there is a difference
 */
bool kp_trace_diff(const struct kp_trace *a, const struct kp_trace *b, u32 from,
		   struct kp_diff *diff)
{
	u32 i, nr = max(a->nr, b->nr);
	int what = -1;

	memset(diff, 0, sizeof(*diff));
	if (!from && (a->err != b->err || a->start != b->start || a->made.outs != b->made.outs ||
		      b->made.broken)) {
		diff->at = a->prog->nr_steps;
		diff->broken = b->made.broken ?: b->err ? b->broken : NULL;
		diff->what = KP_DIFFERS_CREATE;
		diff->in = a->err != b->err ? KP_IN_RETURNS :
			   a->made.outs != b->made.outs ? KP_IN_OUTPUTS : KP_IN_STATE;
		diff->expected = a->err;
		diff->got = b->err;
		return true;
	}
	for (i = from; i < nr && what < 0; i++) {
		what = differs(a, b, i);
		if (what >= 0 && accepted(a, b, i) >= 0)
			what = -1;
	}
	if (what < 0 && b->broken && b->broken_at >= nr && b->broken_at >= from) {
		diff->at = b->prog->nr_steps;
		diff->what = KP_DIFFERS_CONTRACT;
		diff->broken = b->broken;
		return true;
	}
	if (what < 0)
		return false;
	diff->at = i - 1;
	diff->what = what;
	diff->op = a->prog->step[diff->at].op;
	if (diff->at < a->nr && diff->at < b->nr) {
		diff->expected = errno_of(a, diff->at);
		diff->got = errno_of(b, diff->at);
	}
	if (diff->at < b->nr)
		diff->broken = b->step[diff->at].broken;
	return true;
}

/**
 * kp_same_kind() - whether two differences are of one kind
 * @a: a difference
 * @b: another one
 *
 * Return: true if they differ at most in where they are
 */
bool kp_same_kind(const struct kp_diff *a, const struct kp_diff *b)
{
	return a->op == b->op && a->what == b->what && a->in == b->in &&
	       a->expected == b->expected && a->got == b->got && a->broken == b->broken;
}
