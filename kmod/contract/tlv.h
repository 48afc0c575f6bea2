/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tlv: a table of attributes that user memory sets and gets, as netlink's are.
 *
 * A message is a sequence of attributes: a header, the payload, and padding up
 * to a multiple of %TLV_ALIGN, which the last attribute may lack. Setting a
 * message commits all of its attributes or, on any error, none.
 *
 * Each byte of a message is read once, and the whole message before any of it
 * is looked at: user space may change it at any time. So an unreadable byte
 * wins over whatever is wrong with the others. User memory is touched with no
 * lock held, since that may fault. Operations may run at the same time from
 * several threads; a mutex inside orders them.
 */
#ifndef _KPARITY_TLV_H
#define _KPARITY_TLV_H

#include "contract/kparity.h"

/** define TLV_TYPES - attributes have the types 0 to TLV_TYPES - 1 */
#define TLV_TYPES	8

/** define TLV_PAYLOAD_MAX - the longest payload a table can be made for */
#define TLV_PAYLOAD_MAX	32

/** define TLV_MSG_MAX - the longest message, in bytes */
#define TLV_MSG_MAX	256

/** define TLV_ALIGN - attributes start at multiples of this in a message */
#define TLV_ALIGN	4

/**
 * struct tlv_attr - the header of an attribute, in user memory
 * @len: bytes of header and payload, without padding
 * @type: what the payload is
 */
struct tlv_attr {
	u16 len;
	u16 type;
};

/** struct tlv - a table; each implementation has its own definition */
struct tlv;

/**
 * struct tlv_view - the state that both languages must agree on
 * @limit: the longest payload that the table takes
 * @count: number of types that are set
 * @present: a bit a type, set while the type is
 * @len: bytes of each type's payload; 0 for one that is not set
 * @digest: FNV-1a over the payloads, in the order of types
 */
struct tlv_view {
	u32 limit;
	u16 count;
	u16 present;
	u8 len[TLV_TYPES];
	u64 digest;
};

/** define TLV_DIGEST - what a digest starts with */
#define TLV_DIGEST	0xcbf29ce484222325ULL

/** define TLV_DIGEST_PRIME - what it is multiplied by after each byte */
#define TLV_DIGEST_PRIME	0x100000001b3ULL

/**
 * struct tlv_ops - the interface, once for each implementation
 *
 * @create: Make an empty table for payloads of up to @limit bytes, 1 to
 *	%TLV_PAYLOAD_MAX. The caller owns it and gives it to @destroy.
 *	Return: the table; ERR_PTR(-EINVAL) for any other limit, before memory
 *	is touched; ERR_PTR(-ENOMEM).
 *	Context: process, may sleep.
 *
 * @destroy: Release a table. No one may use it any more.
 *	Context: process, may sleep.
 *
 * @set: Commit the message of @len bytes at @msg. Payloads are copied; the
 *	message stays the caller's. Of several attributes of one type the last
 *	one counts.
 *	Return: number of types that the message set; -EMSGSIZE for a message
 *	longer than %TLV_MSG_MAX, before memory is touched; -EFAULT if a byte
 *	cannot be read, before any is looked at. Then the first attribute with
 *	an error decides, by -EINVAL if its header or payload is cut short or
 *	its length shorter than a header, else -EOPNOTSUPP for an unknown type,
 *	else -ERANGE for a payload beyond the limit. On error nothing changed.
 *	Context: process, may sleep. Takes the inner mutex, not while it reads.
 *
 * @get: Write the attribute of @type, its padding zeroed, to @buf, which has
 *	room for @room bytes. Bytes beyond the padding are untouched.
 *	Return: bytes written, a multiple of %TLV_ALIGN; -EINVAL for an unknown
 *	type, first; -ENOENT for one that is not set; -EMSGSIZE if @room is too
 *	small, and then @buf is untouched; -EFAULT if @buf cannot be written,
 *	and then a part may have been. The table never changes.
 *	Context: as @set; the inner mutex is not held while it writes.
 *
 * @clear: Forget all attributes.
 *	Return: number of types that were set.
 *	Context: process, may sleep. Takes the inner mutex.
 *
 * @count: Number of types that are set.
 *	Context: process, may sleep. Takes the inner mutex.
 *
 * @view: Describe the state; @view is zeroed.
 *	Context: as @count.
 */
