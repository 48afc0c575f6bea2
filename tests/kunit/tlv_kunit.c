// SPDX-License-Identifier: GPL-2.0
/*
 * tlv: the messages in user memory, table of operations, C callers, and the
 * suite.
 */
#include <kunit/test.h>
#include <linux/align.h>
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/kmemleak.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include "contract/tlv.h"
#include "engine/engine.h"

/*
 * User memory lies at fixed addresses, so that all paths pass the same ones:
 * the messages, and one page of buffers. What follows each is not mapped.
 */
#define MESSAGES	0x40000000UL
#define MESSAGES_SIZE	PAGE_ALIGN(TLV_MESSAGES * TLV_MSG_MAX)
#define MESSAGES_END	(MESSAGES + MESSAGES_SIZE)
#define BUFFERS		0x50000000UL
#define BUFFERS_END	(BUFFERS + PAGE_SIZE)
#define BUFFER_SIZE	64

/* The last page of the kernel's half. */
#define NOT_USER	((u64)-PAGE_SIZE)

struct tlv_span tlv_messages[TLV_MESSAGES];
struct tlv_span tlv_buffers[TLV_BUFFERS];

static const struct tlv_span *tlv_message(const u64 *arg)
{
	return &tlv_messages[arg[0] % TLV_MESSAGES];
}

static const struct tlv_span *tlv_buffer(const u64 *arg)
{
	return &tlv_buffers[arg[1] % TLV_BUFFERS];
}

