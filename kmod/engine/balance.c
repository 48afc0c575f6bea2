// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a program's calls give back all memory that they take.
 *
 * What they take is seen at the trace points of the allocators: of the task that runs the
 * program, while a call of it runs. What is freed counts whoever does it. To count the
 * memory that is free would not do: all tasks take of it, and who took what is not known
 * afterwards.
 *
 * The slab allocator takes a page when it has no free object, and so does kfree_rcu() for
 * its lists. That is an allocation of the same task, comes now and then, and would fail in
 * place of the one that is meant: it does not count, and a call that is to fail and in
 * which it came has shown nothing; its program runs again. Variant fault has no per-CPU
 * stocks of objects (slab_debug=), whose refills would be more of these.
 *
 * This is not for a kernel with KASAN, as that of variant debug, which has kmemleak as well.
 */
#include <linux/array_size.h>
#include <linux/hashtable.h>
#include <linux/kallsyms.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include "engine.h"

/* Pieces of memory that calls of one program can hold at a time. */
#define PIECES		4096
/* Pages that one call takes: beyond them it cannot be told which are the slab allocator's. */
#define PAGES		64
/* Frames of a stack that are looked at to find who asked for a page. */
#define FRAMES		24
/* Milliseconds for workers to give memory back that a program has left to them. */
#define WORKERS_MS	2000

/* The key of a page is odd: what kmalloc() takes from the page allocator has both. */
#define PAGE_KEY(page)	((unsigned long)page_address(page) | 1)

struct piece {
	struct hlist_node node;
	unsigned long at;
	unsigned long by;
	size_t size;
};

static struct {
	raw_spinlock_t lock; /* protects pieces and free */
	DECLARE_HASHTABLE(pieces, 10);
	struct hlist_head free;
	struct piece *all;
	u32 nr;
	u32 lost;
	bool blind;
	struct task_struct *task;
	struct task_struct *runs;
	unsigned long failed_by;
	unsigned long twice_by;
	struct page *page[PAGES];
	u32 nr_pages;
	u32 others;
	u64 bytes;
} balance = { .lock = __RAW_SPIN_LOCK_UNLOCKED(balance.lock) };

static struct piece *find(unsigned long at)
{
	struct piece *piece;

	hash_for_each_possible(balance.pieces, piece, node, at)
		if (piece->at == at)
			return piece;
	return NULL;
}

static size_t forget(struct piece *piece)
{
	hash_del(&piece->node);
	hlist_add_head(&piece->node, &balance.free);
	balance.nr--;
	return piece->size;
}

static void took(unsigned long at, size_t size, unsigned long by)
{
	struct piece *piece;
	unsigned long flags;

	balance.bytes += size;
	raw_spin_lock_irqsave(&balance.lock, flags);
	piece = find(at);
	if (piece)
		forget(piece);
	if (hlist_empty(&balance.free)) {
		balance.lost++;
	} else {
		piece = hlist_entry(balance.free.first, struct piece, node);
		hlist_del(&piece->node);
		piece->at = at;
		piece->size = size;
		piece->by = by;
		hash_add(balance.pieces, &piece->node, at);
		balance.nr++;
	}
	raw_spin_unlock_irqrestore(&balance.lock, flags);
}

/* Return: how many bytes these were; 0 if nobody is known to have taken them */
static size_t gave_back(unsigned long at)
{
	struct piece *piece;
	unsigned long flags;
	size_t size = 0;

	if (!READ_ONCE(balance.nr))
		return 0;
	raw_spin_lock_irqsave(&balance.lock, flags);
	piece = find(at);
	if (piece)
		size = forget(piece);
	raw_spin_unlock_irqrestore(&balance.lock, flags);
	return size;
}

/* Whether it is a call of the program that allocates here. */
static bool watched(void)
{
	return READ_ONCE(balance.task) == current && in_task();
}

static void on_object(unsigned long by, const void *ptr, size_t size)
{
	if (!watched())
		return;
	if (!ptr) {
		balance.failed_by = by;
		return;
	}
	took((unsigned long)ptr, size, by);
	/* A large one has been taken from the page allocator before. */
	if (PAGE_ALIGNED(ptr))
		balance.bytes -= gave_back((unsigned long)ptr | 1);
}

static void on_kmalloc(void *unused, unsigned long by, const void *ptr, size_t size,
		       size_t room, gfp_t gfp, int node)
{
	on_object(by, ptr, size);
}

static void on_cache_alloc(void *unused, unsigned long by, const void *ptr,
			   struct kmem_cache *cache, gfp_t gfp, int node)
{
	on_object(by, ptr, ptr && watched() ? kmem_cache_size(cache) : 0);
}

