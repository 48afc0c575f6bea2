// SPDX-License-Identifier: GPL-2.0
/*
 * User memory: what an operation reads there or fills. Each such argument has some
 * pages of its own in the address space of the test thread, at an address that is the
 * same each time, and behind them nothing is mapped. A program says where in or beside
 * them an argument lies.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/kmemleak.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "engine.h"

/* Room for the most bytes across a page boundary, and guards. */
#define BASE		0x40000000UL
#define MAPPED		(3 * PAGE_SIZE)
#define STRIDE		(16 * PAGE_SIZE)
/* The last page of the kernel's half. */
#define NOT_USER	((unsigned long)-PAGE_SIZE)

static vm_fault_t watched_fault(struct vm_fault *vmf)
{
	struct kp_watched *w = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= ARRAY_SIZE(w->page))
		return VM_FAULT_SIGBUS;
	w->touched(w, vmf->pgoff);
	w->faults++;
	get_page(w->page[vmf->pgoff]);
	vmf->page = w->page[vmf->pgoff];
	return 0;
}

static const struct vm_operations_struct watched_vm_ops = {
	.fault = watched_fault,
};

static int watched_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &watched_vm_ops;
	return 0;
}

static const struct file_operations watched_fops = {
	.owner = THIS_MODULE,
	.mmap = watched_mmap,
};

/**
 * kp_watched_map() - map two pages that are not there until they are touched
 * @w: what they are, zeroed but for @w->touched
 *
 * Context: a test's own thread, after kp_user_attach(); sleeps.
 * Return: 0, to be undone by kp_watched_unmap(), or a negative errno
 */
int kp_watched_map(struct kp_watched *w)
{
	struct file *file;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(w->page); i++) {
		w->page[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!w->page[i])
			goto no_memory;
	}
	file = anon_inode_getfile("[kparity]", &watched_fops, w, O_RDWR);
	if (IS_ERR(file))
		goto no_memory;
	w->file = file;
	w->at = vm_mmap(file, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (!IS_ERR_VALUE(w->at))
		return 0;
no_memory:
	w->at = 0;
	kp_watched_unmap(w);
	return -ENOMEM;
}
EXPORT_SYMBOL_GPL(kp_watched_map);

/**
 * kp_watched_unmap() - undo kp_watched_map()
 * @w: the pages; ready to be mapped again
 */
void kp_watched_unmap(struct kp_watched *w)
{
	u32 i;

	if (w->at)
		vm_munmap(w->at, 2 * PAGE_SIZE);
	/* At once: the module may go next, and these operations with it. */
	if (w->file)
		__fput_sync(w->file);
	for (i = 0; i < ARRAY_SIZE(w->page); i++)
		if (w->page[i])
			__free_page(w->page[i]);
	*w = (struct kp_watched){ .touched = w->touched };
}
EXPORT_SYMBOL_GPL(kp_watched_unmap);

/**
 * kp_watched_put() - lay bytes across the two pages, without touching them
 * @w: the pages
 * @bytes: the bytes
 * @len: how many they are
 * @first: how many of them lie on the first page, at its end
 *
 * Return: the address of the first one
 */
unsigned long kp_watched_put(struct kp_watched *w, const u8 *bytes, u32 len, u32 first)
{
	memcpy(page_address(w->page[0]) + PAGE_SIZE - first, bytes, first);
	memcpy(page_address(w->page[1]), bytes + first, len - first);
	return w->at + PAGE_SIZE - first;
}
EXPORT_SYMBOL_GPL(kp_watched_put);

/* The first address of an argument's pages. */
static unsigned long pages_of(u32 argument)
{
	return BASE + argument * STRIDE;
}

/**
 * kp_user_attach() - give the calling thread the user memory of all arguments
 *
 * Once a thread; it goes when the thread does.
 *
 * Context: a test's own thread; sleeps.
 * Return: 0 or a negative errno
 */