struct tlv_ops {
	struct tlv *(*create)(u32 limit);
	void (*destroy)(struct tlv *tlv);
	int (*set)(struct tlv *tlv, const void __user *msg, u32 len);
	int (*get)(struct tlv *tlv, u32 type, void __user *buf, u32 room);
	u32 (*clear)(struct tlv *tlv);
	u32 (*count)(struct tlv *tlv);
	void (*view)(struct tlv *tlv, struct tlv_view *view);
};

/* The operations, in the order of both languages' tables. */
enum tlv_op { TLV_NOOP, TLV_SET, TLV_GET, TLV_CLEAR, TLV_COUNT };

/*
 * What the callers of both languages hand to set and get. A program is made of
 * numbers, so it names messages and buffers by theirs; all of them lie in user
 * memory before the program starts, the same bytes at the same addresses.
 */

/** define TLV_MESSAGES - number of messages; a power of two */
#define TLV_MESSAGES	64

/** define TLV_BUFFERS - number of buffers; a power of two */
#define TLV_BUFFERS	16

/**
 * enum tlv_kind - what is special about a message
 * @TLV_VALID: nothing, but a payload may be longer than a table's limit
 * @TLV_ZERO: ends with an attribute without payload
 * @TLV_CUT: the last header or payload is cut short, or its length is
 * @TLV_UNKNOWN: the last type is unknown
 * @TLV_UNMAPPED: some bytes or all are not mapped; the others may be wrong
 * @TLV_BIG: longer than %TLV_MSG_MAX, and not mapped either
 */
enum tlv_kind {
	TLV_VALID, TLV_ZERO, TLV_CUT, TLV_UNKNOWN, TLV_UNMAPPED, TLV_BIG
};

/**
 * struct tlv_span - a piece of user memory: a message or a buffer
 * @addr: its address
 * @len: bytes in it
 * @kind: one of &enum tlv_kind
 * @longest: bytes of the message's longest payload
 * @type: the type of the message's last attribute
 */
struct tlv_span {
	u64 addr;
	u32 len;
	u8 kind;
	u8 longest;
	u16 type;
};

extern struct tlv_span tlv_messages[TLV_MESSAGES];
extern struct tlv_span tlv_buffers[TLV_BUFFERS];

/**
 * tlv_user_attach() - give the calling test thread its user memory
 *
 * Maps the memory and writes the messages, once a thread; it goes when the
 * thread does.
 *
 * Context: a KUnit case's own thread; sleeps.
 * Return: 0 or a negative errno
 */
int tlv_user_attach(void);

extern const struct tlv_ops tlv_c;
extern const struct tlv_ops tlv_rust;

extern const struct kp_driver tlv_rust_over_c;
extern const struct kp_driver tlv_rust_over_rust;

#endif

#ifdef KP_RECORDS
KP_OPERATION(noop, ANY, "none", KP_NO_ERRNOS, "nothing", "cannot fail")
KP_OPERATION(set, SLEEPS, "takes the inner mutex after the message is read",
	     KP_ERRNOS(-EMSGSIZE, -EFAULT, -EINVAL, -EOPNOTSUPP, -ERANGE),
	     "the message stays the caller's; payloads are copied",
	     "the table is as it was")
KP_OPERATION(get, SLEEPS, "takes the inner mutex, drops it before it writes",
	     KP_ERRNOS(-EINVAL, -ENOENT, -EMSGSIZE, -EFAULT),
	     "the attribute is copied out and stays in the table",
	     "the table is as it was, the buffer too but for EFAULT")
KP_OPERATION(clear, SLEEPS, "takes the inner mutex", KP_NO_ERRNOS,
	     "the attributes are gone", "cannot fail")
KP_OPERATION(count, SLEEPS, "takes the inner mutex", KP_NO_ERRNOS,
	     "nothing", "cannot fail")

KP_TYPE(struct tlv_attr)
KP_MEMBER(struct tlv_attr, len)
KP_MEMBER(struct tlv_attr, type)
KP_TYPE(struct tlv_view)
KP_MEMBER(struct tlv_view, limit)
KP_MEMBER(struct tlv_view, count)
KP_MEMBER(struct tlv_view, present)
KP_MEMBER(struct tlv_view, len)
KP_MEMBER(struct tlv_view, digest)
KP_TYPE(struct tlv_span)
KP_MEMBER(struct tlv_span, addr)
KP_MEMBER(struct tlv_span, len)
KP_MEMBER(struct tlv_span, kind)
KP_MEMBER(struct tlv_span, longest)
KP_MEMBER(struct tlv_span, type)

KP_INVARIANT(limit_kept, lifetime,
	     "the limit is fixed, and no attribute is ever longer",
	     "limit is written by create alone; payloads are compared with it before a commit",
	     true,
	     now->limit == was->limit && tlv_longest(now) <= now->limit)