/*
 * Whether an object that is about to be freed is free. With slab_debug=ZP the slab allocator
 * fills it with a pattern, when it is handed out as well, and says before it which it is.
 */
static bool is_free(const void *ptr, size_t size)
{
	const u8 *at = ptr;

	return size && size <= KMALLOC_MAX_CACHE_SIZE && at[size - 1] == POISON_END &&
	       !memchr_inv(at, POISON_FREE, size - 1) && at[-1] == SLUB_RED_INACTIVE;
}

static void freed(unsigned long by, const void *ptr, size_t size)
{
	if (READ_ONCE(balance.runs) == current && in_task() && is_free(ptr, size))
		balance.twice_by = by;
	gave_back((unsigned long)ptr);
}

static void on_kfree(void *unused, unsigned long by, const void *ptr)
{
	if (!ZERO_OR_NULL_PTR(ptr))
		freed(by, ptr, READ_ONCE(balance.runs) == current ? ksize(ptr) : 0);
}

static void on_cache_free(void *unused, unsigned long by, const void *ptr,
			  const struct kmem_cache *cache)
{
	freed(by, ptr, kmem_cache_size((struct kmem_cache *)cache));
}

static void on_kfree_bulk(void *unused, const char *name, unsigned long nr, void **ptr)
{
	while (nr--)
		gave_back((unsigned long)*ptr++);
}

/* The first frame in a module; 0 if the page is one that kfree_rcu() keeps for itself. */
static unsigned long who_asked(void)
{
	unsigned long frame[FRAMES], by = 0;
	char name[KSYM_SYMBOL_LEN];
	u32 i, nr = stack_trace_save(frame, FRAMES, 1);

	for (i = 0; i < nr && !by; i++) {
		sprint_symbol_no_offset(name, frame[i]);
		if (str_has_prefix(name, "kvfree_call_rcu"))
			return 0;
		if (strchr(name, '[') && !strstr(name, "[kparity]"))
			by = frame[i];
	}
	return by ?: 1;
}

static void on_page_alloc(void *unused, struct page *page, unsigned int order, gfp_t gfp,
			  int migratetype)
{
	unsigned long by;

	if (!watched() || !page)
		return;
	by = who_asked();
	if (!by) {
		balance.others++;
		return;
	}
	if (balance.nr_pages < PAGES)
		balance.page[balance.nr_pages] = page;
	balance.nr_pages++;
	took(PAGE_KEY(page), PAGE_SIZE << order, by);
}

static void on_page_free(void *unused, struct page *page, unsigned int order)
{
	gave_back(PAGE_KEY(page));
}

static void on_page_batched(void *unused, struct page *page)
{
	gave_back(PAGE_KEY(page));
}

static struct {
	const char *name;
	void *probe;
	struct tracepoint *at;
} points[] = {
	{ "kmalloc", on_kmalloc },
	{ "kmem_cache_alloc", on_cache_alloc },
	{ "kfree", on_kfree },
	{ "kmem_cache_free", on_cache_free },
	{ "mm_page_alloc", on_page_alloc },
	{ "mm_page_free", on_page_free },
	{ "mm_page_free_batched", on_page_batched },
	{ "rcu_invoke_kfree_bulk_callback", on_kfree_bulk },
};

static void note_point(struct tracepoint *tp, void *unused)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(points); i++)
		if (!strcmp(tp->name, points[i].name))
			points[i].at = tp;
}

/* Begin to look at allocations, once; they cost little until a program is watched. */
static void start(void)
{
	u32 i;

	if (balance.all)
		return;
	balance.all = kvcalloc(PIECES, sizeof(*balance.all), GFP_KERNEL);
	for (i = 0; balance.all && i < PIECES; i++)
		hlist_add_head(&balance.all[i].node, &balance.free);
	for_each_kernel_tracepoint(note_point, NULL);
	for (i = 0; balance.all && i < ARRAY_SIZE(points); i++)
		if (!points[i].at || tracepoint_probe_register(points[i].at, points[i].probe, NULL))
			balance.blind = true;
	balance.blind |= !balance.all;
}

/**
 * kp_balance_stop() - undo what the first kp_balance_begin() did
 */
void kp_balance_stop(void)
{
	u32 i;

	if (!balance.all)
		return;
	for (i = 0; i < ARRAY_SIZE(points); i++)
		if (points[i].at)
			tracepoint_probe_unregister(points[i].at, points[i].probe, NULL);
	tracepoint_synchronize_unregister();
	kvfree(balance.all);
}

/**
 * kp_balance_begin() - a program begins: nothing has been taken yet
 *
 * Context: may sleep.
 */