static bool tlv_same(const struct tlv_view *a, const struct tlv_view *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static u32 tlv_longest(const struct tlv_view *view)
{
	u32 type, longest = 0;

	for (type = 0; type < TLV_TYPES; type++)
		longest = max_t(u32, longest, view->len[type]);
	return longest;
}

/* What the contract says that get returns. */
static s64 tlv_get_result(const struct tlv_view *was, const u64 *arg)
{
	const struct tlv_span *buf = tlv_buffer(arg);
	u32 len;

	if (arg[0] >= TLV_TYPES)
		return -EINVAL;
	if (!(was->present & BIT(arg[0])))
		return -ENOENT;
	len = ALIGN(sizeof(struct tlv_attr) + was->len[arg[0]], TLV_ALIGN);
	if (len > buf->len)
		return -EMSGSIZE;
	if (buf->addr + len > BUFFERS_END)
		return -EFAULT;
	return len;
}

#define KP_PAIR		tlv
#define KP_CONTRACT	"contract/tlv.h"
#include "contract/records.h"

/* Append an attribute; its padding is not zero, since no one may look at it. */
static u32 put_attr(u8 *msg, u32 at, u16 type, u16 payload,
		    struct rnd_state *rnd)
{
	struct tlv_attr *attr = (struct tlv_attr *)(msg + at);
	u32 len = sizeof(*attr) + payload;

	attr->len = len;
	attr->type = type;
	prandom_bytes_state(rnd, attr + 1, payload);
	memset(msg + at + len, 0xff, ALIGN(len, TLV_ALIGN) - len);
	return at + ALIGN(len, TLV_ALIGN);
}

/* End a message with an attribute that is cut short, in one of five ways. */
static u32 put_cut(u8 *msg, u32 at, u32 way, struct rnd_state *rnd)
{
	struct tlv_attr *attr = (struct tlv_attr *)(msg + at);
	u32 end = put_attr(msg, at, 1, 12, rnd);

	switch (way) {
	case 0:
		return at + sizeof(*attr) - 1;
	case 1:
		return end - 1;
	case 2:
		attr->len = sizeof(*attr) - 1;
		return end;
	case 3:
		attr->len = 0;
		return end;
	default:
		attr->len = U16_MAX;
		return end;
	}
}

/* Most messages are valid; every other kind comes after valid attributes. */
static void make_message(u32 n, u8 *msg, struct tlv_span *span)
{
	u32 way = n / 16, at = 0, nr, max_len, len;
	struct rnd_state rnd;

	memset(msg, 0, TLV_MSG_MAX);
	prandom_seed_state(&rnd, n + 1);
	*span = (struct tlv_span){ .addr = MESSAGES + n * TLV_MSG_MAX };
	/* Each table's limit is 16 at least. One message in four goes beyond. */
	max_len = n % 16 < 8 && n % 4 == 3 ? TLV_PAYLOAD_MAX : 16;
	for (nr = prandom_u32_state(&rnd) % 4 + 1; nr; nr--) {
		len = prandom_u32_state(&rnd) % (max_len + 1);
		span->longest = max_t(u32, span->longest, len);
		span->type = prandom_u32_state(&rnd) % TLV_TYPES;
		at = put_attr(msg, at, span->type, len, &rnd);
	}
	span->len = at;
	switch (n % 16) {
	case 8: /* the last attribute's padding may be missing */
		put_attr(msg, at, span->type, 5, &rnd);
		span->longest = max_t(u32, span->longest, 5);
		span->len = at + sizeof(struct tlv_attr) + 5;
		break;
	case 9:
		span->kind = TLV_ZERO;
		span->len = put_attr(msg, at, span->type, 0, &rnd);
		break;
	case 10:
		span->kind = TLV_CUT;
		span->len = put_cut(msg, at, way, &rnd);
		break;
	case 11: /* longer than any table's limit, or an end that is cut */
		if (way % 2) {
			span->kind = TLV_CUT;
			span->len = put_cut(msg, at, 4, &rnd);
			break;
		}
		span->longest = TLV_PAYLOAD_MAX + 8;
		span->len = put_attr(msg, at, 0, span->longest, &rnd);
		break;
	case 12:
		span->kind = TLV_UNKNOWN;
		span->len = put_attr(msg, at, way % 2 ? TLV_TYPES : U16_MAX, 4,
				     &rnd);
		break;
	case 13: /* all of it is unmapped, or the kernel's */
		span->kind = TLV_UNMAPPED;
		span->addr = way % 2 ? MESSAGES_END : NOT_USER;
		break;
	case 14: /* starts well, or with an unknown type, and runs off */
		span->kind = TLV_UNMAPPED;
		span->addr = MESSAGES_END - (way % 2 ? 16 : 32);
		span->len = 64;
		break;
	case 15: /* empty, or too long */
		if (!way) {
			span->len = 0;
			span->longest = 0;
			break;
		}
		span->kind = TLV_BIG;
		span->len = way == 1 ? TLV_MSG_MAX + 1 : U32_MAX;
		if (way == 2)
			span->addr = MESSAGES_END;
		break;
	}
}

/* The end of the last message, which is too long and never read. */
static void make_end(u8 *msg)
{
	struct rnd_state rnd;
	u32 at = TLV_MSG_MAX - 32;

	prandom_seed_state(&rnd, 0);
	at = put_attr(msg, at, TLV_TYPES, 12, &rnd);
	put_attr(msg, at, 0, 12, &rnd);
}

/* Most buffers have room; the last ones are short, run off, or unmapped. */
static void make_buffer(u32 n, struct tlv_span *span)
{
	*span = (struct tlv_span){ BUFFERS + n * BUFFER_SIZE, BUFFER_SIZE };
	switch (TLV_BUFFERS - n) {
	case 1:
		span->addr = BUFFERS_END;
		break;
	case 2:
		span->addr = BUFFERS_END - 8;
		break;
	case 3:
		span->len = 0;
		break;
	case 4:
		span->len = 8;
		break;
	}
}

static unsigned long map_fixed(unsigned long addr, unsigned long size)
{
	return vm_mmap(NULL, addr, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, 0);
}

int tlv_user_attach(void)
{
	unsigned long addr;
	u8 *msg;
	int err;
	u32 n;

	err = kunit_attach_mm();
	if (err)
		return err;
	/*
	 * kthread_use_mm() takes a reference that only kthread_unuse_mm() gives
	 * back; KUnit leaves that to the thread's exit, which does not. That leak
	 * is not ours to report.
	 */
	kmemleak_not_leak(current->mm);
	addr = map_fixed(MESSAGES, MESSAGES_SIZE);
	if (addr == (unsigned long)-EEXIST)
		return 0;
	if (!IS_ERR_VALUE(addr))
		addr = map_fixed(BUFFERS, PAGE_SIZE);
	if (IS_ERR_VALUE(addr))
		return addr;
	msg = kmalloc(TLV_MSG_MAX, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	/* Every page is touched here, so that no operation faults one in. */
	if (clear_user((void __user *)BUFFERS, PAGE_SIZE))
		err = -EFAULT;
	for (n = 0; n < TLV_BUFFERS; n++)
		make_buffer(n, &tlv_buffers[n]);
	for (n = 0; n < TLV_MESSAGES; n++) {
		make_message(n, msg, &tlv_messages[n]);
		if (copy_to_user((void __user *)(MESSAGES + n * TLV_MSG_MAX),
				 msg, TLV_MSG_MAX))
			err = -EFAULT;
	}
	make_end(msg);
	if (copy_to_user((void __user *)(MESSAGES_END - 32),
			 msg + TLV_MSG_MAX - 32, 32))
		err = -EFAULT;
	kfree(msg);
	return err;
}

static const struct kp_pair tlv_pair;

static void call_noop(const void *ops, void *obj, const u64 *arg,
		      struct kp_result *res)
{
	res->ret = 0;
}

static void call_set(const void *ops, void *obj, const u64 *arg,
		     struct kp_result *res)
{
	const struct tlv_span *msg = tlv_message(arg);

	res->ret = ((const struct tlv_ops *)ops)->set(obj, u64_to_user_ptr(msg->addr),
						      msg->len);
}

static void call_get(const void *ops, void *obj, const u64 *arg,
		     struct kp_result *res)
{
	const struct tlv_span *buf = tlv_buffer(arg);

	res->ret = ((const struct tlv_ops *)ops)->get(obj, arg[0],
						      u64_to_user_ptr(buf->addr),
						      buf->len);
}

static void call_clear(const void *ops, void *obj, const u64 *arg,
		       struct kp_result *res)
{
	res->ret = ((const struct tlv_ops *)ops)->clear(obj);
}

static void call_count(const void *ops, void *obj, const u64 *arg,
		       struct kp_result *res)
{
	res->ret = ((const struct tlv_ops *)ops)->count(obj);
}

static const struct kp_op tlv_op[] = {
	[TLV_NOOP] = { .weight = 4, .call = call_noop },
	[TLV_SET] = {
		.weight = 18, .call = call_set,
		.arg = { { "message", 0, TLV_MESSAGES - 1 } },
	},
	[TLV_GET] = {
		.weight = 14, .call = call_get,
		.arg = { { "type", 0, TLV_TYPES },
			 { "buffer", 0, TLV_BUFFERS - 1 } },
	},
	[TLV_CLEAR] = { .weight = 1, .call = call_clear },
	[TLV_COUNT] = { .weight = 4, .call = call_count },
};

static struct tlv *tlv_create(const struct tlv_ops *ops, const u64 *param)
{
	int err = tlv_user_attach();

	return err ? ERR_PTR(err) : ops->create(param[0]);
}

KP_C_DRIVER(tlv_c_over_c, tlv, tlv_c);
KP_C_DRIVER(tlv_c_over_rust, tlv, tlv_rust);

static struct kp_stats tlv_stats;

static const struct kp_pair tlv_pair = {
	.name = "tlv",
	.param = { { "limit", 16, TLV_PAYLOAD_MAX + 1 } },
	.operation = tlv_operations,
	.op = tlv_op,
	.nr_ops = ARRAY_SIZE(tlv_op),
	.invariant = tlv_invariants,
	.nr_invariants = ARRAY_SIZE(tlv_invariants),
	.view_size = sizeof(struct tlv_view),
	.path = {
		[KP_C_C] = &tlv_c_over_c,
		[KP_C_RUST] = &tlv_c_over_rust,
		[KP_RUST_C] = &tlv_rust_over_c,
		[KP_RUST_RUST] = &tlv_rust_over_rust,
	},
	.stats = &tlv_stats,
};

/*
 * Cases of the pair's own pass a message of theirs under the last number, and
 * use buffer 0. The next test thread writes all of them anew.
 */
#define OWN_MESSAGE	(TLV_MESSAGES - 1)
#define OWN_ADDR	(MESSAGES + OWN_MESSAGE * TLV_MSG_MAX)
#define OWN_TYPES	4
#define OWN_PAYLOAD	12
#define OWN_SIZE	64

static void *own_create(struct kunit *test)
{
	const struct kp_path_param *path = test->param_value;
	u64 param[KP_NR_ARGS] = { TLV_PAYLOAD_MAX };
	void *obj = path->pair->path[path->id]->create(param);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, obj);
	return obj;
}

static void own_destroy(struct kunit *test, void *obj)
{
	const struct kp_path_param *path = test->param_value;

	path->pair->path[path->id]->destroy(obj);
}

/* A message of four attributes of 16 bytes each. */
static void own_message(u8 *msg)
{
	struct rnd_state rnd;
	u32 type, at = 0;

	prandom_seed_state(&rnd, 1);
	for (type = 0; type < OWN_TYPES; type++)
		at = put_attr(msg, at, type, OWN_PAYLOAD, &rnd);
}

static s64 own_set(struct kunit *test, void *obj, u64 addr, u32 len)
{
	tlv_messages[OWN_MESSAGE] = (struct tlv_span){ addr, len };
	return kp_once(test->param_value, obj, TLV_SET, OWN_MESSAGE).ret;
}

/* Whether the table holds exactly what own_message() makes. */
static bool own_matches(struct kunit *test, void *obj, const u8 *msg)
{
	u8 got[OWN_SIZE / OWN_TYPES];
	u32 type;

	for (type = 0; type < OWN_TYPES; type++)
		if (kp_once(test->param_value, obj, TLV_GET, type).ret != sizeof(got) ||
		    copy_from_user(got, (void __user *)BUFFERS, sizeof(got)) ||
		    memcmp(got, msg + type * sizeof(got), sizeof(got)))
			return false;
	return kp_once(test->param_value, obj, TLV_COUNT, 0).ret == OWN_TYPES;
}

/* Start a thread on this thread's CPU, where both stay. */
static struct task_struct *own_thread(int (*run)(void *), void *data)
{
	u32 cpu = raw_smp_processor_id();

	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	return kthread_run_on_cpu(run, data, cpu, "kparity-tlv/%u");
}

/* Set one attribute whose payload is @len times @fill. */
static s64 reply_set(struct kunit *test, void *obj, u32 len, u8 fill)
{
	struct tlv_attr attr = { sizeof(attr) + len, TLV_TYPES - 1 };
	u8 msg[TLV_MSG_MAX];

	memcpy(msg, &attr, sizeof(attr));
	memset(msg + sizeof(attr), fill, len);
	if (copy_to_user((void __user *)OWN_ADDR, msg, attr.len))
		return -EIO;
	return own_set(test, obj, OWN_ADDR, attr.len);
}

/*
 * What get leaves in user memory, byte for byte, for every length. A longer
 * payload was there before, so that old bytes would show in the padding.
 */
static void replies(struct kunit *test)
{
	u8 want[BUFFER_SIZE], got[BUFFER_SIZE];
	void *obj = own_create(test);
	u32 len, wrong = 0;
	s64 ret;

	for (len = 0; len <= TLV_PAYLOAD_MAX; len++) {
		struct tlv_attr attr = { sizeof(attr) + len, TLV_TYPES - 1 };

		kp_alive();
		wrong += reply_set(test, obj, TLV_PAYLOAD_MAX, 0xa5) != 1;
		wrong += reply_set(test, obj, len, 0x11) != 1;
		memset(want, 0x77, sizeof(want));
		if (copy_to_user((void __user *)BUFFERS, want, sizeof(want)))
			wrong++;
		memset(want, 0, ALIGN(attr.len, TLV_ALIGN));
		memcpy(want, &attr, sizeof(attr));
		memset(want + sizeof(attr), 0x11, len);

		ret = kp_once(test->param_value, obj, TLV_GET, attr.type).ret;
		wrong += ret != ALIGN(attr.len, TLV_ALIGN);
		if (copy_from_user(got, (void __user *)BUFFERS, sizeof(got)) ||
		    memcmp(got, want, sizeof(got)))
			wrong++;
	}
	KP_EXPECT(test, no_leak, !wrong);
	own_destroy(test, obj);
}

/**
 * struct fetch - two pages of user memory that notice being touched
 * @path: the path
 * @obj: its object
 * @page: their content
 * @spoil: overwrite the first page when the second one is touched
 * @faults: number of pages touched so far
 * @probe: a thread that uses the table, once it is woken
 * @begun: it has been woken
 * @probed: it could
 * @stuck: it could not while a page was touched
 */
struct fetch {
	const struct kp_path_param *path;
	void *obj;
	struct page *page[2];
	bool spoil;
	u32 faults;
	struct task_struct *probe;
	struct completion begun;
	struct completion probed;
	bool stuck;
};

static int fetch_probe(void *data)
{
	struct fetch *f = data;

	complete(&f->begun);
	kp_once(f->path, f->obj, TLV_COUNT, 0);
	complete(&f->probed);
	return 0;
}

/*
 * The second page is touched after the whole part on the first page has been
 * read. That part is then overwritten: what is read again is not what it was.
 * The probe sleeps for nothing but a lock, which is held for this fault.
 */
static vm_fault_t fetch_fault(struct vm_fault *vmf)
{
	struct fetch *f = vmf->vma->vm_file->private_data;

	if (vmf->pgoff >= ARRAY_SIZE(f->page))
		return VM_FAULT_SIGBUS;
	if (vmf->pgoff && f->spoil)
		memset(page_address(f->page[0]), 0xff, PAGE_SIZE);
	if (!f->faults++) {
		wake_up_process(f->probe);
		wait_for_completion(&f->begun);
		if (!kp_done_or_asleep(&f->probed, f->probe, TASK_NORMAL))
			f->stuck = true;
	}
	get_page(f->page[vmf->pgoff]);
	vmf->page = f->page[vmf->pgoff];
	return 0;
}

static const struct vm_operations_struct fetch_vm_ops = {
	.fault = fetch_fault,
};

static int fetch_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &fetch_vm_ops;
	return 0;
}