KP_INVARIANT(set_adds, ownership,
	     "a set that succeeds takes no type away and sets as many as it says",
	     "tlv_commit() writes the slots of the types in the message alone",
	     op == TLV_SET && ret >= 0,
	     (was->present & ~now->present) == 0 && ret <= now->count &&
	     now->count <= was->count + ret)
KP_INVARIANT(all_or_nothing, ownership,
	     "a set that fails leaves the table as it was",
	     "the message is parsed to its end before tlv_commit() is called",
	     op == TLV_SET && ret < 0,
	     tlv_same(now, was))
KP_INVARIANT(set_valid, errors,
	     "a valid message within the limit is set",
	     "there is no other way out of tlv_parse()",
	     op == TLV_SET && tlv_message(arg)->kind <= TLV_ZERO &&
	     tlv_message(arg)->longest <= was->limit,
	     ret >= 0)
KP_INVARIANT(set_range, errors,
	     "a payload beyond the limit is ERANGE",
	     "compared with the limit before it is taken",
	     op == TLV_SET && tlv_message(arg)->kind <= TLV_ZERO &&
	     tlv_message(arg)->longest > was->limit,
	     ret == -ERANGE)
KP_INVARIANT(set_cut, errors,
	     "a header or a payload that is cut short is EINVAL",
	     "both are compared with what is left of the message",
	     op == TLV_SET && tlv_message(arg)->kind == TLV_CUT,
	     ret == -EINVAL)
KP_INVARIANT(set_unknown, errors,
	     "an unknown type is EOPNOTSUPP",
	     "the type is compared with the number of types",
	     op == TLV_SET && tlv_message(arg)->kind == TLV_UNKNOWN,
	     ret == -EOPNOTSUPP)
KP_INVARIANT(set_unmapped, errors,
	     "a byte that cannot be read is EFAULT, whatever the others hold",
	     "the message is copied as a whole before it is looked at",
	     op == TLV_SET && tlv_message(arg)->kind == TLV_UNMAPPED,
	     ret == -EFAULT)
KP_INVARIANT(set_big, errors,
	     "a message that is too long is EMSGSIZE, mapped or not",
	     "the length is compared before memory is touched",
	     op == TLV_SET && tlv_message(arg)->kind == TLV_BIG,
	     ret == -EMSGSIZE)
KP_INVARIANT(zero_length, compatibility,
	     "an attribute without payload is valid and set",
	     "presence is a flag of its own, not a length above 0",
	     op == TLV_SET && tlv_message(arg)->kind == TLV_ZERO && ret > 0,
	     now->present & BIT(tlv_message(arg)->type) &&
	     now->len[tlv_message(arg)->type] == 0)
KP_INVARIANT(get_result, errors,
	     "get gives the padded length or, in this order, EINVAL, ENOENT, EMSGSIZE, EFAULT",
	     "each is tested in this order",
	     op == TLV_GET,
	     ret == tlv_get_result(was, arg))
KP_INVARIANT(reads_pure, ownership,
	     "get and count change nothing",
	     "both only read the table",
	     op == TLV_GET || op == TLV_COUNT,
	     tlv_same(now, was) && (op == TLV_GET || ret == was->count))
KP_INVARIANT(clear_all, lifetime,
	     "clear forgets all attributes and says how many they were",
	     "the slots are cleared under one lock",
	     op == TLV_CLEAR,
	     ret == was->count && !now->count && !now->present)
KP_PROMISE(read_once, concurrency,
	   "a message that changes while it is read gives each byte as it was read, once",
	   "one copy_from_user() a message")
KP_PROMISE(copied, lifetime,
	   "what has been set does not change when the message does",
	   "payloads are copied into the table")
KP_PROMISE(whole, concurrency,
	   "threads that set, clear and count see all of a message or none of it",
	   "one mutex around each commit")
KP_PROMISE(fault_unlocked, context,
	   "user memory is touched with no lock held: a fault handler may use the table",
	   "copies are made before the mutex is taken or after it is dropped")
KP_PROMISE(faults_in, context,
	   "a page that is not there yet is brought in, by sleeping if need be",
	   "copy_from_user() and copy_to_user(), not their atomic relatives")
KP_PROMISE(no_leak, ownership,
	   "get writes header, payload and zeroed padding, and not a byte more",
	   "the attribute is built in a buffer whose padding is cleared")
KP_PROMISE(layout, layout,
	   "both languages see the same attributes, views and spans",
	   "one definition, in this header, which bindgen reads")
#endif