void kp_balance_begin(void)
{
	struct hlist_node *next;
	struct piece *piece;
	unsigned long flags;
	int bucket;

	start();
	raw_spin_lock_irqsave(&balance.lock, flags);
	hash_for_each_safe(balance.pieces, bucket, next, piece, node)
		forget(piece);
	raw_spin_unlock_irqrestore(&balance.lock, flags);
	balance.twice_by = 0;
	balance.lost = 0;
	WRITE_ONCE(balance.runs, current);
}

/* Address space that vfree() has given back is kept to be given back for good later. */
static bool kept_by_vmalloc(const struct piece *piece)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol_no_offset(name, piece->by);
	return str_has_prefix(name, "alloc_vmap_area");
}

static void count_left(struct kp_leak *leak)
{
	struct piece *piece;
	unsigned long flags;
	int bucket;

	leak->nr = 0;
	raw_spin_lock_irqsave(&balance.lock, flags);
	hash_for_each(balance.pieces, bucket, piece, node) {
		if (kept_by_vmalloc(piece))
			continue;
		leak->nr++;
		/* The same one each time, wherever it lies. */
		if (leak->nr > 1 && (piece->by > leak->by ||
				     (piece->by == leak->by && piece->size >= leak->size)))
			continue;
		leak->by = piece->by;
		leak->size = piece->size;
	}
	raw_spin_unlock_irqrestore(&balance.lock, flags);
}

/* Wait until all that was left to RCU is freed. */
static void wait_for_rcu(void)
{
	/* What is left with kfree_rcu() has a barrier that modules reach in this way alone. */
	kmem_cache_destroy(kmem_cache_create("kparity", sizeof(u64), 0, 0, NULL));
	rcu_barrier();
}

/*
 * Look at what is left until it is nothing, or it has had its time. Where one was not given
 * back in time, the others of the same place are not waited for.
 */
static void wait_for_workers(const struct kp_trace *trace, struct kp_leak *leak)
{
	static const struct kp_pair *pair;
	static enum kp_path_id path;
	static unsigned long known;
	u32 waited;

	if (trace->pair != pair || trace->path != path)
		known = 0;
	pair = trace->pair;
	path = trace->path;
	count_left(leak);
	for (waited = 0; leak->nr && waited < WORKERS_MS; waited += 10) {
		if (leak->by == known)
			return;
		schedule_timeout_uninterruptible(msecs_to_jiffies(10));
		count_left(leak);
	}
	if (leak->nr)
		known = leak->by;
}

/**
 * kp_balance_end() - a program has ended: all that its calls took must have been given back
 * @trace: its trace, whose contract is broken if it has not
 *
 * Waits for RCU and workers where something is left.
 *
 * Context: may sleep.
 */
void kp_balance_end(struct kp_trace *trace)
{
	WRITE_ONCE(balance.runs, NULL);
	/* An object that is left alone has its memory. */
	if (trace->stuck)
		return;
	trace->twice_by = balance.twice_by;
	if (trace->twice_by)
		kp_trace_broken(trace, trace->nr, "memory is given back twice");
	if (balance.lost || balance.blind) {
		kp_trace_broken(trace, trace->nr, balance.blind ?
				"its allocations cannot be followed in this kernel" :
				"it holds more memory than can be followed");
		return;
	}
	if (!balance.nr)
		return;
	wait_for_rcu();
	wait_for_workers(trace, &trace->leak);
	if (trace->leak.nr)
		kp_trace_broken(trace, trace->nr, "memory is not given back");
}

/**
 * kp_balance_watch() - a call of the program begins
 */
void kp_balance_watch(void)
{
	balance.nr_pages = 0;
	balance.others = 0;
	balance.failed_by = 0;
	balance.bytes = 0;
	WRITE_ONCE(balance.task, current);
}

/**
 * kp_balance_unwatch() - it has ended
 * @failed_by: receives who asked for the allocation that failed, 0 if that is not known; or NULL
 * @bytes: receives how many bytes it asked for in all; 0 where allocations are not followed
 *
 * Pages of the slab allocator are not the call's to give back.
 *
 * Return: how many allocations of its were the kernel's own
 */
u32 kp_balance_unwatch(unsigned long *failed_by, u32 *bytes)
{
	u32 i, nr = balance.others + (balance.nr_pages > PAGES);

	WRITE_ONCE(balance.task, NULL);
	if (failed_by)
		*failed_by = balance.failed_by;
	for (i = 0; i < min(balance.nr_pages, PAGES); i++) {
		if (!PageSlab(balance.page[i]))
			continue;
		balance.bytes -= gave_back(PAGE_KEY(balance.page[i]));
		nr++;
	}
	*bytes = min(balance.bytes, U32_MAX);
	return nr;
}