static const struct file_operations fetch_fops = {
	.owner = THIS_MODULE,
	.mmap = fetch_mmap,
};

/* Map the pages, not there until they are touched; with a probe that waits. */
static unsigned long fetch_map(struct kunit *test, struct fetch *f,
			       struct file *file)
{
	unsigned long addr = vm_mmap(file, 0, 2 * PAGE_SIZE,
				     PROT_READ | PROT_WRITE, MAP_SHARED, 0);

	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(addr));
	f->faults = 0;
	reinit_completion(&f->begun);
	reinit_completion(&f->probed);
	f->probe = kthread_create(fetch_probe, f, "kparity-probe");
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->probe));
	get_task_struct(f->probe);
	return addr;
}

static void fetch_unmap(struct fetch *f, unsigned long addr)
{
	kthread_stop_put(f->probe);
	vm_munmap(addr, 2 * PAGE_SIZE);
}

/* Both ends of a run: what lies on the first page and on the second one. */
static void fetch_fill(struct fetch *f, const u8 *msg, u32 split)
{
	memcpy(page_address(f->page[0]) + PAGE_SIZE - split, msg, split);
	memcpy(page_address(f->page[1]), msg + split, OWN_SIZE - split);
}

/*
 * A message across two pages. It is split at multiples of 16 bytes only, since
 * an instruction that reads across the boundary is restarted after the fault.
 */