int kp_user_attach(void)
{
	unsigned long addr;
	int err;
	u32 a;

	err = kunit_attach_mm();
	if (err)
		return err;
	/*
	 * kthread_use_mm() takes a reference that only kthread_unuse_mm() gives
	 * back; KUnit leaves that to the thread's exit, which does not. That leak
	 * is not ours to report.
	 */
	kmemleak_not_leak(current->mm);
	/* Twice as many as one call has: another one can come while it runs. */
	for (a = 0; a < 2 * KP_NR_ARGS; a++) {
		addr = vm_mmap(NULL, pages_of(a), MAPPED, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, 0);
		if (addr == (unsigned long)-EEXIST)
			return 0;
		if (IS_ERR_VALUE(addr))
			return addr;
		/* Every page is touched here, so that no operation faults one in. */
		if (clear_user((void __user *)addr, MAPPED))
			return -EFAULT;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(kp_user_attach);

/**
 * kp_user_at() - the user memory that programs use for an argument
 * @argument: the argument
 *
 * For cases of a pair's own, which use it while no program runs: some pages.
 *
 * Return: its address, once kp_user_attach() has been called
 */
unsigned long kp_user_at(u32 argument)
{
	return pages_of(argument);
}
EXPORT_SYMBOL_GPL(kp_user_at);

/* Bytes on the first page, of an argument across two. */
static u32 on_first(u64 span)
{
	return kp_span_len(span) - kp_place_bytes(span);
}

static unsigned long address_of(u32 argument, u64 span, u32 shift)
{
	unsigned long begin = pages_of(argument);

	switch (kp_place(span)) {
	case KP_END:
	case KP_HUGE:
		return begin + MAPPED - kp_span_len(span) + kp_place_bytes(span);
	case KP_SPLIT:
		return begin + PAGE_SIZE - on_first(span);
	case KP_UNMAPPED:
		return begin + MAPPED + PAGE_SIZE;
	case KP_KERNEL:
		return NOT_USER;
	default:
		return begin + KP_GUARD + shift;
	}
}

/* Copy the part of an argument and its guards that is mapped. */
static bool copy(const struct kp_user_piece *p, bool back)
{
	unsigned long from = max(p->at, p->begin), to = min(p->at + p->size, p->end);
	void __user *user = (void __user *)from;
	u8 *image = p->image + (from - p->at);

	/* An argument in the kernel's half is beyond, and so is one that wraps. */
	if (from >= to || p->at + p->size < p->at)
		return true;
	return !(back ? copy_from_user(image, user, to - from) :
		 copy_to_user(user, image, to - from));
}

static void spoil(struct kp_watched *w, u32 page)
{
	if (page)
		memset(page_address(w->page[0]), w->spoil, PAGE_SIZE);
}

/**
 * kp_user_put() - lay an argument out in user memory
 * @p: receives what kp_user_get() and kp_user_drop() need
 * @argument: its number
 * @span: what it is, and where it is to lie
 * @shift: how many bytes behind a multiple of 8, where the place leaves that open
 * @image: the argument with its guards; receives what has become of them, later
 * @size: bytes in @image
 * @before: bytes of it before the argument
 * @other: the value of bytes once they change
 *
 * Context: a test's own thread, after kp_user_attach(); sleeps.
 * Return: the argument's address; 0 without memory
 */
unsigned long kp_user_put(struct kp_user_piece *p, u32 argument, u64 span, u32 shift,
			  u8 *image, u32 size, u32 before, u8 other)
{
	unsigned long at = address_of(argument, span, shift);

	*p = (struct kp_user_piece){ .image = image, .size = size, .at = at - before };
	if (kp_place(span) == KP_CHANGES) {
		p->watched = kzalloc_obj(*p->watched);
		if (!p->watched)
			return 0;
		p->watched->touched = spoil;
		p->watched->spoil = other;
		if (kp_watched_map(p->watched))
			return 0;
		return kp_watched_put(p->watched, image + before, kp_span_len(span),
				      on_first(span));
	}
	if (kp_place(span) == KP_UNMAPPED || kp_place(span) == KP_KERNEL)
		return at;
	p->begin = pages_of(argument);
	p->end = p->begin + MAPPED;
	return copy(p, false) ? at : 0;
}

/**
 * kp_user_get() - read an argument and its guards back
 * @p: the argument; its image holds them then, and its old bytes where nothing is mapped
 */
void kp_user_get(const struct kp_user_piece *p)
{
	/* Mapped pages stay mapped, but for bugs that end in a page being gone. */
	WARN_ON_ONCE(!copy(p, true));
}

/**
 * kp_user_spoil() - write over an argument and its guards, as far as they are mapped
 * @p: the argument, after kp_user_get()
 * @byte: with this
 *
 * Pages of its own are unmapped by kp_user_drop().
 */
void kp_user_spoil(const struct kp_user_piece *p, u8 byte)
{
	memset(p->image, byte, p->size);
	WARN_ON_ONCE(!copy(p, false));
}

/**
 * kp_user_drop() - give back what kp_user_put() has taken
 * @p: the argument
 */
void kp_user_drop(const struct kp_user_piece *p)
{
	if (!p->watched)
		return;
	kp_watched_unmap(p->watched);
	kfree(p->watched);
}

/**
 * kp_user_size() - the number of bytes that an operation is told
 * @arg: the argument
 * @span: what it is
 *
 * Return: the number; in place %KP_HUGE the largest one of its type, or one that a narrower type
 *         takes for what is there
 */
u64 kp_user_size(const struct kp_arg *arg, u64 span)
{
	if (kp_place(span) != KP_HUGE)
		return kp_span_len(span);
	switch (kp_span_len(span) % 4) {
	case 1:
		return kp_of_type(arg, kp_span_len(span) + (1ULL << 8));
	case 2:
		return kp_of_type(arg, kp_span_len(span) + (1ULL << 16));
	default:
		return U64_MAX >> (64 - 8 * arg->size + arg->is_signed);
	}
}

/**
 * kp_user() - user memory that an operation was given, for invariants
 * @o: the operation
 * @argument: number of the argument, from 0
 *
 * Return: what it was before the operation
 */
struct kp_user kp_user(const struct kp_observed *o, u32 argument)
{
	u64 span = o->step->arg[argument];
	enum kp_place place = kp_place(span);
	struct kp_user user = {
		.bytes = o->prog->pool + kp_span_at(span),
		.size = kp_user_size(&o->pair->operation[o->step->op].arg[argument], span),
		.there = kp_span_len(span),
	};

	if (place == KP_UNMAPPED || place == KP_KERNEL)
		user.there = 0;
	else if (place == KP_END)
		user.there -= kp_place_bytes(span);
	return user;
}
EXPORT_SYMBOL_GPL(kp_user);