static void fetch_set(struct kunit *test, struct fetch *f, struct file *file,
		      u32 split)
{
	u8 msg[OWN_SIZE] __aligned(TLV_ALIGN);
	unsigned long addr = fetch_map(test, f, file);
	s64 ret;

	own_message(msg);
	fetch_fill(f, msg, split);
	f->spoil = true;
	kp_once(f->path, f->obj, TLV_CLEAR, 0);
	ret = own_set(test, f->obj, addr + PAGE_SIZE - split, sizeof(msg));
	KP_EXPECT(test, faults_in, ret != -EFAULT && f->faults == 2);
	KP_EXPECT(test, read_once, ret == OWN_TYPES && own_matches(test, f->obj, msg));
	memset(page_address(f->page[1]), 0xff, PAGE_SIZE);
	KP_EXPECT(test, copied, own_matches(test, f->obj, msg));
	KP_EXPECT(test, fault_unlocked, !f->stuck);
	fetch_unmap(f, addr);
}

/* An attribute written across two pages. */
static void fetch_get(struct kunit *test, struct fetch *f, struct file *file)
{
	unsigned long addr = fetch_map(test, f, file);
	s64 ret;

	f->spoil = false;
	tlv_buffers[0].addr = addr + PAGE_SIZE - 8;
	ret = kp_once(f->path, f->obj, TLV_GET, 0).ret;
	KP_EXPECT(test, faults_in, ret == 16 && f->faults == 2);
	KP_EXPECT(test, fault_unlocked, !f->stuck);
	fetch_unmap(f, addr);
}

static void fetch(struct kunit *test)
{
	struct fetch *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	struct file *file;
	u32 split;

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->path = test->param_value;
	init_completion(&f->begun);
	init_completion(&f->probed);
	f->page[0] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	f->page[1] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	f->obj = own_create(test);
	file = anon_inode_getfile("[tlv]", &fetch_fops, f, O_RDWR);
	if (!IS_ERR(file) && f->page[0] && f->page[1]) {
		for (split = 16; split < OWN_SIZE; split += 16)
			fetch_set(test, f, file, split);
		fetch_get(test, f, file);
	} else {
		KUNIT_FAIL(test, "no pages to map");
	}
	own_destroy(test, f->obj);
	if (!IS_ERR(file))
		fput(file);
	/* A kernel thread's files are closed later; the module stays till then. */
	flush_delayed_fput();
	if (f->page[0])
		__free_page(f->page[0]);
	if (f->page[1])
		__free_page(f->page[1]);
}

#define FLIP_TIMES	100

/* A message whose first length another thread keeps changing. */
struct flip {
	struct mm_struct *mm;
	u32 failed;
	struct completion done;
};

/*
 * The first attribute has 12 bytes of payload or 4; the other 8 are then an
 * attribute of type 5. Either way the message is valid.
 */
static void flip_message(u8 *msg)
{
	struct tlv_attr inner = { 8, 5 };

	own_message(msg);
	memcpy(msg + 8, &inner, sizeof(inner));
}

/*
 * Wakes up from a timer and, being of a higher priority, interrupts the other
 * thread wherever that happens to be: between two reads of the length, if it
 * has two. Needs no luck with two CPUs that run at the same time.
 */
static int flip_thread(void *data)
{
	u16 __user *len = (u16 __user *)OWN_ADDR;
	struct flip *f = data;
	int i;

	sched_set_fifo(current);
	kthread_use_mm(f->mm);
	for (i = 0; i < FLIP_TIMES; i++) {
		kp_alive();
		usleep_range(100, 200);
		f->failed += put_user(i % 2 ? 16 : 8, len) != 0;
	}
	kthread_unuse_mm(f->mm);
	/* No one waits for the thread: not to be in the module when that goes. */
	kthread_complete_and_exit(&f->done, 0);
}

/* Set the message once; gives the number of types, or 0 for a mixture. */
static s64 flip_set(struct kunit *test, void *obj)
{
	s64 outer = 16, inner = -ENOENT, ret;

	kp_once(test->param_value, obj, TLV_CLEAR, 0);
	ret = own_set(test, obj, OWN_ADDR, OWN_SIZE);
	if (ret == OWN_TYPES + 1) {
		outer = 8;
		inner = 8;
	} else if (ret != OWN_TYPES) {
		return 0;
	}
	if (kp_once(test->param_value, obj, TLV_GET, 0).ret != outer ||
	    kp_once(test->param_value, obj, TLV_GET, 5).ret != inner ||
	    kp_once(test->param_value, obj, TLV_COUNT, 0).ret != ret)
		return 0;
	return ret;
}

/* Whether the message as it is now is the one with this first length. */
static bool flip_is(struct kunit *test, void *obj, u16 len)
{
	s64 want = len == 8 ? OWN_TYPES + 1 : OWN_TYPES;

	return !put_user(len, (u16 __user *)OWN_ADDR) &&
	       flip_set(test, obj) == want;
}

/*
 * What was checked is what is used, although the bytes change meanwhile. That
 * each of both messages is valid is seen without the other thread, which may
 * have had no luck with one of them.
 */
static void flip(struct kunit *test)
{
	struct flip *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u8 msg[OWN_SIZE] __aligned(TLV_ALIGN);
	struct task_struct *task;
	u32 wrong = 0;
	void *obj;

	KUNIT_ASSERT_NOT_NULL(test, f);
	obj = own_create(test);
	f->mm = current->mm;
	init_completion(&f->done);
	flip_message(msg);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)OWN_ADDR, msg, sizeof(msg)));
	task = own_thread(flip_thread, f);
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no thread: %pe", task);
	} else {
		do {
			wrong += !flip_set(test, obj);
			cond_resched();
		} while (!completion_done(&f->done));
		wait_for_completion(&f->done);
		KP_EXPECT(test, read_once, !wrong);
		KUNIT_EXPECT_TRUE(test, flip_is(test, obj, 8));
		KUNIT_EXPECT_TRUE(test, flip_is(test, obj, 16));
		KUNIT_EXPECT_EQ(test, f->failed, 0);
	}
	own_destroy(test, obj);
}

#define WHOLE_LOOKS	60

/* A table that one thread sets and clears while another one counts. */
struct whole {
	const struct kp_path_param *path;
	void *obj;
	struct completion done;
	u32 wrong;
};

/*
 * Wakes up from a timer and, being of a higher priority, interrupts the other
 * thread wherever that happens to be: in the midst of a commit, say. Needs no
 * luck with two CPUs that run at the same time.
 */
static int whole_count(void *data)
{
	struct whole *w = data;
	s64 ret;
	int i;

	sched_set_fifo(current);
	for (i = 0; i < WHOLE_LOOKS; i++) {
		kp_alive();
		usleep_range(100, 200);
		ret = kp_once(w->path, w->obj, TLV_COUNT, 0).ret;
		w->wrong += ret && ret != OWN_TYPES;
	}
	kthread_complete_and_exit(&w->done, 0);
}

/* All of the message's types are set at once and cleared at once. */
static void whole(struct kunit *test)
{
	struct whole *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	u8 msg[OWN_SIZE] __aligned(TLV_ALIGN);
	struct task_struct *task;
	u32 wrong = 0;

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->path = test->param_value;
	w->obj = own_create(test);
	init_completion(&w->done);
	own_message(msg);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)OWN_ADDR, msg, sizeof(msg)));
	task = own_thread(whole_count, w);
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no thread: %pe", task);
	} else {
		do {
			wrong += own_set(test, w->obj, OWN_ADDR, sizeof(msg)) != OWN_TYPES;
			wrong += kp_once(w->path, w->obj, TLV_CLEAR, 0).ret != OWN_TYPES;
			cond_resched();
		} while (!completion_done(&w->done));
		wait_for_completion(&w->done);
		KP_EXPECT(test, whole, !wrong && !w->wrong);
	}
	own_destroy(test, w->obj);
}

KP_SUITES(tlv, KP_CASE(tlv, replies) KP_CASE(tlv, fetch) KP_CASE(tlv, flip)
	  KP_CASE(tlv, whole));
